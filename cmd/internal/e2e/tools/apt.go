package tools

import (
	"context"
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

// apt installs Debian packages as root, or by a sudo that asks no question. What to type where neither is to be had
// stands in the complaint of whoever looks for the tool next.
func apt(ctx context.Context, out io.Writer, packages ...string) error {
	if len(packages) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("missing %s, and no apt-get here: install them with this system's package manager",
			strings.Join(packages, " "))
	}
	var prefix []string
	if os.Geteuid() != 0 {
		if exec.CommandContext(ctx, "sudo", "-n", "true").Run() != nil {
			return fmt.Errorf("cannot install %s: not root, and sudo wants a password", strings.Join(packages, " "))
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
			return fmt.Errorf("run %s: %w", strings.Join(argv, " "), err)
		}
	}
	return nil
}
