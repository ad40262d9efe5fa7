package login

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// codes reads every idp.Code from the source that declares them, so that a new one without a sentence fails here.
func codes(t *testing.T) []idp.Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../idp/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []idp.Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Names) == 0 || !strings.HasPrefix(spec.Names[0].Name, "Code") || len(spec.Values) != 1 {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, idp.Code(text))
		}
		return true
	})
	if len(all) < 20 {
		t.Fatalf("found only %d codes", len(all))
	}
	return all
}

func TestEveryCodeHasOneCalmSentence(t *testing.T) {
	unknown := explain("no-such-code")
	for _, code := range codes(t) {
		e := explain(code)
		if e.says == unknown.says {
			t.Errorf("%s has no sentence of its own", code)
		}
		for _, text := range []string{e.says, e.next} {
			if !strings.HasSuffix(text, ".") || strings.ContainsAny(text, "!\"`") || text != strings.TrimSpace(text) {
				t.Errorf("%s: %q is not a calm sentence", code, text)
			}
		}
		if http.StatusText(e.status) == "" || e.status < 400 {
			t.Errorf("%s: status %d", code, e.status)
		}
	}
}

// pages are every page there is, by the name of its golden file.
func pages(t *testing.T) map[string]*http.Response {
	t.Helper()
	w := newWorld(t)
	two := connection("beta", "beta-two")
	two.Name = `Entra <"ID">`
	w.add("beta", []string{"beta.example"}, connection("beta", "beta-one"), two)
	long := connection("long", "long")
	w.add("long", nil, long)
	signedIn, out, new := w.browser(), w.browser(), w.browser()
	signedIn.signedIn("alice")
	all := map[string]*http.Response{
		"sign-in":         new.open("/auth/login?return_to=/events"),
		"sign-in-unknown": new.open("/auth/login?return_to=/events&switch=1&email=a@nobody.example"),
		"sign-in-address": new.open("/auth/login?email=%3Cscript%3E"),
		"sign-in-link":    new.open("/auth/login?connection=gone"),
		"sign-in-again":   new.open("/auth/callback/oidc/acme-okta?state=x&code=y"),
		"sign-in-last":    signedIn.open("/auth/login?switch=1"),
		"choose":          new.open("/auth/login?return_to=/events&email=a@beta.example"),
		"not-found":       new.open("/auth/nothing"),
		"not-allowed":     new.do(http.MethodPost, "/auth/login", nil),
		"bad-query":       new.open("/auth/login?return_to=/a&return_to=/b"),
		"signed-out":      out.open("/auth/logout"),
	}
	all["no-foreign-post"] = signedIn.do(http.MethodPost, "/auth/logout", http.Header{"Sec-Fetch-Site": {"cross-site"}})
	signedIn.site = "cross-site"
	all["confirm-switch"] = signedIn.open("/auth/login?connection=beta-one&return_to=/events")
	all["confirm-sign-out"] = signedIn.open("/auth/logout")
	signedIn.site = ""
	all["signed-out-here"] = signedIn.open("/auth/logout")
	for name, f := range map[string]Refusal{
		"refusal-400": {Status: 400, Code: "invalid_request", Message: "The request was refused: the path has a semicolon.", DecisionID: "d-1"},
		"refusal-401": {Status: 401, Code: "unauthenticated", Message: "Sign in first.", DecisionID: "d-1", ReturnTo: "/a?b=c&d"},
		"refusal-403": {Status: 403, Code: "forbidden", Message: `no role of yours carries <permission> "rules:write"`, DecisionID: "d-1", SwitchAccount: true},
		"refusal-503": {Status: 503, Code: "unavailable", Message: "The gate could not decide.", DecisionID: "d-1", RetryAfter: true},
	} {
		rec := httptest.NewRecorder()
		w.Page(rec, f)
		all[name] = rec.Result()
	}
	for _, code := range []idp.Code{
		idp.CodeUnavailable, idp.CodeLoop, idp.CodeNotProvisioned, idp.CodeSignature, idp.CodeSAMLSignature, idp.CodeSAMLReplay, idp.CodeSAMLUnsolicited, idp.CodeSAMLBusy,
	} {
		rec := httptest.NewRecorder()
		w.explained(rec, code, "req-1", connection("acme", "acme-okta"), "/events")
		all["ended-"+string(code)] = rec.Result()
	}
	for name, to := range map[string]idp.Redirect{
		"hand-over-post": {URL: "https://idp.example/sso?a=b", Form: url.Values{"SAMLRequest": {`"><script>`}, "RelayState": {"r"}}},
		"hand-over-get":  {URL: "https://idp.example/authorize?id_token_hint=" + strings.Repeat("x", 9000) + "&state=s"},
	} {
		rec := httptest.NewRecorder()
		w.send(rec, new.request(http.MethodGet, "/"), to)
		all[name] = rec.Result()
	}
	who := idp.Identity{
		Issuer: "https://idp.example", Subject: "<alice>", UserName: "alice", NameID: idp.NameID{Value: "<alice>", Format: "urn:persistent"}, GroupState: idp.GroupsListed,
		Groups: strings.Split(strings.Repeat("group,", 25), ","), Claims: map[string]any{"dept": []string{"x", "y"}, "level": 3.0}, SID: "i-1",
	}
	for name, result := range map[string]TestResult{
		"tested":         {OK: true, Roles: []string{"Analyst", "Viewer"}, Identity: asserted(who)},
		"tested-refused": {Code: idp.CodeSAMLSHA1, Detail: "signature", Hint: "Choose SHA-256 under Sign On."},
	} {
		rec := httptest.NewRecorder()
		w.render(rec, http.StatusOK, result.page(connection("acme", "acme-okta"), "req-1"))
		all[name] = rec.Result()
	}
	rec := httptest.NewRecorder()
	w.notSignedOut(WithRequestID(t.Context(), "req-1"), rec, idp.CodeSAMLSignature)
	all["sign-out-refused"] = rec.Result()
	return all
}

