package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// provisioned is a stack whose tenant takes people and groups from SCIM alone, and its provider's SCIM client.
type provisioned struct {
	*Stack
	scim  *idptest.Provisioner
	teams map[string]idptest.Team
	made  int
}

// newProvisioned starts a gate on a store (empty: SQLite) and pushes the groups that carry roles. Everything is sent
// through Envoy.
func newProvisioned(t *testing.T, store string) *provisioned {
	t.Helper()
	return provisionedOn(t, NewStack(t, Options{Tenant: "scim: true, ", Store: store}))
}

// provisionedOn pushes the groups to a gate that runs already.
func provisionedOn(t *testing.T, s *Stack) *provisioned {
	t.Helper()
	p := &provisioned{Stack: s, scim: s.SCIM("acme", idptest.OktaOIN), teams: map[string]idptest.Team{}}
	for _, name := range []string{"admins", "analysts", "viewers"} {
		team, err := p.scim.CreateGroup(t.Context(), idptest.Team{ExternalID: "g-" + name, DisplayName: name})
		if err != nil {
			t.Fatal(err)
		}
		p.teams[name] = team
	}
	return p
}

// as changes the manner that the next requests are sent in.
func (p *provisioned) as(m idptest.Manner) *idptest.Provisioner {
	c := *p.scim
	c.Manner = m
	return &c
}

// SCIM makes a token with the command line and returns a provider's client for it.
func (s *Stack) SCIM(tenant string, m idptest.Manner) *idptest.Provisioner {
	s.T.Helper()
	var made struct{ Token string }
	out := s.CLI("scim", "token", "create", "--tenant", tenant, "--label", "e2e", "-c", s.Config, "--output", "json")
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.Token == "" {
		s.T.Fatalf("token create printed %s: %v", out, err)
	}
	return &idptest.Provisioner{
		URL: s.URL + "/scim/v2", Token: made.Token, Manner: m,
		Client: &http.Client{Transport: s.transport(), Timeout: 30 * time.Second},
	}
}

// hire makes somebody at the provider, provisions them with groups, and returns their id and name.
func (p *provisioned) hire(t *testing.T, groups ...string) (id, name string) {
	t.Helper()
	p.made++
	name = fmt.Sprintf("emp%d", p.made)
	who := idptest.Person{Sub: "s-" + name, UserName: name, Email: name + "@acme.example", Name: "Em Ployee"}
	p.IdP.SetPeople(append(p.IdP.People(), who))
	id, err := p.scim.Create(t.Context(), idptest.AccountOf(who))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if err := p.as(idptest.EntraSCIM).AddMember(t.Context(), p.teams[g], id); err != nil {
			t.Fatal(err)
		}
	}
	return id, name
}

// raw sends a body and wants a 2xx.
func (p *provisioned) raw(method, path, body string) error {
	c, err := p.scim.Do(p.T.Context(), method, path, body)
	if err == nil && c.Status/100 != 2 {
		err = &idptest.Refused{Call: c}
	}
	return err
}

func patchOp(ops string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + ops + `]}`
}

