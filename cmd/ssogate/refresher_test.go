package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tracio-ai/ssogate/extauthz"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// fresh is a refresher on a real store, with a provider whose metadata it reads and a clock of its own.
type fresh struct {
	*refresher
	t       *testing.T
	store   *store.Store
	idp     *idptest.SAMLIdP
	now     time.Time
	log     *bytes.Buffer
	results []string
	keys    []extauthz.SAMLKey
	pending int
	panics  int
	bomb    bool  // reading panics
	down    error // what reading ends in instead
	signed  bool  // the metadata is signed with the key that signs
	lock    sync.Mutex
}

// Fetch implements fetcher.
func (f *fresh) Fetch(context.Context, string) ([]byte, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.bomb {
		panic("planted")
	}
	if f.down != nil {
		return nil, f.down
	}
	var o idptest.MetadataOptions
	if f.signed {
		k := f.idp.Key()
		o.SignWith = &k
	}
	return f.idp.Metadata(o)
}

const metadataAddress = "https://idp.example/metadata"

// refreshing declares one connection by the address of its metadata.
func refreshing(t *testing.T, tune func(*idp.SAMLSettings)) *fresh {
	t.Helper()
	f := &fresh{t: t, now: thursday, log: &bytes.Buffer{}}
	now := func() time.Time { return f.now }
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	f.store, err = store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "gate.db"), Sealer: sealer, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.store.Close(); err != nil {
			t.Error(err)
		}
	})
	settings := idp.SAMLSettings{MetadataURL: metadataAddress}
	if tune != nil {
		tune(&settings)
	}
	err = f.store.Declare(t.Context(), []store.Declared{{
		Tenant:      tenant.Tenant{ID: "acme", Slug: "acme", GroupKey: tenant.ByDisplayName},
		Connections: []idp.Connection{{ID: "acme-saml", Protocol: idp.SAML, Provider: idp.Generic, Enabled: true, SAML: settings}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if f.idp, err = idptest.NewSAML(idptest.SAMLOptions{BaseURL: "https://idp.example", Now: now}); err != nil {
		t.Fatal(err)
	}
	f.refresher = f.replica(f.store)
	return f
}

// replica is a further gate on the same store.
func (f *fresh) replica(s connections) *refresher {
	return &refresher{
		Store: s, From: f, Now: func() time.Time { return f.now }, Log: slog.New(slog.NewJSONHandler(f.log, nil)),
		Fetched: func(result string) { f.results = append(f.results, result) },
		Keys:    func(keys []extauthz.SAMLKey, pending int) { f.keys, f.pending = keys, pending },
		Panic:   func() { f.panics++ },
	}
}

// look lets time pass and looks. It returns the connection as it is stored, and what reading came to.
func (f *fresh) look(after time.Duration) (idp.Connection, string) {
	f.t.Helper()
	f.now, f.results = f.now.Add(after), nil
	f.Look(f.t.Context())
	return f.connection(), strings.Join(f.results, ",")
}

func (f *fresh) connection() idp.Connection {
	f.t.Helper()
	all, err := f.store.SAMLConnections(f.t.Context())
	if err != nil || len(all) != 1 {
		f.t.Fatalf("connections: %v, %v", all, err)
	}
	return all[0]
}

func states(c idp.Connection) string {
	var all []string
	for _, k := range c.SAML.IdP.Keys {
		all = append(all, string(k.State))
	}
	return strings.Join(all, ",")
}

// unsaved is a store that cannot keep what a provider published.
type unsaved struct{ connections }

func (u unsaved) ApplySAML(ctx context.Context, ch idp.ConnectionChange) error {
	if ch.IdP != nil && ch.IdP.FetchError == "" {
		return errors.New("900000 bytes of settings, at most 524288")
	}
	return u.connections.ApplySAML(ctx, ch)
}

// A provider whose metadata cannot be kept is not asked every minute for it, and fills no log.
func TestMetadataThatCannotBeSavedIsReadLessAndLessOften(t *testing.T) {
	f := refreshing(t, nil)
	f.refresher = f.replica(unsaved{f.store})
	reads := 0
	for range 120 {
		_, result := f.look(time.Minute)
		if result != "" {
			reads++
		}
	}
	c := f.connection()
	if reads < 3 || reads > 20 || c.SAML.IdP.FetchError != string(idp.CodeMetadata) || len(c.SAML.SPKeys) == 0 {
		t.Errorf("read %d times in two hours; %q, %d keys", reads, c.SAML.IdP.FetchError, len(c.SAML.SPKeys))
	}
	if n := strings.Count(f.log.String(), "saml connection not kept fresh"); n != reads {
		t.Errorf("%d lines of log for %d readings", n, reads)
	}
}

// Anybody can post what a key signed that nobody knows. Each may not have every connection read from the database.
func TestUnknownKeysWakeTheRefresherOnceInAWhile(t *testing.T) {
	f := refreshing(t, nil)
	f.look(0)
	woken := func() bool {
		select {
		case <-f.wakeUp():
			return true
		default:
			return false
		}
	}
	f.UnknownKey("acme", "acme-saml")
	if !woken() {
		t.Fatal("the first does not wake it")
	}
	f.look(time.Minute)
	f.UnknownKey("acme", "acme-saml")
	if woken() {
		t.Error("woken again a minute later")
	}
	if _, result := f.look(unknownEvery); result == "" {
		t.Error("forgotten: the look of each minute did not read it")
	}
	f.UnknownKey("acme", "acme-saml")
	if !woken() {
		t.Error("not woken ten minutes later")
	}
}

func TestDeclaredConnectionGetsKeysAndMetadataAtTheFirstLook(t *testing.T) {
	f := refreshing(t, nil)
	c, result := f.look(0)
	if result != "changed" || c.SAML.IdP.EntityID != f.idp.EntityID() || states(c) != "active" || !c.SAML.IdP.Fetched.Equal(f.now) {
		t.Errorf("%s: %+v", result, c.SAML.IdP)
	}
	if len(c.SAML.SPKeys) != 2 {
		t.Errorf("%d keys of ours", len(c.SAML.SPKeys))
	}
	if len(f.keys) != 3 || f.pending != 0 {
		t.Errorf("metrics were told %v and %d", f.keys, f.pending)
	}
	again, result := f.look(time.Minute)
	if result != "" || again.Version != c.Version || !bytes.Equal(again.SAML.SPKeys[0].Certificate, c.SAML.SPKeys[0].Certificate) {
		t.Errorf("a minute later: %q, version %d then %d", result, c.Version, again.Version)
	}
}

// TestMetadataIsReadOnceADay: and reading the same again disturbs nobody's sign-in.
func TestGateIsReadyOnceItsKeysAreMadeHoweverSlowTheProvider(t *testing.T) {
	f := refreshing(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan bool)
	f.From = hanging(asked)
	if f.Keyed() {
		t.Error("ready before it looked")
	}
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	<-asked
	if c := f.connection(); !f.Keyed() || len(c.SAML.SPKeys) != 2 {
		t.Errorf("ready: %t, with %d keys, while the provider is asked", f.Keyed(), len(c.SAML.SPKeys))
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// hanging is a provider that does not answer. It tells that it was asked.
type hanging chan bool

// Fetch implements fetcher.
func (h hanging) Fetch(ctx context.Context, _ string) ([]byte, error) {
	h <- true
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestBrokenStoreDoesNotKeepTheGateFromBeingReady(t *testing.T) {
	f := refreshing(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.firstKeys(ctx)
	if !f.Keyed() {
		t.Error("waits for keys for ever")
	}
}

func TestMetadataIsReadOnceADay(t *testing.T) {
	f := refreshing(t, nil)
	first, _ := f.look(0)
	if _, result := f.look(readEvery - readJitter - time.Minute); result != "" {
		t.Errorf("read again too early: %s", result)
	}
	c, result := f.look(readJitter + time.Minute)
	if result != "ok" || c.Version != first.Version || !c.SAML.IdP.Fetched.Equal(f.now) {
		t.Errorf("a day later: %q, version %d then %d, fetched %s", result, first.Version, c.Version, c.SAML.IdP.Fetched)
	}
}

// TestKeyThatNobodyVouchesForWaits is the takeover of a provider's web server: TLS alone makes no key count.
func TestKeyThatNobodyVouchesForWaits(t *testing.T) {
	f := refreshing(t, nil)
	f.look(0)
	if _, err := f.idp.PublishNextKey(); err != nil {
		t.Fatal(err)
	}
	c, result := f.look(readEvery)
	if result != "pending" || states(c) != "active,pending" || f.pending != 1 {
		t.Errorf("%s: %s, %d", result, states(c), f.pending)
	}
	if !strings.Contains(f.log.String(), "no known key vouches") || !strings.Contains(f.log.String(), "ssogate saml confirm --tenant acme acme-saml") {
		t.Errorf("no alarm: %s", f.log)
	}
	if c, result = f.look(readEvery); result != "ok" || states(c) != "active,pending" {
		t.Errorf("the day after: %s: %s", result, states(c))
	}
}

func TestKeyThatAKnownKeySignedCountsAtOnce(t *testing.T) {
	f := refreshing(t, nil)
	f.look(0)
	f.signed = true
	if _, err := f.idp.PublishNextKey(); err != nil {
		t.Fatal(err)
	}
	c, result := f.look(readEvery)
	if result != "changed" || states(c) != "active,active" {
		t.Fatalf("%s: %s", result, states(c))
	}
	f.idp.SignWithNext()
	f.idp.WithdrawOldKeys()
	if c, _ = f.look(readEvery); states(c) != "active,active" {
		t.Errorf("missing once: %s", states(c))
	}
	if c, _ = f.look(readEvery); states(c) != "active,retired" {
		t.Errorf("missing twice: %s", states(c))
	}
}

func TestKeyThatTLSVouchesForCountsWhereAnAdminSaysSo(t *testing.T) {
	f := refreshing(t, func(s *idp.SAMLSettings) { s.KeyRollover = idp.RolloverAuto })
	f.look(0)
	if _, err := f.idp.PublishNextKey(); err != nil {
		t.Fatal(err)
	}
	if c, result := f.look(readEvery); result != "changed" || states(c) != "active,active" {
		t.Errorf("%s: %s", result, states(c))
	}
}

// TestProvidersBadDayTakesNothingAway: what was good stays, and the address is asked again, ever less often.
func TestProvidersBadDayTakesNothingAway(t *testing.T) {
	f := refreshing(t, nil)
	good, _ := f.look(0)
	f.down = &idp.Error{Code: idp.CodeUnavailable, Detail: "fetch", Err: errors.New("no answer")}
	c, result := f.look(readEvery)
	if result != "idp-unavailable" || states(c) != "active" || c.Version != good.Version || c.SAML.IdP.FetchError != "idp-unavailable" || !c.SAML.IdP.Fetched.Equal(good.SAML.IdP.Fetched) {
		t.Errorf("%s: %+v", result, c.SAML.IdP)
	}
	asked := 0
	for range 24 * 60 {
		if _, result := f.look(time.Minute); result != "" {
			asked++
		}
	}
	if asked < 8 || asked > 16 {
		t.Errorf("asked %d times in a day", asked)
	}
	f.down = nil
	if c, result = f.look(retryMost); result != "ok" || c.SAML.IdP.FetchError != "" {
		t.Errorf("when it answers again: %s: %q", result, c.SAML.IdP.FetchError)
	}
}

// TestDocumentThatPanicsEndsNothing: one tenant's metadata would otherwise take the gate from all of them.
func TestDocumentThatPanicsEndsNothing(t *testing.T) {
	f := refreshing(t, nil)
	f.look(0)
	f.bomb = true
	c, result := f.look(readEvery)
	if result != "idp-unavailable" || states(c) != "active" || f.panics != 1 {
		t.Errorf("%s: %s, %d panics", result, states(c), f.panics)
	}
	if strings.Contains(f.log.String(), "planted") || !strings.Contains(f.log.String(), "panic while saml metadata was read") {
		t.Errorf("log: %s", f.log)
	}
}

// TestProviderThatWasNeverReadIsAskedAgainSoon: nobody can sign in before.
func TestProviderThatWasNeverReadIsAskedAgainSoon(t *testing.T) {
	f := refreshing(t, nil)
	f.down = errors.New("no database of ours either")
	if c, result := f.look(0); result == "" || c.SAML.IdP.EntityID != "" || len(c.SAML.SPKeys) != 2 {
		t.Errorf("%q: %+v", result, c.SAML)
	}
	if _, result := f.look(30 * time.Second); result != "" {
		t.Errorf("asked again within the minute: %s", result)
	}
	for range 20 {
		f.look(time.Minute)
	}
	f.down = nil
	if c, result := f.look(retryUnknown); result != "changed" || states(c) != "active" {
		t.Errorf("when it answers: %s: %s", result, states(c))
	}
}

func TestUnknownKeyIsLookedForOnceInTenMinutes(t *testing.T) {
	f := refreshing(t, nil)
	f.look(0)
	f.UnknownKey("acme", "acme-saml")
	if _, result := f.look(unknownEvery - time.Second); result != "" {
		t.Errorf("asked too soon: %s", result)
	}
	f.UnknownKey("acme", "acme-saml")
	f.UnknownKey("acme", "acme-saml")
	if _, result := f.look(time.Second); result != "ok" {
		t.Errorf("not asked after ten minutes: %q", result)
	}
	f.UnknownKey("acme", "acme-saml")
	if _, result := f.look(time.Minute); result != "" {
		t.Errorf("a flood of unknown keys has the provider asked each time: %s", result)
	}
	if _, result := f.look(unknownEvery); result != "" {
		t.Errorf("asked without an unknown key: %s", result)
	}
}

// slow lets a second gate go first: it reads what the first is about to change.
type slow struct {
	connections
	before func()
}

func (s slow) ApplySAML(ctx context.Context, ch idp.ConnectionChange) error {
	s.before()
	return s.connections.ApplySAML(ctx, ch)
}

// TestOfTwoGatesOneMakesTheKeys: were both to write, the provider would hold the certificate of the one that lost.
func TestOfTwoGatesOneMakesTheKeys(t *testing.T) {
	f := refreshing(t, nil)
	f.refresher = f.replica(slow{f.store, func() { f.replica(f.store).Look(t.Context()) }})
	c, _ := f.look(0)
	if len(c.SAML.SPKeys) != 2 || states(c) != "active" {
		t.Fatalf("%d keys, %s", len(c.SAML.SPKeys), states(c))
	}
	if n := strings.Count(f.log.String(), "saml keys made"); n != 1 {
		t.Errorf("%d gates made keys", n)
	}
	if strings.Contains(f.log.String(), `"level":"ERROR"`) {
		t.Errorf("that the other gate was faster is no error: %s", f.log)
	}
}

func TestCertificateThatRunsOutIsToldOnceADay(t *testing.T) {
	f := refreshing(t, nil)
	c, _ := f.look(0) // the provider's is good for three years
	f.down = errors.New("down")
	f.look(c.SAML.IdP.Keys[0].FirstSeen.AddDate(3, 0, 0).Sub(f.now) - 59*24*time.Hour)
	told := func() int { return strings.Count(f.log.String(), "saml certificate runs out") }
	if told() != 1 {
		t.Fatalf("59 days before: told %d times", told())
	}
	f.look(time.Hour)
	if told() != 1 {
		t.Errorf("an hour later: told %d times", told())
	}
	f.look(24 * time.Hour)
	if told() != 2 {
		t.Errorf("a day later: told %d times", told())
	}
	if !strings.Contains(f.log.String(), `"days_left":57`) || !strings.Contains(f.log.String(), `"whose":"theirs"`) || !strings.Contains(f.log.String(), "get its next one: new metadata") {
		t.Errorf("not told whose, how long and what to do: %s", f.log)
	}
}

func TestRefresherEndsWithItsOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var count atomic.Int64
		r := &refresher{
			Store: counting{&count}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Fetched: func(string) {}, Keys: func([]extauthz.SAMLKey, int) {},
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(10*time.Minute + time.Second)
		looks := count.Load()
		if looks < 10 || looks > 12 {
			t.Errorf("%d looks in ten minutes", looks)
		}
		for range 1000 {
			r.UnknownKey("acme", "acme-saml")
			time.Sleep(10 * time.Millisecond)
		}
		if more := count.Load() - looks; more < 1 || more > 4 {
			t.Errorf("%d looks in ten seconds of unknown keys", more)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}

type counting struct{ looks *atomic.Int64 }

func (c counting) SAMLConnections(context.Context) ([]idp.Connection, error) {
	c.looks.Add(1)
	return nil, errors.New("the database is down")
}

func (counting) ApplySAML(context.Context, idp.ConnectionChange) error { return nil }
