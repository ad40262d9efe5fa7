package directorytest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/scim/directory"
)

func joinsBy(name string) idp.Joins { return idp.Joins{UserName: name} }

func idsOf(items []directory.User) []directory.UserID {
	var ids []directory.UserID
	for _, u := range items {
		ids = append(ids, u.ID)
	}
	return ids
}

func users(t testing.TB, h Handle, q directory.Query[directory.User]) directory.Page[directory.User] {
	t.Helper()
	page, err := h.Users(t.Context(), "acme", q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// walk reads a list page by page, by cursor or by number.
func walk(t testing.TB, h Handle, q directory.Query[directory.User], cursor bool) []directory.UserID {
	t.Helper()
	var all []directory.UserID
	if cursor {
		q.After = &directory.Position{}
	}
	for q.Start = 1; ; q.Start += q.Count {
		page := users(t, h, q)
		all = append(all, idsOf(page.Items)...)
		if page.Next == nil {
			if len(all) != page.Total {
				t.Errorf("walked over %d of %d", len(all), page.Total)
			}
			return all
		}
		if cursor {
			text, err := json.Marshal(page.Next)
			if err != nil {
				t.Fatal(err)
			}
			q.After = &directory.Position{}
			if err := json.Unmarshal(text, q.After); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func walked(t *testing.T, w World) {
	w.Tenant(t, "acme")
	ids := crowd(t, w.A, 25)
	for _, count := range []int{1, 7, 25, 100} {
		for _, cursor := range []bool{false, true} {
			if got := walk(t, w.B, directory.Query[directory.User]{Count: count}, cursor); !slices.Equal(got, ids) {
				t.Errorf("count %d, cursor %v: %d of %d", count, cursor, len(got), len(ids))
			}
		}
	}
	if page := users(t, w.A, directory.Query[directory.User]{}); page.Total != 25 || len(page.Items) != 0 {
		t.Errorf("count 0: %d of %d", len(page.Items), page.Total)
	}
	if page := users(t, w.A, directory.Query[directory.User]{Start: 26, Count: 5}); page.Total != 25 || len(page.Items) != 0 {
		t.Errorf("past the end: %d of %d", len(page.Items), page.Total)
	}
	// The row that a cursor stands on goes, and nobody is lost.
	first := users(t, w.A, directory.Query[directory.User]{Count: 5, After: &directory.Position{}})
	update(t, w.B, func(tx directory.Tx) error { return tx.Delete(directory.Ref{User: ids[4]}) })
	if next := users(t, w.A, directory.Query[directory.User]{Count: 5, After: first.Next}); next.Items[0].ID != ids[5] {
		t.Errorf("went on with %s", next.Items[0].UserName)
	}
}

func sorted(t *testing.T, w World) {
	w.Tenant(t, "acme")
	var named, unnamed []directory.UserID
	for i, name := range []string{"d", "", "B", "c", "", "a"} {
		doc := json.RawMessage("{}")
		if name != "" {
			doc = json.RawMessage(fmt.Sprintf(`{"displayName":%q}`, name))
		}
		u := putUser(t, w.A, directory.User{UserName: fmt.Sprint("u", 9-i), ExternalID: name, Doc: doc})
		if name == "" {
			unnamed = append(unnamed, u.ID)
		} else {
			named = append(named, u.ID)
		}
	}
	slices.Sort(unnamed)
	byName := []directory.UserID{named[3], named[1], named[2], named[0]} // a B c d
	byBytes := []directory.UserID{named[1], named[3], named[2], named[0]}
	display := func(u directory.User) (string, bool) { return strings.ToLower(u.DisplayName), u.DisplayName != "" }
	for _, tc := range []struct {
		name string
		sort directory.Sort[directory.User]
		want []directory.UserID
	}{
		{"displayName", directory.Sort[directory.User]{Column: "u.display_ci"}, slices.Clone(byName)},
		{"externalId", directory.Sort[directory.User]{Column: "u.external_id"}, byBytes},
		{"a key", directory.Sort[directory.User]{Key: display}, byName},
	} {
		for _, descending := range []bool{false, true} {
			tc.sort.Descending = descending
			want := slices.Concat(tc.want, unnamed)
			if descending {
				slices.Reverse(tc.want)
				want = slices.Concat(unnamed, tc.want)
			}
			for _, count := range []int{1, 2, 3, 10} {
				for _, cursor := range []bool{false, true} {
					q := directory.Query[directory.User]{Count: count, Sort: tc.sort}
					if got := walk(t, w.B, q, cursor); !slices.Equal(got, want) {
						t.Errorf("%s, descending %v, count %d, cursor %v: %q, want %q", tc.name, descending, count, cursor, got, want)
					}
					q.Match = func(directory.User) bool { return true }
					if got := walk(t, w.B, q, cursor); !slices.Equal(got, want) {
						t.Errorf("matched, %s, descending %v, count %d, cursor %v: %q, want %q", tc.name, descending, count, cursor, got, want)
					}
				}
			}
		}
	}
	for column, ascending := range map[string]bool{"u.created": true, "u.user_name_ci": false, "u.modified": true, "u.id": true} {
		got := walk(t, w.A, directory.Query[directory.User]{Count: 2, Sort: directory.Sort[directory.User]{Column: column}}, true)
		if len(got) != 6 {
			t.Errorf("%s: %d of 6, %v", column, len(got), ascending)
		}
	}
	if _, err := w.A.Users(t.Context(), "acme", directory.Query[directory.User]{Count: 1, Sort: directory.Sort[directory.User]{Column: "u.doc; --"}}); err == nil {
		t.Error("sorted by something that is no column")
	}
}

func matched(t *testing.T, w World) {
	w.Tenant(t, "acme")
	ids := crowd(t, w.A, 30)
	odd := func(u directory.User) bool { return (u.UserName[len(u.UserName)-1]-'0')%2 == 1 }
	where := "u.user_name_ci >= ? AND u.user_name_ci < ?"
	args := []any{"user0010", "user0020"}
	for _, tc := range []struct {
		name string
		q    directory.Query[directory.User]
		want int
	}{
		{"where", directory.Query[directory.User]{Where: where, Args: args, Indexed: true}, 10},
		{"where without an index", directory.Query[directory.User]{Where: where, Args: args}, 10},
		{"match", directory.Query[directory.User]{Match: odd}, 15},
		{"both", directory.Query[directory.User]{Where: where, Args: args, Match: odd}, 5},
		{"id", directory.Query[directory.User]{ID: string(ids[11])}, 1},
		{"id and where", directory.Query[directory.User]{ID: string(ids[11]), Where: where, Args: args}, 1},
		{"id and another where", directory.Query[directory.User]{ID: string(ids[1]), Where: where, Args: args}, 0},
		{"id and match", directory.Query[directory.User]{ID: string(ids[12]), Match: odd}, 0},
		{"nobody", directory.Query[directory.User]{Where: "u.id = ?", Args: []any{"x"}, Indexed: true}, 0},
	} {
		if page := users(t, w.B, tc.q); page.Total != tc.want {
			t.Errorf("%s: %d in all, want %d", tc.name, page.Total, tc.want)
		}
		for _, cursor := range []bool{false, true} {
			tc.q.Count = 4
			if got := walk(t, w.B, tc.q, cursor); len(got) != tc.want {
				t.Errorf("%s: walked over %d, want %d", tc.name, len(got), tc.want)
			}
		}
	}
}

func related(t *testing.T, w World) {
	w.Tenant(t, "acme")
	u := crowd(t, w.A, 5)
	var groups []directory.GroupID
	for i := range 4 {
		g := putGroup(t, w.A, directory.Group{DisplayName: fmt.Sprint("g", i)})
		change(t, w.A, g.ID, directory.Delta{Add: u[:i]})
		groups = append(groups, g.ID)
	}
	page, err := w.B.Groups(t.Context(), "acme", directory.Query[directory.Group]{Count: 10, Related: true})
	if err != nil || page.Total != 4 {
		t.Fatalf("%d groups, %v", page.Total, err)
	}
	for i, g := range page.Items {
		if g.ID != groups[i] || !slices.Equal(g.Members, u[:i]) {
			t.Errorf("group %d: %q", i, g.Members)
		}
	}
	for i, one := range users(t, w.B, directory.Query[directory.User]{Count: 10, Related: true}).Items {
		if want := max(0, 3-i); len(one.Groups) != want {
			t.Errorf("user %d: %d groups, want %d", i, len(one.Groups), want)
		}
	}
	column := "g.seq IN (SELECT m.group_seq FROM users u JOIN memberships m ON m.tenant = u.tenant AND m.user_seq = u.seq WHERE u.tenant = $1 AND u.id = ?)"
	found, err := w.A.Groups(t.Context(), "acme", directory.Query[directory.Group]{Where: column, Args: []any{string(u[1])}, Indexed: true, Count: 10})
	if err != nil || found.Total != 2 || found.Items[0].ID != groups[2] || found.Items[0].Members != nil {
		t.Errorf("groups of a member: %+v, %v", found, err)
	}
}
