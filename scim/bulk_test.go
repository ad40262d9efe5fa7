package scim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/scim/scimtest"
)

func bulk(t *testing.T, p scimtest.Target, extra string, ops ...string) []map[string]any {
	t.Helper()
	a := p.Want(t, 200, "POST", "/Bulk", bulkBody(extra, ops...))
	list, _ := a.Body["Operations"].([]any)
	var out []map[string]any
	for _, item := range list {
		object, ok := item.(map[string]any)
		if !ok {
			t.Fatalf("not a result: %s", a.Raw)
		}
		out = append(out, object)
	}
	return out
}

func bulkBody(extra string, ops ...string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],` + extra + `"Operations":[` + strings.Join(ops, ",") + `]}`
}

func statuses(results []map[string]any) string {
	var out []string
	for _, r := range results {
		out = append(out, fmt.Sprint(r["status"]))
	}
	return strings.Join(out, " ")
}

// idOf is the id in a result's location.
func idOf(result map[string]any) string {
	location, _ := result["location"].(string)
	return location[strings.LastIndex(location, "/")+1:]
}

const (
	alice = `{"method":"POST","path":"/Users","bulkId":"a","data":{"userName":"alice"}}`
	bob   = `{"method":"POST","path":"/Users","bulkId":"b","data":{"userName":"bob"}}`
	tour  = `{"method":"POST","path":"/Groups","bulkId":"g","data":{"displayName":"Tour Guides","members":[{"value":"bulkId:a"},{"value":"bulkId:b"}]}}`
)

func TestBulkIdsAreResolvedBackwardAndForward(t *testing.T) {
	for name, ops := range map[string][]string{"backward": {alice, bob, tour}, "forward": {tour, alice, bob}} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
				results := bulk(t, p, "", ops...)
				if got := statuses(results); got != "201 201 201" {
					t.Fatalf("statuses %s: %v", got, results)
				}
				for _, r := range results {
					if r["version"] == nil || r["response"] != nil || r["method"] != "POST" {
						t.Errorf("result %v", r)
					}
					if r["bulkId"] == "g" {
						g := p.Want(t, 200, "GET", "/Groups/"+idOf(r), "")
						if members, _ := g.Body["members"].([]any); len(members) != 2 {
							t.Errorf("group has %s", g.Raw)
						}
					}
				}
			})
		})
	}
}

func TestBulkIdsInACircleAreResolved(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		const person = `{"method":"POST","path":"/Users","bulkId":"%s","data":{"userName":"%[1]s","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"bulkId:%s"}}}}`
		results := bulk(t, p, "", fmt.Sprintf(person, "x", "y"), fmt.Sprintf(person, "y", "x"), fmt.Sprintf(person, "self", "self"))
		if got := statuses(results); got != "201 201 201" {
			t.Fatalf("statuses %s: %v", got, results)
		}
		x, y, self := idOf(results[0]), idOf(results[1]), idOf(results[2])
		for user, manager := range map[string]string{x: y, y: x, self: self} {
			a := p.Want(t, 200, "GET", "/Users?filter=id eq \""+user+"\" and manager eq \""+manager+"\"", "")
			if a.Number("totalResults") != 1 {
				t.Errorf("manager of %s is not %s: %s", user, manager, a.Raw)
			}
		}
	})
}

func TestBulkCircleFailsWhole(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		p.User(t, "y")
		const person = `{"method":"POST","path":"/Users","bulkId":"%s","data":{"userName":"%[1]s","manager":"x","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"bulkId:%s"}}}}`
		results := bulk(t, p, "", fmt.Sprintf(person, "x", "y"), fmt.Sprintf(person, "y", "x"))
		if got := statuses(results); got != "409 409" {
			t.Fatalf("statuses %s: %v", got, results)
		}
		if a := p.Want(t, 200, "GET", "/Users", ""); a.Number("totalResults") != 1 {
			t.Errorf("half of a circle was made: %s", a.Raw)
		}
	})
}

