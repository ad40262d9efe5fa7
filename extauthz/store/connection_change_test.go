package store

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// settingsEvents are the audit rows of changes to connections, newest first.
func settingsEvents(t testing.TB, s *Store) []string {
	t.Helper()
	events, err := s.AuditEvents(t.Context(), acme, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range events {
		if e.Action == "connection.change" {
			all = append(all, e.Reason)
		}
	}
	return all
}

func TestOfTwoGatesThatFetchedOneWrites(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		a, b := d.serve(t), d.serve(t)
		c := seedSAML(t, a, acme, wholeSAML())
		next := samlIdP("k1", "k3")
		var wrote, late atomic.Int32
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				err := []*Store{a, b}[n%2].ApplySAML(t.Context(), idp.ConnectionChange{
					Tenant: acme, Connection: c.ID, Version: c.Version, IdP: &next, Actor: "refresh", Reason: "metadata: a key more",
				})
				switch {
				case err == nil:
					wrote.Add(1)
				case errors.Is(err, ErrChanged):
					late.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if wrote.Load() != 1 || late.Load() != 7 {
			t.Errorf("%d wrote, %d were late", wrote.Load(), late.Load())
		}
		for name, s := range map[string]*Store{"a": a, "b": b} {
			got := only(t, s)
			if got.Version != c.Version+1 || got.Epoch != c.Epoch || len(got.SAML.IdP.Keys) != 2 || len(got.SAML.SPKeys) != 3 || got.SAML.WantSigned != idp.SignedBoth {
				t.Errorf("handle %s: %+v", name, got)
			}
		}
		if events := settingsEvents(t, a); len(events) != 1 || events[0] != "metadata: a key more" {
			t.Errorf("audit rows %q", events)
		}
	})
}

// A gate that has not heard of it yet verifies an answer with a key that an admin has taken away.
func TestAnswerVerifiedWithSettingsOfThePastSignsNobodyIn(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		a, b := d.serve(t), d.serve(t)
		c := seedSAML(t, a, acme, wholeSAML())
		in := signIn(identity(c.ID, "alice"))
		in.ConnectionEpoch, in.ConnectionVersion = c.Epoch, c.Version
		next := samlIdP("k2")
		if err := a.ApplySAML(t.Context(), idp.ConnectionChange{Tenant: acme, Connection: c.ID, Version: c.Version, IdP: &next, Actor: "cli"}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.SignIn(t.Context(), in); idp.CodeOf(err) != idp.CodeConnection {
			t.Errorf("by the settings of before: %v", err)
		}
		in.ConnectionVersion = only(t, b).Version
		if _, _, err := b.SignIn(t.Context(), in); err != nil {
			t.Errorf("by those of now: %v", err)
		}
		next.Fetched = d.clock.Now().Add(time.Hour)
		if err := a.ApplySAML(t.Context(), idp.ConnectionChange{Tenant: acme, Connection: c.ID, Version: in.ConnectionVersion, IdP: &next, Actor: "gate"}); err != nil {
			t.Fatal(err)
		}
		in.ID, in.Attempt = session.NewID(), [16]byte{9}
		if _, _, err := b.SignIn(t.Context(), in); err != nil {
			t.Errorf("after the metadata was read again and said the same: %v", err)
		}
	})
}

