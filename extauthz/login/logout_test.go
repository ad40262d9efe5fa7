package login

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
)

// leaving is a signed-in browser whose provider has a sign-out.
func leaving(t *testing.T) (*world, *browser) {
	w := newWorld(t)
	w.Connectors[idp.OIDC] = signsOut{fakeConnector{w}}
	b := w.browser()
	b.signedIn("alice")
	return w, b
}

func TestSignOutEndsTheSessionHereBeforeTheProviders(t *testing.T) {
	w, b := leaving(t)
	resp := b.open("/auth/logout")
	to := location(t, resp)
	if w.live() != 0 {
		t.Fatal("the browser was sent off with a live session")
	}
	if to.Host != "acme-okta.idp.example" || to.Query().Get("post_logout_redirect_uri") != origin+"/auth/logout" {
		t.Errorf("%s", to)
	}
	if l := w.logouts[0]; l.IDToken.Reveal() != "the-id-token" || l.SID != "sid-1" || l.Subject != "alice" || l.ReturnTo != origin+"/auth/logout" {
		t.Errorf("%+v", l)
	}
	if _, still := b.cookies["__Host-ssogate"]; still {
		t.Error("the cookie is still there")
	}
	back := b.open("/auth/logout?state=" + url.QueryEscape(to.Query().Get("state")))
	if back.StatusCode != http.StatusOK || !strings.Contains(body(back), "signed out at your identity provider as well") {
		t.Errorf("back: %d", back.StatusCode)
	}
	if len(w.rows) != 1 || w.rows[0].Action != audit.SignedOut || w.rows[0].Actor != "u-alice" || w.rows[0].Outcome != "ok" {
		t.Errorf("rows %+v", w.rows)
	}
}

func TestSignOutAnswerWithAnotherStateSaysNothingOfTheProvider(t *testing.T) {
	w, b := leaving(t)
	to := location(t, b.open("/auth/logout"))
	state := to.Query().Get("state")
	attempt := location(t, w.browser().open("/")).Query().Get("state")
	flipped := []byte(state)
	flipped[len(flipped)-3] ^= 1
	for _, other := range []string{"x", "", attempt, string(flipped)} {
		resp := b.open("/auth/logout?state=" + url.QueryEscape(other))
		if page := body(resp); resp.StatusCode != http.StatusOK || !strings.Contains(page, "You are signed out") || strings.Contains(page, "as well") {
			t.Errorf("state %.12q: %d\n%s", other, resp.StatusCode, page)
		}
	}
	w.pass(attemptTTL)
	if page := body(b.open("/auth/logout?state=" + url.QueryEscape(state))); strings.Contains(page, "as well") {
		t.Error("a state of ten minutes ago counts")
	}
}

func TestSigningOutTwiceIsHarmless(t *testing.T) {
	_, b := leaving(t)
	b.open("/auth/logout")
	resp := b.open("/auth/logout")
	if page := body(resp); resp.StatusCode != http.StatusOK || !strings.Contains(page, "You are signed out") || strings.Contains(page, "as well") || len(resp.Cookies()) != 0 {
		t.Errorf("%d %v\n%s", resp.StatusCode, resp.Cookies(), page)
	}
}

func TestSignOutStateSignsNobodyIn(t *testing.T) {
	w, b := leaving(t)
	state := location(t, b.open("/auth/logout")).Query().Get("state")
	done := len(w.done)
	b.open("/auth/callback/oidc/acme-okta?code=mallory&state=" + url.QueryEscape(state))
	if len(w.done) != done {
		t.Error("a sign-out state was taken for an attempt")
	}
}

func TestOtherSitesLinkCannotSignOut(t *testing.T) {
	w, b := leaving(t)
	for _, site := range []string{"cross-site", "same-site"} {
		b.site = site
		if resp := b.open("/auth/logout"); resp.StatusCode != http.StatusOK || !strings.Contains(body(resp), "Sign out?") || w.live() != 1 {
			t.Errorf("%s GET: %d, %d live", site, resp.StatusCode, w.live())
		}
		if resp := b.do(http.MethodPost, "/auth/logout", nil); resp.StatusCode != http.StatusForbidden || w.live() != 1 {
			t.Errorf("%s POST: %d, %d live", site, resp.StatusCode, w.live())
		}
	}
	b.site = ""
	for _, o := range []string{"", "null", "https://evil.example", "https://dashboard.example.evil.example"} {
		if resp := b.do(http.MethodPost, "/auth/logout", http.Header{"Origin": {o}}); resp.StatusCode != http.StatusForbidden || w.live() != 1 {
			t.Errorf("POST from %q: %d", o, resp.StatusCode)
		}
	}
	if resp := b.open("/auth/logout?state=junk"); !strings.Contains(body(resp), "Sign out?") || w.live() != 1 {
		t.Errorf("a planted state: %d, %d live", resp.StatusCode, w.live())
	}
	if b.do(http.MethodPost, "/auth/logout", http.Header{"Origin": {origin}}); w.live() != 0 {
		t.Error("our own form cannot sign out")
	}
}

