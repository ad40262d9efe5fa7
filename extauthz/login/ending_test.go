package login

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/internal/httpreq"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

func TestEveryRefusalOfTheProvidersHasItsPageAndRow(t *testing.T) {
	for _, code := range codes(t) {
		w := newWorld(t)
		w.answer = func(c idp.Connection, _ idp.Attempt, _ *http.Request) (idp.Identity, error) {
			return idp.Identity{}, fmt.Errorf("complete: %w", &idp.Error{Code: code, Err: errDown, Hint: "for the admin"})
		}
		b := w.browser()
		resp := b.open(w.approve(b.open("/"), "alice") + "&error_description=" + url.QueryEscape("<b>attacker</b>"))
		page := body(resp)
		if resp.StatusCode != explain(code).status || w.reasons() != string(code) || len(w.sessions) != 0 {
			t.Errorf("%s: %d, %q", code, resp.StatusCode, w.reasons())
		}
		if strings.Contains(page, "attacker") || strings.Contains(page, "for the admin") || !strings.Contains(page, "req-1") || !strings.Contains(page, shown(code)) {
			t.Errorf("%s: page says too much or too little:\n%s", code, page)
		}
		if strings.Join(w.results, ",") != string(code) {
			t.Errorf("%s: reported %v", code, w.results)
		}
	}
}

func TestStoreRefusingThePersonIsAPageAndARow(t *testing.T) {
	w := newWorld(t)
	w.signIn = func(session.SignIn) error { return &idp.Error{Code: idp.CodeDeprovisioned, Err: errDown} }
	b := w.browser()
	resp := b.open(w.approve(b.open("/"), "alice"))
	if resp.StatusCode != http.StatusForbidden || w.reasons() != "deprovisioned" || w.rows[0].Subject != "alice" {
		t.Errorf("%d, %+v", resp.StatusCode, w.rows)
	}
	if !strings.Contains(body(resp), "/auth/login?switch=1") {
		t.Error("no way to another account")
	}
}

func TestPromptNoneThatWasNotEnoughBecomesInteractiveOnce(t *testing.T) {
	w := newWorld(t)
	w.answer = func(idp.Connection, idp.Attempt, *http.Request) (idp.Identity, error) {
		return idp.Identity{}, &idp.Error{Code: idp.CodeInteraction}
	}
	b := w.browser()
	rec := httptest.NewRecorder()
	w.Start(rec, b.request(http.MethodGet, "/x"), Visitor{}, idp.Ask{Prompt: "none"})
	resp := b.open(w.approve(b.take(rec), "alice"))
	last := w.begun[len(w.begun)-1]
	if resp.StatusCode != http.StatusFound || last.Ask.Prompt != "" || last.ReturnTo != "/x" {
		t.Fatalf("%d, %+v", resp.StatusCode, last)
	}
	if resp = b.open(w.approve(resp, "alice")); resp.StatusCode != http.StatusForbidden || w.reasons() != "interaction-required" {
		t.Errorf("%d, %q", resp.StatusCode, w.reasons())
	}
}

func TestFaultsOfOursAre503AndSignNobodyIn(t *testing.T) {
	for name, breakIt := range map[string]func(*world){
		"store":            func(w *world) { w.signIn = func(session.SignIn) error { return errDown } },
		"connector":        func(w *world) { w.answer = failing(errDown) },
		"other connection": func(w *world) { w.answer = vouching("acme", "evil") },
		"other tenant":     func(w *world) { w.answer = vouching("evil", "acme-okta") },
		"no identity":      func(w *world) { w.answer = vouching("", "") },
		"no connector":     func(w *world) { w.Connectors = nil },
	} {
		w := newWorld(t)
		b := w.browser()
		callback := w.approve(b.open("/"), "alice")
		breakIt(w)
		resp := b.open(callback)
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" || len(w.sessions) != 0 || len(resp.Cookies()) != 0 {
			t.Errorf("%s: %d, %v, %d sessions", name, resp.StatusCode, resp.Header, len(w.sessions))
		}
		if len(w.rows) != 0 || strings.Join(w.results, ",") != "error" || strings.Contains(body(resp), "store is down") {
			t.Errorf("%s: rows %v, results %v", name, w.rows, w.results)
		}
	}
}

func failing(err error) func(idp.Connection, idp.Attempt, *http.Request) (idp.Identity, error) {
	return func(idp.Connection, idp.Attempt, *http.Request) (idp.Identity, error) { return idp.Identity{}, err }
}

func vouching(t tenant.ID, c idp.ConnectionID) func(idp.Connection, idp.Attempt, *http.Request) (idp.Identity, error) {
	return func(idp.Connection, idp.Attempt, *http.Request) (idp.Identity, error) {
		return idp.Identity{Tenant: t, Connection: c, Subject: "alice"}, nil
	}
}

func TestUnreadableStoreIs503(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	callback := w.approve(b.open("/"), "alice")
	w.fault = errDown
	for _, target := range []string{callback, "/auth/login", "/auth/login?email=a@acme.example", "/auth/login?connection=acme-okta", "/auth/logout", "/auth/session"} {
		if resp := b.open(target); resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%.40s: %d", target, resp.StatusCode)
		}
	}
}

