package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Upstream plays the dashboard. It parses no more than it must and keeps each request as the bytes that arrived, so
// that a test sees what Envoy forwarded and not what a library made of it.
type Upstream struct {
	Addr string

	mu   sync.Mutex
	seen []Seen
}

// Seen is one request that reached the dashboard.
type Seen struct {
	Line  string // "GET /path HTTP/1.1"
	Lines []string
	Raw   string
}

// Values returns the values of every line whose name, with _ read as - and case ignored, is name.
func (s Seen) Values(name string) []string {
	var out []string
	for _, l := range s.Lines {
		n, v, _ := strings.Cut(l, ":")
		if strings.ReplaceAll(strings.ToLower(strings.TrimSpace(n)), "_", "-") == name {
			out = append(out, strings.TrimSpace(v))
		}
	}
	return out
}

// Path is the request target without its query.
func (s Seen) Path() string {
	parts := strings.Fields(s.Line)
	if len(parts) < 2 {
		return ""
	}
	path, _, _ := strings.Cut(parts[1], "?")
	return path
}

// StartUpstream listens on a free loopback port until the test ends.
func StartUpstream(t testing.TB) *Upstream {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	u := &Upstream{Addr: l.Addr().String()}
	var wg sync.WaitGroup
	var conns sync.Map
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Store(c, true)
			wg.Go(func() { u.serve(c); _ = c.Close() })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		conns.Range(func(c, _ any) bool {
			if c, ok := c.(net.Conn); ok {
				_ = c.Close()
			}
			return true
		})
		wg.Wait()
	})
	return u
}

// Seen returns what arrived since Forget.
func (u *Upstream) Seen() []Seen {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]Seen(nil), u.seen...)
}

// Forget starts over.
func (u *Upstream) Forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen = nil
}

func (u *Upstream) serve(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		s, err := readSeen(r)
		if err != nil {
			return
		}
		u.mu.Lock()
		u.seen = append(u.seen, s)
		u.mu.Unlock()
		if strings.EqualFold(first(s.Values("upgrade")), "websocket") {
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_, _ = io.Copy(c, r) // an echo
			return
		}
		if _, err := io.WriteString(c, answer(s)); err != nil {
			return
		}
	}
}

// answer tells the client, as JSON, which identity headers arrived.
func answer(s Seen) string {
	identity := map[string][]string{}
	for _, l := range s.Lines {
		name, _, _ := strings.Cut(l, ":")
		if key := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", "-"); strings.HasPrefix(key, "x-sso-") {
			identity[key] = s.Values(key)
		}
	}
	body, _ := json.Marshal(map[string]any{"path": s.Path(), "identity": identity, "cookie": s.Values("cookie")})
	if strings.HasPrefix(s.Line, http.MethodHead+" ") {
		return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
	}
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func readSeen(r *bufio.Reader) (Seen, error) {
	var raw strings.Builder
	var s Seen
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return s, err
		}
		raw.WriteString(line)
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "" && s.Line != "":
			s.Raw = raw.String()
			return s, skipBody(r, s)
		case s.Line == "":
			s.Line = line
		default:
			s.Lines = append(s.Lines, line)
		}
	}
}

func skipBody(r *bufio.Reader, s Seen) error {
	if strings.EqualFold(first(s.Values("transfer-encoding")), "chunked") {
		for {
			line, err := textproto.NewReader(r).ReadLine()
			if err != nil {
				return err
			}
			n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 32)
			if err != nil {
				return err
			}
			if _, err := io.CopyN(io.Discard, r, n+2); err != nil {
				return err
			}
			if n == 0 {
				return nil
			}
		}
	}
	length := first(s.Values("content-length"))
	if length == "" {
		return nil
	}
	n, err := strconv.ParseInt(length, 10, 64)
	if err == nil {
		_, err = io.CopyN(io.Discard, r, n)
	}
	return err
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