func TestPagesAreTheGoldenOnes(t *testing.T) {
	for name, resp := range pages(t) {
		got := fmt.Sprintf("%d %s\n\n%s", resp.StatusCode, resp.Header.Get("Retry-After"), body(resp))
		got = strings.Replace(got, "<style>"+style+"</style>", "<style>…</style>", 1)
		got = strings.ReplaceAll(got, strings.Repeat("x", 9000), "xxx…")
		golden(t, filepath.Join("testdata", "pages", name+".html"), got)
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: UPDATE=1 writes it", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; UPDATE=1 writes it anew. Got:\n%s", path, got)
	}
}

func TestEveryPageForbidsWhateverItDoesNotNeed(t *testing.T) {
	for name, resp := range pages(t) {
		csp, page := resp.Header.Get("Content-Security-Policy"), body(resp)
		directives := strings.Split(csp, "; ")
		for _, must := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self' https:", "style-src " + hashSource(between(page, "<style>", "</style>"))} {
			if !slices.Contains(directives, must) {
				t.Errorf("%s: %q misses %q", name, csp, must)
			}
		}
		scripted := strings.HasPrefix(name, "hand-over")
		if got := strings.Contains(csp, "script-src"); got != scripted {
			t.Errorf("%s: script-src is there: %t", name, got)
		}
		if scripted && !slices.Contains(directives, "script-src "+hashSource(between(page, "<script>", "</script>"))) {
			t.Errorf("%s: the script's hash is another: %s", name, csp)
		}
		if strings.Contains(csp, "unsafe") || strings.Count(page, "<script") > 1 || !scripted && strings.Contains(page, "<script") {
			t.Errorf("%s: scripts may run: %s", name, csp)
		}
		for header, want := range map[string]string{
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Content-Type": "text/html; charset=utf-8",
		} {
			if got := resp.Header.Get(header); got != want {
				t.Errorf("%s: %s: %q", name, header, got)
			}
		}
	}
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

func TestConnectorsRedirectMustBeAnAddressOnHTTPS(t *testing.T) {
	w := newWorld(t)
	for _, bad := range []string{"", "javascript:alert(1)", "http://idp.example/", "//idp.example/", "/path", "https://user@idp.example/", "data:text/html,x", "https://", "https://idp.example/%zz"} {
		for _, form := range []url.Values{nil, {"a": {"b"}}} {
			rec := httptest.NewRecorder()
			w.send(rec, httptest.NewRequest(http.MethodGet, "/", nil), idp.Redirect{URL: bad, Form: form})
			if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Location") != "" {
				t.Errorf("%q: %d %q", bad, rec.Code, rec.Header().Get("Location"))
			}
		}
	}
}

func TestRefusalsForProgramsHaveOneShape(t *testing.T) {
	for want, f := range map[string]Refusal{
		`{"error":"unauthenticated","message":"Sign in first.","decision_id":"d","login_url":"https://x/auth/login"}`: {Status: 401, Code: "unauthenticated", Message: "Sign in first.", DecisionID: "d"},
		`{"error":"forbidden","message":"no","decision_id":"d"}`:                                                      {Status: 403, Code: "forbidden", Message: "no", DecisionID: "d", SwitchAccount: true},
		`{"error":"unavailable","message":"later","decision_id":"d"}`:                                                 {Status: 503, Code: "unavailable", Message: "later", DecisionID: "d", RetryAfter: true},
	} {
		rec := httptest.NewRecorder()
		JSON(rec, f, "https://x/auth/login")
		if got := strings.TrimSpace(rec.Body.String()); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if rec.Code != f.Status || rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Content-Type") != "application/json" || (rec.Header().Get("Retry-After") == "1") != f.RetryAfter {
			t.Errorf("%d %v", rec.Code, rec.Header())
		}
		if len(rec.Result().Cookies()) != 0 {
			t.Error("a program was given a cookie")
		}
	}
}

