package login

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/envoy"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
)

const acsPath = "/auth/callback/saml/acme-saml"

func again(t *testing.T, resp *http.Response) string {
	t.Helper()
	to := location(t, resp)
	if resp.StatusCode != http.StatusSeeOther || to.Path != "/auth/login" || to.Query().Get("again") == "" {
		t.Fatalf("not sent home: %d %s: %s", resp.StatusCode, to, body(resp))
	}
	return to.String()
}

func TestSAMLPersonLandsOnThePageFirstAskedForWithoutLaxCookies(t *testing.T) {
	w := newSAMLWorld(t)
	w.add("acme", nil, samlConnection("acme", "acme-saml"))
	delete(w.realms, "beta")
	b := w.browser()
	start := b.open("/events?q=a%2Fb&x=1")
	request, relay := requested(t, start)
	if !isHandle(relay) || request != w.begun[0].RequestID() || strings.Contains(relay, "/") {
		t.Fatalf("request %q, relay %q", request, relay)
	}
	resp := b.post(acsPath, samlAnswer(t, start, "alice"))
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != origin+"/events?q=a%2Fb&x=1" {
		t.Fatalf("%d %s: %s", resp.StatusCode, resp.Header.Get("Location"), body(resp))
	}
	if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("headers: %v", resp.Header)
	}
	if got := body(b.open("/events")); got != "dashboard for alice@acme.example" {
		t.Errorf("dashboard says %q", got)
	}
	if b.cookies[w.carriedName(relay)] != "" {
		t.Error("the attempt's cookie is still there")
	}
	if is := w.done[0]; is.ID != w.begun[0].ID || is.Relay != relay || is.Callback != origin+acsPath || is.Kind != idp.KindSignIn || !is.Begun.Equal(w.begun[0].Begun) {
		t.Errorf("begun %+v\ndone  %+v", w.begun[0], is)
	}
	if w.reasons() != "" || strings.Join(w.results, ",") != "ok" {
		t.Errorf("reasons %q, results %v", w.reasons(), w.results)
	}
}

func TestCookiesForTheProvidersPostAreSecureAndCrossSiteAlsoOnPlainHTTP(t *testing.T) {
	for _, plain := range []bool{false, true} {
		w := newSAMLWorld(t)
		w.Insecure = plain
		b := w.browser()
		start := b.open("/auth/login?connection=acme-saml")
		_, relay := requested(t, start)
		seen := 0
		for _, c := range start.Cookies() {
			if !strings.HasPrefix(c.Name, "__Host-ssogate-saml") {
				continue
			}
			seen++
			if !c.Secure || !c.HttpOnly || c.Path != "/" || c.SameSite != http.SameSiteNoneMode || c.Domain != "" {
				t.Errorf("%s", c.Raw)
			}
			if c.Name == "__Host-ssogate-saml-"+relay && c.MaxAge != 600 {
				t.Errorf("attempt lives %d s", c.MaxAge)
			}
		}
		if seen != 2 {
			t.Errorf("plain %t: %d cookies", plain, seen)
		}
	}
}

func TestTwentySAMLTabsOfOneBrowserAllLand(t *testing.T) {
	for _, before := range []bool{true, false} {
		t.Run(fmt.Sprint("flow cookie before: ", before), func(t *testing.T) {
			w := newSAMLWorld(t)
			b := w.browser()
			if before {
				b.open("/auth/login?connection=acme-saml")
			}
			starts := make([]*http.Response, 20)
			for i := range starts {
				bare := w.browser() // every request left before the first answer came
				if before {
					bare.cookies["__Host-ssogate-flow"] = b.cookies["__Host-ssogate-flow"]
				}
				starts[i] = bare.open(fmt.Sprint("/auth/login?connection=acme-saml&return_to=/tab/", i))
				maps.Copy(b.cookies, bare.cookies)
			}
			w.pass(time.Second)
			var wg sync.WaitGroup
			for i, start := range starts {
				form := samlAnswer(t, start, "alice")
				wg.Go(func() {
					resp := b.post(acsPath, form)
					for range 6 {
						to := resp.Header.Get("Location")
						switch {
						case strings.Contains(to, ".idp.example"):
							resp = b.post(acsPath, samlAnswer(t, resp, "alice"))
						case strings.Contains(to, "again="):
							resp = b.open(to)
						}
					}
					if want := origin + fmt.Sprint("/tab/", i); resp.Header.Get("Location") != want {
						t.Errorf("tab %d: %d %s %s", i, resp.StatusCode, resp.Header.Get("Location"), body(resp))
					}
				})
			}
			wg.Wait()
			if resp := b.open("/"); resp.StatusCode != http.StatusOK || w.reasons() != "" {
				t.Errorf("afterwards: %d, refusals %s", resp.StatusCode, w.reasons())
			}
		})
	}
}

