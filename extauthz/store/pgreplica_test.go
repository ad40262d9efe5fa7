package store

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// TestReplicaThatStoodStillAnswersNothingFromItsCaches stops a real process, for its clocks, sockets and timers then
// stand as they do on a machine that swaps, or is moved.
func TestReplicaThatStoodStillAnswersNothingFromItsCaches(t *testing.T) {
	t.Parallel()
	key := secret.RandomKey()
	sealer, err := secret.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	dsn := postgres(t)
	writer, err := Open(t.Context(), Options{DSN: dsn, Sealer: sealer, Now: time.Now, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := writer.Close(); err != nil {
			t.Error(err)
		}
	}()
	c := seed(t, writer, acme)
	s := mustSignIn(t, writer, identity(c, "alice"))
	child := startReplica(t, dsn, key, c, s)
	for round := range 3 {
		if _, err := writer.SetActive(t.Context(), acme, s.User, true, "cli"); err != nil {
			t.Fatal(err)
		}
		for range 3 { // now it holds a copy
			if got := child.ask(t); got != "true" {
				t.Fatalf("round %d: active %s", round, got)
			}
		}
		child.signal(t, syscall.SIGSTOP)
		child.send(t) // the first thing it reads when it goes on
		if _, err := writer.SetActive(t.Context(), acme, s.User, false, "cli"); err != nil {
			t.Fatal(err)
		}
		child.signal(t, syscall.SIGCONT)
		if got := child.read(t); got != "false" {
			t.Errorf("round %d: the first answer after it stood still: active %s", round, got)
		}
		for range 20 {
			if got := child.ask(t); got != "false" {
				t.Errorf("round %d: active %s", round, got)
			}
		}
	}
}

// replicaProcess is a gate in a process of its own, which says over a pipe whether a person is active.
type replicaProcess struct {
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Scanner
}

func startReplica(t *testing.T, dsn string, key []byte, c idp.ConnectionID, s session.Session) *replicaProcess {
	t.Helper()
	cmd := command(t, dsn, key, "STORE_CHILD_REPLICA="+string(s.User)+" "+string(c))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	r := &replicaProcess{cmd: cmd, in: in, out: bufio.NewScanner(out)}
	r.read(t) // its keys
	r.read(t) // that it follows
	return r
}

func (r *replicaProcess) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	if s == syscall.SIGSTOP { // it stands when the kernel says so
		until(t, func() bool {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid))
			return err != nil || strings.Contains(string(stat), ") T ")
		})
	}
}

func (r *replicaProcess) send(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(r.in, "?\n"); err != nil {
		t.Fatal(err)
	}
}

func (r *replicaProcess) read(t *testing.T) string {
	t.Helper()
	if !r.out.Scan() {
		t.Fatalf("the other gate ended: %v", r.out.Err())
	}
	return r.out.Text()
}

func (r *replicaProcess) ask(t *testing.T) string {
	t.Helper()
	r.send(t)
	return r.read(t)
}

// answer is what such a process does.
func answer(s *Store, about string) int {
	user, c, _ := strings.Cut(about, " ")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		if err := s.Run(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	for !s.Fresh() {
		<-time.After(time.Millisecond)
	}
	fmt.Println("follows")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		p, err := s.Person(ctx, acme, directory.UserID(user), idp.ConnectionID(c))
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(p.User.Active)
	}
	return 0
}
