// Package audit records what the gate did: events (state changed, a sign-in was refused), kept in the store, and
// decisions (one line a check), written as JSON lines.
//
// Both take typed fields and have no place for a token, a code, a cookie or a body: secrets are kept out by
// construction, not by a filter. Events are rows a customer's auditor reads; they are written in the transaction of
// the change they describe, so that neither exists without the other.
package audit

import (
	"context"
	"time"

	"github.com/tracio-ai/ssogate/idp/tenant"
)

// Action is what happened, as noun.verb.
type Action string

// The actions.
const (
	SignedIn          Action = "session.sign_in"
	SignInRefused     Action = "session.sign_in_refused"
	SignedOut         Action = "session.sign_out"
	SignOutRefused    Action = "session.sign_out_refused"
	SessionRevoked    Action = "session.revoke"
	UserCreated       Action = "user.create"
	UserActivated     Action = "user.activate"
	UserDeactivated   Action = "user.deactivate"
	UserDeleted       Action = "user.delete"
	UserChanged       Action = "user.change"
	UserAdopted       Action = "user.adopt"
	UserLinked        Action = "user.link"
	UserUnlinked      Action = "user.unlink"
	TombstoneLifted   Action = "user.lift_tombstone"
	GroupCreated      Action = "group.create"
	GroupChanged      Action = "group.change"
	GroupDeleted      Action = "group.delete"
	MembersChanged    Action = "group.members"
	TokenCreated      Action = "scim_token.create" //nolint:gosec // the name of an event holds no token
	TokenRevoked      Action = "scim_token.revoke" //nolint:gosec // the name of an event holds no token
	TenantCreated     Action = "tenant.create"
	TenantChanged     Action = "tenant.change"
	ConnectionCreated Action = "connection.create"
	ConnectionChanged Action = "connection.change"
	ConnectionDeleted Action = "connection.delete"
	MappingCreated    Action = "mapping.create"
	MappingDeleted    Action = "mapping.delete"
	KeysRotated       Action = "keys.rotate"
	MetadataChanged   Action = "connection.metadata_host_changed"
)

// Event is one audit row. Every field is an identifier or a sentence of ours; none is copied from an assertion but
// Subject, the provider's name for a person.
type Event struct {
	ID         int64 // given by the store
	At         time.Time
	Tenant     tenant.ID // empty for the installation itself
	Actor      string    // user id, "cli", "file", "gate"
	Action     Action
	Target     string // id of what was acted on
	Connection tenant.ConnectionID
	Subject    string
	Outcome    string // ok or refused
	Reason     string // an idp.Code or a sentence
	RequestID  string // the decision id of the check it happened in
	IP         string
}

// Sink keeps events.
type Sink interface {
	Record(ctx context.Context, e Event) error
}
