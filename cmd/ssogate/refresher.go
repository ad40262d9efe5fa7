package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tracio-ai/ssogate/extauthz"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// The times of the refresher.
const (
	lookEvery    = time.Minute      // how often it looks what is due
	lookApart    = 5 * time.Second  // between two looks, however many messages come with unknown keys
	readEvery    = 24 * time.Hour   // how often metadata is read, less jitter
	readJitter   = 4 * time.Hour    // so that a thousand connections do not ask in the same minute
	retryFirst   = time.Minute      // after a failure, then twice as long each time
	retryMost    = 6 * time.Hour    // of a provider whose metadata is known
	retryUnknown = 10 * time.Minute // of one whose metadata was never read: nobody can sign in
	unknownEvery = 10 * time.Minute // between two readings because of an unknown key
	atOnce       = 4                // providers asked at the same time
	keysWithin   = 30 * time.Second // how long the first keys keep a gate from being ready
)

// byGate is the actor of what the gate does on its own.
const byGate = "gate"

// connections is what the refresher needs of the store.
type connections interface {
	SAMLConnections(ctx context.Context) ([]idp.Connection, error)
	ApplySAML(ctx context.Context, ch idp.ConnectionChange) error
}

// refresher keeps what is known of SAML providers fresh, makes our keys where there are none, and raises its voice
// before a certificate runs out. It has one owner, which calls Run. What it does it saves under the version that it
// read: of two gates that do the same thing at once, one wins and the other finds it done.
type refresher struct {
	Store   connections
	From    fetcher
	Now     func() time.Time
	Log     *slog.Logger
	Fetched func(result string)
	Keys    func(keys []extauthz.SAMLKey, pending int)
	Panic   func()

	mu      sync.Mutex
	unknown map[idp.ConnectionID]bool // a message came, signed by a key that nobody knows
	woken   map[idp.ConnectionID]time.Time
	wake    chan struct{}

	keyed atomic.Bool // the connections that were there at the start have keys of ours

	plans  map[idp.ConnectionID]plan // Run's alone
	warned map[string]string         // Run's alone: the day on which something was last warned of
}

// plan is when a connection's metadata is read next.
type plan struct {
	base     time.Time // what it was made from
	jitter   time.Duration
	failures int
}

// UnknownKey asks for a connection's metadata to be read soon. It never blocks: it is called while somebody waits. Anybody
// can post what nobody's key signed: where one such message has had its reading, the next waits for the look of the minute.
func (r *refresher) UnknownKey(_ tenant.ID, c idp.ConnectionID) {
	now := r.Now()
	r.mu.Lock()
	if r.unknown == nil {
		r.unknown = map[idp.ConnectionID]bool{}
	}
	if r.woken == nil {
		r.woken = map[idp.ConnectionID]time.Time{}
	}
	r.unknown[c] = true
	last, before := r.woken[c]
	soon := before && now.Sub(last) < unknownEvery && !last.After(now)
	if !soon {
		r.woken[c] = now
	}
	r.mu.Unlock()
	if soon {
		return
	}
	select {
	case r.wakeUp() <- struct{}{}:
	default: // it is awake
	}
}

func (r *refresher) wakeUp() chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wake == nil {
		r.wake = make(chan struct{}, 1)
	}
	return r.wake
}

// Run looks every minute what is due, until ctx ends. A database or a provider that fails is tried again: sign-ins go on
// with what is known.
func (r *refresher) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	r.firstKeys(ctx)
	for {
		r.Look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookApart):
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-r.wakeUp():
		}
	}
}

// Keyed reports whether connections that were declared while no gate ran have keys by now, or that it took too long to
// wait for. Before it nobody can read the gate's metadata of such a connection, nor sign out over it.
func (r *refresher) Keyed() bool { return r.keyed.Load() }

// firstKeys makes keys where there are none, before any provider is asked: some take ten seconds to answer. What is
// not done in time, the next look does.
func (r *refresher) firstKeys(ctx context.Context) {
	defer r.keyed.Store(true)
	short, cancel := context.WithTimeout(ctx, keysWithin)
	defer cancel()
	all, err := r.Store.SAMLConnections(short)
	if err != nil {
		return // the look that follows meets the same, and says so
	}
	for i := range all {
		if len(all[i].SAML.SPKeys) == 0 && short.Err() == nil {
			r.tend(short, &all[i], true, false)
		}
	}
}