func bulkOp(ops string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[` + ops + `]}`
}

func TestEveryWayAProviderTakesAccessAwayBitesOnTheNextRequest(t *testing.T) {
	everyWay(t, newProvisioned(t, ""))
}

func TestOnPostgreSQLEveryWayBitesOnTheNextRequestToo(t *testing.T) {
	everyWay(t, newProvisioned(t, postgresDatabase(t)))
}

// everyWay takes access away in each way there is: once that is answered, the very next request of a live session knows.
// In bodies %u and %g stand for the person's id and the group's.
func everyWay(t *testing.T, p *provisioned) {
	t.Helper()
	type way func(ctx context.Context, id string) error
	group := func(method, body string) way {
		return func(_ context.Context, id string) error {
			fill := strings.NewReplacer("%u", id, "%g", p.teams["analysts"].ID)
			return p.raw(method, fill.Replace("/Groups/%g"), fill.Replace(body))
		}
	}
	bulk := func(ops string) way {
		return func(_ context.Context, id string) error {
			return p.raw(http.MethodPost, "/Bulk", bulkOp(strings.NewReplacer("%u", id, "%g", p.teams["analysts"].ID).Replace(ops)))
		}
	}
	user := func(method, body string) way {
		return func(_ context.Context, id string) error {
			return p.raw(method, "/Users/"+id, strings.ReplaceAll(body, "%u", id))
		}
	}
	const core = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],`
	for name, take := range map[string]way{
		"Okta catalogue app deactivates": p.as(idptest.OktaOIN).Deactivate,
		"Okta custom app deactivates":    p.as(idptest.OktaAIW).Deactivate,
		"Entra deactivates":              p.as(idptest.EntraDefault).Deactivate,
		"Entra deactivates by its flag":  p.as(idptest.EntraSCIM).Deactivate,
		"Entra deletes":                  p.as(idptest.EntraDefault).Remove,
		"active becomes null":            user(http.MethodPatch, patchOp(`{"op":"replace","path":"active","value":null}`)),
		"active is removed":              user(http.MethodPatch, patchOp(`{"op":"remove","path":"active"}`)),
		"bulk deactivates":               bulk(`{"method":"PATCH","path":"/Users/%u","data":` + patchOp(`{"op":"replace","value":{"active":false}}`) + `}`),
		"bulk deletes":                   bulk(`{"method":"DELETE","path":"/Users/%u"}`),

		"member removed by Okta":             p.removal(idptest.OktaOIN),
		"member removed by Okta custom":      p.removal(idptest.OktaAIW),
		"member removed by Entra":            p.removal(idptest.EntraDefault),
		"member removed by Entra's flag":     p.removal(idptest.EntraSCIM),
		"member removed as one object":       group(http.MethodPatch, patchOp(`{"op":"remove","path":"members","value":{"value":"%u"}}`)),
		"member removed by or":               group(http.MethodPatch, patchOp(`{"op":"remove","path":"members[value eq \"%u\" or value eq \"nobody\"]"}`)),
		"member removed with null":           group(http.MethodPatch, patchOp(`{"op":"remove","path":"members[value eq \"%u\"]","value":null}`)),
		"all members removed":                group(http.MethodPatch, patchOp(`{"op":"remove","path":"members"}`)),
		"members replaced by none":           group(http.MethodPatch, patchOp(`{"op":"replace","path":"members","value":[]}`)),
		"members replaced by another":        group(http.MethodPatch, patchOp(`{"op":"replace","path":"members","value":[{"value":"00000000-0000-4000-8000-000000000000"}]}`)),
		"members replaced without path":      group(http.MethodPatch, patchOp(`{"op":"replace","value":{"members":[]}}`)),
		"members put":                        group(http.MethodPut, core+`"displayName":"analysts","members":[]}`),
		"members removed, others added":      group(http.MethodPatch, patchOp(`{"op":"add","path":"externalId","value":"x"},{"op":"remove","path":"members","value":[{"value":"%u"}]}`)),
		"members removed in bulk":            bulk(`{"method":"PATCH","path":"/Groups/%g","data":` + patchOp(`{"op":"remove","path":"members","value":[{"$ref":null,"value":"%u"}]}`) + `}`),
		"group renamed out of its mapping":   p.renamed(idptest.OktaOIN),
		"group renamed by a put":             p.renamed(idptest.OktaAIW),
		"group renamed in Entra's words":     p.renamed(idptest.EntraDefault),
		"group deleted":                      p.groupless,
		"group deleted in bulk":              bulk(`{"method":"DELETE","path":"/Groups/%g"}`),
		"group deleted and made anew, empty": p.remade,
	} {
		t.Run(name, func(t *testing.T) {
			p.remakeAnalysts(t)
			id, who := p.hire(t, "analysts")
			b := p.As(who)
			b.SignIn("/events")
			if got := b.Fetch("POST", "/api/v1/rules"); got.Status != http.StatusOK {
				t.Fatalf("before: %d %s", got.Status, got.Body)
			}
			if err := take(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			p.Upstream.Forget()
			if got := b.Fetch("POST", "/api/v1/rules"); got.Status != http.StatusForbidden && got.Status != http.StatusUnauthorized {
				t.Errorf("the next request: %d %s", got.Status, got.Body)
			}
			if page, err := b.Open(t.Context(), p.URL+"/events"); err != nil || page.Status != http.StatusForbidden {
				t.Errorf("a navigation, sign-in and all: %d, %v", page.Status, err)
			}
			if seen := p.Upstream.Seen(); len(seen) != 0 {
				t.Errorf("the dashboard was reached: %s", seen[0].Line)
			}
		})
	}
}

// remakeAnalysts gives the next way a group of its own.
func (p *provisioned) remakeAnalysts(t *testing.T) {
	t.Helper()
	if err := p.groupless(t.Context(), ""); err != nil && !strings.Contains(err.Error(), "404") {
		t.Fatal(err)
	}
	team, err := p.scim.CreateGroup(t.Context(), idptest.Team{DisplayName: "analysts"})
	if err != nil {
		t.Fatal(err)
	}
	p.teams["analysts"] = team
}

func (p *provisioned) removal(m idptest.Manner) func(context.Context, string) error {
	return func(ctx context.Context, id string) error { return p.as(m).RemoveMember(ctx, p.teams["analysts"], id) }
}

func (p *provisioned) renamed(m idptest.Manner) func(context.Context, string) error {
	return func(ctx context.Context, _ string) error {
		p.made++
		return p.as(m).Rename(ctx, idptest.Team{ID: p.teams["analysts"].ID, DisplayName: fmt.Sprintf("analysts of old %d", p.made)})
	}
}

func (p *provisioned) groupless(ctx context.Context, _ string) error {
	return p.scim.DeleteGroup(ctx, p.teams["analysts"])
}

func (p *provisioned) remade(ctx context.Context, _ string) error {
	if err := p.groupless(ctx, ""); err != nil {
		return err
	}
	team, err := p.scim.CreateGroup(ctx, p.teams["analysts"])
	p.teams["analysts"] = team
	return err
}

