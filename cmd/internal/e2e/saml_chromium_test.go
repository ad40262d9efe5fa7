package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// The browser's own part of SAML: which cookies a form from another site brings along, what pages may send where, and
// what happens when people do things twice. HTTP libraries know nothing of that.
func TestInChromiumOverSAML(t *testing.T) {
	s := NewStack(t, Options{SAML: []*SAML{
		{URL: true},
		{Tenant: "posting", ID: "posting-saml", SLOPost: true, Shape: func(o *idptest.SAMLOptions) { o.Post, o.WantSign = true, true }},
		{Tenant: "bouncing", ID: "bouncing-saml", Keys: "idp_initiated: bounce, "},
	}})
	c := StartChromium(t)
	for name, test := range map[string]func(*testing.T, *Stack, *Profile){
		"a person signs in by redirect and lands on the page asked for": samlRedirect,
		"a request that is posted arrives as well":                      samlPosted,
		"sign-out here ends it there":                                   samlSignOutHere,
		"sign-out there ends it here":                                   samlSignOutThere,
		"a sign-in nobody asked for is refused":                         samlUnsolicited,
		"or begun anew where the company wants that":                    samlBounces,
		"back and again changes nothing":                                samlBack,
		"a form sent twice signs nobody out":                            samlTwice,
		"twenty tabs at once all arrive":                                samlTabs,
		"two companies in one browser":                                  samlTwoCompanies,
	} {
		t.Run(name, func(t *testing.T) {
			p := c.Profile(t)
			test(t, s, p)
			if got := p.Main().Complaints(); len(got) > 0 {
				t.Errorf("the browser complains: %q", got)
			}
		})
	}
}

// direct is the address that begins a sign-in at one connection.
func direct(c *SAML, path string) string {
	return "/auth/login?connection=" + c.ID + "&return_to=" + path
}

func samlRedirect(t *testing.T, s *Stack, p *Profile) {
	const path = "/rules/42/history?q=a%20b&q=%C3%BC"
	tab, idp := p.Main(), s.SAML[0].IdP
	begin := s.URL + direct(s.SAML[0], "/rules/42/history?q=a%2520b%26q=%25C3%25BC")
	tab.Open(begin)
	tab.Lands(idp.URL("/"))
	attempts := 0
	for name, k := range p.Cookies() {
		if !strings.HasPrefix(name, "__Host-ssogate-saml-") {
			continue
		}
		attempts++
		if !k.Secure || !k.HTTPOnly || k.SameSite != network.CookieSameSiteNone || k.Path != "/" || k.Size > 2000 {
			t.Errorf("cookie %s: Secure %t, HttpOnly %t, SameSite %s, Path %s, %d bytes", name, k.Secure, k.HTTPOnly, k.SameSite, k.Path, k.Size)
		}
	}
	if attempts != 1 {
		t.Errorf("%d attempts are in the jar, want 1", attempts)
	}
	s.Upstream.Forget()
	tab.Press(`button[data-user="vic"]`)
	tab.Lands(s.URL + path)
	if role, email := s.lastSeen("/rules/42/history"); role != "Viewer" || email != "vic@acme.example" {
		t.Errorf("arrived as %s %s", role, email)
	}
	for _, seen := range s.Upstream.Seen() {
		if got := seen.Values("cookie"); len(got) > 0 {
			t.Errorf("cookies went on to the dashboard: %d bytes", len(got[0]))
		}
	}
	for name, k := range p.Cookies() {
		if strings.HasPrefix(name, "__Host-ssogate-saml-") {
			t.Errorf("the attempt %s outlives its use", name)
		}
		if name == "ssogate" && (k.SameSite != network.CookieSameSiteLax || !k.HTTPOnly) {
			t.Errorf("the session cookie is SameSite %s, HttpOnly %t", k.SameSite, k.HTTPOnly)
		}
	}
	if got := tab.Eval("document.cookie"); got != "" {
		t.Error("scripts see cookies")
	}
}

func samlPosted(t *testing.T, s *Stack, p *Profile) {
	tab, c := p.Main(), s.SAML[1]
	tab.Open(s.URL + direct(c, "/events"))
	tab.Lands(c.IdP.URL("/"))
	tab.Press(`button[data-user="ann"]`)
	tab.Lands(s.URL + "/events")
	if c.IdP.Count("POST /sso") == 0 {
		t.Error("the request did not come by POST")
	}
	if role, _ := s.lastSeen("/events"); role != "Analyst" {
		t.Errorf("arrived as %s", role)
	}
}

