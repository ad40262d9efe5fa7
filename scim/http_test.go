package scim_test

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/scim/scimtest"
)

// onBoth runs a test against a fresh tenant on each database.
func onBoth(t *testing.T, test func(t *testing.T, p scimtest.Target, w *scimtest.World)) {
	t.Helper()
	t.Parallel()
	scimtest.Databases(t, os.Getenv, func(t *testing.T, dsn func(testing.TB) string) {
		w := scimtest.Open(t, dsn(t), time.Now, nil)
		test(t, w.Tenant(t, "acme"), w)
	})
}

const nobody = "11111111-2222-4333-8444-555555555555"

func TestEveryRefusalHasItsStatusAndAnErrorBody(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		u, g := p.User(t, "ada"), p.Group(t, "admins")
		deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
		for _, c := range []struct {
			name, method, path, body string
			status                   int
			scimType                 string
			headers                  []string
		}{
			{"unknown path", "GET", "/Nothing", "", 404, "", nil},
			{"two slashes", "GET", "//Users", "", 404, "", nil},
			{"deeper than a resource", "GET", "/Users/" + u + "/name", "", 404, "", nil},
			{"escaped slash", "GET", "/Users/a%2Fb", "", 404, "", nil},
			{"no person behind a token", "GET", "/Me", "", 501, "", nil},
			{"put on a list", "PUT", "/Users", "{}", 405, "", nil},
			{"post on a resource", "POST", "/Users/" + u, "{}", 405, "", nil},
			{"get of a search", "GET", "/Users/.search", "", 405, "", nil},
			{"post on discovery", "POST", "/Schemas", "{}", 405, "", nil},
			{"delete of everybody", "DELETE", "/Groups", "", 405, "", nil},
			{"filtered discovery", "GET", "/Schemas?filter=id pr", "", 403, "", nil},
			{"unknown user", "GET", "/Users/" + nobody, "", 404, "", nil},
			{"unknown group", "DELETE", "/Groups/" + nobody, "", 404, "", nil},
			{"put makes nobody", "PUT", "/Users/" + nobody, `{"userName":"x"}`, 404, "", nil},
			{"a user is no group", "GET", "/Groups/" + u, "", 404, "", nil},
			{"no body", "POST", "/Users", "", 415, "", nil},
			{"text", "POST", "/Users", "{}", 415, "", []string{"Content-Type: text/plain"}},
			{"latin", "POST", "/Users", "{}", 415, "", []string{"Content-Type: application/json; charset=latin1"}},
			{"compressed", "POST", "/Users", "{}", 415, "", []string{"Content-Encoding: gzip"}},
			{"too long", "POST", "/Users", `{"userName":"` + strings.Repeat("a", 1<<20) + `"}`, 413, "", nil},
			{"truncated", "POST", "/Users", `{"userName":"x"`, 400, "invalidSyntax", nil},
			{"two documents", "POST", "/Users", `{"userName":"x"} {}`, 400, "invalidSyntax", nil},
			{"duplicate keys", "POST", "/Users", `{"userName":"x","USERNAME":"y"}`, 400, "invalidSyntax", nil},
			{"deep", "POST", "/Users", `{"userName":"x","emails":` + deep + `}`, 400, "invalidSyntax", nil},
			{"null byte", "POST", "/Users", `{"userName":"x\u0000"}`, 400, "invalidSyntax", nil},
			{"lone surrogate", "POST", "/Users", `{"userName":"\ud800"}`, 400, "invalidSyntax", nil},
			{"no UTF-8", "POST", "/Users", "{\"userName\":\"\xff\"}", 400, "invalidSyntax", nil},
			{"an array", "POST", "/Users", `"x"`, 400, "invalidSyntax", nil},
			{"no name", "POST", "/Users", `{}`, 400, "invalidValue", nil},
			{"name of the wrong type", "POST", "/Users", `{"userName":1}`, 400, "invalidValue", nil},
			{"active of the wrong type", "POST", "/Users", `{"userName":"x","active":"perhaps"}`, 400, "invalidValue", nil},
			{"two primaries", "POST", "/Users", `{"userName":"x","emails":[{"value":"a","primary":true},{"value":"b","primary":true}]}`, 400, "invalidValue", nil},
			{"long name", "POST", "/Users", `{"userName":"` + strings.Repeat("a", 2000) + `"}`, 400, "invalidValue", nil},
			{"name is taken", "POST", "/Users", `{"userName":"ADA"}`, 409, "uniqueness", nil},
			{"group name is taken", "POST", "/Groups", `{"displayName":"Admins"}`, 409, "uniqueness", nil},
			{"group without name", "POST", "/Groups", `{}`, 400, "invalidValue", nil},
			{"empty member", "POST", "/Groups", `{"displayName":"x","members":[{}]}`, 400, "invalidValue", nil},
			{"raw semicolon", "GET", "/Users?filter=userName eq \"a\";b", "", 400, "invalidValue", nil},
			{"two filters", "GET", "/Users?filter=id pr&filter=id pr", "", 400, "invalidValue", nil},
			{"two filters in two cases", "GET", "/Users?filter=id pr&Filter=id pr", "", 400, "invalidValue", nil},
			{"empty filter", "GET", "/Users?filter=", "", 400, "invalidFilter", nil},
			{"broken filter", "GET", "/Users?filter=userName eq", "", 400, "invalidFilter", nil},
			{"filter that is no UTF-8", "GET", "/Users?filter=userName eq \"%ff\"", "", 400, "invalidFilter", nil},
			{"null byte in a filter", "GET", "/Users?filter=userName eq \"%00\"", "", 400, "invalidFilter", nil},
			{"unknown attribute", "GET", "/Users?filter=shoeSize eq 4", "", 400, "invalidFilter", nil},
			{"deep filter", "GET", "/Users?filter=" + strings.Repeat("(", 40) + "id pr" + strings.Repeat(")", 40), "", 400, "invalidFilter", nil},
			{"long filter", "GET", "/Users?filter=userName eq \"" + strings.Repeat("a", 5000) + "\"", "", 400, "invalidFilter", nil},
			{"order of booleans", "GET", "/Users?filter=active gt true", "", 400, "invalidFilter", nil},
			{"count is a word", "GET", "/Users?count=ten", "", 400, "invalidValue", nil},
			{"start is a fraction", "GET", "/Users?startIndex=1.5", "", 400, "invalidValue", nil},
			{"order is a word", "GET", "/Users?sortOrder=up", "", 400, "invalidValue", nil},
			{"sort by nothing we have", "GET", "/Users?sortBy=shoeSize", "", 400, "invalidPath", nil},
			{"both projections", "GET", "/Users?attributes=id&excludedAttributes=name", "", 400, "invalidValue", nil},
			{"cursor with index", "GET", "/Users?cursor=&startIndex=1", "", 400, "invalidValue", nil},
			{"made up cursor", "GET", "/Users?cursor=AAAA", "", 400, "invalidCursor", nil},
			{"everything at the root", "GET", "", "", 400, "tooMany", nil},
			{"search without its schema", "POST", "/Users/.search", `{"filter":"id pr"}`, 400, "invalidSyntax", nil},
			{"search with a fraction", "POST", "/Users/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"count":1.5}`, 400, "invalidValue", nil},
			{"search for a number", "POST", "/Users/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":1}`, 400, "invalidValue", nil},
			{"patch without its schema", "PATCH", "/Users/" + u, `{"Operations":[{"op":"replace","path":"active","value":false}]}`, 400, "invalidSyntax", nil},
			{"patch of nothing", "PATCH", "/Users/" + u, `[]`, 400, "invalidSyntax", nil},
			{"unknown op", "PATCH", "/Users/" + u, `[{"op":"move","path":"active","value":false}]`, 400, "invalidSyntax", nil},
			{"unknown name", "PATCH", "/Users/" + u, `[{"op":"replace","path":"activ","value":false}]`, 400, "invalidPath", nil},
			{"read only", "PATCH", "/Users/" + u, `[{"op":"replace","path":"groups","value":[]}]`, 400, "mutability", nil},
			{"no target", "PATCH", "/Users/" + u, `[{"op":"remove"}]`, 400, "noTarget", nil},
			{"members null", "PATCH", "/Groups/" + g, `[{"op":"replace","path":"members","value":null}]`, 400, "invalidValue", nil},
			{"remove of strings", "PATCH", "/Groups/" + g, `[{"op":"remove","path":"members","value":["` + u + `"]}]`, 400, "invalidValue", nil},
			{"remove of nothing", "PATCH", "/Groups/" + g, `[{"op":"remove","path":"members","value":[]}]`, 400, "invalidValue", nil},
			{"other version", "PUT", "/Users/" + u, `{"userName":"ada"}`, 412, "", []string{`If-Match: W/"7"`}},
			{"other version of a group", "PATCH", "/Groups/" + g, `[{"op":"remove","path":"members"}]`, 412, "", []string{`If-Match: W/"7"`}},
			{"delete of another version", "DELETE", "/Users/" + u, "", 412, "", []string{`If-Match: "7"`}},
			{"no token", "GET", "/Users", "", 401, "", []string{"Authorization: "}},
			{"another scheme", "GET", "/Users", "", 401, "", []string{"Authorization: Basic " + p.Token}},
			{"no scheme", "GET", "/Users", "", 401, "", []string{"Authorization: non-token"}},
			{"a token with an error", "GET", "/Users", "", 401, "", []string{"Authorization: Bearer " + p.Token + "x"}},
			{"two tokens", "GET", "/Users", "", 400, "invalidValue", []string{"Authorization: Bearer " + p.Token + ", Bearer x"}},
		} {
			a := p.Do(t, c.method, c.path, c.body, c.headers...)
			if a.Status != c.status || a.Text("scimType") != c.scimType || a.Text("detail") == "" {
				t.Errorf("%s: status %d %s, want %d %s\n%s", c.name, a.Status, a.Text("scimType"), c.status, c.scimType, a.Raw)
			}
			if a.Text("status") != strconv.Itoa(c.status) {
				t.Errorf("%s: status in the body is %q", c.name, a.Text("status"))
			}
			if a.Header.Get("Content-Type") != "application/scim+json" || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: headers %v", c.name, a.Header)
			}
			if (a.Status == 405) != (a.Header.Get("Allow") != "") || (a.Status == 401) != (a.Header.Get("WWW-Authenticate") == "Bearer") {
				t.Errorf("%s: headers %v", c.name, a.Header)
			}
		}
		if a := p.Want(t, 200, "GET", "/Users", ""); a.Number("totalResults") != 1 {
			t.Errorf("refused requests left something behind: %s", a.Raw)
		}
		if a := p.Want(t, 200, "GET", "/Users/"+u, ""); a.Header.Get("ETag") != `W/"1"` {
			t.Errorf("refused requests changed somebody: %s", a.Raw)
		}
	})
}

func TestManyHeadersOfAuthorizationAreOneTooMany(t *testing.T) {
	w := scimtest.Open(t, "sqlite:"+t.TempDir()+"/gate.db", time.Now, nil)
	p := w.Tenant(t, "acme")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/Users", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Authorization"] = []string{"Bearer " + p.Token, "Bearer " + p.Token}
	resp, err := p.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d, want 400", resp.StatusCode)
	}
}

func TestLeniencyOfClientsIsMet(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		u := p.User(t, "ada@acme.example")
		for _, c := range []struct{ name, method, path, body, header string }{
			{"slash at the end", "GET", "/Users/", "", ""},
			{"plain JSON", "PUT", "/Users/" + u, `{"userName":"ada@acme.example"}`, "Content-Type: application/json"},
			{"charset", "PUT", "/Users/" + u, `{"userName":"ada@acme.example"}`, "Content-Type: application/scim+json; charset=UTF-8"},
			{"any Accept", "GET", "/Users/" + u, "", "Accept: text/html"},
			{"unknown parameters", "GET", "/Users?aadOptscim062020&x=y", "", ""},
			{"unquoted value", "GET", "/Users?filter=userName eq ada@acme.example", "", ""},
			{"attribute in another case", "GET", "/Users?filter=USERNAME EQ \"ada@acme.example\"", "", ""},
			{"schema by its URN", "GET", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", "", ""},
			{"schema by its escaped URN", "GET", "/Schemas/urn%3Aietf%3Aparams%3Ascim%3Aschemas%3Acore%3A2.0%3AUser", "", ""},
			{"scheme in another case", "GET", "/Users", "", "Authorization: bearer " + p.Token},
		} {
			a := p.Do(t, c.method, c.path, c.body, c.header)
			if a.Status != http.StatusOK {
				t.Errorf("%s: status %d\n%s", c.name, a.Status, a.Raw)
			}
			if n := a.Number("totalResults"); n == 0 {
				t.Errorf("%s: nobody found\n%s", c.name, a.Raw)
			}
		}
	})
}

func TestPreconditionsDecide(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		u, g := p.User(t, "ada"), p.Group(t, "admins")
		p.Want(t, 304, "GET", "/Users/"+u, "", `If-None-Match: W/"1"`)
		p.Want(t, 304, "GET", "/Groups/"+g, "", `If-None-Match: W/"9", W/"1"`)
		p.Want(t, 200, "GET", "/Users/"+u, "", `If-None-Match: W/"2"`)
		p.Want(t, 200, "PATCH", "/Users/"+u, `[{"op":"replace","path":"title","value":"x"}]`, `If-Match: W/"1"`)
		p.Want(t, 412, "PATCH", "/Users/"+u, `[{"op":"replace","path":"title","value":"y"}]`, `If-Match: W/"1"`)
		p.Want(t, 200, "PUT", "/Users/"+u, `{"userName":"ada"}`, `If-Match: *`)
		p.Want(t, 204, "PATCH", "/Groups/"+g, `[{"op":"add","path":"members","value":[{"value":"`+u+`"}]}]`, `If-Match: W/"1"`)
		p.Want(t, 412, "DELETE", "/Groups/"+g, "", `If-Match: W/"1"`)
		p.Want(t, 204, "DELETE", "/Groups/"+g, "", `If-Match: W/"2"`)
	})
}

func TestWhatChangesNothingKeepsTheVersion(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		u := p.User(t, "ada")
		g := p.Group(t, "admins", u)
		for _, c := range [][3]string{
			{"PATCH", "/Users/" + u, `[{"op":"replace","path":"active","value":true}]`},
			{"PATCH", "/Users/" + u, `[{"op":"replace","value":{"password":"secret"}}]`},
			{"PUT", "/Users/" + u, `{"userName":"ada","groups":[],"meta":{"resourceType":"Group"}}`},
			{"PATCH", "/Groups/" + g, `[{"op":"replace","value":{"id":"` + g + `","displayName":"admins"}}]`},
			{"PATCH", "/Groups/" + g, `[{"op":"add","path":"members","value":[{"value":"` + u + `"}]}]`},
			{"PATCH", "/Groups/" + g, `[{"op":"remove","path":"members[value eq \"` + nobody + `\"]"}]`},
			{"PUT", "/Groups/" + g, `{"displayName":"admins","members":[{"value":"` + u + `"}]}`},
		} {
			before := p.Want(t, 200, "GET", c[1], "")
			a := p.Do(t, c[0], c[1], c[2])
			after := p.Want(t, 200, "GET", c[1], "")
			if a.Status >= 300 || before.Raw != after.Raw {
				t.Errorf("%s %s %s: status %d\nbefore %s\nafter %s", c[0], c[1], c[2], a.Status, before.Raw, after.Raw)
			}
		}
	})
}

func TestInactiveWhereActiveIsNotTrue(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		u := p.User(t, "ada")
		a := p.Want(t, 200, "PATCH", "/Users/"+u, `[{"op":"replace","path":"active","value":null}]`)
		if _, shown := a.Body["active"]; shown {
			t.Errorf("unassigned active is answered: %s", a.Raw)
		}
		p.Want(t, 200, "PUT", "/Users/"+u, `{"userName":"ada"}`)
		if a := p.Want(t, 200, "GET", "/Users/"+u, ""); a.Body["active"] == true {
			t.Errorf("an omission let somebody back in: %s", a.Raw)
		}
		p.Want(t, 200, "PUT", "/Users/"+u, `{"userName":"ada","active":"True"}`)
		if a := p.Want(t, 200, "GET", "/Users/"+u, ""); a.Body["active"] != true {
			t.Errorf("not let in again: %s", a.Raw)
		}
	})
}
