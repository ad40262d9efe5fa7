package patch

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/scim/internal/jsonread"
	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

const resourceID = "abf4dd94-a4c0-4f67-89c9-76b03340cb9b"

func parse(t testing.TB, text string) map[string]any {
	t.Helper()
	object, err := jsonread.Object([]byte(text), 1<<24)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return object
}

// compile wraps operations into a message.
func compile(t testing.TB, kind *schema.ResourceType, operations string) (*Plan, error) {
	t.Helper()
	return Compile(kind, resourceID, parse(t, `{"schemas":["`+OpURN+`"],"Operations":`+operations+`}`), strings.ToLower)
}

func patchUser(t testing.TB, doc, operations string) (map[string]any, bool, error) {
	t.Helper()
	plan, err := compile(t, schema.Users(), operations)
	if err != nil {
		return nil, false, err
	}
	return plan.ApplyUser(parse(t, doc))
}

func show(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

func scimType(err error) string {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return ""
	}
	return e.Type
}

const ext = `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User`

// minimal is what every user has.
const minimal = `{"userName":"u"}`

func TestUserPatchesOfProvidersMeanWhatTheProviderMeans(t *testing.T) {
	const work = `{"userName":"u","emails":[{"type":"work","value":"old@x"},{"type":"home","value":"h@x"}]}`
	for _, c := range []struct{ name, doc, operations, want string }{
		{"okta deactivates", `{"userName":"u","active":true}`, `[{"op":"replace","value":{"active":false}}]`, `{"userName":"u","active":false}`},
		{"entra deactivates", `{"userName":"u","active":true}`, `[{"op":"Replace","path":"active","value":"False"}]`, `{"userName":"u","active":false}`},
		{"entra deactivates with the flag", `{"userName":"u","active":true}`, `[{"op":"replace","path":"active","value":false}]`, `{"userName":"u","active":false}`},
		{"password goes nowhere", minimal, `[{"op":"replace","value":{"password":"1mz050nq"}},{"op":"add","path":"password","value":1}]`, minimal},
		{"entra adds a nick name", minimal, `[{"op":"Add","path":"nickName","value":"Babs"}]`, `{"userName":"u","nickName":"Babs"}`},
		{"entra replaces several", `{"userName":"u","displayName":"D","name":{"familyName":"F"}}`,
			`[{"op":"Replace","path":"displayName","value":"Pvlo"},{"op":"Replace","path":"emails[type eq \"work\"].value","value":"TestBcwqnm@test.microsoft.com"},
			{"op":"Replace","path":"name.givenName","value":"Gtfd"},{"op":"Replace","path":"` + ext + `:employeeNumber","value":"Eqpj"}]`,
			`{"userName":"u","displayName":"Pvlo","emails":[{"type":"work","value":"TestBcwqnm@test.microsoft.com"}],"name":{"familyName":"F","givenName":"Gtfd"},"` + ext + `":{"employeeNumber":"Eqpj"}}`},
		{"entra replaces without path", work,
			`[{"op":"replace","path":"emails[type eq \"work\"].value","value":"TestMhvaes@test.microsoft.com"},
			{"op":"replace","value":{"displayName":"Bjfe","name.givenName":"Kkom","name.familyName":"Unua","` + ext + `:employeeNumber":"Aklq"}}]`,
			`{"userName":"u","displayName":"Bjfe","emails":[{"type":"work","value":"TestMhvaes@test.microsoft.com"},{"type":"home","value":"h@x"}],"name":{"givenName":"Kkom","familyName":"Unua"},"` + ext + `":{"employeeNumber":"Aklq"}}`},
		{"entra adds a manager", minimal, `[{"op":"Add","path":"` + ext + `:manager","value":"m1"}]`, `{"userName":"u","` + ext + `":{"manager":{"value":"m1"}}}`},
		{"entra replaces the manager", `{"userName":"u","` + ext + `":{"manager":{"value":"m1"}}}`, `[{"op":"Replace","path":"` + ext + `:manager","value":"m2"}]`, `{"userName":"u","` + ext + `":{"manager":{"value":"m2"}}}`},
		{"entra removes the manager", `{"userName":"u","` + ext + `":{"manager":{"value":"m1"}}}`, `[{"op":"Replace","path":"` + ext + `:manager","value":""}]`, minimal},
		{"manager in an array", minimal, `[{"op":"Add","path":"manager","value":[{"$ref":"http://x/scim/Users/00aa","value":"00aa"}]}]`, `{"userName":"u","` + ext + `":{"manager":{"value":"00aa"}}}`},
		{"onelogin's manager", minimal, `[{"op":"replace","value":{"` + ext + `":{"manager":{"value":"m","displayName":"M"},"department":""}}}]`, `{"userName":"u","` + ext + `":{"manager":{"value":"m"}}}`},
		{"roles grow from display", minimal, `[{"op":"Add","path":"roles[primary eq \"True\"].display","value":"d"},{"op":"Add","path":"roles[primary eq \"True\"].value","value":"v"},{"op":"Add","path":"roles[primary eq \"True\"].type","value":"t"}]`,
			`{"userName":"u","roles":[{"primary":true,"display":"d","value":"v","type":"t"}]}`},
		{"bare extension added", minimal, `[{"op":"add","path":"` + ext + `","value":{"department":"d","manager":{"value":"m"}}}]`, `{"userName":"u","` + ext + `":{"department":"d","manager":{"value":"m"}}}`},
		{"bare extension removed", `{"userName":"u","` + ext + `":{"department":"d"}}`, `[{"op":"remove","path":"` + ext + `"}]`, minimal},
		{"any case", minimal, `[{"OP":"REPLACE","Path":"NAME.GIVENNAME","VALUE":"g"}]`, `{"userName":"u","name":{"givenName":"g"}}`},
	} {
		got, changed, err := patchUser(t, c.doc, c.operations)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		want := parse(t, c.want)
		if !reflect.DeepEqual(got, want) || changed == reflect.DeepEqual(got, parse(t, c.doc)) {
			t.Errorf("%s: %s, changed %v; want %s", c.name, show(got), changed, show(want))
		}
	}
}