// TestTabsThatBeginTogetherTakeNoRoomFromEachOther: a browser restores all of them at once, and each has its own page.
func TestTabsThatBeginTogetherTakeNoRoomFromEachOther(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	var starts []*http.Response
	for i := range 20 {
		starts = append(starts, b.open(fmt.Sprint("/auth/login?connection=acme-saml&return_to=/events/", i)))
		w.pass(time.Second)
	}
	for i, start := range starts {
		if resp := b.post(acsPath, samlAnswer(t, start, "alice")); resp.Header.Get("Location") != fmt.Sprint(origin, "/events/", i) {
			t.Errorf("tab %d: %d %s", i, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	if n := len(b.crossSite()); n != 1 {
		t.Errorf("%d cookies when all are back", n)
	}
	for range 40 {
		b.open("/auth/login?connection=acme-saml&switch=1")
	}
	if n := len(b.crossSite()); n != 1+maxRestored {
		t.Errorf("%d cookies of tabs that never come back", n)
	}
}

func TestOneBrowserCarriesEightAttemptsAndTheOldestMakesRoom(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	var starts []*http.Response
	for range 10 {
		starts = append(starts, b.open("/auth/login?connection=acme-saml&return_to=/events"))
		w.pass(restoring)
	}
	if n := len(b.crossSite()); n != 1+maxCarried {
		t.Fatalf("%d cookies", n)
	}
	again(t, b.post(acsPath, samlAnswer(t, starts[1], "alice")))
	if resp := b.post(acsPath, samlAnswer(t, starts[2], "alice")); resp.Header.Get("Location") != origin+"/events" {
		t.Errorf("%d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	w.pass(attemptTTL)
	b.open("/auth/login?connection=acme-saml&switch=1")
	if n := len(b.crossSite()); n != 2 {
		t.Errorf("old ones were not taken away: %d", n)
	}
}

func TestAttemptOfAnotherBrowserSignsNobodyIn(t *testing.T) {
	w := newSAMLWorld(t)
	attacker, victim := w.browser(), w.browser()
	form := samlAnswer(t, attacker.open("/auth/login?connection=acme-saml"), "mallory")
	resp := victim.post(acsPath, form)
	again(t, resp)
	victim.open("/auth/login?connection=acme-saml") // with a twin of its own
	again(t, victim.post(acsPath, form))
	for n, v := range attacker.cookies { // planted by whoever can write cookies of a name this browser does not have
		if strings.HasPrefix(n, "__Host-ssogate-saml-") {
			victim.cookies[n] = v
		}
	}
	again(t, victim.post(acsPath, form))
	if len(w.done) != 0 || len(w.sessions) != 0 {
		t.Errorf("%d completed, %d sessions", len(w.done), len(w.sessions))
	}
}

func TestAttemptOfOneConnectionDoesNotFinishAtAnother(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	form := samlAnswer(t, b.open("/auth/login?connection=acme-saml"), "alice")
	resp := b.post("/auth/callback/saml/beta-saml", form)
	if resp.StatusCode != http.StatusBadRequest || w.reasons() != "connection/callback" || len(w.done) != 0 || len(w.sessions) != 0 {
		t.Errorf("%d, %q, %d done", resp.StatusCode, w.reasons(), len(w.done))
	}
}

func TestEachProtocolsAttemptsFinishAtItsOwnCallbackOnly(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	state := location(t, b.open("/auth/login?connection=acme-okta")).Query().Get("state")
	again(t, b.post(acsPath, url.Values{"SAMLResponse": {"_x|alice|a"}, "RelayState": {state}}))
	handle := w.carriedName(samlAnswer(t, b.open("/auth/login?connection=acme-saml"), "alice").Get("RelayState"))
	for _, state := range []string{b.cookies[handle], handle[len(handle)-8:]} {
		b.open("/auth/callback/oidc/acme-saml?code=alice&state=" + url.QueryEscape(state))
		b.open("/auth/callback/oidc/acme-okta?code=alice&state=" + url.QueryEscape(state))
	}
	if len(w.done) != 0 || len(w.sessions) != 0 {
		t.Errorf("%d completed", len(w.done))
	}
}

func TestUnknownDisabledAndOIDCConnectionsLookAlikeAtTheACS(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	form := samlAnswer(t, b.open("/auth/login?connection=acme-saml"), "alice")
	w.change("acme-saml", func(c *idp.Connection) { c.Enabled = false })
	var pages []string
	for _, id := range []string{"acme-saml", "acme-okta", "nothing", "NOT_ONE"} {
		resp := b.post("/auth/callback/saml/"+id, form)
		pages = append(pages, fmt.Sprint(resp.StatusCode, body(resp)))
	}
	if len(slices.Compact(pages)) != 1 || !strings.HasPrefix(pages[0], "404") || len(w.done) != 0 || w.reasons() != "" {
		t.Errorf("%q", pages)
	}
}

func TestSettingsMayChangeWhileSomeoneIsAtTheProviderButNotTheProvider(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	first, second := b.open("/auth/login?connection=acme-saml&return_to=/events"), b.open("/auth/login?connection=acme-saml")
	w.change("acme-saml", func(c *idp.Connection) { c.Version++ })
	if resp := b.post(acsPath, samlAnswer(t, first, "alice")); resp.Header.Get("Location") != origin+"/events" {
		t.Errorf("%d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	w.sessions = map[session.Hash]session.Session{}
	w.change("acme-saml", func(c *idp.Connection) { c.SAML.IdP.EntityID = "https://evil.example" })
	if resp := b.post(acsPath, samlAnswer(t, second, "alice")); resp.StatusCode != http.StatusBadRequest || w.reasons() != "connection/issuer" || len(w.sessions) != 0 {
		t.Errorf("%d %q", resp.StatusCode, w.reasons())
	}
}

func TestResponseThatComesAgainSignsNobodyIn(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	start := b.open("/auth/login?connection=acme-saml")
	form, kept := samlAnswer(t, start, "alice"), b.crossSite()
	b.post(acsPath, form)
	thief := w.browser()
	thief.cookies = kept // a deleted cookie proves nothing
	resp := thief.post(acsPath, form)
	page := body(resp)
	if resp.StatusCode != http.StatusBadRequest || w.reasons() != "saml-replay/signed-in" || len(w.sessions) != 1 || !strings.Contains(page, `<a href="/">Continue</a>`) {
		t.Errorf("%d %q: %s", resp.StatusCode, w.reasons(), page)
	}
	if thief.cookies["__Host-ssogate"] != "" {
		t.Error("a session cookie was set")
	}
	// The same assertion for another attempt.
	start = thief.open("/auth/login?connection=acme-saml")
	request, relay := requested(t, start)
	thief.post(acsPath, url.Values{"SAMLResponse": {request + "|alice|assertion-of-" + strings.Split(form.Get("SAMLResponse"), "|")[0]}, "RelayState": {relay}})
	if w.reasons() != "saml-replay/signed-in,saml-replay/assertion" || len(w.sessions) != 1 {
		t.Errorf("%q, %d sessions", w.reasons(), len(w.sessions))
	}
	// And the browser itself, by its back button.
	if resp := b.open(again(t, b.post(acsPath, form))); resp.Header.Get("Location") != origin+"/" {
		t.Errorf("%d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
}

func TestLostRelayStateFindsTheAttemptByItsRequest(t *testing.T) {
	for _, relay := range []string{"", "12345678", "https://evil.example/", "a%20b"} {
		w := newSAMLWorld(t)
		b := w.browser()
		form := samlAnswer(t, b.open("/auth/login?connection=acme-saml&return_to=/events"), "alice")
		form.Set("RelayState", relay)
		if relay == "" {
			form.Del("RelayState")
		}
		if resp := b.post(acsPath, form); resp.Header.Get("Location") != origin+"/events" {
			t.Errorf("%q: %d %s", relay, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
}

func TestSAMLRefusalsOfOneKindShowOnePage(t *testing.T) {
	pages := map[string][]idp.Code{}
	for _, code := range []idp.Code{idp.CodeSAMLForm, idp.CodeSAMLXML, idp.CodeSAMLShape, idp.CodeSAMLSignature, idp.CodeSAMLSHA1, idp.CodeSAMLKey, idp.CodeSAMLDecrypt, idp.CodeSAMLDisagreement} {
		w := newSAMLWorld(t)
		b := w.browser()
		form := samlAnswer(t, b.open("/auth/login?connection=acme-saml"), "alice")
		form.Set("SAMLResponse", "!"+string(code))
		resp := b.post(acsPath, form)
		page := fmt.Sprint(resp.StatusCode, resp.Header, body(resp))
		page = strings.ReplaceAll(page, form.Get("RelayState"), "RELAY")
		pages[page] = append(pages[page], code)
		if w.reasons() != string(code)+"/planted" || len(w.sessions) != 0 || strings.Join(w.results, "") != string(code) {
			t.Errorf("%s: %q, results %v", code, w.reasons(), w.results)
		}
		if strings.Contains(page, string(code)) || strings.Contains(page, "planted") || strings.Contains(page, "Mend") {
			t.Errorf("the page tells which it was: %s", page)
		}
	}
	if len(pages) != 1 {
		t.Errorf("%d pages: %v", len(pages), pages)
	}
}

func TestBusyVerifierKeepsTheAttempt(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	start := func() url.Values {
		return samlAnswer(t, b.open("/auth/login?connection=acme-saml&return_to=/events"), "alice")
	}
	good, other := start(), start()
	busy := func(like url.Values) *http.Response {
		resp := b.post(acsPath, url.Values{"SAMLResponse": {"!saml-busy"}, "RelayState": like["RelayState"]})
		if resp.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d %s", resp.StatusCode, body(resp))
		}
		return b.open(strings.TrimPrefix(resp.Header.Get("Location"), origin))
	}
	resp := busy(good)
	if page := body(resp); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" ||
		!strings.Contains(page, "saml-busy") || !strings.Contains(page, "return_to=%2Fevents") {
		t.Errorf("nobody signed in: %d %v %s", resp.StatusCode, resp.Header, page)
	}
	refresh, ok := strings.CutPrefix(resp.Header.Get("Refresh"), "1; url=")
	if !ok || strings.Contains(refresh, "busy") {
		t.Fatalf("refresh %q", refresh)
	}
	if resp := b.post(acsPath, good); resp.Header.Get("Location") != origin+"/events" {
		t.Errorf("posted again: %d %s", resp.StatusCode, body(resp))
	}
	if resp := b.open(refresh); resp.Header.Get("Location") != origin+"/" && resp.Header.Get("Location") != origin+"/events" {
		t.Errorf("refreshed beside a session: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	if resp := busy(other); resp.Header.Get("Location") != origin+"/events" {
		t.Errorf("beside a tab that has signed in: %d %s", resp.StatusCode, body(resp))
	}
	if !strings.Contains(w.reasons(), "saml-busy") {
		t.Errorf("refusals %s", w.reasons())
	}
}

func TestSAMLSessionReplacesTheOneThisBrowserHad(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	b.samlIn("alice")
	w.pass(time.Minute)
	b.samlIn("bob")
	if w.live() != 1 || body(b.open("/")) != "dashboard for bob@acme.example" {
		t.Errorf("%d live", w.live())
	}
	w.pass(time.Minute)
	b.signedIn("carol") // over OpenID Connect: the twin must know of it
	w.pass(time.Minute)
	b.samlIn("dave")
	if w.live() != 1 || body(b.open("/")) != "dashboard for dave@acme.example" {
		t.Errorf("%d live", w.live())
	}
}

func TestProviderThatKeepsItsAnswerDoesNotSwapAnotherCompanysSession(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	kept := samlAnswer(t, b.open("/auth/login?connection=beta-saml"), "mallory")
	w.pass(time.Second)
	b.samlIn("alice")
	resp := b.post("/auth/callback/saml/beta-saml", kept)
	if page := body(resp); resp.StatusCode != http.StatusOK || !strings.Contains(page, "Sign in with another account?") || w.live() != 1 {
		t.Errorf("%d %s", resp.StatusCode, page)
	}
	if got := body(b.open("/")); got != "dashboard for alice@acme.example" {
		t.Errorf("swapped: %q", got)
	}
}

func TestFifthSAMLSignInWithinAMinuteEndsOnAPage(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	for range 4 {
		b.samlIn("alice")
		w.sessions = map[session.Hash]session.Session{} // lost
	}
	resp := b.post(acsPath, samlAnswer(t, b.open("/auth/login?connection=acme-saml"), "alice"))
	if resp.StatusCode != http.StatusBadRequest || w.reasons() != string(idp.CodeLoop) {
		t.Errorf("%d %q", resp.StatusCode, w.reasons())
	}
}

func TestBodyOfAResponseIsBounded(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	if resp := b.postBody(acsPath, strings.Repeat("x", envoy.LargestBody)); resp.StatusCode != http.StatusForbidden {
		t.Errorf("as large as it may be: %d", resp.StatusCode)
	}
	if resp := b.postBody(acsPath, strings.Repeat("x", envoy.LargestBody+1)); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("one byte more: %d", resp.StatusCode)
	}
}

func TestSAMLLinkNamesItsIssuer(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	requested(t, b.open("/auth/login?connection=acme-saml&iss="+url.QueryEscape("https://acme-saml.idp.example")))
	if resp := b.open("/auth/login?connection=acme-saml&iss=https://other.example"); resp.StatusCode != http.StatusOK || !strings.Contains(body(resp), "link does not work any more") {
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestLogsHoldNoResponsesCookiesOrNames(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	b.samlIn("alice-the-subject")
	form := samlAnswer(t, b.open("/auth/login?connection=acme-saml"), "bob-the-subject")
	b.post(acsPath, url.Values{"SAMLResponse": {"!saml-signature"}, "RelayState": form["RelayState"]})
	b.post(acsPath, form)
	for _, secret := range []string{"assertion-of", "v1.", "SAMLResponse", form.Get("RelayState")} {
		if strings.Contains(w.logs.String(), secret) {
			t.Errorf("logs hold %q:\n%s", secret, w.logs)
		}
	}
}
