package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/scim/directory"
)

func TestRotationSealsWithANewKeyAndOpensWithTheOld(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		ring := &session.Ring{Now: d.clock.Now}
		o := d.options()
		o.OnKeys = func(keys []session.Key) {
			if err := ring.Set(keys); err != nil {
				t.Error(err)
			}
		}
		gate := d.openWith(t, o)
		run(t, gate)
		old, err := ring.Seal(session.ForCookie, "b", []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		first, err := ring.Active(session.ForCookie)
		if err != nil {
			t.Fatal(err)
		}
		d.clock.advance(time.Minute)
		until(t, gate.Fresh) // the clock jumped past the lease: wait for the next poll
		command := d.open(t)
		if _, err := command.RotateKeys(t.Context(), "cli"); err != nil {
			t.Fatal(err)
		}
		d.clock.advance(command.keyDelay())
		if now, err := ring.Active(session.ForCookie); err != nil || now.ID == first.ID {
			t.Errorf("still sealing with %s, %v", now.ID, err)
		}
		if plain, id, err := ring.Open(session.ForCookie, "b", old); err != nil || string(plain) != "x" || id != first.ID {
			t.Errorf("the old value: %q, %s, %v", plain, id, err)
		}
		assertions := ring.Keys(session.ForAssertion)
		if len(assertions) != 2 {
			t.Fatalf("assertion keys %+v", assertions)
		}
		if !assertions[0].ActiveFrom.Equal(assertions[0].Created.Add(10 * time.Minute)) {
			t.Errorf("assertion keys %+v", assertions)
		}
		if active, err := ring.Active(session.ForAssertion); err != nil || active.ID != assertions[1].ID {
			t.Errorf("signs with %s before anybody has fetched it, %v", active.ID, err)
		}
	})
}

func TestKeysGoWhenNothingTheySealedIsValid(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		ids := func() []string {
			keys, err := s.RotateKeys(t.Context(), "cli")
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, k := range keys {
				if k.Purpose == session.ForCookie {
					ids = append(ids, k.ID)
				}
			}
			return ids
		}
		d.clock.advance(time.Minute)
		first := ids()
		d.clock.advance(limits.Absolute)
		if second := ids(); len(second) != 3 || !slices.Contains(second, first[1]) {
			t.Errorf("a key went while its sessions lived: %v, %v", first, second)
		}
		d.clock.advance(keyMargin + 10*time.Second)
		if third := ids(); len(third) != 3 || slices.Contains(third, first[1]) {
			t.Errorf("a key outlived what it sealed: %v, %v", first, third)
		}
	})
}

func TestLastSeenIsWrittenInBatchesAndNeverLowered(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		a, b := d.open(t), d.open(t)
		c := seed(t, a, acme)
		var made []session.Session
		for n := range 2*batch + 1 {
			if n > 3 { // a few people, many sessions
				n = 0
			}
			made = append(made, mustSignIn(t, a, identity(c, fmt.Sprint("u", n))))
		}
		late, early := d.clock.Now().Add(10*time.Minute), d.clock.Now().Add(5*time.Minute)
		for _, s := range made {
			a.Touch(acme, s.Hash, late)
			b.Touch(acme, s.Hash, early)
		}
		for _, h := range []*Store{a, b} {
			if err := h.flush(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
		}
		fresh := d.open(t)
		for _, s := range made {
			if got, err := fresh.Get(t.Context(), acme, s.Hash); err != nil || !got.LastSeen.Equal(late) {
				t.Fatalf("last seen %v, %v; want %v", got.LastSeen, err, late)
			}
		}
	})
}

func TestLastSeenSurvivesTheEndOfRun(t *testing.T) {
	d := sqliteFile(t)
	gate := d.open(t)
	c := seed(t, gate, acme)
	s := mustSignIn(t, gate, identity(c, "alice"))
	stop := run(t, gate)
	gate.Touch(acme, s.Hash, d.clock.Now().Add(time.Second))
	stop()
	if got, err := d.open(t).Get(t.Context(), acme, s.Hash); err != nil || !got.LastSeen.Equal(d.clock.Now().Add(time.Second)) {
		t.Errorf("last seen %v, %v", got.LastSeen, err)
	}
}

