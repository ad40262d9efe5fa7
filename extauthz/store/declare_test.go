package store

import (
	"errors"
	"reflect"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

func declaration() []Declared {
	return []Declared{{
		Tenant: tenant.Tenant{ID: acme, Domains: []string{"acme.example"}},
		Connections: []idp.Connection{{ID: acmeOkta, Protocol: idp.OIDC, Provider: idp.Okta, Enabled: true,
			Settings: idp.OIDCSettings{Issuer: "https://acme.okta.com", ClientID: "c", ClientSecret: secret.New("one"), Scopes: []string{}}}},
		Mappings: []idp.RoleMapping{{Kind: idp.MapGroup, Value: "Security", Role: "Analyst"}, {Kind: idp.MapGroup, Value: "Ops", Role: "Admin", Connection: acmeOkta}},
	}}
}

func declare(t testing.TB, s *Store, file []Declared) {
	t.Helper()
	if err := s.Declare(t.Context(), file); err != nil {
		t.Fatal(err)
	}
}

func TestDeclaringTheSameAgainChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.serve(t)
		declare(t, s, declaration())
		signedIn := mustSignIn(t, s, identity(acmeOkta, "alice"))
		before := realm(t, s, acme)
		events, err := s.AuditEvents(t.Context(), acme, 1000)
		if err != nil {
			t.Fatal(err)
		}
		declare(t, s, declaration())
		after := realm(t, s, acme)
		if before.Stamp != after.Stamp && s.path != "" {
			t.Error("the realm was read again")
		}
		before.Stamp, after.Stamp = 0, 0
		if !reflect.DeepEqual(before.Mappings, after.Mappings) || before.Connections[0].Version != after.Connections[0].Version || !after.Tenant.Declared {
			t.Errorf("%+v became %+v", before, after)
		}
		if again, err := s.AuditEvents(t.Context(), acme, 1000); err != nil || len(again) != len(events) {
			t.Errorf("%d audit rows became %d, %v", len(events), len(again), err)
		}
		if got, err := s.Get(t.Context(), acme, signedIn.Hash); err != nil || got.ConnectionEpoch != after.Connections[0].Epoch {
			t.Errorf("session %+v, %v", got, err)
		}
	})
}

func TestDeclarationFollowsTheFile(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.serve(t)
		declare(t, s, declaration())
		v1 := realm(t, s, acme).Connections[0]

		file := declaration()
		file[0].Connections[0].Settings.ClientSecret = secret.New("two")
		declare(t, s, file)
		v2 := realm(t, s, acme).Connections[0]
		if v2.Version != v1.Version+1 || v2.Epoch != v1.Epoch || v2.Settings.ClientSecret.Reveal() != "two" {
			t.Errorf("new secret: %+v", v2)
		}

		file[0].Connections[0].Settings.Issuer = "https://other.okta.com"
		file[0].Mappings = file[0].Mappings[:1]
		declare(t, s, file)
		r := realm(t, s, acme)
		if r.Connections[0].Epoch != v2.Epoch+1 || len(r.Mappings) != 1 || r.Mappings[0].Value != "Security" {
			t.Errorf("new issuer: %+v", r)
		}

		file[0].Connections, file[0].Mappings = nil, nil
		declare(t, s, file)
		if r = realm(t, s, acme); r.Connections[0].Enabled || len(r.Mappings) != 0 {
			t.Errorf("gone from the file: %+v", r)
		}
		declare(t, s, declaration())
		if r = realm(t, s, acme); !r.Connections[0].Enabled || r.Connections[0].Epoch <= v2.Epoch+1 || len(r.Mappings) != 2 {
			t.Errorf("back in the file: %+v", r)
		}

		// The whole tenant goes, and another takes its domain.
		declare(t, s, []Declared{{Tenant: tenant.Tenant{ID: "heir", Domains: []string{"acme.example"}}}})
		if r = realm(t, s, acme); r.Connections[0].Enabled || len(r.Mappings) != 0 || len(r.Tenant.Domains) != 0 {
			t.Errorf("tenant gone from the file: %+v", r)
		}
		if got, _, err := s.TenantByDomain(t.Context(), "acme.example"); err != nil || got != "heir" {
			t.Errorf("domain: %q, %v", got, err)
		}
	})
}

func TestDeclarationLeavesTheUndeclaredAlone(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		seed(t, s, "own")
		declare(t, s, declaration())
		if _, err := s.CreateMapping(t.Context(), idp.RoleMapping{Tenant: acme, Kind: idp.MapGroup, Value: "Extra", Role: "Viewer"}, "cli"); err != nil {
			t.Fatal(err)
		}
		makeConnection(t, s, acme, "acme-second")
		declare(t, s, nil)
		if r := realm(t, s, "own"); !r.Connections[0].Enabled || len(r.Tenant.Domains) != 1 {
			t.Errorf("own: %+v", r)
		}
		r := realm(t, s, acme)
		if c, _ := r.Connection("acme-second"); !c.Enabled || len(r.Mappings) != 1 || r.Mappings[0].Value != "Extra" {
			t.Errorf("acme: %+v", r)
		}
		file := declaration()
		for name, clash := range map[string][]Declared{
			"tenant":         {{Tenant: tenant.Tenant{ID: "own"}}},
			"connection":     {{Tenant: file[0].Tenant, Connections: []idp.Connection{{ID: "own-okta", Protocol: idp.OIDC}}}},
			"own connection": {{Tenant: file[0].Tenant, Connections: []idp.Connection{{ID: "acme-second", Protocol: idp.OIDC}}}},
			"domain":         {{Tenant: tenant.Tenant{ID: "fresh", Domains: []string{"own.example"}}}},
		} {
			if err := s.Declare(t.Context(), clash); !errors.Is(err, ErrTaken) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := s.Realm(t.Context(), "fresh"); !errors.Is(err, ErrNotFound) {
			t.Errorf("half a declaration stayed: %v", err)
		}
	})
}

func TestDeclaredThingsAreReadOnlyElsewhere(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		declare(t, s, declaration())
		m := realm(t, s, acme).Mappings[0]
		for name, err := range map[string]error{
			"switch": s.SetConnectionEnabled(t.Context(), acme, acmeOkta, false, "cli"),
			"delete": s.DeleteConnection(t.Context(), acme, acmeOkta, "cli"),
			"unmap":  s.DeleteMapping(t.Context(), acme, m.ID, "cli"),
		} {
			if !errors.Is(err, ErrDeclared) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestSwitchingSCIMOffEndsTheTenantsSessions(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.serve(t)
		file := declaration()
		file[0].Tenant.SCIM = true
		declare(t, s, file)
		on := realm(t, s, acme).Tenant
		declare(t, s, declaration())
		if off := realm(t, s, acme).Tenant; off.SCIM || off.Epoch != on.Epoch+1 {
			t.Errorf("%+v became %+v", on, off)
		}
	})
}
