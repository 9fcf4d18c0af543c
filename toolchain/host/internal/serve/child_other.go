//go:build !linux

package serve

import "syscall"

// ChildAttributes gives a child a process group of its own, which a stop can reach as a whole.
func ChildAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
