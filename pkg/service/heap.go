package service

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// KeepHeap has garbage collected when the heap comes to size bytes, or to twice what is in use where that is more. Go
// knows the second rule alone, by which a program that keeps a few megabytes collects many times a second. The rule follows
// each collection, so a heap that grows all at once may grow further before the next; GOMEMLIMIT bounds it then as ever.
// GOGC, if set, overrules it. Once in a process is enough.
func KeepHeap(size uint64) {
	if os.Getenv("GOGC") != "" {
		return
	}
	var adjust func()
	adjust = func() {
		debug.SetGCPercent(garbagePercent(size))
		runtime.AddCleanup(&collected{}, func(f func()) { f() }, adjust)
	}
	adjust()
}

// collected is garbage from the start, and so tells of the next collection. It has a pointer, or else it would share its
// memory with others.
type collected struct{ _ *int }

// garbagePercent is Go's GOGC for the next collection to begin at size bytes; at least 100, Go's own.
func garbagePercent(size uint64) int {
	const leastHeap = 4 << 20 // at 100 per cent; see https://go.dev/doc/gc-guide#GOGC, which has this rule, too
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	live := samples[0].Value.Uint64()
	scanned := live + samples[1].Value.Uint64() + samples[2].Value.Uint64()
	if live >= size {
		return 100
	}
	return int(max(100, min(100*(size-live)/max(scanned, 1), 100*size/leastHeap))) // #nosec G115 -- a size in MiB, times 25
}
