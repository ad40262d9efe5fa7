package oidc

import (
	"errors"
	"fmt"

	"github.com/tracio-ai/ssogate/idp"
)

// Known is what an admin knows of their provider; each preset reads one of the fields.
type Known struct {
	Domain   string // Okta, Auth0
	TenantID string // Entra
	Issuer   string // Keycloak, generic; Google needs nothing
}

// Preset turns it into settings that still miss the client id and secret. An error says what to type instead.
func Preset(p idp.Provider, k Known) (idp.OIDCSettings, error) {
	issuer, err := presetIssuer(p, k)
	if err != nil {
		return idp.OIDCSettings{}, err
	}
	switch p {
	case idp.Okta:
		return okta(issuer), nil
	case idp.Auth0:
		return auth0(issuer), nil
	case idp.Entra:
		return entra(issuer), nil
	case idp.Google:
		return standard(issuer, "openid", "profile", "email"), nil // scope groups would be refused
	case idp.Keycloak, idp.Generic:
		s := standard(issuer, "openid", "profile", "email")
		s.Claims.Groups = "groups"
		return s, nil
	case idp.ADFS: // over SAML alone
		fallthrough
	default:
		return idp.OIDCSettings{}, fmt.Errorf("no provider %.40q", p)
	}
}

func presetIssuer(p idp.Provider, k Known) (string, error) {
	switch p {
	case idp.Okta:
		return oktaIssuer(k.Domain)
	case idp.Auth0:
		return auth0Issuer(k.Domain)
	case idp.Entra:
		return entraIssuer(k.TenantID)
	case idp.Google:
		return googleIssuer, nil
	case idp.Keycloak, idp.Generic:
		if k.Issuer == "" {
			return "", errors.New("give the issuer, as the provider's discovery document spells it")
		}
		if err := checkIssuer(k.Issuer); err != nil {
			return "", fmt.Errorf("issuer: %w", err)
		}
		return k.Issuer, nil
	case idp.ADFS: // over SAML alone
		fallthrough
	default:
		return "", fmt.Errorf("no provider %.40q: try okta, auth0, entra, google, keycloak or generic", p)
	}
}

// standard are settings with the claims of OpenID Connect Core §5.1. Providers that send no preferred_username, as
// Google and mostly Auth0, fall back on the address, but only where they vouch for it: anybody can sign up with anybody's.
func standard(issuer string, scopes ...string) idp.OIDCSettings {
	return idp.OIDCSettings{
		Issuer: issuer, ClientAuth: idp.AuthBasic, Scopes: scopes,
		Claims: idp.ClaimNames{UserName: "preferred_username", Email: "email", DisplayName: "name"},
	}
}
