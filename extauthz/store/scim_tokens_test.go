package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/scim/directory"
)

func TestTokenNamesItsTenantUntilItIsRevokedOrExpires(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		a, b := d.open(t), d.serve(t)
		seed(t, a, acme)
		ask := func(token secret.Text, want error) {
			t.Helper()
			for range 2 { // the second time from a cache
				who, _, err := b.Tenant(t.Context(), token)
				if !errors.Is(err, want) || err == nil && who != acme {
					t.Errorf("%s, %v, want %v", who, err, want)
				}
			}
		}
		one, k, err := a.CreateSCIMToken(t.Context(), acme, "Okta", time.Time{}, "cli")
		if err != nil {
			t.Fatal(err)
		}
		ask(one, nil)
		two, _, err := a.CreateSCIMToken(t.Context(), acme, "next", d.clock.Now().Add(time.Hour), "cli")
		if err != nil {
			t.Fatal(err)
		}
		ask(two, nil)
		if _, _, err := a.CreateSCIMToken(t.Context(), acme, "third", time.Time{}, "cli"); !errors.Is(err, directory.ErrTokens) {
			t.Errorf("a third: %v", err)
		}
		if err := a.RevokeSCIMToken(t.Context(), "evil", k.ID, "cli"); !errors.Is(err, ErrNotFound) {
			t.Errorf("revoked by another tenant: %v", err)
		}
		if err := a.RevokeSCIMToken(t.Context(), acme, k.ID, "cli"); err != nil {
			t.Fatal(err)
		}
		ask(one, directory.ErrToken)
		d.clock.advance(time.Hour)
		ask(two, directory.ErrToken)
		if _, _, err := a.CreateSCIMToken(t.Context(), acme, "third", time.Time{}, "cli"); err != nil {
			t.Errorf("an expired token takes a place: %v", err)
		}
		if err := b.flushTokens(t.Context()); err != nil {
			t.Fatal(err)
		}
		listed, err := a.SCIMTokens(t.Context(), acme)
		if err != nil || len(listed) != 3 {
			t.Fatalf("%d listed, %v", len(listed), err)
		}
		for _, l := range listed {
			if l.Label == "Okta" && (l.Revoked.IsZero() || l.LastUsed.IsZero()) {
				t.Errorf("listed %+v", l)
			}
		}
		if _, _, err := a.CreateSCIMToken(t.Context(), "nobody", "x", time.Time{}, "cli"); !errors.Is(err, ErrNotFound) {
			t.Errorf("a token for nobody: %v", err)
		}
	})
}

func TestWhatIsNoTokenAsksNoDatabase(t *testing.T) {
	s := newDatabase(t, "sqlite:"+t.TempDir()+"/gate.db").open(t)
	seed(t, s, acme)
	token, k, err := s.CreateSCIMToken(t.Context(), acme, "Okta", time.Time{}, "cli")
	if err != nil {
		t.Fatal(err)
	}
	text := token.Reveal()
	for _, bad := range []string{
		"", "scim", strings.Repeat("_", 300), text[:len(text)-1], text + "0", strings.ToUpper(text), strings.Replace(text, "scim_acme", "scim_evil", 1), " " + text,
	} {
		if _, ok := parseToken(bad); ok {
			t.Errorf("%q has the form of a token", bad)
		}
	}
	// A checksum proves nothing: anybody can make one.
	forged := fmt.Sprintf("scim_%s_%s_%s", acme, k.ID, strings.Repeat("0", secretDigits))
	if _, _, err := s.Tenant(t.Context(), secret.New(forged+"_"+checksum(forged))); !errors.Is(err, directory.ErrToken) {
		t.Errorf("forged: %v", err)
	}
	if got, ok := parseToken(text); !ok || got.tenant != acme || got.id != k.ID {
		t.Errorf("parsed %+v", got)
	}
	raw, err := os.ReadFile(s.path + "-wal")
	if err != nil || strings.Contains(string(raw), strings.Split(text, "_")[3]) {
		t.Errorf("the secret is in the database, %v", err)
	}
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.readers.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Tenant(t.Context(), token); err == nil || errors.Is(err, directory.ErrToken) {
		t.Errorf("a database that does not answer: %v", err)
	}
	if _, _, err := s.Tenant(t.Context(), secret.New("nonsense")); !errors.Is(err, directory.ErrToken) {
		t.Errorf("nonsense: %v", err)
	}
}