func TestFetchTimesAloneRaiseNoVersionAndAreNotAudited(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		a, b := d.serve(t), d.serve(t)
		c := seedSAML(t, a, acme, wholeSAML())
		if got := only(t, b); got.Version != c.Version {
			t.Fatal(got.Version)
		}
		next := c.SAML.IdP
		next.Fetched, next.FetchAttempted, next.FetchError = d.clock.Now().Add(time.Hour), d.clock.Now().Add(time.Hour), ""
		if err := a.ApplySAML(t.Context(), idp.ConnectionChange{Tenant: acme, Connection: c.ID, Version: c.Version, IdP: &next, Actor: "refresh"}); err != nil {
			t.Fatal(err)
		}
		got := only(t, b)
		if got.Version != c.Version || !got.SAML.IdP.Fetched.Equal(next.Fetched) || got.SAML.IdP.FetchError != "" {
			t.Errorf("got %+v", got.SAML.IdP)
		}
		if events := settingsEvents(t, a); len(events) != 0 {
			t.Errorf("audit rows %q", events)
		}
		next.Keys[0].State = idp.KeyRetired
		if err := a.ApplySAML(t.Context(), idp.ConnectionChange{Tenant: acme, Connection: c.ID, Version: c.Version, IdP: &next, Actor: "refresh"}); err != nil {
			t.Fatal(err)
		}
		if got := only(t, b); got.Version != c.Version+1 || got.SAML.IdP.Keys[0].State != idp.KeyRetired {
			t.Errorf("a key's state: %+v", got)
		}
		if events := settingsEvents(t, a); len(events) != 1 {
			t.Errorf("a change without a reason of its own: audit rows %q", events)
		}
	})
}

func TestChangeOfAConnectionThatIsGoneOrAnothersIsRefused(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		c := seedSAML(t, s, acme, wholeSAML())
		seed(t, s, "other")
		next := samlIdP("k9")
		for name, tc := range map[string]struct {
			ch   idp.ConnectionChange
			want error
		}{
			"unknown":        {idp.ConnectionChange{Tenant: acme, Connection: "nobody", Version: 1}, ErrNotFound},
			"another tenant": {idp.ConnectionChange{Tenant: "other", Connection: c.ID, Version: 1}, ErrNotFound},
			"not SAML":       {idp.ConnectionChange{Tenant: "other", Connection: "other-okta", Version: 1}, ErrChanged},
			"old version":    {idp.ConnectionChange{Tenant: acme, Connection: c.ID, Version: 0}, ErrChanged},
		} {
			tc.ch.IdP = &next
			if err := s.ApplySAML(t.Context(), tc.ch); !errors.Is(err, tc.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := s.SetConnectionEnabled(t.Context(), acme, c.ID, false, "cli"); err != nil {
			t.Fatal(err)
		}
		if err := s.ApplySAML(t.Context(), idp.ConnectionChange{Tenant: acme, Connection: c.ID, Version: c.Version, IdP: &next}); !errors.Is(err, ErrChanged) {
			t.Errorf("switched off meanwhile: %v", err)
		}
		if all, err := s.SAMLConnections(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("a connection that is off is kept fresh: %v, %v", all, err)
		}
	})
}