func samlSignOutHere(t *testing.T, s *Stack, p *Profile) {
	for _, c := range s.SAML[:2] {
		tab := p.Main()
		tab.enterVia(s, c)
		tab.Open(s.URL + "/auth/logout")
		tab.Says(s.URL, "signed out at your identity provider")
		if p.Cookies()["ssogate"] != nil {
			t.Error("the session cookie outlives the sign-out")
		}
		tab.Open(s.URL + direct(c, "/events"))
		tab.Says(c.IdP.URL("/"), "Who are you") // the provider does not know any more
	}
}

func samlSignOutThere(t *testing.T, s *Stack, p *Profile) {
	tab := p.Main()
	for _, c := range s.SAML[:2] {
		tab.enterVia(s, c)
		tab.Open(c.IdP.URL("/"))
		tab.Press("a.logout")
		tab.Says(c.IdP.URL("/slo"), "Signed out") // it has our answer, which succeeds
		s.Upstream.Forget()
		tab.Open(s.URL + "/events")
		tab.Lands(c.IdP.URL("/")) // a page that posts on by itself stands at the address it was asked for, for a moment
		if seen := s.Upstream.Seen(); len(seen) > 0 {
			t.Errorf("the dashboard was reached: %s", seen[0].Line)
		}
	}
}

func samlUnsolicited(t *testing.T, s *Stack, p *Profile) {
	tab, c := p.Main(), s.SAML[0]
	tab.Open(c.IdP.URL("/"))
	tab.Press("a.tile")
	tab.Lands(c.IdP.URL("/start"))
	tab.Press(`button[data-user="ada"]`)
	tab.Lands(s.URL + samlACS)
	if text := tab.Text(); !strings.Contains(text, "saml-unsolicited") || p.Cookies()["ssogate"] != nil {
		t.Errorf("a response nobody asked for: %s", text)
	}
	tab.Screenshot("saml-unsolicited")
}

func samlBounces(t *testing.T, s *Stack, p *Profile) {
	tab, c := p.Main(), s.SAML[2]
	tab.Open(c.IdP.URL("/"))
	tab.Press("a.tile")
	tab.Lands(c.IdP.URL("/start"))
	tab.Press(`button[data-user="ada"]`)
	tab.Lands(s.URL + "/")
	Eventually(t, "the start page is shown", func() bool { return tab.URL() == s.URL+"/" })
	if role, _ := s.lastSeen("/"); role != "Admin" {
		t.Errorf("arrived as %s", role)
	}
}

func samlBack(t *testing.T, s *Stack, p *Profile) {
	tab, c := p.Main(), s.SAML[0]
	tab.enterVia(s, c)
	session := p.Cookies()["ssogate"].Value
	tab.Eval("history.back(), ''")
	Eventually(t, "a page is shown", func() bool { return tab.at() != "" })
	if at := tab.at(); strings.HasPrefix(at, c.IdP.URL("/")) && strings.Contains(tab.Text(), "Who are you") {
		tab.Press(`button[data-user="ada"]`) // somebody else, in an attempt that is over
		tab.Lands(s.URL)
	}
	if k := p.Cookies()["ssogate"]; k == nil {
		t.Errorf("signed out by the back button, at %s: %s", tab.URL(), tab.Text())
	} else if k.Value != session {
		t.Logf("the session was renewed, at %s", tab.URL())
	}
}

// at is the address of a page that is at rest, or nothing.
func (tab *Tab) at() string {
	tab.t.Helper()
	at := ""
	Eventually(tab.t, "the page rests", func() bool {
		var err error
		at, err = tab.tryEval("document.readyState == 'complete' ? location.href : ''")
		return err == nil && at != ""
	})
	return at
}

func samlTwice(t *testing.T, s *Stack, p *Profile) {
	tab, c := p.Main(), s.SAML[0]
	tab.enterVia(s, c)
	before := s.sessions()
	response, at := c.IdP.LastResponse(), c.IdP.URL("/")
	tab.Open(at)
	tab.Eval(fmt.Sprintf(`(() => { const f = document.createElement("form"); f.method = "post"; f.action = %q;
		for (const [k, v] of [["SAMLResponse", %q], ["RelayState", "0a1b2c3d"]]) { const i = document.createElement("input"); i.type = "hidden"; i.name = k; i.value = v; f.append(i) }
		document.body.append(f); HTMLFormElement.prototype.submit.call(f); return "" })()`, s.URL+samlACS, response))
	tab.Lands(s.URL)
	if p.Cookies()["ssogate"] == nil {
		t.Errorf("signed out by a form sent twice, at %s: %s", tab.URL(), tab.Text())
	}
	if status := tab.Open(s.URL + "/events"); status != http.StatusOK || tab.URL() != s.URL+"/events" {
		t.Errorf("then the page is %s (%d)", tab.URL(), status)
	}
	if after := s.sessions(); after > before {
		t.Errorf("a form sent twice made a session more: %d after %d", after, before)
	}
}

