package patch

import (
	"reflect"
	"testing"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

func TestUserEditsFollowTheRFCWhereItIsClear(t *testing.T) {
	const people = `{"userName":"u","emails":[{"type":"work","value":"w@x","primary":true},{"type":"home","value":"h@x"}]}`
	for _, c := range []struct{ name, doc, operations, want string }{
		{"add replaces a singular value", `{"userName":"u","title":"a"}`, `[{"op":"add","path":"title","value":"b"}]`, `{"userName":"u","title":"b"}`},
		{"add merges a complex value", `{"userName":"u","name":{"givenName":"g"}}`, `[{"op":"add","path":"name","value":{"familyName":"f"}}]`, `{"userName":"u","name":{"givenName":"g","familyName":"f"}}`},
		{"replace merges a complex value", `{"userName":"u","name":{"givenName":"g"}}`, `[{"op":"replace","path":"name","value":{"familyName":"f"}}]`, `{"userName":"u","name":{"givenName":"g","familyName":"f"}}`},
		{"null takes a sub-attribute away", `{"userName":"u","name":{"givenName":"g","familyName":"f"}}`, `[{"op":"replace","path":"name","value":{"familyName":null}}]`, `{"userName":"u","name":{"givenName":"g"}}`},
		{"an emptied complex value goes", `{"userName":"u","name":{"givenName":"g"}}`, `[{"op":"remove","path":"name.givenName"}]`, minimal},
		{"an empty string unassigns", `{"userName":"u","title":"a"}`, `[{"op":"replace","path":"title","value":""}]`, minimal},
		{"null unassigns", `{"userName":"u","title":"a"}`, `[{"op":"replace","value":{"title":null}}]`, minimal},
		{"null unassigns a complex value", `{"userName":"u","name":{"givenName":"g"}}`, `[{"op":"replace","path":"name","value":null}]`, minimal},
		{"active can be unassigned", `{"userName":"u","active":true}`, `[{"op":"replace","path":"active","value":null}]`, minimal},
		{"active can be removed", `{"userName":"u","active":true}`, `[{"op":"remove","path":"active"}]`, minimal},
		{"add appends", people, `[{"op":"add","path":"emails","value":[{"value":"o@x"}]}]`, `{"userName":"u","emails":[{"type":"work","value":"w@x","primary":true},{"type":"home","value":"h@x"},{"value":"o@x"}]}`},
		{"add takes one object", minimal, `[{"op":"add","path":"emails","value":{"value":"o@x"}}]`, `{"userName":"u","emails":[{"value":"o@x"}]}`},
		{"add keeps out what is there", people, `[{"op":"add","path":"emails","value":[{"value":"h@x","type":"home"}]}]`, people},
		{"add of nothing is nothing", people, `[{"op":"add","path":"emails","value":[]}]`, people},
		{"add without path appends", people, `[{"op":"add","value":{"emails":[{"value":"o@x"}]}}]`, `{"userName":"u","emails":[{"type":"work","value":"w@x","primary":true},{"type":"home","value":"h@x"},{"value":"o@x"}]}`},
		{"replace takes all the place", people, `[{"op":"replace","path":"emails","value":[{"value":"o@x"},{"value":"o@x"}]}]`, `{"userName":"u","emails":[{"value":"o@x"}]}`},
		{"replace with nothing", people, `[{"op":"replace","path":"emails","value":[]}]`, minimal},
		{"a new primary takes it from the old", people, `[{"op":"add","path":"emails","value":[{"value":"o@x","primary":"True"}]}]`, `{"userName":"u","emails":[{"type":"work","value":"w@x","primary":false},{"type":"home","value":"h@x"},{"value":"o@x","primary":true}]}`},
		{"primary by value path", people, `[{"op":"replace","path":"emails[type eq \"home\"].primary","value":true}]`, `{"userName":"u","emails":[{"type":"work","value":"w@x","primary":false},{"type":"home","value":"h@x","primary":true}]}`},
		{"a value path changes each match", people, `[{"op":"replace","path":"emails[value ew \"@x\"].display","value":"d"}]`, `{"userName":"u","emails":[{"type":"work","value":"w@x","primary":true,"display":"d"},{"type":"home","value":"h@x","display":"d"}]}`},
		{"a value path merges", people, `[{"op":"replace","path":"emails[type eq \"HOME\"]","value":{"value":"n@x"}}]`, `{"userName":"u","emails":[{"type":"work","value":"w@x","primary":true},{"type":"home","value":"n@x"}]}`},
		{"a value path with null takes matches away", people, `[{"op":"replace","path":"emails[type eq \"home\"]","value":null}]`, `{"userName":"u","emails":[{"type":"work","value":"w@x","primary":true}]}`},
		{"remove by value path", people, `[{"op":"remove","path":"emails[type eq \"home\"]"}]`, `{"userName":"u","emails":[{"type":"work","value":"w@x","primary":true}]}`},
		{"remove of a part", people, `[{"op":"remove","path":"emails[type eq \"work\"].primary"}]`, `{"userName":"u","emails":[{"type":"work","value":"w@x"},{"type":"home","value":"h@x"}]}`},
		{"remove of all matches", people, `[{"op":"remove","path":"emails[type pr]"}]`, minimal},
		{"remove of all", people, `[{"op":"remove","path":"emails"}]`, minimal},
		{"remove of listed ones", people, `[{"op":"remove","path":"emails","value":[{"value":"h@x"},{"value":"w@x","type":"home"}]}]`, `{"userName":"u","emails":[{"type":"work","value":"w@x","primary":true}]}`},
		{"remove of nothing", minimal, `[{"op":"remove","path":"emails[type eq \"work\"]"},{"op":"remove","path":"name.givenName"},{"op":"remove","path":"title"},{"op":"remove","path":"manager"},{"op":"remove","path":"` + ext + `:manager.value"}]`, minimal},
		{"nothing to empty", minimal, `[{"op":"replace","path":"emails[type eq \"work\"].value","value":""}]`, minimal},
		{"the element is created from two conditions", minimal, `[{"op":"add","path":"addresses[type eq \"work\" and primary eq true].country","value":"DE"}]`, `{"userName":"u","addresses":[{"type":"work","primary":true,"country":"DE"}]}`},
		{"the created primary is the only one", people, `[{"op":"replace","path":"emails[type eq \"other\" and primary eq true].value","value":"o@x"}]`, `{"userName":"u","emails":[{"type":"work","value":"w@x","primary":false},{"type":"home","value":"h@x"},{"type":"other","value":"o@x","primary":true}]}`},
		{"later operations see earlier ones", minimal, `[{"op":"add","path":"emails","value":[{"type":"work","value":"a"}]},{"op":"replace","path":"emails[type eq \"work\"].value","value":"b"},{"op":"remove","path":"emails[value eq \"b\"].type"}]`, `{"userName":"u","emails":[{"value":"b"}]}`},
		{"value paths as keys", people, `[{"op":"replace","value":{"emails[type eq \"home\"].value":"n@x","urn:ietf:params:scim:schemas:core:2.0:User:title":"t"}}]`, `{"userName":"u","title":"t","emails":[{"type":"work","value":"w@x","primary":true},{"type":"home","value":"n@x"}]}`},
		{"what was read and is sent back", minimal, `[{"op":"replace","value":{"schemas":["x"],"id":"` + resourceID + `","meta":{"version":"W/\"1\""},"userName":"v"}}]`, `{"userName":"v"}`},
		{"parts of an extension merge", `{"userName":"u","` + ext + `":{"department":"d","division":"v"}}`, `[{"op":"replace","path":"` + ext + `","value":{"department":"e","division":null}}]`, `{"userName":"u","` + ext + `":{"department":"e"}}`},
		{"an empty extension object changes nothing", `{"userName":"u","` + ext + `":{"department":"d"}}`, `[{"op":"replace","value":{"` + ext + `":{}}}]`, `{"userName":"u","` + ext + `":{"department":"d"}}`},
		{"extension attributes by name", minimal, `[{"op":"add","value":{"department":"d","employeenumber":"7"}}]`, `{"userName":"u","` + ext + `":{"department":"d","employeeNumber":"7"}}`},
		{"dropped sub-attributes", minimal, `[{"op":"add","path":"manager.displayName","value":"M"},{"op":"add","path":"manager","value":{"value":"m","displayName":"M","$ref":"../Users/m"}}]`, `{"userName":"u","` + ext + `":{"manager":{"value":"m"}}}`},
	} {
		got, changed, err := patchUser(t, c.doc, c.operations)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if want := parse(t, c.want); !reflect.DeepEqual(got, want) || changed == reflect.DeepEqual(want, parse(t, c.doc)) {
			t.Errorf("%s: %s, changed %v; want %s", c.name, show(got), changed, show(want))
		}
	}
}

func TestForeignSchemasAreDroppedAndReportedAndHoldNothingBack(t *testing.T) {
	plan, err := compile(t, schema.Users(), `[
		{"op":"add","path":"urn:ietf:params:scim:schemas:extension:acme:2.0:User:badge","value":{"a":[1]}},
		{"op":"replace","path":"urn:example:acme:1.0:desk[floor eq \"secret\"].number","value":7},
		{"op":"replace","value":{"urn:ietf:params:scim:schemas:extension:acme:2.0:User":{"x":1},"http://schemas.acme.example/x:y":1,"active":false}}]`)
	if err != nil {
		t.Fatal(err)
	}
	got, changed, err := plan.ApplyUser(parse(t, `{"userName":"u","active":true}`))
	if err != nil || !changed || got["active"] != false || len(got) != 2 {
		t.Errorf("%v, %v, %v", got, changed, err)
	}
	want := []string{"urn:ietf:params:scim:schemas:extension:acme:2.0:User:badge", "urn:example:acme:1.0:desk",
		"http://schemas.acme.example/x:y", "urn:ietf:params:scim:schemas:extension:acme:2.0:User"}
	if !reflect.DeepEqual(plan.Dropped, want) {
		t.Errorf("dropped %q", plan.Dropped)
	}
}

func TestApplyLeavesTheOriginalAlone(t *testing.T) {
	doc := parse(t, `{"userName":"u","name":{"givenName":"g"},"emails":[{"value":"a","primary":true}],"`+ext+`":{"manager":{"value":"m"}}}`)
	before := show(doc)
	plan, err := compile(t, schema.Users(), `[{"op":"add","path":"emails","value":[{"value":"b","primary":true}]},{"op":"replace","path":"emails[value eq \"a\"].type","value":"work"},
		{"op":"replace","path":"name.givenName","value":"h"},{"op":"remove","path":"manager"}]`)
	if err != nil {
		t.Fatal(err)
	}
	first, _, err := plan.ApplyUser(doc)
	if err != nil {
		t.Fatal(err)
	}
	answer := show(first)
	again, _, err := plan.ApplyUser(first)
	if err != nil || show(doc) != before || show(first) != answer || show(again) != answer {
		t.Errorf("before %s after %s, first %s then %s, again %s, %v", before, show(doc), answer, show(first), show(again), err)
	}
}

// change is a Members as the tables write it.
func change(clear bool, add, remove, nested []string) Members {
	return Members{Clear: clear, Add: add, Remove: remove, Nested: nested}
}

func TestGroupPatchesBecomeChangesThatReadNoMember(t *testing.T) {
	a, b := []string{"a"}, []string{"b"}
	const value = `"value":[{"$ref":null,"value":"a"}]`
	for _, c := range []struct {
		name, operations, doc string
		want                  Members
	}{
		{"okta renames", `[{"op":"replace","value":{"id":"` + resourceID + `","displayName":"Test SCIMv2"}}]`, `{"displayName":"Test SCIMv2","externalId":"e"}`, Members{}},
		{"okta moves", `[{"op":"remove","path":"members[value eq \"a\"]"},{"op":"add","path":"members","value":[{"value":"b","display":"b@x"}]}]`, "", change(false, b, a, nil)},
		{"okta replaces", `[{"op":"replace","path":"members","value":[{"value":"a","display":"a@x"}]}]`, "", change(true, a, nil, nil)},
		{"entra adds", `[{"op":"Add","path":"members",` + value + `}]`, "", change(false, a, nil, nil)},
		{"entra removes", `[{"op":"Remove","path":"members",` + value + `}]`, "", change(false, nil, a, nil)},
		{"entra removes with the flag", `[{"op":"remove","path":"members[value eq \"a\"]"}]`, "", change(false, nil, a, nil)},
		{"one object", `[{"op":"add","path":"members","value":{"value":"a","type":"User"}},{"op":"remove","path":"members","value":{"value":"b"}}]`, "", change(false, a, b, nil)},
		{"duplicates", `[{"op":"add","path":"members","value":[{"value":"a"},{"value":"a"}]}]`, "", change(false, a, nil, nil)},
		{"adding nobody", `[{"op":"add","path":"members","value":[]}]`, "", Members{}},
		{"replace by nobody", `[{"op":"replace","path":"members","value":[]}]`, "", change(true, nil, nil, nil)},
		{"without path", `[{"op":"add","value":{"members":[{"value":"a"}]}}]`, "", change(false, a, nil, nil)},
		{"replace without path", `[{"op":"replace","value":{"members":[{"value":"a"}],"displayName":"n"}}]`, `{"displayName":"n","externalId":"e"}`, change(true, a, nil, nil)},
		{"remove all", `[{"op":"remove","path":"members"}]`, "", change(true, nil, nil, nil)},
		{"remove all, then add", `[{"op":"add","path":"members","value":[{"value":"b"}]},{"op":"remove","path":"members"},{"op":"add","path":"members","value":[{"value":"a"}]}]`, "", change(true, a, nil, nil)},
		{"or", `[{"op":"remove","path":"members[value eq \"a\" or value eq \"b\"]","value":null}]`, "", change(false, nil, []string{"a", "b"}, nil)},
		{"add, then remove", `[{"op":"add","path":"members","value":[{"value":"a"}]},{"op":"remove","path":"members[value eq \"a\"]"}]`, "", change(false, nil, a, nil)},
		{"remove, then add", `[{"op":"remove","path":"members[value eq \"a\"]"},{"op":"add","path":"members","value":[{"value":"a"}]}]`, "", change(false, a, nil, nil)},
		{"replace, then remove", `[{"op":"replace","path":"members","value":[{"value":"a"},{"value":"b"}]},{"op":"remove","path":"members[value eq \"b\"]"}]`, "", change(true, a, nil, nil)},
		{"nested", `[{"op":"add","path":"members","value":[{"value":"a","type":"Group"},{"value":"b","type":null}]}]`, "", change(false, b, nil, a)},
		{"with its schema", `[{"op":"remove","path":"urn:ietf:params:scim:schemas:core:2.0:Group:MEMBERS[VALUE EQ \"a\"]"}]`, "", change(false, nil, a, nil)},
		{"ids keep their case", `[{"op":"remove","path":"members[value eq \"a\"]"},{"op":"add","path":"members","value":[{"value":"A"}]}]`, "", change(false, []string{"A"}, a, nil)},
		{"external id goes", `[{"op":"replace","path":"externalId","value":""}]`, `{"displayName":"old"}`, Members{}},
		{"external id is removed", `[{"op":"remove","path":"externalId"}]`, `{"displayName":"old"}`, Members{}},
		{"external id is set", `[{"op":"add","value":{"externalId":"f"}}]`, `{"displayName":"old","externalId":"f"}`, Members{}},
	} {
		plan, err := compile(t, schema.Groups(), c.operations)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !reflect.DeepEqual(plan.Members(), c.want) || plan.Members().Empty() != reflect.DeepEqual(c.want, Members{}) {
			t.Errorf("%s: %+v, want %+v", c.name, plan.Members(), c.want)
		}
		const old = `{"displayName":"old","externalId":"e"}`
		if c.doc == "" {
			c.doc = old
		}
		got, changed, err := plan.ApplyGroup(parse(t, old))
		if err != nil || !reflect.DeepEqual(got, parse(t, c.doc)) || changed == (c.doc == old) {
			t.Errorf("%s: %s, changed %v, %v; want %s", c.name, show(got), changed, err, c.doc)
		}
	}
}