func TestOwnPostSignsOut(t *testing.T) {
	w, b := leaving(t)
	b.site = "same-origin"
	if resp := b.do(http.MethodPost, "/auth/logout", nil); resp.StatusCode != http.StatusSeeOther || w.live() != 0 {
		t.Errorf("%d, %d live", resp.StatusCode, w.live())
	}
}

func TestProviderWithoutSignOutIsSaidSoAndAsksNextTime(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signedIn("alice")
	resp := b.open("/auth/logout")
	if resp.StatusCode != http.StatusOK || !strings.Contains(body(resp), "You may still be signed in at Okta acme-okta") || w.live() != 0 {
		t.Errorf("%d, %d live", resp.StatusCode, w.live())
	}
	start := b.open("/")
	if got := location(t, start).Query().Get("prompt"); got != "login" {
		t.Errorf("next sign-in: prompt %q", got)
	}
	b.open(w.approve(start, "alice"))
	delete(b.cookies, "__Host-ssogate")
	if got := location(t, b.open("/")).Query().Get("prompt"); got != "" {
		t.Errorf("the one after: prompt %q", got)
	}
}

func TestSessionThatCannotBeEndedIsNotSaidToBe(t *testing.T) {
	w, b := leaving(t)
	v := w.Visitor
	w.Visitor = func(ctx context.Context, r *http.Request) (Visitor, error) {
		w.fault = nil
		got, err := v(ctx, r)
		w.fault = errDown
		return got, err
	}
	resp := b.open("/auth/logout")
	if resp.StatusCode != http.StatusServiceUnavailable || len(resp.Cookies()) != 0 || len(w.logouts) != 0 {
		t.Errorf("%d %v", resp.StatusCode, resp.Cookies())
	}
}

func TestSignOutOfASessionThatIsOverDeletesTheCookie(t *testing.T) {
	w, b := leaving(t)
	w.pass(13 * time.Hour)
	b.site = "cross-site"
	resp := b.open("/auth/logout")
	if _, still := b.cookies["__Host-ssogate"]; still || resp.StatusCode == http.StatusServiceUnavailable {
		t.Errorf("%d, cookie there: %t", resp.StatusCode, still)
	}
	for _, raw := range []string{"__Host-ssogate=junk", "__Host-ssogate=a; __Host-ssogate=b"} {
		c := w.browser()
		c.raw = raw
		if resp := c.open("/auth/logout"); resp.Header.Get("Set-Cookie") != "__Host-ssogate=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax" {
			t.Errorf("%s: %q", raw, resp.Header.Get("Set-Cookie"))
		}
	}
}

