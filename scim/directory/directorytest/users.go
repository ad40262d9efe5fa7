package directorytest

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// update runs fn through a handle and fails the test when that does not work.
func update(t testing.TB, h Handle, fn func(directory.Tx) error) {
	t.Helper()
	if err := h.Update(t.Context(), "acme", fn); err != nil {
		t.Fatal(err)
	}
}

func putUser(t testing.TB, h Handle, u directory.User) directory.User {
	t.Helper()
	var out directory.User
	update(t, h, func(tx directory.Tx) (err error) {
		out, err = tx.PutUser(u)
		return err
	})
	return out
}

func putGroup(t testing.TB, h Handle, g directory.Group) directory.Group {
	t.Helper()
	var out directory.Group
	update(t, h, func(tx directory.Tx) (err error) {
		out, err = tx.PutGroup(g)
		return err
	})
	return out
}

func change(t testing.TB, h Handle, g directory.GroupID, d directory.Delta) directory.Result {
	t.Helper()
	var out directory.Result
	update(t, h, func(tx directory.Tx) (err error) {
		out, err = tx.Members(g, d)
		return err
	})
	return out
}

// user reads one user as a list does.
func user(t testing.TB, h Handle, id directory.UserID) directory.User {
	t.Helper()
	page, err := h.Users(t.Context(), "acme", directory.Query[directory.User]{ID: string(id), Count: 1, Related: true})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("user %s: %d of them, %v", id, len(page.Items), err)
	}
	return page.Items[0]
}

func group(t testing.TB, h Handle, id directory.GroupID) directory.Group {
	t.Helper()
	page, err := h.Groups(t.Context(), "acme", directory.Query[directory.Group]{ID: string(id), Count: 1, Related: true})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("group %s: %d of them, %v", id, len(page.Items), err)
	}
	return page.Items[0]
}

func put(t *testing.T, w World) {
	w.Tenant(t, "acme")
	doc := json.RawMessage(`{"displayName":"Alice A","emails":[{"value":"a@acme.example","primary":true}],"x":12345678901234567890}`)
	made := putUser(t, w.A, directory.User{UserName: "Alice", ExternalID: "00u1", Active: true, Doc: doc})
	if made.ID == "" || made.Version != 1 || made.Source != directory.SCIM || made.DisplayName != "Alice A" || made.Email() != "a@acme.example" {
		t.Errorf("made %+v", made)
	}
	for name, h := range w.handles() {
		got := user(t, h, made.ID)
		if got.UserName != "Alice" || got.ExternalID != "00u1" || !got.Active || string(got.Doc) != string(doc) {
			t.Errorf("handle %s: %+v", name, got)
		}
	}
	unset := putUser(t, w.B, directory.User{ID: made.ID, UserName: "Alice", Active: true, ActiveUnset: true})
	if unset.Active || !user(t, w.A, made.ID).ActiveUnset || unset.Version != 2 {
		t.Errorf("active that was taken away: %+v", unset)
	}
	for _, bad := range []directory.User{
		{}, {UserName: "a\x00b"}, {UserName: "b", Doc: json.RawMessage("{")}, {UserName: "b", Doc: json.RawMessage("{\"x\":\"\xff\"}")},
		{UserName: string(make([]byte, 5000))},
	} {
		err := w.A.Update(t.Context(), "acme", func(tx directory.Tx) error {
			_, err := tx.PutUser(bad)
			return err
		})
		if err == nil {
			t.Errorf("stored %.40q %.40q", bad.UserName, bad.Doc)
		}
	}
}

