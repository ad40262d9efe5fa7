package saml_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/saml"
)

func TestIdentityIsWhatTheAssertionSays(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	id := r.admit(func(o *idptest.RespondOptions) {
		o.AssertionID, o.SessionIndex, o.SessionFor, o.NameQualifier, o.SPNameQualifier = "_a1", "_s1", time.Hour, "nq", "spnq"
		o.Extra = []idptest.SAMLAttribute{{Name: "department", Values: []string{"SOC", " Blue\n"}}}
	})
	want := idp.Identity{
		Tenant: "acme", Connection: connectionID, Issuer: "https://idp.example/saml/metadata",
		Subject:  `["urn:oasis:names:tc:SAML:2.0:nameid-format:persistent","nq","spnq","00u1alice"]`,
		UserName: "00u1alice@acme-saml", Email: "alice@acme.example", DisplayName: "Alice Archer",
		GroupState: idp.GroupsListed, Groups: []string{"Security", "Everyone"}, Claims: map[string]any{"department": []any{"SOC", "Blue"}},
		AuthTime: noon, ACR: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport", SID: "_s1", SessionEnds: noon.Add(time.Hour),
		NameID: idp.NameID{Value: "00u1alice", Format: idptest.FormatPersistent, NameQualifier: "nq", SPNameQualifier: "spnq"},
		Once:   []idp.Once{{Kind: saml.OnceAssertion, Value: "_a1", Expires: noon.Add(9*time.Minute + 180*time.Second)}},
	}
	if !reflect.DeepEqual(id, want) {
		t.Errorf("identity\n%+v, want\n%+v", id, want)
	}
}

func TestWhatIsBurntOutlivesTheAssertion(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	id := r.admit(func(o *idptest.RespondOptions) { o.Lifetime, o.ConfirmFor = 20*time.Minute, time.Hour })
	if want := noon.Add(time.Hour + 180*time.Second); !id.Once[0].Expires.Equal(want) {
		t.Errorf("expires %s, want %s", id.Once[0].Expires, want)
	}
}

func TestNamesThatDifferInOnePartAreDifferentPeople(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	seen := map[string]bool{}
	for _, edit := range []func(*idptest.RespondOptions){
		nil,
		func(o *idptest.RespondOptions) { o.NameIDFormat = idptest.FormatUnspecified },
		func(o *idptest.RespondOptions) { o.NameQualifier = "a" },
		func(o *idptest.RespondOptions) { o.SPNameQualifier = "a" },
		func(o *idptest.RespondOptions) { o.NameID = "00U1ALICE" },
		func(o *idptest.RespondOptions) { o.NameID = `a","b` },
	} {
		id := r.admit(edit)
		if seen[id.Subject] {
			t.Errorf("subject %s twice", id.Subject)
		}
		seen[id.Subject] = true
	}
}

func TestFormatUnspecifiedIsTheAbsentOne(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	with := r.admit(func(o *idptest.RespondOptions) { o.NameIDFormat = idptest.FormatUnspecified })
	without := r.admit(func(o *idptest.RespondOptions) { o.NameIDFormat = idptest.None })
	if with.Subject != without.Subject || without.NameID.Format != "" {
		t.Errorf("%s, %s, %+v", with.Subject, without.Subject, without.NameID)
	}
}

func TestAnAttributeMayNameTheSubject(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	r.conn.SAML.SubjectFrom = "uid"
	with := func(values ...string) func(*idptest.RespondOptions) {
		return func(o *idptest.RespondOptions) {
			o.NameIDFormat = idptest.FormatTransient
			o.Extra = []idptest.SAMLAttribute{{Name: "uid", Values: values}}
		}
	}
	if id := r.admit(with("u-1")); id.Subject != `["uid","u-1"]` {
		t.Errorf("subject %s", id.Subject)
	}
	r.refuse("saml-attributes/several", with("u-1", "u-1"))
	r.refuse("saml-attributes/subject", with(""))
	r.refuse("saml-attributes/subject", with())
	r.refuse("saml-attributes/subject", with(strings.Repeat("u", 257)))
	r.refuse("saml-attributes/subject", func(o *idptest.RespondOptions) {
		o.Extra = []idptest.SAMLAttribute{{Name: "UID", Values: []string{"u"}}}
	})
}

