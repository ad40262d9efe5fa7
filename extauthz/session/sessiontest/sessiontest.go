// Package sessiontest holds every implementation of session.Store and session.Burner to the promises of their
// comments: on two handles of one database, with a clock that the suite moves, and under concurrency. It is for
// tests alone and never touches a database itself.
package sessiontest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// Handle is one process's way to the database, with what decides about sessions beside them.
type Handle interface {
	session.Store
	session.Burner
	directory.Reader
	Realm(ctx context.Context, t tenant.ID) (idp.Realm, error)
	SetActive(ctx context.Context, t tenant.ID, u directory.UserID, active bool, actor string) (directory.User, error)
}

// World is a fresh database. Two handles reach it; what one writes the other reads next.
type World struct {
	A, B    Handle
	Limits  session.Limits
	Now     func() time.Time
	Advance func(time.Duration)
	// Tenant makes a tenant with one enabled connection.
	Tenant func(t testing.TB, id tenant.ID, scim bool) idp.ConnectionID
	// Connection adds an enabled connection.
	Connection func(t testing.TB, id tenant.ID) idp.ConnectionID
	// Switch turns a connection on or off, through handle A.
	Switch func(t testing.TB, id tenant.ID, c idp.ConnectionID, on bool)
	// Delete removes a user for good, through handle A.
	Delete func(t testing.TB, id tenant.ID, u directory.UserID)
}

// Run runs the suite; open is called once a test.
func Run(t *testing.T, open func(t *testing.T) World) {
	for _, group := range [][]promise{getPromises(), signInPromises(), revokePromises(), samlPromises(), racePromises()} {
		for _, p := range group {
			t.Run(p.name, func(t *testing.T) { p.keep(t, open(t)) })
		}
	}
}

type promise struct {
	name string
	keep func(t *testing.T, w World)
}

// Identity is what a provider could assert about a person.
func Identity(t tenant.ID, c idp.ConnectionID, sub string) idp.Identity {
	return idp.Identity{
		Tenant: t, Connection: c, Issuer: "https://idp.example", Subject: sub, UserName: sub + "@acme.example",
		Email: sub + "@acme.example", EmailVerified: true, DisplayName: "Test " + sub, GroupState: idp.GroupsListed,
		Groups: []string{"Security"}, Claims: map[string]any{"department": "risk"}, ACR: "urn:mfa", AMR: []string{"pwd", "otp"},
		SID: "idp-" + sub, IDToken: secret.New("token-of-" + sub),
	}
}

func (w World) request(i idp.Identity) session.SignIn {
	return session.SignIn{Identity: i, ID: session.NewID(), Limits: w.Limits, IP: "192.0.2.1", UserAgent: "suite", RequestID: "r"}
}

// signIn signs in and fails the test when that does not work.
func (w World) signIn(t testing.TB, h Handle, i idp.Identity) session.Session {
	t.Helper()
	s, _, err := h.SignIn(t.Context(), w.request(i))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// judge reads a session as a check does.
func (w World) judge(t testing.TB, h Handle, id tenant.ID, hash session.Hash) session.Refusal {
	t.Helper()
	ctx := t.Context()
	s, err := h.Get(ctx, id, hash)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	realm, err := h.Realm(ctx, id)
	if err != nil {
		t.Fatalf("realm: %v", err)
	}
	p, err := h.Person(ctx, id, s.User, s.Connection)
	if err != nil && !errors.Is(err, directory.ErrNotFound) {
		t.Fatalf("person: %v", err)
	}
	return s.Refusal(w.Now(), w.Limits, realm, p.User)
}

// want judges a session through both handles.
func (w World) want(t testing.TB, s session.Session, allowed ...session.Refusal) {
	t.Helper()
	for name, h := range map[string]Handle{"A": w.A, "B": w.B} {
		got := w.judge(t, h, s.Tenant, s.Hash)
		ok := false
		for _, a := range allowed {
			ok = ok || a == got
		}
		if !ok {
			t.Errorf("handle %s: refusal %q, want one of %q", name, got, allowed)
		}
	}
}

func wantCode(t testing.TB, err error, code idp.Code) {
	t.Helper()
	if idp.CodeOf(err) != code {
		t.Errorf("got %v, want code %s", err, code)
	}
}

func digest(format string, args ...any) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, format, args...))
}
