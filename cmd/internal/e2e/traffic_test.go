package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// h2 is a client that speaks HTTP/2 with the browser's cookies.
func (p Person) h2() *http.Client {
	return &http.Client{Jar: p.Client.Jar, Timeout: 20 * time.Second, Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
}

func TestUploadsStreamPastTheGate(t *testing.T) {
	b := besiege(t)
	ann := b.As("ann")
	ann.SignIn("/events")
	h1 := ann.h2()
	h1.Transport = b.transport()
	const size = 3 << 20 // more than a Check ever carries
	for name, client := range map[string]*http.Client{"HTTP/1.1": h1, "HTTP/2.0": ann.h2()} {
		for _, length := range []int64{size, -1} {
			b.Upstream.Forget()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.URL+"/api/v1/events", io.LimitReader(zeroes{}, size))
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = length
			resp, err := client.Do(r)
			if err != nil {
				t.Fatalf("%s, length %d: %v", name, length, err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK || resp.Proto != name || len(b.Upstream.Seen()) != 1 {
				t.Errorf("%s, length %d: %d over %s, dashboard got %d requests", name, length, resp.StatusCode, resp.Proto, len(b.Upstream.Seen()))
			}
		}
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A body over the limit on a path whose body the Check carries is refused, over HTTP/2 also when the frame that ends it
// is the one that crosses the limit: Envoy then asks with a body cut short.
func TestBodyOverTheLimitIsRefusedOnBothProtocols(t *testing.T) {
	b := besiege(t)
	client := b.viewer.h2()
	for _, path := range []string{"/auth/logout", "/auth/callback/saml/acme-idp", "/auth/oidc/acme-idp/backchannel-logout"} {
		for _, size := range []int{983041, 983040 + 20000, 2 << 20} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.URL+path, strings.NewReader(strings.Repeat("a", size)))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			resp, err := client.Do(r)
			if err != nil {
				t.Errorf("%s, %d bytes: %v", path, size, err)
				continue
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("%s, %d bytes: %d, want 413", path, size, resp.StatusCode)
			}
		}
	}
	if got := b.viewer.Fetch("GET", "/events"); got.Status != http.StatusOK {
		t.Errorf("signed out by a body that was refused: %d", got.Status)
	}
}

func TestWebSocketIsCheckedAtItsHandshakeAndEchoes(t *testing.T) {
	b := besiege(t)
	handshake := func(path, cookie string) (*tls.Conn, *bufio.Reader, int) {
		c := door(t, b.Stack, "http/1.1")
		_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Sso-Role: Admin\r\n%s\r\n", path, b.Host, cookie)
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return c, r, resp.StatusCode
	}
	cookie := "Cookie: " + b.name() + "=" + b.value + "\r\n"
	c, r, status := handshake("/ws", cookie)
	defer func() { _ = c.Close() }()
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("with a session: %d", status)
	}
	seen := b.Upstream.take()
	if len(seen) != 1 {
		t.Fatalf("the dashboard got %d handshakes", len(seen))
	}
	for _, problem := range b.wrong(seen[0]) {
		t.Error(problem)
	}
	const said = "GET /api/v1/billing HTTP/1.1\r\n\r\n" // after the handshake bytes are bytes
	echo := make([]byte, len(said))
	if _, err := io.WriteString(c, said); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, echo); err != nil || string(echo) != said {
		t.Errorf("echo %q, %v", echo, err)
	}
	for _, row := range []struct {
		path, cookie string
		status       int
	}{{"/ws", "", 401}, {"/events", cookie, 403}, {"/api/v1/billing", cookie, 403}} {
		other, _, status := handshake(row.path, row.cookie)
		_ = other.Close()
		if status != row.status {
			t.Errorf("%s: %d, want %d", row.path, status, row.status)
		}
	}
	if seen := b.Upstream.take(); len(seen) > 0 {
		t.Errorf("the dashboard got %s", seen[0].Line)
	}
}

func TestHeadAndExpectContinueWork(t *testing.T) {
	b := besiege(t)
	for name, client := range map[string]*http.Client{"HTTP/1.1": b.viewer.Client, "HTTP/2.0": b.viewer.h2()} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, b.URL+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || resp.Proto != name {
			t.Errorf("HEAD: %d over %s", resp.StatusCode, resp.Proto)
		}
	}
	ann := b.As("ann")
	ann.SignIn("/events")
	for who, want := range map[string][]int{b.cookie(ann): {100, 200}, b.value: {403}, "nobody": {401}} {
		c := door(t, b.Stack, "http/1.1")
		_, _ = fmt.Fprintf(c, "POST /api/v1/events HTTP/1.1\r\nHost: %s\r\nCookie: %s=%s\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", b.Host, b.name(), who)
		r := bufio.NewReader(c)
		got := status(t, r)
		if got == 100 {
			_, _ = io.WriteString(c, "hello")
			if want[0] != 100 { // Envoy may say so before it asks
				want = append([]int{100}, want...)
			}
			if final := status(t, r); final != want[1] {
				t.Errorf("after the body: %d, want %d", final, want[1])
			}
		} else if got != want[len(want)-1] {
			t.Errorf("first answer %d, want one of %v", got, want)
		}
		_ = c.Close()
	}
}

func status(t *testing.T, r *bufio.Reader) int {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}
