//go:build !linux

package place

import "syscall"

// endWhenOrphaned does nothing where the kernel has no such signal.
func endWhenOrphaned(*syscall.SysProcAttr) {}
