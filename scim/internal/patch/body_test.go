package patch

import (
	"reflect"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

const (
	oktaCreates = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"test.user@okta.local","name":{"givenName":"Test","familyName":"User"},"emails":[{"primary":true,
		"value":"test.user@okta.local","type":"work"}],"displayName":"Test User","locale":"en-US","externalId":"00ujl29u0le5T6Aj10h7","groups":[],"password":"1mz050nq","active":true}`
	oktaReplaces = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"23a35c27-23d3-4c03-b4c5-6443c09e7173",
		"userName":"test.user@okta.local","name":{"givenName":"Another","middleName":"Excited","familyName":"User"},"emails":[{"primary":true,"value":"test.user@okta.local","type":"work",
		"display":"test.user@okta.local"}],"active":true,"groups":[],"meta":{"resourceType":"User"}}`
	entraCreates = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"externalId":"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
		"userName":"Test_User_00aa00aa-bb11-cc22-dd33-44ee44ee44ee","active":true,"emails":[{"primary":true,"type":"work","value":"Test_User_11bb11bb-cc22-dd33-ee44-55ff55ff55ff@testuser.com"}],
		"meta":{"resourceType":"User"},"name":{"formatted":"givenName familyName","familyName":"familyName","givenName":"givenName"},"roles":[],"addresses":null,"manager":null,"department":"D"}`
)

func TestBodiesOfProvidersBecomeDocuments(t *testing.T) {
	const tomJones = `{"userName":"u","active":true,"roles":[{"primary":true,"value":"r"}]`
	for _, c := range []struct {
		name, body string
		mode       Mode
		want       string
		dropped    []string
	}{
		{"okta creates", oktaCreates, Create, `{"userName":"test.user@okta.local","name":{"givenName":"Test","familyName":"User"},"emails":[{"primary":true,"value":"test.user@okta.local","type":"work"}],
			"displayName":"Test User","locale":"en-US","externalId":"00ujl29u0le5T6Aj10h7","active":true}`, nil},
		{"okta replaces", oktaReplaces, Replace, `{"userName":"test.user@okta.local","name":{"givenName":"Another","middleName":"Excited","familyName":"User"},
			"emails":[{"primary":true,"value":"test.user@okta.local","type":"work","display":"test.user@okta.local"}],"active":true}`, nil},
		{"entra creates", entraCreates, Create, `{"externalId":"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef","userName":"Test_User_00aa00aa-bb11-cc22-dd33-44ee44ee44ee","active":true,
			"emails":[{"primary":true,"type":"work","value":"Test_User_11bb11bb-cc22-dd33-ee44-55ff55ff55ff@testuser.com"}],
			"name":{"formatted":"givenName familyName","familyName":"familyName","givenName":"givenName"}}`, []string{"department"}},
		{"booleans as strings", `{"userName":"u","active":"False","roles":[{"primary":"True","value":"r"}]}`, Create, strings.Replace(tomJones, "true", "false", 1) + `}`, nil},
		{"active is true unless said", `{"userName":"u"}`, Create, `{"userName":"u","active":true}`, nil},
		{"active may be unassigned", `{"userName":"u","active":null}`, Create, minimal, nil},
		{"unassigned attributes", `{"userName":"u","active":true,"title":"","name":{},"emails":[],"roles":[{"value":"r","primary":true,"display":""}],"photos":null,"nickName":[],"addresses":[{}],"` + ext + `":{"department":"","manager":{"value":""}}}`,
			Replace, tomJones + `}`, nil},
		{"manager in every form", `{"userName":"u","active":true,"` + ext + `":{"manager":[{"value":"m","displayName":"M","$ref":"x"}],"costCenter":"c"}}`, Replace, `{"userName":"u","active":true,"` + ext + `":{"costCenter":"c","manager":{"value":"m"}}}`, nil},
		{"manager as a string", `{"userName":"u","active":true,"` + ext + `":{"manager":"m"}}`, Replace, `{"userName":"u","active":true,"` + ext + `":{"manager":{"value":"m"}}}`, nil},
		{"any case and URNs", `{"USERNAME":"u","Active":true,"` + strings.ToUpper(ext) + `":{"DEPARTMENT":"d"},"` + ext + `:division":"v","urn:ietf:params:scim:schemas:core:2.0:User:title":"t","Name":{"GIVENNAME":"g"}}`, Create,
			`{"userName":"u","active":true,"title":"t","name":{"givenName":"g"},"` + ext + `":{"department":"d","division":"v"}}`, nil},
		{"unknown attributes are dropped", `{"userName":"u","active":true,"x":{"y":1},"name":{"first":"f"},"emails":[{"mail":"m"}],"name.givenName":"g","` + ext + `":{"floor":1},"urn:acme:x":{"a":1},"a b":1}`, Create,
			`{"userName":"u","active":true}`, []string{"a?b", "emails.mail", "name.first", "name.givenName", "urn:acme:x", ext + ":floor", "x"}},
		{"free text where a format is usual", `{"userName":"u","active":true,"profileUrl":"a page","locale":"here","timezone":"now"}`, Create, `{"userName":"u","active":true,"profileUrl":"a page","locale":"here","timezone":"now"}`, nil},
	} {
		b, err := Normalize(schema.Users(), parse(t, c.body), c.mode)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !reflect.DeepEqual(b.Doc, parse(t, c.want)) || b.KeepActive || b.HasMembers {
			t.Errorf("%s: %s\n%+v", c.name, show(b.Doc), b)
		}
		for _, name := range c.dropped {
			if !strings.Contains(strings.Join(b.Dropped, " ")+" ", name+" ") {
				t.Errorf("%s: dropped %q, want %q", c.name, b.Dropped, c.dropped)
				break
			}
		}
		if len(b.Dropped) != len(c.dropped) {
			t.Errorf("%s: dropped %q, want %q", c.name, b.Dropped, c.dropped)
		}
	}
}

func TestAnOmissionDoesNotReactivate(t *testing.T) {
	b, err := Normalize(schema.Users(), parse(t, `{"userName":"v","title":"t"}`), Replace)
	if err != nil || !b.KeepActive {
		t.Fatalf("%+v, %v", b, err)
	}
	for old, want := range map[string]string{
		`{"userName":"u","active":false,"nickName":"n"}`: `{"userName":"v","title":"t","active":false}`,
		`{"userName":"u","active":true}`:                 `{"userName":"v","title":"t","active":true}`,
		`{"userName":"u"}`:                               `{"userName":"v","title":"t"}`,
	} {
		if got := b.Over(parse(t, old)); !reflect.DeepEqual(got, parse(t, want)) {
			t.Errorf("over %s: %s", old, show(got))
		}
	}
	for active, want := range map[string]any{`null`: nil, `false`: false, `"True"`: true} {
		b, err := Normalize(schema.Users(), parse(t, `{"userName":"v","active":`+active+`}`), Replace)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.Over(parse(t, `{"userName":"u","active":true}`)); got["active"] != want {
			t.Errorf("active %s over true: %v", active, got["active"])
		}
	}
}

func TestGroupBodiesSayWhetherMembersStay(t *testing.T) {
	for _, c := range []struct {
		name, body string
		has        bool
		want       Members
	}{
		{"okta creates", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Test SCIMv2","members":[]}`, true, change(true, nil, nil, nil)},
		{"entra creates", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
			"displayName":"Test SCIMv2","meta":{"resourceType":"Group"}}`, false, Members{}},
		{"okta sends back what it read", `{"displayName":"Test SCIMv2","members":null}`, false, Members{}},
		{"members", `{"displayName":"Test SCIMv2","members":[{"value":"a","display":"A"},{"VALUE":"b","$ref":null,"type":"user"},{"value":"a"},{"value":"g","type":"Group"}]}`, true, change(true, []string{"a", "b"}, nil, []string{"g"})},
	} {
		for _, mode := range []Mode{Create, Replace} {
			b, err := Normalize(schema.Groups(), parse(t, c.body), mode)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			if b.HasMembers != c.has || !reflect.DeepEqual(b.Members, c.want) || !reflect.DeepEqual(b.Doc, map[string]any{"displayName": "Test SCIMv2"}) || b.KeepActive {
				t.Errorf("%s: %+v", c.name, b)
			}
		}
	}
}

func TestBodiesThatMeanNothingAreRefused(t *testing.T) {
	users, groups := schema.Users(), schema.Groups()
	for _, c := range []struct {
		kind *schema.ResourceType
		body string
	}{
		{users, `{}`}, {users, `{"userName":""}`}, {users, `{"userName":null}`}, {users, `{"userName":7}`}, {users, `{"userName":["u"]}`},
		{users, `{"userName":"u","active":"yes"}`}, {users, `{"userName":"u","active":0}`}, {users, `{"userName":"u","active":""}`},
		{users, `{"userName":"u","active":[]}`}, {users, `{"userName":"u","emails":"a@x"}`}, {users, `{"userName":"u","emails":["a@x"]}`},
		{users, `{"userName":"u","emails":[{"value":"a","primary":true},{"value":"b","primary":"true"}]}`},
		{users, `{"userName":"u","emails":[{"value":{}}]}`}, {users, `{"userName":"u","name":"Alice"}`}, {users, `{"userName":"u","name":7}`},
		{users, `{"userName":"u","schemas":"x"}`}, {users, `{"userName":"u","schemas":[7]}`}, {users, `{"userName":"u","` + ext + `":"d"}`},
		{users, `{"userName":"u","` + ext + `":{"manager":7}}`}, {users, `{"userName":"u","` + ext + `":{"department":"a"},"` + ext + `:department":"b"}`},
		{groups, `{}`}, {groups, `{"displayName":""}`}, {groups, `{"displayName":"g","members":[{}]}`}, {groups, `{"displayName":"g","members":["a"]}`},
		{groups, `{"displayName":"g","members":{"value":"a"}}`}, {groups, `{"displayName":"g","members":""}`}, {groups, `{"displayName":"g","members":[null]}`},
		{groups, `{"displayName":"g","members":[{"value":""}]}`}, {groups, `{"displayName":"g","externalId":7}`},
	} {
		for _, mode := range []Mode{Create, Replace} {
			b, err := Normalize(c.kind, parse(t, c.body), mode)
			if b != nil || scimType(err) != invalidValue {
				t.Errorf("%s: %+v, %v", c.body, b, err)
			}
		}
	}
}

func TestSchemasAreThoseTheResourceHasDataOf(t *testing.T) {
	for doc, want := range map[string][]string{
		minimal:                             {schema.UserURN},
		`{"userName":"u","` + ext + `":{}}`: {schema.UserURN},
		`{"userName":"u","` + ext + `":{"division":"d"}}`: {schema.UserURN, schema.EnterpriseUserURN},
	} {
		if got := Schemas(schema.Users(), parse(t, doc)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q", doc, got)
		}
	}
}
