package store

import (
	"reflect"
	"testing"

	"github.com/tracio-ai/ssogate/extauthz/session/sessiontest"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// tenantless are the methods that name no tenant, each with its reason. Every other must: what cannot be asked for
// without saying whose it is cannot be given to somebody else.
var tenantless = map[string]string{
	"TenantByDomain":     "finds the tenant",
	"TenantByConnection": "finds the tenant",
	"SoleTenant":         "finds the tenant",
	"Tenant":             "finds the tenant, by a token",

	"Tenants":         "the operator's list",
	"Declare":         "the operator's file, of all tenants",
	"SAMLConnections": "for whoever keeps the metadata of all of them fresh",

	"Keys":        "the gate's own keys",
	"RotateKeys":  "the gate's own keys",
	"Ping":        "reads nothing of anybody",
	"Fresh":       "reads nothing of anybody",
	"FeedAge":     "reads nothing of anybody",
	"LockServing": "reads nothing of anybody",
	"Run":         "the store's own housekeeping",
	"Close":       "the store's own housekeeping",
}

// whose reports whether a parameter says whose it is: a tenant, or a record that holds one.
func whose(in reflect.Type, depth int) bool {
	if in == reflect.TypeFor[tenant.ID]() {
		return true
	}
	if in.Kind() != reflect.Struct || depth == 0 {
		return false
	}
	for f := range in.Fields() {
		if f.Name == "ID" && in == reflect.TypeFor[tenant.Tenant]() || (f.Name == "Tenant" || f.Name == "Identity") && whose(f.Type, depth-1) {
			return true
		}
	}
	return false
}

func TestEveryMethodNamesItsTenant(t *testing.T) {
	store := reflect.TypeFor[*Store]()
	for method := range store.Methods() {
		if tenantless[method.Name] != "" {
			continue
		}
		names := false
		for in := range method.Type.Ins() {
			names = names || whose(in, 2)
		}
		if !names {
			t.Errorf("%s %s names no tenant: give it one, or say in tenantless why it needs none", method.Name, method.Type)
		}
	}
	for name := range tenantless {
		if _, ok := store.MethodByName(name); !ok {
			t.Errorf("%s is no method any more: take it out of tenantless", name)
		}
	}
}

// TestStampsMoveWithWhatTheyStandFor: decisions are kept under the stamps of a person and of a tenant. A stamp that stayed
// while its copy changed would go on answering for the role that was taken away.
func TestStampsMoveWithWhatTheyStandFor(t *testing.T) {
	d := newDatabase(t, "sqlite:"+t.TempDir()+"/gate.db")
	s := d.serve(t)
	c := makeTenant(t, s, "acme", false)
	i := sessiontest.Identity("acme", c, "alice")
	user := mustSignIn(t, s, i).User
	stamps := func() (person, realm uint64) {
		t.Helper()
		p, err := s.Person(t.Context(), "acme", user, c)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Realm(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		return p.Stamp, r.Stamp
	}
	var mapping idp.RoleMapping
	for _, change := range []struct {
		name          string
		person, realm bool
		do            func() error
	}{
		{"nothing", false, false, func() error { return nil }},
		{"other groups", true, false, func() error { i.Groups = []string{"Sales"}; mustSignIn(t, s, i); return nil }},
		{"other claims", true, false, func() error { i.Claims = map[string]any{"department": "sales"}; mustSignIn(t, s, i); return nil }},
		{"switched off and on", true, false, func() error {
			if _, err := s.SetActive(t.Context(), "acme", user, false, "cli"); err != nil {
				return err
			}
			_, err := s.SetActive(t.Context(), "acme", user, true, "cli")
			return err
		}},
		{"a mapping comes", false, true, func() (err error) {
			mapping, err = s.CreateMapping(t.Context(), idp.RoleMapping{Tenant: "acme", Kind: idp.MapGroup, Value: "Sales", Role: "Viewer"}, "cli")
			return err
		}},
		{"a mapping goes", false, true, func() error { return s.DeleteMapping(t.Context(), "acme", mapping.ID, "cli") }},
		{"a connection comes", false, true, func() error { makeConnection(t, s, "acme", "acme-two"); return nil }},
		{"a connection is switched off", false, true, func() error {
			return s.SetConnectionEnabled(t.Context(), "acme", "acme-two", false, "cli")
		}},
	} {
		person, realm := stamps()
		if err := change.do(); err != nil {
			t.Fatal(err)
		}
		afterPerson, afterRealm := stamps()
		if change.person && person == afterPerson || change.realm && realm == afterRealm {
			t.Errorf("%s: person %d → %d, tenant %d → %d", change.name, person, afterPerson, realm, afterRealm)
		}
		if !change.person && !change.realm && (person != afterPerson || realm != afterRealm) {
			t.Errorf("%s: person %d → %d, tenant %d → %d: nothing could be kept under them", change.name, person, afterPerson, realm, afterRealm)
		}
		if person == 0 || realm == 0 {
			t.Errorf("%s: a stamp is 0, which promises nothing", change.name)
		}
	}
}
