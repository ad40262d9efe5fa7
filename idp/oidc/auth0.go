package oidc

import (
	"errors"
	"net/url"
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

// auth0Groups is the claim the setup guide's Action writes: Auth0 silently drops a custom claim called groups, so the
// name carries a namespace. It is one literal name, dots and slashes included.
const auth0Groups = "https://tracio.ai/groups"

// auth0Issuer ends in a slash: that is how Auth0 spells it in every token.
func auth0Issuer(domain string) (string, error) {
	host, path, err := splitDomain(domain)
	if err != nil {
		return "", err
	}
	if strings.Trim(path, "/") != "" {
		return "", errors.New("give the Auth0 domain alone, such as acme.eu.auth0.com")
	}
	return "https://" + host + "/", nil
}

func auth0(issuer string) idp.OIDCSettings {
	s := standard(issuer, "openid", "profile", "email")
	s.ClientAuth = idp.AuthPost // what an Auth0 application is created with
	s.Claims.Groups = auth0Groups
	return s
}

// auth0Logout is the sign-out of tenants older than its OpenID Connect end-session endpoint.
func auth0Logout(conn idp.Connection, l idp.Logout) idp.Redirect {
	v := url.Values{"client_id": {conn.Settings.ClientID}}
	if l.ReturnTo != "" {
		v.Set("returnTo", l.ReturnTo)
	}
	return redirect(strings.TrimSuffix(conn.Settings.Issuer, "/")+"/v2/logout", v)
}
