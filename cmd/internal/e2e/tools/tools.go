package tools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const module = "module github.com/tracio-ai/ssogate"

// Root returns the folder of the module's go.mod, found from the working directory upwards.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module root: %w", err)
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), module) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find the module root: no go.mod of ssogate above the working directory")
		}
		dir = parent
	}
}

// folder returns a path inside .tools.
func folder(elem ...string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return filepath.Join(append([]string{root, ".tools"}, elem...)...), nil
}

var versionNumber = regexp.MustCompile(`\d+\.\d+(\.\d+)*`)

// versionOf runs a program with the arguments that make it print its version.
func versionOf(ctx context.Context, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).Output()
	if err != nil {
		return "", fmt.Errorf("run %s %s: %w", path, strings.Join(args, " "), err)
	}
	// Envoy repeats its own path, which may hold another version.
	v := versionNumber.FindString(strings.ReplaceAll(string(out), path, ""))
	if v == "" {
		return "", fmt.Errorf("run %s %s: no version in %.80q", path, strings.Join(args, " "), out)
	}
	return v, nil
}

// atLeast compares dotted versions by number: 1.9 is older than 1.36.
func atLeast(version, minimum string) bool {
	have, want := strings.Split(version, "."), strings.Split(minimum, ".")
	for i, w := range want {
		if i == len(have) {
			return false
		}
		h, err := strconv.Atoi(have[i])
		if err != nil {
			return false
		}
		n, err := strconv.Atoi(w)
		if err != nil {
			return false
		}
		if h != n {
			return h > n
		}
	}
	return true
}

// named returns the program an environment variable names. ok is false where the variable is empty. A variable
// that names nothing runnable is an error: whoever set it wants that program and no other.
func named(variable string) (path string, ok bool, err error) {
	value := os.Getenv(variable)
	if value == "" {
		return "", false, nil
	}
	path, err = exec.LookPath(value)
	if err != nil {
		return "", true, fmt.Errorf("$%s: %w", variable, err)
	}
	return path, true, nil
}

// look finds a program with a version that is at least minimum: by variable, then by each name on PATH. It
// returns an empty path where there is none.
func look(ctx context.Context, variable, minimum string, names ...string) (path, version string, err error) {
	path, ok, err := named(variable)
	if err != nil {
		return "", "", err
	}
	if ok {
		version, err = versionOf(ctx, path, "--version")
		if err != nil {
			return "", "", fmt.Errorf("$%s: %w", variable, err)
		}
		if !atLeast(version, minimum) {
			return "", "", fmt.Errorf("$%s: %s is version %s, older than %s", variable, path, version, minimum)
		}
		return path, version, nil
	}
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		version, err := versionOf(ctx, path, "--version")
		if err == nil && atLeast(version, minimum) {
			return path, version, nil
		}
	}
	return "", "", nil
}

// locked runs f while no other process on this machine installs into .tools.
func locked(f func() error) (err error) {
	name, err := folder("lock")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("make .tools: %w", err)
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock .tools: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }() // closing gives the lock back
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock .tools: %w", err)
	}
	return f()
}
