package sessiontest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
)

const (
	persistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	email      = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
	unknown    = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
)

// asserted is an identity as an assertion of SAML gives it.
func asserted(c idp.ConnectionID, name idp.NameID, index string) idp.Identity {
	i := Identity("acme", c, name.Value)
	i.NameID, i.SID = name, index
	return i
}

func whole(value string) idp.NameID {
	return idp.NameID{Value: value, Format: persistent, NameQualifier: "https://idp.example", SPNameQualifier: "https://gate.example"}
}

func samlPromises() []promise {
	return []promise{
		{"NameIDComesBackWholeToItsSessionOnly", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			w.Tenant(t, "evil", false)
			i := asserted(c, whole("alice"), "_1")
			s := w.signIn(t, w.A, i)
			if got, err := w.B.Tokens(t.Context(), "acme", s.Hash); err != nil || got.NameID != i.NameID || !got.IDToken.Equal(i.IDToken) {
				t.Errorf("tokens: %+v, %v", got.NameID, err)
			}
			if got, err := w.B.Tokens(t.Context(), "evil", s.Hash); err != nil || got.NameID != (idp.NameID{}) {
				t.Errorf("another tenant reads %+v, %v", got.NameID, err)
			}
			plain := w.signIn(t, w.A, Identity("acme", c, "bob"))
			if got, err := w.B.Tokens(t.Context(), "acme", plain.Hash); err != nil || got.NameID != (idp.NameID{}) || got.IDToken.Empty() {
				t.Errorf("session without a NameID: %+v, %v", got.NameID, err)
			}
		}},
		{"SessionEndsWithTheProvidersAtTheLatest", sessionEnds},
		{"SignOutByNameIDEndsExactlyItsSessions", signOutTable},
		{"SignOutByNameIDLeavesOtherConnectionsAndTenantsAlone", signOutElsewhere},
		{"SignOutIsAcceptedOnce", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			name := whole("alice")
			r := session.Revocation{Connection: c, NameID: &name, Once: []idp.Once{{Kind: "logout", Value: "_r", Expires: w.Now().Add(time.Hour)}}}
			w.signIn(t, w.A, asserted(c, name, "_1"))
			if n, err := w.A.Revoke(t.Context(), "acme", r); err != nil || n != 1 {
				t.Fatalf("revoked %d, %v", n, err)
			}
			w.Advance(time.Second)
			in := w.request(asserted(c, name, "_2"))
			in.Begun = w.Now()
			again, _, err := w.B.SignIn(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := w.B.Revoke(t.Context(), "acme", r); !errors.Is(err, session.ErrUsed) || session.UsedKind(err) != "logout" || n != 0 {
				t.Errorf("replayed: %d, %v", n, err)
			}
			w.want(t, again, session.Valid)
		}},
		{"RevocationThatCouldMeanTooMuchIsRefused", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			s := w.signIn(t, w.A, asserted(c, whole("alice"), "_1"))
			name, empty := whole("alice"), idp.NameID{}
			for what, r := range map[string]session.Revocation{
				"no connection": {NameID: &name}, "empty name": {Connection: c, NameID: &empty}, "indexes alone": {Connection: c, SessionIndexes: []string{"_1"}},
				"beside a user": {Connection: c, User: s.User, NameID: &name}, "beside a session": {Connection: c, Hash: &s.Hash, NameID: &name},
				"once without connection": {Once: []idp.Once{{Kind: "logout", Value: "_r", Expires: w.Now().Add(time.Hour)}}},
			} {
				if n, err := w.A.Revoke(t.Context(), "acme", r); err == nil || n != 0 {
					t.Errorf("%s: %d, %v", what, n, err)
				}
			}
			w.want(t, s, session.Valid)
		}},
		{"WhatBeganBeforeASignOutSignsNobodyIn", beganBefore},
		{"SessionWithoutIndexEndsWithAnyOfItsName", withoutIndex},
		{"OfFiftyReplaysAtTwoGatesOneSignsIn", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			i := asserted(c, whole("alice"), "_1")
			i.Once = []idp.Once{{Kind: "assertion", Value: "_a", Expires: w.Now().Add(time.Hour)}}
			var won atomic.Int32
			atOnce(t, w, 50, func(n int, h Handle) error {
				in := w.request(i)
				in.Attempt = [16]byte{byte(n), 1} // another attempt each: the assertion alone tells
				_, _, err := h.SignIn(t.Context(), in)
				if session.UsedKind(err) == "assertion" {
					return nil
				}
				won.Add(1)
				return err
			})
			all, err := w.B.List(t.Context(), "acme", session.Query{Ended: true})
			if won.Load() != 1 || err != nil || len(all) != 1 {
				t.Errorf("%d signed in, %d sessions, %v", won.Load(), len(all), err)
			}
		}},
		{"SignInDuringASignOutByNameIDEndsWithIt", signInDuringSignOut},
	}
}

