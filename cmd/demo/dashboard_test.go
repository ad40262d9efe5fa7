package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp/jwt"
)

// gate is a pretend gate: a key set, and assertions for a dashboard.
type gate struct {
	t         *testing.T
	key       *jwt.Signer
	now       time.Time
	dashboard http.Handler
}

func newGate(t *testing.T) *gate {
	t.Helper()
	key, err := jwt.NewES256Key()
	if err != nil {
		t.Fatal(err)
	}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jwt.NewSet(key.Public()))
	}))
	t.Cleanup(keys.Close)
	g := &gate{t: t, key: key, now: time.Unix(1_800_000_000, 0)}
	g.dashboard = newDashboard(&verifier{
		KeySet: keys.URL, Issuer: "http://localhost:8080", Audience: "http://localhost:8080",
		Client: keys.Client(), Now: func() time.Time { return g.now },
	})
	return g
}

// claims are those of a good assertion.
func (g *gate) claims() map[string]any {
	return map[string]any{
		"iss": "http://localhost:8080", "aud": "http://localhost:8080", "sub": "u-1", "tenant": "acme", "email": "vic@acme.example",
		"name": "Vic <Viewer>", "role": "Viewer", "nbf": g.now.Unix(), "iat": g.now.Unix(), "exp": g.now.Add(time.Minute).Unix(),
	}
}

// ask sends a request as the gate would, with one assertion.
func (g *gate) ask(key *jwt.Signer, typ string, claims map[string]any, change func(*http.Request)) *httptest.ResponseRecorder {
	g.t.Helper()
	token, err := key.Sign(typ, claims)
	if err != nil {
		g.t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(g.t.Context(), http.MethodGet, "http://localhost:8080/", nil)
	r.Header.Set("X-Sso-User", "u-1")
	r.Header.Set(assertionHeader, token)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	g.dashboard.ServeHTTP(w, r)
	return w
}

func TestPageShowsWhoTheGateSignedFor(t *testing.T) {
	g := newGate(t)
	w := g.ask(g.key, assertionType, g.claims(), nil)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, want := range []string{"Hello, Vic &lt;Viewer&gt;", "vic@acme.example", "verified", "another 60 seconds", "/auth/logout"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("content security policy %q", csp)
	}
}

func TestDashboardAnswersNobodyTheGateDidNotSignFor(t *testing.T) {
	g := newGate(t)
	stranger, err := jwt.NewES256Key()
	if err != nil {
		t.Fatal(err)
	}
	with := func(name string, value any) map[string]any {
		c := g.claims()
		c[name] = value
		return c
	}
	for name, c := range map[string]struct {
		key    *jwt.Signer
		typ    string
		claims map[string]any
		change func(*http.Request)
	}{
		"no assertion":      {g.key, assertionType, g.claims(), func(r *http.Request) { r.Header.Del(assertionHeader) }},
		"two assertions":    {g.key, assertionType, g.claims(), func(r *http.Request) { r.Header.Add(assertionHeader, r.Header.Get(assertionHeader)) }},
		"not a token":       {g.key, assertionType, g.claims(), func(r *http.Request) { r.Header.Set(assertionHeader, "ada") }},
		"a stranger's key":  {stranger, assertionType, g.claims(), nil},
		"another type":      {g.key, "JWT", g.claims(), nil},
		"another issuer":    {g.key, assertionType, with("iss", "http://localhost:9999"), nil},
		"another audience":  {g.key, assertionType, with("aud", "http://localhost:9999"), nil},
		"expired":           {g.key, assertionType, with("exp", g.now.Add(-time.Minute).Unix()), nil},
		"without an end":    {g.key, assertionType, with("exp", nil), nil},
		"not yet":           {g.key, assertionType, with("nbf", g.now.Add(time.Minute).Unix()), nil},
		"for nobody":        {g.key, assertionType, with("sub", nil), func(r *http.Request) { r.Header.Del("X-Sso-User") }},
		"for somebody else": {g.key, assertionType, g.claims(), func(r *http.Request) { r.Header.Set("X-Sso-User", "u-2") }},
		"role of odd shape": {g.key, assertionType, with("role", []string{"Admin"}), nil},
		"another site posts": {g.key, assertionType, g.claims(), func(r *http.Request) {
			r.Method = "POST"
			r.URL.Path = "/api/v1/events"
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}},
	} {
		if w := g.ask(c.key, c.typ, c.claims, c.change); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d, want 403", name, w.Code)
		}
	}
}

func TestDashboardLearnsARotatedKey(t *testing.T) {
	first, err := jwt.NewES256Key()
	if err != nil {
		t.Fatal(err)
	}
	second, err := jwt.NewES256Key()
	if err != nil {
		t.Fatal(err)
	}
	published, fetches := jwt.NewSet(first.Public()), 0
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches++
		_ = json.NewEncoder(w).Encode(published)
	}))
	defer keys.Close()
	g := &gate{t: t, now: time.Unix(1_800_000_000, 0)}
	g.dashboard = newDashboard(&verifier{
		KeySet: keys.URL, Issuer: "http://localhost:8080", Audience: "http://localhost:8080",
		Client: keys.Client(), Now: func() time.Time { return g.now },
	})
	if w := g.ask(first, assertionType, g.claims(), nil); w.Code != http.StatusOK {
		t.Fatalf("first key: %d", w.Code)
	}
	for range 20 { // unknown keys make no storm of fetches
		g.ask(second, assertionType, g.claims(), nil)
	}
	if fetches != 1 {
		t.Errorf("%d fetches, want 1", fetches)
	}
	published = jwt.NewSet(second.Public())
	g.now = g.now.Add(keySetPause)
	if w := g.ask(second, assertionType, g.claims(), nil); w.Code != http.StatusOK {
		t.Errorf("second key: %d", w.Code)
	}
	if w := g.ask(first, assertionType, g.claims(), nil); w.Code != http.StatusForbidden {
		t.Errorf("withdrawn key: %d", w.Code)
	}
}

func TestUnreachableKeysAreNotTheSendersFault(t *testing.T) {
	g := newGate(t)
	g.dashboard = newDashboard(&verifier{KeySet: "http://127.0.0.1:1/", Client: &http.Client{}, Now: func() time.Time { return g.now }})
	if w := g.ask(g.key, assertionType, g.claims(), nil); w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d, want 503", w.Code)
	}
}

func TestTableForgetsTheOldest(t *testing.T) {
	rows := newTable(time.Now)
	for range 3 * maxRows {
		rows.add("events", "ada")
	}
	got := rows.list("events")
	if len(got) != maxRows || got[0].ID != "events-162" {
		t.Errorf("%d rows, newest %s", len(got), got[0].ID)
	}
	got[0].ID = "changed"
	if rows.list("events")[0].ID == "changed" {
		t.Error("what list hands out is the table's own")
	}
	if len(rows.list("rules")) != 2 {
		t.Error("kinds share rows")
	}
}
