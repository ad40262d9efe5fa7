package e2e

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/cmd/internal/e2e/tools"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

// startForeign runs the provider of testdata/foreign with one client.
func startForeign(t *testing.T, dashboard, method string) (p *Process, issuer, secret string) {
	t.Helper()
	node := tools.Require(t, tools.NameNode)
	packages, err := tools.NodePackages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs(filepath.Join("testdata", "foreign", "op.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	port := FreePort(t)
	secret = "planted foreign/secret:+%5f" // what a client has to encode in a Basic header (RFC 6749 §2.3.1)
	settings, err := json.Marshal(map[string]any{"port": port, "clients": []map[string]any{{
		"client_id": clientID, "client_secret": secret, "token_endpoint_auth_method": method,
		"redirect_uris":             []string{dashboard + "/auth/callback/oidc/acme-idp"},
		"post_logout_redirect_uris": []string{dashboard + "/auth/logout"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	p = Start(t, packages, []string{"OP=" + string(settings)}, node, script)
	issuer = fmt.Sprintf("http://127.0.0.1:%d", port)
	Eventually(t, "the foreign provider listens", func() bool {
		if p.Exited() {
			t.Fatalf("it ended:\n%s", p.Output())
		}
		return strings.Contains(p.Output(), "listening on "+issuer)
	})
	return p, issuer, secret
}

var (
	formAction = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
	formHidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// submit fills in the form of a page as a browser does, hidden fields included, and follows where it leads.
func submit(t *testing.T, p Person, page idptest.Page, name, value string) idptest.Page {
	t.Helper()
	action := formAction.FindStringSubmatch(page.Body)
	if action == nil {
		t.Fatalf("%s (%d) has no form: %s", page.URL, page.Status, tail(page.Body, 900))
	}
	form := url.Values{name: {value}}
	for _, m := range formHidden.FindAllStringSubmatch(page.Body, -1) {
		form.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	to, err := page.URL.Parse(html.UnescapeString(action[1]))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to.String(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	resp, err := p.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return idptest.Page{URL: resp.Request.URL, Status: resp.StatusCode, Header: resp.Header, Body: readAnswer(resp).Body}
}

// A provider that somebody else wrote reads the standards its own way, and forgives nothing we got wrong.
func TestAForeignProviderSignsPeopleInAndOut(t *testing.T) {
	for _, method := range []string{"client_secret_basic", "client_secret_post"} {
		t.Run(method, func(t *testing.T) {
			port := FreePort(t)
			dashboard := fmt.Sprintf("http://localhost:%d", port)
			provider, issuer, secret := startForeign(t, dashboard, method)
			s := NewStack(t, Options{Issuer: issuer, Secret: secret, Port: port, Client: "client_auth: " + method + ", "})
			withoutPKCE(t, s, issuer)
			ada := foreignSignIn(t, s, issuer, "ada", "Admin")
			vic := foreignSignIn(t, s, issuer, "vic", "Viewer")
			for _, tc := range []struct {
				p      Person
				path   string
				status int
			}{
				{ada, "/api/v1/settings", 200},
				{vic, "/api/v1/events", 200},
				{vic, "/api/v1/settings", 403},
			} {
				if got := tc.p.Fetch(http.MethodGet, tc.path); got.Status != tc.status {
					t.Errorf("%s: %s: %d, want %d", tc.p.Person, tc.path, got.Status, tc.status)
				}
			}
			if got := strings.Count(provider.Output(), "token asked for by "+method+"\n"); got != 2 || strings.Count(provider.Output(), "token asked for") != 2 {
				t.Errorf("%d codes were redeemed by %s, want 2 and no other:\n%s", got, method, provider.Output())
			}
			foreignSignOut(t, s, issuer, ada)
			if got := vic.Fetch(http.MethodGet, "/api/v1/events"); got.Status != http.StatusOK {
				t.Errorf("somebody else's sign-out: %d", got.Status)
			}
		})
	}
}

// withoutPKCE makes sure that this provider asks for what the gate is to send.
func withoutPKCE(t *testing.T, s *Stack, issuer string) {
	t.Helper()
	q := url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "scope": {"openid"}, "state": {"x"}, "nonce": {"x"},
		"redirect_uri": {s.URL + "/auth/callback/oidc/acme-idp"},
	}
	p := s.As("ada")
	p.Stop = func(u *url.URL) bool { return strings.HasPrefix(u.Path, "/auth/callback/") }
	page, err := p.Open(t.Context(), issuer+"/auth?"+q.Encode())
	if err != nil || page.Location == nil || page.Location.Query().Get("error") != "invalid_request" {
		t.Errorf("without a code challenge: %s (%d), %v", page.Location, page.Status, err)
	}
}

func foreignSignIn(t *testing.T, s *Stack, issuer, name, role string) Person {
	t.Helper()
	p := s.As(name)
	const asked = "/events?page=2&q=a%20b"
	page, err := p.Open(t.Context(), s.URL+asked)
	if err != nil || !strings.HasPrefix(page.URL.String(), issuer+"/interaction/") {
		t.Fatalf("%s is not at the provider but at %s (%d), %v: %s", name, page.URL, page.Status, err, tail(page.Body, 900))
	}
	page = submit(t, p, page, "login", name)
	if page.Status != http.StatusOK || page.URL.String() != s.URL+asked {
		t.Fatalf("%s landed on %s (%d): %s", name, page.URL, page.Status, tail(page.Body, 900))
	}
	id := p.Fetch(http.MethodGet, "/api/v1/events").Identity
	if first(id["x-sso-role"]) != role || first(id["x-sso-email"]) != name+"@acme.example" {
		t.Errorf("%s arrived as %v", name, id)
	}
	return p
}

func foreignSignOut(t *testing.T, s *Stack, issuer string, p Person) {
	t.Helper()
	page, err := p.Open(t.Context(), s.URL+"/auth/logout")
	if err != nil || !strings.HasPrefix(page.URL.String(), issuer+"/session/end") {
		t.Fatalf("sign-out leads to %s (%d), %v: %s", page.URL, page.Status, err, tail(page.Body, 900))
	}
	if got := p.Fetch(http.MethodGet, "/api/v1/events"); got.Status != http.StatusUnauthorized {
		t.Errorf("not asked yet at the provider, and: %d", got.Status)
	}
	page = submit(t, p, page, "logout", "yes")
	if page.Status != http.StatusOK || page.URL.Path != "/auth/logout" || !strings.Contains(page.Body, "signed out at your identity provider") {
		t.Errorf("signed out at %s (%d): %s", page.URL, page.Status, tail(page.Body, 900))
	}
	page, err = p.Open(t.Context(), s.URL+"/events")
	if err != nil || !strings.HasPrefix(page.URL.String(), issuer+"/interaction/") {
		t.Errorf("the provider lets them in again without a question: %s (%d), %v", page.URL, page.Status, err)
	}
}
