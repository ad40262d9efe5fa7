package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

func TestOverSAMLTheRoleComesFromTheGroups(t *testing.T) {
	s := NewStack(t, Options{SAML: []*SAML{{URL: true, Encrypt: true}}})
	for name, role := range map[string]string{"ada": "Admin", "ann": "Analyst", "vic": "Viewer"} {
		p := s.AsSAML(name)
		p.SignIn("/rules/42/history?tab=2&q=a%20b&q=%C3%BC")
		if got := p.Fetch(http.MethodGet, "/api/v1/events").Identity; first(got["x-sso-role"]) != role || first(got["x-sso-email"]) != name+"@acme.example" {
			t.Errorf("%s arrived as %v", name, got)
		}
	}
	nia := s.AsSAML("nia")
	page, err := nia.Open(t.Context(), s.URL+"/events")
	if err != nil || page.Status != http.StatusForbidden {
		t.Errorf("nobody's group: %d, %v", page.Status, err)
	}
}

// What the six providers send is told apart by a page of presets; each is to work as it comes.
func TestEachProvidersMannersSignIn(t *testing.T) {
	var all []*SAML
	for _, profile := range idptest.SAMLProfiles() {
		tenant := "t-" + string(profile)
		all = append(all, &SAML{Tenant: tenant, ID: tenant + "-saml", Provider: string(profile), Shape: func(o *idptest.SAMLOptions) { o.Profile = profile }})
	}
	s := NewStack(t, Options{SAML: append(all, &SAML{})})
	for _, c := range all {
		p := s.AsSAML("ann")
		page, err := p.Open(t.Context(), s.URL+"/auth/login?connection="+c.ID+"&return_to=/events")
		if err != nil {
			t.Fatal(err)
		}
		if page.URL.RequestURI() != "/events" || page.Status != http.StatusOK {
			t.Errorf("%s: landed on %s (%d): %s", c.Provider, page.URL, page.Status, s.CLI("audit", "list", "-c", s.Config, "--tenant", c.Tenant, "--output", "json"))
			continue
		}
		id := p.Fetch(http.MethodGet, "/api/v1/events").Identity
		if first(id["x-sso-role"]) != "Analyst" || first(id["x-sso-email"]) != "ann@acme.example" || first(id["x-sso-tenant"]) != c.Tenant {
			t.Errorf("%s: arrived as %v", c.Provider, id)
		}
	}
}

func TestAStolenResponseIsWorthNothingInAnotherBrowser(t *testing.T) {
	s := NewStack(t, Options{SAML: []*SAML{{}}})
	victim, thief := s.AsSAML("ada"), s.AsSAML("vic")
	f := victim.Held("/events")
	relay := f.form.Get("RelayState")
	for name, prepare := range map[string]func() Person{
		"without an attempt": func() Person { return s.AsSAML("vic") },
		"with one of its own": func() Person {
			thief.Held("/events")
			return thief
		},
		"with one of its own, under whose handle it comes": func() Person {
			f.form.Set("RelayState", thief.Held("/events").form.Get("RelayState"))
			return thief
		},
		"with the victim's attempt beside a flow of its own": func() Person {
			p := s.AsSAML("vic")
			p.Held("/events")
			u, _ := url.Parse(s.URL)
			for _, k := range victim.Client.Jar.Cookies(u) {
				if k.Name == "__Host-ssogate-saml-"+relay {
					p.Client.Jar.SetCookies(u, []*http.Cookie{{Name: k.Name, Value: k.Value, Path: "/", Secure: true}})
				}
			}
			return p
		},
	} {
		p := prepare()
		page := p.Post(f)
		f.form.Set("RelayState", relay)
		if p.sessionCookie() != "" {
			t.Errorf("%s: signed in, at %s (%d)", name, page.URL, page.Status)
		}
	}
	if seen := s.Upstream.Seen(); len(seen) > 0 {
		t.Errorf("the dashboard was reached: %s", seen[0].Line)
	}
	if page := victim.Post(f); victim.sessionCookie() == "" {
		t.Errorf("what a thief tried keeps its owner out, at %s (%d)", page.URL, page.Status)
	}
}