func TestBulkOperationsSucceedAndFailOneByOne(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		u := p.User(t, "ada")
		results := bulk(t, p, "",
			`{"method":"POST","path":"/Users","bulkId":"q","data":{"userName":"ADA"}}`,
			`{"method":"PATCH","path":"/Users/`+u+`","data":{"schemas":["`+scimtest.PatchSchema+`"],"Operations":[{"op":"replace","path":"title","value":"x"}]},"version":"W/\"1\""}`,
			`{"method":"PUT","path":"/Users/`+u+`","data":{"userName":"ada"},"version":"W/\"1\""}`,
			`{"method":"POST","path":"/Groups","bulkId":"g","data":{"displayName":"g","members":[{"value":"bulkId:q"}]}}`,
			`{"method":"PATCH","path":"/Groups/bulkId:nowhere","data":{"schemas":["`+scimtest.PatchSchema+`"],"Operations":[{"op":"remove","path":"members"}]}}`,
			`{"method":"GET","path":"/Users/`+u+`"}`, `{"method":"DELETE","path":"/Bulk"}`, `{"method":"POST","path":"/Users","data":{"userName":"z"}}`, `7`,
			`{"method":"DELETE","path":"/Users/`+u+`"}`,
			`{"method":"DELETE","path":"/Users/`+u+`"}`)
		if got, want := statuses(results), "409 200 412 409 409 400 400 400 400 204 404"; got != want {
			t.Fatalf("statuses %s, want %s", got, want)
		}
		for i, r := range results {
			status := fmt.Sprint(r["status"])
			response, _ := r["response"].(map[string]any)
			if failed := status >= "400"; failed != (response != nil) || failed && response["status"] != status {
				t.Errorf("result %d: %v", i, r)
			}
			if r["method"] == "POST" && r["location"] != nil {
				t.Errorf("a failed POST has a location: %v", r)
			}
		}
	})
}

func TestBulkPathMayHoldABulkID(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		u := p.User(t, "ada")
		results := bulk(t, p, "",
			`{"method":"PATCH","path":"/Groups/bulkId:g","data":{"schemas":["`+scimtest.PatchSchema+`"],"Operations":[{"op":"add","path":"members","value":[{"value":"`+u+`"},{"value":"bulkId:a"}]}]}}`,
			`{"method":"POST","path":"/Groups","bulkId":"g","data":{"displayName":"g"}}`, alice,
			`{"method":"PATCH","path":"/Groups/bulkId:g","data":{"schemas":["`+scimtest.PatchSchema+`"],"Operations":[{"op":"remove","path":"members[value eq \"bulkId:a\"]"}]}}`)
		if got := statuses(results); got != "200 201 201 200" {
			t.Fatalf("statuses %s: %v", got, results)
		}
		a := p.Want(t, 200, "GET", "/Groups/"+idOf(results[1]), "")
		if members, _ := a.Body["members"].([]any); len(members) != 1 || !strings.Contains(a.Raw, u) {
			t.Errorf("group has %s", a.Raw)
		}
	})
}

func TestBulkStopsAfterTheErrorsAllowed(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		gone := `{"method":"DELETE","path":"/Users/` + nobody + `"}`
		if got := statuses(bulk(t, p, `"failOnErrors":2,`, gone, alice, gone, bob)); got != "404 201 404" {
			t.Errorf("statuses %s", got)
		}
		if a := p.Want(t, 200, "GET", "/Users", ""); a.Number("totalResults") != 1 {
			t.Errorf("went on: %s", a.Raw)
		}
	})
}

func TestBulkHasLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		many := strings.Repeat(`{"method":"DELETE","path":"/Users/x"},`, 1000) + `{"method":"DELETE","path":"/Users/x"}`
		if a := p.Want(t, 413, "POST", "/Bulk", bulkBody("", many)); !strings.Contains(a.Raw, "1000") {
			t.Errorf("does not name the limit: %s", a.Raw)
		}
		long := `{"method":"POST","path":"/Users","bulkId":"a","data":{"userName":"` + strings.Repeat("a", 5<<20) + `"}}`
		if a := p.Want(t, 413, "POST", "/Bulk", bulkBody("", long)); !strings.Contains(a.Raw, "4194304") {
			t.Errorf("does not name the limit: %s", a.Raw)
		}
		p.Want(t, 400, "POST", "/Bulk", `{"Operations":[]}`)
		p.Want(t, 400, "POST", "/Bulk", bulkBody(""))
		p.Want(t, 400, "POST", "/Bulk", bulkBody(`"failOnErrors":0,`, alice))
		if got := statuses(bulk(t, p, "", alice, alice)); got != "201 400" {
			t.Errorf("two operations with one bulkId: %s", got)
		}
	})
}