func TestSessionEndpointSaysWhoAndHowLong(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	resp := b.open("/auth/session")
	if got := strings.TrimSpace(body(resp)); resp.StatusCode != http.StatusUnauthorized || got != `{"error":"unauthenticated","message":"Nobody is signed in.","decision_id":"req-1","login_url":"https://dashboard.example/auth/login"}` {
		t.Errorf("nobody: %d %s", resp.StatusCode, got)
	}
	w.answer = func(c idp.Connection, _ idp.Attempt, _ *http.Request) (idp.Identity, error) {
		return idp.Identity{Tenant: c.Tenant, Connection: c.ID, Subject: "alice", AuthTime: time.Date(2026, 3, 1, 12, 59, 59, 5, time.FixedZone("", 3600))}, nil
	}
	b.signedIn("alice")
	resp = b.open("/auth/session")
	want := `{"user":{"id":"u-alice","user_name":"alice@acme.example","email":"alice@acme.example","display_name":"Ms alice"},` +
		`"tenant":{"id":"acme","slug":"acme-slug"},"connection":{"id":"acme-okta","protocol":"oidc","provider":"okta"},"roles":["Analyst"],` +
		`"auth_time":"2026-03-01T11:59:59Z","expires_at":"2026-03-02T00:00:00Z","idle_expires_at":"2026-03-01T12:30:00Z"}`
	if got := strings.TrimSpace(body(resp)); got != want || resp.Header.Get("Cache-Control") != "no-store" || len(resp.Cookies()) != 0 {
		t.Errorf("got  %s\nwant %s\n%v", got, want, resp.Header)
	}
	var nobody map[string]any
	if err := json.Unmarshal(fmt.Appendf(nil, "%s", mustJSON(t, whoami(Visitor{}))), &nobody); err != nil {
		t.Fatal(err)
	}
	if _, there := nobody["auth_time"]; there || nobody["roles"] == nil {
		t.Errorf("zero visitor: %v", nobody)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKeySetMayBeCachedAndHoldsNoConnectionsKeys(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	resp := b.open("/auth/jwks.json")
	if body(resp) != `{"keys":[]}` || resp.Header.Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("%v", resp.Header)
	}
	if resp := b.open("/auth/jwks.json?connection=acme-okta"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a connection's keys: %d", resp.StatusCode)
	}
	w.JWKS = func() []byte { return nil }
	if resp := b.open("/auth/jwks.json"); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("no keys: %d %v", resp.StatusCode, resp.Header)
	}
}

func TestRoutesAreMatchedByWholeSegmentsAndMethods(t *testing.T) {
	w := newWorld(t)
	w.add("beta", nil, connection("beta", "beta-okta"))
	b := w.browser()
	for _, c := range []struct {
		method, target string
		status         int
		allow          string
	}{
		{"GET", "/auth/login", 200, ""},
		{"HEAD", "/auth/login", 200, ""},
		{"GET", "/auth/%6cogin", 200, ""},
		{"POST", "/auth/login", 405, "GET, HEAD"},
		{"DELETE", "/auth/login", 405, "GET, HEAD"},
		{"POST", "/auth/callback/oidc", 405, "GET"},
		{"POST", "/auth/callback/oidc/acme-okta", 405, "GET"},
		{"HEAD", "/auth/callback/oidc/acme-okta", 405, "GET"},
		{"HEAD", "/auth/logout", 405, "GET, POST"},
		{"PUT", "/auth/session", 405, "GET, HEAD"},
		{"GET", "/auth/session/x", 404, ""},
		{"GET", "/auth/", 404, ""},
		{"GET", "/auth/callback", 404, ""},
		{"GET", "/auth/callback/oidc/a/b", 404, ""},
		{"GET", "/auth/callback/saml/acme", 405, "POST"},
		{"POST", "/auth/callback/saml", 404, ""},
		{"POST", "/auth/callback/saml/acme/x", 404, ""},
		{"POST", "/auth/callback/saml/acme", 404, ""},
		{"POST", "/auth/saml/acme/metadata", 405, "GET, HEAD"},
		{"GET", "/auth/saml/acme/metadata", 404, ""},
		{"GET", "/auth/saml/acme", 404, ""},
		{"PUT", "/auth/saml/acme/slo", 405, "GET, POST"},
		{"GET", "/auth/saml/acme/slo", 404, ""},
		{"GET", "/auth/LOGIN", 404, ""},
		{"GET", "/auth/x%2flogin", 400, ""},
		{"GET", "/auth//login", 400, ""},
		{"GET", "/auth/login;x", 400, ""},
		{"GET", "/auth/login?x=%zz", 400, ""},
	} {
		resp := b.do(c.method, c.target, nil)
		if resp.StatusCode != c.status || resp.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q", c.method, c.target, resp.StatusCode, resp.Header.Get("Allow"))
		}
	}
}
