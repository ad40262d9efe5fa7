package login

import (
	"sync"

	"github.com/tracio-ai/ssogate/idp"
)

// The bounds on requests that wait for identity providers.
const (
	defaultCalls              = 256
	defaultCallsPerConnection = 32
)

// inFlight counts the calls to identity providers that have not returned. The zero value is ready.
type inFlight struct {
	mu    sync.Mutex
	total int
	by    map[idp.ConnectionID]int
}

// enter claims a place, or refuses at once: a queue would only make everybody wait for the slow one.
func (f *inFlight) enter(c idp.ConnectionID, most, mostPerConnection int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.total >= most || f.by[c] >= mostPerConnection {
		return false
	}
	if f.by == nil {
		f.by = map[idp.ConnectionID]int{}
	}
	f.total++
	f.by[c]++
	return true
}

func (f *inFlight) leave(c idp.ConnectionID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total--
	f.by[c]--
	if f.by[c] == 0 { // connections come and go; the map must not remember all of them
		delete(f.by, c)
	}
}

// enter claims a place for a call over c; leave must follow when it reports true.
func (h *Handler) enter(c idp.ConnectionID) bool {
	most, each := h.MaxCalls, h.MaxCallsPerConnection
	if most == 0 {
		most = defaultCalls
	}
	if each == 0 {
		each = defaultCallsPerConnection
	}
	return h.calls.enter(c, most, each)
}

func (h *Handler) leave(c idp.ConnectionID) { h.calls.leave(c) }
