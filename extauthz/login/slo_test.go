package login

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp"
)

const sloPath = "/auth/saml/acme-saml/slo"

func TestSAMLSignOutEndsTheSessionHereBeforeTheProviders(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	b.samlIn("alice")
	resp := b.open("/auth/logout")
	if w.live() != 0 {
		t.Fatal("the browser was sent off with a live session")
	}
	request, relay := requested(t, resp)
	l := w.logouts[0]
	if l.NameID != (idp.NameID{Value: "name-1", Format: "f"}) || l.SID != "index-1" || l.RequestID != request || l.Relay != relay || !isHandle(relay) {
		t.Errorf("%+v", l)
	}
	w.received = idp.LogoutMessage{InResponseTo: request, Success: true, Once: []idp.Once{{Kind: "logout", Value: "r1", Expires: w.now.Add(time.Hour)}}}
	answer := sloPath + "?SAMLResponse=x&RelayState=" + relay
	kept := b.crossSite()
	back := b.open(answer)
	if page := body(back); back.StatusCode != http.StatusOK || !strings.Contains(page, "signed out at your identity provider as well") {
		t.Errorf("back: %d %s", back.StatusCode, page)
	}
	maps.Copy(b.cookies, kept) // a deleted cookie proves nothing
	if page := body(b.open(answer)); !strings.Contains(page, "You are signed out") || strings.Contains(page, "as well") {
		t.Errorf("again: %s", page)
	}
}

func TestSignOutAnswerThatIsNotForThisBrowserShowsThePlainPage(t *testing.T) {
	for name, change := range map[string]func(*world, *browser, string){
		"another request": func(w *world, _ *browser, _ string) { w.received.InResponseTo = "_0123456789abcdef0123456789abcdef" },
		"one like ours": func(w *world, _ *browser, _ string) {
			w.received.InResponseTo = w.received.InResponseTo[:9] + strings.Repeat("0", 24)
		},
		"no request":    func(w *world, _ *browser, _ string) { w.received.InResponseTo = "" },
		"not a success": func(w *world, _ *browser, _ string) { w.received.Success = false },
		"cookie gone":   func(w *world, b *browser, relay string) { delete(b.cookies, w.carriedName(relay)) },
		"too late":      func(w *world, _ *browser, _ string) { w.pass(attemptTTL) },
		"a sign-in's": func(w *world, b *browser, _ string) {
			w.received.InResponseTo, _ = requested(w.t, b.open("/auth/login?connection=acme-saml"))
		},
	} {
		w := newSAMLWorld(t)
		b := w.browser()
		b.samlIn("alice")
		request, relay := requested(t, b.open("/auth/logout"))
		w.received = idp.LogoutMessage{InResponseTo: request, Success: true}
		change(w, b, relay)
		if page := body(b.open(sloPath + "?SAMLResponse=x")); !strings.Contains(page, "You are signed out") || strings.Contains(page, "as well") {
			t.Errorf("%s: %s", name, page)
		}
	}
}

func TestSignOutAttemptSignsNobodyIn(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	b.samlIn("alice")
	form := samlAnswer(t, b.open("/auth/logout"), "alice")
	w.done = nil
	again(t, b.post(acsPath, form))
	if w.live() != 0 || len(w.done) != 0 {
		t.Errorf("%d live, %d completed", w.live(), len(w.done))
	}
}

