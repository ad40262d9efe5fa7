package egress

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestBodyOverTheLimitIsAnErrorAndNotAShorterBody(t *testing.T) {
	l := defaults()
	l.body = 1000
	server := tlsServer(t, func(w http.ResponseWriter, r *http.Request) {
		var n int
		if _, err := fmt.Sscan(r.URL.Query().Get("n"), &n); err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/chunked" {
			flush(w)
		}
		for n != 0 {
			size := min(max(n, -n), 300)
			if _, err := w.Write(bytes.Repeat([]byte("x"), size)); err != nil {
				return // the client has hung up on an endless body
			}
			if n > 0 {
				n -= size
			}
		}
	})
	client := mustClient(t, Options{Allow: []string{"127.0.0.1"}, RootCAs: rootsOf(server)}, l)
	for _, path := range []string{"/?n=0", "/?n=1000", "/chunked?n=999", "/chunked?n=1000"} {
		mustGet(t, client, server.URL+path)
	}
	for _, path := range []string{"/?n=1001", "/chunked?n=1001", "/chunked?n=5000", "/chunked?n=-300"} {
		resp, err := client.Get(server.URL + path)
		if err == nil {
			var body []byte
			body, err = io.ReadAll(resp.Body)
			if len(body) > 1000 {
				t.Errorf("%s: %d bytes", path, len(body))
			}
			if _, again := resp.Body.Read(make([]byte, 1)); again == nil || errors.Is(again, io.EOF) {
				t.Errorf("%s: the next read says %v", path, again)
			}
			resp.Body.Close()
		}
		wantCode(t, path, err, CodeSize)
	}
}

func TestHeadersOverTheLimitAreRefused(t *testing.T) {
	server := tlsServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("planted-secret", len(r.URL.RawQuery)))
	})
	client := mustClient(t, Options{Allow: []string{"127.0.0.1"}, RootCAs: rootsOf(server)}, defaults())
	mustGet(t, client, server.URL+"?"+strings.Repeat("x", 1000))
	_, err := client.Get(server.URL + "?" + strings.Repeat("x", 6000))
	wantCode(t, "84 kB", err, CodeSize)
}

func TestSlowAnswersEndAtTheDeadline(t *testing.T) {
	l := defaults()
	l.total = 150 * time.Millisecond
	for name, start := range map[string]string{
		"nothing":      "",
		"half a line":  "HTTP/1.1 20",
		"half headers": "HTTP/1.1 200 OK\r\nX-A: b\r\n",
		"half a body":  "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{",
		"only 1xx":     "HTTP/1.1 103 Early Hints\r\n\r\n",
	} {
		server := rawServer(t, start, false)
		client := mustClient(t, Options{Insecure: true}, l)
		wantCode(t, name, get(client, server), CodeTimeout)
	}
}

func TestHandshakeThatNeverEndsTimesOut(t *testing.T) {
	l := defaults()
	l.total = 150 * time.Millisecond
	addr := rawServer(t, "", false)
	_, err := mustClient(t, Options{Allow: []string{"127.0.0.1"}}, l).Get("https://" + addr)
	wantCode(t, "handshake", err, CodeTimeout)
}

