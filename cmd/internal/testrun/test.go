package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tracio-ai/ssogate/cmd/internal/e2e/tools"
)

// test runs the packages under the race detector, then once more, without it, the tests that only exist there:
// allocation budgets mean nothing while the detector allocates.
func test(ctx context.Context, packages []string, out io.Writer) int {
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	env := environment()
	var used bytes.Buffer // said again at the end, where people look
	missing := tools.InstallAll(ctx, io.MultiWriter(out, &used))
	server, err := tools.StartPostgres(ctx)
	if err != nil {
		missing = errors.Join(missing, err)
	} else {
		env = append(env, "TEST_POSTGRES="+server.DSN)
	}
	var report report
	err = goTest(ctx, out, &report, env, append([]string{"-race"}, packages...))
	if err == nil && slices.Equal(packages, []string{"./..."}) {
		err = unraced(ctx, out, &report, env)
	}
	if server != nil {
		err = errors.Join(err, server.Stop())
	}
	_, _ = out.Write(onlyUsed(used.String()))
	return report.finish(out, missing, err)
}

// environment lets no test go without its tool and lets the race detector be linked.
func environment() []string {
	env := append(os.Environ(), tools.MatrixVariable+"=1", "CGO_ENABLED=1")
	for _, n := range tools.Names() {
		env = append(env, n.Variable()+"=1")
	}
	return env
}

// goTest runs go test once and reads its events into the report. Results are never replayed from the cache: the
// tests start programs that the cache knows nothing about.
func goTest(ctx context.Context, out io.Writer, r *report, env, args []string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json", "-count=1", "-timeout=30m"}, args...)...)
	cmd.Env = env
	// The first signal lets the tests stop what they started; the pipe of one that does not is closed later.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 30 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("run go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run go test: %w", err)
	}
	readErr := r.read(events, out)
	failures := r.failed
	waitErr := cmd.Wait()
	if text := strings.TrimSpace(stderr.String()); text != "" {
		say(out, "%s", text)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("run go test: %w", context.Cause(ctx))
	}
	if waitErr != nil && failures == 0 {
		return errors.Join(fmt.Errorf("go test %s: %w", strings.Join(args, " "), waitErr), readErr)
	}
	return readErr
}

var (
	notRaced = regexp.MustCompile(`(?m)^//go:build .*!race`)
	testFunc = regexp.MustCompile(`(?m)^func (Test\w*)\(`)
)

// unraced runs the tests of files that are left out under the race detector.
func unraced(ctx context.Context, out io.Writer, r *report, env []string) error {
	root, err := tools.Root()
	if err != nil {
		return err
	}
	found, err := unracedTests(os.DirFS(root))
	if err != nil {
		return err
	}
	dirs := make([]string, 0, len(found))
	for dir := range found {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	var errs []error
	for _, dir := range dirs {
		only := "-run=^(" + strings.Join(found[dir], "|") + ")$"
		errs = append(errs, goTest(ctx, out, r, env, []string{only, "./" + dir}))
	}
	return errors.Join(errs...)
}

// unracedTests returns, by folder, the names of the tests in files tagged !race.
func unracedTests(tree fs.FS) (map[string][]string, error) {
	found := map[string][]string{}
	err := fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := fs.ReadFile(tree, path)
		if err != nil || !notRaced.Match(text) {
			return err
		}
		for _, m := range testFunc.FindAllSubmatch(text, -1) {
			dir := filepath.Dir(path)
			found[dir] = append(found[dir], string(m[1]))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for tests without the race detector: %w", err)
	}
	return found, nil
}

// onlyUsed keeps the lines that name a tool and its version.
func onlyUsed(text string) []byte {
	var kept []byte
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "using ") {
			kept = append(kept, line...)
		}
	}
	return kept
}