// Look does what is due now and waits for it.
func (r *refresher) Look(ctx context.Context) {
	all, err := r.Store.SAMLConnections(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		r.Log.ErrorContext(ctx, "saml connections not read", "err", err)
	}
	r.mu.Lock()
	unknown := r.unknown
	r.unknown = nil
	r.mu.Unlock()
	if r.plans == nil {
		r.plans, r.warned = map[idp.ConnectionID]plan{}, map[string]string{}
	}
	r.forget(all)

	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i := range all {
		c := &all[i]
		keyless, due := len(c.SAML.SPKeys) == 0, r.due(*c, unknown[c.ID])
		if !keyless && !due {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			r.tend(ctx, c, keyless, due)
		})
	}
	wg.Wait()
	if ctx.Err() == nil {
		r.look(ctx, all)
	}
}

// forget drops what is remembered of connections that are gone.
func (r *refresher) forget(all []idp.Connection) {
	here := make(map[idp.ConnectionID]bool, len(all))
	for _, c := range all {
		here[c.ID] = true
	}
	for id := range r.plans {
		if !here[id] {
			delete(r.plans, id)
		}
	}
	r.mu.Lock()
	maps.DeleteFunc(r.woken, func(id idp.ConnectionID, _ time.Time) bool { return !here[id] })
	r.mu.Unlock()
	today := r.today()
	for key, day := range r.warned {
		if day != today {
			delete(r.warned, key)
		}
	}
}

func (r *refresher) today() string { return r.Now().UTC().Format(time.DateOnly) }

// due says whether a connection's metadata is to be read now, and remembers how often that failed.
func (r *refresher) due(c idp.Connection, unknown bool) bool {
	p := c.SAML.IdP
	if c.SAML.MetadataURL == "" {
		return false
	}
	now := r.Now()
	attempted := later(p.Fetched, p.FetchAttempted)
	if attempted.IsZero() {
		return true
	}
	known, seen := r.plans[c.ID]
	if !seen || !known.base.Equal(attempted) {
		known.base, known.jitter = attempted, jitter(readJitter)
		if known.failures++; p.FetchError == "" {
			known.failures = 0
		}
		r.plans[c.ID] = known
	}
	wait := readEvery - known.jitter
	if p.FetchError != "" {
		most := retryMost
		if p.Fetched.IsZero() {
			most = retryUnknown
		}
		wait = backoff(known.failures, most)
	}
	if unknown {
		wait = min(wait, unknownEvery)
	}
	return now.Sub(attempted) >= wait || attempted.After(now.Add(time.Hour)) // a clock that was set back must not stop us
}

// backoff doubles with each failure.
func backoff(failures int, most time.Duration) time.Duration {
	wait := retryFirst
	for range min(failures-1, 20) {
		if wait *= 2; wait >= most {
			return most
		}
	}
	return wait
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// jitter draws a length of time below most.
func jitter(most time.Duration) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(most)))
	if err != nil {
		return 0
	}
	return time.Duration(n.Int64())
}

// tend makes our keys where a connection has none, reads its metadata where that is due, and saves both as one change.
func (r *refresher) tend(ctx context.Context, c *idp.Connection, keyless, due bool) {
	var ch idp.ConnectionChange
	if keyless {
		keys, err := saml.NewSPKeys(string(c.ID), r.Now())
		if err != nil {
			r.failed(ctx, c, "keys not made", err)
			return
		}
		ch.SPKeys, ch.Reason = keys, "keys made"
	}
	if due {
		next, reason := r.read(ctx, *c)
		ch.IdP = &next
		if reason != "" {
			ch.Reason = strings.TrimPrefix(ch.Reason+"; "+reason, "; ")
		}
	}
	if ctx.Err() != nil {
		return
	}
	err := r.apply(ctx, c, ch)
	if err != nil {
		r.failed(ctx, c, "not saved", err)
	}
	if err != nil && due && !overtaken(err) && ctx.Err() == nil {
		// What cannot be kept must not be read every minute, nor hold our own keys up: that it was tried can be kept.
		next := saml.FetchFailed(c.SAML.IdP, &idp.Error{Code: idp.CodeMetadata, Detail: "unsaved", Err: err}, r.Now())
		ch.IdP, ch.Reason = &next, yes(keyless, "keys made", "")
		err = r.apply(ctx, c, ch)
	}
	if err != nil {
		return
	}
	if keyless {
		c.SAML.SPKeys = ch.SPKeys
		r.Log.InfoContext(ctx, "saml keys made", "tenant", c.Tenant, "connection", c.ID)
	}
	if due {
		c.SAML.IdP = *ch.IdP
	}
}

