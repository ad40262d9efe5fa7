// Package idp holds the nouns of signing in: a tenant's Connection to its identity provider, the Attempt a browser
// has begun, the Identity the provider asserted, and the Connector that turns one into the other.
//
// A Connector speaks a protocol and holds no tenant's settings, so one value serves every connection of its
// protocol. It never writes a session, never reads the directory and never decides what a person may do.
package idp

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// ConnectionID names a connection; unique over all tenants.
type ConnectionID = tenant.ConnectionID

// Protocol is what a connection speaks.
type Protocol string

// The protocols.
const (
	OIDC Protocol = "oidc"
	SAML Protocol = "saml"
)

// Provider names the preset a connection was made from; it chooses manners, never trust.
type Provider string

// The providers with a preset.
const (
	Okta     Provider = "okta"
	Auth0    Provider = "auth0"
	Entra    Provider = "entra"
	Google   Provider = "google"
	Keycloak Provider = "keycloak"
	ADFS     Provider = "adfs" // SAML alone
	Generic  Provider = "generic"
)

// Connection is a tenant's trust in one identity provider. It is a value: copies share nothing that may change.
type Connection struct {
	ID       ConnectionID
	Tenant   tenant.ID
	Protocol Protocol
	Provider Provider
	Name     string // for people: the sign-in page and the tables
	Enabled  bool
	Version  int64 // raised by every change of the settings; an attempt begun under another version is refused
	Epoch    int64 // raised to end every session of the connection
	Declared bool  // written in the configuration file: read-only elsewhere
	Created  time.Time
	Settings OIDCSettings // of protocol oidc
	SAML     SAMLSettings // of protocol saml

	Join      Join   // empty: the provider's preset for a tenant's first connection, none for further ones
	JoinClaim string // the claim that meets externalId; empty: the preset's. A user name is met by Claims.UserName
}

// Join is how an identity finds the person whom SCIM made. Whoever may join speaks for the tenant's own people, so a
// second identity provider, say the contractors', joins nobody until an admin says so.
type Join string

// The join rules.
const (
	JoinExternalID Join = "external_id" // Joins.ExternalID, and where that finds nobody Joins.UserName
	JoinUserName   Join = "user_name"
	JoinNone       Join = "none"
)

// JoinPreset is the rule that a provider's first connection starts with.
func JoinPreset(p Provider) Join {
	if p == Okta || p == Entra {
		return JoinExternalID
	}
	return JoinUserName
}

// ClientAuth is how the gate proves itself at the token endpoint (OpenID Connect Core §9).
type ClientAuth string

// The client authentication methods. AuthNone needs an explicit choice.
const (
	AuthBasic ClientAuth = "client_secret_basic"
	AuthPost  ClientAuth = "client_secret_post"
	AuthNone  ClientAuth = "none"
)

// OIDCSettings is what an OpenID Connect connection needs to know.
type OIDCSettings struct {
	Issuer         string // compared byte for byte with metadata and with every iss
	ClientID       string
	ClientSecret   secret.Text
	ClientAuth     ClientAuth
	Scopes         []string // openid is always sent
	Claims         ClaimNames
	SharedCallback bool              // registered as /auth/callback/oidc instead of /auth/callback/oidc/{connection}
	UserInfo       bool              // ask the userinfo endpoint when a mapped claim is missing from the ID token
	Prompt         string            // sent with every request unless an attempt asks for another
	ACRValues      []string          // sent and then required of the answer
	MaxAge         *time.Duration    // sent as max_age; then auth_time is required and checked
	Audiences      []string          // further values allowed in aud beside the client id
	Extra          map[string]string // further authorize parameters (domain_hint, organization …); protocol parameters are refused
}

// ClaimNames maps what the gate keeps to literal top-level claim names; a name is never a path.
type ClaimNames struct {
	UserName    string `json:"user_name,omitempty"`
	Email       string `json:"email,omitempty"`
	DisplayName string `json:"display_name,omitempty"`
	Groups      string `json:"groups,omitempty"`
}

// MappingKind is what a role mapping looks at.
type MappingKind string

// The kinds of role mapping.
const (
	MapGroup MappingKind = "group" // Value equals one of the subject's groups
	MapClaim MappingKind = "claim" // Value equals the claim named Claim, or one entry of it
	MapUser  MappingKind = "user"  // Value equals the user's id
)

// RoleMapping grants Role to whoever matches, by exact bytes.
type RoleMapping struct {
	ID         string
	Tenant     tenant.ID
	Connection ConnectionID // empty: sessions of every connection
	Kind       MappingKind
	Claim      string // of kind claim
	Value      string
	Role       string
	Declared   bool
}

