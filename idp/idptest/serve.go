package idptest

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// running is a handler with a listener of its own.
type running struct {
	srv  *http.Server
	done chan struct{}
}

// serve makes a handler for http://127.0.0.1:PORT, a free one, and serves it there over plain HTTP.
func serve(handler func(address string) (http.Handler, error)) (*running, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once on loopback
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	h, err := handler("http://" + l.Addr().String())
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	r := &running{srv: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		_ = r.srv.Serve(l) // always http.ErrServerClosed after Close
	}()
	return r, nil
}

// Close ends the provider and waits for its listener.
func (r *running) Close() {
	_ = r.srv.Close()
	<-r.done
}
