package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// rfc7643 is the attribute list of RFC 7643 §4.1 to §4.3, §5 to §7 and §8.7, copied by hand: path, type, and what
// differs from the defaults of §2.2 (readWrite, default, none, not case exact, not required). [] is multi-valued. Where
// §8.7 contradicts §2.3.6 and §2.3.7 (binaries and references are case exact) the text of §2.3 counts. RFC 9865 adds
// pagination. What the RFC has and we do not show is not here: see TestWhatIsThrownAwayIsNotAdvertised.
var rfc7643 = map[string]string{
	UserURN: `
userName string required server
name complex
name.formatted string
name.familyName string
name.givenName string
name.middleName string
name.honorificPrefix string
name.honorificSuffix string
displayName string
nickName string
profileUrl reference caseExact refs=external
title string
userType string
preferredLanguage string
locale string
timezone string
active boolean
emails complex[]
emails.value string
emails.display string
emails.type string values=work,home,other
emails.primary boolean
phoneNumbers complex[]
phoneNumbers.value string
phoneNumbers.display string
phoneNumbers.type string values=work,home,mobile,fax,pager,other
phoneNumbers.primary boolean
ims complex[]
ims.value string
ims.display string
ims.type string values=aim,gtalk,icq,xmpp,msn,skype,qq,yahoo
ims.primary boolean
photos complex[]
photos.value reference caseExact refs=external
photos.display string
photos.type string values=photo,thumbnail
photos.primary boolean
addresses complex[]
addresses.formatted string
addresses.streetAddress string
addresses.locality string
addresses.region string
addresses.postalCode string
addresses.country string
addresses.type string values=work,home,other
addresses.primary boolean
groups complex[] readOnly
groups.value string readOnly
groups.$ref reference readOnly caseExact refs=User,Group
groups.display string readOnly
groups.type string readOnly values=direct,indirect
entitlements complex[]
entitlements.value string
entitlements.display string
entitlements.type string
entitlements.primary boolean
roles complex[]
roles.value string
roles.display string
roles.type string
roles.primary boolean
x509Certificates complex[]
x509Certificates.value binary caseExact
x509Certificates.display string
x509Certificates.type string
x509Certificates.primary boolean`,

	// Group displayName is required by §4.2's text and unique by our choice; members are people only.
	GroupURN: `
displayName string required server
members complex[]
members.value string immutable
members.$ref reference immutable caseExact refs=User
members.type string immutable values=User`,

	EnterpriseUserURN: `
employeeNumber string
costCenter string
organization string
division string
department string
manager complex
manager.value string
manager.$ref reference caseExact refs=User`,

	ServiceProviderConfigURN: `
documentationUri reference readOnly caseExact refs=external
patch complex required readOnly
patch.supported boolean required readOnly
bulk complex required readOnly
bulk.supported boolean required readOnly
bulk.maxOperations integer required readOnly
bulk.maxPayloadSize integer required readOnly
filter complex required readOnly
filter.supported boolean required readOnly
filter.maxResults integer required readOnly
changePassword complex required readOnly
changePassword.supported boolean required readOnly
sort complex required readOnly
sort.supported boolean required readOnly
etag complex required readOnly
etag.supported boolean required readOnly
pagination complex readOnly
pagination.cursor boolean required readOnly
pagination.index boolean required readOnly
pagination.defaultPaginationMethod string readOnly values=cursor,index
pagination.defaultPageSize integer readOnly
pagination.maxPageSize integer readOnly
pagination.cursorTimeout integer readOnly
authenticationSchemes complex[] required readOnly always
authenticationSchemes.type string required readOnly values=oauth,oauth2,oauthbearertoken,httpbasic,httpdigest
authenticationSchemes.name string required readOnly
authenticationSchemes.description string required readOnly
authenticationSchemes.specUri reference readOnly caseExact refs=external
authenticationSchemes.documentationUri reference readOnly caseExact refs=external
authenticationSchemes.primary boolean readOnly`,

	ResourceTypeURN: `
id string readOnly
name string required readOnly
description string readOnly
endpoint reference required readOnly caseExact refs=uri
schema reference required readOnly caseExact refs=uri
schemaExtensions complex[] readOnly
schemaExtensions.schema reference required readOnly caseExact refs=uri
schemaExtensions.required boolean required readOnly`,

	SchemaURN: `
id string required readOnly
name string readOnly
description string readOnly
attributes complex[] required readOnly
` + traits("attributes") + `
attributes.subAttributes complex[] readOnly
` + traits("attributes.subAttributes"),
}

// traits are what §7 says about an attribute and, in the same words, about a sub-attribute.
func traits(of string) string {
	return strings.TrimSpace(strings.ReplaceAll(`
_.name string required readOnly caseExact
_.type string required readOnly values=string,complex,boolean,decimal,integer,dateTime,reference,binary
_.multiValued boolean required readOnly
_.description string readOnly
_.required boolean readOnly
_.canonicalValues string[] readOnly caseExact
_.caseExact boolean readOnly
_.mutability string readOnly caseExact values=readOnly,readWrite,immutable,writeOnly
_.returned string readOnly caseExact values=always,never,default,request
_.uniqueness string readOnly caseExact values=none,server,global
_.referenceTypes string[] readOnly caseExact`, "_", of))
}

