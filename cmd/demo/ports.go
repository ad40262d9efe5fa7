package main

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"syscall"
)

// ports holds every port the demo needs. Each is kept by a listener of ours until the part that wants it starts, so that
// nobody takes it during a build of minutes.
type ports struct {
	public, check, http, ops *reservation // of other programs: freed a moment before they start
	idp, dashboard           *reservation // of servers in this process: they take the listener over
}

// reservation is a loopback port that is ours.
type reservation struct {
	port int
	l    net.Listener
}

func (r *reservation) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)) }

// free lets the port go to the program it was kept for.
func (r *reservation) free() {
	if r != nil && r.l != nil {
		_ = r.l.Close()
		r.l = nil
	}
}

// take hands the listener over.
func (r *reservation) take() net.Listener {
	l := r.l
	r.l = nil
	return l
}

// reserve takes every port. The two that stand in addresses people see are taken as asked or not at all; the others
// move aside for whoever was first.
func reserve(o options) (*ports, error) {
	p := &ports{}
	if err := p.take(o); err != nil {
		p.free()
		return nil, err
	}
	return p, nil
}

func (p *ports) take(o options) (err error) {
	if p.public, err = fixed(o.port, "the dashboard (behind Envoy)", "--port"); err != nil {
		return err
	}
	if p.idp, err = fixed(o.idpPort, "the demo identity provider", "--idp-port"); err != nil {
		return err
	}
	for _, r := range []struct {
		to   **reservation
		port int
	}{{&p.dashboard, 8000}, {&p.check, 9001}, {&p.http, 9002}, {&p.ops, 9003}} {
		if *r.to, err = preferred(r.port); err != nil {
			return err
		}
	}
	return nil
}

func (p *ports) free() {
	for _, r := range []*reservation{p.public, p.check, p.http, p.ops, p.idp, p.dashboard} {
		r.free()
	}
}

// fixed takes exactly this port, or says who is in the way and how to go elsewhere.
func fixed(port int, whose, flag string) (*reservation, error) {
	r, err := listen(port)
	if err == nil {
		err = onIPv6(r)
	}
	if err == nil {
		return r, nil
	}
	r.free()
	other := 0
	if spare, err := listen(0); err == nil {
		other = spare.port
		spare.free()
	}
	step := fmt.Sprintf("choose another:   go run ./cmd/demo %s %d", flag, other)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d, for %s, is taken\n  see who has it:   %s\n  or %s", port, whose, whoHas(port), step)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("port %d, for %s, is one that only root may take\n  %s", port, whose, step)
	default:
		return nil, fmt.Errorf("port %d, for %s: %w\n  %s", port, whose, err, step)
	}
}

// preferred takes this port or, where somebody has it, a free one.
func preferred(port int) (*reservation, error) {
	r, err := listen(port)
	if err != nil {
		r, err = listen(0)
	}
	if err != nil {
		return nil, fmt.Errorf("find a free port on 127.0.0.1: %w", err)
	}
	return r, nil
}

func listen(port int) (*reservation, error) {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) //nolint:noctx // opening a local listener does not block
	if err != nil {
		return nil, err
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return nil, errors.Join(errors.New("not a TCP listener"), l.Close())
	}
	return &reservation{port: addr.Port, l: l}, nil
}

// onIPv6 reports a stranger on the same port of ::1. A browser tries that first for localhost, and would show the
// stranger's page.
func onIPv6(r *reservation) error {
	l, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(r.port))) //nolint:noctx // opening a local listener does not block
	if errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	if err != nil {
		return nil //nolint:nilerr // no IPv6 here: nobody can be in the way on it
	}
	return l.Close()
}

// whoHas is the command that names a port's owner.
func whoHas(port int) string {
	if runtime.GOOS == "linux" {
		return fmt.Sprintf("ss -ltnp 'sport = :%d'", port)
	}
	return fmt.Sprintf("lsof -nP -iTCP:%d -sTCP:LISTEN", port)
}
