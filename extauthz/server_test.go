package extauthz

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/tracio-ai/ssogate/envoy"
	"github.com/tracio-ai/ssogate/idp/jwt"
	"github.com/tracio-ai/ssogate/policies"
)

func TestEachRoleCanDoWhatThePolicySaysAndNoMore(t *testing.T) {
	g := newGate(t)
	cookies := map[string]string{}
	for role, group := range map[string]string{"Admin": "admins", "Analyst": "analysts", "Viewer": "viewers"} {
		cookies[role], _ = g.signIn(strings.ToLower(role), group)
	}
	cookies["none"], _ = g.signIn("nobody")
	for _, tc := range []struct {
		method, path string
		may          string // roles that may
	}{
		{"GET", "/", "Admin Analyst Viewer"},
		{"GET", "/events", "Admin Analyst Viewer"},
		{"GET", "/api/v1/events", "Admin Analyst Viewer"},
		{"POST", "/api/v1/events", "Admin Analyst"},
		{"DELETE", "/api/v1/rules/42", "Admin Analyst"},
		{"GET", "/api/v1/api-keys", "Admin"},
		{"POST", "/api/v1/billing/plan", "Admin"},
		{"GET", "/settings/team", "Admin"},
		{"GET", "/settings/authentication", "Admin"},
		{"GET", "/nowhere", ""},
		{"OPTIONS", "/api/v1/events", ""},
	} {
		for role, cookie := range cookies {
			want := 403
			if tc.may != "" && strings.Contains(" "+tc.may+" ", " "+role+" ") {
				want = 200
			}
			out := g.ask(call{method: tc.method, path: tc.path, lines: []line{{"cookie", cookie}}})
			if got := httpStatus(out); got != want {
				t.Errorf("%s %s as %s: %d, want %d", tc.method, tc.path, role, got, want)
			}
		}
	}
}

func TestDashboardGetsTheGatesIdentityAndNothingTheClientSaid(t *testing.T) {
	g := newGate(t)
	cookie, user := g.signIn("vic", "viewers")
	out := g.ask(call{path: "/events", lines: []line{
		{"cookie", "theme=dark; " + cookie + "; lang=en"}, {"x-sso-role", "Admin"}, {"x_sso_role", "Admin"}, {"x-sso-anything", "x"}, {"accept", "text/html"},
	}})
	ok := out.GetOkResponse()
	if ok == nil {
		t.Fatalf("refused: %v", out)
	}
	set := map[string]string{}
	for _, h := range ok.GetHeaders() {
		set[h.GetHeader().GetKey()] = h.GetHeader().GetValue()
	}
	if set[envoy.HeaderUser] != string(user.ID) || set[envoy.HeaderRole] != "Viewer" || set[envoy.HeaderTenant] != "acme" || set[envoy.HeaderEmail] != "vic@acme.example" {
		t.Errorf("identity %v", set)
	}
	if got := set["cookie"]; strings.Contains(got, "ssogate") || !strings.Contains(got, "theme=dark") || !strings.Contains(got, "lang=en") {
		t.Errorf("cookie %q", got)
	}
	removed := strings.Join(ok.GetHeadersToRemove(), " ")
	if !strings.Contains(removed, "x_sso_role") || !strings.Contains(removed, "x-sso-anything") || strings.Contains(removed, "x-sso-role") {
		t.Errorf("removed %q", removed)
	}
	out = g.ask(call{path: "/events", lines: []line{{"cookie", "a=1; b=\xff; " + cookie}}})
	for _, h := range out.GetOkResponse().GetHeaders() {
		if h.GetHeader().GetKey() == "cookie" && h.GetHeader().GetValue() != "a=1" {
			t.Errorf("cookie that is not UTF-8: %q", h.GetHeader().GetValue())
		}
	}
	if out.GetOkResponse() == nil {
		t.Errorf("a cookie of another's that is not UTF-8 was held against the request: %v", out)
	}
	verifyAssertion(t, g, set[envoy.HeaderAssertion], string(user.ID))
}