func TestSomeoneInTwoGroupsKeepsTheRoleThatIsLeft(t *testing.T) {
	p := newProvisioned(t, "")
	id, who := p.hire(t, "admins", "viewers")
	b := p.As(who)
	b.SignIn("/events")
	expect := func(when, method, path string, status int, role string) {
		t.Helper()
		got := b.Fetch(method, path)
		if got.Status != status || first(got.Identity["x-sso-role"]) != role {
			t.Errorf("%s: %s %s: %d as %q, want %d as %q", when, method, path, got.Status, first(got.Identity["x-sso-role"]), status, role)
		}
	}
	expect("in both", "GET", "/api/v1/api-keys", 200, "Admin")
	if err := p.scim.RemoveMember(t.Context(), p.teams["admins"], id); err != nil {
		t.Fatal(err)
	}
	expect("out of admins", "GET", "/api/v1/api-keys", 403, "")
	expect("out of admins", "POST", "/api/v1/rules", 403, "")
	expect("out of admins", "GET", "/api/v1/events", 200, "Viewer")
	if err := p.scim.AddMember(t.Context(), p.teams["analysts"], id); err != nil {
		t.Fatal(err)
	}
	expect("in analysts", "POST", "/api/v1/rules", 200, "Analyst")
}

func TestThePersonDeletedAtTheProviderCannotSignInAgain(t *testing.T) {
	p := newProvisioned(t, "")
	id, who := p.hire(t, "viewers")
	b := p.As(who)
	b.SignIn("/events")
	if err := p.as(idptest.EntraDefault).Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got := b.Fetch("GET", "/api/v1/events"); got.Status != http.StatusUnauthorized && got.Status != http.StatusForbidden {
		t.Errorf("the live session: %d", got.Status)
	}
	for _, browser := range []Person{b, p.As(who)} {
		page, err := browser.Open(t.Context(), p.URL+"/events")
		if err != nil || page.Status != http.StatusForbidden || !strings.Contains(page.Body, "deprovisioned") {
			t.Errorf("sign-in after the deletion: %d, %v: %s", page.Status, err, tail(page.Body, 400))
		}
	}
	// Only the provider lifts it, and the person is another one then: the old session stays dead.
	again, err := p.scim.Create(t.Context(), idptest.Account{ExternalID: "s-" + who, UserName: who})
	if err != nil || again == id {
		t.Fatalf("made anew as %s, %v", again, err)
	}
	if err := p.scim.AddMember(t.Context(), p.teams["viewers"], again); err != nil {
		t.Fatal(err)
	}
	if got := b.Fetch("GET", "/api/v1/events"); got.Status == http.StatusOK {
		t.Error("the session from before the deletion lives again")
	}
	if page := p.As(who).SignIn("/events"); page.Status != http.StatusOK {
		t.Errorf("sign-in of the person made anew: %d", page.Status)
	}
}

func TestADeactivationIsRefusedOnTheNextRequestAThousandTimes(t *testing.T) {
	const workers, rounds = 8, 125
	p := newProvisioned(t, "")
	started := time.Now()
	type staff struct{ id, name string }
	var all []staff
	for range workers {
		id, who := p.hire(t, "viewers")
		all = append(all, staff{id, who})
	}
	manners := idptest.Manners()
	var mu sync.Mutex
	refused, signIns := 0, 0
	var wg sync.WaitGroup
	for i, one := range all {
		client := p.as(manners[i%len(manners)])
		wg.Go(func() {
			for round := range rounds {
				b := p.As(one.name) // a browser that signs in again and again is told that it lost its cookies
				page, err := b.Open(t.Context(), p.URL+"/api/v1/events")
				if err != nil || page.Status != http.StatusOK {
					t.Errorf("worker %d, round %d: signed in and got %d, %v", i, round, page.Status, err)
					return
				}
				if err := client.Deactivate(t.Context(), one.id); err != nil {
					t.Errorf("worker %d, round %d: %v", i, round, err)
					return
				}
				got := b.Fetch("GET", "/api/v1/events")
				mu.Lock()
				signIns++
				if got.Status == http.StatusForbidden && got.Identity == nil {
					refused++
				} else {
					t.Errorf("worker %d, round %d: the next request got %d", i, round, got.Status)
				}
				mu.Unlock()
				if err := client.Reactivate(t.Context(), one.id); err != nil {
					t.Errorf("worker %d, round %d: %v", i, round, err)
					return
				}
				if got := b.Fetch("GET", "/api/v1/events"); got.Status != http.StatusUnauthorized {
					t.Errorf("worker %d, round %d: the old session after reactivation got %d", i, round, got.Status)
				}
			}
		})
	}
	wg.Wait()
	if refused != workers*rounds || signIns != workers*rounds {
		t.Errorf("refused %d of %d", refused, workers*rounds)
	}
	t.Logf("%d deactivations, each refused on the next request, in %s", refused, time.Since(started).Round(time.Millisecond))
}
