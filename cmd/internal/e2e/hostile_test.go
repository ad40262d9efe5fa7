package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// What a hostile or broken provider does, and the reason the sign-in must end with.
var hostileFaults = []struct{ fault, reason string }{
	{"wrong-iss", "oidc-issuer"},
	{"wrong-aud", "oidc-audience"},
	{"extra-aud", "oidc-audience"},
	{"wrong-azp", "oidc-audience"},
	{"wrong-nonce", "oidc-nonce"},
	{"no-nonce", "oidc-nonce"},
	{"logout-token-as-id-token", "oidc-nonce"},
	{"wrong-at-hash", "oidc-at-hash"},
	{"alg-none", "oidc-algorithm"},
	{"alg-hs256", "oidc-algorithm"},
	{"hs256-oct-jwks", "oidc-algorithm"},
	{"invalid-sig", "oidc-signature"},
	{"expired", "oidc-time"},
	{"future-iat", "oidc-time"},
	{"old-iat", "oidc-time"},
	{"missing-sub", "oidc-subject"},
	{"empty-sub", "oidc-subject"},
	{"dup-claim", "oidc-claims"},
	{"folded-claim", "oidc-claims"},
	{"folded-claim=ſub", "oidc-claims"},
	{"json-serialised", "idp-response"},
	{"token-500", "idp-unavailable"},
	{"token-error=invalid_grant", "idp-response"},
	{"error=access_denied", "access-denied"},
	{"error=invalid_scope", "idp-client"},
	{"wrong-iss-param", "oidc-issuer"},
	{"no-iss-param", "oidc-issuer"},
}

// requestID finds the id a page asks to be quoted.
var requestID = regexp.MustCompile(`Request id</dt><dd><code>([^<]+)</code>`)

// internals is what no page may say: how we are built, and what a provider or an attacker wrote.
var internals = []string{"verify", "claim ", "github.com", ".go:", "other.example", "another-client", "administrator<", "internal-host-7", "panic", "goroutine", "eyJ", clientSecret}

// refusals holds what pages said until the audit rows are compared with it.
type refusals struct {
	s    *Stack
	want map[string]string // reason by request id
}

// add judges the page a refused person sees.
func (r *refusals) add(t *testing.T, p Person, page idptest.Page, reason string) {
	t.Helper()
	id := requestID.FindStringSubmatch(page.Body)
	if id == nil || page.Status < 400 || !strings.Contains(page.Body, "Sign-in could not be completed") || !strings.Contains(page.Body, "<code>"+reason+"</code>") {
		t.Fatalf("%d at %s, want a page with the reason %s: %s", page.Status, page.URL, reason, tail(page.Body, 900))
	}
	r.want[id[1]] = reason
	for _, word := range internals {
		if strings.Contains(page.Body, word) {
			t.Errorf("the page says %q", word)
		}
	}
	if got := p.Fetch(http.MethodGet, "/api/v1/events"); got.Status != http.StatusUnauthorized {
		t.Errorf("refused, and yet: %d", got.Status)
	}
}

// audited compares the reasons with the tenant's audit log.
func (r *refusals) audited(t *testing.T) {
	t.Helper()
	for _, row := range r.s.auditRows() {
		if reason, mine := r.want[row.RequestID]; mine {
			if row.Action != "session.sign_in_refused" || row.Outcome != "refused" || row.Reason != reason {
				t.Errorf("request %s ended with %s, and its row is %+v", row.RequestID, reason, row)
			}
			delete(r.want, row.RequestID)
		}
	}
	for id, reason := range r.want {
		t.Errorf("request %s ended with %s, and the audit log has no row for it", id, reason)
	}
}

// auditRow is a line of `ssogate audit list`.
type auditRow struct {
	Action, Outcome, Reason string
	RequestID               string `json:"request_id"`
}

func (s *Stack) auditRows() []auditRow {
	s.T.Helper()
	var rows []auditRow
	out := s.CLI("audit", "list", "-c", s.Config, "--tenant", "acme", "--limit", "1000", "-o", "json")
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		s.T.Fatalf("read audit rows: %v\n%s", err, out)
	}
	return rows
}

// held signs in as far as the callback, which it returns without going there.
func (p Person) held(address string) *url.URL {
	p.s.T.Helper()
	p.Stop = func(u *url.URL) bool { return strings.HasPrefix(u.Path, "/auth/callback/") }
	page, err := p.Open(p.s.T.Context(), address)
	p.Stop = nil
	if err != nil || page.Location == nil || !strings.HasPrefix(page.Location.Path, "/auth/callback/") {
		p.s.T.Fatalf("%s is not on the way back from the provider but at %v, %v", p.Person, page.URL, err)
	}
	return page.Location
}

