package login

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/internal/httpreq"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

const (
	// attemptTTL is how long a person may take at the identity provider.
	attemptTTL = 10 * time.Minute
	// clockSkew is how far apart the clocks of two replicas may be.
	clockSkew = time.Minute
)

// The longest parts of an attempt. Together with the return path they keep state under 1,500 characters, which every
// provider returns whole; Keycloak keeps it in a cookie.
const (
	maxHint = 128
	maxACR  = 256 // all of them together
)

// attempt is an idp.Attempt with what only this package needs to know of it.
type attempt struct {
	idp.Attempt
	browser [sha256.Size]byte // SHA-256 of the flow cookie's secret
	issuer  [sha256.Size]byte // of SAML: the provider this attempt was begun with, as issuerDigest names it
	over    session.Hash      // of SAML: the session that was in use when it began, whose end was agreed to; zero: none
}

func (h *Handler) stateBound() string  { return "state-v1|" + h.host() }
func (h *Handler) logoutBound() string { return "logout-v1|" + h.host() }

// newAttempt makes an attempt and seals it. Everything of it travels with the browser, so that no visitor, bot or not,
// makes the gate store anything: in state, or where the provider returns too little for that, in a cookie (carry).
func (h *Handler) newAttempt(f flow, c idp.Connection, want wanted) (attempt, error) {
	a := attempt{browser: f.digest()}
	a.Kind, a.Tenant, a.Connection, a.Version = idp.KindSignIn, c.Tenant, c.ID, c.Version
	a.ReturnTo, a.Ask, a.Retry = httpreq.ReturnPath(want.returnTo), want.ask, want.retry
	a.Callback, a.Begun = h.absolute(callbackPath(c)), h.Now().Truncate(time.Millisecond)
	_, _ = rand.Read(a.ID[:]) // never fails: crypto/rand aborts the program instead
	if want.test != nil {
		a.Kind, a.ID = idp.KindTest, *want.test
	}
	if len(a.Ask.LoginHint) > maxHint {
		a.Ask.LoginHint = ""
	}
	if c.Protocol == idp.SAML {
		a.Relay, a.issuer, a.over = handleOf(a.ID), issuerDigest(c), want.over
		return a, nil
	}
	return h.sealState(f, a)
}

// sealState makes an attempt's Relay its whole record.
func (h *Handler) sealState(f flow, a attempt) (attempt, error) {
	plain, err := a.pack()
	if err != nil {
		return attempt{}, err
	}
	if a.Relay, err = h.Ring.Seal(session.ForState, h.stateBound(), plain); err != nil {
		return attempt{}, err
	}
	_, keyID, err := h.Ring.Open(session.ForState, h.stateBound(), a.Relay) // which key that was: a rotation may fall in between
	if err != nil {
		return attempt{}, err
	}
	a.Key, err = h.attemptKey(keyID, f, a.ID)
	return a, err
}

// openAttempt opens a state of ours. It says nothing about its age or whose browser it is.
func (h *Handler) openAttempt(state string) (a attempt, keyID string, err error) {
	plain, keyID, err := h.Ring.Open(session.ForState, h.stateBound(), state)
	if err != nil {
		return attempt{}, "", err
	}
	if a, err = unpackAttempt(plain); err != nil {
		return attempt{}, "", err
	}
	if !a.signsIn() {
		return attempt{}, "", errPacked
	}
	a.Relay = state
	return a, keyID, nil
}

// fresh reports whether the attempt is young enough. One from the future was sealed by a replica whose clock is off.
func (a attempt) fresh(now time.Time) bool {
	age := now.Sub(a.Begun)
	return age < attemptTTL && age > -clockSkew
}

// of reports whether the attempt was begun in the browser that holds f.
func (a attempt) of(f flow) bool {
	d := f.digest()
	return f.opens && subtle.ConstantTimeCompare(a.browser[:], d[:]) == 1
}

// landing is where the browser goes in the end. It was checked when the attempt began; sealed by an older build, it might
// have been checked less well.
func (a attempt) landing() string { return httpreq.ReturnPath(a.ReturnTo) }

// signsIn reports that the attempt may end in an identity: a sign-out's may not.
func (a attempt) signsIn() bool { return a.Kind == idp.KindSignIn || a.Kind == idp.KindTest }

// plain reports that the attempt asked for no more than somebody signed in.
func (a attempt) plain() bool {
	return len(a.Ask.ACR) == 0 && a.Ask.MaxAge == nil && a.Ask.Prompt == ""
}

