package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// kind is what a row of the change feed is about.
type kind string

const (
	userChanged     kind = "user"     // key: the user's id
	sessionChanged  kind = "session"  // key: the session's hash in hex
	sessionsChanged kind = "sessions" // every session of the tenant
	realmChanged    kind = "tenant"   // its settings, connections, mappings or SCIM tokens
	peopleChanged   kind = "people"   // every user of the tenant
	keysChanged     kind = "keys"     // the key ring; no tenant
)

// manySessions is how many sessions one transaction names one by one before it says "all of the tenant's".
const manySessions = 1000

type change struct {
	kind   kind
	tenant tenant.ID
	key    string
}

func (s *Store) makeCaches() {
	size := func(n int) int {
		if n <= 0 {
			return 100_000
		}
		return n
	}
	s.sessions = newCache[sessionKey, *sessionEntry]("session", size(s.o.Sessions), s.o.CacheLookup)
	s.people = newCache[personKey, *record]("person", size(s.o.People), s.o.CacheLookup)
	s.realms = newCache[tenant.ID, *idp.Realm]("realm", 10_000, s.o.CacheLookup)
	s.lookups = newCache[string, tenant.ID]("lookup", 10_000, s.o.CacheLookup)
	s.tokens = newCache[tenant.ID, []liveToken]("scim token", 10_000, s.o.CacheLookup)
}

// apply makes the caches of this handle forget what changed.
func (s *Store) apply(ctx context.Context, changes []change) error {
	var keys bool
	for _, c := range changes {
		switch c.kind {
		case userChanged:
			s.people.forget(personKey{c.tenant, directory.UserID(c.key)})
		case sessionChanged:
			h, err := session.ParseHash(c.key)
			if err != nil {
				return fmt.Errorf("change of a session: %w", err) // the feed stops there, and with it the trust in caches
			}
			s.sessions.forget(sessionKey{c.tenant, h})
		case sessionsChanged:
			s.sessions.forgetAll(func(k sessionKey) bool { return k.tenant == c.tenant })
		case realmChanged:
			s.realms.forget(c.tenant)
			s.tokens.forget(c.tenant)
			s.lookups.forgetAll(func(string) bool { return true })
		case peopleChanged:
			s.people.forgetAll(func(k personKey) bool { return k.tenant == c.tenant })
		case keysChanged:
			keys = true
		default: // written by a newer program: forget everything rather than the wrong thing
			s.forgetEverything()
			keys = true
		}
	}
	if keys {
		return s.publishKeys(ctx)
	}
	return nil
}

func (s *Store) forgetEverything() {
	s.sessions.forgetAll(func(sessionKey) bool { return true })
	s.people.forgetAll(func(personKey) bool { return true })
	s.realms.forgetAll(func(tenant.ID) bool { return true })
	s.tokens.forgetAll(func(tenant.ID) bool { return true })
	s.lookups.forgetAll(func(string) bool { return true })
}

// trusted reports whether the caches have heard of every change that any writer has been told is in force.
func (s *Store) trusted() bool {
	until := s.fresh.Load()
	return until != nil && before(s.now(), *until)
}

// before compares twice: the monotonic clock stops while the machine sleeps, the wall clock can be set back.
func before(now, until time.Time) bool {
	return now.Before(until) && now.Round(0).Before(until.Round(0))
}

// Fresh reports whether reads are answered from caches now; otherwise each goes to the database.
func (s *Store) Fresh() bool { return s.trusted() }

// FeedAge is how long ago this handle last knew of every change: under a second while it follows, and growing when it
// does not.
func (s *Store) FeedAge() time.Duration {
	now, synced := s.now(), *s.synced.Load()
	return max(now.Sub(synced), now.Round(0).Sub(synced.Round(0)), 0)
}

// lease is how long a handle may answer from its caches without having looked at the change feed.
const lease = 2 * time.Second

// follower keeps the caches of a handle in step with the change feed.
//
// A writer waits for the handles that have a lease and have not come as far as its change. So caches may be trusted
// while the lease in our row of replicas has been in force ever since the last look at the feed began: whoever wrote
// after it waits for us.
type follower struct {
	s     *Store
	log   feedLog
	until time.Time // the lease in our row ends no earlier; zero: there is none
}

