// Package directorytest holds every implementation of directory.Store to the promises of its comment: on two handles
// of one database and under concurrency. It is for tests alone and never touches a database itself.
package directorytest

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// Handle is one process's way to the directory.
type Handle interface {
	directory.Store
	SetSCIM(ctx context.Context, t tenant.ID, on bool, actor string) error
	SetActive(ctx context.Context, t tenant.ID, u directory.UserID, active bool, actor string) (directory.User, error)
	DeleteUser(ctx context.Context, t tenant.ID, u directory.UserID, actor string) error
}

// World is a fresh database. Two handles reach it; what one writes the other reads next.
type World struct {
	A, B Handle
	// Tenant makes a tenant without SCIM and with one connection.
	Tenant func(t testing.TB, id tenant.ID) tenant.ConnectionID
	// Connection adds a connection.
	Connection func(t testing.TB, id tenant.ID) tenant.ConnectionID
	// SignIn makes or refreshes a person through handle A, as a sign-in does.
	SignIn func(t testing.TB, id tenant.ID, c tenant.ConnectionID, sub string, groups []string, claims map[string]any) directory.UserID
	// Join signs somebody in through handle A who asserts what can meet a provisioned person, or returns why not.
	Join func(t testing.TB, id tenant.ID, c tenant.ConnectionID, sub string, joins idp.Joins) (directory.UserID, error)
}

// Run runs the suite; open is called once a test.
func Run(t *testing.T, open func(t *testing.T) World) {
	for name, keep := range map[string]func(*testing.T, World){
		"PersonIsReadThroughBothHandles":         bothHandles,
		"SignInRewritesGroupsAndClaims":          rewrites,
		"ClaimsAreThoseOfTheSessionsConnection":  perConnection,
		"SwitchedPersonIsSeenByTheNextRead":      switched,
		"DeletedPersonIsNotFoundByTheNextRead":   deleted,
		"AnotherTenantFindsNobody":               anotherTenant,
		"UnknownPersonIsNotFound":                unknown,
		"NoReadAfterADeactivationIsActive":       raced,
		"StampChangesWithThePerson":              stamped,
		"NumbersInClaimsKeepTheirDigits":         digits,
		"ReadThatIsCancelledIsNotAMissingPerson": cancelled,

		"WhatIsPutIsRead":                             put,
		"WhatDoesNotDifferKeepsItsVersion":            unchanged,
		"NamesAreTakenWithoutCase":                    names,
		"FailedUpdateChangesNothing":                  failed,
		"ActiveThatEndsRaisesTheEpoch":                epochs,
		"MembershipIsSeenByTheNextRead":               membership,
		"RenameIsSeenByTheNextRead":                   renamed,
		"WorkersOnOneGroupLeaveTheExactMembers":       workers,
		"ReplacingRacesAddingAndLeavesOneOfTheOrders": replaceRaces,
		"UnknownMembersWaitAndGrantNothing":           pending,
		"RemovedWhileWaitingIsNotBound":               unwaited,
		"AnotherTenantsRowsAreUnknown":                isolated,
		"DeletedUserLeavesTheirGroups":                leaves,
		"RecreatedUserIsSomebodyNew":                  recreated,
		"PostAdoptsTheOnePersonItMeans":               adopted,
		"SCIMDoesNotSeeWhomASignInMade":               unseen,
		"ListsAreWalkedByNumberAndByCursor":           walked,
		"ListsAreSortedWithGapsLast":                  sorted,
		"ListsAreMatchedAndCounted":                   matched,
		"GroupsListTheirMembersWhenAsked":             related,
	} {
		t.Run(name, func(t *testing.T) { keep(t, open(t)) })
	}
}

func (w World) handles() map[string]Handle { return map[string]Handle{"A": w.A, "B": w.B} }