func sessionEnds(t *testing.T, w World) {
	c := w.Tenant(t, "acme", false)
	ends := func(sub string, at time.Time) idp.Identity {
		i := asserted(c, whole(sub), "_1")
		i.SessionEnds = at
		return i
	}
	soon, late := w.Now().Add(time.Hour), w.Now().Add(w.Limits.Absolute+time.Hour)
	if s := w.signIn(t, w.A, ends("bob", late)); !s.AbsoluteExpiry.Equal(w.Now().Add(w.Limits.Absolute)) {
		t.Errorf("ends %v, beyond our own limit", s.AbsoluteExpiry)
	}
	s := w.signIn(t, w.A, ends("alice", soon))
	if !s.AbsoluteExpiry.Equal(soon) {
		t.Errorf("ends %v, want %v", s.AbsoluteExpiry, soon)
	}
	for w.Now().Before(soon.Add(-time.Second)) {
		w.Advance(min(w.Limits.Idle/2, soon.Sub(w.Now())-time.Second))
		w.A.Touch("acme", s.Hash, w.Now())
	}
	if got := w.judge(t, w.A, "acme", s.Hash); got != session.Valid { // what A has seen it need not have written
		t.Errorf("a second before: %q", got)
	}
	w.Advance(time.Second)
	w.want(t, s, session.ExpiredAbsolute)
	for _, at := range []time.Time{w.Now(), w.Now().Add(-time.Minute)} {
		in := w.request(ends("carol", at))
		_, _, err := w.A.SignIn(t.Context(), in)
		wantCode(t, err, idp.CodeSAMLTime)
		if _, err := w.B.Get(t.Context(), "acme", in.ID.Hash()); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("a session that was over: %v", err)
		}
	}
}

