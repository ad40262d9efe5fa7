package oidc

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/tracio-ai/ssogate/idp"
)

// protocolParams are the authorize parameters the gate makes itself. An extra of that name could point the answer
// elsewhere, switch a check off, or say what a typed field says and nobody then checks.
var protocolParams = []string{
	"acr_values", "client_assertion", "client_assertion_type", "client_id", "client_secret", "code", "code_challenge", "code_challenge_method",
	"dpop_jkt", "error", "grant_type", "id_token_hint", "iss", "login_hint", "max_age", "nonce", "prompt", "redirect_uri", "registration",
	"request", "request_uri", "response_mode", "response_type", "scope", "state",
}

func isProtocolParam(name string) bool {
	return slices.Contains(protocolParams, strings.ToLower(name))
}

// authorizeParams are the parameters of the authorization request (OpenID Connect Core §3.1.2.1, RFC 7636 §4.3).
func authorizeParams(conn idp.Connection, a idp.Attempt) (url.Values, error) {
	s := conn.Settings
	v := url.Values{}
	for name, value := range s.Extra {
		if isProtocolParam(name) {
			return nil, fault(idp.CodeClient, fmt.Sprintf("Remove %.40q from the connection's extra parameters: the gate sets it itself.", name),
				"extra parameter is one of the protocol's")
		}
		v.Set(name, value)
	}
	v.Set("response_type", "code")
	v.Set("client_id", s.ClientID)
	v.Set("redirect_uri", a.Callback)
	v.Set("scope", strings.Join(scopes(s.Scopes), " "))
	v.Set("state", a.Relay)
	v.Set("nonce", a.Derive(idp.DeriveNonce))
	v.Set("code_challenge", oauth2.S256ChallengeFromVerifier(a.Derive(idp.DerivePKCE)))
	v.Set("code_challenge_method", "S256")
	if prompt := firstOf(a.Ask.Prompt, s.Prompt); prompt != "" {
		v.Set("prompt", prompt)
	}
	if age := maxAge(conn, a); age != nil {
		v.Set("max_age", strconv.FormatInt(int64(*age/time.Second), 10))
	}
	if acr := acrValues(conn, a); len(acr) > 0 {
		v.Set("acr_values", strings.Join(acr, " "))
	}
	if a.Ask.LoginHint != "" {
		v.Set("login_hint", a.Ask.LoginHint)
	}
	return v, nil
}

// scopes puts openid in front and drops repetitions: without it the answer has no ID token.
func scopes(want []string) []string {
	out := []string{"openid"}
	for _, s := range want {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// maxAge and acrValues are asked at the start and held against the answer at the end; both sides read them here.
func maxAge(conn idp.Connection, a idp.Attempt) *time.Duration {
	if a.Ask.MaxAge != nil {
		return a.Ask.MaxAge
	}
	return conn.Settings.MaxAge
}

func acrValues(conn idp.Connection, a idp.Attempt) []string {
	if len(a.Ask.ACR) > 0 {
		return a.Ask.ACR
	}
	return conn.Settings.ACRValues
}

// authorizeURL adds the parameters to those the endpoint may already have (RFC 6749 §3.1).
func authorizeURL(endpoint string, params url.Values) string {
	join := "?"
	if strings.Contains(endpoint, "?") {
		join = "&"
	}
	return endpoint + join + params.Encode()
}
