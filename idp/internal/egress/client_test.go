package egress

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAddressIsJudgedAfterDNS(t *testing.T) {
	var hits atomic.Int32
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer server.Close()
	for _, text := range insideAddresses {
		ip := netip.MustParseAddr(text).WithZone("")
		client := mustClient(t, Options{RootCAs: rootsOf(server), resolver: answers(ip)}, defaults())
		_, err := client.Get("https://example.com:" + port(server) + "/")
		wantCode(t, text, err, CodeAddress)
	}
	client := mustClient(t, Options{RootCAs: rootsOf(server)}, defaults())
	for _, host := range []string{"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "0.0.0.0", "[::]", "localhost"} {
		_, err := client.Get("https://" + host + ":" + port(server) + "/")
		wantCode(t, host, err, CodeAddress)
	}
	if hits.Load() != 0 {
		t.Fatalf("%d requests came through", hits.Load())
	}
}

func TestRebindingGainsNothing(t *testing.T) {
	var good, inside atomic.Int32
	first := serverAt(t, "127.0.0.2:0", func(w http.ResponseWriter, _ *http.Request) { good.Add(1); w.Header().Set("Connection", "close") })
	serverAt(t, "127.0.0.1:"+port(first), func(http.ResponseWriter, *http.Request) { inside.Add(1) })
	var answer atomic.Value
	answer.Store([]netip.Addr{netip.MustParseAddr("127.0.0.2")})
	resolver := fakeDNS(func() []netip.Addr { a, _ := answer.Load().([]netip.Addr); return a })
	client := mustClient(t, Options{Allow: []string{"127.0.0.2/32"}, RootCAs: rootsOf(first), resolver: resolver}, defaults())
	url := "https://example.com:" + port(first) + "/"
	mustGet(t, client, url)
	answer.Store([]netip.Addr{netip.MustParseAddr("127.0.0.1")})
	_, err := client.Get(url)
	wantCode(t, "second answer", err, CodeAddress)
	if good.Load() != 1 || inside.Load() != 0 {
		t.Fatalf("good %d, inside %d", good.Load(), inside.Load())
	}
}

func TestHostAllowedByNameReachesPrivateButNotMetadataAddresses(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	options := Options{Allow: []string{"example.com"}, RootCAs: rootsOf(server), resolver: answers(netip.MustParseAddr("127.0.0.1"))}
	mustGet(t, mustClient(t, options, defaults()), "https://EXAMPLE.com:"+port(server)+"/")
	options.resolver = answers(netip.MustParseAddr("169.254.169.254"))
	_, err := mustClient(t, options, defaults()).Get("https://example.com:" + port(server) + "/")
	wantCode(t, "metadata", err, CodeAddress)
	_, err = mustClient(t, options, defaults()).Get("https://127.0.0.1:" + port(server) + "/")
	wantCode(t, "another name for it", err, CodeAddress)
}

func TestOnlyHTTPSLeaves(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	client := mustClient(t, Options{Allow: []string{"127.0.0.1"}}, defaults())
	for raw, want := range map[string]Code{
		server.URL:                   CodeScheme,
		"ftp://example.com/":         CodeScheme,
		"file:///etc/passwd":         CodeURL,
		"https:///x":                 CodeURL,
		"https://u:p@example.com/":   CodeURL,
		"gopher://127.0.0.1:70/_GET": CodeScheme,
	} {
		_, err := client.Get(raw)
		wantCode(t, raw, err, want)
	}
}

func TestInsecurePlainHTTPStaysOnThisMachine(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	mustGet(t, mustClient(t, Options{Insecure: true}, defaults()), server.URL)
	options := Options{Insecure: true, Allow: []string{"10.0.0.0/8", "example.com"}}
	for _, ip := range []string{"10.0.0.1", "8.8.8.8", "169.254.169.254"} {
		options.resolver = answers(netip.MustParseAddr(ip))
		_, err := mustClient(t, options, defaults()).Get("http://example.com:" + port(server) + "/")
		wantCode(t, ip, err, CodeAddress)
	}
	_, err := mustClient(t, Options{Insecure: true, resolver: answers(netip.MustParseAddr("10.0.0.1"))}, defaults()).Get("https://example.com/")
	wantCode(t, "https is as strict as ever", err, CodeAddress)
}

