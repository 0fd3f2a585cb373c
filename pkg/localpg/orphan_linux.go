package localpg

import "syscall"

func signalWhenOrphaned(a *syscall.SysProcAttr, s syscall.Signal) { a.Pdeathsig = s }