func TestSchemasShowEveryAttributeOfTheRFC(t *testing.T) {
	if len(Schemas()) != len(rfc7643) {
		t.Errorf("%d schemas, want %d", len(Schemas()), len(rfc7643))
	}
	for _, s := range Schemas() {
		want := strings.Split(strings.TrimSpace(rfc7643[s.URN]), "\n")
		got := describe(t, s)
		for _, line := range want {
			if !slices.Contains(got, line) {
				t.Errorf("%s: not shown: %s", s.Name, line)
			}
		}
		for _, line := range got {
			if !slices.Contains(want, line) {
				t.Errorf("%s: not the RFC's: %s", s.Name, line)
			}
		}
	}
}

// describe reads the JSON a client gets and writes it like rfc7643.
func describe(t *testing.T, s *Schema) []string {
	t.Helper()
	text, err := json.Marshal(s.Document("https://example.com/scim/v2"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Attributes []map[string]any }
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var lines []string
	var visit func(prefix string, list []map[string]any)
	visit = func(prefix string, list []map[string]any) {
		for _, a := range list {
			path := prefix + fmt.Sprint(a["name"])
			lines = append(lines, path+" "+line(a))
			var subs []map[string]any
			for _, sub := range slice(a["subAttributes"]) {
				subs = append(subs, sub.(map[string]any)) //nolint:errcheck // a panic is a failed test
			}
			visit(path+".", subs)
		}
	}
	visit("", doc.Attributes)
	return lines
}

func line(a map[string]any) string {
	words := []string{fmt.Sprint(a["type"])}
	if a["multiValued"] == true {
		words[0] += "[]"
	}
	if a["required"] == true {
		words = append(words, "required")
	}
	if a["mutability"] != "readWrite" {
		words = append(words, fmt.Sprint(a["mutability"]))
	}
	if a["caseExact"] == true {
		words = append(words, "caseExact")
	}
	if a["returned"] != "default" {
		words = append(words, fmt.Sprint(a["returned"]))
	}
	if u, shown := a["uniqueness"]; shown && u != "none" {
		words = append(words, fmt.Sprint(u))
	}
	for label, key := range map[string]string{"values": "canonicalValues", "refs": "referenceTypes"} {
		var values []string
		for _, v := range slice(a[key]) {
			values = append(values, fmt.Sprint(v))
		}
		if values != nil {
			words = append(words, label+"="+strings.Join(values, ","))
		}
	}
	return strings.Join(words, " ")
}

func slice(v any) []any {
	list, _ := v.([]any)
	return list
}

func TestWhatIsThrownAwayIsNotAdvertised(t *testing.T) {
	for path, rt := range map[string]*ResourceType{
		"password": Users(), "manager.displayName": Users(), "members.display": Groups(),
	} {
		ref, err := rt.Resolve(path)
		if err != nil || !ref.Leaf().Dropped {
			t.Errorf("%s: %+v %v, want it known and dropped", path, ref, err)
		}
		text, err := json.Marshal(ref.Schema.Document(""))
		if err != nil {
			t.Fatal(err)
		}
		name, sub, _ := strings.Cut(path, ".")
		if sub == "" && bytes.Contains(text, []byte(`"name":"`+name+`"`)) {
			t.Errorf("%s is advertised", path)
		}
	}
}

func TestDocumentsAreTheSameBytesEveryTimeAndHoldNoNull(t *testing.T) {
	render := func() []byte {
		var b bytes.Buffer
		for _, s := range Schemas() {
			if err := json.NewEncoder(&b).Encode(s.Document("https://example.com/scim/v2")); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range ResourceTypes() {
			if err := json.NewEncoder(&b).Encode(r.Document("https://example.com/scim/v2")); err != nil {
				t.Fatal(err)
			}
		}
		return b.Bytes()
	}
	first := render()
	if !bytes.Equal(first, render()) {
		t.Error("two renderings differ")
	}
	if bytes.Contains(first, []byte("null")) {
		t.Error("a document holds a null")
	}
}

func TestEveryAttributeCanBeTalkedAboutAndDescribed(t *testing.T) {
	for _, s := range Schemas() {
		seen := map[string]bool{}
		var visit func(prefix string, list []*Attribute)
		visit = func(prefix string, list []*Attribute) {
			for _, a := range list {
				key := strings.ToLower(prefix + a.Name)
				if seen[key] || !IsName(a.Name) || a.Description == "" || (a.Type == Complex) != (a.Sub != nil) ||
					(a.Type == Reference) != (a.References != nil) || a.Type == Reference && !a.CaseExact {
					t.Errorf("%s: %s%s: twice, misnamed, without description, sub-attributes or references", s.Name, prefix, a.Name)
				}
				seen[key] = true
				visit(prefix+a.Name+".", a.Sub)
			}
		}
		visit("", s.Attributes)
	}
}
