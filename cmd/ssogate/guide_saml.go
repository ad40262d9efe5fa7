package main

import (
	"strings"

	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml"
)

type samlGuideCmd struct {
	Connection string `arg:"" help:"The connection, or the id that one is to have."`
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
	Provider   string `enum:",okta,auth0,entra,adfs,google,keycloak,generic" default:"" help:"Of a connection to come: okta, auth0, entra, adfs, google, keycloak or generic." placeholder:"NAME"`
}

// guided is where the addresses go.
type guided struct {
	Connection idp.ConnectionID `json:"id"`
	Provider   idp.Provider     `json:"provider"`
	samlAddresses
	Guide string `json:"guide"`
}

// Run prints what to enter at the provider, also before there is a connection: many give their metadata only to whoever
// has told them our addresses.
func (cmd samlGuideCmd) Run(a *app) error {
	id, err := connectionID(cmd.Connection)
	if err != nil {
		return err
	}
	return a.withRealm(cmd.Tenant, func(_ *store.Store, c Config, realm idp.Realm) error {
		conn, found := realm.Connection(id)
		switch {
		case found && conn.Protocol != idp.SAML:
			return hinted("choose another id", "connection %s is over %s, not SAML", id, conn.Protocol)
		case found && cmd.Provider != "" && cmd.Provider != string(conn.Provider):
			return misused("leave --provider out", "connection %s is with %s", id, conn.Provider)
		case !found && cmd.Provider == "":
			return misused("add --provider okta, auth0, entra, adfs, google, keycloak or generic", "tenant %s has no connection %s yet", realm.Tenant.ID, id)
		case !found:
			conn = idp.Connection{ID: id, Tenant: realm.Tenant.ID, Provider: idp.Provider(cmd.Provider)}
			conn.SAML = saml.Preset(conn.Provider)
		}
		out := guided{Connection: id, Provider: conn.Provider, samlAddresses: c.samlAddresses(id)}
		out.Guide = guideSAML(conn, out.samlAddresses)
		if a.json() {
			return a.printJSON(out)
		}
		a.printf("At %s:\n%s", providerName(conn.Provider), out.Guide)
		if !found {
			a.printf("\nThen take its metadata, and:\n  ssogate connection create --tenant %s --provider %s --id %s --saml-metadata URL|FILE", conn.Tenant, conn.Provider, id)
		}
		return nil
	})
}

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
  3. Name ID format: Unspecified, Application username: Okta username. Show Advanced Settings >
     Response and Assertion Signature: Signed, Signature Algorithm: RSA-SHA256, Digest Algorithm: SHA256
  4. Attribute Statements: email = user.email, firstName = user.firstName, lastName = user.lastName,
     id = user.getInternalProperty("id"). The id never passes on to another person, as a user name may:
     ssogate connection update --tenant {tenant} {id} --subject-from id
  5. Group Attribute Statements: {groups}, Name format Unspecified, Filter Matches regex .*
  6. for signing out: Signature Certificate: the output of ssogate saml certificate --tenant {tenant} {id};
     Enable Single Logout, Single Logout URL:
       {slo}
     SP Issuer: the entity id of step 2
  7. Assignments: assign the people or groups who may sign in
  8. Sign On > Metadata details > Metadata URL: give it to the gate, which then sees new certificates coming`,
		idp.Auth0: `  1. Applications > your app > Addons > SAML2 Web App > Settings > Application Callback URL:
       {acs}
  2. the same page > Settings (Auth0 signs with SHA-1 unless told, and sends access tokens along):
       {
         "audience": "{entity}",
         "recipient": "{acs}",
         "destination": "{acs}",
         "signatureAlgorithm": "rsa-sha256",
         "digestAlgorithm": "sha256",
         "mapIdentities": false,
         "logout": {"callback": "{slo}", "slo_enabled": true}
       }
  3. Actions > Library > Create Action > Login / Post Login:
       api.samlResponse.setAttribute("{groups}", event.authorization?.roles ?? [])
  4. Actions > Triggers > post-login: drag the action in
  5. the addon's Usage > Identity Provider Metadata: give its address to the gate, which then sees new
     certificates coming`,
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
     Import data about the relying party published online or on a local network:
       {metadata}
     (or from a file: the output of ssogate saml metadata --tenant {tenant} {id})
  2. Choose Access Control Policy: whoever may sign in
  3. Edit Claim Issuance Policy > Add Rule > Send LDAP Attributes as Claims:
       E-Mail-Addresses > E-Mail Address, User-Principal-Name > UPN, Display-Name > Name,
       Token-Groups - Unqualified Names > Group
  4. Add Rule > Transform an Incoming Claim: Incoming UPN, Outgoing Name ID,
     Outgoing name ID format Persistent Identifier. (Without this rule AD FS sends no NameID.)
  5. Properties > Advanced > Secure hash algorithm: SHA-256
  6. https://YOUR-AD-FS/FederationMetadata/2007-06/FederationMetadata.xml: give this address to the gate,
     which then sees new certificates coming: AD FS makes them by itself, every year`,
		idp.Google: `  1. Admin console > Apps > Web and mobile apps > Add app > Add custom SAML app > Service provider details > ACS URL:
       {acs}
  2. the same page > Entity ID:
       {entity}
  3. Signed response: on, Name ID format: EMAIL, Name ID: Basic Information > Primary email
  4. Attribute mapping: Primary email > email, First name > firstName, Last name > lastName;
     Group membership: choose the groups (75 at most), App attribute: {groups}
  5. User access: turn the app on for those who may sign in
     (Google has no single logout and no metadata address: when it makes a new certificate, download the metadata and run
     ssogate connection update --tenant {tenant} {id} --saml-metadata FILE)`,
		idp.Keycloak: `  1. Clients > Import client, with the output of ssogate saml metadata --tenant {tenant} {id};
     or Create client > SAML > Client ID:
       {entity}
  2. Settings > Valid redirect URIs:
       {acs}
     Sign documents: on, Sign assertions: on, Signature algorithm: RSA_SHA256,
     Name ID format: persistent, Force name ID format: on
  3. Keys > Client signature required: on, with our certificate (an import brings it along):
     the output of ssogate saml certificate --tenant {tenant} {id}
  4. Advanced > Logout Service Redirect Binding URL:
       {slo}
  5. Client scopes > the client's dedicated scope > Add predefined mapper: X500 email, X500 givenName, X500 surname
  6. the same page > Add mapper > By configuration > Group list:
     Group attribute name {groups}, Single Group Attribute on, Full group path off
  7. Realm settings > General > SAML 2.0 Identity Provider Metadata: give its address to the gate, which then sees
     new certificates coming`,
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
  4. a person's groups in an attribute called {groups}, the address in one called email`
	}
	return strings.NewReplacer("{acs}", our.ACS, "{entity}", our.EntityID, "{slo}", our.SLO, "{metadata}", our.Metadata,
		"{groups}", groups, "{tenant}", string(conn.Tenant), "{id}", string(conn.ID)).Replace(text)
}
