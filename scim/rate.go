package scim

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/tracio-ai/ssogate/idp/tenant"
)

// Rate is what one tenant may ask of one replica. The zero value takes the defaults.
type Rate struct {
	PerSecond float64       // sustained requests a second; 100
	Burst     int           // 200
	InFlight  int           // requests of a tenant worked on at a time; 16
	Patience  time.Duration // how long a request waits for its turn; 2 s
	Writers   int           // writes of all tenants worked on at a time; 32
}

func (r Rate) defaults() Rate {
	if r.PerSecond <= 0 {
		r.PerSecond = 100
	}
	if r.Burst <= 0 {
		r.Burst = 200
	}
	if r.InFlight <= 0 {
		r.InFlight = 16
	}
	if r.Patience <= 0 {
		r.Patience = 2 * time.Second
	}
	if r.Writers <= 0 {
		r.Writers = 32
	}
	return r
}

// turnstile lets each tenant in at its own rate and gives write slots to tenants in turn, so that one tenant's flood
// takes nothing from another. It is asked after authentication: only tenants of ours have an entry.
type turnstile struct {
	rate Rate
	now  func() time.Time

	mu      sync.Mutex
	buckets map[tenant.ID]*bucket
	writing int
	queues  map[tenant.ID][]chan struct{} // writers that wait, by tenant
	ring    []tenant.ID                   // tenants with waiting writers, next first
}

// bucket is one tenant's tokens. They go below zero while requests wait for theirs.
type bucket struct {
	tokens float64
	at     time.Time
	flying chan struct{}
}

// maxIdleBuckets is how many tenants are remembered before those that rest are forgotten.
const maxIdleBuckets = 4096

func newTurnstile(r Rate, now func() time.Time) *turnstile {
	return &turnstile{rate: r.defaults(), now: now, buckets: map[tenant.ID]*bucket{}, queues: map[tenant.ID][]chan struct{}{}}
}

// enter waits for a turn of t. The caller calls leave when its request is answered.
func (s *turnstile) enter(ctx context.Context, t tenant.ID) (leave func(), err error) {
	b, wait, ok := s.take(t)
	if !ok {
		return nil, tooManyRequests(wait)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.rate.Patience, errPatience)
	defer cancel()
	if wait > 0 {
		if err := sleep(ctx, wait); err != nil {
			_ = s.giveBack(b)
			return nil, tooManyRequests(wait)
		}
	}
	select {
	case b.flying <- struct{}{}:
		return func() { <-b.flying }, nil
	case <-ctx.Done():
		if s.giveBack(b) <= 1 {
			return nil, tooManyRequests(time.Second)
		}
		// The tenant keeps to its rate: that its earlier requests are still worked on is our slowness.
		return nil, fault(context.Cause(ctx))
	}
}

// take draws a token of t and says how long to wait until it is good. Not ok: longer than anyone waits.
func (s *turnstile) take(t tenant.ID) (b *bucket, wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	b = s.bucket(t, now)
	b.refill(s.rate, now)
	wait = time.Duration((1 - b.tokens) / s.rate.PerSecond * float64(time.Second))
	if wait > s.rate.Patience {
		return nil, wait, false
	}
	b.tokens--
	return b, max(0, wait), true
}

// giveBack returns a token and how many there are then.
func (s *turnstile) giveBack(b *bucket) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.refill(s.rate, s.now())
	b.tokens++
	return b.tokens
}

func (s *turnstile) bucket(t tenant.ID, now time.Time) *bucket {
	if b := s.buckets[t]; b != nil {
		return b
	}
	if len(s.buckets) >= maxIdleBuckets {
		for id, b := range s.buckets {
			b.refill(s.rate, now)
			if b.tokens >= float64(s.rate.Burst) && len(b.flying) == 0 {
				delete(s.buckets, id)
			}
		}
	}
	b := &bucket{tokens: float64(s.rate.Burst), at: now, flying: make(chan struct{}, s.rate.InFlight)}
	s.buckets[t] = b
	return b
}

func (b *bucket) refill(r Rate, now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(float64(r.Burst), b.tokens+passed.Seconds()*r.PerSecond)
	}
	b.at = now // a clock set back costs the time it was set back, never more
}

// write waits for one of the write slots. Those who wait are served tenant by tenant in turn, each tenant's own in
// the order they came.
func (s *turnstile) write(ctx context.Context, t tenant.ID) (done func(), err error) {
	s.mu.Lock()
	if s.writing < s.rate.Writers && len(s.ring) == 0 {
		s.writing++
		s.mu.Unlock()
		return s.written, nil
	}
	mine := make(chan struct{}, 1)
	if len(s.queues[t]) == 0 {
		s.ring = append(s.ring, t)
	}
	s.queues[t] = append(s.queues[t], mine)
	s.mu.Unlock()
	select {
	case <-mine:
		return s.written, nil
	case <-ctx.Done():
	}
	if s.withdraw(t, mine) {
		return nil, fault(context.Cause(ctx))
	}
	return s.written, nil // the slot came at the same moment
}

// written hands the slot to the next tenant in the ring, or frees it.
func (s *turnstile) written() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ring) == 0 {
		s.writing--
		return
	}
	t := s.ring[0]
	s.ring = s.ring[1:]
	queue := s.queues[t]
	queue[0] <- struct{}{}
	if len(queue) == 1 {
		delete(s.queues, t)
		return
	}
	s.queues[t] = queue[1:]
	s.ring = append(s.ring, t)
}

func (s *turnstile) withdraw(t tenant.ID, mine chan struct{}) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range s.queues[t] {
		if c != mine {
			continue
		}
		s.queues[t] = append(s.queues[t][:i:i], s.queues[t][i+1:]...)
		if len(s.queues[t]) == 0 {
			delete(s.queues, t)
			for j, id := range s.ring {
				if id == t {
					s.ring = append(s.ring[:j:j], s.ring[j+1:]...)
					break
				}
			}
		}
		return true
	}
	return false
}

var errPatience = errors.New("waited too long for a turn")

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func tooManyRequests(wait time.Duration) *Error {
	return &Error{
		Status: http.StatusTooManyRequests, Retry: max(wait, time.Second),
		Detail: "Too many requests for this tenant. Try again after the time given in Retry-After.",
	}
}
