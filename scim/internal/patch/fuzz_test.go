package patch

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/scim/internal/jsonread"
	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

const maxFuzzed = 1 << 16

var seeds = []string{
	`{"schemas":["` + OpURN + `"],"Operations":[{"op":"replace","value":{"active":false}}]}`,
	`{"schemas":["` + OpURN + `"],"Operations":[{"op":"Add","path":"members","value":[{"$ref":null,"value":"a"}]},{"op":"remove","path":"members"}]}`,
	`{"schemas":["` + OpURN + `"],"Operations":[{"op":"remove","path":"members[value eq \"a\" or value eq \"b\"]"},{"op":"replace","path":"members","value":[]}]}`,
	`{"schemas":["` + OpURN + `"],"Operations":[{"op":"remove","path":"members","value":[{"value":"a"}]},{"op":"replace","value":{"id":"` + resourceID + `","displayName":"n","members":[]}}]}`,
	`{"schemas":["` + OpURN + `"],"Operations":[{"op":"Replace","path":"emails[type eq \"work\"].value","value":"x"},{"op":"add","path":"manager","value":[{"value":"m"}]}]}`,
	`{"schemas":["` + OpURN + `"],"Operations":[{"op":"replace","value":{"name.givenName":"g","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"d","roles[primary eq \"True\"].value":"r"}}]}`,
	`{"schemas":["` + OpURN + `"],"Operations":[{"op":"add","path":"urn:acme:x:y","value":1},{"op":"remove","path":"name"}]}`,
	oktaCreates, oktaReplaces, entraCreates,
	`{"displayName":"g","members":[{"value":"a","type":"Group"}]}`,
}

// Whatever the body, nothing panics, what is accepted is stable, and a group is emptied by exactly those operations
// that say so in so many words.
func FuzzPatch(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed), `{"userName":"u","emails":[{"type":"work","value":"w","primary":true}]}`)
	}
	f.Fuzz(func(t *testing.T, data []byte, stored string) {
		body, err := jsonread.Object(data, maxFuzzed)
		if err != nil {
			return
		}
		fuzzMembers(t, body)
		user, err := jsonread.Object([]byte(stored), maxFuzzed)
		if err != nil {
			return
		}
		b, err := Normalize(schema.Users(), user, Create)
		if err != nil {
			return
		}
		fuzzUser(t, body, b.Doc)
	})
}

func fuzzMembers(t *testing.T, body object) {
	plan, err := Compile(schema.Groups(), resourceID, body, strings.ToLower)
	if err != nil {
		typed(t, err)
		return
	}
	m := plan.Members()
	if m.Clear != emptied(body) {
		t.Fatalf("clear is %v by %s", m.Clear, show(body))
	}
	all := slices.Concat(m.Add, m.Remove, m.Nested)
	if slices.Contains(all, "") || len(all) != len(slices.Compact(slices.Sorted(slices.Values(all)))) {
		t.Fatalf("%+v by %s", m, show(body))
	}
	doc, _, err := plan.ApplyGroup(object{"displayName": "g"})
	if err != nil || doc["displayName"] == nil || len(doc) > 2 {
		t.Fatalf("%s, %v by %s", show(doc), err, show(body))
	}
}

// emptied reports whether an operation literally removes or replaces all members.
func emptied(body object) bool {
	list, _ := field(body, "operations").value.([]any)
	return slices.ContainsFunc(list, func(item any) bool {
		o, _ := item.(object)
		verb, _ := field(o, "op").value.(string)
		path, _ := field(o, "path").value.(string)
		path = strings.ToLower(strings.Trim(path, " \t"))
		value := field(o, "value")
		whole := func(path string) bool {
			return path == "members" || path == strings.ToLower(schema.GroupURN)+":members"
		}
		switch strings.ToLower(verb) {
		case "remove":
			return whole(path) && !value.given
		case "replace":
			object, _ := value.value.(object)
			for name := range object {
				if path == "" && whole(strings.ToLower(strings.Trim(name, " \t"))) {
					return true
				}
			}
			return whole(path)
		}
		return false
	})
}

func fuzzUser(t *testing.T, body, doc object) {
	before := show(doc)
	plan, err := Compile(schema.Users(), resourceID, body, strings.ToLower)
	if err != nil {
		typed(t, err)
		return
	}
	if !plan.Members().Empty() {
		t.Fatalf("%+v on a user by %s", plan.Members(), show(body))
	}
	got, changed, err := plan.ApplyUser(doc)
	if show(doc) != before {
		t.Fatalf("%s became %s by %s", before, show(doc), show(body))
	}
	if err != nil {
		typed(t, err)
		return
	}
	wellFormed(t, got, body)
	if changed == reflect.DeepEqual(got, doc) {
		t.Fatalf("changed is %v from %s to %s", changed, before, show(got))
	}
}

// wellFormed checks a document by reading it as the body of a PUT, which leaves nothing out and refuses nothing.
func wellFormed(t *testing.T, doc, body object) {
	b, err := Normalize(schema.Users(), doc, Replace)
	if err != nil || len(b.Dropped) > 0 || !reflect.DeepEqual(b.Doc, doc) {
		t.Fatalf("%s is read as %+v, %v by %s", show(doc), b, err, show(body))
	}
}

func FuzzNormalize(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		body, err := jsonread.Object(data, maxFuzzed)
		if err != nil {
			return
		}
		for _, mode := range []Mode{Create, Replace} {
			if b, err := Normalize(schema.Users(), body, mode); err != nil {
				typed(t, err)
			} else {
				wellFormed(t, b.Doc, body)
			}
			if b, err := Normalize(schema.Groups(), body, mode); err != nil {
				typed(t, err)
			} else if b.HasMembers != b.Members.Clear || b.Doc["displayName"] == nil || len(b.Members.Remove) > 0 {
				t.Fatalf("%+v by %s", b, data)
			}
		}
	})
}

func typed(t *testing.T, err error) {
	if scimType(err) == "" {
		t.Fatalf("%T %v is no *Error with a scimType", err, err)
	}
}
