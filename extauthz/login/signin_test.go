package login

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// many is a world in which the tenant has to be found first.
func many(t *testing.T) *world {
	w := newWorld(t)
	w.add("beta", []string{"beta.example"}, connection("beta", "beta-one"), connection("beta", "beta-two"))
	w.add("empty", []string{"empty.example"})
	off := connection("off", "off-okta")
	off.Enabled = false
	w.add("off", []string{"off.example"}, off)
	return w
}

func TestWorkAddressLeadsToTheCompanysProvider(t *testing.T) {
	w := many(t)
	resp := w.browser().open("/auth/login?return_to=%2Fevents&email=+Alice@ACME.example+")
	to := location(t, resp)
	if to.Host != "acme-okta.idp.example" || to.Query().Get("login_hint") != "Alice@ACME.example" || w.begun[0].ReturnTo != "/events" {
		t.Errorf("%s, %+v", to, w.begun)
	}
}

func TestUnknownDomainLooksLikeACompanyWithoutConnection(t *testing.T) {
	w := many(t)
	var pages []string
	var lookups []int
	for _, domain := range []string{"nobody.example", "empty.example", "off.example"} {
		w.lookups = nil
		b := w.browser()
		resp := b.open("/auth/login?email=alice@" + domain)
		if resp.StatusCode != http.StatusOK || len(resp.Cookies()) != 0 {
			t.Errorf("%s: %d, %v", domain, resp.StatusCode, resp.Cookies())
		}
		pages = append(pages, strings.ReplaceAll(body(resp), domain, "DOMAIN"))
		lookups = append(lookups, len(w.lookups))
	}
	if pages[0] != pages[1] || pages[0] != pages[2] {
		t.Errorf("pages differ:\n%s\n%s", pages[0], pages[1])
	}
	if lookups[0] != lookups[1] || lookups[0] != lookups[2] || lookups[0] == 0 {
		t.Errorf("look-ups differ: %v", lookups)
	}
	if _, err := tenant.ParseID(string(nobody)); err != nil {
		t.Errorf("the tenant that never exists is no id: %v", err)
	}
}

func TestUnknownDomainIsNoFaultHoweverTheStoreSaysSo(t *testing.T) {
	w := many(t)
	w.Realms = oddRealms{w}
	if resp := w.browser().open("/auth/login?email=alice@nobody.example"); resp.StatusCode != http.StatusOK {
		t.Errorf("%d", resp.StatusCode)
	}
	if resp := w.browser().open("/auth/login?email=alice@acme.example"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a known domain while the store is down: %d", resp.StatusCode)
	}
}

// oddRealms cannot read any tenant.
type oddRealms struct{ *world }

func (oddRealms) Realm(context.Context, tenant.ID) (idp.Realm, error) {
	return idp.Realm{}, errDown
}

func TestAddressWithTwoDomainsNamesNone(t *testing.T) {
	w := many(t)
	for _, email := range []string{"a@evil.example@acme.example", "alice", "", "@acme.example", "a@acme.example,b@beta.example", "<script>alert(1)</script>"} {
		resp := w.browser().open("/auth/login?email=" + url.QueryEscape(email))
		if page := body(resp); resp.StatusCode != http.StatusOK || !strings.Contains(page, "such as name@company.example") || strings.Contains(page, "<script>") {
			t.Errorf("%q: %d\n%s", email, resp.StatusCode, page)
		}
	}
	if len(w.begun) != 0 {
		t.Error("an attempt was begun")
	}
}

func TestCompanyWithSeveralConnectionsIsAskedWhich(t *testing.T) {
	w := many(t)
	page := body(w.browser().open("/auth/login?email=a@beta.example&return_to=/x"))
	for _, c := range []string{"beta-one", "beta-two"} {
		if !strings.Contains(page, "connection="+c+"&amp;login_hint=a%40beta.example&amp;return_to=%2Fx") {
			t.Errorf("no link for %s:\n%s", c, page)
		}
	}
}