func TestCachedSessionKeepsItsLastSeenAfterTheBatch(t *testing.T) {
	d := sqliteFile(t)
	gate := d.serve(t)
	c := seed(t, gate, acme)
	s := mustSignIn(t, gate, identity(c, "alice"))
	if _, err := gate.Get(t.Context(), acme, s.Hash); err != nil {
		t.Fatal(err)
	}
	seen := d.clock.Now().Add(7 * time.Minute)
	gate.Touch(acme, s.Hash, seen)
	for range 3 { // the third batch finds the entry settled and dropped
		if err := gate.flush(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		if got, err := gate.Get(t.Context(), acme, s.Hash); err != nil || !got.LastSeen.Equal(seen) {
			t.Errorf("last seen %v, %v; want %v", got.LastSeen, err, seen)
		}
	}
	if n := len(gate.touches.seen); n != 0 {
		t.Errorf("%d touches kept for ever", n)
	}
}

func TestExpiredRowsAreSweptAndLiveOnesStay(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		c := seed(t, s, acme)
		old := mustSignIn(t, s, identity(c, "alice"))
		burn := func() error {
			return s.Burn(t.Context(), acme, c, "state", [32]byte{1}, d.clock.Now().Add(10*time.Minute))
		}
		if err := burn(); err != nil {
			t.Fatal(err)
		}
		sweep := func() {
			if err := s.sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		sweep()
		if err := burn(); !errors.Is(err, session.ErrUsed) {
			t.Errorf("forgotten too early: %v", err)
		}
		d.clock.advance(limits.Absolute + keepSessions - time.Second)
		if _, err := s.db.ExecContext(t.Context(), "UPDATE changes SET at = 1"); err != nil { // on PostgreSQL it is the server's clock
			t.Fatal(err)
		}
		young := mustSignIn(t, s, identity(c, "alice"))
		sweep()
		if _, err := s.Get(t.Context(), acme, old.Hash); err != nil {
			t.Errorf("an ended session is listed for a day: %v", err)
		}
		d.clock.advance(2 * time.Second)
		sweep()
		if _, err := s.Get(t.Context(), acme, old.Hash); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("old session: %v", err)
		}
		if tokens, err := s.Tokens(t.Context(), acme, old.Hash); err != nil || !tokens.IDToken.Empty() {
			t.Errorf("its tokens: %v", err)
		}
		if _, err := s.Get(t.Context(), acme, young.Hash); err != nil {
			t.Errorf("young session: %v", err)
		}
		var oldChanges, youngChanges int
		q := "SELECT COUNT(CASE WHEN at = 1 THEN 1 END), COUNT(CASE WHEN at > 1 THEN 1 END) FROM changes"
		if err := s.db.QueryRowContext(t.Context(), q).Scan(&oldChanges, &youngChanges); err != nil || oldChanges != 0 || youngChanges == 0 {
			t.Errorf("%d old changes, %d young, %v", oldChanges, youngChanges, err)
		}
		if err := burn(); err != nil {
			t.Errorf("an expired value is remembered: %v", err)
		}
	})
}

func TestDocumentComesBackAndIsNotReplacedByAnOlderOne(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		now := d.clock.Now()
		if _, _, ok, err := s.Document(t.Context(), acme, acmeOkta, "jwks"); ok || err != nil {
			t.Errorf("found %v, %v", ok, err)
		}
		for _, save := range []struct {
			body string
			at   time.Time
		}{{"one", now}, {"two", now.Add(time.Hour)}, {"stale", now.Add(time.Minute)}} {
			if err := s.SaveDocument(t.Context(), acme, acmeOkta, "jwks", []byte(save.body), save.at); err != nil {
				t.Fatal(err)
			}
		}
		body, at, ok, err := s.Document(t.Context(), acme, acmeOkta, "jwks")
		if string(body) != "two" || !at.Equal(now.Add(time.Hour)) || !ok || err != nil {
			t.Errorf("got %q of %v, %v, %v", body, at, ok, err)
		}
		if err := s.SaveDocument(t.Context(), acme, acmeOkta, "jwks", make([]byte, maxDocument+1), now); err == nil {
			t.Error("a document without limit was stored")
		}
	})
}

