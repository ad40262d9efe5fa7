package main

import (
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

// guideSAML says in the words of the provider's own menus where the addresses go, what to sign, and how groups get into
// assertions.
func guideSAML(conn idp.Connection, our samlAddresses) string {
	groups := "groups"
	if names := conn.SAML.Attributes.Groups; len(names) > 0 {
		groups = names[0]
	}
	text := map[idp.Provider]string{
		idp.Okta: `  1. Applications > Create App Integration > SAML 2.0 > Configure SAML > Single sign-on URL
     (Use this for Recipient URL and Destination URL: on):
       {acs}
  2. Audience URI (SP Entity ID):
       {entity}
  3. Name ID format: Persistent. Show Advanced Settings > Response and Assertion Signature: Signed,
     Signature Algorithm: RSA-SHA256, Digest Algorithm: SHA256
  4. Group Attribute Statements: {groups}, Name format Unspecified, Filter Matches regex .*
  5. for signing out: Signature Certificate: the output of ssogate saml certificate --tenant {tenant} {id};
     Enable Single Logout, Single Logout URL:
       {slo}
     SP Issuer: the entity id of step 2
  6. Assignments: assign the people or groups who may sign in`,
		idp.Auth0: `  1. Applications > your app > Addons > SAML2 Web App > Settings > Application Callback URL:
       {acs}
  2. the same page > Settings (Auth0 signs with SHA-1 unless told):
       {
         "audience": "{entity}",
         "recipient": "{acs}",
         "destination": "{acs}",
         "signatureAlgorithm": "rsa-sha256",
         "digestAlgorithm": "sha256",
         "logout": {"callback": "{slo}", "slo_enabled": true}
       }
  3. Actions > Library > Create Action > Login / Post Login:
       api.samlResponse.setAttribute("{groups}", event.authorization?.roles ?? [])
  4. Actions > Triggers > post-login: drag the action in`,
		idp.Entra: `  1. Enterprise applications > New application > Create your own application > Non-gallery, then
     Single sign-on > SAML > Basic SAML Configuration > Identifier (Entity ID):
       {entity}
  2. the same page > Reply URL (Assertion Consumer Service URL):
       {acs}
  3. the same page > Logout Url:
       {slo}
  4. Attributes & Claims > Add a group claim > Groups assigned to the application, Source attribute: Group ID.
     Groups come as object ids: map roles to those
  5. SAML Certificates > App Federation Metadata Url: give it to the gate, which then sees new certificates coming.
     With Token encryption: SAML Certificates > Edit > Signing Option: Sign SAML response and assertion
  6. Users and groups: assign the people or groups who may sign in`,
		idp.ADFS: `  1. AD FS Management > Relying Party Trusts > Add Relying Party Trust > Claims aware >
     Import data about the relying party published online:
       {metadata}
  2. Edit Claim Issuance Policy > Add Rule > Send LDAP Attributes as Claims:
       E-Mail-Addresses > E-Mail Address, User-Principal-Name > UPN, Token-Groups - Unqualified Names > Group
  3. Add Rule > Transform an Incoming Claim: Incoming UPN, Outgoing Name ID,
     Outgoing name ID format Persistent Identifier. (Without this rule AD FS sends no NameID.)
  4. Properties > Advanced > Secure hash algorithm: SHA-256`,
		idp.Google: `  1. Admin console > Apps > Web and mobile apps > Add app > Add custom SAML app > Service provider details > ACS URL:
       {acs}
  2. the same page > Entity ID:
       {entity}
  3. Name ID format: PERSISTENT or EMAIL, Name ID: Basic Information > Primary email
  4. Attribute mapping > Group membership: choose the groups (75 at most), App attribute: {groups}
  5. User access: turn the app on for those who may sign in
     (Google has no single logout and no metadata address: when it makes a new certificate, download the metadata and run
     ssogate connection update --tenant {tenant} {id} --saml-metadata FILE)`,
		idp.Keycloak: `  1. Clients > Import client, with the output of ssogate saml metadata --tenant {tenant} {id};
     or Create client > SAML > Client ID:
       {entity}
  2. Settings > Valid redirect URIs:
       {acs}
     Sign documents: on, Sign assertions: on, Signature algorithm: RSA_SHA256
  3. Advanced > Logout Service Redirect Binding URL:
       {slo}
  4. Client scopes > the client's dedicated scope > Add mapper > By configuration > Group list:
     Group attribute name {groups}, Single Group Attribute on, Full group path off`,
	}[conn.Provider]
	if text == "" {
		text = `  1. our metadata, if it takes one:
       {metadata}
  2. else entity id (audience):
       {entity}
     assertion consumer service (ACS, reply) URL, binding HTTP-POST:
       {acs}
     single logout URL, binding HTTP-Redirect or HTTP-POST:
       {slo}
  3. a NameID that stays the same for a person (persistent), signed with RSA-SHA256
  4. a person's groups in an attribute called {groups}`
	}
	return strings.NewReplacer("{acs}", our.ACS, "{entity}", our.EntityID, "{slo}", our.SLO, "{metadata}", our.Metadata,
		"{groups}", groups, "{tenant}", string(conn.Tenant), "{id}", string(conn.ID)).Replace(text)
}
