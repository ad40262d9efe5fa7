package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
)

// The browser's own part of signing in: redirects it follows, cookies it keeps, pages it shows.
func TestInChromium(t *testing.T) {
	s := NewStack(t, Options{})
	c := StartChromium(t)
	for name, test := range map[string]func(*testing.T, *Stack, *Profile){
		"each role signs in by a click and lands on the page asked for": eachRoleLands,
		"sign-out ends it, and reload and back show nothing more":       signOutEndsIt,
		"the fragment of the address stays in the browser":              fragmentStays,
		"a viewer refused sees why and changes to another account":      refusedSwitchesAccount,
		"a deactivated person sees the page that says so":               deactivatedSeesPage,
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

func eachRoleLands(t *testing.T, s *Stack, p *Profile) {
	tab := p.Main()
	for person, role := range map[string]string{"ada": "Admin", "ann": "Analyst", "vic": "Viewer"} {
		page := s.URL + "/rules/42/history?for=" + person + "&q=a%20b&q=%C3%BC"
		if status := tab.Open(page); status != http.StatusOK || !strings.HasPrefix(tab.URL(), s.IdPURL+"/authorize?") {
			t.Fatalf("%s: not at the provider but at %s (%d)", person, tab.URL(), status)
		}
		tab.Screenshot("people")
		s.Upstream.Forget()
		if status := tab.Pick(person); status != http.StatusOK || tab.URL() != page {
			t.Fatalf("%s landed on %s (%d)", person, tab.URL(), status)
		}
		seen := s.Upstream.Seen()
		if len(seen) == 0 || first(seen[0].Values("x-sso-role")) != role {
			t.Errorf("%s: the dashboard saw %v", person, seen)
		}
		if cookie := seen[0].Values("cookie"); len(cookie) > 0 {
			t.Errorf("%s: cookies went on to the dashboard: %d bytes", person, len(cookie[0]))
		}
		jar := p.Cookies()
		for _, name := range []string{"ssogate", "ssogate-flow"} {
			if c := jar[name]; c == nil || !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax || c.Path != "/" || c.Domain != "localhost" || c.Size > 400 {
				t.Errorf("%s: cookie %s is %+v", person, name, c)
			}
		}
		if got := tab.Eval("document.cookie"); got != "" {
			t.Errorf("%s: scripts see cookies", person)
		}
		if status := tab.Open(s.URL + "/auth/logout"); status != http.StatusOK {
			t.Fatalf("%s: sign-out: %d", person, status)
		}
	}
}

func signOutEndsIt(t *testing.T, s *Stack, p *Profile) {
	tab := p.Main()
	tab.Open(s.URL + "/events")
	tab.Pick("vic")
	if status := tab.Open(s.URL + "/auth/logout"); status != http.StatusOK || !strings.Contains(tab.Text(), "You are signed out") {
		t.Fatalf("sign-out: %d %s", status, tab.Text())
	}
	tab.Screenshot("signed-out")
	if s.IdP.Count("GET /logout") == 0 {
		t.Error("the provider was not asked to sign out")
	}
	if p.Cookies()["ssogate"] != nil {
		t.Error("the session cookie is still there")
	}
	s.Upstream.Forget()
	tab.Back() // the browser may show the page it kept: what it is told anew is what counts
	if status := tab.Reload(); status != http.StatusOK || !strings.HasPrefix(tab.URL(), s.IdPURL+"/authorize?") {
		t.Errorf("back and reload lead to %s (%d)", tab.URL(), status)
	}
	if tab.Open(s.URL + "/events"); !strings.HasPrefix(tab.URL(), s.IdPURL+"/authorize?") {
		t.Errorf("the page is shown again at %s", tab.URL())
	}
	for _, seen := range s.Upstream.Seen() {
		t.Errorf("the dashboard was reached: %s", seen.Line)
	}
}

func fragmentStays(t *testing.T, s *Stack, p *Profile) {
	tab := p.Main()
	tab.Open(s.URL + "/events#token=planted-fragment")
	if at := tab.URL(); !strings.HasPrefix(at, s.IdPURL+"/authorize?") || strings.Contains(at, "planted-fragment") {
		t.Fatalf("the provider's page is %s", at)
	}
	tab.Pick("vic")
	if at := tab.URL(); strings.TrimSuffix(at, "#") != s.URL+"/events" {
		t.Errorf("landed on %s", at)
	}
	// A redirect that does not mind the fragment hands it on; were it not so, the lines above would prove nothing.
	careless := httptest.NewServer(http.RedirectHandler(s.IdPURL+"/", http.StatusFound))
	defer careless.Close()
	if tab.Open(careless.URL + "/#token=planted-fragment"); !strings.Contains(tab.URL(), "planted-fragment") {
		t.Errorf("this browser keeps no fragment over redirects: %s", tab.URL())
	}
}

func refusedSwitchesAccount(t *testing.T, s *Stack, p *Profile) {
	tab := p.Main()
	if tab.Open(s.URL + "/settings?tab=team"); tab.Pick("vic") != http.StatusForbidden {
		t.Fatalf("a viewer on /settings: %s %s", tab.URL(), tab.Text())
	}
	tab.Screenshot("refused")
	text := tab.Text()
	id := tab.Eval("document.querySelector('footer code').innerText")
	if !strings.Contains(text, "do not have access") || id == "" || !strings.Contains(s.decisions(), `"`+id+`"`) {
		t.Errorf("the page names decision %q, which the log does not hold:\n%s", id, text)
	}
	// The page's policy bites: a script put into it does not run, and the browser says so.
	tab.Eval(`document.body.appendChild(document.createElement("script")).textContent = "document.title = 'foreign'", ""`)
	Eventually(t, "the browser reports the violation", func() bool { return len(tab.Complaints()) > 0 })
	if got := tab.Eval("document.title"); got == "foreign" || !strings.Contains(strings.Join(tab.Complaints(), " "), "Content Security Policy") {
		t.Errorf("title %q, complaints %q", got, tab.Complaints())
	}
	tab.Forget()
	if status := tab.Click("a[href*='switch=1']"); status != http.StatusOK || !strings.HasPrefix(tab.URL(), s.IdPURL+"/authorize?") {
		t.Fatalf("another account leads to %s (%d): the provider must ask who is there", tab.URL(), status)
	}
	if status := tab.Pick("ada"); status != http.StatusOK || tab.URL() != s.URL+"/settings?tab=team" {
		t.Errorf("the other account landed on %s (%d)", tab.URL(), status)
	}
}

func deactivatedSeesPage(t *testing.T, s *Stack, p *Profile) {
	tab := p.Main()
	tab.Open(s.URL + "/")
	s.Upstream.Forget()
	tab.Pick("ann")
	id := first(s.Upstream.Seen()[0].Values("x-sso-user"))
	s.CLI("user", "deactivate", "-c", s.Config, "--tenant", "acme", id)
	t.Cleanup(func() { s.CLI("user", "activate", "-c", s.Config, "--tenant", "acme", id) })
	if status := tab.Reload(); status != http.StatusForbidden {
		t.Errorf("the next page: %d %s", status, tab.Text())
	}
	tab.Screenshot("deactivated")
}

// decisions is the decision log so far.
func (s *Stack) decisions() string {
	s.T.Helper()
	return readFile(s.T, s.Log)
}

// land opens as many tabs at once as there are pages, and complains of each that does not end on its own page.
func land(t *testing.T, tabs []*Tab, what string, pages []string, do func(i int, tab *Tab) (int, error)) {
	t.Helper()
	statuses, errs := make([]int, len(tabs)), make([]error, len(tabs))
	var wg sync.WaitGroup
	for i, tab := range tabs {
		wg.Go(func() { statuses[i], errs[i] = do(i, tab) })
	}
	wg.Wait()
	for i, tab := range tabs {
		if errs[i] != nil {
			t.Errorf("%s, tab %d: %v", what, i, errs[i])
			continue
		}
		if at := strings.TrimSuffix(tab.URL(), "#"); statuses[i] != http.StatusOK || at != pages[i] {
			t.Errorf("%s, tab %d: %d at %s, want %s; it went over %v", what, i, statuses[i], at, pages[i], tab.Visits())
		}
	}
}

// calm complains of an answer other than a page or a redirect, of a cookie the browser did not keep, and of a Cookie
// header that grows with the number of tabs.
func calm(t *testing.T, what string, p *Profile, tabs []*Tab) {
	t.Helper()
	for i, tab := range tabs {
		for _, v := range tab.Visits() {
			if v.Status >= 400 {
				u, _ := url.Parse(v.URL)
				t.Errorf("%s, tab %d: %d from %s%s", what, i, v.Status, u.Host, u.Path)
			}
		}
		if got := tab.Complaints(); len(got) > 0 {
			t.Errorf("%s, tab %d: the browser complains: %q", what, i, got)
		}
		if n := tab.CookieBytes(); n > 1000 {
			t.Errorf("%s, tab %d: %d bytes of cookies", what, i, n)
		}
		tab.Forget()
	}
	want := []string{"__Host-ssogate-saml", "demo-idp", "ssogate", "ssogate-flow"}
	if got := slices.Sorted(maps.Keys(p.Cookies())); !slices.Equal(got, want) {
		t.Errorf("%s: the jar holds %q, want %q", what, got, want)
	}
}

const tabCount = 20

func TestTwentyTabsAtOnceAllLandOnTheirOwnPages(t *testing.T) {
	s := NewStack(t, Options{})
	p := StartChromium(t).Profile(t)
	tabs := append([]*Tab{p.Main()}, p.Tabs(tabCount-1)...)
	var pages []string
	for i := range tabs {
		pages = append(pages, fmt.Sprintf("%s/events/%d?tab=%d", s.URL, i, i))
	}
	open := func(i int, tab *Tab) (int, error) { return tab.TryOpen(pages[i]) }
	began := time.Now()

	// Nobody is known to anyone: every tab ends on the provider's page. In one a person is picked, half of the others
	// are loaded again and half picked in too, all at once.
	var wg sync.WaitGroup
	for i, tab := range tabs {
		wg.Go(func() { _, _ = tab.TryOpen(pages[i]) })
	}
	wg.Wait()
	for i, tab := range tabs {
		if at := tab.URL(); !strings.HasPrefix(at, s.IdPURL+"/authorize?") {
			t.Fatalf("tab %d is not at the provider but at %s", i, at)
		}
	}
	if status := tabs[0].Pick("vic"); status != http.StatusOK || tabs[0].URL() != pages[0] {
		t.Fatalf("the first tab landed on %s (%d)", tabs[0].URL(), status)
	}
	land(t, tabs[1:], "nobody known", pages[1:], func(i int, tab *Tab) (int, error) {
		if i%2 == 0 {
			return tab.TryPick("vic")
		}
		return tab.TryReload() // the provider knows the person by now
	})
	calm(t, "nobody known", p, tabs)

	// A browser that restores its tabs after its sessions ended: the provider still knows the person, and the flow
	// cookie is there.
	p.Drop("ssogate")
	land(t, tabs, "restored", pages, open)
	calm(t, "restored", p, tabs)

	// The same without a flow cookie: each tab is given one of its own, and only the last of them stays.
	p.Drop("ssogate", "ssogate-flow", "__Host-ssogate-saml")
	land(t, tabs, "restored without a flow cookie", pages, open)
	calm(t, "restored without a flow cookie", p, tabs)

	if t.Failed() {
		for line := range strings.Lines(s.Gate.Output()) {
			if !strings.Contains(line, `"level":"INFO"`) {
				t.Log(line)
			}
		}
	}
	t.Logf("20 tabs three times in %s, %d codes redeemed", time.Since(began).Round(time.Millisecond), s.IdP.Count("POST /token"))
}

func TestAWorkAddressFindsTheRightProvider(t *testing.T) {
	s := NewStack(t, Options{Tenant: "domains: [acme.example], ", Extra: `  - {id: globex, slug: globex, domains: [globex.example],
     connections: [{id: globex-idp, protocol: oidc, provider: generic, issuer: "http://127.0.0.1:9", client_id: other, client_secret: {env: E2E_SECRET}}]}
`})
	p := StartChromium(t).Profile(t)
	tab := p.Main()
	if status := tab.Open(s.URL + "/events?page=3"); status != http.StatusOK || !strings.Contains(tab.Text(), "Work e-mail address") {
		t.Fatalf("the sign-in page: %d %s", status, tab.Text())
	}
	tab.Screenshot("sign-in")
	tab.Type("#email", "vic@nowhere.example")
	if tab.Click("button"); !strings.Contains(tab.Text(), "no sign-in for that address") {
		t.Errorf("an unknown domain: %s", tab.Text())
	}
	tab.Screenshot("sign-in-unknown")
	tab.Eval("document.querySelector('#email').value = ''")
	tab.Type("#email", "vic@acme.example")
	if tab.Click("button"); !strings.HasPrefix(tab.URL(), s.IdPURL+"/authorize?") {
		t.Fatalf("the address leads to %s: %s", tab.URL(), tab.Text())
	}
	if got := tab.Eval("document.querySelector('.suggested').dataset.user"); got != "vic" {
		t.Errorf("the provider suggests %q", got)
	}
	if status := tab.Pick("vic"); status != http.StatusOK || tab.URL() != s.URL+"/events?page=3" {
		t.Errorf("landed on %s (%d)", tab.URL(), status)
	}
	if got := tab.Complaints(); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
}
