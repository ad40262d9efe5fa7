package egress

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
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