func TestCookiesHaveExactlyTheseAttributes(t *testing.T) {
	for _, insecure := range []bool{false, true} {
		w := newWorld(t)
		w.Insecure = insecure
		names, secure := w.CookieNames(), "; HttpOnly; Secure; SameSite=Lax"
		if insecure {
			secure = "; HttpOnly; SameSite=Lax"
		}
		b := w.browser()
		start := b.open("/")
		check := func(name, value string, maxAge string, got string) {
			t.Helper()
			if want := name + "=" + value + "; Path=/; Max-Age=" + maxAge + secure; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
		check(names.Flow, b.cookies[names.Flow], "2592000", one(t, start))
		resp := b.open(w.approve(start, "alice"))
		set := resp.Header.Values("Set-Cookie")
		if len(set) != 2 {
			t.Fatalf("%q", set)
		}
		check(names.Flow, b.cookies[names.Flow], "2592000", set[0])
		check(names.Session, b.cookies[names.Session], "43200", set[1])
		if n := len(b.cookies[names.Session]); n > 140 {
			t.Errorf("session cookie of %d bytes", n)
		}
		out := b.open("/auth/logout").Header.Values("Set-Cookie")
		check(names.Session, "", "0", out[0])
	}
}

func one(t *testing.T, resp *http.Response) string {
	t.Helper()
	set := resp.Header.Values("Set-Cookie")
	if len(set) != 1 {
		t.Fatalf("cookies %q", set)
	}
	return set[0]
}

func TestFlowCookieIsRenewedAtHalfLifeOnly(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.open("/")
	first := b.cookies["__Host-ssogate-flow"]
	w.pass(flowTTL/2 - time.Second)
	if resp := b.open("/"); len(resp.Cookies()) != 0 {
		t.Error("renewed too early")
	}
	w.pass(2 * time.Second)
	old := b.open("/old") // begun with the old cookie's secret
	if resp := b.open("/"); b.cookies["__Host-ssogate-flow"] == first || len(resp.Cookies()) != 0 {
		t.Error("not renewed once at half-life")
	}
	if resp := b.open(w.approve(old, "alice")); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("renewal lost an attempt: %d", resp.StatusCode)
	}
}

func TestRotatedStateKeyLosesNoAttempt(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	start := b.open("/")
	next := session.NewKey(session.ForState, w.clock(), w.clock())
	keys := append(append(w.Ring.Keys(session.ForState), w.Ring.Keys(session.ForCookie)...), next)
	if err := w.Ring.Set(keys); err != nil {
		t.Fatal(err)
	}
	again := b.open("/again")
	if !strings.HasPrefix(b.cookies["__Host-ssogate-flow"], "v1."+next.ID+".") {
		t.Error("the flow cookie is still sealed by the retired key")
	}
	for _, s := range []*http.Response{start, again} {
		if resp := b.open(w.approve(s, "alice")); resp.StatusCode != http.StatusSeeOther {
			t.Errorf("%d: %s", resp.StatusCode, body(resp))
		}
		delete(b.cookies, "__Host-ssogate")
	}
	if len(w.done) != 2 || w.done[0].Derive(idp.DerivePKCE) != w.begun[0].Derive(idp.DerivePKCE) || w.done[1].Derive(idp.DerivePKCE) != w.begun[1].Derive(idp.DerivePKCE) {
		t.Error("the verifier changed with the key")
	}
}

func TestTwoFlowCookiesAreNone(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	start := b.open("/")
	v := b.cookies["__Host-ssogate-flow"]
	b.raw = "__Host-ssogate-flow=" + v + "; __Host-ssogate-flow=" + v
	b.open(w.approve(start, "alice"))
	if len(w.done) != 0 {
		t.Error("an ambiguous cookie bound an attempt")
	}
	if b.cookies["__Host-ssogate-flow"] == v {
		t.Error("it was not overwritten")
	}
}

func TestFlowCookieOfAnotherHostIsNone(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	other.Ring = w.Ring
	other.PublicURL = &url.URL{Scheme: "https", Host: "other.example"}
	b := w.browser()
	callback := w.approve(b.open("/"), "alice")
	c := other.browserOf(b)
	c.open(strings.TrimPrefix(callback, origin))
	if len(other.done) != 0 {
		t.Error("a state and cookie of another host were redeemed")
	}
}

func (w *world) browserOf(b *browser) *browser {
	c := w.browser()
	maps.Copy(c.cookies, b.cookies)
	return c
}

func TestNothingSecretIsLogged(t *testing.T) {
	w, b := leaving(t)
	w.answer = failing(&idp.Error{Code: idp.CodeAccessDenied, Err: errDown})
	w.pass(2 * time.Minute)
	delete(b.cookies, "__Host-ssogate")
	b.open(w.approve(b.open("/"), "planted-code") + "&error=access_denied&error_description=the+provider+says")
	logs := w.logs.String()
	if !strings.Contains(logs, "the provider says") || !strings.Contains(logs, "access-denied") {
		t.Errorf("the operator learns too little: %s", logs)
	}
	for name, secret := range map[string]string{
		"code": "planted-code", "state": w.begun[0].Relay, "flow cookie": b.cookies["__Host-ssogate-flow"], "verifier": w.begun[0].Derive(idp.DerivePKCE), "token": "the-id-token",
	} {
		if strings.Contains(logs, secret) {
			t.Errorf("%s is logged", name)
		}
	}
}
