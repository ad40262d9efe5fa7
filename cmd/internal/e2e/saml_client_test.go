package e2e

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// crossSite sends what a browser would: a form that another site posts here carries no cookie that is Lax. Without it a
// test proves something about Go's cookie jar, which knows nothing of sites.
type crossSite struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (c crossSite) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/auth/callback/saml/") && !strings.HasPrefix(r.URL.Path, "/auth/saml/") {
		return c.RoundTripper.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	cookies := r.Cookies()
	r.Header.Del("Cookie")
	for _, k := range cookies {
		if strings.HasPrefix(k.Name, "__Host-ssogate-saml") {
			r.AddCookie(k)
		}
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	return c.RoundTripper.RoundTrip(r)
}

// AsSAML is As for a provider that posts its answers.
func (s *Stack) AsSAML(name string) Person {
	return Person{s, idptest.NewBrowser(name, crossSite{s.transport()})}
}

// posted is a form on its way to the gate.
type posted struct {
	to   string
	form url.Values
}

// Held begins a sign-in and stops in front of the form that would end it.
func (p Person) Held(path string) posted {
	p.s.T.Helper()
	p.Stop = func(u *url.URL) bool { return strings.HasPrefix(u.Path, "/auth/callback/saml/") }
	defer func() { p.Stop = nil }()
	page, err := p.Open(p.s.T.Context(), p.s.URL+path)
	if err != nil {
		p.s.T.Fatal(err)
	}
	form, to, err := page.Form()
	if err != nil || !form.Has("SAMLResponse") {
		p.s.T.Fatalf("no response is on its way from %s (%d), %v: %s", page.URL, page.Status, err, tail(page.Body, 900))
	}
	return posted{to.String(), form}
}

// Post sends a form and follows where it leads.
func (p Person) Post(f posted) idptest.Page {
	p.s.T.Helper()
	return p.PostText(f.to, f.form.Encode())
}

// PostText is Post for a form that is written out.
func (p Person) PostText(to, form string) idptest.Page {
	p.s.T.Helper()
	r, err := http.NewRequestWithContext(p.s.T.Context(), http.MethodPost, to, strings.NewReader(form))
	if err != nil {
		p.s.T.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	resp, err := p.Client.Do(r)
	if err != nil {
		p.s.T.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return idptest.Page{URL: resp.Request.URL, Status: resp.StatusCode, Header: resp.Header, Body: readAnswer(resp).Body}
}

// sessionCookie is the value of the browser's session cookie; empty: it has none.
func (p Person) sessionCookie() string {
	for pair := range strings.SplitSeq(p.CookieLine(), "; ") {
		if value, ok := strings.CutPrefix(pair, "ssogate="); ok {
			return value
		}
	}
	return ""
}