func TestOnlyReadsFollowRedirectsAndOnlyOnTheirHost(t *testing.T) {
	var posts atomic.Int32
	mux := http.NewServeMux()
	other := tlsServer(t, func(http.ResponseWriter, *http.Request) { t.Error("the other host was reached") })
	mux.HandleFunc("/end", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "end") })
	mux.HandleFunc("/post", func(w http.ResponseWriter, r *http.Request) {
		posts.Add(1)
		http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/bare", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) })
	for i := range 5 {
		mux.HandleFunc(fmt.Sprintf("/hop%d", i+1), func(w http.ResponseWriter, r *http.Request) {
			to := fmt.Sprintf("/hop%d", i)
			if i == 0 {
				to = "/end"
			}
			http.Redirect(w, r, to, http.StatusMovedPermanently)
		})
	}
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Location"] = []string{r.URL.Query().Get("u")}
		w.WriteHeader(http.StatusFound)
	})
	server := tlsServer(t, mux.ServeHTTP)
	client := mustClient(t, Options{Allow: []string{"127.0.0.1", "localhost"}, RootCAs: rootsOf(server)}, defaults())
	for _, path := range []string{"/end", "/hop1", "/hop3", "/to?u=" + server.URL + "/end", "/to?u=end"} {
		if got := mustGet(t, client, server.URL+path); got != "end" {
			t.Errorf("%s: %q", path, got)
		}
	}
	mustGet(t, client, server.URL+"/bare")
	for _, path := range []string{"/hop4", "/loop", "/to?u=" + other.URL + "/", "/to?u=//example.com/end", "/to?u=http://127.0.0.1:" + port(server) + "/end",
		"/to?u=https://localhost:" + port(server) + "/end", "/to?u=https://u:p@127.0.0.1:" + port(server) + "/end", "/to?u=file:///etc/passwd", "/to?u=https://127.0.0.1/end", "/to?u=http://%2500/"} {
		_, err := client.Get(server.URL + path)
		wantCode(t, path, err, CodeRedirect)
	}
	_, err := client.Post(server.URL+"/post", "text/plain", strings.NewReader("code=1"))
	wantCode(t, "POST", err, CodeRedirect)
	if posts.Load() != 1 {
		t.Fatalf("%d POSTs", posts.Load())
	}
}

// TestPostIsNeverSentTwice closes the connection on each POST after reading it, also one that had been in use before: net/http's own client sends a
// request with a rewindable body again when a kept connection turns out to be dead.
func TestPostIsNeverSentTwice(t *testing.T) {
	var posts atomic.Int32
	server := tlsServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return
		}
		posts.Add(1)
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		hangUp(t, w)
	})
	client := mustClient(t, Options{Allow: []string{"127.0.0.1"}, RootCAs: rootsOf(server)}, defaults())
	for i, header := range []string{"", "Idempotency-Key"} {
		mustGet(t, client, server.URL)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("code=1"))
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			req.Header.Set(header, "1")
		}
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		wantCode(t, "POST", err, CodeProtocol)
		if int(posts.Load()) != i+1 {
			t.Fatalf("%d POSTs arrived of %d", posts.Load(), i+1)
		}
	}
}

func TestEachPostHasItsOwnConnection(t *testing.T) {
	var conns atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	client := mustClient(t, Options{Allow: []string{"127.0.0.1"}, RootCAs: rootsOf(server)}, defaults())
	for range 3 {
		mustGet(t, client, server.URL)
	}
	if conns.Load() != 1 {
		t.Errorf("three GETs made %d connections", conns.Load())
	}
	for range 3 {
		resp, err := client.Post(server.URL, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if conns.Load() != 4 {
		t.Errorf("with three POSTs %d connections, want 4", conns.Load())
	}
	client.CloseIdleConnections()
}

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

func TestFourRequestsToAHostAtOnce(t *testing.T) {
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
	close(open)
	wg.Wait()
	if most.Load() != 4 {
		t.Errorf("%d at once, want 4", most.Load())
	}
	rt, ok := client.Transport.(*transport)
	if !ok {
		t.Fatalf("%T", client.Transport)
	}
	rt.slots.mu.Lock()
	defer rt.slots.mu.Unlock()
	if h := rt.slots.hosts["127.0.0.1"]; h != nil && h.users > 4 {
		t.Errorf("%d users left", h.users)
	}
}

func TestForgottenBodyGivesItsSlotBackAtTheDeadline(t *testing.T) {
	l := defaults()
	l.perHost, l.total = 1, 300*time.Millisecond
	server := tlsServer(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") })
	client := mustClient(t, Options{Allow: []string{"127.0.0.1"}, RootCAs: rootsOf(server)}, l)
	resp, err := client.Get(server.URL) //nolint:bodyclose // that is the test
	if err != nil {
		t.Fatal(err)
	}
	slot, ok := client.Transport.(*transport)
	if !ok {
		t.Fatalf("%T", client.Transport)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	release, err := slot.slots.acquire(ctx, "127.0.0.1")
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