// verifyAssertion checks the token as an upstream would: with nothing but the published keys.
func verifyAssertion(t *testing.T, g *gate, token, user string) {
	t.Helper()
	keys, err := jwt.ParseJWKS(g.server.Assertions.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	payload, _, err := jwt.Verify(token, keys, []string{jwt.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var claims assertionClaims
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Subject != user || claims.Tenant != "acme" || claims.Role != "Viewer" || claims.Audience != "https://"+testHost || claims.Expires-claims.IssuedAt != 60 {
		t.Errorf("claims %+v", claims)
	}
}

func TestDeactivatedPersonIsRefusedOnTheNextRequest(t *testing.T) {
	g := newGate(t)
	cookie, user := g.signIn("ann", "analysts")
	ask := func() int { return httpStatus(g.ask(call{path: "/api/v1/events", lines: []line{{"cookie", cookie}}})) }
	if got := ask(); got != 200 {
		t.Fatalf("before: %d", got)
	}
	if _, err := g.store.SetActive(t.Context(), "acme", user.ID, false, "test"); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != 403 {
		t.Errorf("after: %d, want 403", got)
	}
	if _, err := g.store.SetActive(t.Context(), "acme", user.ID, true, "test"); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != 401 {
		t.Errorf("reactivation revived the old session: %d, want 401", got)
	}
	if err := g.store.DeleteUser(t.Context(), "acme", user.ID, "test"); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != 401 {
		t.Errorf("deleted: %d, want 401", got)
	}
}

func TestRefusalSpeaksTheAskersLanguage(t *testing.T) {
	g := newGate(t)
	cookie, _ := g.signIn("vic", "viewers")
	forbidden := "/api/v1/billing"
	for name, tc := range map[string]struct {
		lines             []line
		status            int
		contentType, body string
	}{
		"page":           {[]line{{"accept", "text/html"}, {"sec-fetch-mode", "navigate"}, {"sec-fetch-dest", "document"}, {"cookie", cookie}}, 403, "text/html; charset=utf-8", "billing:manage"},
		"fetch":          {[]line{{"accept", "*/*"}, {"cookie", cookie}}, 403, "application/json", `"error":"forbidden"`},
		"anonymous":      {[]line{{"accept", "*/*"}}, 401, "application/json", `"login_url":"https://dashboard.tracio.ai/auth/login"`},
		"websocket":      {[]line{{"upgrade", "websocket"}, {"connection", "Upgrade"}}, 401, "application/json", `"error":"unauthenticated"`},
		"grpc":           {[]line{{"content-type", "application/grpc"}}, 401, "", "Sign in first."},
		"grpc-web":       {[]line{{"content-type", "application/grpc-web+proto"}}, 200, "", ""},
		"ambiguous":      {[]line{{"accept", "*/*"}, {"cookie", cookie + "; " + cookie}}, 401, "application/json", "unauthenticated"},
		"basic is no id": {[]line{{"authorization", "Basic YWRhOmFkYQ=="}}, 401, "application/json", "unauthenticated"},
		"scim":           {[]line{{"accept", "*/*"}, {"x-envoy-auth-partial-body", "true"}}, 413, "application/scim+json", `"status":"413"`},
		"bearer is off":  {[]line{{"authorization", "Bearer abc.def.ghi"}}, 401, "application/json", "unauthenticated"},
	} {
		path := forbidden
		if name == "scim" {
			path = "/scim/v2/Users"
		}
		out := g.ask(call{path: path, lines: tc.lines})
		denied := out.GetDeniedResponse()
		headers := map[string]string{}
		for _, h := range denied.GetHeaders() {
			headers[h.GetHeader().GetKey()] = h.GetHeader().GetValue()
		}
		if denied == nil || httpStatus(out) != tc.status || !strings.Contains(denied.GetBody(), tc.body) || headers["content-type"] != tc.contentType {
			t.Errorf("%s: %d %v %.300s", name, httpStatus(out), headers, denied.GetBody())
		}
		if headers["cache-control"] != "no-store" || len(headers["x-sso-decision-id"]) != 36 {
			t.Errorf("%s: headers %v", name, headers)
		}
		if _, set := headers["set-cookie"]; set {
			t.Errorf("%s: sets a cookie", name)
		}
		if tc.status == 200 && headers["grpc-status"] != "16" {
			t.Errorf("%s: grpc-status %q", name, headers["grpc-status"])
		}
		if id := out.GetDynamicMetadata().GetFields()[envoy.MetadataDecisionID].GetStringValue(); id != headers["x-sso-decision-id"] {
			t.Errorf("%s: metadata says %q, the header %q", name, id, headers["x-sso-decision-id"])
		}
	}
}

// panicky is a realm reader with a bug.
type panicky struct{ Realms }

func TestFaultsAreRefusalsOfOurs(t *testing.T) {
	for name, breakIt := range map[string]func(*gate){
		"panic":     func(g *gate) { g.server.Realms = panicky{} },
		"no policy": func(g *gate) { g.server.Policy = &policies.Engine{} },
		"store":     func(g *gate) { g.server.Directory, g.server.Sessions = g.store, g.store; _ = g.store.Close() },
		"not ready": func(g *gate) { g.server.Ready = func() error { return errors.New("stale") } },
		"overload":  func(g *gate) { g.server.MaxDecisions = 0; g.server.inFlight.Store(1 << 30) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			cookie, _ := g.signIn("ada", "admins")
			other, _ := g.signIn("zoe", "admins") // not in any cache of the checks below
			_ = other
			breakIt(g)
			for _, faults := range []bool{false, true} {
				out := g.ask(call{path: "/events", faults: faults, lines: []line{{"cookie", cookie}}})
				if httpStatus(out) != http.StatusServiceUnavailable {
					if name == "store" && httpStatus(out) == 200 {
						continue // a cached session may still be served inside the lease
					}
					t.Fatalf("status %d, want 503", httpStatus(out))
				}
				headers := out.GetDeniedResponse().GetHeaders()
				if faults {
					headers = out.GetErrorResponse().GetHeaders()
				}
				retry := ""
				for _, h := range headers {
					if h.GetHeader().GetKey() == "retry-after" {
						retry = h.GetHeader().GetValue()
					}
				}
				if retry != "1" || out.GetDynamicMetadata().GetFields()["outcome"].GetStringValue() != "fault" {
					t.Errorf("retry-after %q, metadata %v", retry, out.GetDynamicMetadata())
				}
			}
		})
	}
}

func TestZeroValueAnswersBecomeFaults(t *testing.T) {
	g := newGate(t)
	for name, a := range map[string]Answer{
		"zero":        {},
		"empty":       {response: &authv3.CheckResponse{}, outcome: envoy.OutcomeAllow},
		"bare denied": {response: &authv3.CheckResponse{HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{}}}, outcome: envoy.OutcomeDeny},
	} {
		c := &inquiry{id: "x", began: time.Now()}
		if out := g.server.finish(t.Context(), c, a); out.GetStatus().GetCode() == 0 || httpStatus(out) != 503 {
			t.Errorf("%s: %v", name, out)
		}
	}
}

func TestEveryCheckIsOneLineOfTheDecisionLog(t *testing.T) {
	g := newGate(t)
	cookie, user := g.signIn("vic", "viewers")
	g.ask(call{path: "/events?token=planted-token", lines: []line{{"cookie", cookie}}})
	g.ask(call{path: "/a/../b"})
	g.ask(call{path: "/events"})
	if err := g.server.Decisions.Flush(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(g.lines.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines: %s", len(lines), g.lines.String())
	}
	for i, want := range []string{`"outcome":"allow"`, `"outcome":"invalid","reason":"path-dot-segment"`, `"outcome":"unauthenticated"`} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d: %s", i, lines[i])
		}
	}
	if !strings.Contains(lines[0], string(user.ID)) || !strings.Contains(lines[0], `"query_names":["token"]`) {
		t.Errorf("line: %s", lines[0])
	}
	value := strings.SplitN(cookie, "=", 2)[1]
	for _, secret := range []string{"planted-token", value} {
		if strings.Contains(g.lines.String()+g.log.String(), secret) {
			t.Errorf("logged %q", secret)
		}
	}
}

func TestIdleAndAbsoluteLimitsEndASession(t *testing.T) {
	g := newGate(t)
	start := time.Now()
	g.clock.at = start
	cookie, _ := g.signIn("vic", "viewers")
	ask := func(after time.Duration) int {
		g.clock.mu.Lock()
		g.clock.at = start.Add(after)
		g.clock.mu.Unlock()
		return httpStatus(g.ask(call{path: "/events", lines: []line{{"cookie", cookie}}}))
	}
	for after := time.Duration(0); after < 12*time.Hour; after += 25 * time.Minute {
		if got := ask(after); got != 200 {
			t.Fatalf("after %s: %d", after, got)
		}
	}
	if got := ask(12 * time.Hour); got != 401 {
		t.Errorf("past the absolute limit: %d", got)
	}
	g.clock.mu.Lock()
	g.clock.at = start
	g.clock.mu.Unlock()
	cookie, _ = g.signIn("ann", "analysts")
	if got := ask(30 * time.Minute); got != 401 {
		t.Errorf("idle for 30 minutes: %d", got)
	}
}
