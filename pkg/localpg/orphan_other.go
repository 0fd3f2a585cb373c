//go:build !linux

package localpg

import "syscall"

// signalWhenOrphaned does nothing where the kernel has no such signal: the next Start on the folder ends
// a server that was left behind.
func signalWhenOrphaned(*syscall.SysProcAttr, syscall.Signal) {}
