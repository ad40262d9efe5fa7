package store

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const shards = 16

// cache is a bounded map that reads through to the database. Concurrent misses of one key share one read.
//
// A read that began before a change must not be kept after it: forget marks the reads under way, and a marked
// read goes to those who wait for it, who all asked before the change returned, and to nobody after.
type cache[K comparable, V any] struct {
	name  string
	tell  func(cache string, hit bool)
	seed  maphash.Seed
	parts [shards]part[K, V]
}

type part[K comparable, V any] struct {
	mu      sync.Mutex
	lru     *simplelru.LRU[K, V]
	flights map[K]*flight[V]
}

type flight[V any] struct {
	done   chan struct{}
	stale  bool // guarded by the part's mu
	value  V
	err    error
	gaveUp bool // the one who read ran out of time
}

func newCache[K comparable, V any](name string, size int, tell func(string, bool)) *cache[K, V] {
	c := &cache[K, V]{name: name, tell: tell, seed: maphash.MakeSeed()}
	for i := range c.parts {
		lru, err := simplelru.NewLRU[K, V](max(1, size/shards), nil)
		if err != nil {
			panic(err) // only for a size below 1
		}
		c.parts[i].lru = lru
		c.parts[i].flights = map[K]*flight[V]{}
	}
	return c
}

func (c *cache[K, V]) part(k K) *part[K, V] {
	return &c.parts[maphash.Comparable(c.seed, k)%shards]
}

// peek looks without reading the database.
func (c *cache[K, V]) peek(k K) (V, bool) {
	p := c.part(k)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lru.Peek(k)
}

// get returns the value of k, from the database on a miss. Errors are not kept.
func (c *cache[K, V]) get(ctx context.Context, k K, load func(context.Context) (V, error)) (V, error) {
	p := c.part(k)
	for {
		v, f, first := p.look(k)
		c.lookedUp(f == nil)
		if f == nil {
			return v, nil
		}
		if first {
			p.fly(ctx, k, f, load)
			return f.value, f.err
		}
		select {
		case <-f.done:
			if f.gaveUp && ctx.Err() == nil {
				continue // who read had less time than we have
			}
			return f.value, f.err
		case <-ctx.Done():
			return v, ctx.Err()
		}
	}
}

// look returns the value of k, or the read to wait for; first says that it is the caller's to do.
func (p *part[K, V]) look(k K) (v V, f *flight[V], first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v, ok := p.lru.Get(k); ok {
		return v, nil, false
	}
	if f, running := p.flights[k]; running {
		return v, f, false
	}
	f = &flight[V]{done: make(chan struct{})}
	p.flights[k] = f
	return v, f, true
}

// errUnfinished is what waiters get when a read panicked: never a zero value without an error.
var errUnfinished = errors.New("read did not finish")

// fly reads for all who wait, and for no longer than the one who came first may wait.
func (p *part[K, V]) fly(ctx context.Context, k K, f *flight[V], load func(context.Context) (V, error)) {
	f.err = errUnfinished
	defer close(f.done)
	defer p.land(k, f)
	f.value, f.err = load(ctx)
	f.gaveUp = f.err != nil && ctx.Err() != nil
}

func (p *part[K, V]) land(k K, f *flight[V]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.stale {
		return
	}
	delete(p.flights, k)
	if f.err == nil {
		p.lru.Add(k, f.value)
	}
}

func (c *cache[K, V]) lookedUp(hit bool) {
	if c.tell != nil {
		c.tell(c.name, hit)
	}
}

// forget drops one key.
func (c *cache[K, V]) forget(k K) {
	p := c.part(k)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lru.Remove(k)
	p.abandon(k)
}

func (p *part[K, V]) abandon(k K) {
	if f, ok := p.flights[k]; ok {
		f.stale = true
		delete(p.flights, k)
	}
}

// replace drops one key if its value is still the old one; a read under way, of somebody who found the same, goes on.
func (c *cache[K, V]) replace(k K, old func(V) bool) {
	p := c.part(k)
	p.mu.Lock()
	defer p.mu.Unlock()
	if v, ok := p.lru.Peek(k); ok && old(v) {
		p.lru.Remove(k)
	}
}

// forgetAll drops every key that matches.
func (c *cache[K, V]) forgetAll(match func(K) bool) {
	for i := range c.parts {
		c.parts[i].forgetAll(match)
	}
}

func (p *part[K, V]) forgetAll(match func(K) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.lru.Keys() {
		if match(k) {
			p.lru.Remove(k)
		}
	}
	for k := range p.flights {
		if match(k) {
			p.abandon(k)
		}
	}
}
