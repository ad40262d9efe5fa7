package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

// attacksAConnection is how many of them one connection sees: above a hundred a minute the audit log leaves refusals out.
const attacksAConnection = 60

// Every named attack on a real assertion consumer service: the browser is one that has begun a sign-in of its own, as any
// employee's. Attacks on settings that this connection does not have are idp/saml's to try.
func TestNamedSAMLAttacksThroughEnvoyAreRefusedByTheirOwnName(t *testing.T) {
	attacks := slices.DeleteFunc(idptest.SAMLAttacks(), func(a idptest.SAMLAttack) bool { return a.Settings != nil })
	var companies []*SAML
	for i := range (len(attacks) + attacksAConnection - 1) / attacksAConnection {
		name := fmt.Sprintf("c%d", i)
		companies = append(companies, &SAML{Tenant: name, ID: name + "-saml"})
	}
	other, err := idptest.NewSAML(idptest.SAMLOptions{BaseURL: "http://127.0.0.1:1", People: people, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	s := NewStack(t, Options{SAML: append(companies, &SAML{})})
	want := map[string]map[string]int{}
	jars := make([]http.CookieJar, len(companies)) // the provider remembers the attacker: it asks once
	for i, a := range attacks {
		c := companies[i/attacksAConnection]
		p := s.fromAddress("vic", i)
		if jar := &jars[i/attacksAConnection]; *jar == nil {
			*jar = p.Client.Jar
		} else {
			p.Client.Jar = *jar
		}
		f := p.Held(direct(c, "/events"))
		attack := idptest.SAMLForgery{
			IdP: c.IdP, Other: other, SP: c.sp, Encryption: c.encryption, Person: people[2], Victim: people[0],
			InResponseTo: p.lastRequest(c), Relay: f.form.Get("RelayState"), Begun: time.Now(), Now: time.Now(),
		}
		status := p.attack(f.to, a, attack)
		if status < 400 || p.sessionCookie() != "" {
			t.Errorf("%s: %d, signed in: %t", a.Name, status, p.sessionCookie() != "")
		}
		if status == http.StatusMethodNotAllowed || status == http.StatusRequestEntityTooLarge {
			continue // never came as far as the connection, whose audit log it would stand in
		}
		if want[c.Tenant] == nil {
			want[c.Tenant] = map[string]int{}
		}
		want[c.Tenant][(&idp.Error{Code: a.Code, Detail: a.Detail}).Reason()]++
	}
	for tenant, reasons := range want {
		if got := s.refusals(tenant); !maps.Equal(got, reasons) {
			t.Errorf("%s: the audit log and what was to be expected differ: %v", tenant, difference(got, reasons))
		}
	}
	if seen := s.Upstream.Seen(); len(seen) > 0 {
		t.Errorf("the dashboard was reached: %s", seen[0].Line)
	}
	if s.Gate.Exited() {
		t.Fatal("the gate is gone")
	}
	p := s.fromAddress("vic", len(attacks)+1)
	if page, err := p.Open(t.Context(), s.URL+direct(companies[0], "/events")); err != nil || page.Status != http.StatusOK || page.URL.Path != "/events" {
		t.Errorf("after all that an honest person lands on %s (%d), %v", page.URL, page.Status, err)
	}
	t.Logf("%d attacks", len(attacks))
}

// fromAddress is AsSAML from a machine of its own: failures are counted by address.
func (s *Stack) fromAddress(name string, i int) Person {
	s.T.Helper()
	b := idptest.NewBrowser(name, crossSite{&http.Transport{
		DisableKeepAlives: true,
		DialContext:       (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/200), byte(1+i%200))}}).DialContext,
	}})
	return Person{s, b}
}

// lastRequest is the ID of the request that the provider answered last.
func (p Person) lastRequest(c *SAML) string {
	p.s.T.Helper()
	doc, err := base64.StdEncoding.DecodeString(c.IdP.LastResponse())
	if err != nil {
		p.s.T.Fatal(err)
	}
	_, id, _ := strings.Cut(string(doc), `InResponseTo="`)
	id, _, ok := strings.Cut(id, `"`)
	if !ok {
		p.s.T.Fatal("the provider answered no request")
	}
	return id
}

// attack sends one and returns the status of the page that follows, without going on to any provider.
func (p Person) attack(to string, a idptest.SAMLAttack, f idptest.SAMLForgery) (status int) {
	p.s.T.Helper()
	body := []byte(a.Forge(f).Encode())
	r, err := http.NewRequestWithContext(p.s.T.Context(), http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		p.s.T.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	if a.Deliver != nil {
		a.Deliver(r)
		if r.Body != nil { // what Deliver put there has a length of its own
			text, err := io.ReadAll(r.Body)
			if err != nil {
				p.s.T.Fatal(err)
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
		}
	}
	client := *p.Client
	client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host != p.s.Host {
			return http.ErrUseLastResponse
		}
		return nil
	}
	resp, err := client.Do(r)
	if err != nil {
		p.s.T.Fatalf("%s: %v", a.Name, err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// refusals counts the reasons of a company's refused sign-ins, as the command prints them.
func (s *Stack) refusals(tenant string) map[string]int {
	s.T.Helper()
	var rows []struct{ Action, Outcome, Reason string }
	out := s.CLI("audit", "list", "-c", s.Config, "--tenant", tenant, "--limit", "1000", "--output", "json")
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		s.T.Fatalf("%v: %s", err, tail(out, 600))
	}
	reasons := map[string]int{}
	for _, r := range rows {
		if strings.HasPrefix(r.Reason, "saml-") || strings.HasPrefix(r.Reason, "connection") {
			reasons[r.Reason]++
		}
	}
	return reasons
}

// difference says what is there too often, and what too seldom.
func difference(got, want map[string]int) (out []string) {
	all := maps.Clone(got)
	maps.Copy(all, want)
	for _, reason := range slices.Sorted(maps.Keys(all)) {
		if n := got[reason] - want[reason]; n != 0 {
			out = append(out, fmt.Sprintf("%s %+d", reason, n))
		}
	}
	return out
}
