package login

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// Messages that fail to verify, by one address and over one connection, until the next is not looked at. Successes never
// count: an office of thousands shares one address.
const (
	failuresPerAddress    = 20
	failuresPerConnection = 200
	failureWindow         = time.Minute
	failureWindows        = 16384 // senders, and connections, counted at once
)

// message is what a message of SAML is to this browser, as far as that shows before it is verified.
type message int

const (
	stray   message = iota // it answers no attempt of this browser: anybody's page can have anybody's browser post one
	awaited                // it answers one
	signOut                // it is of single logout, which needs no cookie
)

// sender is whose failures are counted together. Strays of one address are: of which connection they are is their sender's
// choice. What is awaited is counted by connection, for a provider learns of the attempts that it is sent, and must not be
// able to keep others from theirs.
type sender struct {
	from netip.Prefix
	what message
	over idp.ConnectionID // not of strays
}

func sends(from netip.Prefix, c idp.ConnectionID, what message) sender {
	if what == stray {
		c = ""
	}
	return sender{from, what, c}
}

// failures counts messages of SAML that did not verify. The zero value is ready.
type failures struct {
	mu           sync.Mutex
	bySender     map[sender]window
	byConnection map[idp.ConnectionID]window
}

// wait is how long a message from an address over a connection is not looked at; 0 lets it through. One that answers an
// attempt of this browser, or asks for a sign-out, from an address that has not failed is looked at however many others
// fail: strangers must not be able to keep a company out, or its people in.
func (f *failures) wait(from netip.Prefix, c idp.ConnectionID, what message, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	own, failed := f.bySender[sends(from, c, what)]
	failed = failed && !over(own, now)
	if failed && own.rows >= failuresPerAddress {
		return own.began.Add(failureWindow).Sub(now)
	}
	connection := f.byConnection[c]
	if connection.rows >= failuresPerConnection && !over(connection, now) && (failed || what == stray) {
		return connection.began.Add(failureWindow).Sub(now)
	}
	return 0
}

// add counts one failure.
func (f *failures) add(from netip.Prefix, c idp.ConnectionID, what message, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bySender == nil {
		f.bySender, f.byConnection = map[sender]window{}, map[idp.ConnectionID]window{}
	}
	if from.IsValid() {
		count(f.bySender, sends(from, c, what), now)
	}
	count(f.byConnection, c, now)
}

func over(w window, now time.Time) bool {
	return now.Sub(w.began) >= failureWindow || now.Before(w.began)
}

// count forgets what is over when the map is full, and what does not fit even then: memory is bounded first.
func count[K comparable](by map[K]window, key K, now time.Time) {
	w, known := by[key]
	if !known && len(by) >= failureWindows {
		maps.DeleteFunc(by, func(_ K, w window) bool { return over(w, now) })
		if len(by) >= failureWindows {
			return
		}
	}
	if over(w, now) {
		w = window{began: now}
	}
	w.rows++
	by[key] = w
}

// source is whom a request's failures are counted against: its address, of IPv6 the network one customer is given. It is
// nobody where the address says nothing of who asks: on a listener of our own, which has the front end's address with
// a port, and on loopback.
func (v *visit) source() netip.Prefix {
	a, err := netip.ParseAddr(v.RemoteAddr)
	if err != nil || a.IsLoopback() {
		return netip.Prefix{}
	}
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// retryAfter is the seconds a client is told to wait, at least one.
func retryAfter(d time.Duration) string {
	return strconv.Itoa(max(1, int((d+time.Second-1)/time.Second)))
}

// counts reports that a refusal says a message was false. That the provider said no, that nobody had asked, or that
// verification is busy is no failure of the sender's.
func counts(code idp.Code) bool {
	return slices.Contains(unverifiedCodes(), code) || slices.Contains([]idp.Code{
		idp.CodeSAMLIssuer, idp.CodeSAMLDestination, idp.CodeSAMLRecipient, idp.CodeSAMLAudience, idp.CodeSAMLTime, idp.CodeSAMLInResponseTo,
		idp.CodeSAMLNameID, idp.CodeSAMLAttributes, idp.CodeSAMLReplay,
	}, code)
}
