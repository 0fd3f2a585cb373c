package place

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Machine says on what something was measured.
type Machine struct {
	Processor string  `json:"processor"`
	CPUs      int     `json:"cpus"`
	MemoryMiB int64   `json:"memory_mib"`
	Kernel    string  `json:"kernel"`
	Go        string  `json:"go"`
	Postgres  string  `json:"postgresql,omitempty"`
	SyncMicro float64 `json:"fsync_us"`   // median of small synced writes
	SlowShare float64 `json:"slow_share"` // of the time a processor went at less than half its usual speed
	Load      string  `json:"load_before"`
	LoadAfter string  `json:"load_after"`
}

// Describe looks at the machine, and measures for some seconds how long its disk takes to sync and how steadily its
// processors go.
func (p *Place) Describe() (Machine, error) {
	m := Machine{CPUs: runtime.GOMAXPROCS(0), Go: runtime.Version(), Load: Load()}
	m.Processor = field("/proc/cpuinfo", "model name")
	m.Kernel = firstLine("/proc/sys/kernel/osrelease")
	m.MemoryMiB = memoryMiB()
	took, err := p.syncTime()
	m.SyncMicro = float64(took.Nanoseconds()) / 1e3
	speed := ReadSpeed()
	time.Sleep(5 * time.Second)
	m.SlowShare = speed.Stop().Share
	return m, err
}

// memoryMiB is the machine's memory.
func memoryMiB() (n int64) {
	_, _ = fmt.Sscanf(field("/proc/meminfo", "MemTotal"), "%d kB", &n)
	return n >> 10
}

// Load is the machine's load average: what else runs makes every figure worse.
func Load() string {
	fields := strings.Fields(firstLine("/proc/loadavg"))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

func (p *Place) syncTime() (time.Duration, error) {
	const writes = 200
	f, err := os.Create(filepath.Join(p.dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	block := make([]byte, 4096)
	var took []time.Duration
	for range writes {
		started := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(started))
	}
	slices.Sort(took)
	return took[writes/2], nil
}

func firstLine(path string) string {
	content, _ := os.ReadFile(path) // #nosec G304 -- constants
	line, _, _ := strings.Cut(string(content), "\n")
	return line
}

func field(path, name string) string {
	content, _ := os.ReadFile(path) // #nosec G304 -- constants
	for line := range strings.SplitSeq(string(content), "\n") {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
