package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestPageAskedForSurvivesSignIn(t *testing.T) {
	s := NewStack(t, Options{})
	page := s.As("vic").SignIn("/rules/42/history?tab=2&q=a%20b&q=%C3%BC")
	if page.Status != http.StatusOK {
		t.Errorf("status %d", page.Status)
	}
}

func TestWithoutASessionEachKindOfRequestIsRefusedInItsOwnForm(t *testing.T) {
	s := NewStack(t, Options{})
	host := "Host: " + s.Host + "\r\n"
	for name, tc := range map[string]struct {
		request string
		status  int
		header  string // a header that must be there
		body    string
	}{
		"fetch":     {"GET /api/v1/events HTTP/1.1\r\n" + host + "Accept: */*\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n\r\n", 401, "Content-Type: application/json", `"login_url":"` + s.URL + `/auth/login"`},
		"iframe":    {"GET / HTTP/1.1\r\n" + host + "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n\r\n", 401, "Content-Type: application/json", `"error":"unauthenticated"`},
		"post":      {"POST /api/v1/events HTTP/1.1\r\n" + host + "Accept: */*\r\nContent-Length: 0\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n\r\n", 401, "Content-Type: application/json", `"error":"unauthenticated"`},
		"form post": {"POST /api/v1/events HTTP/1.1\r\n" + host + "Accept: text/html\r\nContent-Length: 0\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n\r\n", 401, "Content-Type: text/html", `href="/auth/login"`},
		"websocket": {"GET /ws HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 401, "Content-Type: application/json", `"error":"unauthenticated"`},
		"grpc":      {"POST /tracio.Events/List HTTP/1.1\r\n" + host + "Content-Type: application/grpc\r\nTE: trailers\r\nContent-Length: 0\r\n\r\n", 200, "Grpc-Status: 16", ""},
		"grpc-web":  {"POST /tracio.Events/List HTTP/1.1\r\n" + host + "Content-Type: application/grpc-web+proto\r\nContent-Length: 0\r\n\r\n", 200, "Grpc-Status: 16", ""},
		"xhr":       {"GET / HTTP/1.1\r\n" + host + "Accept: text/html\r\nX-Requested-With: XMLHttpRequest\r\n\r\n", 401, "Content-Type: application/json", `"error":"unauthenticated"`},
	} {
		got := s.Raw(tc.request)
		name2, value, _ := strings.Cut(tc.header, ": ")
		if got.Status != tc.status || !strings.HasPrefix(got.Header.Get(name2), value) || !strings.Contains(got.Body, tc.body) {
			t.Errorf("%s: %d %v %s", name, got.Status, got.Header, got.Body)
		}
		if got.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: sets a cookie", name)
		}
	}
	if seen := s.Upstream.Seen(); len(seen) > 0 {
		t.Errorf("the dashboard was reached: %v", seen[0].Line)
	}
}

func TestSignOutEndsTheSessionHereAndAtTheProvider(t *testing.T) {
	s := NewStack(t, Options{})
	p := s.As("vic")
	p.SignIn("/")
	stolen := p.CookieLine()
	page, err := p.Open(t.Context(), s.URL+"/auth/logout")
	if err != nil || page.Status != http.StatusOK || page.URL.Path != "/auth/logout" {
		t.Fatalf("sign-out ended at %v (%d), %v", page.URL, page.Status, err)
	}
	if s.IdP.Count("GET /end_session")+s.IdP.Count("POST /end_session")+s.IdP.Count("GET /logout") == 0 {
		t.Errorf("the provider was not asked to sign out: %v", paths(s))
	}
	if got := p.Fetch("GET", "/api/v1/events"); got.Status != 401 {
		t.Errorf("after sign-out: %d", got.Status)
	}
	raw := s.Raw("GET /api/v1/events HTTP/1.1\r\nHost: " + s.Host + "\r\nCookie: " + stolen + "\r\n\r\n")
	if raw.Status != 401 {
		t.Errorf("the old cookie still works: %d", raw.Status)
	}
}

func paths(s *Stack) []string {
	var out []string
	for _, r := range s.IdP.Requests() {
		out = append(out, r.Method+" "+r.Path)
	}
	return out
}

func TestDeactivatingSomeoneBesideTheRunningGateBitesAtOnce(t *testing.T) {
	s := NewStack(t, Options{})
	p := s.As("ann")
	p.SignIn("/")
	if got := p.Fetch("POST", "/api/v1/events"); got.Status != 200 {
		t.Fatalf("before: %d", got.Status)
	}
	id := first(p.Fetch("GET", "/api/v1/events").Identity["x-sso-user"])
	s.CLI("user", "deactivate", "-c", s.Config, "--tenant", "acme", id)
	s.Upstream.Forget()
	if got := p.Fetch("POST", "/api/v1/events"); got.Status != 403 {
		t.Errorf("the next request: %d, want 403", got.Status)
	}
	page, err := p.Open(t.Context(), s.URL+"/")
	if err != nil || page.Status != 403 {
		t.Errorf("navigation: %d %v", page.Status, err)
	}
	other := s.As("ann") // a fresh browser: the provider still lets her in
	if page, err = other.Open(t.Context(), s.URL+"/"); err != nil || page.Status != 403 || !strings.Contains(page.Body, "inactive") {
		t.Errorf("signing in again: %d %v", page.Status, err)
	}
	if seen := s.Upstream.Seen(); len(seen) > 0 {
		t.Errorf("the dashboard was reached: %s", seen[0].Line)
	}
	s.CLI("user", "activate", "-c", s.Config, "--tenant", "acme", id)
	if got := p.Fetch("GET", "/api/v1/events"); got.Status != 401 {
		t.Errorf("reactivation revived the old session: %d", got.Status)
	}
	if page := s.As("ann").SignIn("/"); page.Status != 200 {
		t.Errorf("reactivated and signed in: %d", page.Status)
	}
}

