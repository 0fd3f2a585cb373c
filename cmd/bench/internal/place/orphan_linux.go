package place

import "syscall"

// endWhenOrphaned has the kernel kill a child whose parent has died.
func endWhenOrphaned(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
