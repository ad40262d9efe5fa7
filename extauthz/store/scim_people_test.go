package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// company is a tenant with two connections: the employees' and the contractors'.
type company struct {
	t     *testing.T
	s     *Store
	d     *database
	staff idp.ConnectionID
	guest idp.ConnectionID
}

func newCompany(t *testing.T, d *database, p idp.Provider) company {
	t.Helper()
	c := company{t: t, s: d.open(t), d: d}
	if _, err := c.s.CreateTenant(t.Context(), tenant.Tenant{ID: acme, Domains: []string{"acme.example"}}, "cli"); err != nil {
		t.Fatal(err)
	}
	for i, to := range []*idp.ConnectionID{&c.staff, &c.guest} {
		d.clock.advance(time.Second)
		made, err := c.s.CreateConnection(t.Context(), idp.Connection{
			ID: []idp.ConnectionID{"acme-staff", "acme-guest"}[i], Tenant: acme, Protocol: idp.OIDC, Provider: p, Enabled: true,
		}, "cli")
		if err != nil {
			t.Fatal(err)
		}
		*to = made.ID
	}
	return c
}

func (c company) put(u directory.User) directory.User {
	c.t.Helper()
	var out directory.User
	err := c.s.Update(c.t.Context(), acme, func(tx directory.Tx) (err error) {
		out, err = tx.PutUser(u)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

func (c company) signIn(over idp.ConnectionID, sub string, j idp.Joins) (directory.User, error) {
	i := identity(over, sub)
	i.UserName, i.Joins = sub+"@"+string(over), j
	_, u, err := c.s.SignIn(c.t.Context(), signIn(i))
	return u, err
}

func (c company) scim(on bool) {
	c.t.Helper()
	if err := c.s.SetSCIM(c.t.Context(), acme, on, "cli"); err != nil {
		c.t.Fatal(err)
	}
}

func TestFirstConnectionJoinsByItsProvidersMannerAndFurtherOnesDoNot(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		for p, want := range map[idp.Provider]idp.Join{idp.Okta: idp.JoinExternalID, idp.Entra: idp.JoinExternalID, idp.Generic: idp.JoinUserName} {
			if got := idp.JoinPreset(p); got != want {
				t.Errorf("%s: %s", p, got)
			}
		}
		c := newCompany(t, d, idp.Okta)
		realm, err := c.s.Realm(t.Context(), acme)
		if err != nil || realm.Connections[0].Join != idp.JoinExternalID || realm.Connections[1].Join != idp.JoinNone {
			t.Errorf("%+v, %v", realm.Connections, err)
		}
		if err := c.s.SetJoin(t.Context(), acme, c.guest, "anything", "", "cli"); err == nil {
			t.Error("took a rule that is none")
		}
		if err := c.s.SetJoin(t.Context(), acme, c.guest, idp.JoinUserName, "", "cli"); err != nil {
			t.Error(err)
		}
		alice := c.put(directory.User{UserName: "alice", Active: true})
		if u, err := c.signIn(c.guest, "g1", idp.Joins{UserName: "Alice"}); err != nil || u.ID != alice.ID {
			t.Errorf("after the rule was set: %s, %v", u.ID, err)
		}
	})
}

// employees is a company with people in it.
func employees(t *testing.T, d *database, p idp.Provider) company {
	t.Helper()
	dsn := "sqlite:" + t.TempDir() + "/gate.db"
	if strings.HasPrefix(d.dsn, "postgres") {
		dsn = postgres(t)
	}
	c := newCompany(t, newDatabase(t, dsn), p)
	c.put(directory.User{UserName: "alice@acme.example", ExternalID: "00u-alice", Active: true})
	c.put(directory.User{UserName: "bob@acme.example", ExternalID: "00u-bob"})
	c.put(directory.User{UserName: "carol@elsewhere.example", Active: true})
	c.put(directory.User{UserName: "twin1", ExternalID: "00u-twin", Active: true})
	c.put(directory.User{UserName: "twin2", ExternalID: "00u-twin", Active: true})
	return c
}

func (c company) named(name string) directory.User {
	c.t.Helper()
	page, err := c.s.Users(c.t.Context(), acme, directory.Query[directory.User]{Where: "u.user_name_ci = ?", Args: []any{name}, Indexed: true, Count: 1})
	if err != nil || len(page.Items) != 1 {
		c.t.Fatalf("%s: %d of them, %v", name, len(page.Items), err)
	}
	return page.Items[0]
}

func TestIdentityJoinsThePersonItsConnectionMaySpeakOf(t *testing.T) {
	each(t, func(outer *testing.T, d *database) {
		t := outer
		for _, scim := range []bool{false, true} {
			companies := map[idp.Provider]company{}
			for n, tc := range []struct {
				name     string
				provider idp.Provider
				guest    bool
				joins    idp.Joins
				want     string // alice, nobody, or a code
			}{
				{"externalId", idp.Okta, false, idp.Joins{ExternalID: "00u-alice"}, "alice"},
				{"externalId is exact", idp.Okta, false, idp.Joins{ExternalID: "00U-ALICE"}, "nobody"},
				{"externalId, then userName", idp.Entra, false, idp.Joins{ExternalID: "oid-1", UserName: "ALICE@acme.example"}, "alice"},
				{"externalId before userName", idp.Okta, false, idp.Joins{ExternalID: "00u-alice", UserName: "bob@acme.example"}, "alice"},
				{"two with the externalId", idp.Okta, false, idp.Joins{ExternalID: "00u-twin"}, string(idp.CodeAmbiguous)},
				{"userName", idp.Generic, false, idp.Joins{UserName: "Alice@ACME.example"}, "alice"},
				{"externalId where userName is the rule", idp.Generic, false, idp.Joins{ExternalID: "00u-alice"}, "nobody"},
				{"address in a verified domain", idp.Generic, false, idp.Joins{UserName: "alice@acme.example", Address: true}, "alice"},
				{"address elsewhere", idp.Generic, false, idp.Joins{UserName: "carol@elsewhere.example", Address: true}, "nobody"},
				{"somebody unknown", idp.Okta, false, idp.Joins{ExternalID: "00u-x", UserName: "x@acme.example"}, "nobody"},
				{"inactive", idp.Okta, false, idp.Joins{ExternalID: "00u-bob"}, string(idp.CodeInactive)},
				{"contractors assert an employee's externalId", idp.Okta, true, idp.Joins{ExternalID: "00u-alice"}, "nobody"},
				{"contractors assert an employee's name", idp.Generic, true, idp.Joins{UserName: "alice@acme.example"}, "nobody"},
				{"contractors assert an employee's address", idp.Generic, true, idp.Joins{UserName: "alice@acme.example", Address: true}, "nobody"},
			} {
				t.Run(tc.name, func(t *testing.T) {
					c, ok := companies[tc.provider]
					if !ok {
						c = employees(outer, d, tc.provider)
						c.scim(scim)
						companies[tc.provider] = c
					}
					alice := c.named("alice@acme.example")
					over := c.staff
					if tc.guest {
						over = c.guest
					}
					for range 2 { // the link remembers
						u, err := c.signIn(over, fmt.Sprint("sub", n), tc.joins)
						got := string(idp.CodeOf(err))
						switch {
						case err == nil && u.ID == alice.ID:
							got = "alice"
						case err == nil && u.Source == directory.JIT, idp.CodeOf(err) == idp.CodeNotProvisioned:
							got = "nobody"
							if scim != (err != nil) {
								t.Errorf("scim %v: %v", scim, err)
							}
						}
						if got != tc.want {
							t.Errorf("scim %v: %s (%v), want %s", scim, got, err, tc.want)
						}
					}
					if err := c.s.Unlink(t.Context(), acme, alice.ID, over, "cli"); (err == nil) != (tc.want == "alice") {
						t.Errorf("unlink: %v", err)
					}
				})
			}
		}
	})
}

func TestPersonLinkedToAnotherSubjectIsNotGivenAway(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		c := newCompany(t, d, idp.Okta)
		alice := c.put(directory.User{UserName: "alice", ExternalID: "00u1", Active: true})
		same := idp.Joins{ExternalID: "00u1"}
		if _, err := c.signIn(c.staff, "sub1", same); err != nil {
			t.Fatal(err)
		}
		if _, err := c.signIn(c.staff, "sub2", same); idp.CodeOf(err) != idp.CodeLinked {
			t.Errorf("a second subject: %v", err)
		}
		// The administrator clears the link; so does a write that changes what joined.
		if err := c.s.Unlink(t.Context(), acme, alice.ID, c.staff, "cli"); err != nil {
			t.Fatal(err)
		}
		if u, err := c.signIn(c.staff, "sub2", same); err != nil || u.ID != alice.ID {
			t.Errorf("after the link was cleared: %v", err)
		}
		c.put(directory.User{ID: alice.ID, UserName: "alice", ExternalID: "00u9", Active: true})
		if _, err := c.signIn(c.staff, "sub1", idp.Joins{ExternalID: "00u9"}); err != nil {
			t.Errorf("after externalId changed: %v", err)
		}
		if err := c.s.Unlink(t.Context(), acme, alice.ID, c.guest, "cli"); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("unlink what is not linked: %v", err)
		}
	})
}