func TestStartGoesWhereTheBrowserBelongs(t *testing.T) {
	w := many(t)
	b := w.browser()
	if resp := b.open("/events?x=1"); resp.Header.Get("Location") != origin+"/auth/login?return_to=%2Fevents%3Fx%3D1" || len(resp.Cookies()) != 0 {
		t.Errorf("nobody: %s, %v", resp.Header.Get("Location"), resp.Cookies())
	}
	b.signedIn("alice")
	flow := b.cookies["__Host-ssogate-flow"]
	w.pass(13 * time.Hour)
	if to := location(t, b.open("/events")); to.Host != "acme-okta.idp.example" {
		t.Errorf("session that is over: %s", to)
	}
	b.cookies = map[string]string{"__Host-ssogate-flow": flow}
	if to := location(t, b.open("/events")); to.Host != "acme-okta.idp.example" {
		t.Errorf("flow cookie alone: %s", to)
	}
	two := w.browser()
	two.open(w.approve(two.open("/auth/login?connection=beta-two"), "bob"))
	w.pass(13 * time.Hour)
	if to := location(t, two.open("/events")); to.Host != "beta-two.idp.example" {
		t.Errorf("one of several connections, used before: %s", to)
	}
	w.change("beta-two", func(c *idp.Connection) { c.Enabled = false })
	if to := location(t, two.open("/events")); to.Host != "beta-one.idp.example" {
		t.Errorf("the only one left: %s", to)
	}
	w.add("beta", nil)
	if got := two.open("/events").Header.Get("Location"); got != origin+"/auth/login?return_to=%2Fevents" {
		t.Errorf("no connection left: %s", got)
	}
	delete(w.realms, "beta")
	if got := two.open("/events").Header.Get("Location"); got != origin+"/auth/login?return_to=%2Fevents" {
		t.Errorf("tenant gone: %s", got)
	}
}

func TestStepUpGoesToTheSessionsOwnProvider(t *testing.T) {
	w := many(t)
	b := w.browser()
	b.signedIn("alice")
	r := b.request(http.MethodGet, "/billing")
	v, err := w.visitor(r.Context(), r)
	if err != nil || !v.Live {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	w.Start(rec, r, v, idp.Ask{ACR: []string{"phr"}, Prompt: "login"})
	start := b.take(rec)
	if to := location(t, start); to.Host != "acme-okta.idp.example" || to.Query().Get("prompt") != "login" {
		t.Fatalf("%s", to)
	}
	done := len(w.done)
	w.pass(time.Second)
	b.open(w.approve(start, "alice"))
	if len(w.done) != done+1 {
		t.Error("the live session was taken for the stronger one that was asked for")
	}
}

func TestReturnPathIsInTheBytesTheBrowserSent(t *testing.T) {
	w := newWorld(t)
	r := httptest.NewRequest(http.MethodGet, "/a%2Cb/c?d=%2F&e", nil)
	r.URL = &url.URL{Path: "/a,b/c", RawQuery: "d=%2F&e"}
	w.Start(httptest.NewRecorder(), r, Visitor{}, idp.Ask{})
	if got := w.begun[0].ReturnTo; got != "/a%2Cb/c?d=%2F&e" {
		t.Errorf("%q", got)
	}
	r.RequestURI = ""
	w.Start(httptest.NewRecorder(), r, Visitor{}, idp.Ask{})
	if got := w.begun[1].ReturnTo; got != "/a,b/c?d=%2F&e" {
		t.Errorf("%q", got)
	}
}

func TestProvidersStartPageBeginsOurOwnSignIn(t *testing.T) {
	w := many(t)
	b := w.browser()
	b.site = "cross-site"
	iss := url.QueryEscape("https://acme-okta.idp.example")
	resp := b.open("/auth/login?connection=acme-okta&iss=" + iss + "&login_hint=alice&target_link_uri=" + url.QueryEscape(origin+"/reports?x=1"))
	to := location(t, resp)
	if to.Host != "acme-okta.idp.example" || to.Query().Get("login_hint") != "alice" {
		t.Fatalf("not our own start: %s", to)
	}
	if got := b.open(w.approve(resp, "alice")).Header.Get("Location"); got != origin+"/reports?x=1" {
		t.Errorf("landed at %s", got)
	}
	w.begun = nil
	for _, q := range []string{
		"connection=acme-okta&iss=https%3A%2F%2Fevil.example", "connection=acme-okta&iss=", "connection=acme-okta&iss=" + iss + "%2F", "connection=unknown", "connection=", "connection=Acme_okta", "connection=off-okta",
	} {
		resp := w.browser().open("/auth/login?" + q)
		if resp.StatusCode != http.StatusOK || !strings.Contains(body(resp), "link does not work any more") || len(w.begun) != 0 {
			t.Errorf("%s: %d", q, resp.StatusCode)
		}
	}
	if resp := b.do(http.MethodPost, "/auth/login?connection=acme-okta", nil); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("by POST: %d", resp.StatusCode)
	}
}

