package idp

import (
	"errors"
	"fmt"
)

// Code is a stable word for why a sign-in ended. Pages show it, metrics count it, the audit log keeps it.
type Code string

// The codes. Each has one calm sentence in extauthz/login.
const (
	CodeAccessDenied     Code = "access-denied"        // the person or the provider said no
	CodeInteraction      Code = "interaction-required" // prompt=none was not enough
	CodeUnavailable      Code = "idp-unavailable"      // the provider did not answer, or said it cannot
	CodeMetadata         Code = "idp-metadata"         // its metadata or keys cannot be used
	CodeClient           Code = "idp-client"           // it refuses our client id, secret, redirect URI or scope
	CodeResponse         Code = "idp-response"         // its answer is not what the protocol asks for
	CodeIssuer           Code = "oidc-issuer"          // iss is not the connection's, in the answer or the token (RFC 9207)
	CodeSignature        Code = "oidc-signature"
	CodeAlgorithm        Code = "oidc-algorithm"
	CodeAudience         Code = "oidc-audience" // aud or azp
	CodeSubject          Code = "oidc-subject"
	CodeNonce            Code = "oidc-nonce"
	CodeTime             Code = "oidc-time" // exp, iat, nbf, auth_time
	CodeAtHash           Code = "oidc-at-hash"
	CodeClaims           Code = "oidc-claims" // duplicate or case-folded claims, malformed JSON
	CodeACR              Code = "oidc-acr"
	CodeUserInfo         Code = "oidc-userinfo"
	CodeOrganization     Code = "oidc-organization" // tid, org_id or hd is another organisation's
	CodeGroupsOverage    Code = "idp-groups-overage"
	CodeSAMLForm         Code = "saml-form"      // the form or query around a message
	CodeSAMLXML          Code = "saml-xml"       // not the XML two parsers read alike
	CodeSAMLShape        Code = "saml-shape"     // elements that do not belong, or are missing
	CodeSAMLIssuer       Code = "saml-issuer"    // not the connection's provider
	CodeSAMLSignature    Code = "saml-signature" // absent, of the wrong element, or false
	CodeSAMLSHA1         Code = "saml-sha1"      // signed with SHA-1
	CodeSAMLKey          Code = "saml-key"       // by a key the connection does not have, or that expired
	CodeSAMLDecrypt      Code = "saml-decrypt"
	CodeSAMLStatus       Code = "saml-status" // the provider says that it failed
	CodeSAMLDestination  Code = "saml-destination"
	CodeSAMLRecipient    Code = "saml-recipient" // no confirmation is for us
	CodeSAMLAudience     Code = "saml-audience"
	CodeSAMLTime         Code = "saml-time"
	CodeSAMLInResponseTo Code = "saml-in-response-to"
	CodeSAMLUnsolicited  Code = "saml-unsolicited" // nobody asked for it
	CodeSAMLAttempt      Code = "saml-attempt"     // the browser kept no attempt, again and again
	CodeSAMLAuthn        Code = "saml-authn"       // not the sign-in that was asked for: context, freshness
	CodeSAMLNameID       Code = "saml-nameid"
	CodeSAMLAttributes   Code = "saml-attributes"
	CodeSAMLOverage      Code = "saml-groups-overage"
	CodeSAMLReplay       Code = "saml-replay"
	CodeSAMLBusy         Code = "saml-busy"         // too much to verify at once; ask again
	CodeSAMLDisagreement Code = "saml-disagreement" // two verifiers read it differently
	CodeSAMLConfig       Code = "saml-config"       // the connection's settings cannot be used
	CodeState            Code = "state"             // does not open, expired or of another browser
	CodeReplay           Code = "replay"            // used before
	CodeConnection       Code = "connection"        // another connection's, disabled, or changed since
	CodeLoop             Code = "sign-in-loop"      // signed in again and again
	CodeDeprovisioned    Code = "deprovisioned"
	CodeNotProvisioned   Code = "not_provisioned"
	CodeInactive         Code = "inactive"
	CodeAmbiguous        Code = "person-ambiguous" // what was asserted joins two provisioned people
	CodeLinked           Code = "person-linked"    // the person is another subject's of this connection already
)

// Error is a sign-in that ended for a reason outside the gate. It has three readers: Code is shown to the person,
// Hint to the tenant's admin (cause, then the step, in the provider's menu words), Err to the operator.
// None of them ever holds a token, a code, or text the provider wrote.
type Error struct {
	Code   Code
	Detail string // one word for which rule of Code's it was; audit rows and metrics keep it, pages do not show it
	Err    error
	Hint   string
}

// Reason is what audit rows keep: the code, and which of its rules it was.
func (e *Error) Reason() string {
	if e.Detail == "" {
		return string(e.Code)
	}
	return string(e.Code) + "/" + e.Detail
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return string(e.Code)
	}
	return fmt.Sprintf("%s: %v", e.Code, e.Err)
}

// Unwrap gives the operator's chain.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of an *Error in err's chain, and "" where the fault is ours.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// Overage is GroupsOverage or SAMLOverage, as the connection speaks.
func Overage(spoken Protocol, p Provider) *Error {
	if spoken == SAML {
		return SAMLOverage(p)
	}
	return GroupsOverage(p)
}

// GroupsOverage is the end of a sign-in whose identity has GroupState GroupsUnknown, in a tenant whose groups come from
// claims. Where the directory is filled over SCIM the claim does not matter, and the sign-in goes on.
func GroupsOverage(p Provider) *Error {
	hint := "The identity provider left the groups out of its token, so a role cannot be told. Send fewer of them, or fill the directory over SCIM."
	switch p {
	case Okta:
		hint = "Okta puts at most 100 groups into a token and cuts the rest without a word. Filter the groups claim to those that carry a role (Sign On > OpenID Connect ID Token), or provision over SCIM."
	case Entra:
		hint = "Entra ID sends a link instead of more than 200 groups. Under Token configuration choose Groups assigned to the application, use app roles (claim roles), or provision over SCIM."
	case Auth0, Google, Keycloak, ADFS, Generic:
	}
	return &Error{Code: CodeGroupsOverage, Err: errors.New("groups are cut off or withheld"), Hint: hint}
}

// SAMLOverage is GroupsOverage for a sign-in over SAML.
func SAMLOverage(p Provider) *Error {
	hint := "The identity provider left the groups out of its assertion, so a role cannot be told. Send fewer of them, or fill the directory over SCIM."
	switch p {
	case Entra:
		hint = "Entra ID sends a link instead of more than 150 groups. Under Single sign-on > Attributes & Claims choose Groups assigned to the application, use app roles (claim role), or provision over SCIM."
	case Google:
		hint = "Google sends at most 75 groups. Under Apps > SAML attribute mapping > Group membership choose only the groups that carry a role."
	case ADFS:
		hint = "AD FS sent fewer groups than the person has. Send only those that carry a role: a claim rule Send Group Membership as a Claim for each."
	case Okta:
		hint = "Okta cut the list of groups. Filter the Group Attribute Statement to the groups that carry a role, or provision over SCIM."
	case Auth0, Keycloak, Generic:
	}
	return &Error{Code: CodeSAMLOverage, Detail: "groups", Err: errors.New("groups are cut off or withheld"), Hint: hint}
}

// ErrNoLogout reports a provider without a sign-out of its own.
var ErrNoLogout = errors.New("provider has no sign-out endpoint")

// ErrNotFound reports a tenant or connection that does not exist, or no longer.
var ErrNotFound = errors.New("no such tenant or connection")