func TestPersonMadeByASignInGivesWayToTheProvisionedOne(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		c := newCompany(t, d, idp.Generic)
		made, err := c.signIn(c.staff, "sub1", idp.Joins{UserName: "al"})
		if err != nil {
			t.Fatal(err)
		}
		alice := c.put(directory.User{UserName: "alice", Active: true}) // another name: nothing to adopt
		u, err := c.signIn(c.staff, "sub1", idp.Joins{UserName: "alice"})
		if err != nil || u.ID != alice.ID || u.ID == made.ID {
			t.Fatalf("joined %s, %v", u.ID, err)
		}
		if _, err := c.s.User(t.Context(), acme, made.ID); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("the row without a link is still there: %v", err)
		}
		links, err := c.s.Links(t.Context(), acme, alice.ID)
		if err != nil || len(links) != 1 || links[0].Subject != "sub1" {
			t.Errorf("links %+v, %v", links, err)
		}
	})
}

func TestAdoptionByExternalIDTakesTheJoinedPerson(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		c := newCompany(t, d, idp.Okta)
		made, err := c.signIn(c.staff, "00u1", idp.Joins{ExternalID: "00u1", UserName: "old.name"})
		if err != nil {
			t.Fatal(err)
		}
		guest, err := c.signIn(c.guest, "g", idp.Joins{ExternalID: "00u2", UserName: "guest"})
		if err != nil {
			t.Fatal(err)
		}
		if u := c.put(directory.User{UserName: "new.name", ExternalID: "00u1", Active: true}); u.ID != made.ID || u.UserName != "new.name" {
			t.Errorf("made %s beside %s", u.ID, made.ID)
		}
		if u := c.put(directory.User{UserName: "guest", ExternalID: "00u2", Active: true}); u.ID == guest.ID {
			t.Error("a connection that joins nobody gave its person away")
		}
		if n := c.stat(t); n != 2 {
			t.Errorf("counted %d", n)
		}
	})
}

