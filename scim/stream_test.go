package scim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/scim/directory"
	"github.com/tracio-ai/ssogate/scim/scimtest"
)

func TestLongGroupsAreAnsweredWhole(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, w *scimtest.World) {
		const n, step = 1200, 100
		var ids []string
		for first := 0; first < n; first += step {
			var made []string
			err := w.Store.Update(t.Context(), "acme", func(tx directory.Tx) error {
				made = made[:0]
				for i := range step {
					u, err := tx.PutUser(directory.User{UserName: fmt.Sprintf("u%d", first+i), Active: true})
					if err != nil {
						return err
					}
					made = append(made, string(u.ID))
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, made...)
		}
		g := p.Group(t, "everybody", ids...)
		p.Group(t, "nobody")
		q := p.Group(t, "somebody", ids[0])
		one := p.Want(t, 200, "GET", "/Groups/"+g, "")
		byIndex := p.Want(t, 200, "GET", "/Groups", "")
		byCursor := p.Want(t, 200, "GET", "/Groups?cursor=", "")
		for name, a := range map[string]scimtest.Answer{"one": one, "by index": byIndex, "by cursor": byCursor} {
			if got := strings.Count(a.Raw, `"type":"User"`); got != n && got != n+1 {
				t.Errorf("%s: %d members, want %d", name, got, n)
			}
		}
		if got := names(byIndex); got != "everybody nobody somebody" || names(byCursor) != got {
			t.Errorf("groups %s and %s", got, names(byCursor))
		}
		p.Want(t, 204, "PATCH", "/Groups/"+g, `[{"op":"remove","path":"members"},{"op":"add","path":"members","value":[{"value":"`+ids[7]+`"}]}]`)
		if a := p.Want(t, 200, "GET", "/Groups/"+g, ""); strings.Count(a.Raw, `"type":"User"`) != 1 || !strings.Contains(a.Raw, ids[7]) {
			t.Errorf("after replacing them: %.300s", a.Raw)
		}
		if a := p.Want(t, 200, "GET", "/Groups/"+q, ""); !strings.Contains(a.Raw, ids[0]) {
			t.Errorf("another group changed: %s", a.Raw)
		}
	})
}

func TestHeadIsGetWithoutItsBody(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		u := p.User(t, "ada")
		a := p.Want(t, 200, http.MethodHead, "/Users/"+u, "")
		if a.Raw != "" || a.Header.Get("ETag") != `W/"1"` || a.Header.Get("Content-Type") != "application/scim+json" {
			t.Errorf("%v %s", a.Header, a.Raw)
		}
		p.Want(t, 404, http.MethodHead, "/Users/"+nobody, "")
	})
}