func TestNewSessionReplacesTheBrowsersOldOne(t *testing.T) {
	w := newWorld(t)
	w.add("beta", nil, connection("beta", "beta-okta"))
	b := w.browser()
	b.signedIn("alice")
	before := b.cookies["__Host-ssogate"]
	b.open(w.approve(b.open("/auth/login?connection=acme-okta&switch=1"), "bob"))
	if b.cookies["__Host-ssogate"] == before || w.live() != 1 || len(w.sessions) != 2 {
		t.Fatalf("same cookie: %t, %d live of %d", b.cookies["__Host-ssogate"] == before, w.live(), len(w.sessions))
	}
	w.pass(2 * time.Minute)
	b.open(w.approve(b.open("/auth/login?connection=beta-okta"), "carol"))
	if got := body(b.open("/")); w.live() != 1 || got != "dashboard for carol@acme.example" {
		t.Errorf("%d live, %q", w.live(), got)
	}
	thief := w.browser()
	thief.cookies["__Host-ssogate"] = before
	if resp := thief.open("/"); resp.StatusCode == http.StatusOK {
		t.Error("the replaced cookie still opens the dashboard")
	}
}

func TestPlantedSessionCookieIsNeverKept(t *testing.T) {
	w := newWorld(t)
	attacker := w.browser()
	attacker.signedIn("mallory")
	victim := w.browser()
	victim.cookies["__Host-ssogate"] = attacker.cookies["__Host-ssogate"]
	victim.open(w.approve(victim.open("/auth/login?connection=acme-okta&switch=1"), "alice"))
	if victim.cookies["__Host-ssogate"] == attacker.cookies["__Host-ssogate"] {
		t.Fatal("session fixed by an attacker")
	}
	if resp := attacker.open("/"); resp.StatusCode == http.StatusOK {
		t.Error("the planted session is still alive")
	}
}

func TestReturnPathNeverLeavesTheHost(t *testing.T) {
	w := newWorld(t)
	for _, bad := range []string{
		"//evil.example", "///evil.example", `/\evil.example`, `\/evil.example`, `\\evil.example`, "https://evil.example", "https:evil.example",
		"javascript:alert(1)", "/%5cevil.example", "/%2f/evil.example", "/%2F%2Fevil.example", "/\tevil.example", "/%09/evil.example", "/%0d%0aSet-Cookie:x",
		"/\u2028", " /x", "/ x", "/auth/logout", "/auth/", "/%61uth/logout", "/x/../auth/logout", "/./auth", "@evil.example", ".evil.example", "evil.example", "?x", "#x", "",
		"/" + strings.Repeat("a", httpreq.MaxReturnPath), "/\x00", "/a#//evil.example", "/%", "/%ff", "//dashboard.example@evil.example/",
	} {
		b := w.browser()
		esc := url.QueryEscape(bad)
		for _, path := range []string{"/auth/login?connection=acme-okta&return_to=" + esc, "/auth/login?connection=acme-okta&target_link_uri=" + esc, "/auth/login?connection=acme-okta&target_link_uri=" + url.QueryEscape(origin) + esc} {
			w.pass(2 * time.Minute)
			delete(b.cookies, "__Host-ssogate")
			start := b.open(path)
			if start.StatusCode == http.StatusBadRequest { // not even a query
				continue
			}
			if got := b.open(w.approve(start, "alice")).Header.Get("Location"); got != origin+"/" {
				t.Errorf("%s landed at %q", path, got)
			}
		}
		delete(b.cookies, "__Host-ssogate")
		b.signedIn("alice")
		if got := b.open("/auth/login?return_to=" + esc).Header.Get("Location"); got != "" && got != origin+"/" {
			t.Errorf("signed in already, %q landed at %q", bad, got)
		}
	}
}

func TestSealedReturnPathIsCheckedAgain(t *testing.T) {
	w := newWorld(t)
	f, _, err := w.begin(flow{})
	if err != nil {
		t.Fatal(err)
	}
	a := attempt{browser: f.digest()}
	a.Kind, a.Tenant, a.Connection, a.Version, a.Begun, a.ReturnTo = idp.KindSignIn, "acme", "acme-okta", 1, w.clock(), "//evil.example"
	plain, err := a.pack()
	if err != nil {
		t.Fatal(err)
	}
	state, _ := w.Ring.Seal(session.ForState, w.stateBound(), plain)
	rec := httptest.NewRecorder()
	if err := w.setFlow(rec, f); err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	b.take(rec)
	if got := b.open("/auth/callback/oidc/acme-okta?code=alice&state=" + state).Header.Get("Location"); got != origin+"/" {
		t.Errorf("landed at %q", got)
	}
}

func TestSlowProviderIsCappedWithoutUsingUpTheAttempt(t *testing.T) {
	w := newWorld(t)
	w.MaxCallsPerConnection = 1
	b := w.browser()
	callback := w.approve(b.open("/"), "alice")
	if !w.enter("acme-okta") || w.enter("acme-okta") {
		t.Fatal("the cap of one does not hold")
	}
	resp := b.open(callback)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || len(w.done) != 0 {
		t.Errorf("over the cap: %d", resp.StatusCode)
	}
	if !w.enter("other") {
		t.Error("one slow connection takes another's place")
	}
	w.leave("acme-okta")
	if resp := b.open(callback); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("after it: %d", resp.StatusCode)
	}
	if w.calls.total != 1 || len(w.calls.by) != 1 {
		t.Errorf("places not given back: %+v", w.calls.by)
	}
}

func TestCallsAreCappedInAll(t *testing.T) {
	w := newWorld(t)
	w.MaxCalls = 2
	if !w.enter("a") || !w.enter("b") || w.enter("c") {
		t.Error("the cap of two does not hold")
	}
}
