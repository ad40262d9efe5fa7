package idp

import (
	"context"
	"net/http"
	"time"

	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// SAMLSettings is what a SAML 2.0 connection needs to know. Lists are read-only: copies of a Connection share them.
type SAMLSettings struct {
	MetadataURL string          // where the provider publishes SAMLIdP; empty: an admin uploaded it
	KeyRollover SAMLKeyRollover // what a key that only TLS vouches for is worth

	SignRequests  SAMLSignRequests
	WantSigned    SAMLWantSigned
	WantEncrypted bool           // a plain assertion is refused
	AllowSHA1     time.Time      // SHA-1 signatures pass until then; zero: never
	CertExpiry    SAMLCertExpiry // what an expired certificate of the provider means
	IdPInitiated  SAMLIdPInitiated
	ForceAuthn    bool
	RequestedACR  []string // sent as RequestedAuthnContext, then required of the answer

	NameIDFormat string // asked for, then required; empty takes any
	SubjectFrom  string // attribute that names the subject; empty: the NameID
	Attributes   SAMLAttributes

	IdP    SAMLIdP
	SPKeys []SAMLSPKey
}

// SAMLAttributes maps what the gate keeps to exact attribute names. Of each list the first name that the assertion
// carries counts, except Groups, where all of them do.
type SAMLAttributes struct {
	UserName    []string `json:"user_name,omitempty"`
	Email       []string `json:"email,omitempty"`
	GivenName   []string `json:"given_name,omitempty"`
	FamilyName  []string `json:"family_name,omitempty"`
	DisplayName []string `json:"display_name,omitempty"`
	Groups      []string `json:"groups,omitempty"`
}

// SAMLIdP is the provider as its metadata describes it (SAML 2.0 Metadata §2.4.3).
type SAMLIdP struct {
	EntityID       string        `json:"entity_id,omitempty"`
	Endpoints      SAMLEndpoints `json:"endpoints"`
	Pending        SAMLEndpoints `json:"pending"` // on another host than Endpoints, waiting for an admin; zero: none
	WantsSigned    bool          `json:"wants_signed,omitempty"`
	Keys           []SAMLKey     `json:"keys,omitempty"`
	ValidUntil     time.Time     `json:"valid_until"`
	Fetched        time.Time     `json:"fetched"`               // when the metadata was last read; zero: never
	FetchError     string        `json:"fetch_error,omitempty"` // the code of the last failure, empty after a success
	FetchAttempted time.Time     `json:"fetch_attempted"`
}

// SAMLBinding is how a message travels (SAML 2.0 Bindings §3.4, §3.5).
type SAMLBinding string

// The bindings.
const (
	BindingRedirect SAMLBinding = "redirect"
	BindingPOST     SAMLBinding = "post"
)

// SAMLEndpoints are where the provider takes requests.
type SAMLEndpoints struct {
	SSOURL         string      `json:"sso_url,omitempty"`
	SSOBinding     SAMLBinding `json:"sso_binding,omitempty"`
	SLOURL         string      `json:"slo_url,omitempty"` // empty: the provider has no single logout
	SLOResponseURL string      `json:"slo_response_url,omitempty"`
	SLOBinding     SAMLBinding `json:"slo_binding,omitempty"`
}

// SAMLKeyState is whether a key of the provider counts.
type SAMLKeyState string

// The states. Only an active key verifies anything.
const (
	KeyActive  SAMLKeyState = "active"
	KeyPending SAMLKeyState = "pending" // in the metadata, vouched for by nobody: an admin confirms it
	KeyRetired SAMLKeyState = "retired"
)

// SAMLKey is a certificate the provider may sign with. It is a container for a key: neither its chain nor its
// revocation is looked at.
type SAMLKey struct {
	Certificate []byte       `json:"certificate"` // DER
	SHA256      string       `json:"sha256"`      // of the DER, lower-case hex
	State       SAMLKeyState `json:"state"`
	Source      string       `json:"source"` // upload or metadata
	FirstSeen   time.Time    `json:"first_seen"`
	Missing     int          `json:"missing,omitempty"` // fetches in a row that did not list it
}

// SAMLSPKey is one key pair of ours. A connection has up to two of each use: what it signs with or has decrypted for it
// now, and the one that an admin is taking to the provider.
type SAMLSPKey struct {
	Use         string      // signing or encryption
	Next        bool        // published, and not used to sign until an admin says that the provider has it
	Key         secret.Text // PKCS #8 DER
	Certificate []byte      // DER, self-signed
	Created     time.Time
}

// The uses of a service provider's key.
const (
	UseSigning    = "signing"
	UseEncryption = "encryption"
)

// SAMLSignRequests says when requests are signed; the zero value is SignAuto.
type SAMLSignRequests string

// The choices. SignAuto does what the provider's metadata asks for. Logout messages are always signed.
const (
	SignAuto   SAMLSignRequests = ""
	SignAlways SAMLSignRequests = "always"
	SignNever  SAMLSignRequests = "never"
)

// SAMLWantSigned says which signatures must be there; the zero value is SignedEither. Every signature that is there must
// verify, whichever is chosen.
type SAMLWantSigned string

// The choices.
const (
	SignedEither    SAMLWantSigned = ""
	SignedAssertion SAMLWantSigned = "assertion"
	SignedResponse  SAMLWantSigned = "response"
	SignedBoth      SAMLWantSigned = "both"
)

// SAMLCertExpiry says what an expired certificate of the provider means; the zero value is ExpiryAlarm.
type SAMLCertExpiry string

// The choices.
const (
	ExpiryAlarm  SAMLCertExpiry = "" // warns and goes on: many providers do not mind
	ExpiryStrict SAMLCertExpiry = "strict"
)

// SAMLIdPInitiated says what becomes of a response nobody asked for; the zero value refuses it.
type SAMLIdPInitiated string

// The choices. There is none that accepts it: the tenant of a sign-in comes from a sealed attempt alone.
const (
	InitiatedOff    SAMLIdPInitiated = ""
	InitiatedBounce SAMLIdPInitiated = "bounce" // thrown away, and a sign-in begun in its place
)

// SAMLKeyRollover says what vouches for a new key in fetched metadata; the zero value is RolloverSigned.
type SAMLKeyRollover string

// The choices.
const (
	RolloverSigned SAMLKeyRollover = ""     // a signature by a key that is active already, or an admin
	RolloverAuto   SAMLKeyRollover = "auto" // TLS to the host of MetadataURL as well
)

// NameID is the provider's name for a person, whole (SAML 2.0 Core §2.2.3): single logout has to repeat it exactly.
type NameID struct {
	Value           string `json:"value"`
	Format          string `json:"format,omitempty"`
	NameQualifier   string `json:"name_qualifier,omitempty"`
	SPNameQualifier string `json:"sp_name_qualifier,omitempty"`
}

// NameIDTransient is the format of a name that is another at every sign-in.
const NameIDTransient = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"

// MetadataPublisher is a Connector whose provider is given a document about us. The document is public.
type MetadataPublisher interface {
	// Metadata renders it. The error is ours.
	Metadata(ctx context.Context, c Connection) ([]byte, error)
}

// AttemptPicker is a Connector whose provider may lose what it was asked to return with its answer.
type AttemptPicker interface {
	// Pick names the request that the answer in r says it belongs to, by Attempt.RequestID; "" when it names none.
	// Nothing of r is verified: what is picked decides which attempt Complete holds the answer against, and no more.
	// The error says that r is no answer at all.
	Pick(ctx context.Context, c Connection, r *http.Request) (requestID string, err error)
}

// LogoutReceiver is a Connector whose provider sends sign-outs, and answers to ours, through the browser.
type LogoutReceiver interface {
	// ReceiveLogout verifies a message. Of the errors, *Error is theirs.
	ReceiveLogout(ctx context.Context, c Connection, r *http.Request) (LogoutMessage, error)
	// AnswerLogout makes the signed answer to a request that was verified. partial: not all sessions could be ended.
	AnswerLogout(ctx context.Context, c Connection, m LogoutMessage, partial bool) (Redirect, error)
}

// LogoutMessage is a verified message of single logout: a request to end sessions, or the answer to one of ours.
type LogoutMessage struct {
	Request        bool
	ID             string
	InResponseTo   string // of an answer
	Success        bool   // of an answer
	Relay          string
	NameID         NameID
	SessionIndexes []string // none: every session of NameID
	Once           []Once   // burnt in the transaction that ends the sessions
}

// ConnectionChange is a change of a connection's SAMLIdP or SPKeys that only applies to the version it was made from.
type ConnectionChange struct {
	Tenant     tenant.ID
	Connection ConnectionID
	Version    int64
	IdP        *SAMLIdP
	SPKeys     []SAMLSPKey // nil: unchanged
	Actor      string
	Reason     string // for the audit row; empty: none is written (only times of fetching changed)
}
