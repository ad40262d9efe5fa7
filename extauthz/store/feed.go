package store

import (
	"context"
	"database/sql"
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
	realmChanged    kind = "tenant"   // its settings, connections or mappings
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
	s.lookups.forgetAll(func(string) bool { return true })
}

// trusted reports whether the caches have heard of every change that any writer has been told is in force.
func (s *Store) trusted() bool {
	until := s.fresh.Load()
	if until == nil {
		return false
	}
	// Twice: the monotonic clock stops while the machine sleeps, the wall clock can be set back.
	now := s.now()
	return now.Before(*until) && now.Round(0).Before(until.Round(0))
}

// lease is how long a handle may answer from its caches without having looked at the change feed.
const lease = 2 * time.Second

// feed follows the changes that other processes make to a SQLite file.
type feed struct {
	s          *Store
	conn       *sql.Conn // PRAGMA data_version compares with what this very connection saw before
	version    int64
	cursor     int64
	registered int64     // the applied number in our row of replicas
	leaseUntil time.Time // the lease in our row
}

// start registers this handle, so that writers wait for it from now on, and only then lets the caches fill.
func (f *feed) start(ctx context.Context) error {
	if err := f.conn.QueryRowContext(ctx, "SELECT COALESCE(MAX(id), 0) FROM changes").Scan(&f.cursor); err != nil {
		return err
	}
	f.registered = -1
	f.s.forgetEverything()
	return f.poll(ctx)
}

// poll looks once: what changed is forgotten, writers are told how far we are, and the caches are good for another lease.
func (f *feed) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	began := f.s.now()
	var version int64
	if err := f.conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
		return fmt.Errorf("read data version: %w", err)
	}
	if version != f.version {
		if err := f.catchUp(ctx, began); err != nil {
			return err
		}
		f.version = version
	}
	if f.registered != f.cursor || began.Add(lease/2).After(f.leaseUntil) {
		if err := f.register(ctx, began.Add(lease)); err != nil {
			return err
		}
	}
	until := f.leaseUntil.Add(-time.Microsecond) // the row holds whole microseconds
	f.s.fresh.Store(&until)
	return nil
}

// catchUp applies the rows after the cursor. Rows of this handle were applied when they were written.
func (f *feed) catchUp(ctx context.Context, now time.Time) error {
	// Rows are trimmed after an hour: whoever slept for a good part of it may have missed some.
	if !f.leaseUntil.IsZero() && now.Round(0).Sub(f.leaseUntil.Round(0)) > keepChanges/2 {
		f.s.forgetEverything()
	}
	q := querier{f.s.d, f.conn}
	var changes []change
	last := f.cursor
	err := q.scan(ctx, func(scan func(...any) error) error {
		var c change
		var origin string
		if err := scan(&last, &c.kind, &c.tenant, &c.key, &origin); err != nil {
			return err
		}
		if origin != f.s.origin {
			changes = append(changes, c)
		}
		return nil
	}, "SELECT id, kind, tenant, key, origin FROM changes WHERE id > $1 ORDER BY id", f.cursor)
	if err != nil {
		return fmt.Errorf("read changes: %w", err)
	}
	if err := f.s.apply(ctx, changes); err != nil {
		return err
	}
	f.cursor = last
	return nil
}

// register tells writers how far this handle is and until when it trusts its caches.
func (f *feed) register(ctx context.Context, until time.Time) error {
	q := `INSERT INTO replicas (id, applied, lease_until) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET applied = excluded.applied, lease_until = excluded.lease_until`
	if _, err := f.conn.ExecContext(ctx, q, f.s.origin, f.cursor, micros(until)); err != nil {
		return fmt.Errorf("register replica: %w", err)
	}
	f.registered, f.leaseUntil = f.cursor, until
	return nil
}

// stop withdraws the trust first, then the row.
func (f *feed) stop(ctx context.Context) error {
	f.s.fresh.Store(nil)
	_, err := f.conn.ExecContext(ctx, "DELETE FROM replicas WHERE id = $1", f.s.origin)
	return err
}

// await returns when no other handle answers from a copy older than change last. A handle that does not follow is
// waited for until its lease is over: from then on it does not trust its caches, should it wake up. Its row says when
// that is, and the timer says it again, for a clock may have been wrong when the row was written.
func (s *Store) await(ctx context.Context, last int64) error {
	if last == 0 || s.path == "" {
		return nil
	}
	over := time.NewTimer(s.patience.lease)
	defer over.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var behind int
		q := "SELECT COUNT(*) FROM replicas WHERE id <> $1 AND applied < $2 AND lease_until > $3"
		if err := s.readers.QueryRowContext(ctx, q, s.origin, last, micros(s.now())).Scan(&behind); err != nil {
			return fmt.Errorf("written, but wait for the running gate: %w", err)
		}
		if behind == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("written, but wait for the running gate: %w", ctx.Err())
		case <-over.C:
			return nil
		case <-tick.C:
		}
	}
}