func (c company) stat(t *testing.T) int {
	t.Helper()
	page, err := c.s.Users(t.Context(), acme, directory.Query[directory.User]{})
	if err != nil {
		t.Fatal(err)
	}
	return page.Total
}

func TestDeletedPersonStaysOutOverEveryConnectionThatJoins(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		c := newCompany(t, d, idp.Okta)
		alice := c.put(directory.User{UserName: "alice", ExternalID: "00u1", Active: true})
		if err := c.s.Update(t.Context(), acme, func(tx directory.Tx) error { return tx.Delete(directory.Ref{User: alice.ID}) }); err != nil {
			t.Fatal(err)
		}
		for _, j := range []idp.Joins{{ExternalID: "00u1"}, {ExternalID: "00u7", UserName: "ALICE"}} {
			if _, err := c.signIn(c.staff, "sub", j); idp.CodeOf(err) != idp.CodeDeprovisioned {
				t.Errorf("%+v: %v", j, err)
			}
		}
		stones, err := c.s.Tombstones(t.Context(), acme, 0)
		if err != nil || len(stones) != 1 || stones[0].User != alice.ID || stones[0].ExternalID != "00u1" {
			t.Errorf("tombstones %+v, %v", stones, err)
		}
		again := c.put(directory.User{UserName: "someone else", ExternalID: "00u1", Active: true})
		if u, err := c.signIn(c.staff, "sub", idp.Joins{ExternalID: "00u1"}); err != nil || u.ID != again.ID {
			t.Errorf("provisioned again: %v", err)
		}
	})
}

func TestUnadoptedPeopleAreListedAndGoAfterAMonth(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		c := newCompany(t, d, idp.Okta)
		made, err := c.signIn(c.staff, "sub1", idp.Joins{ExternalID: "00u1"})
		if err != nil {
			t.Fatal(err)
		}
		sweep := func(want int) {
			t.Helper()
			if err := c.s.sweepDirectory(t.Context()); err != nil {
				t.Fatal(err)
			}
			left, err := c.s.Unadopted(t.Context(), acme, 0)
			if err != nil || len(left) != want {
				t.Errorf("%d left, want %d, %v", len(left), want, err)
			}
			if want == 1 && (left[0].User.ID != made.ID || len(left[0].Links) != 1) {
				t.Errorf("listed %+v", left[0])
			}
		}
		d.clock.advance(2 * keepUnadopted)
		sweep(1) // scim is off
		c.scim(true)
		d.clock.advance(keepUnadopted - time.Hour)
		sweep(1)
		d.clock.advance(2 * time.Hour)
		sweep(0)
		if _, err := c.s.User(t.Context(), acme, made.ID); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("still there: %v", err)
		}
	})
}

