//go:build !linux

package main

import "syscall"

// childAttr keeps a terminal's Ctrl-C from the child: the parts end in order, the one in front first.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