func TestAResponseSignsInOnceAtAllGatesTogether(t *testing.T) {
	a, b := twoGates(t, Options{SAML: []*SAML{{}}})
	p := a.AsSAML("ada")
	f := p.Held("/events")
	thief := p.At(a) // has everything the browser had, as somebody who reads its disk
	kept := p.CookieLine()
	if page := p.Post(f); page.Status != http.StatusOK || p.sessionCookie() == "" {
		t.Fatalf("the first time: %s (%d): %s", page.URL, page.Status, tail(page.Body, 900))
	}
	for name, s := range map[string]*Stack{"the same gate": a, "another gate": b} {
		answer := postAgain(t, s, f, kept)
		if answer.StatusCode == http.StatusSeeOther && !strings.Contains(answer.Header.Get("Location"), "/auth/") || setsSession(answer) {
			t.Errorf("%s signs in again: %d to %s", name, answer.StatusCode, answer.Header.Get("Location"))
		}
		if got := s.audited(); !strings.Contains(got, "saml-replay") {
			t.Errorf("%s: the audit says %s", name, tail(got, 900))
		}
	}
	_ = thief
	// Both at once, fresh: one session.
	again := a.AsSAML("ann")
	f = again.Held("/events")
	kept = again.CookieLine()
	type result struct{ signedIn bool }
	results := make(chan result, 8)
	for i := range 8 {
		s := []*Stack{a, b}[i%2]
		go func() { results <- result{setsSession(postAgain(t, s, f, kept))} }()
	}
	n := 0
	for range 8 {
		if (<-results).signedIn {
			n++
		}
	}
	if n != 1 {
		t.Errorf("one response posted eight times at once at two gates made %d sessions, want 1", n)
	}
}

// postAgain sends a form with cookies that the browser had once.
func postAgain(t *testing.T, s *Stack, f posted, cookies string) *http.Response {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.to, strings.NewReader(f.form.Encode()))
	if err != nil {
		t.Error(err)
		return &http.Response{}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Cookie", cookies)
	c := s.Client()
	c.Transport = crossSite{c.Transport}
	resp, err := c.Do(r)
	if err != nil {
		t.Error(err)
		return &http.Response{}
	}
	_ = resp.Body.Close()
	return resp
}

func setsSession(r *http.Response) bool {
	return slices.ContainsFunc(r.Cookies(), func(c *http.Cookie) bool {
		return (c.Name == "ssogate" || c.Name == "__Host-ssogate") && c.Value != "" && c.MaxAge >= 0
	})
}