func TestOtherSitesLinkCannotExchangeTheAccount(t *testing.T) {
	w := many(t)
	b := w.browser()
	b.signedIn("alice")
	begun := len(w.begun)
	for _, site := range []string{"cross-site", "same-site"} {
		b.site = site
		for q, confirm := range map[string]bool{
			"connection=beta-one&return_to=/x":                                true,
			"connection=acme-okta&login_hint=mallory&return_to=/x":            true,
			"connection=acme-okta&switch=1&return_to=/x":                      true,
			"email=mallory@acme.example&return_to=/x":                         true,
			"connection=acme-okta&return_to=/x":                               false,
			"connection=acme-okta&login_hint=alice@acme.example&return_to=/x": false,
		} {
			resp := b.open("/auth/login?" + q)
			switch {
			case confirm && (resp.StatusCode != http.StatusOK || !strings.Contains(body(resp), "Sign in with another account?")):
				t.Errorf("%s, %s: no question, %d", site, q, resp.StatusCode)
			case !confirm && resp.Header.Get("Location") != origin+"/x":
				t.Errorf("%s, %s: %d %s", site, q, resp.StatusCode, resp.Header.Get("Location"))
			}
		}
	}
	if len(w.begun) != begun {
		t.Error("an attempt was begun without asking")
	}
	for _, site := range []string{"same-origin", "none", ""} { // the page's own link, the address bar, an old browser
		b.site = site
		if to := location(t, b.open("/auth/login?connection=beta-one")); to.Host != "beta-one.idp.example" {
			t.Errorf("%s: %s", site, to)
		}
	}
}

func TestSwitchingAccountAsksTheProviderForOne(t *testing.T) {
	for provider, prompt := range map[idp.Provider]string{idp.Okta: "login", idp.Auth0: "login", idp.Keycloak: "login", idp.Generic: "login", idp.Entra: "select_account", idp.Google: "select_account", "": "login"} {
		w := newWorld(t)
		w.change("acme-okta", func(c *idp.Connection) { c.Provider = provider })
		b := w.browser()
		b.signedIn("alice")
		start := b.open("/auth/login?switch=1&return_to=/x")
		if got := location(t, start).Query().Get("prompt"); got != prompt {
			t.Errorf("%s: prompt %q", provider, got)
		}
		w.pass(time.Second)
		if b.open(w.approve(start, "bob")); body(b.open("/")) != "dashboard for bob@acme.example" {
			t.Errorf("%s: still the first account", provider)
		}
	}
}

