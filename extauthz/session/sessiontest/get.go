package sessiontest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
)

func getPromises() []promise {
	return []promise{
		{"GetReturnsWhatSignInReturned", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			s := w.signIn(t, w.A, Identity("acme", c, "alice"))
			for name, h := range map[string]Handle{"A": w.A, "B": w.B} {
				got, err := h.Get(t.Context(), "acme", s.Hash)
				if err != nil || !reflect.DeepEqual(got, s) {
					t.Errorf("handle %s: got %+v, %v\nwant %+v", name, got, err, s)
				}
			}
			w.want(t, s, session.Valid)
		}},
		{"WhatGetReturnsIsTheCallersOwn", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			s := w.signIn(t, w.A, Identity("acme", c, "alice"))
			got, err := w.A.Get(t.Context(), "acme", s.Hash)
			if err != nil {
				t.Fatal(err)
			}
			got.AMR[0] = "changed"
			if again, err := w.A.Get(t.Context(), "acme", s.Hash); err != nil || again.AMR[0] != "pwd" {
				t.Errorf("another caller reads %q, %v", again.AMR, err)
			}
		}},
		{"UnknownSessionIsNotFound", func(t *testing.T, w World) {
			w.Tenant(t, "acme", false)
			for range 2 {
				if _, err := w.A.Get(t.Context(), "acme", session.NewID().Hash()); !errors.Is(err, session.ErrNotFound) {
					t.Errorf("got %v", err)
				}
			}
		}},
		{"SessionAskedForBeforeItExistedIsFound", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			in := w.request(Identity("acme", c, "alice"))
			for _, h := range []Handle{w.A, w.B} {
				if _, err := h.Get(t.Context(), "acme", in.ID.Hash()); !errors.Is(err, session.ErrNotFound) {
					t.Fatalf("got %v", err)
				}
			}
			s, _, err := w.A.SignIn(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			w.want(t, s, session.Valid)
		}},
		{"AnotherTenantSeesNothingOfASession", anotherTenant},
		{"TouchIsReadBackBeforeItIsWritten", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			s := w.signIn(t, w.A, Identity("acme", c, "alice"))
			at := w.Now().Add(10 * time.Minute)
			w.A.Touch("acme", s.Hash, at)
			w.A.Touch("acme", s.Hash, at.Add(-5*time.Minute)) // out of order: never lowers it
			got, err := w.A.Get(t.Context(), "acme", s.Hash)
			if err != nil || !got.LastSeen.Equal(at) {
				t.Errorf("last seen %v, %v; want %v", got.LastSeen, err, at)
			}
		}},
		{"IdleSessionEndsAndASeenOneDoesNot", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			idle, seen := w.signIn(t, w.A, Identity("acme", c, "alice")), w.signIn(t, w.A, Identity("acme", c, "bob"))
			w.Advance(w.Limits.Idle - time.Minute)
			w.A.Touch("acme", seen.Hash, w.Now())
			w.Advance(2 * time.Minute)
			if got := w.judge(t, w.A, "acme", idle.Hash); got != session.ExpiredIdle {
				t.Errorf("idle session: %q", got)
			}
			if got := w.judge(t, w.A, "acme", seen.Hash); got != session.Valid {
				t.Errorf("seen session: %q", got)
			}
		}},
		{"TokensComeBackToTheirSessionOnly", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			s := w.signIn(t, w.A, Identity("acme", c, "alice"))
			got, err := w.B.Tokens(t.Context(), "acme", s.Hash)
			if err != nil || got.IDToken.Reveal() != "token-of-alice" {
				t.Errorf("tokens: %v, %v", got.IDToken.Reveal(), err)
			}
			i := Identity("acme", c, "bob")
			i.IDToken = secret.Text{}
			none, err := w.A.Tokens(t.Context(), "acme", w.signIn(t, w.A, i).Hash)
			if err != nil || !none.IDToken.Empty() {
				t.Errorf("session without tokens: %v, %v", none, err)
			}
		}},
		{"ListIsNewestFirstAndLeavesOutTheEnded", list},
	}
}

func anotherTenant(t *testing.T, w World) {
	c := w.Tenant(t, "acme", false)
	w.Tenant(t, "evil", false)
	s := w.signIn(t, w.A, Identity("acme", c, "alice"))
	for _, h := range []Handle{w.A, w.B, w.A} { // the second look would come from a cache
		if _, err := h.Get(t.Context(), "acme", s.Hash); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Get(t.Context(), "evil", s.Hash); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("get: %v", err)
		}
		if got, err := h.Tokens(t.Context(), "evil", s.Hash); err != nil || !got.IDToken.Empty() {
			t.Errorf("tokens: %v, %v", got, err)
		}
		if got, err := h.List(t.Context(), "evil", session.Query{User: s.User, Ended: true}); err != nil || len(got) != 0 {
			t.Errorf("list: %v, %v", got, err)
		}
		for _, r := range []session.Revocation{{Hash: &s.Hash}, {User: s.User}, {Connection: c}, {Subject: "alice"}, {IdPSID: "idp-alice"}, {}} {
			if n, err := h.Revoke(t.Context(), "evil", r); err != nil || n != 0 {
				t.Errorf("revoke %+v: %d, %v", r, n, err)
			}
		}
		h.Touch("evil", s.Hash, w.Now().Add(time.Hour))
	}
	// A connection of one tenant signs nobody in to another.
	stolen := Identity("evil", c, "alice")
	_, _, err := w.A.SignIn(t.Context(), w.request(stolen))
	wantCode(t, err, idp.CodeConnection)
	// Naming another tenant's session as the replaced one does not end it.
	in := w.request(Identity("evil", "evil-idp", "mallory"))
	in.Replaces = &s.Hash
	if _, _, err := w.A.SignIn(t.Context(), in); err != nil {
		wantCode(t, err, idp.CodeConnection)
	}
	got, err := w.A.Get(t.Context(), "acme", s.Hash)
	if err != nil || !got.LastSeen.Equal(s.LastSeen) {
		t.Errorf("touched from another tenant: %v, %v", got.LastSeen, err)
	}
	w.want(t, s, session.Valid)
}

func list(t *testing.T, w World) {
	c := w.Tenant(t, "acme", false)
	var made []session.Session
	for _, sub := range []string{"alice", "bob", "alice", "carol"} {
		made = append(made, w.signIn(t, w.A, Identity("acme", c, sub)))
		w.Advance(time.Second)
	}
	if _, err := w.A.Revoke(t.Context(), "acme", session.Revocation{Hash: &made[1].Hash}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.A.SetActive(t.Context(), "acme", made[3].User, false, "cli"); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		q    session.Query
		want []int
	}{
		{"live", session.Query{}, []int{2, 0}},
		{"limited", session.Query{Limit: 1}, []int{2}},
		{"with ended", session.Query{Ended: true}, []int{3, 2, 1, 0}},
		{"of a user", session.Query{User: made[1].User, Ended: true}, []int{1}},
		{"of a connection", session.Query{Connection: "other"}, nil},
	} {
		got, err := w.B.List(t.Context(), "acme", tc.q)
		if err != nil {
			t.Fatal(err)
		}
		var hashes, want []session.Hash
		for _, s := range got {
			hashes = append(hashes, s.Hash)
		}
		for _, i := range tc.want {
			want = append(want, made[i].Hash)
		}
		if !reflect.DeepEqual(hashes, want) {
			t.Errorf("%s: got %v, want %v", tc.name, hashes, want)
		}
	}
}
