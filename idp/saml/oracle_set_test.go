package saml

import (
	"fmt"

	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
)

var oracleKinds = []string{"rsa", "rsa", "p256", "p384", "p521"}

// oracleSet makes the documents: two thirds are spelt at random and signed by xmlsec1, one third comes from the pretend
// provider, which signs with a speller of its own. Of all, every third is then changed.
func oracleSet(t *testing.T, x *xmlsec) []signedDocument {
	t.Helper()
	d := dice(20260504)
	documents := append(drawn(t, x, &d, oracleDocuments*2/3), provided(t, x, &d, oracleDocuments/3)...)
	refused := 0
	for i := range documents {
		doc := &documents[i]
		if !guardAccepts(doc.xml) {
			_, err := xmlguard.Check(doc.xml, xmlguard.Response, 0)
			t.Fatalf("the guard refuses a good document: %v\n%s", err, doc.xml)
		}
		if i%3 != 0 && i%8 != 0 {
			continue
		}
		for try := 0; ; try++ {
			how, changed := mutate(&d, string(doc.xml))
			if changed != string(doc.xml) && guardAccepts([]byte(changed)) {
				doc.xml, doc.mutated = []byte(changed), how
				break
			}
			if refused++; try > 200 {
				t.Fatalf("no change of the document passes the guard:\n%s", doc.xml)
			}
		}
	}
	t.Logf("%d changes were refused by the guard and others made in their place", refused)
	return documents
}

// drawn are documents of the speller, signed by xmlsec1 in batches of one key.
func drawn(t *testing.T, x *xmlsec, d *dice, n int) []signedDocument {
	t.Helper()
	var all []signedDocument
	for len(all) < n {
		kind := anyOf(d, oracleKinds...)
		signs := anyOf(d, [2]bool{true, false}, [2]bool{false, true}, [2]bool{true, true})
		var templates []string
		for i := range oracleBatch {
			templates = append(templates, template(d, len(all)+i, kind, signs))
		}
		for _, signature := range []int{1, 0} { // the Response covers the Assertion's signature
			if signs[signature] {
				templates = x.sign(t, templates, kind, signature)
			}
		}
		for _, s := range templates {
			all = append(all, signedDocument{xml: []byte(s), key: kind, signed: signs})
		}
	}
	return all
}

func template(d *dice, number int, kind string, signs [2]bool) string {
	for {
		var s [2]*oracleSigning
		declared := true
		for i, there := range signs {
			if there {
				s[i] = randomSigning(d, kind)
			}
		}
		document := newSpeller(d).response(number, s[0], s[1])
		for _, one := range s {
			for prefix := range strings.FieldsSeq(one.prefixes()) {
				declared = declared && regexp.MustCompile(`xmlns:`+prefix+`\b`).MatchString(document)
			}
		}
		if declared { // the guard takes no other
			return document
		}
	}
}

func (s *oracleSigning) prefixes() string {
	if s == nil {
		return ""
	}
	return s.list + " " + s.infoList
}

func randomSigning(d *dice, kind string) *oracleSigning {
	family := "ecdsa"
	if kind == "rsa" {
		family = "rsa"
	}
	return &oracleSigning{
		method: "http://www.w3.org/2001/04/xmldsig-more#" + family + "-sha" + anyOf(d, "256", "384", "512"),
		digest: anyOf(d, "http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512"),
		// A list may name what is in force at the root, deeper, twice, or what nobody uses visibly.
		list:     anyOf(d, "", "", "xsi", "xs xsi", "u0", "u0 xs", "w u1", "a saml q xs", "ds"),
		infoList: anyOf(d, "", "", "", "xs", "u0 ds"),
	}
}

// provided are documents of the pretend provider, in the manners of six.
func provided(t *testing.T, x *xmlsec, d *dice, n int) []signedDocument {
	t.Helper()
	profiles := []idptest.SAMLProfile{
		idptest.SAMLOkta, idptest.SAMLAuth0, idptest.SAMLEntra, idptest.SAMLADFS, idptest.SAMLGoogle, idptest.SAMLKeycloak,
	}
	provider, err := idptest.NewSAML(idptest.SAMLOptions{BaseURL: "https://idp.example", Now: func() time.Time { return oracleNoon }})
	if err != nil {
		t.Fatal(err)
	}
	var all []signedDocument
	for i := range n {
		kind := anyOf(d, oracleKinds...)
		signs := anyOf(d, [2]bool{true, false}, [2]bool{false, true}, [2]bool{true, true})
		how := randomSigning(d, kind)
		key := x.keys[kind]
		o := idptest.RespondOptions{
			SP: idptest.SAMLSP{EntityID: "https://gate.example/m", ACS: "https://gate.example/acs"}, InResponseTo: "_q",
			Person:  idptest.Person{Sub: "ada", Email: "ada@acme.example", Name: newSpeller(d).words() + "x", Groups: []string{newSpeller(d).words(), "B"}},
			Profile: profiles[i%len(profiles)], Key: &key, Algorithm: how.method, Digest: how.digest,
			Sign:    map[[2]bool]idptest.SAMLSign{{true, false}: idptest.SignResponse, {false, true}: idptest.SignAssertion, {true, true}: idptest.SignBoth}[signs],
			KeyInfo: anyOf(d, idptest.KeyInfoOwn, idptest.KeyInfoNone),
		}
		s, err := provider.RespondXML(o)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, signedDocument{xml: []byte(s), key: kind, signed: signs})
	}
	return all
}

