package idptest

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func profileResponse(t *testing.T, profile SAMLProfile, change func(*RespondOptions)) *node {
	t.Helper()
	now := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
	p, err := NewSAML(SAMLOptions{BaseURL: "https://idp.example", Profile: profile, Now: func() time.Time { return now }, Key: "p256"})
	if err != nil {
		t.Fatal(err)
	}
	o := RespondOptions{
		SP:     SAMLSP{EntityID: "https://gate.example/metadata", ACS: "https://gate.example/acs"},
		Person: Person{Sub: "00u1", Email: "alice@acme.example", Name: "Alice Example", Groups: []string{"security", "staff"}}, InResponseTo: "_r",
	}
	if change != nil {
		change(&o)
	}
	doc, err := p.RespondXML(o)
	if err != nil {
		t.Fatal(err)
	}
	root, err := parseXML([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestProfilesSignWhatTheirProductsSign(t *testing.T) {
	for profile, want := range map[SAMLProfile]SAMLSign{
		SAMLPlain: SignBoth, SAMLOkta: SignBoth, SAMLAuth0: SignAssertion, SAMLEntra: SignAssertion,
		SAMLADFS: SignAssertion, SAMLGoogle: SignResponse, SAMLKeycloak: SignResponse,
	} {
		root := profileResponse(t, profile, nil)
		response, assertion := root.child("Signature") != nil, root.child("Assertion").child("Signature") != nil
		if response != (want == SignBoth || want == SignResponse) || assertion != (want == SignBoth || want == SignAssertion) {
			t.Errorf("%s signs response %t, assertion %t", profile, response, assertion)
		}
	}
}

func values(root *node, name string) (attributes, count int) {
	for _, a := range root.find("AttributeStatement").Kids {
		if a.get("Name") == name {
			attributes++
			count += len(a.Kids)
		}
	}
	return attributes, count
}

func TestProfilesListGroupsAsTheirProductsDo(t *testing.T) {
	many := func(n int) func(*RespondOptions) { return func(o *RespondOptions) { o.Groups = manyGroups(n) } }
	for _, tt := range []struct {
		profile           SAMLProfile
		groups            int
		name              string
		attributes, count int
	}{
		{SAMLOkta, 200, "groups", 1, 200},
		{SAMLEntra, 150, samlManners[SAMLEntra].groups, 1, 150},
		{SAMLEntra, 151, samlManners[SAMLEntra].groups, 0, 0},
		{SAMLEntra, 151, EntraGroupsLink, 1, 1},
		{SAMLADFS, 200, samlManners[SAMLADFS].groups, 1, 200},
		{SAMLGoogle, 76, "groups", 1, 75},
		{SAMLKeycloak, 3, "Role", 3, 3},
	} {
		attributes, count := values(profileResponse(t, tt.profile, many(tt.groups)), tt.name)
		if attributes != tt.attributes || count != tt.count {
			t.Errorf("%s, %d groups: %d attributes %s with %d values", tt.profile, tt.groups, attributes, tt.name, count)
		}
	}
}

func TestAuth0OutOfTheBoxSignsWithSHA1(t *testing.T) {
	p, err := NewSAML(SAMLOptions{BaseURL: "https://idp.example", Profile: SAMLAuth0, Now: time.Now, SHA1: true})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := p.RespondXML(RespondOptions{SP: SAMLSP{EntityID: "e", ACS: "a"}})
	if err != nil || !strings.Contains(doc, AlgRSASHA1) || !strings.Contains(doc, `"`+AlgSHA1+`"`) {
		t.Errorf("%v: %s", err, doc)
	}
}

func TestEncryptedAssertionHidesThePerson(t *testing.T) {
	k, err := NewSAMLKey("rsa", "gate", time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	root := profileResponse(t, SAMLOkta, func(o *RespondOptions) { o.SP.Encryption = k.Certificate })
	if strings.Contains(root.xml(), "alice") || root.child("Assertion") != nil || root.child("EncryptedAssertion") == nil {
		t.Errorf("not encrypted: %s", root.xml())
	}
}

func TestForgeriesAreNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	note := func(name, why string) {
		if seen[name] || name == "" || why == "" {
			t.Errorf("%q is named twice, or does not say why", name)
		}
		seen[name] = true
	}
	for _, a := range SAMLAttacks() {
		note(a.Name, a.Wins)
		if a.Code == "" || a.Detail == "" {
			t.Errorf("%s does not say how it is refused", a.Name)
		}
	}
	for _, a := range SAMLLogoutAttacks() {
		note(a.Name, a.Wins)
	}
	for _, a := range BenignTwins() {
		note("twin "+a.Name, a.Why)
	}
	for _, a := range SAMLLogoutTwins() {
		note("twin "+a.Name, a.Why)
	}
}

// FuzzReadXML holds that what is read and written is read alike again, and that canonical form is stable.
func FuzzReadXML(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0"?><a xmlns="urn:a" b="&quot;&#9;"><p:c xmlns:p="urn:p" p:d="1">x &amp; y<!-- c --></p:c></a>`))
	f.Add([]byte(`<a><b></a>`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		root, err := parseXML(doc)
		if err != nil {
			return
		}
		again, err := parseXML([]byte(root.xml()))
		if err != nil {
			t.Skip() // names that a writer does not check
		}
		one, two := canonical(root, scope{}, nil), canonical(again, scope{}, nil)
		if !bytes.Equal(one, two) {
			t.Errorf("%q canonicalises to %q, then to %q", doc, one, two)
		}
	})
}