func links(t testing.TB, s *Store, c idp.ConnectionID) (n int) {
	t.Helper()
	if err := s.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM links WHERE connection = '"+string(c)+"'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOtherProviderOrOtherNamesEndSessionsAndClearLinks(t *testing.T) {
	for name, tc := range map[string]struct {
		change       func(*idp.SAMLSettings)
		ended, links bool // whether sessions end, whether links go
	}{
		"attribute names":  {func(v *idp.SAMLSettings) { v.Attributes.Groups = []string{"c"} }, false, false},
		"wanted signature": {func(v *idp.SAMLSettings) { v.WantSigned = idp.SignedAssertion }, false, false},
		"a key":            {func(v *idp.SAMLSettings) { v.IdP.Keys = v.IdP.Keys[:1] }, false, false},
		"subject from":     {func(v *idp.SAMLSettings) { v.SubjectFrom = "employee" }, true, true},
		"name id format":   {func(v *idp.SAMLSettings) { v.NameIDFormat = "urn:g" }, true, true},
		"entity id":        {func(v *idp.SAMLSettings) { v.IdP.EntityID = "https://other.example" }, true, true},
		"no provider yet":  {func(v *idp.SAMLSettings) { v.IdP = idp.SAMLIdP{} }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, d *database) {
				a, b := d.serve(t), d.serve(t)
				c := seedSAML(t, a, acme, wholeSAML())
				second, err := a.CreateConnection(t.Context(), idp.Connection{ID: "acme-two", Tenant: acme, Protocol: idp.SAML, Enabled: true, SAML: wholeSAML()}, "cli")
				if err != nil {
					t.Fatal(err)
				}
				mustSignIn(t, a, samlIdentity(second, "bob"))
				s := mustSignIn(t, a, samlIdentity(c, "alice"))
				if p, err := b.Person(t.Context(), acme, s.User, c.ID); err != nil || len(p.Groups) == 0 {
					t.Fatalf("groups %q, %v", p.Groups, err)
				}
				want := c
				want.SAML = wholeSAML()
				want.SAML.SPKeys = nil // they stay
				tc.change(&want.SAML)
				got, err := a.UpdateConnection(t.Context(), want, "cli")
				if err != nil {
					t.Fatal(err)
				}
				if got.Version != c.Version+1 || (got.Epoch != c.Epoch) != tc.ended || !sameSPKeys(got.SAML.SPKeys, c.SAML.SPKeys) {
					t.Errorf("version %d, epoch %d → %d, %d own keys", got.Version, c.Epoch, got.Epoch, len(got.SAML.SPKeys))
				}
				if at, _ := realm(t, b, acme).Connection(c.ID); at.Epoch != got.Epoch || at.Version != got.Version {
					t.Errorf("the other gate has version %d, epoch %d", at.Version, at.Epoch)
				}
				p, err := b.Person(t.Context(), acme, s.User, c.ID)
				if n := links(t, a, c.ID); (n == 0) != tc.links || (len(p.Groups) == 0) != tc.links || err != nil || links(t, a, "acme-two") != 1 {
					t.Errorf("%d links, groups %q, %v", n, p.Groups, err)
				}
				events := settingsEvents(t, a)
				if len(events) != 1 || strings.Contains(events[0], "sessions are ended") != tc.ended || strings.Contains(events[0], "1 links") != tc.links {
					t.Errorf("audit rows %q", events)
				}
				if _, err := a.UpdateConnection(t.Context(), want, "cli"); !errors.Is(err, ErrChanged) {
					t.Errorf("a second change from the same version: %v", err)
				}
			})
		})
	}
}

func TestWhoWasShutOutStaysOutWhenTheProvidersNamesChange(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		c := seedSAML(t, s, acme, wholeSAML())
		user := mustSignIn(t, s, samlIdentity(c, "alice")).User
		if _, err := s.SetActive(t.Context(), acme, user, false, "cli"); err != nil {
			t.Fatal(err)
		}
		c.SAML.SubjectFrom = "employee"
		if _, err := s.UpdateConnection(t.Context(), c, "cli"); err != nil {
			t.Fatal(err)
		}
		i := samlIdentity(c, "alice")
		i.Subject = "e-17"
		if _, _, err := s.SignIn(t.Context(), signIn(i)); idp.CodeOf(err) != idp.CodeInactive {
			t.Errorf("got %v", err)
		}
	})
}

func TestDeletedSAMLConnectionLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		c := seedSAML(t, s, acme, wholeSAML())
		id := [16]byte{1}
		if err := s.CreateTest(t.Context(), acme, c.ID, id, d.clock.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		old := mustSignIn(t, s, samlIdentity(c, "alice"))
		if err := s.DeleteConnection(t.Context(), acme, c.ID, "cli"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.CreateConnection(t.Context(), idp.Connection{ID: c.ID, Tenant: acme, Protocol: idp.SAML, Enabled: true, SAML: idp.SAMLSettings{IdP: samlIdP("k1")}}, "cli"); err != nil {
			t.Fatal(err)
		}
		if got := only(t, s); len(got.SAML.SPKeys) != 0 || got.SAML.MetadataURL != "" {
			t.Errorf("it starts with %+v", got.SAML)
		}
		if ok, err := s.BeginTest(t.Context(), acme, c.ID, id); ok || err != nil {
			t.Errorf("its test is still there: %v", err)
		}
		if got, err := s.Get(t.Context(), acme, old.Hash); err != nil || got.RevokedAt.IsZero() {
			t.Errorf("its session: %+v, %v", got, err)
		}
	})
}

