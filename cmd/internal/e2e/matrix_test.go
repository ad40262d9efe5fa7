package e2e

import (
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/tracio-ai/ssogate/cmd/internal/e2e/tools"
)

// Envoy's releases read the same answer differently: 1.37 appends what is not told to overwrite in its own words, 1.36
// does not know error_response. What reaches the dashboard must not depend on it.
func TestEachReleaseOfEnvoyOverwritesIdentityAndFailsClosed(t *testing.T) {
	releases := map[string]string{"1.40": tools.Require(t, tools.NameEnvoy)}
	if os.Getenv(tools.MatrixVariable) != "" {
		for _, v := range tools.EnvoyMatrix() {
			program, err := tools.EnvoyVersion(t.Context(), v)
			if err != nil {
				t.Fatal(err)
			}
			releases[v[:strings.LastIndex(v, ".")]] = program
		}
	}
	for release, program := range releases {
		t.Run(release, func(t *testing.T) {
			s := NewStack(t, Options{Envoy: program, Target: release})
			p, cold := s.As("vic"), s.As("ann")
			p.SignIn("/events") // the callback sets two cookies on one refusal: without both, this does not land
			cold.SignIn("/events")
			overwritten(t, s, p)
			faulty(t, s, release, cold)
			dead(t, s, p)
		})
	}
}

func overwritten(t *testing.T, s *Stack, p Person) {
	t.Helper()
	s.Upstream.Forget()
	forged := http.Header{"X-Sso-Role": {"Admin", "Admin"}, "x-sso-user": {"somebody"}, "X-SSO-ASSERTION": {"e30.e30.e30"}}
	if got := p.Send("GET", "/api/v1/events", forged); got.Status != 200 {
		t.Fatalf("with forged headers: %d", got.Status)
	}
	seen := s.Upstream.Seen()[0]
	for _, name := range []string{"x-sso-role", "x-sso-user", "x-sso-assertion", "x-sso-tenant", "x-sso-email"} {
		if values := seen.Values(name); len(values) != 1 || slices.Contains([]string{"Admin", "somebody", "e30.e30.e30"}, values[0]) {
			t.Errorf("%s arrives as %q", name, values)
		}
	}
}

// faulty makes a fault inside a check: the gate's table of people is gone, and nobody is cached.
func faulty(t *testing.T, s *Stack, release string, cold Person) {
	t.Helper()
	s.Gate.Kill()
	s.Gate.Run()
	s.WaitReady()
	s.WaitServing()
	db, err := sql.Open("sqlite", filepath.Join(s.Dir, "ssogate.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rename := func(from, to string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to); err != nil {
			t.Fatal(err)
		}
	}
	rename("users", "users_gone")
	defer rename("users_gone", "users")
	s.Upstream.Forget()
	got := cold.Fetch("GET", "/api/v1/events")
	if got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") != "1" || !strings.Contains(got.Body, `"error":"unavailable"`) {
		t.Errorf("a fault of ours on %s: %d, Retry-After %q, %s", release, got.Status, got.Header.Get("Retry-After"), got.Body)
	}
	if len(s.Upstream.Seen()) > 0 {
		t.Error("the dashboard was reached")
	}
	if !strings.Contains(s.Gate.Output(), "check ended in a fault") {
		t.Error("no fault was made: this proved nothing")
	}
}

func dead(t *testing.T, s *Stack, p Person) {
	t.Helper()
	s.Gate.Kill()
	s.Upstream.Forget()
	Eventually(t, "Envoy refuses without a gate", func() bool {
		got := p.Fetch("GET", "/api/v1/events")
		if got.Status == http.StatusOK {
			t.Fatal("allowed without a gate")
		}
		return got.Status == http.StatusServiceUnavailable
	})
	if len(s.Upstream.Seen()) > 0 {
		t.Error("the dashboard was reached")
	}
}
