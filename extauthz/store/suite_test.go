package store

import (
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session/sessiontest"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
	"github.com/tracio-ai/ssogate/scim/directory/directorytest"
)

// pairs runs a suite on every pair of handles that occurs: two gates, a gate and a command beside it, two replicas.
func pairs(t *testing.T, suite func(t *testing.T, open func(t *testing.T) (a, b *Store, d *database))) {
	t.Parallel()
	sqlite := func(t *testing.T) *database { return newDatabase(t, "sqlite:"+t.TempDir()+"/gate.db") }
	for name, open := range map[string]func(t *testing.T) (a, b *Store, d *database){
		"sqlite caches": func(t *testing.T) (a, b *Store, d *database) {
			d = sqlite(t)
			return d.serve(t), d.serve(t), d
		},
		"sqlite command beside gate": func(t *testing.T) (a, b *Store, d *database) {
			d = sqlite(t)
			return d.open(t), d.serve(t), d
		},
		"postgres caches": func(t *testing.T) (a, b *Store, d *database) {
			d = newDatabase(t, postgres(t))
			return d.serve(t), d.serve(t), d
		},
		"postgres command beside gate": func(t *testing.T) (a, b *Store, d *database) {
			d = newDatabase(t, postgres(t))
			return d.open(t), d.serve(t), d
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite(t, open)
		})
	}
}

func TestSessionsKeepTheirPromises(t *testing.T) {
	pairs(t, func(t *testing.T, open func(t *testing.T) (a, b *Store, d *database)) {
		sessiontest.Run(t, func(t *testing.T) sessiontest.World {
			a, b, d := open(t)
			return sessiontest.World{
				A: a, B: b, Limits: limits, Now: d.clock.Now, Advance: d.clock.advance,
				Tenant: func(t testing.TB, id tenant.ID, scim bool) idp.ConnectionID { return makeTenant(t, a, id, scim) },
				Connection: func(t testing.TB, id tenant.ID) idp.ConnectionID {
					return makeConnection(t, a, id, idp.ConnectionID(tenant.RandomName()))
				},
				Switch: func(t testing.TB, id tenant.ID, c idp.ConnectionID, on bool) {
					if err := a.SetConnectionEnabled(t.Context(), id, c, on, "cli"); err != nil {
						t.Fatal(err)
					}
				},
				Delete: func(t testing.TB, id tenant.ID, u directory.UserID) {
					if err := a.DeleteUser(t.Context(), id, u, "cli"); err != nil {
						t.Fatal(err)
					}
				},
			}
		})
	})
}

func TestDirectoryKeepsItsPromises(t *testing.T) {
	pairs(t, func(t *testing.T, open func(t *testing.T) (a, b *Store, d *database)) {
		directorytest.Run(t, func(t *testing.T) directorytest.World {
			a, b, d := open(t)
			return directorytest.World{
				A: a, B: b,
				Tenant: func(t testing.TB, id tenant.ID) tenant.ConnectionID { return makeTenant(t, a, id, false) },
				Connection: func(t testing.TB, id tenant.ID) tenant.ConnectionID {
					return makeConnection(t, a, id, idp.ConnectionID(tenant.RandomName()))
				},
				SignIn: func(t testing.TB, id tenant.ID, c tenant.ConnectionID, sub string, groups []string, claims map[string]any) directory.UserID {
					d.clock.advance(time.Second)
					i := sessiontest.Identity(id, c, sub)
					i.Groups, i.Claims = groups, claims
					if groups == nil {
						i.GroupState = idp.GroupsNone
					}
					return mustSignIn(t, a, i).User
				},
				Join: func(t testing.TB, id tenant.ID, c tenant.ConnectionID, sub string, joins idp.Joins) (directory.UserID, error) {
					d.clock.advance(time.Second)
					i := sessiontest.Identity(id, c, sub)
					i.UserName, i.Joins = joins.UserName, joins
					out, _, err := a.SignIn(t.Context(), signIn(i))
					return out.User, err
				},
			}
		})
	})
}

func makeTenant(t testing.TB, s *Store, id tenant.ID, scim bool) idp.ConnectionID {
	t.Helper()
	if _, err := s.CreateTenant(t.Context(), tenant.Tenant{ID: id, SCIM: scim}, "cli"); err != nil {
		t.Fatal(err)
	}
	return makeConnection(t, s, id, idp.ConnectionID(id+"-idp"))
}

func makeConnection(t testing.TB, s *Store, id tenant.ID, c idp.ConnectionID) idp.ConnectionID {
	t.Helper()
	_, err := s.CreateConnection(t.Context(), idp.Connection{ID: c, Tenant: id, Protocol: idp.OIDC, Enabled: true}, "cli")
	if err != nil {
		t.Fatal(err)
	}
	return c
}