func TestWithheldGroupsOverSAMLSayWhatToDo(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		c := seedSAML(t, s, acme, wholeSAML())
		c.Provider = idp.Entra
		if _, err := s.UpdateConnection(t.Context(), c, "cli"); err != nil {
			t.Fatal(err)
		}
		i := samlIdentity(c, "alice")
		i.GroupState, i.Groups = idp.GroupsUnknown, nil
		_, _, err := s.SignIn(t.Context(), signIn(i))
		e, ok := errors.AsType[*idp.Error](err)
		if !ok || e.Code != idp.CodeSAMLOverage || !strings.Contains(e.Hint, "150 groups") {
			t.Errorf("got %v, %+v", err, e)
		}
		for what, change := range map[idp.Code]func(*idp.Identity){
			idp.CodeSAMLAttributes: func(i *idp.Identity) { i.Email = "a\x00" },
			idp.CodeSAMLNameID:     func(i *idp.Identity) { i.Subject = "" },
			idp.CodeSAMLOverage:    func(i *idp.Identity) { i.Groups = make([]string, maxGroups+1) },
		} {
			i := samlIdentity(c, "alice")
			change(&i)
			if _, _, err := s.SignIn(context.WithoutCancel(t.Context()), signIn(i)); idp.CodeOf(err) != what {
				t.Errorf("got %v, want %s", err, what)
			}
		}
	})
}

func TestSessionsOfANameAreFoundByAnIndex(t *testing.T) {
	d := newDatabase(t, "sqlite:"+filepath.Join(t.TempDir(), "gate.db"))
	s := d.open(t)
	c := seedSAML(t, s, acme, wholeSAML())
	mustSignIn(t, s, samlIdentity(c, "alice"))
	var text []string
	err := querier{s.d, s.readers}.scan(t.Context(), func(scan func(...any) error) error {
		var a, b, n int
		var line string
		err := scan(&a, &b, &n, &line)
		text = append(text, line)
		return err
	}, "EXPLAIN QUERY PLAN "+namedSessions+" AND connection = $4", acme, "x", 1, c.ID)
	if all := strings.Join(text, "\n"); err != nil || !strings.Contains(all, "USING INDEX sessions_idp_subject (tenant=? AND connection=? AND idp_subject_hash=?)") {
		t.Errorf("%v:\n%s", err, all)
	}
}

// Who was switched off or deleted stays out also where the connection names people by something else from now on: their
// NameID was part of the name they went by.
func TestPersonWhoWasRemovedStaysOutUnderAnotherName(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		c := seedSAML(t, s, acme, wholeSAML())
		come := func(name, subject, user string) (directory.User, error) {
			i := identity(c.ID, subject)
			i.UserName, i.NameID, i.Email = user, idp.NameID{Value: name}, ""
			_, u, err := s.SignIn(t.Context(), signIn(i))
			return u, err
		}
		people := map[string]func(directory.UserID) error{
			"G-off": func(u directory.UserID) error {
				_, err := s.SetActive(t.Context(), acme, u, false, "cli")
				return err
			},
			"G-gone": func(u directory.UserID) error { return s.DeleteUser(t.Context(), acme, u, "cli") },
		}
		for name, remove := range people {
			u, err := come(name, `["","","","`+name+`"]`, name+"@acme-saml")
			if err != nil {
				t.Fatal(err)
			}
			if err := remove(u.ID); err != nil {
				t.Fatal(err)
			}
		}
		now := only(t, s)
		now.SAML.SubjectFrom = "employee"
		if _, err := s.UpdateConnection(t.Context(), now, "cli"); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]idp.Code{"G-off": idp.CodeInactive, "G-gone": idp.CodeDeprovisioned, "g-OFF": idp.CodeInactive, "G-new": ""} {
			if _, err := come(name, `["employee","e-`+name+`"]`, "e-"+name+"@acme-saml"); idp.CodeOf(err) != want || want == "" && err != nil {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
	})
}