func unchanged(t *testing.T, w World) {
	w.Tenant(t, "acme")
	made := putUser(t, w.A, directory.User{UserName: "alice", Active: true, Doc: json.RawMessage(`{"title":"x","nickName":"y"}`)})
	again := putUser(t, w.B, directory.User{ID: made.ID, UserName: "alice", Active: true, Doc: json.RawMessage(`{"nickName":"y", "title":"x"}`)})
	if again.Version != made.Version || !again.Modified.Equal(made.Modified) {
		t.Errorf("version %d, %d after nothing changed", made.Version, again.Version)
	}
	g := putGroup(t, w.A, directory.Group{DisplayName: "Security"})
	if r := change(t, w.A, g.ID, directory.Delta{Add: []directory.UserID{made.ID, made.ID}}); !r.Changed {
		t.Error("adding a member changed nothing")
	}
	if r := change(t, w.B, g.ID, directory.Delta{Add: []directory.UserID{made.ID}}); r.Changed {
		t.Error("adding a member again changed something")
	}
	if r := change(t, w.B, g.ID, directory.Delta{Remove: []directory.UserID{made.ID}, Add: []directory.UserID{made.ID}}); r.Changed {
		t.Error("removing and adding changed something")
	}
	if r := change(t, w.B, g.ID, directory.Delta{Clear: true, Add: []directory.UserID{made.ID}}); r.Changed {
		t.Error("replacing with the same changed something")
	}
	putGroup(t, w.A, directory.Group{ID: g.ID, DisplayName: "Security"})
	if v := group(t, w.B, g.ID).Version; v != 2 {
		t.Errorf("group's version is %d, want 2", v)
	}
	if v := user(t, w.B, made.ID).Version; v != 1 {
		t.Errorf("membership changed the user's version to %d", v)
	}
}

