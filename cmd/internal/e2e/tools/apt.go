package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// aptCommand is what a person types to install Debian packages.
func aptCommand(packages ...string) string {
	sudo := ""
	if os.Geteuid() != 0 {
		sudo = "sudo "
	}
	return sudo + "apt-get update && " + sudo + "apt-get install -y --no-install-recommends " + strings.Join(packages, " ")
}

// apt installs Debian packages as root, or by a sudo that asks no question. Where neither is to be had it says
// what to type.
func apt(ctx context.Context, out io.Writer, packages ...string) error {
	if len(packages) == 0 {
		return nil
	}
	manual := fmt.Errorf("missing %s: run %s", strings.Join(packages, " "), aptCommand(packages...))
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("missing %s, and no apt-get here: install them with this system's package manager",
			strings.Join(packages, " "))
	}
	var prefix []string
	if os.Geteuid() != 0 {
		if exec.CommandContext(ctx, "sudo", "-n", "true").Run() != nil {
			return manual
		}
		prefix = []string{"sudo", "-n"}
	}
	env := []string{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get"}
	for _, args := range [][]string{
		{"-q", "update"},
		append([]string{"-q", "install", "-y", "--no-install-recommends"}, packages...),
	} {
		argv := append(append(append([]string{}, prefix...), env...), args...)
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Run(); err != nil {
			return errors.Join(fmt.Errorf("run %s: %w", strings.Join(argv, " "), err), manual)
		}
	}
	return nil
}
