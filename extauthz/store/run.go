package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	pollEvery  = 100 * time.Millisecond
	flushEvery = 30 * time.Second
	sweepEvery = time.Minute
	// keepChanges is how long rows of the change feed stay.
	keepChanges = time.Hour
	// keepReplicas is how long the row of a handle stays that follows no longer. Two such times, and a sweep's interval,
	// are well within keepChanges.
	keepReplicas = keepChanges / 4
	// keepSessions is how long ended sessions stay listed.
	keepSessions = 24 * time.Hour
	// batch bounds the rows of one statement.
	batch = 200
)

// Run keeps the caches in step with other processes, writes last-seen times and sweeps out what expired, until ctx
// ends. Without it the store works, and reads everything from the database.
func (s *Store) Run(ctx context.Context) error {
	follow := s.followPostgres
	if s.path != "" {
		follow = s.followSQLite
	}
	var wg sync.WaitGroup
	var followErr error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() {
		defer cancel() // without the feed the rest is not worth running: the caller hears why
		followErr = follow(ctx)
	})
	s.keepHouse(ctx)
	wg.Wait()
	flushCtx, done := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer done()
	return errors.Join(followErr, s.flush(flushCtx, 0), s.flushCalls(flushCtx), s.flushTokens(flushCtx))
}

// followSQLite polls on a connection of its own. Its only writes are leases, which need not survive a power cut.
func (s *Store) followSQLite(ctx context.Context) (err error) {
	db, err := sqliteDB(s.path, url.Values{"_txlock": {"immediate"}, "_synchronous": {"NORMAL"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	last := context.WithoutCancel(ctx) // the connection outlives ctx: the row of replicas goes at the end
	conn, err := db.Conn(last)
	if err != nil {
		return fmt.Errorf("open change feed: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	f := &follower{s: s, log: &sqliteLog{s: s, conn: conn}}
	state := trouble{s: s, what: "follow changes"}
	err = f.start(last)
	state.note(err)
	started := err == nil // until then every read goes to the database, which is busy and not gone
	defer func() { err = errors.Join(err, f.stop(last)) }()
	s.repeat(ctx, s.patience.poll, "follow changes", func(context.Context) error {
		if !started {
			err := f.start(last)
			started = err == nil
			return err
		}
		return f.poll(last)
	})
	return nil
}

func (s *Store) keepHouse(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() {
		s.repeat(ctx, flushEvery, "write last-seen times", func(ctx context.Context) error { return s.flush(ctx, s.flushStep()) })
	})
	wg.Go(func() { s.repeat(ctx, sweepEvery, "sweep out expired rows", s.sweep) })
	wg.Go(func() { s.repeat(ctx, callsEvery, "write the provisioning log", s.flushCalls) })
	wg.Go(func() { s.repeat(ctx, flushEvery, "write when tokens were used", s.flushTokens) })
	wg.Go(func() { s.repeat(ctx, sweepEvery, "sweep the directory", s.sweepDirectory) })
	wg.Wait()
}

// repeat calls fn until ctx ends.
func (s *Store) repeat(ctx context.Context, interval time.Duration, what string, fn func(context.Context) error) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	state := trouble{s: s, what: what}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := fn(ctx); ctx.Err() == nil {
			state.note(err)
		}
	}
}

// trouble logs a failure when it begins and when it is over, not at each turn.
type trouble struct {
	s    *Store
	what string
	on   bool
}

func (t *trouble) note(err error) {
	switch {
	case err != nil && !t.on:
		t.s.o.Log.Error("store falls behind", "reason", t.what, "err", err)
	case err == nil && t.on:
		t.s.o.Log.Info("store caught up", "reason", t.what)
	}
	t.on = err != nil
}

// flushStep is how far a last-seen time moves before it is written again.
func (s *Store) flushStep() time.Duration { return min(time.Minute, s.o.Limits.Idle/10) }

// flush writes the last-seen times that moved by at least step.
func (s *Store) flush(ctx context.Context, step time.Duration) error {
	due := s.touches.due(step.Microseconds())
	keys := make([]sessionKey, 0, len(due))
	for k := range due {
		keys = append(keys, k)
	}
	for len(keys) > 0 {
		n := min(batch, len(keys))
		if err := s.writeSeen(ctx, keys[:n], due); err != nil {
			return err
		}
		keys = keys[n:]
	}
	for k, at := range s.touches.settled() {
		if e, ok := s.sessions.peek(k); ok {
			e.see(at)
		}
	}
	s.touches.wrote(due)
	return nil
}

// writeSeen raises last_seen in one statement; it never lowers it, for another replica may have seen the session later.
func (s *Store) writeSeen(ctx context.Context, keys []sessionKey, due map[sessionKey]int64) error {
	var values strings.Builder
	args := make([]any, 0, 3*len(keys))
	for i, k := range keys {
		if i > 0 {
			values.WriteString(", ")
		}
		fmt.Fprintf(&values, "(CAST($%d AS TEXT), CAST($%d AS TEXT), CAST($%d AS BIGINT))", 3*i+1, 3*i+2, 3*i+3)
		args = append(args, k.tenant, k.hash.String(), due[k])
	}
	return s.write(ctx, "write last-seen times", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "WITH v (tenant, id_hash, at) AS (VALUES "+values.String()+
			") UPDATE sessions SET last_seen = GREATEST(last_seen, v.at) FROM v WHERE sessions.tenant = v.tenant AND sessions.id_hash = v.id_hash", args...)
		return err
	})
}

// sweep deletes what nobody will ask for again, a batch at a time so that writers get their turn.
func (s *Store) sweep(ctx context.Context) error {
	now := s.now()
	for _, q := range []struct {
		statement string
		before    time.Time
	}{
		{"DELETE FROM sessions WHERE id_hash IN (SELECT id_hash FROM sessions WHERE abs_expiry < $1 LIMIT 1000)", now.Add(-keepSessions)},
		{"DELETE FROM seen WHERE (tenant, connection, kind, hash) IN (SELECT tenant, connection, kind, hash FROM seen WHERE expires < $1 LIMIT 1000)", now},
		{"DELETE FROM connection_tests WHERE (tenant, connection, id) IN (SELECT tenant, connection, id FROM connection_tests WHERE expires < $1 LIMIT 1000)", now},
	} {
		if err := s.sweepOne(ctx, q.statement, micros(q.before)); err != nil {
			return err
		}
	}
	if s.path == "" {
		return s.trimPostgres(ctx)
	}
	// Rows of handles that went without a word go first: one that comes back to find its row has missed nothing.
	if err := s.sweepOne(ctx, "DELETE FROM replicas WHERE lease_until < $1", micros(now.Add(-keepReplicas))); err != nil {
		return err
	}
	return s.sweepOne(ctx, "DELETE FROM changes WHERE id IN (SELECT id FROM changes WHERE at < $1 LIMIT 1000)", micros(now.Add(-keepChanges)))
}

func (s *Store) sweepOne(ctx context.Context, statement string, args ...any) error {
	for {
		var n int64
		err := s.write(ctx, "sweep", func(ctx context.Context, t *tx) (err error) {
			n, err = t.exec(ctx, statement, args...)
			return err
		})
		if err != nil || n < 1000 {
			return err
		}
	}
}
