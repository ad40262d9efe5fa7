package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

var (
	_ session.Store   = (*Store)(nil)
	_ session.Burner  = (*Store)(nil)
	_ directory.Store = (*Store)(nil)
	_ audit.Sink      = (*Store)(nil)
	_ idp.Documents   = (*Store)(nil)
)

// ErrNotFound reports a tenant, connection, mapping or tombstone that is not there, or is another tenant's.
var ErrNotFound = errors.New("not in the store")

// ErrTaken reports an id, slug or domain that belongs to something else already.
var ErrTaken = errors.New("taken")

// ErrDeclared reports a change to something that the configuration file declares.
var ErrDeclared = errors.New("declared in the configuration file: change it there")

// Options say which database and how.
type Options struct {
	DSN         string // sqlite:PATH or postgres://…
	Sealer      *secret.Sealer
	Now         func() time.Time
	Log         *slog.Logger                     // nil: silent
	Limits      session.Limits                   // the operator's: how long old keys must open, how often last-seen is written
	OnKeys      func([]session.Key)              // told the key ring at Open and after each change of it
	Sessions    int                              // cached sessions; 0: 100,000
	People      int                              // cached users; 0: 100,000
	Observe     func(op string, d time.Duration) // told each call that reached the database
	CacheLookup func(cache string, hit bool)     // told each look into a cache
	Patient     bool                             // for a command: a busy machine makes it slow, not wrong
}

// Store is the durable state. Its methods may be called from many goroutines.
type Store struct {
	o        Options
	d        dialect
	path     string // of the SQLite file; empty on PostgreSQL
	postgres *pgx.ConnConfig
	db       *sql.DB // writes: on SQLite a single connection
	readers  *sql.DB
	origin   string // this handle's name in the change feed
	serving  *os.File
	patience patience // real time; tests on a busy machine have more of it

	stamps   atomic.Uint64
	fresh    atomic.Pointer[time.Time] // caches are trusted until then; nil: never
	synced   atomic.Pointer[time.Time] // when the last look at the change feed began; at first, when the store was opened
	touches  touches
	sessions *cache[sessionKey, *sessionEntry]
	people   *cache[personKey, *record]
	realms   *cache[tenant.ID, *idp.Realm]
	lookups  *cache[string, tenant.ID]

	silent struct { // the tenants whose provider's silence has been told, and since when it lasts
		sync.Mutex
		told map[tenant.ID]time.Time
	}
	tokens *cache[tenant.ID, []liveToken]
	scim   provisioning
}

// patience is measured by timers, not by Now.
type patience struct {
	poll  time.Duration // how often the change feed is looked at
	read  time.Duration // how long a read may take
	write time.Duration // how long a write may take, its turn at the writer included
	lease time.Duration // how long a writer waits for a handle that does not follow
}

// How long a call may take. A request waits no longer for a database that does not answer than it takes to say so.
const (
	readTimeout  = time.Second
	writeTimeout = 5 * time.Second
	openTimeout  = time.Minute

	commandTimeout = 30 * time.Second
)

// Open opens or creates the database, brings its schema up to date and sees to it that there are keys. Caches are in
// use only while Run runs.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Sealer == nil || o.Now == nil {
		return nil, errors.New("open store: Sealer and Now are required")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	s := &Store{o: o, origin: tenant.RandomName(), patience: patience{poll: pollEvery, read: readTimeout, write: writeTimeout, lease: lease + lease/20}}
	s.makeCaches()
	opened := o.Now()
	s.synced.Store(&opened)
	if o.Patient {
		s.patience.read, s.patience.write = commandTimeout, commandTimeout
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	path, isFile := strings.CutPrefix(s.o.DSN, "sqlite:")
	switch {
	case isFile && path != "":
		if err := s.openSQLite(ctx, path); err != nil {
			return err
		}
	case strings.HasPrefix(s.o.DSN, "postgres://"), strings.HasPrefix(s.o.DSN, "postgresql://"):
		if err := s.openPostgres(ctx); err != nil {
			return err
		}
	default: // the text may hold a password, so it is not quoted
		return errors.New("not a store: want sqlite:PATH or postgres://USER@HOST/DB")
	}
	if err := s.firstKeys(ctx); err != nil {
		return err
	}
	return s.publishKeys(ctx)
}

// Close ends the store. Run has returned before.
func (s *Store) Close() error {
	var errs []error
	if s.readers != nil && s.readers != s.db {
		errs = append(errs, s.readers.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.serving != nil {
		errs = append(errs, s.serving.Close())
	}
	return errors.Join(errs...)
}

// Ping reports whether the database answers a read.
func (s *Store) Ping(ctx context.Context) error {
	return s.read(ctx, "ping", func(ctx context.Context, q querier) error {
		var n int
		return q.QueryRowContext(ctx, "SELECT COUNT(*) FROM keys").Scan(&n)
	})
}

// LockServing makes sure that this is the only process that serves from this SQLite file; the lock goes with the
// process. PostgreSQL serves any number.
func (s *Store) LockServing() error {
	if s.path == "" || s.serving != nil {
		return nil
	}
	f, err := lockFile(s.path + ".serving")
	if errors.Is(err, errLocked) {
		return fmt.Errorf("another ssogate serves from %s already: stop it, or give this one a store of its own; several gates share postgres://", s.path)
	}
	if err != nil {
		return fmt.Errorf("lock store: %w", err)
	}
	s.serving = f
	return nil
}

func (s *Store) now() time.Time { return s.o.Now() }

// observe is deferred as observe(op, s.now()).
func (s *Store) observe(op string, began time.Time) {
	if s.o.Observe != nil {
		s.o.Observe(op, s.now().Sub(began))
	}
}
