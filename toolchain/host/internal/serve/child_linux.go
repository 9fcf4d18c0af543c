package serve

import "syscall"

// ChildAttributes gives a child a process group of its own, which a stop can reach as a whole, and ends it when the
// thread that started it ends: lock that thread until the child is done.
func ChildAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
