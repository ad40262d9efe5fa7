package store

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

func realm(t testing.TB, s *Store, id tenant.ID) idp.Realm {
	t.Helper()
	r, err := s.Realm(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRealmHoldsWhatWasMade(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.serve(t)
		age := time.Hour
		made, err := s.CreateTenant(t.Context(), tenant.Tenant{Slug: "acme-inc", Domains: []string{"Acme.example", "acme.test"}, Idle: time.Minute, Absolute: time.Hour}, "cli")
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.CreateConnection(t.Context(), idp.Connection{
			Tenant: made.ID, Protocol: idp.OIDC, Provider: idp.Entra, Name: "Entra", Enabled: true,
			Settings: idp.OIDCSettings{
				Issuer: "https://login.example/v2.0", ClientID: "c", ClientSecret: secret.New("s"), ClientAuth: idp.AuthPost, Scopes: []string{"profile"},
				Claims: idp.ClaimNames{Groups: "https://tracio.ai/groups"}, SharedCallback: true, UserInfo: true, Prompt: "login",
				ACRValues: []string{"a"}, MaxAge: &age, Audiences: []string{"b"}, Extra: map[string]string{"domain_hint": "acme.example"},
			},
		}, "cli")
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.CreateMapping(t.Context(), idp.RoleMapping{Tenant: made.ID, Connection: c.ID, Kind: idp.MapGroup, Value: "Security", Role: "Analyst"}, "cli")
		if err != nil {
			t.Fatal(err)
		}
		got := realm(t, s, made.ID)
		if !reflect.DeepEqual(got.Tenant, made) || !slices.Equal(made.Domains, []string{"acme.example", "acme.test"}) {
			t.Errorf("tenant %+v, made %+v", got.Tenant, made)
		}
		if len(got.Connections) != 1 || !sameConnection(got.Connections[0], c) || got.Connections[0].Settings.ClientSecret.Reveal() != "s" {
			t.Errorf("connection %+v, made %+v", got.Connections, c)
		}
		if !slices.Equal(got.Mappings, []idp.RoleMapping{m}) {
			t.Errorf("mappings %+v, made %+v", got.Mappings, m)
		}
	})
}

func TestLookupsFindOneTenantOrNone(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.serve(t)
		check := func(sole tenant.ID, domain, connection tenant.ID) {
			t.Helper()
			for range 2 { // the second answer is the cache's
				if got, ok, err := s.SoleTenant(t.Context()); err != nil || got != sole || ok != (sole != "") {
					t.Errorf("sole %q %v, %v; want %q", got, ok, err, sole)
				}
				if got, ok, err := s.TenantByDomain(t.Context(), "acme.example"); err != nil || got != domain || ok != (domain != "") {
					t.Errorf("domain %q %v, %v; want %q", got, ok, err, domain)
				}
				if got, ok, err := s.TenantByConnection(t.Context(), acmeOkta); err != nil || got != connection || ok != (connection != "") {
					t.Errorf("connection %q %v, %v; want %q", got, ok, err, connection)
				}
			}
		}
		check("", "", "")
		c := seed(t, s, acme)
		check(acme, acme, acme)
		seed(t, s, "other")
		check("", acme, acme)
		if err := s.SetConnectionEnabled(t.Context(), "other", "other-okta", false, "cli"); err != nil {
			t.Fatal(err)
		}
		check(acme, acme, acme)
		if err := s.DeleteConnection(t.Context(), acme, c, "cli"); err != nil {
			t.Fatal(err)
		}
		check("", acme, "")
		for _, odd := range []string{"", "a\x00b", "\xff", "' OR 1=1 --"} {
			if got, ok, err := s.TenantByDomain(t.Context(), odd); ok || err != nil {
				t.Errorf("domain %q: %q, %v", odd, got, err)
			}
		}
	})
}

