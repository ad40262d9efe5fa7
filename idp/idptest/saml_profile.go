package idptest

import (
	"strings"
	"time"
)

// SAMLProfile gives the SAML provider the manners of a well-known one.
type SAMLProfile string

// The profiles. The zero value is a plain, correct provider that signs response and assertion.
const (
	SAMLPlain    SAMLProfile = ""
	SAMLOkta     SAMLProfile = "okta"     // signs both; xsi:type on every value, kept by PrefixList
	SAMLAuth0    SAMLProfile = "auth0"    // signs the assertion; good for an hour; with SAMLOptions.SHA1 as it comes out of the box
	SAMLEntra    SAMLProfile = "entra"    // signs the assertion; default namespaces; more than 150 groups become a link
	SAMLADFS     SAMLProfile = "adfs"     // signs the assertion; no overage
	SAMLGoogle   SAMLProfile = "google"   // signs the response; at most 75 groups; no single logout
	SAMLKeycloak SAMLProfile = "keycloak" // signs the response; one Attribute for each role
)

// SAMLProfiles lists the six that imitate a product.
func SAMLProfiles() []SAMLProfile {
	return []SAMLProfile{SAMLOkta, SAMLAuth0, SAMLEntra, SAMLADFS, SAMLGoogle, SAMLKeycloak}
}

// SAMLSign says what a provider signs; the zero value is what its profile signs.
type SAMLSign string

// The choices.
const (
	SignProfile   SAMLSign = ""
	SignAssertion SAMLSign = "assertion"
	SignResponse  SAMLSign = "response"
	SignBoth      SAMLSign = "both"
	SignNothing   SAMLSign = "nothing"
)

// Formats of a NameID.
const (
	FormatEmail       = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
	FormatUnspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
	FormatPersistent  = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	FormatTransient   = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
)

// EntraGroupsLink is the attribute that Entra ID sends in place of more than 150 groups.
const EntraGroupsLink = "http://schemas.microsoft.com/claims/groups.link"

const (
	claimsURI    = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
	microsoftURI = "http://schemas.microsoft.com/identity/claims/"
	basicFormat  = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
	uriFormat    = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
	plainFormat  = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"
	password     = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
)

// where xs and xsi are declared, which only matters to canonical XML.
type typing int

const (
	untyped   typing = iota
	onValue          // xmlns:xs, xmlns:xsi and xsi:type on every AttributeValue
	statement        // declared once, on the AttributeStatement
)

// manners is what differs between providers.
type manners struct {
	entityID   func(base string) string
	samlp      string // prefixes; empty is the default namespace
	saml       string
	ds         string // as signing.prefix
	sign       SAMLSign
	life       time.Duration // of Conditions and confirmation
	early      time.Duration // NotBefore lies that far back
	session    time.Duration // of SessionNotOnOrAfter; zero: none is sent
	format     string        // of the NameID
	issuerForm string        // Format of Issuer
	consent    bool
	keyName    bool // KeyInfo names the key beside the certificate
	prefixList string
	typing     typing
	xsiType    string
	nameFormat string
	email      string
	given      string
	family     string
	display    string
	objectID   string
	groups     string
	splitRoles bool // one Attribute for each group
	maxGroups  int  // above it they are cut, or, where link is set, left out
	link       string
	authn      string
	noSLO      bool
}

func suffix(s string) func(string) string { return func(string) string { return s } }

func itself(base string) string { return base }

func under(path string) func(string) string {
	return func(base string) string { return strings.TrimSuffix(base, "/") + path }
}

const tenantGUID = "8f2f0c1e-5d7b-4c61-9a3e-1f0f6b6c7a11"

var samlManners = map[SAMLProfile]manners{
	SAMLPlain: {entityID: under("/metadata"), samlp: "samlp", saml: "saml", sign: SignBoth, life: 5 * time.Minute, format: FormatPersistent,
		nameFormat: basicFormat, email: "email", given: "firstName", family: "lastName", display: "displayName", groups: "groups", authn: password},
	SAMLOkta: {entityID: suffix("http://www.okta.com/exk1a2b3c4d5e6f7g8h9"), samlp: "saml2p", saml: "saml2", sign: SignBoth, life: 5 * time.Minute,
		early: 5 * time.Minute, format: FormatEmail, issuerForm: "urn:oasis:names:tc:SAML:2.0:nameid-format:entity", prefixList: "xs",
		typing: onValue, xsiType: "xs:string", nameFormat: plainFormat,
		email: "email", given: "firstName", family: "lastName", display: "displayName", groups: "groups", authn: password},
	SAMLAuth0: {entityID: suffix("urn:acme.eu.auth0.com"), samlp: "samlp", saml: "saml", ds: "-", sign: SignAssertion, life: time.Hour,
		format: FormatUnspecified, typing: statement, xsiType: "xs:string", nameFormat: uriFormat,
		email: claimsURI + "emailaddress", given: claimsURI + "givenname", family: claimsURI + "surname", display: claimsURI + "name",
		groups: "http://schemas.auth0.com/groups", authn: "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"},
	SAMLEntra: {entityID: suffix("https://sts.windows.net/" + tenantGUID + "/"), samlp: "samlp", ds: "-", sign: SignAssertion, life: time.Hour,
		early: 5 * time.Minute, format: FormatEmail,
		email: claimsURI + "emailaddress", given: claimsURI + "givenname", family: claimsURI + "surname", display: microsoftURI + "displayname", objectID: microsoftURI + "objectidentifier",
		groups: "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups", maxGroups: 150, link: EntraGroupsLink,
		authn: "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"},
	SAMLADFS: {entityID: suffix("http://adfs.acme.example/adfs/services/trust"), samlp: "samlp", sign: SignAssertion, life: time.Hour,
		format: FormatEmail, consent: true,
		email: claimsURI + "emailaddress", given: claimsURI + "givenname", family: claimsURI + "surname", display: claimsURI + "name",
		groups: "http://schemas.xmlsoap.org/claims/Group", authn: password},
	SAMLGoogle: {entityID: suffix("https://accounts.google.com/o/saml2?idpid=C01abcdef"), samlp: "saml2p", saml: "saml2", sign: SignResponse,
		life: 5 * time.Minute, early: 5 * time.Minute, format: FormatEmail, typing: onValue, xsiType: "xs:anyType",
		email: "email", given: "firstName", family: "lastName", display: "displayName", groups: "groups", maxGroups: 75,
		authn: "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified", noSLO: true},
	SAMLKeycloak: {entityID: itself, samlp: "samlp", saml: "saml", ds: "dsig", sign: SignResponse, life: 5 * time.Minute, session: 10 * time.Hour,
		format: FormatPersistent, keyName: true, typing: onValue, xsiType: "xs:string", nameFormat: basicFormat,
		email: "email", given: "givenName", family: "surname", display: "name", groups: "Role", splitRoles: true, authn: password},
}