// Active Directory is full of names with marks of writing from right to left. They are shown without, and what names a
// person for good is refused with one.
func TestMarksOfWritingKeepNobodyOut(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	says := func(name, value string) func(o *idptest.RespondOptions) {
		return func(o *idptest.RespondOptions) {
			o.Attributes = []idptest.SAMLAttribute{{Name: name, Values: []string{value}}}
		}
	}
	for value, want := range map[string]string{
		"\u200fאליס\u200f": "אליס", "Alice\r\n Archer": "Alice Archer", "Ali\u202ece\u009b": "Alice", "\u200f": "", "Ａlice": "Ａlice",
	} {
		if id := r.admit(says("displayName", value)); id.DisplayName != want {
			t.Errorf("%q is shown as %q", value, id.DisplayName)
		}
		if id := r.admit(says("lastName", value)); id.DisplayName != want {
			t.Errorf("%q as a family name is shown as %q", value, id.DisplayName)
		}
	}
	r.refuse("saml-attributes/text", says("email", "alice\u200f@acme.example"))
	r.conn.SAML.Attributes.UserName = []string{"login"}
	r.refuse("saml-attributes/text", says("login", "al\u200fice"))
}

func TestRepeatedAttributesMerge(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{Profile: idptest.SAMLKeycloak})
	id := r.admit(func(o *idptest.RespondOptions) {
		o.Groups = []string{"a", "b", "c"}
		o.Extra = []idptest.SAMLAttribute{{Name: "groups", Values: []string{"d"}}}
	})
	if got := strings.Join(id.Groups, " "); got != "d a b c" && got != "a b c d" {
		t.Errorf("groups %q", got)
	}
	r = newRP(t, idptest.SAMLOptions{})
	id = r.admit(replace("</saml:AttributeStatement>", `</saml:AttributeStatement><saml:AttributeStatement><saml:Attribute Name="groups"><saml:AttributeValue>late</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>`))
	if !slices.Equal(id.Groups, []string{"Security", "Everyone", "late"}) || r.opinions[0] != "agree" {
		t.Errorf("groups %q, opinions %q", id.Groups, r.opinions)
	}
}

func TestMappedAttributesHaveOneReading(t *testing.T) {
	for want, edit := range map[string]func(*idptest.RespondOptions){
		"saml-attributes/several": func(o *idptest.RespondOptions) {
			o.Extra = []idptest.SAMLAttribute{{Name: "email", Values: []string{"eve@acme.example"}}}
		},
		"saml-attributes/not-text": replace("alice@acme.example", "alice<x xmlns=\"urn:x\"></x>@acme.example"),
		"saml-attributes/too-long": func(o *idptest.RespondOptions) { o.Groups = []string{strings.Repeat("g", 2049)} },
		"saml-attributes/too-many": func(o *idptest.RespondOptions) {
			for i := range 20 {
				o.Extra = append(o.Extra, idptest.SAMLAttribute{Name: fmt.Sprint("x", i), Values: []string{strings.Repeat("x", 1800)}})
			}
		},
	} {
		t.Run(want, func(t *testing.T) { newRP(t, idptest.SAMLOptions{}).refuse(want, edit) })
	}
}

