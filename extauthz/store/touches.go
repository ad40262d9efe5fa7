package store

import (
	"maps"
	"sync"
)

// touches remembers when sessions were last seen until a batch writes it. Get looks here as well, so a session that
// is in use never looks idle for want of a write.
type touches struct {
	mu   sync.Mutex
	seen map[sessionKey]touch
}

type touch struct{ at, written int64 } // microseconds; written is 0 until the first batch

func (t *touches) add(k sessionKey, at int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = map[sessionKey]touch{}
	}
	have := t.seen[k]
	if at > have.at {
		have.at = at
		t.seen[k] = have
	}
}

// last returns the later of a session's stored and unwritten instants.
func (t *touches) last(k sessionKey, stored int64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(stored, t.seen[k].at)
}

// due returns what a batch should write: all that moved by at least step since the last batch.
func (t *touches) due(step int64) map[sessionKey]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	due := map[sessionKey]int64{}
	for k, v := range t.seen {
		if v.at > v.written && v.at-v.written >= step {
			due[k] = v.at
		}
	}
	return due
}

// settled returns what the batch before wrote and has not moved since: the copies in the cache may take it over, and
// wrote drops it. That is a batch later than it was written, so that a read from before the write cannot come after.
func (t *touches) settled() map[sessionKey]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	settled := map[sessionKey]int64{}
	for k, v := range t.seen {
		if v.at == v.written {
			settled[k] = v.at
		}
	}
	return settled
}

// wrote drops what is settled and notes a batch that is in the database.
func (t *touches) wrote(batch map[sessionKey]int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.seen, func(_ sessionKey, v touch) bool { return v.at == v.written })
	for k, at := range batch {
		if have, ok := t.seen[k]; ok {
			have.written = at
			t.seen[k] = have
		}
	}
}
