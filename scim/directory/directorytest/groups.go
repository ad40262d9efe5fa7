package directorytest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/tracio-ai/ssogate/scim/directory"
)

// crowd makes users.
func crowd(t testing.TB, h Handle, n int) []directory.UserID {
	t.Helper()
	var ids []directory.UserID
	update(t, h, func(tx directory.Tx) error {
		ids = nil
		for i := range n {
			u, err := tx.PutUser(directory.User{UserName: fmt.Sprintf("user%04d", i), Active: true})
			if err != nil {
				return err
			}
			ids = append(ids, u.ID)
		}
		return nil
	})
	return ids
}

func membersOf(t testing.TB, h Handle, g directory.GroupID) []directory.UserID {
	t.Helper()
	var all []directory.UserID
	err := h.Members(t.Context(), "acme", g, func(ids []directory.UserID) error { all = append(all, ids...); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func membership(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	if err := w.A.SetSCIM(t.Context(), "acme", true, "cli"); err != nil {
		t.Fatal(err)
	}
	u := crowd(t, w.A, 2)
	g := putGroup(t, w.A, directory.Group{DisplayName: "Security"})
	for i, d := range []struct {
		delta directory.Delta
		in    bool
	}{
		{directory.Delta{Add: u[:1]}, true}, {directory.Delta{Remove: u[:1]}, false}, {directory.Delta{Clear: true, Add: u}, true},
		{directory.Delta{Clear: true, Add: u[1:]}, false}, {directory.Delta{Add: u}, true}, {directory.Delta{Clear: true}, false}, {directory.Delta{Add: u}, true},
	} {
		change(t, []Handle{w.A, w.B}[i%2], g.ID, d.delta)
		for name, h := range w.handles() {
			if groups := person(t, h, u[0], c).Groups; slices.Contains(groups, "Security") != d.in {
				t.Errorf("step %d, handle %s: groups %q, want %v", i, name, groups, d.in)
			}
		}
	}
	update(t, w.B, func(tx directory.Tx) error { return tx.Delete(directory.Ref{Group: g.ID}) })
	for name, h := range w.handles() {
		if groups := person(t, h, u[0], c).Groups; len(groups) != 0 {
			t.Errorf("handle %s: groups %q of a group that is gone", name, groups)
		}
	}
	if err := w.A.Members(t.Context(), "acme", g.ID, nil); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("members of a group that is gone: %v", err)
	}
}

func renamed(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	if err := w.A.SetSCIM(t.Context(), "acme", true, "cli"); err != nil {
		t.Fatal(err)
	}
	u := crowd(t, w.A, 1)
	g := putGroup(t, w.A, directory.Group{DisplayName: "Security"})
	change(t, w.A, g.ID, directory.Delta{Add: u})
	for i, name := range []string{"Ops", "Security", "security"} {
		before := person(t, w.B, u[0], c).Stamp
		putGroup(t, []Handle{w.A, w.B}[i%2], directory.Group{ID: g.ID, DisplayName: name})
		for handle, h := range w.handles() {
			if got := person(t, h, u[0], c).Groups; !slices.Equal(got, []string{name}) {
				t.Errorf("handle %s: groups %q, want %s", handle, got, name)
			}
		}
		if person(t, w.B, u[0], c).Stamp == before {
			t.Errorf("renamed to %s under the same stamp", name)
		}
	}
	if got := membersOf(t, w.B, g.ID); !slices.Equal(got, u) {
		t.Errorf("renaming changed the members to %q", got)
	}
}

// workers add and remove members of one group at once: of each three neighbours the last stays.
func workers(t *testing.T, w World) {
	w.Tenant(t, "acme")
	const n = 64
	u := crowd(t, w.A, 3*n)
	g := putGroup(t, w.A, directory.Group{DisplayName: "Everyone"})
	var wg sync.WaitGroup
	for i := range n {
		h := []Handle{w.A, w.B}[i%2]
		mine := u[3*i : 3*i+3]
		wg.Go(func() {
			for _, d := range []directory.Delta{{Add: mine[:2]}, {Add: mine[1:]}, {Remove: mine[:1]}, {Remove: mine[:2]}} {
				err := h.Update(t.Context(), "acme", func(tx directory.Tx) error {
					_, err := tx.Members(g.ID, d)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var want []directory.UserID
	for i := range n {
		want = append(want, u[3*i+2])
	}
	for name, h := range w.handles() {
		if got := membersOf(t, h, g.ID); !slices.Equal(got, want) {
			t.Errorf("handle %s: %d members, want %d", name, len(got), len(want))
		}
	}
	if v := group(t, w.A, g.ID).Version; v != 1+4*n {
		t.Errorf("version %d after %d changes", v, 4*n)
	}
}

func replaceRaces(t *testing.T, w World) {
	w.Tenant(t, "acme")
	u := crowd(t, w.A, 6)
	for range 5 {
		g := putGroup(t, w.A, directory.Group{DisplayName: "Race"})
		change(t, w.A, g.ID, directory.Delta{Add: u[:2]})
		var wg sync.WaitGroup
		wg.Go(func() { change(t, w.A, g.ID, directory.Delta{Clear: true, Add: u[2:5]}) })
		wg.Go(func() { change(t, w.B, g.ID, directory.Delta{Add: u[5:]}) })
		wg.Wait()
		got := membersOf(t, w.B, g.ID)
		if !slices.Equal(got, u[2:5]) && !slices.Equal(got, u[2:6]) {
			t.Errorf("neither order: %q", got)
		}
		update(t, w.A, func(tx directory.Tx) error { return tx.Delete(directory.Ref{Group: g.ID}) })
	}
}

func pending(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	u := crowd(t, w.A, 1)
	g := putGroup(t, w.A, directory.Group{DisplayName: "Ops"})
	nested := putGroup(t, w.A, directory.Group{DisplayName: "Inner"})
	unknown := []directory.UserID{"no-such-user", directory.NewUserID(), directory.UserID(nested.ID), "a\x00b"}
	r := change(t, w.A, g.ID, directory.Delta{Add: append(slices.Clone(unknown), u[0])})
	if !r.Changed || len(r.Pending) != len(unknown) || r.Dropped != 1 {
		t.Errorf("result %+v", r)
	}
	if got := membersOf(t, w.B, g.ID); !slices.Equal(got, u) {
		t.Errorf("members %q, want the known one", got)
	}
	if groups := person(t, w.B, u[0], c).Groups; len(groups) != 0 {
		t.Errorf("scim is off, and groups are %q", groups)
	}
}

func unwaited(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	for i, forget := range []func(g directory.GroupID, id directory.UserID) directory.Delta{
		func(_ directory.GroupID, id directory.UserID) directory.Delta {
			return directory.Delta{Remove: []directory.UserID{id}}
		},
		func(directory.GroupID, directory.UserID) directory.Delta { return directory.Delta{Clear: true} },
	} {
		name := fmt.Sprint("waiter", i)
		id, err := w.Join(t, "acme", c, name, joinsBy(name))
		if err != nil {
			t.Fatal(err)
		}
		g := putGroup(t, w.A, directory.Group{DisplayName: name})
		change(t, w.A, g.ID, directory.Delta{Add: []directory.UserID{id}})
		change(t, w.B, g.ID, forget(g.ID, id))
		if u := putUser(t, w.A, directory.User{UserName: name, Active: true}); u.ID != id {
			t.Fatalf("%s was not adopted", name)
		}
		if got := membersOf(t, w.A, g.ID); len(got) != 0 {
			t.Errorf("bound after it was forgotten: %q", got)
		}
	}
}

func isolated(t *testing.T, w World) {
	w.Tenant(t, "acme")
	w.Tenant(t, "evil")
	u := crowd(t, w.A, 1)
	g := putGroup(t, w.A, directory.Group{DisplayName: "Ops"})
	change(t, w.A, g.ID, directory.Delta{Add: u})
	for what, fn := range map[string]func(directory.Tx) error{
		"user":     func(tx directory.Tx) error { _, err := tx.User(u[0]); return err },
		"put user": func(tx directory.Tx) error { _, err := tx.PutUser(directory.User{ID: u[0], UserName: "x"}); return err },
		"group":    func(tx directory.Tx) error { _, err := tx.Group(g.ID); return err },
		"put group": func(tx directory.Tx) error {
			_, err := tx.PutGroup(directory.Group{ID: g.ID, DisplayName: "x"})
			return err
		},
		"members":      func(tx directory.Tx) error { _, err := tx.Members(g.ID, directory.Delta{Clear: true}); return err },
		"delete user":  func(tx directory.Tx) error { return tx.Delete(directory.Ref{User: u[0]}) },
		"delete group": func(tx directory.Tx) error { return tx.Delete(directory.Ref{Group: g.ID}) },
		"delete both":  func(tx directory.Tx) error { return tx.Delete(directory.Ref{User: u[0], Group: g.ID}) },
		"delete none":  func(tx directory.Tx) error { return tx.Delete(directory.Ref{}) },
	} {
		if err := w.B.Update(t.Context(), "evil", fn); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	err := w.A.Update(t.Context(), "evil", func(tx directory.Tx) error {
		made, err := tx.PutGroup(directory.Group{DisplayName: "Ops"})
		if err != nil {
			return err
		}
		r, err := tx.Members(made.ID, directory.Delta{Add: u})
		if r.Changed || len(r.Pending) != 1 {
			t.Errorf("another tenant's user as a member: %+v", r)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := w.A.Members(t.Context(), "evil", g.ID, nil); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("another tenant's members: %v", err)
	}
	if got := group(t, w.B, g.ID); len(got.Members) != 1 {
		t.Errorf("members %q", got.Members)
	}
}

func leaves(t *testing.T, w World) {
	w.Tenant(t, "acme")
	u := crowd(t, w.A, 2)
	g := putGroup(t, w.A, directory.Group{DisplayName: "Ops"})
	change(t, w.A, g.ID, directory.Delta{Add: u})
	update(t, w.B, func(tx directory.Tx) error { return tx.Delete(directory.Ref{User: u[0]}) })
	if got := group(t, w.A, g.ID); got.Version != 3 || !slices.Equal(got.Members, u[1:]) {
		t.Errorf("version %d, members %q", got.Version, got.Members)
	}
	err := w.A.Update(t.Context(), "acme", func(tx directory.Tx) error { return tx.Delete(directory.Ref{User: u[0]}) })
	if !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("second delete: %v", err)
	}
}