// attemptKey binds what is derived from an attempt (PKCE verifier, nonce) to the browser's secret: a state that leaks
// from an address bar redeems no code without the cookie.
func (h *Handler) attemptKey(keyID string, f flow, id [16]byte) (secret.Text, error) {
	k, err := h.Ring.Derived(session.ForState, keyID, "attempt")
	if err != nil {
		return secret.Text{}, fmt.Errorf("derive attempt key: %w", err)
	}
	m := hmac.New(sha256.New, k)
	m.Write([]byte(f.secret.Reveal()))
	m.Write(id[:])
	return secret.New(string(m.Sum(nil))), nil
}

const (
	maxAgeAsked   = 1 << 0
	issuerKnown   = 1 << 1
	overKnown     = 1 << 2
	statePlainMax = 1100 // of what travels in state; a cookie holds what only SAML needs besides
)

func (a attempt) pack() ([]byte, error) {
	b := make([]byte, 0, 256)
	b = append(b, a.ID[:]...)
	b = append(b, a.browser[:]...)
	b = packInt64(b, a.Begun.UnixMilli())
	b = packInt64(b, a.Version)
	var flags byte
	var maxAge int64
	if a.Ask.MaxAge != nil {
		flags, maxAge = maxAgeAsked, int64(*a.Ask.MaxAge/time.Second)
	}
	if a.issuer != [sha256.Size]byte{} {
		flags |= issuerKnown
	}
	if a.over != (session.Hash{}) {
		flags |= overKnown
	}
	acr := 0
	for _, v := range a.Ask.ACR {
		acr += len(v)
	}
	if acr > maxACR || len(a.Ask.ACR) > 16 || a.Retry < 0 || a.Retry > 9 {
		return nil, errors.New("attempt asks for more authentication contexts than fit")
	}
	b = append(b, byte(a.Kind), byte(a.Retry), flags) //nolint:gosec // single digits, see above
	b = packInt64(b, maxAge)
	for _, s := range []string{string(a.Tenant), string(a.Connection), a.ReturnTo, a.Ask.Prompt, a.Ask.LoginHint} {
		b = packText(b, s)
	}
	b = append(b, byte(len(a.Ask.ACR))) //nolint:gosec // at most 16, see above
	for _, v := range a.Ask.ACR {
		b = packText(b, v)
	}
	if len(b) > statePlainMax {
		return nil, errors.New("attempt does not fit into a state")
	}
	if flags&issuerKnown != 0 {
		b = append(b, a.issuer[:]...)
	}
	if flags&overKnown != 0 {
		b = append(b, a.over[:]...)
	}
	return b, nil
}

func unpackAttempt(plain []byte) (attempt, error) {
	u := unpacker{rest: plain}
	var a attempt
	copy(a.ID[:], u.take(len(a.ID)))
	copy(a.browser[:], u.take(len(a.browser)))
	a.Begun = time.UnixMilli(u.int64())
	a.Version = u.int64()
	a.Kind, a.Retry = idp.Kind(u.byte()), int(u.byte())
	flags, maxAge := u.byte(), u.int64()
	if flags&maxAgeAsked != 0 {
		age := time.Duration(maxAge) * time.Second
		a.Ask.MaxAge = &age
	}
	t, c := u.text(), u.text()
	a.ReturnTo, a.Ask.Prompt, a.Ask.LoginHint = u.text(), u.text(), u.text()
	for range u.byte() {
		a.Ask.ACR = append(a.Ask.ACR, u.text())
	}
	if flags&issuerKnown != 0 {
		copy(a.issuer[:], u.take(len(a.issuer)))
	}
	if flags&overKnown != 0 {
		copy(a.over[:], u.take(len(a.over)))
	}
	if !u.done() || !a.signsIn() && a.Kind != idp.KindLogout {
		return attempt{}, errPacked
	}
	var err error
	if a.Tenant, err = tenant.ParseID(t); err != nil {
		return attempt{}, errPacked
	}
	if a.Connection, err = tenant.ParseConnectionID(c); err != nil {
		return attempt{}, errPacked
	}
	return a, nil
}

// callbackPath is where the provider sends the browser back to. A path a connection is what keeps a provider that turns
// out to be hostile from receiving the answer of another (RFC 9700 §4.4.2).
func callbackPath(c idp.Connection) string {
	if c.Protocol == idp.SAML {
		return pathACS + "/" + string(c.ID)
	}
	if c.Settings.SharedCallback {
		return pathCallback
	}
	return pathCallback + "/" + string(c.ID)
}
