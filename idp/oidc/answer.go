package oidc

import (
	"net/url"
	"strings"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
)

const (
	maxQuery       = 32 << 10
	maxDescription = 256 // runes of the provider's words that reach the log
)

// answer is an authorization response (RFC 6749 §4.1.2) with the issuer of RFC 9207.
type answer struct {
	Code        secret.Text
	Error       string
	Description string // for the log alone
	Issuer      string
	hasIssuer   bool
}

// parseAnswer reads the callback's query. A parameter given twice is refused: the provider signed in one person, and
// the next parser could read another's code.
func parseAnswer(rawQuery string) (answer, error) {
	const hint = "Start again from the dashboard. If it happens every time, something between the browser and the gate changes the address."
	if len(rawQuery) > maxQuery {
		return answer{}, fault(idp.CodeResponse, hint, "read callback: query is too long")
	}
	q, err := url.ParseQuery(rawQuery)
	if err != nil {
		return answer{}, fault(idp.CodeResponse, hint, "read callback: malformed query")
	}
	for _, values := range q {
		if len(values) > 1 {
			return answer{}, fault(idp.CodeResponse, hint, "read callback: a parameter is given twice")
		}
	}
	a := answer{Code: secret.New(q.Get("code")), Error: q.Get("error"), Description: clip(q.Get("error_description")), Issuer: q.Get("iss"), hasIssuer: q.Has("iss")}
	if a.Code.Empty() == (a.Error == "") {
		return answer{}, fault(idp.CodeResponse, hint, "read callback: want either code or error")
	}
	return a, nil
}

// clip cuts the provider's words to what a log line bears.
func clip(s string) string {
	n := 0
	for i := range s {
		if n++; n > maxDescription {
			return strings.ToValidUTF8(s[:i], "?")
		}
	}
	return strings.ToValidUTF8(s, "?")
}

// checkIssuer makes sure that the answer is from the provider this attempt was sent to (RFC 9207 §2.4): a hostile
// provider's metadata can name an honest one's authorization endpoint, and this runs before the code goes anywhere.
func (a answer) checkIssuer(conn idp.Connection, m metadata) error {
	if conn.Settings.SharedCallback && conn.Settings.ClientAuth == idp.AuthNone {
		return fault(idp.CodeClient, "Register this connection's own callback address at the identity provider, or give the connection a client secret.",
			"a client without a secret cannot use the shared callback")
	}
	if a.hasIssuer && a.Issuer != conn.Settings.Issuer {
		return fault(idp.CodeIssuer, "The answer names another issuer than the connection's. If the issuer was changed at the identity provider, correct it in the connection.",
			"iss parameter is not the connection's issuer")
	}
	if m.SendsIssuer && !a.hasIssuer {
		return fault(idp.CodeIssuer, "The identity provider announces the iss parameter and left it out. Start again; if it stays so, its metadata is wrong.",
			"iss parameter is announced and missing")
	}
	return nil
}

// refusal turns an error answer (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6) into its end, without its words.
func (a answer) refusal(conn idp.Connection) error {
	switch a.Error {
	case "access_denied":
		return fault(idp.CodeAccessDenied, assignHint(conn.Provider), "provider answered access_denied")
	case "login_required", "interaction_required", "consent_required", "account_selection_required":
		return fault(idp.CodeInteraction, "Sign in again; the identity provider wants to ask the person something.", "provider answered "+a.Error)
	case "temporarily_unavailable", "server_error":
		return fault(idp.CodeUnavailable, "The identity provider reports a fault of its own. Try again; look at its status page.", "provider answered "+a.Error)
	case "invalid_request", "unauthorized_client", "invalid_scope", "unsupported_response_type", "request_not_supported",
		"request_uri_not_supported", "invalid_request_uri", "registration_not_supported", "invalid_target":
		return fault(idp.CodeClient, clientHint(conn, a.Error), "provider answered "+a.Error)
	default:
		return fault(idp.CodeResponse, "The identity provider refused the sign-in with an error code that is not in the standard; its log has the reason.",
			"provider answered an unknown error")
	}
}

// assignHint says how a person is let in at the provider.
func assignHint(p idp.Provider) string {
	switch p {
	case idp.Okta:
		return "Okta refused this person. Assign them to the app: Applications > the app > Assignments."
	case idp.Entra:
		return "Entra ID refused this person. Assign them: Enterprise applications > the app > Users and groups, and see its Conditional Access policies."
	case idp.Auth0:
		return "Auth0 refused this person. See Monitoring > Logs; an Action may deny them, or they are no member of the organization."
	case idp.Google, idp.Keycloak, idp.ADFS, idp.Generic:
	}
	return "The person cancelled, or the identity provider does not let them use this application. Assign them to it there."
}

func clientHint(conn idp.Connection, code string) string {
	switch code {
	case "invalid_scope":
		return "The identity provider does not know a scope the connection asks for. Remove it from Scopes, or allow it at the provider."
	case "unauthorized_client", "unsupported_response_type":
		return "Allow the grant type Authorization Code for this application at the identity provider."
	}
	where := "at the identity provider"
	if conn.Provider == idp.Okta {
		where = "in Okta under Sign-in redirect URIs"
	}
	return "Check client id and redirect URI: the connection's callback address must be registered " + where + ", byte for byte."
}