var (
	startTag    = regexp.MustCompile(`<[A-Za-z][^<>]*>`)
	declaration = regexp.MustCompile(` xmlns(:[a-z0-9]+)? ?= ?("[^"]*"|'[^']*')`)
	textRun     = regexp.MustCompile(`>[^<>&]+<`)
	valueRun    = regexp.MustCompile(`=["'][^"'<>&]+["']`)
	attributeEl = regexp.MustCompile(`(?s)<(\w+:)?Attribute [^<>]*[^/]>.*?</(\w+:)?Attribute ?>`)
	listRun     = regexp.MustCompile(`PrefixList ?= ?["'][^"']*["']`)
	emptyTag    = regexp.MustCompile(`<([A-Za-z:0-9]+)([^<>]*)/>`)
)

// mutations are changes by name. Some leave the signature true: both must see that as well.
func mutations() map[string]func(d *dice, s string) string {
	return map[string]func(*dice, string) string{
		"a letter of a text":  func(d *dice, s string) string { return editRun(d, s, textRun, flip) },
		"a letter of a value": func(d *dice, s string) string { return editRun(d, s, valueRun, flip) },
		"a text doubled": func(d *dice, s string) string {
			return editRun(d, s, textRun, func(_ *dice, r string) string { return r[:1] + r[1:len(r)-1] + r[1:] })
		},
		"white space between elements": func(d *dice, s string) string { return insertAt(d, s, "><", 1, anyOf(d, " ", "\n", "\r\n", "&#13;")) },
		"white space in a tag": func(d *dice, s string) string {
			return editRun(d, s, startTag, func(_ *dice, r string) string { return strings.Replace(r, " ", " \n ", 1) })
		},
		"an unused declaration": func(d *dice, s string) string {
			return editRun(d, s, startTag, func(_ *dice, r string) string { return strings.Replace(r, " ", ` xmlns:unused="urn:unused" `, 1) })
		},
		"a default namespace": func(d *dice, s string) string {
			return editRun(d, s, startTag, func(_ *dice, r string) string { return strings.Replace(r, " ", ` xmlns="urn:unused" `, 1) })
		},
		"a declaration moved to the root": moveDeclaration,
		"a declaration removed": func(d *dice, s string) string {
			return editRun(d, s, declaration, func(*dice, string) string { return "" })
		},
		"a declaration changed": func(d *dice, s string) string {
			return editRun(d, s, declaration, func(_ *dice, r string) string { return r[:len(r)-1] + "x" + r[len(r)-1:] })
		},
		"two attributes swapped": swapAttributes,
		"an attribute removed": func(d *dice, s string) string {
			return editRun(d, s, attributeEl, func(*dice, string) string { return "" })
		},
		"an attribute doubled": func(d *dice, s string) string {
			return editRun(d, s, attributeEl, func(_ *dice, r string) string { return r + r })
		},
		"a prefix list changed": func(d *dice, s string) string {
			return editRun(d, s, listRun, func(d *dice, _ string) string { return `PrefixList="xsi"` })
		},
		"a tag that closes itself": func(d *dice, s string) string {
			return editRun(d, s, emptyTag, func(_ *dice, r string) string { return emptyTag.ReplaceAllString(r, "<$1$2></$1>") })
		},
		"a character referred to": func(d *dice, s string) string {
			return editRun(d, s, textRun, func(d *dice, r string) string {
				at := 1 + d.roll(len(r)-2)
				if r[at] >= 0x80 {
					return r
				}
				return fmt.Sprintf("%s&#x%X;%s", r[:at], r[at], r[at+1:])
			})
		},
		"a byte removed":  func(d *dice, s string) string { at := d.roll(len(s)); return s[:at] + s[at+1:] },
		"a byte repeated": func(d *dice, s string) string { at := d.roll(len(s)); return s[:at] + s[at:at+1] + s[at:] },
	}
}

func mutate(d *dice, s string) (how, changed string) {
	all := mutations()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	how = anyOf(d, names...)
	return how, all[how](d, s)
}

// editRun changes one of the places that a pattern finds.
func editRun(d *dice, s string, pattern *regexp.Regexp, edit func(*dice, string) string) string {
	found := pattern.FindAllStringIndex(s, -1)
	if len(found) == 0 {
		return s
	}
	at := anyOf(d, found...)
	return s[:at[0]] + edit(d, s[at[0]:at[1]]) + s[at[1]:]
}

// flip changes one letter or digit inside.
func flip(d *dice, r string) string {
	for range 20 {
		at := 1 + d.roll(len(r)-1)
		if c := r[at]; 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' {
			return r[:at] + string(rune(c^1)) + r[at+1:]
		}
	}
	return r
}

func insertAt(d *dice, s, between string, offset int, what string) string {
	n := strings.Count(s, between)
	if n == 0 {
		return s
	}
	at := 0
	for range 1 + d.roll(n) {
		at += strings.Index(s[at:], between) + 1
	}
	return s[:at-1+offset] + what + s[at-1+offset:]
}

func moveDeclaration(d *dice, s string) string {
	found := declaration.FindAllStringIndex(s, -1)
	at := anyOf(d, found...)
	what := s[at[0]:at[1]]
	s = s[:at[0]] + s[at[1]:]
	root := startTag.FindStringIndex(s)
	return s[:root[1]-1] + what + s[root[1]-1:]
}

func swapAttributes(d *dice, s string) string {
	found := attributeEl.FindAllStringIndex(s, -1)
	if len(found) < 2 {
		return s
	}
	i := d.roll(len(found) - 1)
	a, b := found[i], found[i+1]
	return s[:a[0]] + s[b[0]:b[1]] + s[a[1]:b[0]] + s[a[0]:a[1]] + s[b[1]:]
}