func TestProvidersSignOutEndsSessionsByNameWithoutACookie(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	b.samlIn("alice")
	w.received = idp.LogoutMessage{
		Request: true, ID: "r1", Relay: "their relay", NameID: idp.NameID{Value: "alice"}, SessionIndexes: []string{"index-1"},
		Once: []idp.Once{{Kind: "logout", Value: "r1", Expires: w.now.Add(time.Hour)}},
	}
	stranger := w.browser()
	resp := stranger.open(sloPath + "?SAMLRequest=x")
	q := location(t, resp).Query()
	if w.live() != 0 || q.Get("SAMLResponse") != "Success" || q.Get("RelayState") != "their relay" {
		t.Errorf("%d live, %v", w.live(), q)
	}
	r := w.revoked[len(w.revoked)-1]
	if r.Connection != "acme-saml" || r.NameID.Value != "alice" || len(r.SessionIndexes) != 1 || len(r.Once) != 1 || r.Hash != nil {
		t.Errorf("%+v", r)
	}
	resp = stranger.post(sloPath, url.Values{"SAMLRequest": {"x"}})
	if page := body(resp); resp.StatusCode != http.StatusBadRequest || !strings.Contains(page, "saml-replay") {
		t.Errorf("again: %d %s", resp.StatusCode, page)
	}
	last := w.rows[len(w.rows)-1]
	if last.Action != audit.SignOutRefused || !strings.HasPrefix(last.Reason, "saml-replay") {
		t.Errorf("%+v", last)
	}
	w.received.Once = nil
	resp = stranger.post(sloPath, url.Values{"SAMLRequest": {"x"}})
	if q := location(t, resp).Query(); resp.StatusCode != http.StatusSeeOther || q.Get("SAMLResponse") != "Success" {
		t.Errorf("nobody left: %d %v", resp.StatusCode, q)
	}
}

func TestProviderIsToldWhenSessionsCouldNotBeEnded(t *testing.T) {
	w := newSAMLWorld(t)
	w.browser().samlIn("alice")
	w.received = idp.LogoutMessage{Request: true, NameID: idp.NameID{Value: "alice"}}
	b := w.browser()
	w.failRevoke = errDown
	if q := location(t, b.open(sloPath+"?SAMLRequest=x")).Query(); q.Get("SAMLResponse") != "PartialLogout" || w.live() != 1 {
		t.Errorf("%v", q)
	}
}

func TestForgedSignOutChangesNothingAndIsAudited(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	b.samlIn("alice")
	resp := b.open(sloPath + "?SAMLRequest=!saml-signature")
	if page := body(resp); resp.StatusCode != http.StatusForbidden || !strings.Contains(page, unverified) || strings.Contains(page, "saml-signature") {
		t.Errorf("request: %d %s", resp.StatusCode, page)
	}
	resp = b.post(sloPath, url.Values{"RelayState": {"x"}, "SAMLResponse": {"!saml-signature"}})
	if page := body(resp); resp.StatusCode != http.StatusOK || !strings.Contains(page, "You are signed out") || strings.Contains(page, "as well") {
		t.Errorf("answer: %d %s", resp.StatusCode, page)
	}
	if page := body(b.open(sloPath + "?SAMLResponse=!saml-signature")); !strings.Contains(page, "Sign out?") { // with the session cookie: it says so
		t.Errorf("answer by GET: %s", page)
	}
	var reasons []string
	for _, e := range w.rows {
		reasons = append(reasons, string(e.Action)+" "+e.Reason)
	}
	if got := strings.Join(reasons, ","); w.live() != 1 || len(w.revoked) != 0 || strings.Count(got, "session.sign_out_refused saml-signature/planted") != 3 {
		t.Errorf("%d live, %s", w.live(), got)
	}
}

func TestMetadataIsPublicCacheableAndThereBeforeTheConnectionIsOn(t *testing.T) {
	w := newSAMLWorld(t)
	w.change("acme-saml", func(c *idp.Connection) { c.Enabled = false })
	b := w.browser()
	const path = "/auth/saml/acme-saml/metadata"
	resp := b.open(path)
	tag := resp.Header.Get("ETag")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/samlmetadata+xml" || tag == "" || !strings.HasPrefix(resp.Header.Get("Cache-Control"), "public") || len(resp.Cookies()) != 0 {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if !strings.Contains(body(resp), origin+path) {
		t.Error("another document")
	}
	for _, known := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		if resp := b.do(http.MethodGet, path, http.Header{"If-None-Match": {known}}); resp.StatusCode != http.StatusNotModified || body(resp) != "" {
			t.Errorf("%s: %d", known, resp.StatusCode)
		}
	}
	if resp := b.do(http.MethodGet, path, http.Header{"If-None-Match": {`"x"`}}); resp.StatusCode != http.StatusOK {
		t.Errorf("another tag: %d", resp.StatusCode)
	}
	for _, id := range []string{"acme-okta", "nothing"} {
		if resp := b.open("/auth/saml/" + id + "/metadata"); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", id, resp.StatusCode)
		}
	}
}
