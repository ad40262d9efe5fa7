package directory

import (
	"errors"
	"time"

	"github.com/tracio-ai/ssogate/idp/tenant"
)

// TokenID is the public part of a SCIM token: eight base32 letters.
type TokenID string

// ErrToken reports a SCIM token that is unknown, expired or revoked; which of them is nobody's business.
var ErrToken = errors.New("not a live token")

// ErrTokens reports that a tenant has as many live tokens as it may: two, so that one can replace the other.
var ErrTokens = errors.New("two tokens are live already: revoke one first")

// Token is a SCIM token as it is listed. The secret is not kept, only its hash.
type Token struct {
	ID       TokenID
	Tenant   tenant.ID
	Label    string
	Created  time.Time
	Expires  time.Time // zero: never
	LastUsed time.Time // zero: never; right to about a minute
	Revoked  time.Time // zero: live
}

// Call is one SCIM request in the tenant's provisioning log: what was asked and what came of it, in names and kinds,
// never in values.
type Call struct {
	ID        int64 // given by the store
	At        time.Time
	Tenant    tenant.ID
	Token     TokenID
	UserAgent string
	Method    string
	Path      string // the template, such as /Users/{id}
	Target    string // the id in the path
	Shape     string // ops, attribute paths and kinds of values
	Status    int
	SCIMType  string
	Detail    string // what the client was told
	Hint      string // how to mend it
	RequestID string
}

// Pending is a member that a provider asked for and the directory does not have.
type Pending struct {
	Group     GroupID
	GroupName string
	Value     string
	Kind      PendingKind
	At        time.Time
}

// PendingKind is what a pending member is taken for.
type PendingKind string

// The kinds of pending members.
const (
	PendingUser  PendingKind = "user"
	PendingGroup PendingKind = "group" // a group in a group, which is never expanded
)

// Tombstone keeps a deleted person out.
type Tombstone struct {
	User       UserID
	Source     Source
	UserName   string // folded
	ExternalID string
	At         time.Time
}

// Unadopted is someone whom a sign-in made and SCIM has not.
type Unadopted struct {
	User  User
	Links []Link
	Goes  time.Time // when the row is removed; zero while SCIM is off
}