func TestSignedInPersonIsNotAskedAgain(t *testing.T) {
	w := many(t)
	b := w.browser()
	b.signedIn("alice")
	if resp := b.open("/auth/login?return_to=/x"); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != origin+"/x" {
		t.Errorf("%d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
}

func TestSoleTenantSkipsTheSignInPage(t *testing.T) {
	w := newWorld(t)
	if to := location(t, w.browser().open("/auth/login")); to.Host != "acme-okta.idp.example" {
		t.Errorf("one connection: %s", to)
	}
	w.add("acme", nil, connection("acme", "one"), connection("acme", "two"))
	if page := body(w.browser().open("/auth/login")); !strings.Contains(page, "connection=one") || !strings.Contains(page, "connection=two") {
		t.Errorf("two connections:\n%s", page)
	}
	w.add("acme", nil)
	if page := body(w.browser().open("/auth/login")); !strings.Contains(page, "Work e-mail address") {
		t.Errorf("none:\n%s", page)
	}
}

func TestProviderThatIsDownIsSaidSoWithoutAnAuditRow(t *testing.T) {
	w := newWorld(t)
	w.beginErr = &idp.Error{Code: idp.CodeUnavailable, Err: errDown}
	resp := w.browser().open("/")
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body(resp), "not answering") || len(w.rows) != 0 || len(resp.Cookies()) != 0 {
		t.Errorf("%d, %v, %v", resp.StatusCode, w.rows, resp.Cookies())
	}
	w.beginErr = errDown
	if resp := w.browser().open("/"); resp.StatusCode != http.StatusServiceUnavailable || strings.Contains(body(resp), "store is down") {
		t.Errorf("our fault: %d", resp.StatusCode)
	}
}

func TestHandlerKeepsTimeForThePage(t *testing.T) {
	w := newWorld(t)
	synthetic := w.now.Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), synthetic)
	defer cancel()
	call, done := callContext(ctx)
	defer done()
	if d, ok := call.Deadline(); !ok || d.After(synthetic.Add(-callMargin)) {
		t.Errorf("deadline %v of %v", d, synthetic)
	}
	call, done = callContext(t.Context())
	defer done()
	if _, ok := call.Deadline(); !ok {
		t.Error("a call without a deadline of its own")
	}
}

// TestAnswerOfAnotherBrowserSwapsNobodysAccount: an attacker who is an admin at one company begins a sign-in there and
// leads someone who works for another company to its callback. Sent on to the attacker's provider without a question,
// they would come back as the attacker's person, and type into the attacker's account from then on.
func TestAnswerOfAnotherBrowserSwapsNobodysAccount(t *testing.T) {
	w := newWorld(t)
	w.add("evil", nil, connection("evil", "evil-idp"))
	lure := w.approve(w.browser().open("/auth/login?connection=evil-idp&return_to=/x"), "mallory")
	victim := w.browser()
	victim.signedIn("alice")
	for _, site := range []string{"cross-site", "same-site", "none", ""} {
		victim.site = site
		resp := victim.open(lure)
		if resp.StatusCode != http.StatusOK || !strings.Contains(body(resp), "Sign in with another account?") {
			t.Errorf("from %q: %d %s", site, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	if got := body(victim.open("/events")); got != "dashboard for alice@acme.example" {
		t.Errorf("afterwards the dashboard says %q", got)
	}
}

// TestHeldBackAnswerSwapsNobodysAccount: as above, but begun in the victim's own browser while nobody was signed in, and
// answered by the hostile provider only once somebody is.
func TestHeldBackAnswerSwapsNobodysAccount(t *testing.T) {
	w := newWorld(t)
	w.add("evil", nil, connection("evil", "evil-idp"))
	victim := w.browser()
	held := w.approve(victim.open("/auth/login?connection=evil-idp&return_to=/x"), "mallory")
	w.pass(time.Second)
	victim.signedIn("alice")
	if resp := victim.open(held); resp.StatusCode != http.StatusOK || !strings.Contains(body(resp), "Sign in with another account?") {
		t.Errorf("no question: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	if got := body(victim.open("/events")); got != "dashboard for alice@acme.example" || len(w.done) != 1 {
		t.Errorf("afterwards the dashboard says %q, %d answers were taken", got, len(w.done))
	}
	chosen := victim.open("/auth/login?connection=evil-idp&return_to=/x") // the person says yes
	if resp := victim.open(w.approve(chosen, "mallory")); resp.Header.Get("Location") != origin+"/x" {
		t.Errorf("chosen by the person: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
}
