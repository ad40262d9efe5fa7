package login

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
)

// A SAML provider returns 80 bytes at most (SAML 2.0 Bindings §3.4.3), too few for a sealed attempt: it gets a handle, and
// the attempt waits in a cookie named after it.
const (
	handleBytes     = 4
	maxCarried      = 8  // attempts one browser has at once; the oldest makes room
	maxRestored     = 24 // as many while the oldest has only begun: tabs that a browser restores all begin together
	maxCarriedLooks = 64 // cookies of such a name that are looked at in one request

	// restoring is how long tabs that begin together may take until each is back: whose attempt makes room meanwhile lands
	// on the start page instead of its own.
	restoring = 30 * time.Second
)

func handleOf(id [16]byte) string { return hex.EncodeToString(id[:handleBytes]) }

// isHandle holds for what handleOf makes and nothing else: a name of a cookie is made of it.
func isHandle(s string) bool {
	return len(s) == 2*handleBytes && strings.Trim(s, "0123456789abcdef") == ""
}

func (h *Handler) carriedName(handle string) string { return h.CookieNames().CrossSite + "-" + handle }

// issuerDigest names a provider inside a sealed attempt.
func issuerDigest(c idp.Connection) [sha256.Size]byte {
	return sha256.Sum256([]byte(c.SAML.IdP.EntityID))
}

// carry gives the browser the cookie of a, and takes away those that are over, or too many. instead is the handle of the
// attempt whose place it takes, if any.
func (h *Handler) carry(w http.ResponseWriter, v *visit, a attempt, instead string) error {
	plain, err := a.pack()
	if err != nil {
		return err
	}
	name := h.carriedName(a.Relay)
	value, err := h.Ring.Seal(session.ForState, session.Bound(name, h.host()), plain)
	if err != nil {
		return err
	}
	h.prune(w, v, instead)
	setCrossSite(w, name, value, attemptTTL)
	return nil
}

// prune makes room for one more attempt in the browser's cookies. One that takes another's place needs none: of twenty tabs
// that began at once and must all begin again, each keeps the page it was opened for.
func (h *Handler) prune(w http.ResponseWriter, v *visit, instead string) {
	var live []attempt
	looks := 0
	for name := range v.cookies.All() {
		handle, ok := strings.CutPrefix(name, h.CookieNames().CrossSite+"-")
		if !ok || !isHandle(handle) || handle == instead {
			continue
		}
		if looks++; looks > maxCarriedLooks {
			break
		}
		if a, opens := h.carried(v, handle); opens && a.fresh(h.Now()) {
			live = append(live, a)
		} else {
			setCrossSite(w, name, "", 0)
		}
	}
	slices.SortFunc(live, func(a, b attempt) int { return a.Begun.Compare(b.Begun) })
	for instead == "" && len(live) >= maxCarried {
		if len(live) < maxRestored && h.Now().Sub(live[0].Begun) < restoring {
			break
		}
		h.drop(w, live[0])
		live = live[1:]
	}
}

// carried opens the cookie of a handle. It says nothing of the attempt's age, kind or connection.
func (h *Handler) carried(v *visit, handle string) (attempt, bool) {
	if !isHandle(handle) {
		return attempt{}, false
	}
	name := h.carriedName(handle)
	value, n := v.cookies.Get(name)
	if n != 1 {
		return attempt{}, false
	}
	plain, _, err := h.Ring.Open(session.ForState, session.Bound(name, h.host()), value)
	if err != nil {
		return attempt{}, false
	}
	a, err := unpackAttempt(plain)
	if err != nil || handleOf(a.ID) != handle {
		return attempt{}, false
	}
	a.Relay = handle
	return a, true
}

// requested opens the cookie of the attempt whose request an answer names.
func (h *Handler) requested(v *visit, requestID string) (attempt, bool) {
	hexID, ok := strings.CutPrefix(requestID, "_")
	if !ok || len(hexID) != 32 {
		return attempt{}, false
	}
	a, ok := h.carried(v, hexID[:2*handleBytes])
	return a, ok && a.RequestID() == requestID
}

// drop takes the cookie of an attempt away: it has been used. That proves nothing to us, for who sent it can keep a copy.
func (h *Handler) drop(w http.ResponseWriter, a attempt) {
	if isHandle(a.Relay) { // of another protocol it is no cookie's name
		setCrossSite(w, h.carriedName(a.Relay), "", 0)
	}
}
