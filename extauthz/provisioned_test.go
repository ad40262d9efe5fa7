package extauthz

import (
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// switchSCIM rewrites the declared tenant.
func (g *gate) switchSCIM(on bool) {
	g.t.Helper()
	realm, err := g.store.Realm(g.t.Context(), "acme")
	check(g.t, err)
	check(g.t, g.store.Declare(g.t.Context(), []store.Declared{{
		Tenant:      tenant.Tenant{ID: "acme", Slug: "acme", GroupKey: tenant.ByDisplayName, SCIM: on},
		Connections: realm.Connections, Mappings: realm.Mappings,
	}}))
}

func (g *gate) update(fn func(directory.Tx) error) {
	g.t.Helper()
	check(g.t, g.store.Update(g.t.Context(), "acme", fn))
}

func TestWhoIsNotProvisionedIsRefusedOnceSCIMIsOn(t *testing.T) {
	g := newGate(t)
	cookie, ann := g.signIn("ann", "analysts")
	ask := func(want int, code string) {
		t.Helper()
		out := g.ask(call{path: "/api/v1/events", lines: []line{{"cookie", cookie}}})
		if got := httpStatus(out); got != want || !strings.Contains(out.GetDeniedResponse().GetBody(), code) {
			t.Fatalf("status %d, body %s; want %d %s", got, out.GetDeniedResponse().GetBody(), want, code)
		}
	}
	ask(200, "")
	g.switchSCIM(true)
	ask(403, string(idp.CodeNotProvisioned))

	g.update(func(tx directory.Tx) error {
		u, err := tx.PutUser(directory.User{UserName: "Ann", Active: true})
		if err == nil && u.ID != ann.ID {
			t.Errorf("made %s beside %s", u.ID, ann.ID)
		}
		return err
	})
	ask(403, `"forbidden"`) // known now, and in no group: what the claims said counts no more

	var group directory.GroupID
	g.update(func(tx directory.Tx) error {
		made, err := tx.PutGroup(directory.Group{DisplayName: "analysts"})
		group = made.ID
		if err == nil {
			_, err = tx.Members(group, directory.Delta{Add: []directory.UserID{ann.ID}})
		}
		return err
	})
	ask(200, "")
	for name, away := range map[string]func(directory.Tx) error{
		"member removed": func(tx directory.Tx) error {
			_, err := tx.Members(group, directory.Delta{Remove: []directory.UserID{ann.ID}})
			return err
		},
		"all members removed": func(tx directory.Tx) error {
			_, err := tx.Members(group, directory.Delta{Clear: true})
			return err
		},
		"group renamed": func(tx directory.Tx) error {
			_, err := tx.PutGroup(directory.Group{ID: group, DisplayName: "others"})
			return err
		},
	} {
		g.update(away)
		t.Log(name)
		ask(403, `"forbidden"`)
		g.update(func(tx directory.Tx) error {
			if _, err := tx.PutGroup(directory.Group{ID: group, DisplayName: "analysts"}); err != nil {
				return err
			}
			_, err := tx.Members(group, directory.Delta{Add: []directory.UserID{ann.ID}})
			return err
		})
		ask(200, "")
	}
	g.update(func(tx directory.Tx) error { return tx.Delete(directory.Ref{Group: group}) })
	ask(403, `"forbidden"`)
	g.update(func(tx directory.Tx) error {
		_, err := tx.PutUser(directory.User{ID: ann.ID, UserName: "Ann"})
		return err
	})
	ask(403, "not active")
	g.update(func(tx directory.Tx) error { return tx.Delete(directory.Ref{User: ann.ID}) })
	ask(401, "")
}
