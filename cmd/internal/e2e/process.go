package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/cmd/internal/e2e/tools"
)

// Process is a program a test started. Its output is kept, whole, across restarts.
type Process struct {
	t    testing.TB
	name string
	args []string
	env  []string
	dir  string
	out  *Output

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
}

// Output is everything a program wrote.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// String returns what was written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

var _ io.Writer = (*Output)(nil)

// Start runs the program; it is killed when the test ends, and its output printed if the test failed.
func Start(t testing.TB, dir string, env []string, name string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, name: name, args: args, env: env, dir: dir, out: &Output{}}
	p.Run()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s wrote:\n%s", filepath.Base(name), tail(p.out.String(), 8000))
		}
	})
	return p
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// Run starts a new process of the program.
func (p *Process) Run() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := exec.Command(p.name, p.args...) //nolint:noctx // ended by Kill, Terminate or the test's cleanup
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.dir, append(os.Environ(), p.env...), p.out, p.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	p.cmd, p.done = cmd, done
}

// Pid is the running process's id.
func (p *Process) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Signal(s)
}

// Kill is kill -9, and waits until the process is gone.
func (p *Process) Kill() { p.Signal(syscall.SIGKILL); p.wait(10 * time.Second) }

// Terminate is SIGTERM; it fails the test when the process does not end in time.
func (p *Process) Terminate(within time.Duration) {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	if !p.wait(within) {
		p.t.Fatalf("%s did not end within %s of SIGTERM", p.name, within)
	}
}

func (p *Process) wait(d time.Duration) bool {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}

// Exited reports whether the process has ended.
func (p *Process) Exited() bool { return p.wait(0) }

// Output returns everything written so far, over all processes of the program.
func (p *Process) Output() string { return p.out.String() }

// Eventually waits until ok, and fails the test after a generous time.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s in vain: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Ports are given out below those that the kernel takes for outgoing connections, each once in this process: one that is
// only known to be free now may be somebody's by the time Envoy wants it.
const (
	firstPort = 11_000 // above 10080, which browsers refuse
	portCount = 20_000
)

var givenPorts atomic.Uint32

// FreePort returns a loopback port that nobody listens on.
func FreePort(t testing.TB) int {
	t.Helper()
	for range portCount {
		n := firstPort + (os.Getpid()*101+int(givenPorts.Add(1)))%portCount
		var config net.ListenConfig
		l, err := config.Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", n))
		if err != nil {
			continue
		}
		_ = l.Close()
		return n
	}
	t.Fatal("no port is free")
	return 0
}

func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var built struct {
	once sync.Once
	path string
	err  error
}

// Binary builds ssogate once a test run, with the race detector when the tests have it.
func Binary(t testing.TB) string {
	t.Helper()
	built.once.Do(func() { built.path, built.err = build() })
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

func build() (string, error) {
	root, err := tools.Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, ".run", "e2e", fmt.Sprintf("ssogate-%d", os.Getpid()))
	args := []string{"build", "-o", path}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(context.Background(), "go", append(args, "./cmd/ssogate")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build ssogate: %w\n%s", err, out)
	}
	return path, nil
}

// RemoveBinary removes what Binary built; TestMain calls it last.
func RemoveBinary() {
	if built.path != "" {
		_ = os.Remove(built.path)
	}
}
