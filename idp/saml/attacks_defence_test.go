package saml_test

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	saml2 "github.com/russellhaering/gosaml2"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/saml"
)

var catchers = map[idp.Code]string{
	"": "NOBODY", idp.CodeSAMLForm: "form", idp.CodeSAMLXML: "guard", idp.CodeSAMLShape: "guard",
	idp.CodeSAMLSignature: "verify", idp.CodeSAMLSHA1: "verify", idp.CodeSAMLKey: "verify", idp.CodeSAMLDecrypt: "verify",
	idp.CodeSAMLDisagreement: "opinion",
}

// catcher is the step of Complete that refuses with a code.
func catcher(code idp.Code) string {
	if step, ok := catchers[code]; ok {
		return step
	}
	return "semantics"
}

// TestEveryDefenceIsNeeded runs the attacks with one step of Complete left out at a time. What then signs in was refused by
// that step alone: without such an attack the step could be lost and no test would tell.
func TestEveryDefenceIsNeeded(t *testing.T) {
	defences := []struct {
		name string
		off  func(*saml.Connector)
		why  string // of a step that is the only one against nothing
	}{
		{name: "form", off: func(c *saml.Connector) { c.SwitchOff(saml.WithoutForm) }},
		{name: "guard", off: func(c *saml.Connector) { c.SwitchOff(saml.WithoutGuard) }},
		{name: "verify", off: func(c *saml.Connector) { c.SwitchOff(saml.WithoutVerify) }},
		{name: "semantics", off: func(c *saml.Connector) { c.SwitchOff(saml.WithoutSemantics) }},
		{name: "opinion", off: func(c *saml.Connector) { c.SwitchOff(saml.WithoutOpinion) },
			why: "it looks at what all others have accepted, and a sender can make it pass: it must not be needed"},
	}
	a := newArena(t)
	attacks := idptest.SAMLAttacks()
	for i, x := range attacks { // forged once: some draw keys
		form := x.Forge(a.forgery)
		attacks[i].Forge = func(idptest.SAMLForgery) url.Values { return form }
	}
	first, then := map[string]string{}, map[string]string{}
	for _, x := range attacks {
		_, err := a.strike(x)
		first[x.Name] = catcher(idp.CodeOf(err))
	}
	for _, d := range defences {
		d.off(a.connector)
		var alone []string
		for _, x := range attacks {
			id, err := a.strike(x)
			by := catcher(idp.CodeOf(err))
			if err != nil && by == "NOBODY" {
				by = "an error of ours"
			}
			if first[x.Name] == d.name {
				then[x.Name] = by
			}
			if err == nil && id.Subject != "" {
				alone = append(alone, x.Name)
			}
		}
		t.Logf("%s alone refuses %d: %s", d.name, len(alone), strings.Join(alone, " "))
		if len(alone) == 0 && d.why == "" {
			t.Errorf("no attack needs the step %q", d.name)
		}
		if len(alone) > 0 && d.why != "" {
			t.Errorf("the step %q is needed by %v, and is said not to be: %s", d.name, alone, d.why)
		}
	}
	for _, x := range attacks {
		t.Logf("%-60s %-10s without it: %s", x.Name, first[x.Name], then[x.Name])
	}
}

// TestReplayIsRefusedByWhatIsBurnt holds that a response names itself for the burning, the same each time it comes, and
// that without that step nothing else would tell the second from the first.
func TestReplayIsRefusedByWhatIsBurnt(t *testing.T) {
	a := newArena(t)
	form := plain(a)
	come := func() []idp.Once {
		id, err := a.connector.Complete(t.Context(), a.conn, a.attempt, delivery(form, nil))
		if err != nil {
			t.Fatal(err)
		}
		return id.Once
	}
	one, two := come(), come()
	if len(one) == 0 || !slices.Equal(one, two) || one[0].Value == "" || !one[0].Expires.After(noon.Add(5*time.Minute)) {
		t.Errorf("burns %v, then %v", one, two)
	}
	a.connector.SwitchOff(saml.WithoutReplay)
	if got := come(); len(got) != 0 {
		t.Errorf("without the step it still burns %v", got)
	}
}

// plain is what the attacker's own sign-in looks like.
func plain(a *arena) url.Values {
	f := a.forgery
	s, err := f.IdP.Respond(idptest.RespondOptions{SP: f.SP, Person: f.Person, InResponseTo: f.InResponseTo, Now: f.Now})
	if err != nil {
		panic(err)
	}
	return url.Values{"SAMLResponse": {s}}
}

