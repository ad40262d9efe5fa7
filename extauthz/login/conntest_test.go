package login

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
)

func (w *world) foretells(roles []string, err error) {
	w.Foretell = func(context.Context, idp.Identity) ([]string, error) { return roles, err }
}

func result(t *testing.T, w *world, token string) (r TestResult) {
	t.Helper()
	if err := json.Unmarshal([]byte(w.tests[TestID(token)]), &r); err != nil {
		t.Fatalf("%v: %q", err, w.tests[TestID(token)])
	}
	return r
}

func TestConnectionTestShowsWhatWasAssertedAndSignsNobodyIn(t *testing.T) {
	for protocol, over := range map[string]struct {
		connection string
		finish     func(*world, *browser, *http.Response) *http.Response
	}{
		"saml": {"acme-saml", func(w *world, b *browser, start *http.Response) *http.Response {
			return b.post(acsPath, samlAnswer(t, start, "bob"))
		}},
		"oidc": {"acme-okta", func(w *world, b *browser, start *http.Response) *http.Response {
			return b.open(w.approve(start, "bob"))
		}},
	} {
		t.Run(protocol, func(t *testing.T) {
			w := newSAMLWorld(t)
			w.foretells([]string{"Analyst"}, nil)
			w.tests[TestID("t1")] = ""
			b := w.browser()
			b.samlIn("alice")
			w.results = nil
			start := b.open("/auth/login?test=t1&connection=" + over.connection)
			begun := w.begun[len(w.begun)-1]
			if begun.Kind != idp.KindTest || begun.ID != TestID("t1") {
				t.Fatalf("%+v", begun)
			}
			if resp := b.open("/auth/login?test=t1&connection=" + over.connection); resp.StatusCode != http.StatusNotFound {
				t.Errorf("the link works twice: %d", resp.StatusCode)
			}
			resp := over.finish(w, b, start)
			page := body(resp)
			if resp.StatusCode != http.StatusOK || !strings.Contains(page, "Nobody was signed in") || !strings.Contains(page, "bob") || !strings.Contains(page, "Analyst") {
				t.Errorf("%d %s", resp.StatusCode, page)
			}
			if got := body(b.open("/")); got != "dashboard for alice@acme.example" || len(w.sessions) != 1 || len(w.results) != 0 || w.reasons() != "" {
				t.Errorf("%q, %d sessions, results %v, reasons %q", got, len(w.sessions), w.results, w.reasons())
			}
			r := result(t, w, "t1")
			if !r.OK || r.Identity.Subject != "bob" || strings.Join(r.Roles, "") != "Analyst" || r.Code != "" {
				t.Errorf("%s", w.tests[TestID("t1")])
			}
		})
	}
}

func TestConnectionTestSaysWhyASignInWouldBeRefused(t *testing.T) {
	w := newSAMLWorld(t)
	w.tests[TestID("t1")] = ""
	b := w.browser()
	_, relay := requested(t, b.open("/auth/login?connection=acme-saml&test=t1"))
	resp := b.post(acsPath, url.Values{"SAMLResponse": {"!saml-sha1"}, "RelayState": {relay}})
	if page := body(resp); resp.StatusCode != http.StatusOK || !strings.Contains(page, "saml-sha1/planted") || !strings.Contains(page, "Mend it.") {
		t.Errorf("%d %s", resp.StatusCode, page)
	}
	if got, want := w.tests[TestID("t1")], `{"ok":false,"code":"saml-sha1","detail":"planted","hint":"Mend it.","error":"saml-sha1: planted"}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestConnectionTestFailsWhereTheSignInWouldForItsGroups(t *testing.T) {
	for _, c := range []struct {
		err  error
		ok   bool
		code idp.Code
		says string
	}{
		{idp.SAMLOverage(idp.Entra), false, idp.CodeSAMLOverage, "150 groups"},
		{ErrBySCIM, true, "", "SCIM"},
		{errors.New("secret detail"), true, "", "log says why"},
	} {
		w := newSAMLWorld(t)
		w.foretells(nil, c.err)
		w.tests[TestID("t1")] = ""
		b := w.browser()
		resp := b.post(acsPath, samlAnswer(t, b.open("/auth/login?connection=acme-saml&test=t1"), "bob"))
		page, r := body(resp), result(t, w, "t1")
		if r.OK != c.ok || r.Code != c.code || r.Identity == nil || !strings.Contains(page, c.says) || strings.Contains(page, "secret detail") {
			t.Errorf("%v: %+v\n%s", c.err, r, page)
		}
	}
}

func TestDeadTestLinksBeginNothing(t *testing.T) {
	w := newSAMLWorld(t)
	w.tests[TestID("t1")] = ""
	for _, target := range []string{"/auth/login?connection=acme-saml&test=other", "/auth/login?connection=nothing&test=t1"} {
		if resp := w.browser().open(target); resp.Header.Get("Location") != "" || len(w.begun) != 0 {
			t.Errorf("%s: %d %s", target, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	w.Tests = nil
	if resp := w.browser().open("/auth/login?connection=acme-saml&test=t1"); resp.StatusCode != http.StatusNotFound || len(w.begun) != 0 {
		t.Errorf("without tests: %d", resp.StatusCode)
	}
}

func TestTestThatIsOverBecomesNoSignIn(t *testing.T) {
	w := newSAMLWorld(t)
	w.tests[TestID("t1")] = ""
	b := w.browser()
	form := samlAnswer(t, b.open("/auth/login?connection=acme-saml&test=t1"), "bob")
	kept := b.crossSite()
	w.pass(attemptTTL)
	if resp := b.post(acsPath, form); resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" {
		t.Errorf("expired: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	w.pass(-attemptTTL)
	b.post(acsPath, form)
	b.cookies = kept
	if resp := b.post(acsPath, form); resp.StatusCode != http.StatusBadRequest || w.reasons() != "state,saml-replay" || len(w.sessions) != 0 {
		t.Errorf("twice: %d %q", resp.StatusCode, w.reasons())
	}
}
