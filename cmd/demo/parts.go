package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// part is something that runs until it is stopped: a program, or a server in this process.
type part struct {
	name  string
	log   string        // the file its output goes to
	ended chan struct{} // closed when it is over
	err   error         // why, once ended is closed
	stop  func()        // asks it to end, and makes it after patience; returns when it has

	patience time.Duration
}

// troubled is an error of a part, with the end of its log.
func (p *part) troubled(what string) error {
	return fmt.Errorf("%s %s\n%s", p.name, what, tail(p.log))
}

// died is the error of a part that ended by itself.
func (p *part) died() error {
	if p.err != nil {
		return p.troubled("ended: " + p.err.Error())
	}
	return p.troubled("ended")
}

// startProgram starts a program whose output goes to a log file.
func startProgram(name, log, dir, program string, args ...string) (*part, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", name, err)
	}
	cmd := exec.Command(program, args...) //nolint:noctx // ended by stop, the parts in front first
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = dir, out, out, childAttr()
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), out.Close())
	}
	p := &part{name: name, log: log, ended: make(chan struct{}), patience: 10 * time.Second}
	go func() {
		p.err = cmd.Wait()
		_ = out.Close() // the program wrote it, not this process
		close(p.ended)
	}()
	p.stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
		select {
		case <-p.ended:
		case <-time.After(p.patience):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-p.ended
		}
	}
	return p, nil
}

// startServer serves h; one line a request goes to a log file.
func startServer(name, log string, l net.Listener, h http.Handler) (*part, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("log of %s: %w", name, err), l.Close())
	}
	server := &http.Server{
		Handler: logged(out, h), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	p := &part{name: name, log: log, ended: make(chan struct{}), patience: 2 * time.Second}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.err = err
		}
		close(p.ended)
	}()
	p.stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), p.patience)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		<-p.ended
		_ = out.Close() // every line has been written
	}
	return p, nil
}

// logged writes a line for each request. Queries stay out: codes and states travel in them.
func logged(out io.Writer, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(s, r)
		say(out, "%s %d %s %q", time.Now().UTC().Format(time.RFC3339), s.status, r.Method, r.URL.Path)
	})
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// tailLines and tailBytes are how much of a log is shown.
const (
	tailLines = 15
	tailBytes = 8 << 10
)

// tail is the end of a log file, with its name.
func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Sprintf("  its log cannot be read: %v", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	if info, err := f.Stat(); err == nil && info.Size() > tailBytes {
		_, _ = f.Seek(-tailBytes, io.SeekEnd) // where that fails, the beginning is shown
	}
	text, err := io.ReadAll(io.LimitReader(f, tailBytes))
	if err != nil {
		return fmt.Sprintf("  its log cannot be read: %v", err)
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return fmt.Sprintf("  its log %s is empty", short(path))
	}
	lines := strings.Split(string(text), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	return fmt.Sprintf("  the end of %s:\n    %s", short(path), strings.Join(lines, "\n    "))
}

// wait asks until ok. It gives up when the part ends, when ctx does, or after a time that is long for any machine.
func (p *part) wait(ctx context.Context, what string, ok func(context.Context) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errTooLong)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok(ctx) {
			return nil
		}
		select {
		case <-p.ended:
			return p.died()
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errTooLong) {
				return p.troubled("does not " + what + " after a minute")
			}
			return ctx.Err()
		case <-tick.C:
		}
	}
}

var errTooLong = errors.New("too long")
