package store

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

const (
	maxAnchors  = 10_000
	keepAnchors = 10 * time.Minute
	// anchorFrom is the row from which on a page's place is remembered: before it, skipping rows is cheap.
	anchorFrom = 1000
)

// anchors remember where a page ended, so that a client that walks a list by row numbers finds the next page without
// stepping over all those before. A walk on anchors loses nobody when somebody before its place is deleted.
type anchors struct {
	mu  sync.Mutex
	lru *simplelru.LRU[anchorKey, anchor]
}

// anchorKey is a list and a row number in it.
type anchorKey struct {
	tenant tenant.ID
	list   string // what is listed, by which condition, in which order
	start  int
}

type anchor struct {
	after directory.Position
	until time.Time
}

func (a *anchors) get(k anchorKey, now time.Time) *directory.Position {
	a.mu.Lock()
	defer a.mu.Unlock()
	if k.start <= anchorFrom || a.lru == nil {
		return nil
	}
	found, ok := a.lru.Get(k)
	if !ok || !now.Before(found.until) {
		return nil
	}
	return &found.after
}

func (a *anchors) put(k anchorKey, after directory.Position, now time.Time) {
	if k.start <= anchorFrom {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lru == nil {
		lru, err := simplelru.NewLRU[anchorKey, anchor](maxAnchors, nil)
		if err != nil {
			panic(err) // only for a size below 1
		}
		a.lru = lru
	}
	a.lru.Add(k, anchor{after, now.Add(keepAnchors)})
}