// Realm is everything an admin has set for one tenant, read as one consistent copy.
// Stamp changes whenever any of it does; it is a number of this process and means nothing elsewhere.
type Realm struct {
	Tenant      tenant.Tenant
	Connections []Connection
	Mappings    []RoleMapping
	Stamp       uint64
}

// Connection finds one of the realm's connections.
func (r Realm) Connection(id ConnectionID) (Connection, bool) {
	for i := range r.Connections { // by index: a check asks this, and a connection is large
		if r.Connections[i].ID == id {
			return r.Connections[i], true
		}
	}
	return Connection{}, false
}

// Enabled returns the connections a person can sign in with.
func (r Realm) Enabled() []Connection {
	var on []Connection
	for _, c := range r.Connections {
		if c.Enabled {
			on = append(on, c)
		}
	}
	return on
}

// GroupState says how much an assertion told about groups.
type GroupState int

// The three states. An absent claim is not an empty one: Keycloak and Entra send no claim for a person in no group,
// and Entra sends a link instead of the list for a person in many.
const (
	GroupsUnknown GroupState = iota // cut or withheld: never to be read as "none"
	GroupsNone                      // absent with no sign of a cut
	GroupsListed
)

// Identity is what an identity provider asserted about a person, verified and reduced to what the gate keeps.
type Identity struct {
	Tenant        tenant.ID
	Connection    ConnectionID
	Issuer        string
	Subject       string
	UserName      string
	Joins         Joins
	Email         string // display only; grants nothing
	EmailVerified bool
	DisplayName   string
	GroupState    GroupState
	Groups        []string
	Claims        map[string]any // verified claims less protocol ones, ≤ 32 KiB as JSON
	AuthTime      time.Time      // zero when not asserted
	ACR           string
	AMR           []string
	SID           string      // the provider's own session id, for sign-out (SAML: SessionIndex)
	NameID        NameID      // of SAML; kept sealed: sign-out repeats it
	SessionEnds   time.Time   // the provider wants the session over by then; zero: it says nothing
	IDToken       secret.Text // kept sealed: sign-out sends it back as a hint
	Once          []Once      // what must not be accepted twice, burnt in the sign-in's transaction
}

// Joins is what an identity says that can meet a provisioned person's attributes. The zero value meets nobody.
type Joins struct {
	ExternalID string // compared exactly
	UserName   string // compared without case
	Address    bool   // UserName comes from an e-mail claim: it joins only in a domain that the tenant has verified
}

// Once is one value that is accepted a single time (an assertion id, a jti).
type Once struct {
	Kind    string
	Value   string
	Expires time.Time
}

// Redirect sends the browser to an identity provider: by GET to URL, or, where Form is set, by a page that posts Form to it.
type Redirect struct {
	URL  string
	Form url.Values
}

// Connector speaks one protocol to any connection of it.
//
// Of the errors, *Error is theirs (the provider, its settings, the person, an attacker): the page shows its Code and
// sign-in ends. Any other error is ours: a 503.
type Connector interface {
	// Begin builds the request for an attempt that its caller has made and sealed before. It stores nothing.
	Begin(ctx context.Context, c Connection, a Attempt) (Redirect, error)
	// Complete verifies the provider's answer in r against the attempt and returns who was asserted. The caller has
	// opened the attempt, burnt its id, and matched connection and browser before; Complete sends the code once.
	Complete(ctx context.Context, c Connection, a Attempt, r *http.Request) (Identity, error)
}

// Logout is what a connector may need to end the provider's own session.
type Logout struct {
	IDToken   secret.Text
	Subject   string
	SID       string
	NameID    NameID
	RequestID string // SAML: the request's ID, which the answer repeats
	Relay     string // comes back as state or RelayState
	ReturnTo  string // absolute URL registered at the provider
}

// Logouter is a Connector that can send the browser to the provider's sign-out. ErrNoLogout: this provider has none.
type Logouter interface {
	Logout(ctx context.Context, c Connection, l Logout) (Redirect, error)
}

// Documents keeps what a provider publishes (metadata, keys), so that a restart during its outage still signs people in.
// Kind is "metadata" or "jwks"; Document reports ok=false when nothing was saved.
type Documents interface {
	Document(ctx context.Context, t tenant.ID, c ConnectionID, kind string) (body []byte, fetched time.Time, ok bool, err error)
	SaveDocument(ctx context.Context, t tenant.ID, c ConnectionID, kind string, body []byte, fetched time.Time) error
}