func TestNamesBelongToOneTenant(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		c := seed(t, s, acme)
		if _, err := s.CreateTenant(t.Context(), tenant.Tenant{ID: "other"}, "cli"); err != nil {
			t.Fatal(err)
		}
		for name, n := range map[string]tenant.Tenant{
			"id": {ID: acme, Slug: "x1"}, "slug": {ID: "x2", Slug: string(acme)}, "domain": {ID: "x3", Domains: []string{"ACME.example"}},
		} {
			if _, err := s.CreateTenant(t.Context(), n, "cli"); !errors.Is(err, ErrTaken) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := s.CreateConnection(t.Context(), idp.Connection{ID: c, Tenant: "other", Protocol: idp.OIDC}, "cli"); !errors.Is(err, ErrTaken) {
			t.Errorf("connection: %v", err)
		}
		if _, err := s.Realm(t.Context(), "x3"); !errors.Is(err, ErrNotFound) {
			t.Errorf("a refused tenant left a row: %v", err)
		}
	})
}

// TestAnotherTenantsThingsAreNotThere calls every method that takes a tenant with an id that belongs to another one.
func TestAnotherTenantsThingsAreNotThere(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.serve(t)
		ctx := t.Context()
		c := seed(t, s, acme)
		seed(t, s, "evil")
		m, err := s.CreateMapping(ctx, idp.RoleMapping{Tenant: acme, Kind: idp.MapGroup, Value: "Security", Role: "Admin"}, "cli")
		if err != nil {
			t.Fatal(err)
		}
		user := mustSignIn(t, s, identity(c, "alice")).User
		gone := mustSignIn(t, s, identity(c, "bob")).User
		if err := s.DeleteUser(ctx, acme, gone, "cli"); err != nil {
			t.Fatal(err)
		}
		if err := s.SaveDocument(ctx, acme, c, "jwks", []byte("{}"), d.clock.Now()); err != nil {
			t.Fatal(err)
		}
		before := realm(t, s, acme)
		_, mappingErr := s.CreateMapping(ctx, idp.RoleMapping{Tenant: "evil", Connection: c, Kind: idp.MapGroup, Value: "x", Role: "Admin"}, "cli")
		_, userErr := s.User(ctx, "evil", user)
		_, linksErr := s.Links(ctx, "evil", user)
		_, personErr := s.Person(ctx, "evil", user, c)
		_, activeErr := s.SetActive(ctx, "evil", user, false, "cli")
		for name, err := range map[string]error{
			"switch connection": s.SetConnectionEnabled(ctx, "evil", c, false, "cli"),
			"delete connection": s.DeleteConnection(ctx, "evil", c, "cli"),
			"create mapping":    mappingErr,
			"delete mapping":    s.DeleteMapping(ctx, "evil", m.ID, "cli"),
			"user":              userErr,
			"links":             linksErr,
			"person":            personErr,
			"set active":        activeErr,
			"delete user":       s.DeleteUser(ctx, "evil", user, "cli"),
			"lift tombstone":    s.LiftTombstone(ctx, "evil", gone, "cli"),
		} {
			if !errors.Is(err, ErrNotFound) && !errors.Is(err, directory.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if all, err := s.ListUsers(ctx, "evil", UserQuery{}); err != nil || len(all) != 0 {
			t.Errorf("users: %v, %v", all, err)
		}
		if _, _, ok, err := s.Document(ctx, "evil", c, "jwks"); err != nil || ok {
			t.Errorf("document: %v, %v", ok, err)
		}
		events, err := s.AuditEvents(ctx, "evil", 0)
		for _, e := range events {
			if e.Tenant != "evil" {
				t.Errorf("audit event of %s", e.Tenant)
			}
		}
		after := realm(t, s, acme)
		before.Stamp, after.Stamp = 0, 0
		if err != nil || len(after.Connections) != 1 || !reflect.DeepEqual(before.Mappings, after.Mappings) || after.Connections[0].Version != before.Connections[0].Version {
			t.Errorf("%v: %+v became %+v", err, before, after)
		}
		if u, err := s.User(ctx, acme, user); err != nil || !u.Active {
			t.Errorf("user %+v, %v", u, err)
		}
	})
}

