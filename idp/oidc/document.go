package oidc

import (
	"context"
	"crypto/rand"
	"math/big"
	"sync"
	"time"
)

const (
	fetchTime   = 10 * time.Second // for a document without which there is no sign-in
	refreshTime = 3 * time.Second  // for a newer copy of one we have
	failPause   = 5 * time.Second  // after a failed fetch with nothing to fall back on
	stalePause  = 30 * time.Second // after a failed refresh
)

// document is one thing a provider publishes, parsed. It is fetched when first needed, refreshed in passing by one
// caller once it is soft old, and served until it is hard old while the provider is down.
//
// Why there is no goroutine: a key set is only read right after the same provider answered a token request, so the
// caller who refreshes it seldom waits, and nothing has to be started, stopped or heard dying.
type document[T any] struct {
	soft, hard time.Duration
	now        func() time.Time
	load       func(ctx context.Context, source string) ([]byte, error)
	parse      func(body []byte) (T, error)
	saved      func(ctx context.Context) (source string, body []byte, fetched time.Time, err error) // of an earlier process; nil body: none
	save       func(ctx context.Context, source string, body []byte, fetched time.Time)
	failed     func(ctx context.Context, age time.Duration, err error) // a refresh failed and the old copy is used

	turn chan struct{} // holds one token: who takes it may fetch
	mu   sync.Mutex
	held copyOf[T]
	last failure

	restoring sync.Mutex
	restored  bool
}

// copyOf is a parsed document, where it came from and when.
type copyOf[T any] struct {
	value     T
	source    string
	fetched   time.Time
	refreshAt time.Time
	ok        bool
}

// failure is the last fetch that failed; until it has passed, callers share its error.
type failure struct {
	err    error
	source string
	until  time.Time
}

// newDocument readies d for use.
func newDocument[T any](d *document[T]) *document[T] {
	d.turn = make(chan struct{}, 1)
	d.turn <- struct{}{}
	return d
}

// get returns the document published at source.
func (d *document[T]) get(ctx context.Context, source string) (T, error) {
	d.restore(ctx)
	held, now := d.peek(source), d.now()
	if held.ok && now.Before(held.refreshAt) {
		return held.value, nil
	}
	if held.ok && now.Sub(held.fetched) <= d.hard {
		return d.refresh(ctx, source, held), nil
	}
	return d.must(ctx, source)
}

// refresh tries for a newer copy; whoever finds another at it takes the old one.
func (d *document[T]) refresh(ctx context.Context, source string, held copyOf[T]) T {
	select {
	case <-d.turn:
	default:
		return held.value
	}
	defer d.release()
	fresh, err := d.fetch(ctx, source, refreshTime)
	if err == nil {
		return fresh
	}
	d.mu.Lock()
	d.held.refreshAt = d.now().Add(stalePause)
	d.mu.Unlock()
	d.failed(ctx, d.now().Sub(held.fetched), err)
	return held.value
}

// must waits for a copy. Callers that waited behind a fetch share its outcome.
func (d *document[T]) must(ctx context.Context, source string) (T, error) {
	var none T
	select {
	case <-d.turn:
	case <-ctx.Done():
		return none, transportFault(ctx, "wait for provider's document", ctx.Err())
	}
	defer d.release()
	if held := d.peek(source); held.ok && d.now().Before(held.refreshAt) {
		return held.value, nil
	}
	d.mu.Lock()
	last := d.last
	d.mu.Unlock()
	if last.err != nil && last.source == source && d.now().Before(last.until) {
		return none, last.err
	}
	return d.fetch(ctx, source, fetchTime)
}

// renew is for a token that the copy does not explain. Whoever gets the turn asks may, which limits how often that is
// worth a request; who waited behind another's fetch sees what it brought.
func (d *document[T]) renew(ctx context.Context, source string, may func() bool) (T, error) {
	var none T
	select {
	case <-d.turn:
	case <-ctx.Done():
		return none, transportFault(ctx, "wait for provider's document", ctx.Err())
	}
	defer d.release()
	if held := d.peek(source); held.ok && !may() {
		return held.value, nil
	}
	return d.fetch(ctx, source, fetchTime)
}

func (d *document[T]) release() { d.turn <- struct{}{} }

func (d *document[T]) peek(source string) copyOf[T] {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held.source != source {
		return copyOf[T]{}
	}
	return d.held
}

// fetch goes on when the caller who has the turn hangs up, since others wait for what it brings; it keeps to their deadline.
func (d *document[T]) fetch(caller context.Context, source string, limit time.Duration) (T, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(caller), limit)
	defer cancel()
	if by, ok := caller.Deadline(); ok {
		ctx, cancel = context.WithDeadline(ctx, by)
		defer cancel()
	}
	value, body, err := d.read(ctx, source)
	if err != nil && !ranOut(ctx, caller) {
		d.remember(source, err)
	}
	if err != nil {
		return value, err
	}
	now := d.now()
	d.keep(value, source, now)
	d.save(ctx, source, body, now)
	return value, nil
}

func (d *document[T]) read(ctx context.Context, source string) (value T, body []byte, err error) {
	body, err = d.load(ctx, source)
	if err != nil {
		return value, nil, err
	}
	value, err = d.parse(body)
	return value, body, err
}

// ranOut reports that a fetch ended because its caller had no more time, which says nothing about the provider.
func ranOut(fetch, caller context.Context) bool {
	by, hasDeadline := caller.Deadline()
	until, _ := fetch.Deadline()
	return fetch.Err() != nil && hasDeadline && until.Equal(by)
}

// remember lets others share a failure.
func (d *document[T]) remember(source string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = failure{err: err, source: source, until: d.now().Add(failPause)}
}

func (d *document[T]) keep(value T, source string, fetched time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = copyOf[T]{value: value, source: source, fetched: fetched, refreshAt: fetched.Add(d.soft + jitter(d.soft/10)), ok: true}
	d.last = failure{}
}

// restore takes over what an earlier process saved. It is asked until it could be read; others wait for the answer, so
// that nobody goes to a provider that is down while a good copy is on its way.
func (d *document[T]) restore(ctx context.Context) {
	d.restoring.Lock()
	defer d.restoring.Unlock()
	if d.restored {
		return
	}
	source, body, fetched, err := d.saved(context.WithoutCancel(ctx))
	d.restored = err == nil
	if now := d.now(); fetched.After(now) { // saved under a clock that was ahead; it must still grow old
		fetched = now
	}
	if err != nil || body == nil || d.now().Sub(fetched) > d.hard {
		return
	}
	if value, err := d.parse(body); err == nil { // else it is of other settings: fetch as if there were none
		d.keep(value, source, fetched)
	}
}

// jitter spreads replicas that started together.
func jitter(span time.Duration) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(span)+1))
	if err != nil {
		return 0
	}
	return time.Duration(n.Int64())
}