// feedLog is the change feed as one database keeps it.
type feedLog interface {
	// begin empties the caches and goes on from here.
	begin(ctx context.Context) error
	// catchUp makes the caches forget what changed since the last look. errLost: that is no longer known.
	catchUp(ctx context.Context) error
	// register tells writers how far this handle has come. It returns until when they wait for it: a lease from began,
	// or what the row still has of the one before.
	register(ctx context.Context, began time.Time) (until time.Time, err error)
	// leave withdraws this handle's row.
	leave(ctx context.Context) error
}

// errLost asks the follower to begin anew: rows of the change feed may be gone that this handle never saw.
var errLost = errors.New("changes were missed")

// start registers this handle, so that writers wait for it from now on, and only then lets the caches fill.
func (f *follower) start(ctx context.Context) error {
	if err := f.begin(ctx); err != nil {
		return err
	}
	return f.poll(ctx)
}

func (f *follower) begin(ctx context.Context) error {
	f.until = time.Time{}
	if err := f.log.begin(ctx); err != nil {
		return err
	}
	return f.s.publishKeys(ctx)
}

// poll makes the caches good for another lease. A handle without a lease looks twice: what was written between its
// first look and the new lease is only in the second.
func (f *follower) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, f.s.patience.read)
	defer cancel()
	for range 4 {
		ok, err := f.look(ctx)
		if errors.Is(err, errLost) {
			f.s.o.Log.Warn("caches emptied", "reason", "changes were missed", "err", err)
			err = f.begin(ctx)
		}
		if ok || err != nil {
			return err
		}
	}
	return errors.New("looking at the change feed takes longer than a lease")
}

// look reports whether the caches are trusted by it.
func (f *follower) look(ctx context.Context) (bool, error) {
	began := f.s.now()
	if err := f.log.catchUp(ctx); err != nil {
		return false, fmt.Errorf("read changes: %w", err)
	}
	until, err := f.log.register(ctx, began)
	if err != nil {
		return false, fmt.Errorf("register replica: %w", err)
	}
	held := before(f.s.now(), f.until) // asked after the new lease is there, so none of the time is left out
	f.until = until
	if !held {
		return false, nil
	}
	f.s.synced.Store(&began)
	f.s.fresh.Store(&until)
	return true, nil
}

// stop withdraws the trust first, then the row.
func (f *follower) stop(ctx context.Context) error {
	f.s.fresh.Store(nil)
	ctx, cancel := context.WithTimeout(ctx, f.s.patience.read)
	defer cancel()
	return f.log.leave(ctx)
}

// mark is the place of a transaction in the change feed; the zero mark is that of one without changes.
type mark struct {
	id  int64  // its last row
	xid string // PostgreSQL's transaction id
}

// await returns when no other handle answers from a copy older than m. A handle that does not follow is waited for
// until its lease is over: from then on it does not trust its caches, should it wake up. Its row says when that is, and
// the timer says it again, for a clock may have been wrong when the row was written.
func (s *Store) await(ctx context.Context, m mark) error {
	if m == (mark{}) {
		return nil
	}
	over := time.NewTimer(s.patience.lease)
	defer over.Stop()
	for pause := time.Millisecond; ; pause = min(2*pause, 8*time.Millisecond) {
		n, err := s.behind(ctx, m)
		if err != nil {
			return fmt.Errorf("written, but wait for the running gate: %w", err)
		}
		if n == 0 {
			return nil
		}
		next := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			next.Stop()
			return fmt.Errorf("written, but wait for the running gate: %w", ctx.Err())
		case <-over.C:
			next.Stop()
			return nil
		case <-next.C:
		}
	}
}

// behind counts the other handles that may answer from before m.
func (s *Store) behind(ctx context.Context, m mark) (n int, err error) {
	if s.path == "" {
		return s.behindOnPostgres(ctx, m)
	}
	q := "SELECT COUNT(*) FROM replicas WHERE id <> $1 AND applied < $2 AND lease_until > $3"
	err = s.readers.QueryRowContext(ctx, q, s.origin, m.id, micros(s.now())).Scan(&n)
	return n, err
}