func TestPreviewShowsBothSidesOfTheSwitch(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		c := newCompany(t, d, idp.Okta)
		alice := c.put(directory.User{UserName: "alice", ExternalID: "00u1", Active: true})
		err := c.s.Update(t.Context(), acme, func(tx directory.Tx) error {
			g, err := tx.PutGroup(directory.Group{DisplayName: "Ops"})
			if err == nil {
				_, err = tx.Members(g.ID, directory.Delta{Add: []directory.UserID{alice.ID}})
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for sub, j := range map[string]idp.Joins{"a": {ExternalID: "00u1"}, "x": {ExternalID: "00u2"}} {
			if _, err := c.signIn(c.staff, sub, j); err != nil {
				t.Fatal(err)
			}
		}
		seen := map[directory.Source]SCIMPerson{}
		if err := c.s.SCIMPreview(t.Context(), acme, func(p SCIMPerson) error { seen[p.User.Source] = p; return nil }); err != nil {
			t.Fatal(err)
		}
		a, x := seen[directory.SCIM], seen[directory.JIT]
		if len(seen) != 2 || a.Groups[0] != "Ops" || a.Links[0].Groups[0] != "Security" || len(x.Groups) != 0 || len(x.Links) != 1 {
			t.Errorf("preview %+v", seen)
		}
	})
}

func TestRenameUnderEitherGroupKey(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		for _, key := range []tenant.GroupKey{tenant.ByDisplayName, tenant.ByExternalID} {
			s := d.open(t)
			id := tenant.ID("by-" + map[tenant.GroupKey]string{tenant.ByDisplayName: "name", tenant.ByExternalID: "external"}[key])
			if _, err := s.CreateTenant(t.Context(), tenant.Tenant{ID: id, SCIM: true, GroupKey: key}, "cli"); err != nil {
				t.Fatal(err)
			}
			if _, err := s.CreateMapping(t.Context(), idp.RoleMapping{Tenant: id, Kind: idp.MapGroup, Value: "Ops", Role: "Analyst"}, "cli"); err != nil {
				t.Fatal(err)
			}
			var u directory.User
			var g directory.Group
			err := s.Update(t.Context(), id, func(tx directory.Tx) (err error) {
				if u, err = tx.PutUser(directory.User{UserName: "u", Active: true}); err != nil {
					return err
				}
				if g, err = tx.PutGroup(directory.Group{DisplayName: "Ops", ExternalID: "g-1"}); err != nil {
					return err
				}
				_, err = tx.Members(g.ID, directory.Delta{Add: []directory.UserID{u.ID}})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			g.DisplayName = "Operations"
			if err := s.Update(t.Context(), id, func(tx directory.Tx) error { _, err := tx.PutGroup(g); return err }); err != nil {
				t.Fatal(err)
			}
			p, err := s.Person(t.Context(), id, u.ID, "none")
			want := map[tenant.GroupKey]string{tenant.ByDisplayName: "Operations", tenant.ByExternalID: "g-1"}[key]
			if err != nil || len(p.Groups) != 1 || p.Groups[0] != want {
				t.Errorf("%s: groups %q, %v", key, p.Groups, err)
			}
			events, err := s.AuditEvents(t.Context(), id, 1)
			if err != nil {
				t.Fatal(err)
			}
			reason := map[tenant.GroupKey]string{
				tenant.ByDisplayName: "displayName; the role mapping to Analyst no longer finds this group of 1", tenant.ByExternalID: "displayName",
			}[key]
			if events[0].Reason != reason {
				t.Errorf("%s: audited %q", key, events[0].Reason)
			}
			lost, err := s.LostMappings(t.Context(), id)
			if err != nil || len(lost) != 1 {
				t.Errorf("%s: lost mappings %+v, %v", key, lost, err)
			}
		}
	})
}

func TestNobodyIsJoinedOrAdoptedAcrossTenantsOrAgainstTheRule(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		c := newCompany(t, d, idp.Generic)
		if _, err := c.s.CreateTenant(t.Context(), tenant.Tenant{ID: "evil"}, "cli"); err != nil {
			t.Fatal(err)
		}
		err := c.s.Update(t.Context(), "evil", func(tx directory.Tx) error {
			_, err := tx.PutUser(directory.User{UserName: "alice", Active: true})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		made, err := c.signIn(c.staff, "sub1", idp.Joins{UserName: "alice"})
		if err != nil || made.Source != directory.JIT || made.Tenant != acme {
			t.Fatalf("joined %+v, %v", made, err)
		}
		// The link remembers a name; the rule of today decides whether that counts.
		if err := c.s.SetJoin(t.Context(), acme, c.staff, idp.JoinNone, "", "cli"); err != nil {
			t.Fatal(err)
		}
		if u := c.put(directory.User{UserName: "alice", Active: true}); u.ID == made.ID {
			t.Error("adopted over a connection that joins nobody any more")
		}
	})
}
