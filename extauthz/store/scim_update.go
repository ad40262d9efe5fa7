package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// Update implements directory.Store. On PostgreSQL each update is a transaction of its own. SQLite has one writer and
// pays for each commit with a sync of the disk: updates that arrive while one is being committed share the next.
func (s *Store) Update(ctx context.Context, t tenant.ID, fn func(directory.Tx) error) error {
	if s.path != "" {
		return s.share(&update{ctx: ctx, tenant: t, fn: fn, wake: make(chan bool, 1)})
	}
	return s.write(ctx, "update directory", func(sqlCtx context.Context, w *tx) error {
		return w.directory(sqlCtx, directory.ActorOf(ctx), t, fn)
	})
}

// update is one call of Update that waits for its turn.
type update struct {
	ctx    context.Context //nolint:containedctx // the caller's, who waits until the update is over
	tenant tenant.ID
	fn     func(directory.Tx) error
	err    error
	leads  bool
	wake   chan bool // true: lead; false: it is done
}

// commits lets one of those who wait write for all of them. Whoever leads serves one batch, in which their own update
// is the first, and then wakes the next.
type commits struct {
	mu      sync.Mutex
	queue   []*update
	leading bool
}

const (
	maxBatch  = 64
	batchTime = 100 * time.Millisecond // after which those who are left go into the next batch
)

// join queues an update and reports whether its caller leads.
func (c *commits) join(u *update) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, u)
	if c.leading {
		return false
	}
	c.leading, u.leads = true, true
	return true
}

// leave takes back an update that nobody has begun.
func (c *commits) leave(u *update) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.queue, u)
	if i < 0 || u.leads {
		return false
	}
	c.queue = slices.Delete(c.queue, i, i+1)
	return true
}

func (c *commits) take() []*update {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.queue), maxBatch)
	batch := slices.Clone(c.queue[:n])
	c.queue = slices.Delete(c.queue, 0, n)
	return batch
}

// pass puts back what the batch had no time for and wakes who leads next.
func (c *commits) pass(rest []*update) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(slices.Clone(rest), c.queue...)
	if len(c.queue) == 0 {
		c.leading = false
		return
	}
	c.queue[0].leads = true
	c.queue[0].wake <- true
}

func (s *Store) share(u *update) error {
	c := &s.scim.turn
	if c.join(u) {
		return s.lead(u)
	}
	select {
	case leads := <-u.wake:
		return s.follow(u, leads)
	case <-u.ctx.Done():
		if c.leave(u) {
			return fmt.Errorf("update directory: %w", u.ctx.Err())
		}
		return s.follow(u, <-u.wake) // it has begun: fn must be over before its caller goes on
	}
}

func (s *Store) follow(u *update, leads bool) error {
	if leads {
		return s.lead(u)
	}
	return u.err
}

// lead writes the batch whose first update is u.
func (s *Store) lead(u *update) error {
	batch := s.scim.turn.take()
	var done int
	defer func() {
		s.scim.turn.pass(batch[done:])
		for _, other := range batch[1:max(done, 1)] {
			other.wake <- false
		}
	}()
	for _, b := range batch {
		b.err = errUnfinished // what remains if a panic ends this
	}
	// A caller who goes away must not take the others' writes along; write has a limit of its own.
	err := s.write(context.WithoutCancel(u.ctx), "update directory", func(ctx context.Context, w *tx) (err error) {
		done, err = w.batch(ctx, batch)
		return err
	})
	if err != nil {
		done = max(done, 1) // the others may have better luck without this one
	}
	for _, b := range batch[:done] {
		switch {
		case err != nil:
			b.err = err
		case b.err != nil:
			b.err = fmt.Errorf("update directory: %w", b.err)
		}
	}
	return u.err
}

// batch runs updates one after the other until the time is up, each undone alone if it fails, and returns how many.
func (t *tx) batch(ctx context.Context, batch []*update) (int, error) {
	began := t.s.now()
	for i, u := range batch {
		if i > 0 && t.s.now().Sub(began) > batchTime {
			return i, nil
		}
		if u.err = u.ctx.Err(); u.err != nil {
			continue
		}
		if err := t.alone(ctx, u); err != nil {
			return len(batch), err
		}
	}
	return len(batch), nil
}

// alone runs one update so that its failure undoes nothing else. Its error is the batch's.
func (t *tx) alone(ctx context.Context, u *update) error {
	if _, err := t.exec(ctx, "SAVEPOINT one"); err != nil {
		return err
	}
	before := len(t.changes)
	u.err = t.directory(ctx, directory.ActorOf(u.ctx), u.tenant, u.fn)
	if u.err != nil {
		t.changes = t.changes[:before]
		if _, err := t.exec(ctx, "ROLLBACK TO one"); err != nil {
			return errors.Join(u.err, err)
		}
	}
	_, err := t.exec(ctx, "RELEASE one")
	return err
}

// directoryTx is a write to one tenant's directory. What it did is written to audit log, change feed and counters at
// its end, once.
type directoryTx struct {
	*tx
	ctx      context.Context //nolint:containedctx // it lives as long as the transaction, whose statements share one
	tenant   tenant.ID
	actor    directory.Actor
	people   map[directory.UserID]struct{} // whose row, link or set of groups changed
	everyone bool                          // more of them than are worth naming
	users    int64                         // how many more there are
	groups   int64
	events   []audit.Event
}

// manyPeople is how many people one transaction names one by one before it says "all of the tenant's".
const manyPeople = 1000

func (t *tx) directory(ctx context.Context, actor directory.Actor, id tenant.ID, fn func(directory.Tx) error) (err error) {
	d := &directoryTx{tx: t, ctx: ctx, tenant: id, actor: actor, people: map[directory.UserID]struct{}{}}
	if err := t.exists(ctx, id); err != nil {
		return err
	}
	if err := guarded(fn, d); err != nil {
		return err
	}
	return d.finish()
}

// guarded makes a panic of fn its own failure, not that of the updates beside it.
func guarded(fn func(directory.Tx) error, d *directoryTx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("update panicked: %v", p)
		}
	}()
	return fn(d)
}

func (d *directoryTx) touch(ids ...directory.UserID) {
	for _, id := range ids {
		if d.everyone {
			return
		}
		d.people[id] = struct{}{}
		d.everyone = len(d.people) > manyPeople
	}
}

func (d *directoryTx) event(what audit.Action, target, reason string) {
	d.events = append(d.events, audit.Event{
		Tenant: d.tenant, Actor: d.actor.Name, Action: what, Target: target, Outcome: "ok", Reason: reason,
		RequestID: d.actor.RequestID, IP: d.actor.IP,
	})
}

func (d *directoryTx) finish() error {
	if d.everyone {
		d.changed(peopleChanged, d.tenant, "")
	} else {
		for id := range d.people {
			d.changed(userChanged, d.tenant, string(id))
		}
	}
	for _, e := range d.events {
		if err := d.record(d.ctx, e); err != nil {
			return err
		}
	}
	return d.count(d.ctx, d.tenant, d.users, d.groups)
}

// count keeps the number of a tenant's provisioned users and groups. It comes last in a transaction: its row is one
// that every writer of the tenant wants.
func (t *tx) count(ctx context.Context, id tenant.ID, users, groups int64) error {
	if users == 0 && groups == 0 {
		return nil
	}
	_, err := t.exec(ctx, `INSERT INTO directory_stats (tenant, users, groups) VALUES ($1, $2, $3) ON CONFLICT (tenant)
		DO UPDATE SET users = directory_stats.users + excluded.users, groups = directory_stats.groups + excluded.groups`, id, users, groups)
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	return nil
}
