package store

import (
	"errors"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/scim/directory"
)

func TestStrictTenantRefusesUnknownMembers(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		c := newCompany(t, d, idp.Okta)
		u := c.put(directory.User{UserName: "alice", Active: true})
		var g directory.Group
		members := func(delta directory.Delta) (r directory.Result, err error) {
			err = c.s.Update(t.Context(), acme, func(tx directory.Tx) (err error) {
				if g.ID == "" {
					if g, err = tx.PutGroup(directory.Group{DisplayName: "Ops"}); err != nil {
						return err
					}
				}
				r, err = tx.Members(g.ID, delta)
				return err
			})
			return r, err
		}
		some := directory.Delta{Add: []directory.UserID{u.ID, "unknown"}, Nested: []string{"inner"}}
		if r, err := members(some); err != nil || len(r.Pending) != 2 || !r.Changed {
			t.Errorf("lenient: %+v, %v", r, err)
		}
		waiting, err := c.s.PendingMembers(t.Context(), acme, 0)
		if err != nil || len(waiting) != 2 || waiting[0].Value != "inner" || waiting[0].Kind != directory.PendingGroup || waiting[1].Kind != directory.PendingUser {
			t.Errorf("waiting %+v, %v", waiting, err)
		}
		if err := c.s.SetStrictMembers(t.Context(), acme, true, "cli"); err != nil {
			t.Fatal(err)
		}
		_, err = members(directory.Delta{Clear: true, Add: []directory.UserID{"unknown"}})
		if e, ok := errors.AsType[*directory.UnknownMembers](err); !ok || len(e.IDs) != 1 {
			t.Errorf("strict: %v", err)
		}
		if r, err := members(directory.Delta{Remove: []directory.UserID{"unknown", u.ID}}); err != nil || !r.Changed {
			t.Errorf("removing who is unknown: %+v, %v", r, err)
		}
		d.clock.advance(keepPending + time.Hour)
		if err := c.s.sweepDirectory(t.Context()); err != nil {
			t.Fatal(err)
		}
		if waiting, err = c.s.PendingMembers(t.Context(), acme, 0); err != nil || len(waiting) != 0 {
			t.Errorf("after a month %+v wait, %v", waiting, err)
		}
	})
}

func TestQueryThatNoIndexNarrowsIsRefusedInALargeTenant(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		c := newCompany(t, d, idp.Okta)
		c.put(directory.User{UserName: "alice", Active: true})
		if _, err := c.s.db.ExecContext(t.Context(), "UPDATE directory_stats SET users = 20001"); err != nil {
			t.Fatal(err)
		}
		every := func(directory.User) bool { return true }
		key := func(u directory.User) (string, bool) { return u.DisplayName, true }
		for name, tc := range map[string]struct {
			q       directory.Query[directory.User]
			tooMany bool
		}{
			"all":                 {directory.Query[directory.User]{Count: 1}, false},
			"by a column":         {directory.Query[directory.User]{Count: 1, Sort: directory.Sort[directory.User]{Column: "u.created"}}, false},
			"by a key":            {directory.Query[directory.User]{Count: 1, Sort: directory.Sort[directory.User]{Key: key}}, true},
			"condition":           {directory.Query[directory.User]{Count: 1, Where: "u.active = ?", Args: []any{int64(1)}}, true},
			"condition to count":  {directory.Query[directory.User]{Where: "u.active = ?", Args: []any{int64(1)}}, true},
			"match":               {directory.Query[directory.User]{Count: 1, Match: every}, true},
			"indexed":             {directory.Query[directory.User]{Count: 1, Where: "u.user_name_ci = ?", Args: []any{"alice"}, Indexed: true}, false},
			"indexed and matched": {directory.Query[directory.User]{Count: 1, Where: "u.user_name_ci = ?", Args: []any{"alice"}, Indexed: true, Match: every}, false},
		} {
			if _, err := c.s.Users(t.Context(), acme, tc.q); errors.Is(err, directory.ErrTooMany) != tc.tooMany || err != nil && !tc.tooMany {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