// read reads a connection's metadata, and says what changed.
func (r *refresher) read(ctx context.Context, c idp.Connection) (next idp.SAMLIdP, reason string) {
	next, n, err := refresh(ctx, r.From, c, r.Now())
	if ctx.Err() != nil {
		return next, ""
	}
	result := "ok"
	if p, ok := errors.AsType[*panicked](err); ok {
		r.Panic()
		r.Log.ErrorContext(ctx, "panic while saml metadata was read", "tenant", c.Tenant, "connection", c.ID, "err", err, "stack", string(p.stack))
	}
	switch {
	case err != nil:
		result = next.FetchError
		r.Log.WarnContext(ctx, "saml metadata not read: the last that was good stays in force", "tenant", c.Tenant, "connection", c.ID, "err", err)
	case n.Alarm():
		result = "pending"
	case n.Changed:
		result = "changed"
	}
	r.Fetched(result)
	if reason = n.Reason(); reason != "" {
		r.Log.InfoContext(ctx, "saml metadata changed", "tenant", c.Tenant, "connection", c.ID, "reason", reason)
	}
	return next, reason
}

func (r *refresher) apply(ctx context.Context, c *idp.Connection, ch idp.ConnectionChange) error {
	ch.Tenant, ch.Connection, ch.Version, ch.Actor = c.Tenant, c.ID, c.Version, byGate
	return r.Store.ApplySAML(ctx, ch)
}

// failed reports what could not be saved. That somebody else was faster is no failure.
func (r *refresher) failed(ctx context.Context, c *idp.Connection, reason string, err error) {
	if ctx.Err() != nil || overtaken(err) {
		return
	}
	r.Log.ErrorContext(ctx, "saml connection not kept fresh", "tenant", c.Tenant, "connection", c.ID, "reason", reason, "err", err)
}

// overtaken reports that somebody else changed the connection meanwhile.
func overtaken(err error) bool {
	return errors.Is(err, store.ErrChanged) || errors.Is(err, store.ErrNotFound)
}

// look counts keys and warns of what runs out or waits: once a day each.
func (r *refresher) look(ctx context.Context, all []idp.Connection) {
	now := r.Now()
	var keys []extauthz.SAMLKey
	pending := 0
	for _, c := range all {
		for _, e := range saml.Expiries(c.SAML, now) {
			whose := yes(e.Ours, "ours", "theirs")
			keys = append(keys, extauthz.SAMLKey{Whose: whose, Left: e.NotAfter.Sub(now)})
			if e.Warn >= 0 && r.first(e.SHA256) {
				r.Log.WarnContext(ctx, "saml certificate runs out", "tenant", c.Tenant, "connection", c.ID,
					"whose", whose, "use", e.Use, "certificate", e.SHA256, "days_left", e.Days, "not_after", e.NotAfter, "hint", expirySentence(e))
			}
		}
		if n := pendingOf(c.SAML.IdP); n > 0 {
			pending += n
			if r.first(fmt.Sprintf("pending %s %d", c.ID, n)) {
				r.Log.WarnContext(ctx, "saml metadata brought what no known key vouches for: confirm it or ask the provider", "tenant", c.Tenant, "connection", c.ID, "waiting", n,
					"hint", fmt.Sprintf("compare with what the provider shows: ssogate connection show --tenant %[1]s %[2]s, then ssogate saml confirm --tenant %[1]s %[2]s", c.Tenant, c.ID))
			}
		}
	}
	r.Keys(keys, pending)
}

// first reports whether something is to be warned of: once a day.
func (r *refresher) first(key string) bool {
	if r.warned[key] != "" {
		return false
	}
	r.warned[key] = r.today()
	return true
}
