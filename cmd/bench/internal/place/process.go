package place

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the kernel's accounts of CPU time, the same on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// CPU is the processor time that the program has used so far, or in all if it has ended.
func (p *Program) CPU() (time.Duration, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(), nil
	default:
	}
	s, err := readStat(p.cmd.Process.Pid)
	return s.own, err
}

// Memory is what the program holds resident, in bytes: now, and at the most so far.
func (p *Program) Memory() (now, peak int64, err error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, fmt.Errorf("memory of %s: %w", p.Name, err)
	}
	for line := range strings.SplitSeq(string(content), "\n") {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			now = kilobytes << 10
		case "VmHWM":
			peak = kilobytes << 10
		}
	}
	return now, peak, nil
}

// stat is what the kernel says of a process.
type stat struct {
	parent       int
	own, orphans time.Duration // of the process, and of its children that have ended
}

func readStat(pid int) (stat, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, fmt.Errorf("CPU time: %w", err)
	}
	_, rest, _ := strings.Cut(string(content), ") ") // the name before it may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 15 {
		return stat{}, fmt.Errorf("CPU time: /proc/%d/stat has %d fields", pid, len(fields))
	}
	var n [15]int64
	for i := range n {
		n[i], _ = strconv.ParseInt(fields[i], 10, 64) // the state, a letter, is not asked for
	}
	return stat{parent: int(n[1]), own: time.Duration(n[11]+n[12]) * tick, orphans: time.Duration(n[13]+n[14]) * tick}, nil
}

// familyCPU is the processor time of a process and all the children that it has or had.
func familyCPU(pid int) (time.Duration, error) {
	s, err := readStat(pid)
	if err != nil {
		return 0, err
	}
	sum := s.own + s.orphans
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, path := range all {
		child, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			continue
		}
		if s, err := readStat(child); err == nil && s.parent == pid { // else it has just ended
			sum += s.own
		}
	}
	return sum, nil
}