func TestRevokingASessionBesideTheRunningGateBitesAtOnce(t *testing.T) {
	s := NewStack(t, Options{})
	p, other := s.As("vic"), s.As("vic")
	p.SignIn("/")
	other.SignIn("/")
	id := first(p.Fetch("GET", "/api/v1/events").Identity["x-sso-user"])
	s.CLI("session", "revoke", "-c", s.Config, "--tenant", "acme", "--user", id)
	for i, b := range []Person{p, other} {
		if got := b.Fetch("GET", "/api/v1/events"); got.Status != 401 {
			t.Errorf("browser %d: %d", i, got.Status)
		}
	}
}

func TestGateKilledMeans503AndThenRecovery(t *testing.T) {
	s := NewStack(t, Options{})
	p := s.As("vic")
	p.SignIn("/")
	s.Gate.Kill()
	s.Upstream.Forget()
	if got := p.Fetch("GET", "/api/v1/events"); got.Status != http.StatusServiceUnavailable {
		t.Errorf("gate dead: %d, want 503", got.Status)
	}
	if got := s.As("vic").Fetch("GET", "/"); got.Status != http.StatusServiceUnavailable {
		t.Errorf("gate dead, nobody: %d, want 503", got.Status)
	}
	if len(s.Upstream.Seen()) > 0 {
		t.Error("the dashboard was reached without a gate")
	}
	s.Gate.Run()
	s.WaitReady()
	Eventually(t, "Envoy finds the gate again, and the session is alive", func() bool {
		got := p.Fetch("GET", "/api/v1/events")
		if got.Status != 200 && got.Status != 503 {
			t.Fatalf("after kill -9 and restart: %d", got.Status)
		}
		return got.Status == 200
	})
}

func TestRestartAndKeyRotationKeepEveryoneSignedIn(t *testing.T) {
	s := NewStack(t, Options{})
	p := s.As("ann")
	p.SignIn("/")
	before := s.Gate.Pid()
	s.Gate.Terminate(25 * time.Second)
	s.Gate.Run()
	s.WaitReady()
	s.WaitServing()
	if s.Gate.Pid() == before {
		t.Fatal("the process was kept")
	}
	if got := p.Fetch("GET", "/api/v1/events"); got.Status != 200 {
		t.Errorf("after a restart: %d", got.Status)
	}
	s.CLI("keys", "rotate", "-c", s.Config)
	if got := p.Fetch("GET", "/api/v1/events"); got.Status != 200 {
		t.Errorf("after a rotation: %d", got.Status)
	}
	if page := s.As("vic").SignIn("/events"); page.Status != 200 {
		t.Errorf("a sign-in under the new keys: %d", page.Status)
	}
	s.Gate.Kill()
	s.Gate.Run()
	s.WaitReady()
	s.WaitServing()
	if got := p.Fetch("GET", "/api/v1/events"); got.Status != 200 {
		t.Errorf("after a rotation and a restart: %d", got.Status)
	}
}

func TestProviderOutageLeavesSignedInPeopleAlone(t *testing.T) {
	s := NewStack(t, Options{})
	p := s.As("vic")
	p.SignIn("/")
	half := s.As("ann") // has its code when the outage begins
	half.Stop = func(u *url.URL) bool { return strings.HasPrefix(u.Path, "/auth/callback/") }
	held, err := half.Open(t.Context(), s.URL+"/events")
	if err != nil || held.Location == nil {
		t.Fatalf("held at %v, %v", held.URL, err)
	}
	s.StopIdP()
	if got := p.Fetch("GET", "/api/v1/events"); got.Status != 200 {
		t.Errorf("signed in, provider down: %d", got.Status)
	}
	half.Stop = nil
	page, err := half.Open(t.Context(), held.Location.String())
	if err != nil || page.Status != 503 || !strings.Contains(page.Body, "idp-unavailable") {
		t.Errorf("a sign-in during the outage: %d %v %s", page.Status, err, tail(page.Body, 500))
	}
	s.ResumeIdP(nil)
	if page := half.SignIn("/events"); page.Status != 200 {
		t.Errorf("after the outage: %d", page.Status)
	}
}

func TestProviderRotatesItsKeys(t *testing.T) {
	s := NewStack(t, Options{})
	s.As("vic").SignIn("/")
	if err := s.IdP.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	if page := s.As("ann").SignIn("/"); page.Status != 200 {
		t.Errorf("after the rotation: %d", page.Status)
	}
}
