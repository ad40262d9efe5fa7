package oidc

import (
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

const (
	googleIssuer     = "https://accounts.google.com"
	googleIssuerBare = "accounts.google.com" // Google alone may leave the scheme out of iss
)

// organization holds the token against the organisation the connection asked for. A provider that serves many
// companies from one issuer takes the parameter as a wish: the claim in the token is the answer.
func (c checker) organization() error {
	if want := c.conn.Settings.Extra["organization"]; want != "" {
		if err := c.sameOrganization(want); err != nil {
			return err
		}
	}
	if want := c.conn.Settings.Extra["hd"]; want != "" {
		hd, err := c.text("hd", idp.CodeOrganization)
		if err != nil {
			return err
		}
		if hd == "" || want != "*" && !strings.EqualFold(hd, want) {
			return fault(idp.CodeOrganization, "This Google account is not of the company's Workspace domain. Sign in with the work account.", "verify ID token: hd is not the connection's domain")
		}
	}
	if c.conn.Provider == idp.Entra {
		return c.entraDirectory()
	}
	return nil
}

// sameOrganization compares org_id, or org_name where the connection names the organisation by name.
func (c checker) sameOrganization(want string) error {
	claim := "org_name"
	if strings.HasPrefix(want, "org_") {
		claim = "org_id"
	}
	got, err := c.text(claim, idp.CodeOrganization)
	if err != nil {
		return err
	}
	if got != want {
		return fault(idp.CodeOrganization, "The person signed in to another organization than the connection's. Add them to it at the identity provider.", "verify ID token: "+claim+" is not the connection's organization")
	}
	return nil
}

func issuerTokenHint(p idp.Provider) string {
	switch p {
	case idp.Okta:
		return "The ID token is from another Okta authorization server. Use the organisation's own address, or the one ending in /oauth2/{id}, as the app does."
	case idp.Auth0:
		return "The ID token names another issuer. Auth0's ends in a slash, and a custom domain is an issuer of its own."
	case idp.Entra:
		return "The ID token is of another directory, or of version 1: set requestedAccessTokenVersion to 2 in the app's manifest."
	case idp.Google, idp.Keycloak, idp.ADFS, idp.Generic:
	}
	return "The ID token names another issuer than the connection. Copy the issuer from the identity provider's discovery document."
}

func authTimeHint(p idp.Provider) string {
	if p == idp.Entra {
		return "Entra ID sends auth_time only as an optional claim: add it under App registrations > Token configuration, or leave max_age empty."
	}
	return "The identity provider does not say when the person signed in (auth_time). Leave max_age empty or let it send the claim."
}
