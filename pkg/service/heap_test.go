package service

import (
	"runtime"
	"testing"
)

func TestASmallHeapIsNotCollectedAgainAndAgain(t *testing.T) {
	const size, garbage = 64 << 20, 640 << 20
	t.Setenv("GOGC", "") // as good as not set
	KeepHeap(size)
	runtime.GC() // the second begins where the first has told how much is in use
	collections := collectedWhile(func() { waste(garbage) })
	if least := uint32(garbage / size); collections > 2*least { // Go alone does it some hundred times
		t.Errorf("%d collections for %d heaps of garbage", collections, least)
	}
	kept := make([]byte, 2*size)
	runtime.GC()
	if got := garbagePercent(size); got != 100 {
		t.Errorf("a heap that is in use: %d per cent", got)
	}
	runtime.KeepAlive(kept)
}

func collectedWhile(work func()) uint32 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	return after.NumGC - before.NumGC
}

var sink []byte

func waste(bytes int) {
	const each = 4 << 10
	for range bytes / each {
		sink = make([]byte, each)
	}
}