func TestUsersAreListedInPages(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		c := seed(t, s, acme)
		var made []directory.UserID
		for _, sub := range []string{"alice", "ALINA", "bob", "carol"} {
			made = append(made, mustSignIn(t, s, identity(c, sub)).User)
		}
		for _, tc := range []struct {
			q    UserQuery
			want []directory.UserID
		}{
			{UserQuery{}, made},
			{UserQuery{Limit: 2}, made[:2]},
			{UserQuery{Limit: 2, After: made[1]}, made[2:]},
			{UserQuery{Match: "Ali"}, made[:2]},
			{UserQuery{Match: string(made[2])}, made[2:3]},
			{UserQuery{Match: "%"}, nil},
			{UserQuery{Match: "\x00"}, nil},
		} {
			all, err := s.ListUsers(t.Context(), acme, tc.q)
			if err != nil {
				t.Fatal(err)
			}
			var got []directory.UserID
			for _, u := range all {
				got = append(got, u.ID)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("%+v: %v, want %v", tc.q, got, tc.want)
			}
		}
		links, err := s.Links(t.Context(), acme, made[0])
		if err != nil || len(links) != 1 || links[0].Subject != "alice" || links[0].Claims["department"] != "risk" {
			t.Errorf("links %+v, %v", links, err)
		}
	})
}

// TestGroupsOfProvisionedPeopleFollowTheGroupKey writes rows as provisioning will.
func TestGroupsOfProvisionedPeopleFollowTheGroupKey(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		c := seed(t, s, acme)
		u := mustSignIn(t, s, identity(c, "alice")).User
		for _, q := range []string{
			"UPDATE users SET source = 'scim' WHERE tenant = 'acme'",
			"UPDATE tenants SET scim = 1 WHERE id = 'acme'",
			`INSERT INTO user_groups (tenant, id, display_name, display_ci, external_id, version, created, modified)
				VALUES ('acme', 'g1', 'Security', 'security', '', 1, 0, 0), ('acme', 'g2', 'Ops', 'ops', 'ext-2', 1, 0, 0), ('acme', 'g3', 'Sales', 'sales', 'ext-3', 1, 0, 0)`,
			`INSERT INTO memberships (tenant, group_seq, user_seq) SELECT g.tenant, g.seq, u.seq FROM user_groups g
				JOIN users u ON u.tenant = g.tenant WHERE g.id IN ('g1', 'g2')`,
		} {
			if _, err := s.db.ExecContext(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		for key, want := range map[string][]string{"displayName": {"Security", "Ops"}, "externalId": {"ext-2"}} {
			if _, err := s.db.ExecContext(t.Context(), "UPDATE tenants SET group_key = $1", key); err != nil {
				t.Fatal(err)
			}
			p, err := s.Person(t.Context(), acme, u, c)
			if err != nil || !slices.Equal(p.Groups, want) || p.Claims != nil {
				t.Errorf("%s: groups %q, claims %v, %v", key, p.Groups, p.Claims, err)
			}
		}
		// Claims of a provisioned person change nothing, and a list that was cut does not stop them.
		i := identity(c, "alice")
		i.GroupState, i.DisplayName = 0, "Somebody Else"
		mustSignIn(t, s, i)
		if p, err := s.Person(t.Context(), acme, u, c); err != nil || p.User.DisplayName == "Somebody Else" || !slices.Equal(p.Groups, []string{"ext-2"}) && !slices.Equal(p.Groups, []string{"Security", "Ops"}) {
			t.Errorf("%+v, %v", p, err)
		}
		if groups, err := s.ListGroups(t.Context(), acme); err != nil || len(groups) != 3 || groups[0].DisplayName != "Ops" {
			t.Errorf("groups %+v, %v", groups, err)
		}
		if _, err := s.db.ExecContext(t.Context(), "UPDATE users SET active = NULL"); err != nil {
			t.Fatal(err)
		}
		if p, err := s.Person(t.Context(), acme, u, c); err != nil || p.User.Active {
			t.Errorf("null is active: %v", err)
		}
	})
}