// sessions counts the company's live sessions.
func (s *Stack) sessions() int {
	s.T.Helper()
	return strings.Count(s.CLI("session", "list", "-c", s.Config, "--tenant", "acme", "--output", "json"), `"user"`)
}

// enterVia begins at one connection, signs in as Vic, and ends on the page of events.
func (tab *Tab) enterVia(s *Stack, c *SAML) {
	tab.t.Helper()
	tab.Open(s.URL + direct(c, "/events"))
	tab.Lands(c.IdP.URL("/"))
	tab.Press(`button[data-user="vic"]`)
	tab.Lands(s.URL + "/events")
}

// A browser that restores its tabs after its session ended: the provider still knows who it is, and the cookies that tie
// attempts to a browser are there.
func samlTabs(t *testing.T, s *Stack, p *Profile) {
	c := s.SAML[0]
	p.Main().enterVia(s, c)
	p.Drop("ssogate")
	tabs := p.Tabs(20)
	var wg sync.WaitGroup
	for i, tab := range tabs {
		wg.Go(func() {
			if _, err := tab.TryOpen(s.URL + fmt.Sprintf("/events?tab=%d", i)); err != nil && !strings.Contains(err.Error(), "ERR_ABORTED") {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, tab := range tabs {
		tab.Lands(s.URL + "/events?tab=")
		if at := tab.at(); at != fmt.Sprintf("%s/events?tab=%d", s.URL, i) {
			t.Errorf("tab %d rests on %s", i, at)
		}
	}
	// What twenty answers that knew nothing of each other left in the jar, the next one clears away.
	p.Main().Open(s.URL + direct(c, "/events"))
	n := 0
	for name := range p.Cookies() {
		if strings.HasPrefix(name, "__Host-ssogate-saml-") {
			n++
		}
	}
	if n > 8 {
		t.Errorf("%d attempts are left in the jar", n)
	}
}

func samlTwoCompanies(t *testing.T, s *Stack, p *Profile) {
	tab := p.Main()
	tab.enterVia(s, s.SAML[0])
	first := p.Cookies()["ssogate"].Value
	tab.Open(s.URL + direct(s.SAML[1], "/rules"))
	Eventually(t, "the other company's provider asks, or the gate", func() bool {
		at := tab.at()
		if strings.HasPrefix(at, s.URL+"/auth/") && strings.Contains(tab.Text(), "Continue") {
			tab.Press("a.button, button")
		}
		return strings.HasPrefix(at, s.SAML[1].IdP.URL("/"))
	})
	tab.Press(`button[data-user="ada"]`)
	tab.Lands(s.URL + "/rules")
	if role, _ := s.lastSeen("/rules"); role != "Admin" || p.Cookies()["ssogate"].Value == first {
		t.Errorf("arrived as %s", role)
	}
	// What one company's provider says is worth nothing at the other's connection.
	f, err := s.SAML[1].IdP.Respond(idptest.RespondOptions{SP: idptest.SAMLSP{EntityID: s.URL + samlMetadata, ACS: s.URL + samlACS}, Person: people[0], InResponseTo: "_x"})
	if err != nil {
		t.Fatal(err)
	}
	q := s.AsSAML("ada")
	form := posted{to: s.URL + samlACS, form: map[string][]string{"SAMLResponse": {f}, "RelayState": {q.Held("/auth/login?connection=" + samlConnection).form.Get("RelayState")}}}
	if page := q.Post(form); q.sessionCookie() != "" {
		t.Errorf("signed in by another company's provider, at %s", page.URL)
	}
}

// Cookie names, flags and the checks of addresses differ over https.
func TestOverHTTPSWithTwoNamesSAMLSignsIn(t *testing.T) {
	certificate := NewTLS(t)
	s := NewStack(t, Options{TLS: certificate, SAML: []*SAML{{Host: CompanyIdP, Encrypt: true}}})
	p := StartChromium(t, certificate).Profile(t)
	tab := p.Main()
	tab.Open(s.URL + "/events?page=2")
	tab.Lands(s.SAML[0].IdP.URL("/"))
	tab.Press(`button[data-user="vic"]`)
	tab.Lands(s.URL + "/events?page=2")
	k := p.Cookies()["__Host-ssogate"]
	if k == nil || !k.Secure || !k.HTTPOnly || k.SameSite != network.CookieSameSiteLax {
		t.Errorf("the session cookie is %+v", k)
	}
	if got := tab.Complaints(); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
}