func FuzzToken(f *testing.F) {
	f.Add("scim_acme_abcdefgh_0123_000000")
	f.Fuzz(func(t *testing.T, text string) {
		k, ok := parseToken(text + "_" + checksum(text))
		if ok && !strings.HasPrefix(text, "scim_"+string(k.tenant)+"_"+string(k.id)+"_") {
			t.Errorf("%q is %+v", text, k)
		}
		parseToken(text)
	})
}

func TestProvisioningLogKeepsTheNewestCalls(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		seed(t, s, acme)
		for i := range 100 {
			s.LogCall(directory.Call{Tenant: acme, Method: "PATCH", Path: "/Users/{id}", Status: 200 + 200*(i%2), Target: fmt.Sprint(i), UserAgent: "a\x00\xff"})
		}
		s.LogCall(directory.Call{Tenant: "evil", Method: "GET"})
		if err := s.flushCalls(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, err := s.Calls(t.Context(), acme, CallQuery{Limit: 1000})
		if err != nil || len(all) != 100 || all[0].Target != "99" || all[0].At.IsZero() {
			t.Fatalf("%d calls, %v", len(all), err)
		}
		bad, err := s.Calls(t.Context(), acme, CallQuery{Failed: true, Limit: 3, Before: all[0].ID})
		if err != nil || len(bad) != 3 || bad[0].Target != "97" {
			t.Errorf("%+v, %v", bad, err)
		}
		d.clock.advance(keepCallsFor + time.Hour)
		if err := s.sweepDirectory(t.Context()); err != nil {
			t.Fatal(err)
		}
		if all, err = s.Calls(t.Context(), acme, CallQuery{}); err != nil || len(all) != 0 {
			t.Errorf("%d calls after a month, %v", len(all), err)
		}
		for range maxCalls + 5 {
			s.LogCall(directory.Call{Tenant: acme})
		}
		if len(s.scim.calls) != maxCalls || s.scim.lost != 5 {
			t.Errorf("%d wait, %d lost", len(s.scim.calls), s.scim.lost)
		}
	})
}

// TestUpdateThatFailsUndoesOnlyItself holds the writer while others queue up behind it.
func TestUpdateThatFailsUndoesOnlyItself(t *testing.T) {
	s := newDatabase(t, "sqlite:"+t.TempDir()+"/gate.db").open(t)
	seed(t, s, acme)
	stop := errors.New("stop")
	begun, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.Update(t.Context(), acme, func(directory.Tx) error { close(begun); <-release; return nil })
		if err != nil {
			t.Error(err)
		}
	})
	<-begun
	gone, cancel := context.WithCancel(t.Context())
	const n = 40
	for i := range n {
		wg.Go(func() {
			ctx, want := t.Context(), error(nil)
			switch i % 4 {
			case 1:
				want = stop
			case 2:
				want = directory.ErrTaken
			case 3:
				ctx, want = gone, context.Canceled
			}
			err := s.Update(ctx, acme, func(tx directory.Tx) error {
				if _, err := tx.PutUser(directory.User{UserName: fmt.Sprint("u", i)}); err != nil {
					return err
				}
				if i%4 == 2 {
					_, err := tx.PutUser(directory.User{UserName: fmt.Sprint("U", i)})
					return err
				}
				return want
			})
			if !errors.Is(err, want) {
				t.Errorf("update %d: %v, want %v", i, err, want)
			}
		})
	}
	for {
		s.scim.turn.mu.Lock()
		queued := len(s.scim.turn.queue)
		s.scim.turn.mu.Unlock()
		if queued == n {
			break
		}
	}
	cancel()
	close(release)
	wg.Wait()
	page, err := s.Users(t.Context(), acme, directory.Query[directory.User]{Count: 100})
	if err != nil || page.Total != n/4 || len(page.Items) != n/4 {
		t.Errorf("%d users, %d counted, %v; want %d", len(page.Items), page.Total, err, n/4)
	}
	if s.scim.turn.leading || len(s.scim.turn.queue) != 0 {
		t.Error("somebody still leads")
	}
}