func TestGroupsThatWereWithheldAreNotNone(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{Profile: idptest.SAMLEntra})
	many := make([]string, 151)
	for i := range many {
		many[i] = fmt.Sprintf("00000000-0000-0000-0000-%012d", i)
	}
	id := r.admit(func(o *idptest.RespondOptions) { o.Groups = many })
	if id.GroupState != idp.GroupsUnknown || id.Groups != nil {
		t.Errorf("state %d, %d groups", id.GroupState, len(id.Groups))
	}
	if id = r.admit(func(o *idptest.RespondOptions) { o.Groups = many[:150] }); id.GroupState != idp.GroupsListed || len(id.Groups) != 150 {
		t.Errorf("state %d, %d groups", id.GroupState, len(id.Groups))
	}
	if id = r.admit(func(o *idptest.RespondOptions) { o.Groups = []string{} }); id.GroupState != idp.GroupsNone {
		t.Errorf("state %d", id.GroupState)
	}
	// who maps app roles alone is not stopped by too many groups
	r.conn.SAML.Attributes.Groups = []string{"http://schemas.microsoft.com/ws/2008/06/identity/claims/role"}
	if id = r.admit(func(o *idptest.RespondOptions) { o.Groups = many }); id.GroupState != idp.GroupsNone {
		t.Errorf("state %d", id.GroupState)
	}
}

func TestTwoThousandGroupsPass(t *testing.T) {
	for name, shape := range shapes(t) {
		t.Run(name, func(t *testing.T) {
			r, edit := shape(t, 2000)
			id := r.admit(edit)
			if len(id.Groups) != 2000 || id.GroupState != idp.GroupsListed || r.opinions[0] != "skipped elements" {
				t.Errorf("%d groups, opinions %q", len(id.Groups), r.opinions)
			}
		})
	}
}

// shapes are the ways in which many groups come: every value with its types declared, the same encrypted, and every
// value in an Attribute of its own.
func shapes(tb testing.TB) map[string]func(testing.TB, int) (*rp, func(*idptest.RespondOptions)) {
	key := newSPKey(tb)
	return map[string]func(testing.TB, int) (*rp, func(*idptest.RespondOptions)){
		"okta": func(tb testing.TB, n int) (*rp, func(*idptest.RespondOptions)) {
			return newRP(tb, idptest.SAMLOptions{Profile: idptest.SAMLOkta}), func(o *idptest.RespondOptions) { o.Groups = groups(n) }
		},
		"okta-encrypted": func(tb testing.TB, n int) (*rp, func(*idptest.RespondOptions)) {
			r := newRP(tb, idptest.SAMLOptions{Profile: idptest.SAMLOkta})
			r.encrypt(key)
			return r, func(o *idptest.RespondOptions) {
				o.Groups, o.PrefixList = groups(n), idptest.None // nothing declares the prefix once the assertion is encrypted
			}
		},
		"keycloak": func(tb testing.TB, n int) (*rp, func(*idptest.RespondOptions)) {
			return newRP(tb, idptest.SAMLOptions{Profile: idptest.SAMLKeycloak}), func(o *idptest.RespondOptions) {
				for _, g := range groups(n) {
					o.Attributes = append(o.Attributes, idptest.SAMLAttribute{Name: "Role", Values: []string{g}})
				}
			}
		},
	}
}

func groups(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("00000000-0000-0000-0000-%012d", i)
	}
	return out
}