// bare is gosaml2 as its documentation shows it: RetrieveAssertionInfo, and the error looked at.
func bare(t *testing.T, a *arena) *saml2.SAMLServiceProvider {
	t.Helper()
	cert, err := x509.ParseCertificate(a.forgery.IdP.Key().Certificate)
	if err != nil {
		t.Fatal(err)
	}
	return &saml2.SAMLServiceProvider{
		IdentityProviderSSOURL: a.forgery.IdP.URL("/sso"), IdentityProviderIssuer: a.forgery.IdP.EntityID(),
		ServiceProviderIssuer: entityID, AssertionConsumerServiceURL: acs, AudienceURI: entityID,
		IDPCertificateStore: &dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}},
		Clock:               dsig.NewFakeClockAt(noon),
	}
}

func accepts(sp *saml2.SAMLServiceProvider, encoded string) (who string, ok bool) {
	defer func() { _ = recover() }() // a panic is no acceptance
	info, err := sp.RetrieveAssertionInfo(encoded)
	if err != nil || info == nil {
		return "", false
	}
	return info.NameID, true
}

// TestAttacksHaveTeeth holds the table against a service provider that does what the library offers first. An attack that
// nobody falls for would prove nothing.
func TestAttacksHaveTeeth(t *testing.T) {
	a := newArena(t)
	sp := bare(t, a)
	good := plain(a).Get("SAMLResponse")
	if who, ok := accepts(sp, good); !ok || who != a.forgery.Person.Sub {
		t.Fatalf("the bare library refuses a good response")
	}
	if _, ok := accepts(sp, good); !ok {
		t.Error("the bare library remembers what it has seen: then replay is no attack on it")
	}
	fell := map[string]bool{}
	for _, x := range idptest.SAMLAttacks() {
		if x.Deliver != nil || x.Settings != nil || catcher(x.Code) == "form" {
			continue // not about what the library is given
		}
		if _, ok := accepts(sp, x.Forge(a.forgery).Get("SAMLResponse")); ok {
			fell[x.Name] = true
		}
	}
	names := make([]string, 0, len(fell))
	for n := range fell {
		names = append(names, n)
	}
	slices.Sort(names)
	t.Logf("the bare library accepts %d: %s", len(names), strings.Join(names, " "))
	for _, must := range []string{
		"audience-other", "audience-missing", "answer-to-another-request", "unsolicited", "good-for-a-day", "conditions-expired",
		"authentication-in-the-future", "algorithm-sha-1", "digest-sha-1", "comment-in-attribute", "two-name-ids", "two-subjects", "duplicate-id",
	} {
		if !fell[must] {
			t.Errorf("the bare library refuses %s: what is the attack good for?", must)
		}
	}
}

// goodOf makes a good response of about so many bytes, by 2,000 groups with names as long as it takes.
func goodOf(a *arena, size int) url.Values {
	o := idptest.RespondOptions{SP: a.forgery.SP, Person: a.forgery.Person, InResponseTo: a.forgery.InResponseTo, Now: noon, Sign: idptest.SignAssertion}
	const groups, around = 2000, len("<saml:AttributeValue></saml:AttributeValue>")
	each := (min(size, 640_000)-6_000)/groups - around
	for i := range groups {
		o.Groups = append(o.Groups, fmt.Sprintf("%0*d", max(each, 4), i))
	}
	if each < 4 {
		o.Groups = o.Groups[:max(size/(around+4)-100, 1)]
	}
	s, err := a.forgery.IdP.Respond(o)
	if err != nil {
		panic(err)
	}
	return url.Values{"SAMLResponse": {s}}
}

// fastest is the least of a few runs: a shared machine only ever adds.
func (a *arena) fastest(tb testing.TB, runs int, form url.Values, conn idp.Connection) time.Duration {
	tb.Helper()
	least := time.Hour
	for range runs {
		r := delivery(form, nil)
		start := time.Now()
		_, err := a.connector.Complete(tb.Context(), conn, a.attempt, r)
		if took := time.Since(start); took < least {
			least = took
		}
		if _, theirs := errors.AsType[*idp.Error](err); err != nil && !theirs {
			tb.Fatal(err)
		}
	}
	return least
}

// BenchmarkBombs says what each bomb costs, and how that compares with a good response of its size (x-good): above 1 a
// sender could stall sign-ins for less than it costs to have them answered.
func BenchmarkBombs(b *testing.B) {
	a := newArena(b)
	for _, x := range idptest.SAMLBombs() {
		b.Run(x.Name, func(b *testing.B) {
			form, conn := x.Forge(a.forgery), a.with(x.Settings)
			size := base64.StdEncoding.DecodedLen(len(form.Get("SAMLResponse")))
			good := a.fastest(b, 10, goodOf(a, size), a.conn)
			b.SetBytes(int64(size))
			for b.Loop() {
				_, _ = a.connector.Complete(b.Context(), conn, a.attempt, delivery(form, nil))
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(good), "x-good")
		})
	}
}