// without drops a cookie from the person's jar.
func (p Person) without(name string) {
	u, _ := url.Parse(p.s.URL)
	p.Client.Jar.SetCookies(u, []*http.Cookie{{Name: name, MaxAge: -1, Path: "/"}})
}

func TestEveryHostileAnswerEndsOnACalmPageWithItsOwnReason(t *testing.T) {
	s := NewStack(t, Options{})
	r := refusals{s, map[string]string{}}
	for _, tc := range hostileFaults {
		t.Run(tc.fault, func(t *testing.T) {
			s.IdP.Fault(tc.fault)
			defer s.IdP.Clear()
			p := s.As("ada")
			page, err := p.Open(t.Context(), s.URL+"/settings")
			if err != nil {
				t.Fatal(err)
			}
			r.add(t, p, page, tc.reason)
		})
	}
	t.Run("state of another browser", func(t *testing.T) { otherBrowsersState(t, r) })
	t.Run("used attempt", func(t *testing.T) { usedAttempt(t, r) })
	t.Run("answer of one provider at another's callback", func(t *testing.T) { otherCallback(t, s) })
	if seen := s.Upstream.Seen(); slices.ContainsFunc(seen, func(s Seen) bool { return s.Path() == "/settings" }) {
		t.Error("the dashboard was reached")
	}
	if page := s.As("ada").SignIn("/settings"); page.Status != http.StatusOK {
		t.Errorf("without a fault: %d", page.Status)
	}
	r.audited(t)
}

// otherBrowsersState is session fixation: an attacker sends the victim the end of a sign-in of their own. The victim is
// sent to sign in themself; the second such link ends on a page.
func otherBrowsersState(t *testing.T, r refusals) {
	attacker, victim, third := r.s.As("ada"), r.s.As("vic"), r.s.As("ann")
	codes := r.s.IdP.Count("POST /token")
	again := victim.held(attacker.held(r.s.URL + "/settings").String())
	page, err := third.Open(t.Context(), again.String())
	if err != nil {
		t.Fatal(err)
	}
	r.add(t, third, page, "state")
	if got := r.s.IdP.Count("POST /token") - codes; got != 0 {
		t.Errorf("%d codes of other browsers were redeemed", got)
	}
	if page, err = victim.Open(t.Context(), again.String()); err != nil || page.URL.Path != "/settings" || page.Status != http.StatusForbidden {
		t.Errorf("the victim ended at %s (%d): they are to be themself", page.URL, page.Status)
	}
}

// usedAttempt replays the end of a sign-in from the browser's history, after the session is gone.
func usedAttempt(t *testing.T, r refusals) {
	p := r.s.As("vic")
	last := p.held(r.s.URL + "/events")
	for range 2 {
		if page, err := p.Open(t.Context(), last.String()); err != nil || page.Status != http.StatusOK {
			t.Fatalf("sign-in ended at %s (%d), %v", page.URL, page.Status, err)
		}
		p.without("ssogate")
		codes := r.s.IdP.Count("POST /token")
		if last.Query().Get("code") == "" {
			t.Fatal("the address holds no code")
		}
		p.Stop = func(u *url.URL) bool {
			return strings.HasPrefix(u.Path, "/auth/callback/") && u.String() != last.String()
		}
		page, err := p.Open(t.Context(), last.String())
		p.Stop = nil
		if err != nil {
			t.Fatal(err)
		}
		if got := r.s.IdP.Count("POST /token") - codes; got != 0 {
			t.Errorf("a used code was sent to the provider %d times", got)
		}
		if page.Location == nil { // the second time
			r.add(t, p, page, "replay")
			return
		}
		last = page.Location
	}
	t.Error("a used attempt is begun anew for ever")
}

func otherCallback(t *testing.T, s *Stack) {
	p := s.As("ada")
	back := p.held(s.URL + "/settings")
	for _, path := range []string{"/auth/callback/oidc", "/auth/callback/oidc/other", "/auth/callback/saml/acme-idp"} {
		wrong := *back
		wrong.Path = path
		codes := s.IdP.Count("POST /token")
		page, err := p.Open(t.Context(), wrong.String())
		if err != nil || page.Status < 400 || s.IdP.Count("POST /token") != codes {
			t.Errorf("%s: %d, %v", path, page.Status, err)
		}
	}
}
