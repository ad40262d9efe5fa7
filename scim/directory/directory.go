// Package directory holds who a tenant's people are: users and groups in the shapes of RFC 7643. Users come over SCIM
// or, where a tenant has no SCIM, are created at their first sign-in; both kinds live here.
//
// What SCIM writes goes through Store and Tx; what the gate asks on every request, through Reader. The names of columns
// that filters may use are published here, so that the store keeps SQL to itself and a filter stays text and values.
//
// A user record says whether a person is active. It never says what they may do: roles are computed by policy from
// groups and claims on every change, and are not stored.
package directory

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tracio-ai/ssogate/idp/tenant"
)

// UserID is a random UUID in lower case, never reused.
type UserID string

// GroupID is a random UUID in lower case, never reused.
type GroupID string

// Source is where a user record came from.
type Source string

// The sources of a user.
const (
	JIT  Source = "jit"  // just in time: made by a sign-in
	SCIM Source = "scim" // made by the tenant's identity provider
)

// ErrNotFound reports a user or group that the tenant does not have.
var ErrNotFound = errors.New("not in the directory")

// User is one person (RFC 7643 §4.1), as far as the gate reads it.
type User struct {
	ID          UserID
	Tenant      tenant.ID
	Source      Source
	UserName    string
	ExternalID  string
	DisplayName string
	Emails      []Email
	Active      bool  // only true lets a person in
	ActiveUnset bool  // active is null or was removed: inactive, and left out of answers
	Epoch       int64 // raised to end the person's sessions
	Version     int64 // the ETag's number
	Created     time.Time
	Modified    time.Time
	LastSignIn  time.Time // zero: never

	// Doc is a JSON object of every stored attribute that has no field of its own, in the names of RFC 7643: all but
	// id, externalId, userName, active, groups, meta and schemas. DisplayName and Emails are read from it. Nil where
	// only the gate reads.
	Doc    json.RawMessage
	Groups []GroupRef // when asked for
}

// GroupRef is a group as a user's groups show it.
type GroupRef struct {
	ID          GroupID
	DisplayName string
}

// Email is one value of a user's emails.
type Email struct {
	Value   string `json:"value"`
	Type    string `json:"type,omitempty"`
	Primary bool   `json:"primary,omitempty"`
}

// Email returns the address shown for a person: the primary, else the first of type work, else the first.
// It is for display: nothing is granted by it. A provider that takes an address away by its value alone leaves its type
// and primary behind: that is no address.
func (u User) Email() string {
	var work, first string
	for _, e := range u.Emails {
		if e.Primary && e.Value != "" {
			return e.Value
		}
		if work == "" && e.Type == "work" {
			work = e.Value
		}
		if first == "" {
			first = e.Value
		}
	}
	if work != "" {
		return work
	}
	return first
}

// Group is a set of users (RFC 7643 §4.2).
type Group struct {
	ID          GroupID
	Tenant      tenant.ID
	DisplayName string
	ExternalID  string
	Version     int64
	Created     time.Time
	Modified    time.Time
	Members     []UserID // when asked for
}

// Link is the memory of a sign-in: which provider's subject a user is, and what was asserted last.
type Link struct {
	Connection tenant.ConnectionID
	Issuer     string
	Subject    string
	Groups     []string
	Claims     map[string]any
	Seen       time.Time
}

// Person is all the gate reads about someone on a request: the live user, the groups that count for the tenant, and
// the claims of the last sign-in over the session's connection. What a cache hands out is shared: read only.
type Person struct {
	User   User
	Groups []string       // SCIM groups by the tenant's group key where SCIM is on, else those of the last sign-in
	Claims map[string]any // empty where SCIM is on
	Stamp  uint64         // changes whenever any of it does; a number of this process, meaningless elsewhere
}

// Reader answers what the gate asks on every request.
type Reader interface {
	// Person reads a user as seen over one connection. ErrNotFound: deleted, or never there.
	Person(ctx context.Context, t tenant.ID, id UserID, c tenant.ConnectionID) (Person, error)
}

// NewUserID returns a random UUID (RFC 9562 §5.4).
func NewUserID() UserID { return UserID(uuid()) }

// NewGroupID returns a random UUID (RFC 9562 §5.4).
func NewGroupID() GroupID { return GroupID(uuid()) }

func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