func person(t testing.TB, h Handle, u directory.UserID, c tenant.ConnectionID) directory.Person {
	t.Helper()
	p, err := h.Person(t.Context(), "acme", u, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func bothHandles(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	u := w.SignIn(t, "acme", c, "alice", []string{"Security"}, map[string]any{"department": "risk"})
	for name, h := range w.handles() {
		p := person(t, h, u, c)
		if p.User.ID != u || p.User.Tenant != "acme" || !p.User.Active || p.User.Source != directory.JIT || p.Stamp == 0 {
			t.Errorf("handle %s: %+v", name, p)
		}
		if !reflect.DeepEqual(p.Groups, []string{"Security"}) || p.Claims["department"] != "risk" {
			t.Errorf("handle %s: groups %q, claims %v", name, p.Groups, p.Claims)
		}
	}
}

func rewrites(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	for _, groups := range [][]string{{"Security", "Admins"}, {"Security"}, nil, {"Sales"}} {
		u := w.SignIn(t, "acme", c, "alice", groups, map[string]any{"n": len(groups)})
		for name, h := range w.handles() {
			if p := person(t, h, u, c); len(p.Groups) != len(groups) || len(groups) > 0 && !reflect.DeepEqual(p.Groups, groups) {
				t.Errorf("handle %s: groups %q, want %q", name, p.Groups, groups)
			}
		}
	}
}

func perConnection(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	other := w.Connection(t, "acme")
	u := w.SignIn(t, "acme", c, "alice", []string{"Security"}, map[string]any{"department": "risk"})
	if p := person(t, w.A, u, other); len(p.Groups) != 0 || len(p.Claims) != 0 {
		t.Errorf("over a connection never used: groups %q, claims %v", p.Groups, p.Claims)
	}
}

func switched(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	u := w.SignIn(t, "acme", c, "alice", nil, nil)
	epoch := person(t, w.B, u, c).User.Epoch
	for i, active := range []bool{false, true, false, true} {
		h := []Handle{w.A, w.B}[i/2]
		if _, err := h.SetActive(t.Context(), "acme", u, active, "cli"); err != nil {
			t.Fatal(err)
		}
		for name, h := range w.handles() {
			p := person(t, h, u, c)
			if p.User.Active != active {
				t.Errorf("handle %s: active %v after %v", name, p.User.Active, active)
			}
			if !active && p.User.Epoch <= epoch {
				t.Errorf("handle %s: epoch %d did not rise", name, p.User.Epoch)
			}
		}
		epoch = person(t, w.A, u, c).User.Epoch
	}
	before := person(t, w.A, u, c).User.Version
	if _, err := w.A.SetActive(t.Context(), "acme", u, true, "cli"); err != nil {
		t.Fatal(err)
	}
	if after := person(t, w.A, u, c).User.Version; after != before {
		t.Errorf("nothing changed, and the version went from %d to %d", before, after)
	}
}

func deleted(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	for i, h := range []Handle{w.A, w.B} {
		u := w.SignIn(t, "acme", c, []string{"alice", "bob"}[i], nil, nil)
		person(t, w.A, u, c)
		person(t, w.B, u, c)
		if err := h.DeleteUser(t.Context(), "acme", u, "cli"); err != nil {
			t.Fatal(err)
		}
		for name, h := range w.handles() {
			if _, err := h.Person(t.Context(), "acme", u, c); !errors.Is(err, directory.ErrNotFound) {
				t.Errorf("handle %s: %v", name, err)
			}
		}
		if err := h.DeleteUser(t.Context(), "acme", u, "cli"); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("second delete: %v", err)
		}
	}
}

func anotherTenant(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	evil := w.Tenant(t, "evil")
	u := w.SignIn(t, "acme", c, "alice", nil, nil)
	for name, h := range w.handles() {
		person(t, h, u, c) // it is in the cache now
		for _, over := range []tenant.ConnectionID{c, evil} {
			if _, err := h.Person(t.Context(), "evil", u, over); !errors.Is(err, directory.ErrNotFound) {
				t.Errorf("handle %s: person: %v", name, err)
			}
		}
		if _, err := h.SetActive(t.Context(), "evil", u, false, "cli"); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("handle %s: set active: %v", name, err)
		}
		if err := h.DeleteUser(t.Context(), "evil", u, "cli"); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("handle %s: delete: %v", name, err)
		}
		if !person(t, h, u, c).User.Active {
			t.Errorf("handle %s: switched off by another tenant", name)
		}
	}
}

func unknown(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	for _, id := range []directory.UserID{directory.NewUserID(), "", "a\x00b", "\xff", "' OR 1=1 --"} {
		if _, err := w.A.Person(t.Context(), "acme", id, c); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// raced keeps readers filling caches while a person is switched off and on under them.
func raced(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	u := w.SignIn(t, "acme", c, "alice", nil, nil)
	var off, stop atomic.Bool
	var turn sync.RWMutex // held while the answer is about to change
	var wg sync.WaitGroup
	for i := range 6 {
		h := []Handle{w.A, w.B}[i%2]
		wg.Go(func() {
			for !stop.Load() {
				turn.RLock()
				was := off.Load()
				p, err := h.Person(t.Context(), "acme", u, c)
				if err != nil || was && p.User.Active {
					t.Errorf("active %v, %v after the deactivation had returned", p.User.Active, err)
					stop.Store(true)
				}
				turn.RUnlock()
			}
		})
	}
	for i := range 6 {
		h := []Handle{w.A, w.B}[i%2]
		if _, err := h.SetActive(t.Context(), "acme", u, false, "cli"); err != nil {
			t.Error(err)
		}
		off.Store(true)
		person(t, w.A, u, c)
		person(t, w.B, u, c)
		turn.Lock() // let readers that expect "off" finish before it is on again
		off.Store(false)
		turn.Unlock()
		if _, err := h.SetActive(t.Context(), "acme", u, true, "cli"); err != nil {
			t.Error(err)
		}
	}
	stop.Store(true)
	wg.Wait()
}

func stamped(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	u := w.SignIn(t, "acme", c, "alice", []string{"Security"}, nil)
	for name, h := range w.handles() {
		before := person(t, h, u, c).Stamp
		w.SignIn(t, "acme", c, "alice", []string{"Sales"}, nil)
		after := person(t, h, u, c).Stamp
		if before == after {
			t.Errorf("handle %s: groups changed under stamp %d", name, after)
		}
		if _, err := w.A.SetActive(t.Context(), "acme", u, false, "cli"); err != nil {
			t.Fatal(err)
		}
		if person(t, h, u, c).Stamp == after {
			t.Errorf("handle %s: active changed under stamp %d", name, after)
		}
		if _, err := w.A.SetActive(t.Context(), "acme", u, true, "cli"); err != nil {
			t.Fatal(err)
		}
	}
}

func digits(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	u := w.SignIn(t, "acme", c, "alice", nil, map[string]any{"employee": uint64(9007199254740993)})
	got := person(t, w.B, u, c).Claims["employee"]
	if n, ok := got.(interface{ String() string }); !ok || n.String() != "9007199254740993" {
		t.Errorf("got %v (%T)", got, got)
	}
}

func cancelled(t *testing.T, w World) {
	c := w.Tenant(t, "acme")
	u := w.SignIn(t, "acme", c, "alice", nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.A.Person(ctx, "acme", u, c); errors.Is(err, directory.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
