package store

import (
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/extauthz/session/sessiontest"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// TestWhoWasShutOutStaysOutWhateverBecomesOfTheConnection: an operator switched somebody off, or deleted them, because
// their provider still vouches for them. None of what operators do to connections afterwards may let them in again as
// somebody new.
func TestWhoWasShutOutStaysOutWhateverBecomesOfTheConnection(t *testing.T) {
	declare := func(t *testing.T, s *Store, issuer, connection string) {
		t.Helper()
		err := s.Declare(t.Context(), []Declared{{Tenant: tenant.Tenant{ID: "acme"}, Connections: []idp.Connection{
			{ID: idp.ConnectionID(connection), Protocol: idp.OIDC, Enabled: true, Settings: idp.OIDCSettings{Issuer: issuer}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	off := func(t *testing.T, s *Store, u directory.UserID) idp.Code {
		t.Helper()
		if _, err := s.SetActive(t.Context(), "acme", u, false, "cli"); err != nil {
			t.Fatal(err)
		}
		return idp.CodeInactive
	}
	gone := func(t *testing.T, s *Store, u directory.UserID) idp.Code {
		t.Helper()
		if err := s.DeleteUser(t.Context(), "acme", u, "cli"); err != nil {
			t.Fatal(err)
		}
		return idp.CodeDeprovisioned
	}
	nothing := func(*testing.T, *Store, *idp.Identity) {}
	remove := func(t *testing.T, s *Store, _ *idp.Identity) {
		t.Helper()
		if err := s.DeleteConnection(t.Context(), "acme", "acme-idp", "cli"); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]struct {
		before, after func(*testing.T, *Store, *idp.Identity)
	}{ // of being shut out
		"new account, same name": {nothing, func(_ *testing.T, _ *Store, i *idp.Identity) { i.Subject = "made-anew" }},
		"connection made anew": {nothing, func(t *testing.T, s *Store, i *idp.Identity) {
			remove(t, s, i)
			makeConnection(t, s, "acme", "acme-idp")
			i.Subject = "other-there"
		}},
		"connection gone first": {remove, func(t *testing.T, s *Store, _ *idp.Identity) { makeConnection(t, s, "acme", "acme-idp") }},
		"another connection in its place": {nothing, func(t *testing.T, s *Store, i *idp.Identity) {
			if err := s.SetConnectionEnabled(t.Context(), "acme", "acme-idp", false, "cli"); err != nil {
				t.Fatal(err)
			}
			i.Connection = makeConnection(t, s, "acme", "acme-two")
		}},
	}
	pairs(t, func(t *testing.T, open func(t *testing.T) (a, b *Store, d *database)) {
		for name, c := range cases {
			for how, shut := range map[string]func(*testing.T, *Store, directory.UserID) idp.Code{"switched off": off, "deleted": gone} {
				t.Run(how+", "+name, func(t *testing.T) {
					_, s, d := open(t)
					i := sessiontest.Identity("acme", makeTenant(t, s, "acme", false), "alice")
					u := mustSignIn(t, s, i).User
					c.before(t, s, &i)
					want := shut(t, s, u)
					c.after(t, s, &i)
					d.clock.advance(time.Second)
					made, _, err := s.SignIn(t.Context(), session.SignIn{Identity: i, ID: session.NewID(), Limits: limits})
					if idp.CodeOf(err) != want {
						t.Errorf("%v, in as %q; want %s", err, made.User, want)
					}
					other := sessiontest.Identity("acme", i.Connection, "bob")
					mustSignIn(t, s, other) // whom nobody shut out
				})
			}
		}
		t.Run("switched off, the declared issuer changed", func(t *testing.T) {
			_, s, _ := open(t)
			declare(t, s, "https://old.example", "acme-idp")
			i := sessiontest.Identity("acme", "acme-idp", "alice")
			off(t, s, mustSignIn(t, s, i).User)
			declare(t, s, "https://new.example", "acme-idp")
			i.Issuer = "https://new.example"
			_, _, err := s.SignIn(t.Context(), session.SignIn{Identity: i, ID: session.NewID(), Limits: limits})
			if idp.CodeOf(err) != idp.CodeInactive {
				t.Errorf("got %v", err)
			}
		})
		t.Run("another provider's person of the same name is another's", func(t *testing.T) {
			_, s, _ := open(t)
			i := sessiontest.Identity("acme", makeTenant(t, s, "acme", false), "alice")
			off(t, s, mustSignIn(t, s, i).User)
			i.Connection = makeConnection(t, s, "acme", "acme-contractors") // both are in use
			mustSignIn(t, s, i)
		})
	})
}
