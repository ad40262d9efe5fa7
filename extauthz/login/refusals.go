package login

import (
	"maps"
	"sync"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// A visitor needs nobody's word to have an attempt refused, and each costs a row that stays. Refusals of one connection
// are audited up to this many a minute; the log has all of them.
const (
	auditedRefusals = 100
	auditWindow     = time.Minute
	auditWindows    = 4096 // connections counted at once
)

// refusals counts the audit rows of refused sign-ins. The zero value is ready.
type refusals struct {
	mu sync.Mutex
	by map[idp.ConnectionID]window
}

type window struct {
	began time.Time
	rows  int
}

// claim takes one row of the connection's share, or reports that it is used up.
func (r *refusals) claim(c idp.ConnectionID, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	over := func(w window) bool { return now.Sub(w.began) >= auditWindow || now.Before(w.began) }
	if r.by == nil {
		r.by = map[idp.ConnectionID]window{}
	}
	w, known := r.by[c]
	if !known && len(r.by) >= auditWindows {
		maps.DeleteFunc(r.by, func(_ idp.ConnectionID, w window) bool { return over(w) })
	}
	if over(w) {
		w = window{began: now}
	}
	if w.rows >= auditedRefusals || !known && len(r.by) >= auditWindows {
		return false
	}
	w.rows++
	r.by[c] = w
	return true
}
