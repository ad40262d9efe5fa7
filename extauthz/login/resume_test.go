package login

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

func TestUnsolicitedResponseIsRefusedOrReplacedByARequest(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	form := url.Values{"SAMLResponse": {"|alice|a1"}, "RelayState": {"https://evil.example/"}}
	resp := b.post(acsPath, form)
	if page := body(resp); resp.StatusCode != http.StatusBadRequest || !strings.Contains(page, "saml-unsolicited") || !strings.Contains(page, `href="/auth/login?connection=acme-saml">Sign in<`) || w.reasons() != "saml-unsolicited" {
		t.Errorf("off: %d %q %s", resp.StatusCode, w.reasons(), page)
	}
	w.change("acme-saml", func(c *idp.Connection) { c.SAML.IdPInitiated = idp.InitiatedBounce })
	start := b.open(again(t, b.post(acsPath, form)))
	if resp := b.post(acsPath, samlAnswer(t, start, "alice")); resp.Header.Get("Location") != origin+"/" || len(w.sessions) != 1 || len(w.done) != 1 {
		t.Errorf("bounce: %d %s, %d completed", resp.StatusCode, resp.Header.Get("Location"), len(w.done))
	}
	if resp := b.open(again(t, b.post(acsPath, form))); resp.Header.Get("Location") != origin+"/" || len(w.sessions) != 1 {
		t.Errorf("with a session: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
}

func TestGateBeginsByItselfTwiceAMinuteAndThenSaysWhy(t *testing.T) {
	w := newSAMLWorld(t)
	w.change("acme-saml", func(c *idp.Connection) { c.SAML.IdPInitiated = idp.InitiatedBounce })
	b := w.browser()
	for i := range 4 { // bounces and lost attempts share one count
		form := url.Values{"SAMLResponse": {"|alice|a1"}}
		if i%2 == 1 {
			form = url.Values{"SAMLResponse": {"_0123456789abcdef0123456789abcdef|alice|a1"}}
		}
		resp := b.open(again(t, b.post(acsPath, form)))
		if i < 2 {
			requested(t, resp)
		} else if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body(resp), "saml-attempt") {
			t.Errorf("%d: %d %s", i, resp.StatusCode, resp.Header.Get("Location"))
		}
		w.pass(time.Second)
	}
	for range 4 { // what a person begins is not counted
		requested(t, b.open("/auth/login?connection=acme-saml"))
	}
	w.pass(time.Minute)
	requested(t, b.open(again(t, b.post(acsPath, url.Values{"SAMLResponse": {"|alice|a1"}}))))
	if w.reasons() != "saml-attempt,saml-attempt" {
		t.Errorf("%q", w.reasons())
	}
}

func TestBrowserWithoutCookiesDoesNotGoRound(t *testing.T) {
	w := newSAMLWorld(t)
	form := samlAnswer(t, w.browser().open("/auth/login?connection=acme-saml"), "alice")
	home := again(t, w.browser().post(acsPath, form))
	resp := w.browser().open(home)
	if page := body(resp); resp.StatusCode != http.StatusBadRequest || !strings.Contains(page, "saml-attempt") || !strings.Contains(page, "did not keep") {
		t.Errorf("%d %s", resp.StatusCode, page)
	}
}

func TestExpiredAttemptBeginsAgainOnceAndKeepsItsPage(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	form := samlAnswer(t, b.open("/auth/login?connection=acme-saml&return_to=/events"), "alice")
	w.pass(attemptTTL)
	start := b.open(again(t, b.post(acsPath, form)))
	if resp := b.post(acsPath, samlAnswer(t, start, "alice")); resp.Header.Get("Location") != origin+"/events" || len(w.done) != 1 {
		t.Errorf("%d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
}

func TestUnaskedResponseDoesNotSwapAnotherCompanysSession(t *testing.T) {
	w := newSAMLWorld(t)
	w.change("beta-saml", func(c *idp.Connection) { c.SAML.IdPInitiated = idp.InitiatedBounce })
	b := w.browser()
	b.samlIn("alice")
	for _, response := range []string{"|mallory|a1", "_0123456789abcdef0123456789abcdef|mallory|a1"} {
		resp := b.open(again(t, b.post("/auth/callback/saml/beta-saml", url.Values{"SAMLResponse": {response}})))
		if page := body(resp); resp.StatusCode != http.StatusOK || !strings.Contains(page, "Sign in with another account?") {
			t.Errorf("%d %s", resp.StatusCode, page)
		}
	}
	if got := body(b.open("/")); got != "dashboard for alice@acme.example" {
		t.Errorf("%q", got)
	}
}
