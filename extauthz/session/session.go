// Package session remembers that a browser signed in. A session grants nothing by itself: the gate reads the user
// from the directory on every request, and groups and roles are never kept here.
//
// The browser holds a Token: a random id, sealed. The store holds the SHA-256 of the id, so that a copy of the
// database signs nobody in. A session is valid while it is known, not revoked, inside its idle and absolute limits,
// and while the epochs it copied from tenant, connection and user at sign-in are still theirs; Refusal says all of
// it in one place. Order between a sign-in and a revocation comes from the epochs, never from clocks.
package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// ErrNotFound reports a session that the store does not have: expired and swept, or never made.
var ErrNotFound = errors.New("no such session")

// ErrUsed reports a value that is accepted once and was accepted before. UsedKind says which.
var ErrUsed = errors.New("used before")

// UsedError is the ErrUsed of one value.
type UsedError struct {
	Kind string // idp.Once's, or KindAttempt
}

// KindAttempt is the kind under which SignIn.Attempt is burnt: one attempt makes one session.
const KindAttempt = "signed-in"

// Error implements error.
func (e *UsedError) Error() string { return e.Kind + ": " + ErrUsed.Error() }

// Unwrap makes every UsedError an ErrUsed.
func (e *UsedError) Unwrap() error { return ErrUsed }

// UsedKind returns the kind of the value that err says was used before, and "" when it says no such thing. Of kind
// "assertion" it is a replayed SAML assertion.
func UsedKind(err error) string {
	if e, ok := errors.AsType[*UsedError](err); ok {
		return e.Kind
	}
	return ""
}

// idSize is the length of a session id in bytes.
const idSize = 32

// Hash is the SHA-256 of a session id: what stores, tables and commands call a session by. It opens nothing.
type Hash [sha256.Size]byte

// String prints the hash in hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// SID is the form shown to people and upstreams: the first 16 bytes in hex.
func (h Hash) SID() string { return hex.EncodeToString(h[:16]) }

// ParseHash reads String's output and nothing else, so that one spelling exists of each.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != hex.EncodedLen(len(h)) {
		return Hash{}, errHash
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil || h.String() != s {
		return Hash{}, errHash
	}
	return h, nil
}

var errHash = errors.New("session hash: want 64 hex digits in lower case")

// ID is the secret that names a session.
type ID struct{ text secret.Text }

// NewID draws a fresh id.
func NewID() ID {
	var b [idSize]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	return ID{text: secret.New(string(b[:]))}
}

// Hash returns the form that is stored.
func (id ID) Hash() Hash { return sha256.Sum256([]byte(id.text.Reveal())) }

// Session is the record of one signed-in browser.
type Session struct {
	Hash            Hash
	Tenant          tenant.ID
	Connection      idp.ConnectionID
	User            directory.UserID
	Issuer          string
	Subject         string
	IdPSID          string // the provider's session id
	AuthTime        time.Time
	ACR             string
	AMR             []string
	Created         time.Time
	AbsoluteExpiry  time.Time
	LastSeen        time.Time
	TenantEpoch     int64
	ConnectionEpoch int64
	UserEpoch       int64
	IP              string
	UserAgent       string
	RevokedAt       time.Time // zero: not revoked
	RevokedReason   string
}

// Limits bound a session's life.
type Limits struct{ Idle, Absolute time.Duration }

// Within cuts what a tenant asks for to the operator's limits; zero asks for the operator's own.
func (l Limits) Within(t tenant.Tenant) Limits {
	if t.Idle > 0 && t.Idle < l.Idle {
		l.Idle = t.Idle
	}
	if t.Absolute > 0 && t.Absolute < l.Absolute {
		l.Absolute = t.Absolute
	}
	return l
}

// Refusal is why a session is not valid; empty means it is.
type Refusal string

// The refusals.
const (
	Valid           Refusal = ""
	Revoked         Refusal = "session revoked"
	Ended           Refusal = "sessions ended by an administrator"
	ExpiredAbsolute Refusal = "session reached its absolute limit"
	ExpiredIdle     Refusal = "session was idle too long"
	ConnectionOff   Refusal = "connection is disabled or gone"
	Foreign         Refusal = "session belongs to another tenant or user"
)

