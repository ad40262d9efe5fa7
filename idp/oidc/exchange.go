package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
)

// tokens are what a code was exchanged for.
type tokens struct {
	id     secret.Text
	access secret.Text
}

// oneShot is the client without redirects: no POST may be sent on, and no bearer token follows a Location.
func (c *Connector) oneShot() *http.Client {
	once := *c.Client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &once
}

// authStyle is how client id and secret travel. It is never left to x/oauth2 to find out: on any error that sends
// the same code a second time, in the other way, and providers answer a second use by revoking what the first gave.
func authStyle(s idp.OIDCSettings) (oauth2.AuthStyle, error) {
	switch s.ClientAuth {
	case idp.AuthBasic, "":
		return oauth2.AuthStyleInHeader, nil
	case idp.AuthPost, idp.AuthNone:
		return oauth2.AuthStyleInParams, nil
	default:
		return 0, fault(idp.CodeClient, "Choose client_secret_basic, client_secret_post or none as the connection's client authentication.", "unknown client authentication")
	}
}

// clientSecret is empty for a public client, whatever is stored.
func clientSecret(s idp.OIDCSettings) string {
	if s.ClientAuth == idp.AuthNone {
		return ""
	}
	return s.ClientSecret.Reveal()
}

// exchange sends the code once (RFC 6749 §4.1.3, RFC 7636 §4.5).
func (c *Connector) exchange(ctx context.Context, conn idp.Connection, m metadata, a idp.Attempt, code secret.Text) (tokens, error) {
	style, err := authStyle(conn.Settings)
	if err != nil {
		return tokens{}, err
	}
	conf := oauth2.Config{
		ClientID: conn.Settings.ClientID, ClientSecret: clientSecret(conn.Settings), RedirectURL: a.Callback,
		Endpoint: oauth2.Endpoint{TokenURL: m.Token, AuthStyle: style},
	}
	tok, err := conf.Exchange(gooidc.ClientContext(ctx, c.oneShot()), code.Reveal(), oauth2.VerifierOption(a.Derive(idp.DerivePKCE)))
	c.count("token", err)
	if err != nil {
		return tokens{}, exchangeFault(ctx, conn, err)
	}
	id, ok := tok.Extra("id_token").(string)
	if !ok || id == "" {
		return tokens{}, fault(idp.CodeResponse, "The identity provider sent no ID token. The application must be an OpenID Connect one and scope openid allowed.", "token answer has no id_token")
	}
	return tokens{id: secret.New(id), access: secret.New(tok.AccessToken)}, nil
}

// exchangeFault keeps what is safe of a failed exchange. The error of x/oauth2 prints the answer's body, which is
// whatever stands behind an address a customer typed.
func exchangeFault(ctx context.Context, conn idp.Connection, err error) error {
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if ok {
		return tokenRefusal(conn, refused.Response.StatusCode, refused.ErrorCode)
	}
	if _, ok := errors.AsType[*url.Error](err); ok || ctx.Err() != nil {
		return transportFault(ctx, "exchange code", err)
	}
	return fault(idp.CodeResponse, "The token endpoint's answer cannot be read. Check that the connection's issuer is the right one.", "exchange code: malformed answer")
}

// tokenRefusal reads the error codes of RFC 6749 §5.2.
func tokenRefusal(conn idp.Connection, status int, code string) error {
	switch {
	case code == "invalid_grant":
		return fault(idp.CodeResponse, "The identity provider did not accept the code: it was used before, took too long, or the redirect URI differs. Start again.", "exchange code: invalid_grant")
	case code == "invalid_client", status == http.StatusUnauthorized:
		return fault(idp.CodeClient, secretHint(conn.Provider), "exchange code: client authentication refused")
	case code == "unauthorized_client", code == "invalid_request", code == "unsupported_grant_type", code == "invalid_scope":
		return fault(idp.CodeClient, clientHint(conn, code), "exchange code: "+code)
	case status >= 500, status == http.StatusTooManyRequests:
		return fault(idp.CodeUnavailable, downHint, "exchange code: token endpoint answers with a fault of its own")
	case status >= 300 && status < 400:
		return fault(idp.CodeResponse, "The token endpoint redirects, which no client may follow. Check the issuer.", "exchange code: token endpoint redirects")
	default:
		return fault(idp.CodeClient, clientHint(conn, code), "exchange code: refused")
	}
}

func secretHint(p idp.Provider) string {
	switch p {
	case idp.Entra:
		return "Entra ID refuses the client secret. Make a new one under App registrations > Certificates & secrets and paste its Value, not its Secret ID; it also expires."
	case idp.Okta:
		return "Okta refuses the client secret. Copy it again from Applications > the app > General > Client Credentials."
	case idp.Auth0:
		return "Auth0 refuses the client secret. Copy it again from Applications > the app > Settings, and compare Credentials > Authentication Method."
	case idp.Google, idp.Keycloak, idp.ADFS, idp.Generic:
	}
	return "The identity provider refuses client id and secret. Paste the secret again, and compare the client authentication method (basic or post)."
}
