package scimtest

import (
	"fmt"
	"strings"
	"testing"
)

const (
	enterprise  = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	verboseUser = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + enterprise + `"],"userName":%q,"active":true,"displayName":"D","title":"T",
		"emails":[{"type":"work","value":"%[1]s@x.example","primary":true}],"preferredLanguage":"th-TH","name":{"givenName":"G","familyName":"F","formatted":"G F"},
		"addresses":[{"type":"work","formatted":"A","locality":"L","primary":true}],"phoneNumbers":[{"type":"work","value":"1","primary":true}],
		"roles":[{"primary":"True","display":"R","value":"V","type":"Y"}],"profileUrl":"PLAIN","locale":"PLAIN","externalId":"x-%[1]s",
		"` + enterprise + `":{"employeeNumber":"1","department":"D","manager":"M"}}`
	op = `[{"op":%q,"path":%q,"value":%q}]`
)

func at(a Answer, steps ...string) any {
	var v any = a.Body
	for _, s := range steps {
		if list, ok := v.([]any); ok && len(list) > 0 {
			v = list[0]
		}
		object, _ := v.(map[string]any)
		v = object[s]
	}
	return v
}

// The cases of Microsoft's SCIM validator, each against a user or group of its own.
func TestMicrosoftValidatorPasses(t *testing.T) {
	onBoth(t, func(t *testing.T, p Target) {
		n := 0
		user := func(t *testing.T) string {
			n++
			return p.Want(t, 201, "POST", "/Users", fmt.Sprintf(verboseUser, fmt.Sprint("user", n))).ID()
		}
		group := func(t *testing.T, members ...string) string {
			n++
			return p.Group(t, fmt.Sprint("group", n), members...)
		}
		patch := func(t *testing.T, path, ops string) Answer { return p.Want(t, 200, "PATCH", path, ops) }
		change := func(path, value string, steps ...string) func(*testing.T) {
			return func(t *testing.T) {
				for _, verb := range []string{"Replace", "Add"} {
					u := user(t)
					a := patch(t, "/Users/"+u, fmt.Sprintf(op, verb, path, value))
					if got := at(p.Want(t, 200, "GET", "/Users/"+u, ""), steps...); got != value || at(a, steps...) != value {
						t.Errorf("%s %s: %v\n%s", verb, path, got, a.Raw)
					}
				}
			}
		}
		cases := []struct {
			name string
			run  func(*testing.T)
		}{
			{"create a user", func(t *testing.T) { user(t) }},
			{"create a duplicate user", func(t *testing.T) {
				user(t)
				p.Want(t, 409, "POST", "/Users", fmt.Sprintf(verboseUser, fmt.Sprint("user", n)))
			}},
			{"filter existing user", func(t *testing.T) {
				user(t)
				if a := p.Want(t, 200, "GET", fmt.Sprintf(`/Users?filter=userName eq "user%d"`, n), ""); a.Number("totalResults") != 1 {
					t.Error(a.Raw)
				}
			}},
			{"filter missing user", func(t *testing.T) {
				if a := p.Want(t, 200, "GET", `/Users?filter=userName eq "nobody"`, ""); a.Number("totalResults") != 0 {
					t.Error(a.Raw)
				}
			}},
			{"filter user in another case", func(t *testing.T) {
				user(t)
				if a := p.Want(t, 200, "GET", fmt.Sprintf(`/Users?filter=userName eq "USER%d"`, n), ""); a.Number("totalResults") != 1 {
					t.Error(a.Raw)
				}
			}},
			{"patch displayName", change("displayName", "New", "displayName")},
			{"patch title", change("title", "New", "title")},
			{"patch name.givenName", change("name.givenName", "New", "name", "givenName")},
			{"patch work email", change(`emails[type eq "work"].value`, "new@x.example", "emails", "value")},
			{"patch work address", change(`addresses[type eq "work"].locality`, "New", "addresses", "locality")},
			{"patch role", change(`roles[primary eq "True"].display`, "New", "roles", "display")},
			{"patch department", change(enterprise+":department", "New", enterprise, "department")},
			{"patch userName", func(t *testing.T) {
				u := user(t)
				if a := patch(t, "/Users/"+u, fmt.Sprintf(op, "replace", "userName", "renamed@x.example")); a.Text("userName") != "renamed@x.example" {
					t.Error(a.Raw)
				}
			}},
			{"disable a user", func(t *testing.T) {
				if a := patch(t, "/Users/"+user(t), `[{"op":"replace","path":"active","value":false}]`); a.Body["active"] != false {
					t.Error(a.Raw)
				}
			}},
			{"manager", func(t *testing.T) {
				u := user(t)
				for _, verb := range []string{"Add", "Replace"} {
					if a := patch(t, "/Users/"+u, fmt.Sprintf(op, verb, enterprise+":manager", verb)); at(a, enterprise, "manager", "value") != verb {
						t.Error(a.Raw)
					}
				}
				a := patch(t, "/Users/"+u, `[{"op":"Remove","path":"`+enterprise+`:manager"}]`)
				if object, _ := at(a, enterprise).(map[string]any); object["manager"] != nil || object["department"] != "D" {
					t.Error(a.Raw)
				}
			}},
			{"several operations on one user", func(t *testing.T) {
				a := patch(t, "/Users/"+user(t), `[{"op":"Replace","path":"title","value":"a"},{"op":"Add","path":"nickName","value":"b"},{"op":"Remove","path":"locale"},{"op":"Replace","path":"title","value":"c"}]`)
				if a.Text("title") != "c" || a.Text("nickName") != "b" || a.Body["locale"] != nil {
					t.Error(a.Raw)
				}
			}},
			{"delete a user", func(t *testing.T) {
				u := user(t)
				p.Want(t, 204, "DELETE", "/Users/"+u, "")
				p.Want(t, 404, "GET", "/Users/"+u, "")
				p.Want(t, 404, "DELETE", "/Users/"+u, "")
			}},
			{"delete a missing user", func(t *testing.T) { p.Want(t, 404, "DELETE", "/Users/no-such-user", "") }},
			{"create a group", func(t *testing.T) { group(t) }},
			{"create a duplicate group", func(t *testing.T) {
				group(t)
				p.Want(t, 409, "POST", "/Groups", fmt.Sprintf(`{"displayName":"group%d"}`, n))
			}},
			{"group by id without members", func(t *testing.T) {
				if a := p.Want(t, 200, "GET", "/Groups/"+group(t, user(t))+"?excludedAttributes=members", ""); a.Body["members"] != nil {
					t.Error(a.Raw)
				}
			}},
			{"filter group", func(t *testing.T) {
				group(t, user(t))
				for query, want := range map[string]string{"group": "members", "GROUP": "members", "group&x": ""} {
					a := p.Want(t, 200, "GET", fmt.Sprintf(`/Groups?filter=displayName eq "%s%d"`, strings.TrimSuffix(query, "&x"), n)+strings.Repeat("&excludedAttributes=members", strings.Count(query, "&")), "")
					if a.Number("totalResults") != 1 || strings.Contains(a.Raw, `"members"`) != (want != "") {
						t.Errorf("%s: %s", query, a.Raw)
					}
				}
				if a := p.Want(t, 200, "GET", `/Groups?filter=displayName eq "nobody"`, ""); a.Number("totalResults") != 0 {
					t.Error(a.Raw)
				}
			}},
			{"patch group", func(t *testing.T) {
				g := group(t)
				p.Want(t, 204, "PATCH", "/Groups/"+g, `[{"op":"replace","path":"displayName","value":"Renamed"},{"op":"replace","path":"externalId","value":"g-9"}]`)
				if a := p.Want(t, 200, "GET", "/Groups/"+g, ""); a.Text("displayName") != "Renamed" || a.Text("externalId") != "g-9" {
					t.Error(a.Raw)
				}
			}},
			{"add and remove a member", func(t *testing.T) {
				g, u := group(t), user(t)
				p.Want(t, 204, "PATCH", "/Groups/"+g, `[{"op":"Add","path":"members","value":[{"$ref":null,"value":"`+u+`"}]}]`)
				if a := p.Want(t, 200, "GET", "/Groups/"+g, ""); at(a, "members", "value") != u {
					t.Error(a.Raw)
				}
				p.Want(t, 204, "PATCH", "/Groups/"+g, `[{"op":"Remove","path":"members","value":[{"$ref":null,"value":"`+u+`"}]}]`)
				if a := p.Want(t, 200, "GET", "/Groups/"+g, ""); a.Body["members"] != nil {
					t.Error(a.Raw)
				}
			}},
			{"several operations on one group", func(t *testing.T) {
				g, u := group(t), user(t)
				p.Want(t, 204, "PATCH", "/Groups/"+g, `[{"op":"Add","path":"members","value":[{"value":"`+u+`"}]},{"op":"Replace","path":"displayName","value":"Both"}]`)
				if a := p.Want(t, 200, "GET", "/Groups/"+g, ""); at(a, "members", "value") != u || a.Text("displayName") != "Both" {
					t.Error(a.Raw)
				}
			}},
			{"delete a group", func(t *testing.T) {
				g := group(t)
				p.Want(t, 204, "DELETE", "/Groups/"+g, "")
				p.Want(t, 404, "DELETE", "/Groups/"+g, "")
			}},
			{"delete a missing group", func(t *testing.T) { p.Want(t, 404, "DELETE", "/Groups/no-such-group", "") }},
		}
		for _, c := range cases {
			t.Run(c.name, c.run)
		}
	})
}
