package scim_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/scim"
	"github.com/tracio-ai/ssogate/scim/directory"
	"github.com/tracio-ai/ssogate/scim/scimtest"
)

// Each request is made twice with tenant A's token: once about a resource of tenant B, once about one that nobody has.
// An attacker who could tell the two answers apart could probe who works for another customer.
func TestAnotherTenantsResourcesAreAsUnknownAsRandomOnes(t *testing.T) {
	t.Parallel()
	scimtest.Databases(t, os.Getenv, func(t *testing.T, dsn func(testing.TB) string) {
		w := scimtest.Open(t, dsn(t), time.Now, nil)
		a, b := w.Tenant(t, "acme"), w.Tenant(t, "globex")
		mine := a.User(t, "mine")
		group := a.Group(t, "mine")
		theirs := b.Want(t, 201, "POST", "/Users", `{"userName":"ada","externalId":"e-1","emails":[{"value":"ada@globex.example"}]}`).ID()
		theirGroup := b.Group(t, "theirs", theirs)
		before := b.Want(t, 200, "GET", "/Groups", "").Raw + b.Want(t, 200, "GET", "/Users", "").Raw
		const put = `{"userName":"x","displayName":"x"}`
		patch := func(path, value string) string {
			return fmt.Sprintf(`[{"op":"add","path":%q,"value":%q}]`, path, value)
		}
		inBulk := func(op string) string { return bulkBody("", op) }
		for _, c := range []struct{ name, method, path, body, header string }{
			{"get", "GET", "/Users/{}", "", ""},
			{"get if changed", "GET", "/Users/{}", "", `If-None-Match: W/"1"`},
			{"put", "PUT", "/Users/{}", put, ""},
			{"put of a version", "PUT", "/Users/{}", put, `If-Match: W/"1"`},
			{"put of another version", "PUT", "/Users/{}", put, `If-Match: W/"9"`},
			{"patch", "PATCH", "/Users/{}", patch("title", "x"), ""},
			{"delete", "DELETE", "/Users/{}", "", ""},
			{"delete of any version", "DELETE", "/Users/{}", "", "If-Match: *"},
			{"list by id", "GET", `/Users?filter=id eq "{}"`, "", ""},
			{"list by group", "GET", `/Users?filter=groups.value eq "{}"`, "", ""},
			{"list by manager", "GET", `/Users?filter=manager eq "{}"`, "", ""},
			{"groups by member", "GET", `/Groups?filter=members eq "{}"`, "", ""},
			{"root by id", "GET", `?filter=id eq "{}"`, "", ""},
			{"search by id", "POST", "/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"id eq \"{}\""}`, ""},
			{"search users", "POST", "/Users/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"id eq \"{}\""}`, ""},
			{"search groups", "POST", "/Groups/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"members eq \"{}\""}`, ""},
			{"get group", "GET", "/Groups/{}", "", ""},
			{"put group", "PUT", "/Groups/{}", put, ""},
			{"patch group", "PATCH", "/Groups/{}", `[{"op":"remove","path":"members"}]`, ""},
			{"delete group", "DELETE", "/Groups/{}", "", ""},
			{"add member", "PATCH", "/Groups/" + group, `[{"op":"add","path":"members","value":[{"value":"{}"}]}]`, ""},
			{"remove member", "PATCH", "/Groups/" + group, `[{"op":"remove","path":"members[value eq \"{}\"]"}]`, ""},
			{"replace members", "PUT", "/Groups/" + group, `{"displayName":"mine","members":[{"value":"{}"}]}`, ""},
			{"manager", "PATCH", "/Users/" + mine, patch("manager", "{}"), ""},
			{"bulk put", "POST", "/Bulk", inBulk(`{"method":"PUT","path":"/Users/{}","data":` + put + `}`), ""},
			{"bulk delete", "POST", "/Bulk", inBulk(`{"method":"DELETE","path":"/Users/{}"}`), ""},
			{"bulk delete group", "POST", "/Bulk", inBulk(`{"method":"DELETE","path":"/Groups/{}","version":"W/\"1\""}`), ""},
			{"bulk member", "POST", "/Bulk", inBulk(`{"method":"PATCH","path":"/Groups/` + group + `","data":{"schemas":["` + scimtest.PatchSchema + `"],"Operations":[{"op":"add","path":"members","value":[{"value":"{}"}]}]}}`), ""},
			{"bulk id", "POST", "/Bulk", inBulk(`{"method":"DELETE","path":"/Users/bulkId:{}"}`), ""},
		} {
			for _, real := range []string{theirs, theirGroup} {
				ask := func(id string) string {
					x := a.Do(t, c.method, strings.ReplaceAll(c.path, "{}", id), strings.ReplaceAll(c.body, "{}", id), c.header)
					return fmt.Sprint(x.Status, x.Header.Get("Location"), strings.ReplaceAll(timeless(x.Raw), id, "{}"))
				}
				if got, want := ask(real), ask(nobody); got != want {
					t.Errorf("%s: about another tenant's\n%s\nabout nobody's\n%s", c.name, got, want)
				}
			}
		}
		if after := b.Want(t, 200, "GET", "/Groups", "").Raw + b.Want(t, 200, "GET", "/Users", "").Raw; after != before {
			t.Errorf("tenant B changed:\n%s\n%s", before, after)
		}
		a.Want(t, 201, "POST", "/Users", `{"userName":"ada","externalId":"e-1"}`)
		a.Want(t, 201, "POST", "/Groups", `{"displayName":"theirs"}`)
	})
}

// timeless blanks what moves by itself between two writes.
func timeless(raw string) string {
	var out []string
	for part := range strings.SplitSeq(raw, ",") {
		if !strings.Contains(part, "lastModified") && !strings.Contains(part, `"version"`) && !strings.Contains(part, `"created"`) {
			out = append(out, part)
		}
	}
	return strings.Join(out, ",")
}

func TestOneGroupTakesManyWritersExactly(t *testing.T) {
	t.Parallel()
	scimtest.Databases(t, os.Getenv, func(t *testing.T, dsn func(testing.TB) string) {
		w := scimtest.Open(t, dsn(t), time.Now, func(h *scim.Handler) {
			h.Rate = scim.Rate{PerSecond: 1e6, Burst: 1e6, InFlight: 64, Patience: 20 * time.Second}
		})
		p := w.Tenant(t, "acme")
		const workers, rounds = 64, 3
		ids := make([]string, workers)
		for i := range ids {
			ids[i] = p.User(t, fmt.Sprintf("u%d", i))
		}
		g := p.Group(t, "everybody")
		var wg sync.WaitGroup
		for i, id := range ids {
			wg.Go(func() {
				for r := range rounds {
					p.Want(t, 204, "PATCH", "/Groups/"+g, `[{"op":"add","path":"members","value":[{"value":"`+id+`"}]}]`)
					p.Want(t, 204, "PATCH", "/Groups/"+g, `[{"op":"replace","path":"displayName","value":"Everybody"}]`)
					if i%2 == 1 || r < rounds-1 {
						p.Want(t, 204, "PATCH", "/Groups/"+g, `[{"op":"remove","path":"members[value eq \"`+id+`\"]"}]`)
					}
				}
			})
		}
		wg.Wait()
		a := p.Want(t, 200, "GET", "/Groups/"+g, "")
		members, _ := a.Body["members"].([]any)
		if len(members) != workers/2 {
			t.Errorf("%d members, want %d", len(members), workers/2)
		}
		for i, id := range ids {
			if strings.Contains(a.Raw, id) != (i%2 == 0) {
				t.Errorf("worker %d's member: %v", i, i%2 != 0)
			}
		}
	})
}

// A asks at ten times its limit while B goes on at its own pace.
func TestFloodOfOneTenantIsNotFeltByAnother(t *testing.T) {
	t.Parallel()
	w := scimtest.Open(t, "sqlite:"+t.TempDir()+"/gate.db", time.Now, func(h *scim.Handler) {
		h.Rate = scim.Rate{PerSecond: 50, Burst: 20, InFlight: 8, Patience: 100 * time.Millisecond}
	})
	a, b := w.Tenant(t, "acme"), w.Tenant(t, "globex")
	group := b.Group(t, "people")
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 0, MaxIdleConnsPerHost: 128}}
	a.Client = client
	done := make(chan struct{})
	var refused, answered atomic.Int64
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				x := a.Do(t, "POST", "/Users", fmt.Sprintf(`{"userName":"u%d-%d"}`, i, n))
				switch x.Status {
				case http.StatusTooManyRequests:
					refused.Add(1)
					if x.Header.Get("Retry-After") == "" || x.Text("status") != "429" {
						t.Errorf("429 without its parts: %v %s", x.Header, x.Raw)
					}
				case http.StatusCreated:
					answered.Add(1)
				case http.StatusServiceUnavailable: // on a machine too slow for A's own pace
				default:
					t.Errorf("status %d: %s", x.Status, x.Raw)
				}
			}
		})
	}
	tick := time.NewTicker(40 * time.Millisecond) // 25 a second
	defer tick.Stop()
	for i := range 50 {
		<-tick.C
		switch i % 3 {
		case 0:
			b.Want(t, 201, "POST", "/Users", fmt.Sprintf(`{"userName":"b%d"}`, i))
		case 1:
			b.Want(t, 200, "GET", `/Users?filter=userName eq "b0"`, "")
		default:
			b.Want(t, 204, "PATCH", "/Groups/"+group, `[{"op":"add","path":"members","value":[{"value":"`+nobody+`"}]}]`)
		}
	}
	close(done)
	wg.Wait()
	if refused.Load() == 0 || answered.Load() == 0 {
		t.Errorf("the flood was no flood: %d refused, %d answered", refused.Load(), answered.Load())
	}
}

func TestProvisioningLogHasNamesAndNoValues(t *testing.T) {
	t.Parallel()
	w := scimtest.Open(t, "sqlite:"+t.TempDir()+"/gate.db", time.Now, nil)
	p := w.Tenant(t, "acme")
	const secret = "planted-4711"
	u := p.Want(t, 201, "POST", "/Users", `{"userName":"`+secret+`","password":"`+secret+`","department":"`+secret+`","emails":[{"value":"`+secret+`"}]}`).ID()
	p.Do(t, "PATCH", "/Users/"+u, `[{"op":"replace","path":"emails[value eq \"`+secret+`\"].value","value":"`+secret+`"},{"op":"replace","path":"`+secret+`x y","value":"`+secret+`"}]`)
	p.Do(t, "PATCH", "/Users/"+u, `[{"op":"replace","path":"active","value":"`+secret+`"}]`)
	p.Do(t, "GET", `/Users?filter=userName ne "`+secret+`" and x eq "`+secret+`"`, "")
	p.Do(t, "POST", "/Users", `{"userName":"`+strings.ToUpper(secret)+`"}`)
	p.Do(t, "POST", "/Groups", `{"displayName":"`+secret+`","members":[{"value":"`+nobody+`"}]}`)
	p.Do(t, "POST", "/Bulk", bulkBody("", `{"method":"PUT","path":"/Users/`+secret+`","data":{"userName":"`+secret+`"}}`))
	p.Do(t, "GET", "/Users", "", "Authorization: Bearer "+secret)
	calls := w.Calls()
	if len(calls) != 7 {
		t.Errorf("%d calls written down, want the 7 that were a tenant's", len(calls))
	}
	for _, c := range calls {
		if text := fmt.Sprintf("%+v", c); strings.Contains(strings.ToLower(text), secret) || strings.Contains(text, p.Token) {
			t.Errorf("a value was written down: %s", text)
		}
		if c.Tenant != "acme" || c.Token == "" || c.Status == 0 || c.Path == "" || c.At.IsZero() {
			t.Errorf("incomplete: %+v", c)
		}
		if c.Status >= 400 && c.Detail == "" {
			t.Errorf("no reason: %+v", c)
		}
	}
	for i, want := range map[int]string{0: "department", 5: "not users here"} {
		if !strings.Contains(calls[i].Hint, want) {
			t.Errorf("call %d has the hint %q, want something of %s", i, calls[i].Hint, want)
		}
	}
	if got, want := calls[1].Shape, "replace emails[value].value string; replace … string"; got != want {
		t.Errorf("shape %q, want %q", got, want)
	}
}

func TestSuccessfulReadsAreNotWrittenDown(t *testing.T) {
	t.Parallel()
	w := scimtest.Open(t, "sqlite:"+t.TempDir()+"/gate.db", time.Now, nil)
	p := w.Tenant(t, "acme")
	p.Want(t, 200, "GET", "/Users", "")
	p.Want(t, 200, "POST", "/Users/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}`)
	p.Want(t, 404, "GET", "/Users/"+nobody, "")
	p.Want(t, 201, "POST", "/Users", `{"userName":"x"}`)
	var got []string
	for _, c := range w.Calls() {
		got = append(got, fmt.Sprint(c.Method, c.Status))
	}
	if want := "[GET404 POST201]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

var _ directory.Store = broken{}
