package egress

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
)

func mustClient(t *testing.T, o Options, l limits) *http.Client {
	t.Helper()
	client, err := newClient(o, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func mustGet(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return string(body)
}

// get reads the whole answer of a plain server and returns the first error.
func get(client *http.Client, addr string) error {
	resp, err := client.Get("http://" + addr + "/")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func wantCode(t *testing.T, what string, err error, want Code) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != want {
		t.Errorf("%s: %v, want %s", what, err, want)
		return
	}
	if timeout := e.Timeout(); timeout != (want == CodeTimeout) || timeout != errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s: timeout %v, %v", what, timeout, err)
	}
}

func tlsServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = nil
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func serverAt(t *testing.T, addr string, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	if err := server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	server.Listener = listener
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// rawServer answers each connection with fixed bytes once it has heard something, then hangs up or holds on until the test ends.
func rawServer(t *testing.T, answer string, hangUp bool) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	end := make(chan struct{})
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				if _, err := conn.Read(make([]byte, 4096)); err != nil {
					return
				}
				if _, err := io.WriteString(conn, answer); err != nil {
					return
				}
				if !hangUp {
					<-end
				}
			})
		}
	})
	t.Cleanup(func() { listener.Close(); close(end); wg.Wait() })
	return listener.Addr().String()
}

func hangUp(t *testing.T, w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		t.Error("cannot hang up")
		return
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	conn.Close()
}

func flush(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

func rootsOf(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

func port(s *httptest.Server) string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return port
}

func answers(ips ...netip.Addr) *net.Resolver {
	return fakeDNS(func() []netip.Addr { return ips })
}

// fakeDNS is a resolver whose server gives every name the addresses of answer.
func fakeDNS(answer func() []netip.Addr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go serveDNS(server, answer) // ends with the resolver's side of the pipe
		return client, nil
	}}
}

// serveDNS speaks DNS over a stream (RFC 1035 §4.2.2): each message has its length in front.
func serveDNS(conn net.Conn, answer func() []netip.Addr) {
	defer conn.Close()
	for {
		var length uint16
		if binary.Read(conn, binary.BigEndian, &length) != nil {
			return
		}
		query := make([]byte, length)
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := replyTo(query, answer())
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

func replyTo(query []byte, ips []netip.Addr) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root label, type and class
	kind := binary.BigEndian.Uint16(query[end-4:])
	var records [][]byte
	for _, ip := range ips {
		if kind == 1 && ip.Is4() || kind == 28 && !ip.Is4() {
			raw := ip.AsSlice()
			record := []byte{0xc0, 12, byte(kind >> 8), byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(raw))}
			records = append(records, append(record, raw...))
		}
	}
	reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, byte(len(records)), 0, 0, 0, 0}, query[12:end]...)
	for _, r := range records {
		reply = append(reply, r...)
	}
	return reply
}