func TestWhoIsRemovedOverSCIMIsRefusedThoughSAMLLetThemIn(t *testing.T) {
	s := NewStack(t, Options{Tenant: "scim: true, domains: [acme.example], ", SAML: []*SAML{{
		Provider: "okta", Keys: "join: user_name, ", Shape: func(o *idptest.SAMLOptions) { o.Profile = idptest.SAMLOkta },
	}}})
	client := s.SCIM("acme", idptest.OktaOIN)
	account := idptest.AccountOf(people[1])
	account.UserName = people[1].Email // what Okta sends as NameID as well
	id, err := client.Provision(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	viewers, err := client.CreateGroup(t.Context(), idptest.Team{DisplayName: "viewers"})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.AddMember(t.Context(), viewers, id); err != nil {
		t.Fatal(err)
	}
	p := s.AsSAML("ann")
	p.SignIn("/events")
	if got := p.Fetch(http.MethodGet, "/api/v1/events").Identity; first(got["x-sso-user"]) != id || first(got["x-sso-role"]) != "Viewer" {
		t.Fatalf("arrived as %v: the assertion's groups count for nothing where SCIM is on", got)
	}
	if err := client.Deactivate(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got := p.Fetch(http.MethodGet, "/api/v1/events"); got.Status != http.StatusForbidden {
		t.Errorf("the next request: %d, want 403", got.Status)
	}
	for _, name := range []string{"ann", "ada"} { // deactivated; never provisioned
		again := s.AsSAML(name)
		page, err := again.Open(t.Context(), s.URL+"/")
		if err != nil || page.Status != http.StatusForbidden {
			t.Errorf("%s signs in and gets %d, %v", name, page.Status, err)
		}
	}
}

// crowd is a provider of a profile whose Ann is in 2,000 groups.
func crowd(profile idptest.SAMLProfile) func(*idptest.SAMLOptions) {
	groups := []string{"analysts"}
	for i := range 1999 {
		groups = append(groups, fmt.Sprintf("%08x-5d7b-4c61-9a3e-1f0f6b6c7a11", i))
	}
	return func(o *idptest.SAMLOptions) {
		o.Profile = profile
		o.People = []idptest.Person{{Sub: "p-ann", UserName: "ann", Email: "ann@acme.example", Name: "Ann Analyst", Groups: groups}}
	}
}

// Groups by the thousand are ordinary in a large company: the form is close to the limit then.
func TestTwoThousandGroupsPassThroughEnvoy(t *testing.T) {
	s := NewStack(t, Options{SAML: []*SAML{
		{ID: "okta-saml", Provider: "okta", Shape: crowd(idptest.SAMLOkta)},
		{Tenant: "sealed", ID: "sealed-saml", Provider: "okta", Shape: crowd(idptest.SAMLOkta), Encrypt: true},
		{Tenant: "keycloak", ID: "keycloak-saml", Provider: "keycloak", Shape: crowd(idptest.SAMLKeycloak)},
	}})
	for _, c := range s.SAML {
		s.crowdSignsIn(c, 500_000)
	}
}

// Keycloak's shape, encrypted, is past the default. The operator's one number moves Envoy's limit and the gate's.
func TestLargerResponsesPassWhereTheOperatorLetsThem(t *testing.T) {
	s := NewStack(t, Options{Extra: "saml: {max_response_kib: 1024}", SAML: []*SAML{
		{ID: "keycloak-saml", Provider: "keycloak", Shape: crowd(idptest.SAMLKeycloak), Encrypt: true},
	}})
	s.crowdSignsIn(s.SAML[0], 983_040)
}

// crowdSignsIn demands that Ann lands, with a form of at least so many bytes.
func (s *Stack) crowdSignsIn(c *SAML, least int) {
	s.T.Helper()
	p := s.AsSAML("ann")
	f := p.Held(direct(c, "/events"))
	body := f.form.Encode()
	if len(body) < least {
		s.T.Errorf("%s: the form has only %d bytes", c.ID, len(body))
	}
	page := p.PostText(f.to, body)
	if page.Status != http.StatusOK || page.URL.RequestURI() != "/events" {
		s.T.Errorf("%s: %d bytes lead to %s (%d): %s", c.ID, len(body), page.URL, page.Status, tail(page.Body, 600))
		return
	}
	if got := p.Fetch(http.MethodPost, "/api/v1/events"); got.Status != http.StatusOK || first(got.Identity["x-sso-role"]) != "Analyst" {
		s.T.Errorf("%s: %d %v", c.ID, got.Status, got.Identity["x-sso-role"])
	}
}

func TestABodyOfTheLimitReachesTheGateAndOneByteMoreIsRefused(t *testing.T) {
	certificate := NewTLS(t)
	s := NewStack(t, Options{TLS: certificate, SAML: []*SAML{{}}})
	h1 := s.Client()
	h2 := s.AsSAML("vic").h2()
	const limit = 983_040
	for name, client := range map[string]*http.Client{"HTTP/1.1": h1, "HTTP/2.0": h2} {
		for size, want := range map[int]int{limit: http.StatusForbidden, limit + 1: http.StatusRequestEntityTooLarge} {
			form := "SAMLResponse="
			form += strings.Repeat("A", size-len(form))
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+samlACS, strings.NewReader(form))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != want || resp.Proto != name {
				t.Errorf("%d bytes over %s: %d, want %d", size, resp.Proto, resp.StatusCode, want)
			}
		}
	}
}

func TestSAMLSecretsAreNeverWrittenDown(t *testing.T) {
	s := NewStack(t, Options{SAML: []*SAML{{Encrypt: true, Shape: func(o *idptest.SAMLOptions) { o.Profile = idptest.SAMLOkta }, Provider: "okta"}}})
	var planted []string
	note := func(values ...string) {
		for _, v := range values {
			if len(v) > 7 {
				planted = append(planted, v)
			}
		}
	}
	p := s.AsSAML("vic")
	f := p.Held("/events")
	note(p.CookieLine(), f.form.Get("SAMLResponse"), url.QueryEscape(f.form.Get("SAMLResponse")), "vic@acme.example")
	for pair := range strings.SplitSeq(p.CookieLine(), "; ") {
		_, value, _ := strings.Cut(pair, "=")
		note(value)
	}
	p.Post(f)
	note(p.sessionCookie())
	p.Post(f) // and again
	f.form.Set("SAMLResponse", f.form.Get("SAMLResponse")[:400])
	p.Post(f)
	if _, err := p.Open(t.Context(), s.URL+"/auth/logout"); err != nil {
		t.Error(err)
	}
	logs := s.Gate.Output() + s.Envoy.Output()
	for _, v := range planted {
		if strings.Contains(logs, v) || strings.Contains(logs, v[:len(v)/2]) && len(v) > 40 {
			t.Errorf("a log holds %.12s…", v)
		}
	}
	if strings.Contains(logs, "SAMLResponse=") || strings.Contains(logs, "SAMLRequest=") || strings.Contains(logs, "Signature=") {
		t.Error("a log holds a message of SAML")
	}
}