func names(t *testing.T, w World) {
	w.Tenant(t, "acme")
	putUser(t, w.A, directory.User{UserName: "Straße"})
	other := putUser(t, w.A, directory.User{UserName: "bob"})
	putGroup(t, w.A, directory.Group{DisplayName: "Ops"})
	for what, fn := range map[string]func(directory.Tx) error{
		"create": func(tx directory.Tx) error { _, err := tx.PutUser(directory.User{UserName: "STRASSE"}); return err },
		"rename": func(tx directory.Tx) error {
			_, err := tx.PutUser(directory.User{ID: other.ID, UserName: "strasse"})
			return err
		},
		"create group": func(tx directory.Tx) error { _, err := tx.PutGroup(directory.Group{DisplayName: "OPS"}); return err },
	} {
		if err := w.B.Update(t.Context(), "acme", fn); !errors.Is(err, directory.ErrTaken) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// failed lets the last step of an update fail.
func failed(t *testing.T, w World) {
	w.Tenant(t, "acme")
	u := putUser(t, w.A, directory.User{UserName: "alice", Active: true})
	g := putGroup(t, w.A, directory.Group{DisplayName: "Ops"})
	stop := errors.New("stop")
	for name, h := range w.handles() {
		err := h.Update(t.Context(), "acme", func(tx directory.Tx) error {
			if _, err := tx.PutUser(directory.User{UserName: "mallory"}); err != nil {
				return err
			}
			if _, err := tx.Members(g.ID, directory.Delta{Add: []directory.UserID{u.ID}}); err != nil {
				return err
			}
			if err := tx.Delete(directory.Ref{User: u.ID}); err != nil {
				return err
			}
			return stop
		})
		if !errors.Is(err, stop) {
			t.Errorf("handle %s: %v", name, err)
		}
		page, err := h.Users(t.Context(), "acme", directory.Query[directory.User]{Count: 10})
		if err != nil || page.Total != 1 || len(page.Items) != 1 || !page.Items[0].Active || len(group(t, h, g.ID).Members) != 0 {
			t.Errorf("handle %s: %+v, %v", name, page, err)
		}
		err = h.Update(t.Context(), "acme", func(directory.Tx) error { panic("oops") })
		if err == nil {
			t.Errorf("handle %s: a panic was a success", name)
		}
	}
	if err := w.A.Update(t.Context(), "nobody", func(directory.Tx) error { return nil }); err == nil {
		t.Error("updated a tenant that is not there")
	}
}

func epochs(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	u := putUser(t, w.A, directory.User{UserName: "alice", Active: true})
	epoch := person(t, w.B, u.ID, c).User.Epoch
	for _, next := range []directory.User{{Active: false}, {Active: true}, {ActiveUnset: true}, {Active: true}} {
		next.ID, next.UserName = u.ID, "alice"
		got := putUser(t, w.A, next)
		if !next.Active {
			epoch++
		}
		for name, h := range w.handles() {
			if p := person(t, h, u.ID, c); p.User.Active != next.Active || p.User.Epoch != epoch || got.Epoch != epoch {
				t.Errorf("handle %s: active %v epoch %d, want %v %d", name, p.User.Active, p.User.Epoch, next.Active, epoch)
			}
		}
	}
}

func unseen(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	made := w.SignIn(t, "acme", c, "alice", nil, nil)
	g := putGroup(t, w.A, directory.Group{DisplayName: "Ops"})
	for what, fn := range map[string]func(directory.Tx) error{
		"read":   func(tx directory.Tx) error { _, err := tx.User(made); return err },
		"put":    func(tx directory.Tx) error { _, err := tx.PutUser(directory.User{ID: made, UserName: "x"}); return err },
		"delete": func(tx directory.Tx) error { return tx.Delete(directory.Ref{User: made}) },
	} {
		if err := w.A.Update(t.Context(), "acme", fn); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if r := change(t, w.A, g.ID, directory.Delta{Add: []directory.UserID{made}}); r.Changed || len(r.Pending) != 1 {
		t.Errorf("as a member: %+v", r)
	}
	page, err := w.B.Users(t.Context(), "acme", directory.Query[directory.User]{Count: 10})
	if err != nil || page.Total != 0 || len(page.Items) != 0 {
		t.Errorf("listed: %+v, %v", page, err)
	}
}

func adopted(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	other := w.Connection(t, "acme") // a further connection joins nobody
	join := func(c idp.ConnectionID, sub, name string) directory.UserID {
		t.Helper()
		id, err := w.Join(t, "acme", c, sub, idp.Joins{UserName: name})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	alice, stranger := join(c, "a", "Alice"), join(other, "b", "bob")
	twins := []directory.UserID{join(c, "t1", "twin"), join(c, "t2", "twin")}
	g := putGroup(t, w.A, directory.Group{DisplayName: "Ops"})
	change(t, w.A, g.ID, directory.Delta{Add: []directory.UserID{alice}})

	u := putUser(t, w.A, directory.User{UserName: "ALICE", Active: true})
	if u.ID != alice || u.Source != directory.SCIM || u.UserName != "ALICE" {
		t.Errorf("alice: %+v", u)
	}
	if got := user(t, w.B, alice); len(got.Groups) != 1 || got.Groups[0].ID != g.ID {
		t.Errorf("the group that waited for her: %+v", got.Groups)
	}
	if got := putUser(t, w.A, directory.User{UserName: "bob"}); got.ID == stranger {
		t.Error("a connection that joins nobody gave its person away")
	}
	if got := putUser(t, w.A, directory.User{UserName: "twin"}); got.ID == twins[0] || got.ID == twins[1] {
		t.Error("one of two candidates was taken")
	}
	if got := join(c, "a", "Alice"); got != alice {
		t.Errorf("the next sign-in is %s, want %s", got, alice)
	}
}

func recreated(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	u := putUser(t, w.A, directory.User{UserName: "alice", Active: true})
	signIn := func() (directory.UserID, error) { return w.Join(t, "acme", c, "sub", idp.Joins{UserName: "alice"}) }
	if got, err := signIn(); err != nil || got != u.ID {
		t.Fatalf("signed in as %s, %v", got, err)
	}
	update(t, w.B, func(tx directory.Tx) error { return tx.Delete(directory.Ref{User: u.ID}) })
	if _, err := signIn(); idp.CodeOf(err) != idp.CodeDeprovisioned {
		t.Errorf("deleted and signed in: %v", err)
	}
	again := putUser(t, w.A, directory.User{UserName: "Alice", Active: true})
	if again.ID == u.ID {
		t.Error("a deleted id came back")
	}
	if got, err := signIn(); err != nil || got != again.ID {
		t.Errorf("signed in as %s, %v, want %s", got, err, again.ID)
	}
}