func TestConnectionOfAnOldIdStartsWithNothing(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.serve(t)
		c := seed(t, s, acme)
		if _, err := s.CreateMapping(t.Context(), idp.RoleMapping{Tenant: acme, Connection: c, Kind: idp.MapGroup, Value: "x", Role: "Admin"}, "cli"); err != nil {
			t.Fatal(err)
		}
		old := mustSignIn(t, s, identity(c, "alice"))
		if err := s.DeleteConnection(t.Context(), acme, c, "cli"); err != nil {
			t.Fatal(err)
		}
		makeConnection(t, s, acme, c)
		got, err := s.Get(t.Context(), acme, old.Hash)
		if err != nil || got.RevokedAt.IsZero() {
			t.Errorf("the old session: %+v, %v", got, err)
		}
		if r := realm(t, s, acme); len(r.Mappings) != 0 {
			t.Errorf("mappings %+v", r.Mappings)
		}
		if again := mustSignIn(t, s, identity(c, "alice")); again.User == old.User {
			t.Error("the old link still holds")
		}
	})
}

func TestEveryChangeHasItsAuditRow(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		ctx := t.Context()
		c := seed(t, s, acme)
		m, err := s.CreateMapping(ctx, idp.RoleMapping{Tenant: acme, Kind: idp.MapGroup, Value: "x", Role: "Admin"}, "cli")
		if err != nil {
			t.Fatal(err)
		}
		alice := mustSignIn(t, s, identity(c, "alice"))
		_, offErr := s.SetActive(ctx, acme, alice.User, false, "cli")
		_, onErr := s.SetActive(ctx, acme, alice.User, true, "cli")
		in := mustSignIn(t, s, identity(c, "alice"))
		_, revokeErr := s.Revoke(ctx, acme, session.Revocation{Hash: &in.Hash, Reason: "test", Actor: "cli"})
		if err := errors.Join(offErr, onErr, revokeErr,
			s.DeleteUser(ctx, acme, alice.User, "cli"), s.LiftTombstone(ctx, acme, alice.User, "cli"),
			s.SetConnectionEnabled(ctx, acme, c, false, "cli"), s.DeleteMapping(ctx, acme, m.ID, "cli"), s.DeleteConnection(ctx, acme, c, "cli"),
			s.Record(ctx, audit.Event{Tenant: acme, Action: audit.SignInRefused, Outcome: "refused", Reason: "state", Subject: "a\x00\xff"}),
		); err != nil {
			t.Fatal(err)
		}
		events, err := s.AuditEvents(ctx, acme, 100)
		if err != nil {
			t.Fatal(err)
		}
		var got []audit.Action
		for _, e := range slices.Backward(events) {
			got = append(got, e.Action)
		}
		want := []audit.Action{
			audit.TenantCreated, audit.ConnectionCreated, audit.MappingCreated, audit.UserCreated, audit.SignedIn, audit.UserDeactivated,
			audit.UserActivated, audit.SignedIn, audit.SessionRevoked, audit.UserDeleted, audit.TombstoneLifted, audit.ConnectionChanged,
			audit.MappingDeleted, audit.ConnectionDeleted, audit.SignInRefused,
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
		if again := mustSignInAfterLift(t, s, alice); again == alice.User {
			t.Error("the deleted user came back")
		}
	})
}

// mustSignInAfterLift signs a person in whose tombstone was lifted: a new user.
func mustSignInAfterLift(t testing.TB, s *Store, old session.Session) directory.UserID {
	t.Helper()
	makeConnection(t, s, acme, old.Connection)
	return mustSignIn(t, s, identity(old.Connection, "alice")).User
}