// signOutTable signs out one of two sessions of each kind of name, by what a provider may send.
func signOutTable(t *testing.T, w World) {
	c := w.Tenant(t, "acme", false)
	with := func(change func(*idp.NameID)) idp.NameID {
		n := whole("alice")
		change(&n)
		return n
	}
	nothing := func(*idp.NameID) {}
	bare := func(n *idp.NameID) { *n = idp.NameID{Value: n.Value} }
	for name, tc := range map[string]struct {
		kept, asked func(*idp.NameID)
		indexes     []string
		want        []bool // are the sessions of _1 and _2 ended
	}{
		"the name":                {nothing, nothing, nil, []bool{true, true}},
		"one index":               {nothing, nothing, []string{"_1"}, []bool{true, false}},
		"two indexes, one ours":   {nothing, nothing, []string{"_9", "_2"}, []bool{false, true}},
		"an index of nobody":      {nothing, nothing, []string{"_9"}, []bool{false, false}},
		"the value alone":         {nothing, bare, nil, []bool{true, true}},
		"kept the value alone":    {bare, nothing, nil, []bool{true, true}},
		"another value":           {nothing, func(n *idp.NameID) { n.Value = "bob" }, nil, []bool{false, false}},
		"the value in capitals":   {nothing, func(n *idp.NameID) { n.Value = "ALICE" }, nil, []bool{false, false}},
		"another format":          {nothing, func(n *idp.NameID) { n.Format = email }, nil, []bool{false, false}},
		"another format, indexes": {nothing, func(n *idp.NameID) { n.Format = email }, []string{"_1"}, []bool{false, false}},
		"no format":               {nothing, func(n *idp.NameID) { n.Format = "" }, nil, []bool{true, true}},
		"format not specified":    {nothing, func(n *idp.NameID) { n.Format = unknown }, nil, []bool{true, true}},
		"another qualifier":       {nothing, func(n *idp.NameID) { n.NameQualifier = "https://other.example" }, nil, []bool{false, false}},
		"another SP qualifier":    {nothing, func(n *idp.NameID) { n.SPNameQualifier = "https://other.example" }, nil, []bool{false, false}},
		"no qualifiers":           {nothing, func(n *idp.NameID) { n.NameQualifier, n.SPNameQualifier = "", "" }, nil, []bool{true, true}},
	} {
		var made []session.Session
		w.Advance(time.Second)
		for _, index := range []string{"_1", "_2"} {
			in := w.request(asserted(c, with(tc.kept), index))
			in.Begun = w.Now()
			s, _, err := w.A.SignIn(t.Context(), in)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			w.want(t, s, session.Valid)
			made = append(made, s)
		}
		asked, want := with(tc.asked), 0
		for _, ended := range tc.want {
			if ended {
				want++
			}
		}
		n, err := w.B.Revoke(t.Context(), "acme", session.Revocation{Connection: c, NameID: &asked, SessionIndexes: tc.indexes, Reason: "provider", Actor: "idp"})
		if err != nil || n != want {
			t.Errorf("%s: revoked %d, %v; want %d", name, n, err, want)
		}
		for k, ended := range tc.want {
			verdict := session.Valid
			if ended {
				verdict = session.Revoked
			}
			w.want(t, made[k], verdict)
		}
		if _, err := w.A.Revoke(t.Context(), "acme", session.Revocation{Connection: c}); err != nil {
			t.Fatal(err)
		}
	}
}

func signOutElsewhere(t *testing.T, w World) {
	c := w.Tenant(t, "acme", false)
	second := w.Connection(t, "acme")
	other := w.Tenant(t, "evil", false)
	name := whole("alice")
	here := w.signIn(t, w.A, asserted(c, name, "_1"))
	there := w.signIn(t, w.A, asserted(second, name, "_1"))
	i := asserted(other, name, "_1")
	i.Tenant = "evil"
	theirs := w.signIn(t, w.A, i)
	plain := w.signIn(t, w.A, Identity("acme", c, "alice")) // the same subject, without a NameID
	if n, err := w.A.Revoke(t.Context(), "evil", session.Revocation{Connection: c, NameID: &name}); err != nil || n != 0 {
		t.Errorf("another tenant revoked %d, %v", n, err)
	}
	if n, err := w.A.Revoke(t.Context(), "acme", session.Revocation{Connection: c, NameID: &name}); err != nil || n != 1 {
		t.Errorf("revoked %d, %v", n, err)
	}
	w.want(t, here, session.Revoked)
	for _, s := range []session.Session{there, theirs, plain} {
		w.want(t, s, session.Valid)
	}
	// What is remembered of the sign-out is that connection's alone.
	w.want(t, w.signIn(t, w.B, asserted(second, name, "_1")), session.Valid)
}