func TestErrorsNeverQuoteTheOtherSide(t *testing.T) {
	const secret = "planted-secret"
	for name, answer := range map[string]string{
		"Redis":           "-ERR unknown command " + secret + "\r\n",
		"SSH":             "SSH-2.0-" + secret + "\r\n",
		"bad status":      "HTTP/1.1 " + secret + "\r\n\r\n",
		"bad header":      "HTTP/1.1 200 OK\r\n" + secret + "\r\n\r\n",
		"bad length":      "HTTP/1.1 200 OK\r\nContent-Length: " + secret + "\r\n\r\n",
		"bad encoding":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + secret + "\r\n\r\n",
		"bad chunk":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + secret + "\r\n",
		"bad trailer":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + secret + "\r\n\r\n",
		"short body":      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + secret,
		"redirect":        "HTTP/1.1 302 Found\r\nLocation: https://" + secret + ".example/\r\nContent-Length: 0\r\n\r\n",
		"broken redirect": "HTTP/1.1 302 Found\r\nLocation: http://%zz" + secret + "\r\nContent-Length: 0\r\n\r\n",
		"too large":       "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + secret,
	} {
		err := get(mustClient(t, Options{Insecure: true}, defaults()), rawServer(t, answer, true))
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if _, ok := errors.AsType[*Error](err); !ok {
			t.Errorf("%s: %T", name, err)
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if text := fmt.Sprintf("%v %+v", e, e); strings.Contains(text, secret) {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
	// TLS spoken to something else puts its first bytes into the error
	_, err := mustClient(t, Options{Allow: []string{"127.0.0.1"}}, defaults()).Get("https://" + rawServer(t, "-ERR "+secret+"\r\n", true))
	wantCode(t, "no TLS", err, CodeTLS)
	if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "ERR") {
		t.Errorf("no TLS: %v", err)
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	server := tlsServer(t, func(http.ResponseWriter, *http.Request) {})
	allow := []string{"127.0.0.1", "localhost"}
	_, err := mustClient(t, Options{Allow: allow}, defaults()).Get(server.URL)
	wantCode(t, "unknown authority", err, CodeTLS)
	_, err = mustClient(t, Options{Allow: allow, Insecure: true}, defaults()).Get(server.URL)
	wantCode(t, "unknown authority, insecure", err, CodeTLS)
	_, err = mustClient(t, Options{Allow: allow, RootCAs: rootsOf(server)}, defaults()).Get("https://localhost:" + port(server))
	wantCode(t, "another name", err, CodeTLS)

	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	mustGet(t, mustClient(t, Options{Allow: allow, CAFile: file}, defaults()), server.URL)
	mustGet(t, mustClient(t, Options{Allow: allow, CAFile: file, RootCAs: x509.NewCertPool()}, defaults()), server.URL)
	for _, bad := range []string{filepath.Join(t.TempDir(), "absent"), os.Args[0]} {
		if _, err := New(Options{CAFile: bad}); err == nil {
			t.Errorf("%s is taken for certificates", bad)
		}
	}
}

func TestUnreachableHostsHaveTheirOwnCodes(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = mustClient(t, Options{Allow: []string{"127.0.0.1"}}, defaults()).Get("https://" + addr)
	wantCode(t, "nobody listens", err, CodeConnect)
	_, err = mustClient(t, Options{resolver: answers()}, defaults()).Get("https://absent.example/")
	wantCode(t, "no address", err, CodeDNS)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = mustClient(t, Options{Allow: []string{"127.0.0.1"}}, defaults()).Do(req)
	wantCode(t, "caller gone", err, CodeCanceled)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is no context.Canceled", err)
	}
}

func TestFourRequestsOfACallerToAHostAtOnce(t *testing.T) {
	var now, most atomic.Int32
	arrived, open := make(chan struct{}, 100), make(chan struct{})
	server := tlsServer(t, func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		arrived <- struct{}{}
		<-open
		now.Add(-1)
	})
	client := mustClient(t, Options{Allow: []string{"127.0.0.1"}, RootCAs: rootsOf(server)}, defaults())
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			resp, err := client.Get(server.URL)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	for range 4 {
		<-arrived
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Do(req)
	wantCode(t, "the one too many", err, CodeTimeout)
	wg.Go(func() { // another tenant's connection at the same host has a share of its own
		other, err := http.NewRequestWithContext(For(t.Context(), "another"), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := client.Do(other)
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
	})
	<-arrived
	close(open)
	wg.Wait()
	if most.Load() != 5 {
		t.Errorf("%d at once, want 4 of one caller and 1 of another", most.Load())
	}
	rt, ok := client.Transport.(*transport)
	if !ok {
		t.Fatalf("%T", client.Transport)
	}
	rt.slots.mu.Lock()
	defer rt.slots.mu.Unlock()
	if h := rt.slots.hosts[share(t.Context(), "127.0.0.1")]; h != nil && h.users > 4 {
		t.Errorf("%d users left", h.users)
	}
}

func TestForgottenBodyGivesItsSlotBackAtTheDeadline(t *testing.T) {
	l := defaults()
	l.perHost, l.total = 1, 300*time.Millisecond
	server := tlsServer(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") })
	client := mustClient(t, Options{Allow: []string{"127.0.0.1"}, RootCAs: rootsOf(server)}, l)
	resp, err := client.Get(server.URL) // never read, never closed
	if err != nil {
		t.Fatal(err)
	}
	slot, ok := client.Transport.(*transport)
	if !ok {
		t.Fatalf("%T", client.Transport)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	release, err := slot.slots.acquire(ctx, share(ctx, "127.0.0.1"))
	if err != nil {
		t.Fatalf("the slot never came back: %v", err)
	}
	release()
	if resp == nil {
		t.Fatal("no answer")
	}
}

func TestNeitherProxyNorCookiesNorCompression(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("ALL_PROXY", "http://127.0.0.1:1")
	server := tlsServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" || r.Header.Get("Accept-Encoding") != "" || r.ProtoMajor != 1 {
			t.Errorf("%s %v", r.Proto, r.Header)
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b", Path: "/"})
	})
	client := mustClient(t, Options{Allow: []string{"127.0.0.1"}, RootCAs: rootsOf(server)}, defaults())
	mustGet(t, client, server.URL)
	mustGet(t, client, server.URL)
}