// Refusal judges the session against the live realm and user. It does not look at user.Active: that is the next
// question, with an answer of its own.
func (s Session) Refusal(now time.Time, operator Limits, realm idp.Realm, user directory.User) Refusal {
	limits := operator.Within(realm.Tenant)
	connection, known := realm.Connection(s.Connection)
	switch {
	case s.Tenant == "" || s.Tenant != realm.Tenant.ID || s.Tenant != user.Tenant || s.User != user.ID:
		return Foreign
	case !s.RevokedAt.IsZero():
		return Revoked
	case !known || !connection.Enabled:
		return ConnectionOff
	case s.TenantEpoch != realm.Tenant.Epoch || s.ConnectionEpoch != connection.Epoch || s.UserEpoch != user.Epoch:
		return Ended
	case !now.Before(s.AbsoluteExpiry) || !now.Before(s.Created.Add(limits.Absolute)):
		return ExpiredAbsolute
	case now.Sub(s.LastSeen) >= limits.Idle:
		return ExpiredIdle
	}
	return Valid
}

// SignIn is everything one sign-in writes, in one transaction.
type SignIn struct {
	Identity idp.Identity
	ID       ID    // the new session's id: never one a browser brought
	Replaces *Hash // this browser's old session, revoked with reason "replaced"
	Attempt  [16]byte
	Begun    time.Time // when the attempt began: a sign-out over SAML ends also what had begun before it; zero: before any
	// ConnectionEpoch is the connection's when the provider's answer was verified. Where it was raised since, by another
	// provider in its place or by whoever ended its sessions, the answer signs nobody in. 0: not compared.
	ConnectionEpoch int64
	// ConnectionVersion is that copy's too, and compared likewise: what a gate verified with a key that an admin had taken away,
	// and that gate had not heard of it, signs nobody in.
	ConnectionVersion int64

	Limits    Limits // the operator's
	IP        string
	UserAgent string
	RequestID string
}

// Revocation says which sessions of a tenant to end. The fields that are set must all match; with none set, every
// session of the tenant.
type Revocation struct {
	Hash       *Hash
	User       directory.UserID
	Connection idp.ConnectionID
	Subject    string
	IdPSID     string
	Except     *Hash
	Reason     string
	Actor      string

	// NameID names a person as their provider does, and wants Connection: those of the same value are ended, less those
	// whose format or qualifiers are others, where both sides have them (SAML 2.0 Core §3.3.4).
	NameID         *idp.NameID
	SessionIndexes []string   // with NameID: only the sessions of these, and those that have no index; none: all of them
	Once           []idp.Once // burnt in the same transaction; wants Connection
}

// Query selects sessions to list, newest first.
type Query struct {
	User       directory.UserID
	Connection idp.ConnectionID
	Limit      int  // 0: 100
	Ended      bool // also revoked and expired ones that are still stored
}

// Tokens is what sign-out needs of the provider's answer; kept sealed in the store.
type Tokens struct {
	IDToken secret.Text
	NameID  idp.NameID // of SAML: sign-out repeats it exactly
}

// Store keeps sessions. sessiontest.Run holds every implementation to these promises, with two handles at once.
type Store interface {
	// Get returns a session as it is now, also a revoked or expired one: Refusal judges it. ErrNotFound: unknown.
	// LastSeen includes touches not written yet. What it returns is the caller's own copy.
	Get(ctx context.Context, t tenant.ID, h Hash) (Session, error)
	// SignIn burns the identity's once-values (ErrUsed), links or creates the person, revokes the replaced session and
	// writes the new one with its audit row: all of it or nothing. The session ends with Identity.SessionEnds at the
	// latest. *idp.Error: this person may not sign in (deprovisioned, inactive, not provisioned, signed out meanwhile);
	// nothing is written and the caller records the refusal.
	SignIn(ctx context.Context, in SignIn) (Session, directory.User, error)
	// Touch notes that a session was seen. It does no I/O; at most a minute of it is lost in a crash.
	Touch(t tenant.ID, h Hash, at time.Time)
	// Revoke burns r.Once (ErrUsed: nothing is ended), ends sessions and returns how many. When it returns, no Get
	// anywhere calls them valid. By NameID it also ends what has begun: an assertion of that name that arrives later for
	// an attempt begun before signs nobody in (SAML 2.0 Core §3.7.3.2).
	Revoke(ctx context.Context, t tenant.ID, r Revocation) (int, error)
	// List reads sessions for people to look at.
	List(ctx context.Context, t tenant.ID, q Query) ([]Session, error)
	// Tokens returns the provider's tokens of a session; empty when there are none.
	Tokens(ctx context.Context, t tenant.ID, h Hash) (Tokens, error)
}

// Burner remembers values that are accepted once, until they would be refused for their age anyway.
type Burner interface {
	// Burn claims a value. ErrUsed: someone did before; of two that ask at once exactly one succeeds.
	Burn(ctx context.Context, t tenant.ID, c idp.ConnectionID, kind string, value [sha256.Size]byte, expires time.Time) error
}
