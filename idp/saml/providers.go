package saml

import "github.com/tracio-ai/ssogate/idp"

// The attribute names that several products share.
const (
	claimEmail   = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"
	claimGiven   = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname"
	claimFamily  = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname"
	claimName    = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"
	claimUPN     = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
	claimGroup   = "http://schemas.xmlsoap.org/claims/Group"
	claimRole    = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
	oidMail      = "urn:oid:0.9.2342.19200300.100.1.3"
	oidEmail     = "urn:oid:1.2.840.113549.1.9.1"
	oidGiven     = "urn:oid:2.5.4.42"
	oidFamily    = "urn:oid:2.5.4.4"
	oidDisplay   = "urn:oid:2.16.840.1.113730.3.1.241"
	oidAffiliate = "urn:oid:1.3.6.1.4.1.5923.1.1.1.1" // eduPersonAffiliation
)

// Preset are the settings that a connection to a provider starts with: what it calls its attributes when nobody has
// changed that, and its manners. It trusts nothing: entity ID, addresses and keys come from metadata.
func Preset(p idp.Provider) idp.SAMLSettings {
	switch p {
	case idp.Okta: // the admin names the attributes; these are what Okta's own guide proposes
		return idp.SAMLSettings{Attributes: idp.SAMLAttributes{
			Email: []string{"email", "mail"}, GivenName: []string{"firstName", "givenName"}, FamilyName: []string{"lastName", "surname"},
			DisplayName: []string{"displayName"}, Groups: []string{"groups"},
		}}
	case idp.Auth0: // no user name: anybody can sign up with anybody's address
		return idp.SAMLSettings{Attributes: idp.SAMLAttributes{
			Email: []string{claimEmail}, GivenName: []string{claimGiven}, FamilyName: []string{claimFamily}, DisplayName: []string{claimName},
			Groups: []string{claimGroup, "http://schemas.auth0.com/groups"},
		}}
	case idp.Entra: // its NameID is the user principal name, which passes on to whoever is hired next under it; the object id never does
		return idp.SAMLSettings{SubjectFrom: entraObjectID, Attributes: idp.SAMLAttributes{
			UserName: []string{claimName}, Email: []string{claimEmail}, GivenName: []string{claimGiven}, FamilyName: []string{claimFamily},
			DisplayName: []string{"http://schemas.microsoft.com/identity/claims/displayname"}, Groups: []string{entraGroups},
		}}
	case idp.ADFS:
		return idp.SAMLSettings{Attributes: idp.SAMLAttributes{
			UserName: []string{claimUPN}, Email: []string{claimEmail}, GivenName: []string{claimGiven}, FamilyName: []string{claimFamily},
			DisplayName: []string{claimName}, Groups: []string{claimGroup, claimRole},
		}}
	case idp.Google: // its NameID is the address
		return idp.SAMLSettings{Attributes: idp.SAMLAttributes{
			Email: []string{"email", "mail"}, GivenName: []string{"firstName", "givenName"}, FamilyName: []string{"lastName", "surname"},
			Groups: []string{"groups"},
		}}
	case idp.Keycloak: // Role by default, one Attribute for each role; member where a group mapper was added
		return idp.SAMLSettings{Attributes: idp.SAMLAttributes{
			Email: []string{"email", oidEmail}, GivenName: []string{"givenName", "firstName", oidGiven}, FamilyName: []string{"surname", "lastName", oidFamily},
			Groups: []string{"member", "Role", "groups"},
		}}
	case idp.Generic:
	}
	return idp.SAMLSettings{Attributes: idp.SAMLAttributes{
		Email: []string{"email", "mail", oidMail, oidEmail, claimEmail}, GivenName: []string{"givenName", "firstName", oidGiven, claimGiven},
		FamilyName: []string{"sn", "surname", "lastName", oidFamily, claimFamily}, DisplayName: []string{"displayName", oidDisplay},
		Groups: []string{"groups", "memberOf", claimGroup, oidAffiliate},
	}}
}

func hintUnknownKey(p idp.Provider) string {
	switch p {
	case idp.Okta:
		return "Signed with a certificate the connection does not have. In Okta open Sign On > SAML Signing Certificates, and upload the metadata of the active one."
	case idp.Entra:
		return "Signed with a certificate the connection does not have. In Entra open Single sign-on > SAML Certificates, and upload the Federation Metadata XML of the active one."
	case idp.ADFS:
		return "Signed with a certificate the connection does not have. AD FS renews its token-signing certificate by itself: upload FederationMetadata.xml again, or give its URL."
	case idp.Google:
		return "Signed with a certificate the connection does not have. In the Google Admin console open Apps > Web and mobile apps > the app > Download metadata, and upload it."
	case idp.Keycloak:
		return "Signed with a certificate the connection does not have. In Keycloak open Realm settings > Keys, and upload the realm's SAML 2.0 Identity Provider Metadata again."
	case idp.Auth0:
		return "Signed with a certificate the connection does not have. In Auth0 open the application's Addons > SAML2 Web App > Usage, download the metadata and upload it."
	case idp.Generic:
	}
	return "Signed with a certificate the connection does not have. Upload the identity provider's metadata again."
}

func hintSHA1(p idp.Provider) string {
	switch p {
	case idp.Auth0:
		return `Signed with SHA-1, which can be forged. In Auth0 open the application's Addons > SAML2 Web App > Settings and add {"signatureAlgorithm":"rsa-sha256","digestAlgorithm":"sha256"}.`
	case idp.Okta:
		return "Signed with SHA-1, which can be forged. In Okta open the application's General > SAML Settings > Advanced and set Signature Algorithm to RSA-SHA256 and Digest Algorithm to SHA256."
	case idp.Entra:
		return "Signed with SHA-1, which can be forged. In Entra open Single sign-on > SAML Certificates > Edit and set Signing Algorithm to SHA-256."
	case idp.ADFS:
		return "Signed with SHA-1, which can be forged. In AD FS open the relying party trust's Properties > Advanced and set Secure hash algorithm to SHA-256."
	case idp.Keycloak:
		return "Signed with SHA-1, which can be forged. In Keycloak open the client's Keys or Settings > Signature and Encryption and set Signature algorithm to RSA_SHA256."
	case idp.Google, idp.Generic:
	}
	return "Signed with SHA-1, which can be forged. Set the identity provider to sign with RSA-SHA256 and to digest with SHA-256."
}

func hintCBC(p idp.Provider) string {
	if p == idp.Entra {
		return "Encrypted with AES-CBC, which is accepted only inside a signed response. In Entra open Single sign-on > SAML Certificates > Edit and set Signing Option to Sign SAML response and assertion."
	}
	return "Encrypted with AES-CBC, which is accepted only inside a signed response. Set the identity provider to sign the response as well, or to encrypt with AES-GCM."
}

// Names that Entra ID gives to what it says.
const (
	entraObjectID   = "http://schemas.microsoft.com/identity/claims/objectidentifier"
	entraGroups     = "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups"
	entraGroupsLink = "http://schemas.microsoft.com/claims/groups.link" // stands for more than 150 groups
)

func hintNameID(p idp.Provider) string {
	if p == idp.ADFS {
		return "AD FS sends no NameID unless a rule makes one. In the relying party trust's Edit Claim Issuance Policy add a rule that sends E-Mail-Address as Name ID."
	}
	return "The NameID is missing or cannot be used. Choose another value for it at the identity provider."
}
