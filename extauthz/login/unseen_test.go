package login

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
)

// unseen is what another site's page has a browser load without showing it, as an image or in a frame: SameSite=Lax cookies
// are neither sent nor taken. dest is Sec-Fetch-Dest; "" is a browser that sends no such headers.
func (b *browser) unseen(target, dest string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.RemoteAddr = "203.0.113.7"
	if dest != "" {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Sec-Fetch-Dest", dest)
	}
	var pairs []string
	for n, v := range b.crossSite() {
		pairs = append(pairs, n+"="+v)
	}
	r.Header.Set("Cookie", strings.Join(pairs, "; "))
	rec := httptest.NewRecorder()
	b.w.ServeHTTP(rec, r.WithContext(WithRequestID(r.Context(), "req-1")))
	before := maps.Clone(b.cookies)
	resp := b.take(rec)
	maps.DeleteFunc(b.cookies, func(n, _ string) bool { return !strings.HasPrefix(n, "__Host-ssogate-saml") })
	for n, v := range before {
		if !strings.HasPrefix(n, "__Host-ssogate-saml") {
			b.cookies[n] = v
		}
	}
	return resp
}

// An attacker with a company and a provider of their own has a victim's browser begin an attempt without the cookies that
// would have shown the session in use, and answers it at once. The victim would go on in the attacker's company.
func TestAttemptBegunUnseenDoesNotSwapTheSessionInUse(t *testing.T) {
	for _, over := range []idp.ConnectionID{"beta-saml", "acme-guests"} {
		t.Run(string(over), func(t *testing.T) {
			w := newSAMLWorld(t)
			w.add("acme", []string{"acme.example"}, samlConnection("acme", "acme-saml"), samlConnection("acme", "acme-guests"))
			b := w.browser()
			b.samlIn("alice")
			w.pass(time.Minute)
			start := b.unseen("/auth/login?connection="+string(over), "")
			resp := b.post("/auth/callback/saml/"+string(over), samlAnswer(t, start, "mallory"))
			if page := body(resp); resp.StatusCode != http.StatusOK || !strings.Contains(page, "Sign in with another account?") || w.live() != 1 {
				t.Errorf("%d, %d live: %s", resp.StatusCode, w.live(), page)
			}
			if got := body(b.open("/")); got != "dashboard for alice@acme.example" {
				t.Errorf("swapped: %q", got)
			}
			// Whoever was asked, and wants it, gets it.
			start = b.do(http.MethodGet, "/auth/login?connection="+string(over), http.Header{"Sec-Fetch-Site": {"same-origin"}})
			resp = b.post("/auth/callback/saml/"+string(over), samlAnswer(t, start, "alice-two"))
			if got := body(b.open("/")); got != "dashboard for alice-two@acme.example" || w.live() != 1 {
				t.Errorf("%d, %d live, %q", resp.StatusCode, w.live(), got)
			}
		})
	}
}

// The attacker's window begins attempts all the time, and one of them is on its way while the victim signs in: what it gives
// the browser afterwards must not make it forget the session.
func TestAttemptBegunWhileSomebodySignsInDoesNotSwapTheirSession(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	b.open("/auth/login?connection=beta-saml")
	w.pass(time.Second)
	start := b.open("/auth/login?connection=acme-saml&return_to=/events")
	under := w.browser()
	maps.Copy(under.cookies, b.cookies)
	w.pass(time.Second)
	late := under.do(http.MethodGet, "/auth/login?connection=beta-saml", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Dest": {"document"}})
	b.post(acsPath, samlAnswer(t, start, "alice"))
	for _, c := range late.Cookies() {
		b.cookies[c.Name] = c.Value
	}
	resp := b.post("/auth/callback/saml/beta-saml", samlAnswer(t, late, "mallory"))
	if page := body(resp); !strings.Contains(page, "Sign in with another account?") {
		t.Errorf("%d %s", resp.StatusCode, page)
	}
	if got := body(b.open("/")); got != "dashboard for alice@acme.example" {
		t.Errorf("swapped: %q", got)
	}
}

func TestOtherSitesPagesCannotBeginSignInsUnseen(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	b.samlIn("alice")
	test := "a-token"
	w.tests[TestID(test)] = ""
	w.begun = nil
	cookies := maps.Clone(b.cookies)
	for _, dest := range []string{"image", "iframe", "empty", "script", "object"} {
		for _, q := range []url.Values{
			{"connection": {"acme-saml"}}, {"connection": {"acme-saml"}, "again": {"1"}}, {"connection": {"acme-saml"}, "test": {test}},
			{"email": {"a@acme.example"}}, {"connection": {"acme-okta"}}, {},
		} {
			resp := b.unseen("/auth/login?"+q.Encode(), dest)
			if resp.StatusCode != http.StatusBadRequest || len(resp.Cookies()) != 0 || !strings.Contains(body(resp), "window of its own") {
				t.Errorf("%s %v: %d, %d cookies", dest, q, resp.StatusCode, len(resp.Cookies()))
			}
		}
	}
	if len(w.begun) != 0 || w.tests[TestID(test)] != "" || !maps.Equal(cookies, b.cookies) {
		t.Errorf("%d begun, test %q", len(w.begun), w.tests[TestID(test)])
	}
	// A link on that page is a navigation that people see.
	for _, site := range []string{"cross-site", "same-origin", "none"} {
		dest := "document"
		if site == "same-origin" {
			dest = "iframe"
		}
		resp := w.browser().do(http.MethodGet, "/auth/login?connection=acme-saml", http.Header{"Sec-Fetch-Site": {site}, "Sec-Fetch-Dest": {dest}})
		requested(t, resp)
	}
}

// The answer of a gate that lags behind is held against the connection as it was when the answer was verified.
func TestSignInSaysWhichConnectionTheAnswerWasVerifiedAgainst(t *testing.T) {
	w := newSAMLWorld(t)
	w.change("acme-saml", func(c *idp.Connection) { c.Epoch, c.Version = 7, 11 })
	w.change("acme-okta", func(c *idp.Connection) { c.Epoch, c.Version = 8, 12 })
	var got []session.SignIn
	w.signIn = func(in session.SignIn) error { got = append(got, in); return nil }
	w.browser().samlIn("alice")
	w.browser().signedIn("bob")
	if len(got) != 2 || got[0].ConnectionEpoch != 7 || got[0].ConnectionVersion != 11 || got[1].ConnectionEpoch != 8 || got[1].ConnectionVersion != 12 {
		t.Errorf("%+v", got)
	}
}