// withoutIndex: a provider that gave a session no index cannot name it by one. Which of its own sessions it was nobody here
// knows, so it ends with any: a person who signs in once more is better off than one who believes to be signed out.
func withoutIndex(t *testing.T, w World) {
	c := w.Tenant(t, "acme", false)
	name := whole("alice")
	before := w.Now()
	bare, other := w.signIn(t, w.A, asserted(c, name, "")), w.signIn(t, w.A, asserted(c, whole("bob"), ""))
	w.Advance(time.Second)
	one := session.Revocation{Connection: c, NameID: &name, SessionIndexes: []string{"_1"}}
	if n, err := w.B.Revoke(t.Context(), "acme", one); err != nil || n != 1 {
		t.Errorf("revoked %d, %v", n, err)
	}
	w.want(t, bare, session.Revoked)
	w.want(t, other, session.Valid)
	in := w.request(asserted(c, name, ""))
	in.Begun = before
	_, _, err := w.A.SignIn(t.Context(), in)
	wantCode(t, err, idp.CodeSAMLAuthn)
	in = w.request(asserted(c, name, "_2"))
	in.Begun = before
	if _, _, err := w.A.SignIn(t.Context(), in); err != nil {
		t.Errorf("of another index: %v", err)
	}
}

// beganBefore: the assertion of an attempt that was under way arrives after its person was signed out.
func beganBefore(t *testing.T, w World) {
	c := w.Tenant(t, "acme", false)
	name := whole("alice")
	signIn := func(i idp.Identity, begun time.Time) error {
		in := w.request(i)
		in.Begun = begun
		_, _, err := w.B.SignIn(t.Context(), in)
		return err
	}
	before := w.Now()
	w.Advance(time.Second)
	one := session.Revocation{Connection: c, NameID: &name, SessionIndexes: []string{"_1"}}
	if n, err := w.A.Revoke(t.Context(), "acme", one); err != nil || n != 0 {
		t.Fatalf("revoked %d, %v", n, err)
	}
	wantCode(t, signIn(asserted(c, name, "_1"), before), idp.CodeSAMLAuthn)
	wantCode(t, signIn(asserted(c, name, "_1"), time.Time{}), idp.CodeSAMLAuthn)
	if err := signIn(asserted(c, name, "_2"), before); err != nil {
		t.Errorf("another session of the provider's: %v", err)
	}
	w.Advance(time.Second)
	all := session.Revocation{Connection: c, NameID: &name}
	if n, err := w.A.Revoke(t.Context(), "acme", all); err != nil || n != 1 {
		t.Fatalf("revoked %d, %v", n, err)
	}
	wantCode(t, signIn(asserted(c, name, "_3"), before), idp.CodeSAMLAuthn)
	if err := signIn(asserted(c, whole("bob"), "_3"), before); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	w.Advance(time.Second)
	if err := signIn(asserted(c, name, "_1"), w.Now()); err != nil {
		t.Errorf("begun after it: %v", err)
	}
}

// signInDuringSignOut lets sign-ins run into the sign-out of their name. Whichever came first, no session is left of an
// attempt that began before it.
func signInDuringSignOut(t *testing.T, w World) {
	c := w.Tenant(t, "acme", false)
	name := whole("alice")
	begun := w.Now()
	w.signIn(t, w.A, asserted(c, name, "_0"))
	w.Advance(time.Second)
	var ended, refused atomic.Int32
	atOnce(t, w, 24, func(n int, h Handle) error {
		if n == 12 {
			_, err := h.Revoke(t.Context(), "acme", session.Revocation{Connection: c, NameID: &name})
			return err
		}
		in := w.request(asserted(c, name, fmt.Sprint("_", n)))
		in.Begun = begun
		_, _, err := h.SignIn(t.Context(), in)
		if idp.CodeOf(err) == idp.CodeSAMLAuthn {
			refused.Add(1)
			return nil
		}
		ended.Add(1)
		return err
	})
	left, err := w.B.List(t.Context(), "acme", session.Query{})
	if err != nil || len(left) != 0 || ended.Load()+refused.Load() != 23 {
		t.Errorf("%d sessions left of %d signed in and %d refused, %v", len(left), ended.Load(), refused.Load(), err)
	}
}
