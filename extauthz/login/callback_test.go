package login

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
)

func TestPersonLandsOnThePageFirstAskedFor(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	start := b.open("/events?q=a%2Fb&x=1")
	to := location(t, start)
	if start.StatusCode != http.StatusFound || to.Host != "acme-okta.idp.example" || !strings.HasSuffix(start.Header.Get("Location"), "#") {
		t.Fatalf("start: %d %s", start.StatusCode, start.Header.Get("Location"))
	}
	if got := to.Query().Get("redirect_uri"); got != origin+"/auth/callback/oidc/acme-okta" {
		t.Errorf("redirect_uri %s", got)
	}
	resp := b.open(w.approve(start, "alice"))
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != origin+"/events?q=a%2Fb&x=1" {
		t.Fatalf("callback: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("headers: %v", resp.Header)
	}
	if got := body(b.open("/events")); got != "dashboard for alice@acme.example" {
		t.Errorf("dashboard says %q", got)
	}
	if len(w.rows) != 0 || strings.Join(w.results, ",") != "ok" {
		t.Errorf("rows %v, results %v", w.rows, w.results)
	}
}

func TestAttemptGivenToCompleteIsTheOneBegun(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	age := 5 * time.Minute
	r := b.request(http.MethodGet, "/events")
	rec := httptest.NewRecorder()
	w.Start(rec, r, Visitor{}, idp.Ask{ACR: []string{"urn:mfa", "phr"}, MaxAge: &age, Prompt: "login", LoginHint: "alice"})
	b.open(w.approve(b.take(rec), "alice"))
	if len(w.begun) != 1 || len(w.done) != 1 {
		t.Fatalf("begun %d, done %d", len(w.begun), len(w.done))
	}
	was, is := w.begun[0], w.done[0]
	if was.Derive(idp.DerivePKCE) != is.Derive(idp.DerivePKCE) || was.Derive(idp.DeriveNonce) == is.Derive(idp.DerivePKCE) {
		t.Error("PKCE verifier differs, or equals the nonce")
	}
	if is.ID != was.ID || !is.Begun.Equal(was.Begun) || is.Callback != was.Callback || is.Relay != was.Relay || is.Version != 1 || is.Ask.LoginHint != "alice" ||
		strings.Join(is.Ask.ACR, ",") != "urn:mfa,phr" || is.Ask.MaxAge == nil || *is.Ask.MaxAge != age || is.Ask.Prompt != "login" || is.Kind != idp.KindSignIn {
		t.Errorf("begun %+v\ndone  %+v", was, is)
	}
}

func TestTwentyTabsOfOneBrowserAllLand(t *testing.T) {
	for _, withCookie := range []bool{true, false} {
		t.Run(fmt.Sprint("flow cookie before: ", withCookie), func(t *testing.T) {
			w := newWorld(t)
			b := w.browser()
			if withCookie {
				b.open("/")
			}
			starts := make([]*http.Response, 20)
			for i := range starts {
				if withCookie {
					starts[i] = b.open(fmt.Sprint("/tab/", i))
					continue
				}
				bare := w.browser() // every request left before the first answer came
				starts[i] = bare.open(fmt.Sprint("/tab/", i))
				b.cookies["__Host-ssogate-flow"] = bare.cookies["__Host-ssogate-flow"]
			}
			w.pass(time.Second)
			var wg sync.WaitGroup
			for i, start := range starts {
				wg.Go(func() {
					resp := b.open(w.approve(start, "alice"))
					for hops := 0; strings.Contains(resp.Header.Get("Location"), ".idp.example") && hops < 2; hops++ {
						resp = b.open(w.approve(resp, "alice"))
					}
					if want := origin + fmt.Sprint("/tab/", i); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != want {
						t.Errorf("tab %d: %d %s", i, resp.StatusCode, resp.Header.Get("Location"))
					}
				})
			}
			wg.Wait()
			if resp := b.open("/"); resp.StatusCode != http.StatusOK {
				t.Errorf("signed in afterwards: %d", resp.StatusCode)
			}
			if w.reasons() != "" {
				t.Errorf("refusals: %s", w.reasons())
			}
		})
	}
}

func TestLaterTabDoesNotRedeemItsCode(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	first, second := b.open("/one"), b.open("/two")
	w.pass(time.Second)
	b.open(w.approve(first, "alice"))
	resp := b.open(w.approve(second, "mallory"))
	if resp.Header.Get("Location") != origin+"/two" || len(w.done) != 1 {
		t.Errorf("second tab: %s, %d exchanges", resp.Header.Get("Location"), len(w.done))
	}
}

func TestOnlyANewerSessionOfTheSameConnectionStandsForAnAttempt(t *testing.T) {
	w := newWorld(t)
	w.add("acme", nil, connection("acme", "acme-okta"), connection("acme", "acme-entra"))
	b := w.browser()
	b.signedIn("alice")
	w.pass(2 * time.Minute)
	b.open(w.approve(b.open("/auth/login?connection=acme-okta"), "bob"))
	if got := body(b.open("/")); got != "dashboard for bob@acme.example" {
		t.Errorf("the older session stood for the new attempt: %q", got)
	}
	w.pass(2 * time.Minute)
	entra, okta := b.open("/auth/login?connection=acme-entra"), b.open("/auth/login?connection=acme-okta")
	w.pass(time.Second)
	b.open(w.approve(okta, "carol"))
	w.pass(time.Second)
	b.open(w.approve(entra, "dan"))
	if got := body(b.open("/")); got != "dashboard for dan@acme.example" {
		t.Errorf("another connection's session stood for the attempt: %q", got)
	}
}

func TestSessionOfAnotherTenantDoesNotStandForALostAttempt(t *testing.T) {
	w := newWorld(t)
	w.add("beta", nil, connection("beta", "beta-okta"))
	b := w.browser()
	old := b.open("/auth/login?connection=beta-okta&return_to=/x")
	b.signedIn("alice")
	w.pass(11 * time.Minute)
	if resp := b.open(w.approve(old, "bob")); resp.StatusCode != http.StatusOK || !strings.Contains(body(resp), "Sign in with another account?") {
		t.Errorf("not asked: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
}

func TestStateOfAnotherBrowserSignsNobodyIn(t *testing.T) {
	w := newWorld(t)
	attacker, victim := w.browser(), w.browser()
	victim.open("/") // has a flow cookie of its own
	planted := w.approve(attacker.open("/settings"), "mallory")

	resp := victim.open(planted)
	if len(w.done) != 0 || len(w.sessions) != 0 {
		t.Fatal("an attempt of another browser was redeemed")
	}
	again := w.begun[len(w.begun)-1]
	if resp.StatusCode != http.StatusFound || again.Retry != 1 || again.ReturnTo != "/settings" {
		t.Fatalf("not begun anew: %d, retry %d, %q", resp.StatusCode, again.Retry, again.ReturnTo)
	}
	// The same once more: now it is no accident.
	thief := w.browser()
	resp = thief.open(w.approve(resp, "mallory"))
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body(resp), "accepts cookies") || w.reasons() != "state" {
		t.Errorf("second time: %d, reasons %q", resp.StatusCode, w.reasons())
	}
	if e := w.rows[0]; e.Tenant != "acme" || e.Connection != "acme-okta" || e.Outcome != "refused" || e.RequestID != "req-1" || e.IP != "203.0.113.7" || !e.At.Equal(w.clock()) {
		t.Errorf("audit row %+v", e)
	}
}

func TestBrowserWithoutCookiesIsToldSoAfterOneMoreTry(t *testing.T) {
	w := newWorld(t)
	resp := w.browser().open("/")
	for range 2 {
		resp = w.browser().open(w.approve(resp, "alice"))
	}
	if resp.StatusCode != http.StatusBadRequest || len(w.sessions) != 0 || w.reasons() != "state" {
		t.Errorf("%d, %d sessions, %q", resp.StatusCode, len(w.sessions), w.reasons())
	}
}

func TestExpiredAttemptWithALiveSessionLands(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	old := b.open("/reports")
	b.signedIn("alice")
	w.pass(11 * time.Minute)
	resp := b.open(w.approve(old, "mallory"))
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != origin+"/reports" || len(w.done) != 1 {
		t.Errorf("%d %s, %d exchanges", resp.StatusCode, resp.Header.Get("Location"), len(w.done))
	}
}

func TestExpiredAttemptIsBegunOnceMore(t *testing.T) {
	for age, redeemed := range map[time.Duration]int{attemptTTL - time.Millisecond: 1, attemptTTL: 0, -2 * time.Minute: 0} {
		w := newWorld(t)
		b := w.browser()
		old := b.open("/reports")
		w.pass(age)
		b.open(w.approve(old, "alice"))
		if len(w.done) != redeemed || len(w.begun) != 2-redeemed {
			t.Errorf("age %v: %d exchanges, %d attempts", age, len(w.done), len(w.begun))
		}
	}
}

func TestReplayedCallbackIsSentToTheProviderOnce(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	callback := w.approve(b.open("/"), "alice")
	b.open(callback)
	delete(b.cookies, "__Host-ssogate") // a thief with the flow cookie, or a session that is over
	resp := b.open(callback)
	if len(w.done) != 1 || len(w.sessions) != 1 {
		t.Fatalf("%d exchanges, %d sessions", len(w.done), len(w.sessions))
	}
	if resp = b.open(w.approve(resp, "alice")); resp.StatusCode != http.StatusSeeOther { // it was begun anew, honestly
		t.Errorf("restart: %d", resp.StatusCode)
	}
}

func TestReplayOfTheSecondTryIsRefused(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	first := b.open("/")
	w.pass(11 * time.Minute)
	second := b.open(w.approve(first, "alice")) // retry 1
	callback := w.approve(second, "alice")
	b.open(callback)
	delete(b.cookies, "__Host-ssogate")
	resp := b.open(callback)
	if resp.StatusCode != http.StatusBadRequest || w.reasons() != "replay" || len(w.done) != 1 {
		t.Errorf("%d, %q, %d exchanges", resp.StatusCode, w.reasons(), len(w.done))
	}
}

func TestAnswerOnAnotherConnectionsPathIsRefused(t *testing.T) {
	w := newWorld(t)
	w.add("evil", nil, connection("evil", "evil-idp"))
	shared := connection("beta", "beta-shared")
	shared.Settings.SharedCallback = true
	public := connection("beta", "beta-public")
	public.Settings.SharedCallback, public.Settings.ClientAuth = true, idp.AuthNone
	w.add("beta", nil, shared, public)
	for _, c := range []struct {
		connection, path string
		redeemed         int
	}{
		{"acme-okta", "/auth/callback/oidc/acme-okta", 1},
		{"acme-okta", "/auth/callback/oidc/evil-idp", 0},
		{"acme-okta", "/auth/callback/oidc", 0},
		{"beta-shared", "/auth/callback/oidc", 1},
		{"beta-shared", "/auth/callback/oidc/beta-shared", 0},
		{"beta-public", "/auth/callback/oidc", 0},
	} {
		w.done, w.rows = nil, nil
		b := w.browser()
		back, _ := url.Parse(w.approve(b.open("/auth/login?connection="+c.connection), "alice"))
		back.Path = c.path
		resp := b.open(back.String())
		if len(w.done) != c.redeemed {
			t.Errorf("%s at %s: %d exchanges", c.connection, c.path, len(w.done))
		}
		if c.redeemed == 0 && (resp.StatusCode != http.StatusBadRequest || w.reasons() != "connection") {
			t.Errorf("%s at %s: %d, %q", c.connection, c.path, resp.StatusCode, w.reasons())
		}
	}
}

func TestConnectionThatChangedSinceIsRefused(t *testing.T) {
	for name, edit := range map[string]func(*world){
		"disabled": func(w *world) { w.change("acme-okta", func(c *idp.Connection) { c.Enabled = false }) },
		"version":  func(w *world) { w.change("acme-okta", func(c *idp.Connection) { c.Version++ }) },
		"protocol": func(w *world) { w.change("acme-okta", func(c *idp.Connection) { c.Protocol = idp.SAML }) },
		"gone":     func(w *world) { w.add("acme", nil) },
		"tenant":   func(w *world) { delete(w.realms, "acme") },
	} {
		w := newWorld(t)
		b := w.browser()
		callback := w.approve(b.open("/"), "alice")
		edit(w)
		resp := b.open(callback)
		if resp.StatusCode != http.StatusBadRequest || w.reasons() != "connection" || len(w.done) != 0 || len(w.burnt) != 0 {
			t.Errorf("%s: %d, %q, %d exchanges", name, resp.StatusCode, w.reasons(), len(w.done))
		}
	}
}

func TestFifthSignInWithinAMinuteIsAPage(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for i := range 5 {
		delete(b.cookies, "__Host-ssogate") // the browser does not keep it
		resp := b.open(w.approve(b.open("/"), "alice"))
		w.pass(time.Second)
		if i < 4 && resp.StatusCode != http.StatusSeeOther || i == 4 && resp.StatusCode != http.StatusBadRequest {
			t.Fatalf("sign-in %d: %d", i+1, resp.StatusCode)
		}
	}
	if w.reasons() != "sign-in-loop" || len(w.done) != 4 {
		t.Errorf("%q, %d exchanges", w.reasons(), len(w.done))
	}
	w.pass(time.Minute)
	if resp := b.open(w.approve(b.open("/"), "alice")); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("a minute later: %d", resp.StatusCode)
	}
}

func TestSignInsOfALiveSessionAreNoLoop(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for i := range 8 {
		if resp := b.open(w.approve(b.open("/auth/login?connection=acme-okta"), "alice")); resp.StatusCode != http.StatusSeeOther {
			t.Fatalf("sign-in %d: %d", i+1, resp.StatusCode)
		}
	}
}

func TestStrongerSignInThatIsNeverEnoughIsALoop(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signedIn("alice")
	var statuses strings.Builder
	for range 4 {
		r := b.request(http.MethodGet, "/billing")
		v, _ := w.visitor(r.Context(), r)
		rec := httptest.NewRecorder()
		w.Start(rec, r, v, idp.Ask{ACR: []string{"phr"}, Prompt: "login"})
		fmt.Fprint(&statuses, b.open(w.approve(b.take(rec), "alice")).StatusCode, " ")
	}
	if statuses.String() != "303 303 303 400 " || w.reasons() != "sign-in-loop" {
		t.Errorf("%s, %q", statuses.String(), w.reasons())
	}
}

func TestManyBegunSignInsAreNoLoop(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for range 20 {
		b.open("/")
	}
	if resp := b.open(w.approve(b.open("/"), "alice")); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestUnreadableStateLeadsToTheSignInPage(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	good := location(t, b.open("/")).Query().Get("state")
	other, err := w.Ring.Seal(session.ForState, w.logoutBound(), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := []byte(good)
	flipped[len(flipped)-5] ^= 1
	for _, state := range []string{"", "x", string(flipped), other, b.cookies["__Host-ssogate-flow"], strings.Repeat("a", 5000)} {
		resp := b.open("/auth/callback/oidc/acme-okta?code=c&state=" + url.QueryEscape(state))
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body(resp), "Work e-mail address") {
			t.Errorf("state %.20q: %d", state, resp.StatusCode)
		}
	}
	if len(w.rows) != 0 || len(w.done) != 0 {
		t.Errorf("rows %v, %d exchanges", w.rows, len(w.done))
	}
}

func TestRepeatedParameterIsRefusedBeforeAnythingElse(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	callback := w.approve(b.open("/"), "alice")
	for _, more := range []string{"&code=x", "&state=x", "&iss=a&iss=b", "&session_state=1&session_state=2", "&error=a&error=b"} {
		if resp := b.open(callback + more); resp.StatusCode != http.StatusBadRequest || len(w.done) != 0 {
			t.Errorf("%s: %d, %d exchanges", more, resp.StatusCode, len(w.done))
		}
	}
	if resp := b.open(callback); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("the honest one: %d", resp.StatusCode)
	}
}
