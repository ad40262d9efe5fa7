package main

import "syscall"

// childAttr keeps a terminal's Ctrl-C from the child: the parts end in order, the one in front first. The kernel ends
// the child should this process be killed.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