func TestWhatMayJoinAProvisionedPerson(t *testing.T) {
	const claims = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
	for _, tc := range []struct {
		name     string
		profile  idptest.SAMLProfile
		provider idp.Provider
		settings func(*idp.Connection)
		edit     func(*idptest.RespondOptions)
		joins    idp.Joins
		userName string
	}{
		{name: "okta with an address", profile: idptest.SAMLOkta, provider: idp.Okta,
			joins: idp.Joins{UserName: "alice@acme.example", Address: true}, userName: "alice@acme.example"},
		{name: "okta with a name", profile: idptest.SAMLOkta, provider: idp.Okta,
			edit:  func(o *idptest.RespondOptions) { o.NameIDFormat, o.NameID = idptest.FormatUnspecified, "alice" },
			joins: idp.Joins{UserName: "alice"}, userName: "alice"},
		{name: "auth0 with an address that it does not call one", profile: idptest.SAMLAuth0, provider: idp.Auth0,
			edit:  func(o *idptest.RespondOptions) { o.NameID = "alice@acme.example" },
			joins: idp.Joins{UserName: "alice@acme.example", Address: true}, userName: "alice@acme.example"},
		{name: "an address without a format", profile: idptest.SAMLPlain, provider: idp.Generic,
			edit:  func(o *idptest.RespondOptions) { o.NameIDFormat, o.NameID = idptest.None, "alice@acme.example" },
			joins: idp.Joins{UserName: "alice@acme.example", Address: true}, userName: "alice@acme.example"},
		{name: "a kerberos principal", profile: idptest.SAMLPlain, provider: idp.Generic,
			edit: func(o *idptest.RespondOptions) {
				o.NameIDFormat, o.NameID = "urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos", "alice@ACME.EXAMPLE"
			},
			joins: idp.Joins{UserName: "alice@ACME.EXAMPLE"}, userName: "alice@ACME.EXAMPLE"},
		{name: "okta with an opaque name", profile: idptest.SAMLOkta, provider: idp.Okta,
			edit:     func(o *idptest.RespondOptions) { o.NameIDFormat = idptest.FormatPersistent },
			userName: "00u1alice@acme-saml"},
		{name: "entra", profile: idptest.SAMLEntra, provider: idp.Entra,
			edit: func(o *idptest.RespondOptions) {
				o.Attributes = []idptest.SAMLAttribute{
					{Name: "http://schemas.microsoft.com/identity/claims/objectidentifier", Values: []string{"oid-1"}},
					{Name: claims + "name", Values: []string{"alice@upn.example"}},
				}
			},
			joins: idp.Joins{ExternalID: "oid-1", UserName: "alice@upn.example"}, userName: "alice@upn.example"},
		{name: "a claim of the admin's", profile: idptest.SAMLPlain, provider: idp.Generic,
			settings: func(c *idp.Connection) { c.JoinClaim = "employee" },
			edit: func(o *idptest.RespondOptions) {
				o.Extra = []idptest.SAMLAttribute{{Name: "employee", Values: []string{"e-7"}}}
			},
			joins: idp.Joins{ExternalID: "e-7"}, userName: "00u1alice@acme-saml"},
		{name: "the address as user name", profile: idptest.SAMLPlain, provider: idp.Generic,
			settings: func(c *idp.Connection) { c.SAML.Attributes.UserName = []string{"email"} },
			joins:    idp.Joins{UserName: "alice@acme.example", Address: true}, userName: "alice@acme.example"},
		{name: "an address is nothing more", profile: idptest.SAMLPlain, provider: idp.Generic, userName: "00u1alice@acme-saml"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRP(t, idptest.SAMLOptions{Profile: tc.profile})
			r.conn.Provider = tc.provider
			if tc.settings != nil {
				tc.settings(&r.conn)
			}
			id := r.admit(tc.edit)
			if id.Joins != tc.joins || id.UserName != tc.userName || id.EmailVerified {
				t.Errorf("joins %+v, user name %q, verified %v", id.Joins, id.UserName, id.EmailVerified)
			}
		})
	}
}

// A user principal name passes on to whoever is hired next under it; with it would pass all that the first was given.
func TestAtEntraANameThatPassesOnIsSomebodyElse(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{Profile: idptest.SAMLEntra})
	as := func(object, name string) string {
		return r.admit(func(o *idptest.RespondOptions) { o.Person.Sub, o.Person.Email = object, name }).Subject
	}
	first := as("11111111-0000-4000-8000-000000000000", "alice@acme.example")
	if next := as("22222222-0000-4000-8000-000000000000", "alice@acme.example"); next == first {
		t.Errorf("two people are %s", first)
	}
	if renamed := as("11111111-0000-4000-8000-000000000000", "alice.archer@acme.example"); renamed != first {
		t.Errorf("one person is %s and %s", first, renamed)
	}
	r.refuse("saml-attributes/subject", func(o *idptest.RespondOptions) { o.Attributes = []idptest.SAMLAttribute{} })
}

func TestClaimsAreSmallJSON(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{Profile: idptest.SAMLEntra})
	id := r.admit(func(o *idptest.RespondOptions) { o.Groups = groups(100) })
	b, err := json.Marshal(id.Claims)
	if err != nil || len(b) > 1000 {
		t.Errorf("claims %s, %v", b, err)
	}
}
