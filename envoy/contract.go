package envoy

import (
	"slices"
	"strings"
	"time"
)

// HeaderPrefix starts every request header in which the gate tells the dashboard who is asking. Envoy strips
// the client's own copies of the whole family before anything else reads them.
const HeaderPrefix = "x-sso-"

// The identity headers the gate sets on an allowed request. A bare one proves nothing to a service whose port
// others can reach: such a service verifies HeaderAssertion.
const (
	HeaderUser      = "x-sso-user"      // the directory's user id
	HeaderEmail     = "x-sso-email"     // for display only, never a key
	HeaderTenant    = "x-sso-tenant"    // the tenant id
	HeaderRole      = "x-sso-role"      // the decision's role; absent when it names none
	HeaderAssertion = "x-sso-assertion" // a short-lived signed JWT that carries all of the above
)

// HeaderDecisionID names the decision on every answer of the gate's that reaches a client, so that a
// screenshot of a refusal leads to its line in the decision log.
const HeaderDecisionID = "x-sso-decision-id"

// IdentityHeaders returns the names of the headers that carry the identity, in the order they are set.
func IdentityHeaders() []string {
	return []string{HeaderUser, HeaderEmail, HeaderTenant, HeaderRole, HeaderAssertion}
}

// MetadataNamespace is where Envoy keeps the dynamic metadata of a Check; access logs read it from there.
const MetadataNamespace = "envoy.filters.http.ext_authz"

// The keys of the dynamic metadata the gate returns with every answer. They hold ids and words, no e-mail
// address and no token: access logs print them.
const (
	MetadataTenant     = "tenant"
	MetadataUser       = "user"
	MetadataRole       = "role"
	MetadataDecisionID = "decision_id"
	MetadataOutcome    = "outcome"
)

// Outcome says in one word how a check ended. Metadata, decision log and metrics use the same word. The zero
// value is no outcome at all: an answer that carries it was never finished.
type Outcome string

// The outcomes. Only OutcomeAllow and OutcomePass let a request through to an upstream.
const (
	OutcomeAllow           Outcome = "allow"           // policy said yes
	OutcomeDeny            Outcome = "deny"            // policy said no
	OutcomeStepUp          Outcome = "step_up"         // policy wants a fresher or stronger sign-in
	OutcomeSignIn          Outcome = "sign_in"         // a browser without a session was sent to sign in
	OutcomeUnauthenticated Outcome = "unauthenticated" // anything else without a session: 401
	OutcomeAuth            Outcome = "auth"            // answered by the gate itself under /auth
	OutcomePass            Outcome = "pass"            // handed to a handler that authenticates by itself (/scim/v2)
	OutcomeInvalid         Outcome = "invalid"         // a request the gate will not interpret: 400, 405, 413, 414, 421, 431
	OutcomeFault           Outcome = "fault"           // our own fault: 503
)

// Outcomes returns every outcome, for metrics that want their label values known beforehand.
func Outcomes() []Outcome {
	return []Outcome{
		OutcomeAllow, OutcomeDeny, OutcomeStepUp, OutcomeSignIn, OutcomeUnauthenticated,
		OutcomeAuth, OutcomePass, OutcomeInvalid, OutcomeFault,
	}
}

// FaultsKey is the context extension by which a front end says how it wants the gate's own faults; its value
// FaultsErrorResponse asks for CheckResponse.error_response. Only a front end that fails closed may say so:
// Envoy treats error_response as a failed Check, and a fail-open one would let the request pass. Anything else,
// or nothing, gets an ordinary denied answer with status 503. No decision ever depends on it.
const (
	FaultsKey           = "ssogate_faults"
	FaultsErrorResponse = "error_response"
)

// Limits that the rendered config and the gate must agree on.
const (
	// MaxBody is the largest request body a Check carries unless Config.MaxBody says otherwise: a SAML response of
	// 640 KiB, which in base64 with its line breaks escaped becomes half as long again.
	MaxBody = 983040
	// LargestBody is the most that Config.MaxBody may say, and that the gate takes: a response of 1 MiB.
	LargestBody = 1572864
	// CheckTimeout is how long Envoy waits for a Check: the net under the gate's own, shorter deadlines.
	CheckTimeout = 15 * time.Second
	// MaxHeaderKiB and MaxHeaders bound the headers of a request, the gate's own included: past either, Envoy
	// answers 500 for a request whose Check said yes.
	MaxHeaderKiB = 60
	MaxHeaders   = 100
	// MaxChecks is how many Checks Envoy keeps in flight before it refuses by itself. The gate's own caps
	// must add up to less.
	MaxChecks = 4096
)

// The paths the gate owns on the public host. Each is matched by whole segments: /authx is the dashboard's.
const (
	PathAuth     = "/auth"
	PathSCIM     = "/scim/v2"
	PathSettings = "/settings/authentication"
	PathHealth   = "/healthz" // exact; Envoy answers it alone, without a Check
)

// pathLogout takes a body on exactly this path; the prefixes below take one on everything under them.
const pathLogout = "/auth/logout"

// BodyPrefixes returns the path prefixes under which a Check carries the request's body: the SAML callback,
// SAML logout, and OIDC back-channel logout with global token revocation.
func BodyPrefixes() []string {
	return []string{"/auth/callback/saml", "/auth/saml", "/auth/oidc"}
}

// BodyPaths returns the paths that carry a body as they stand, without anything below them.
func BodyPaths() []string { return []string{pathLogout} }

// TakesBody reports whether a Check on this canonical path carries the request's body. Everywhere else a body
// streams past the gate unread, so uploads are neither delayed nor cut.
func TakesBody(path string) bool {
	if slices.Contains(BodyPaths(), path) {
		return true
	}
	return slices.ContainsFunc(BodyPrefixes(), func(prefix string) bool { return Under(path, prefix) })
}

// Under reports whether a canonical path is prefix itself or lies below it, by whole segments: Envoy's
// path_separated_prefix.
func Under(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// RefusedPolicyHeader reports whether a policy may never set or remove the named request header: identity,
// Envoy's own, pseudo-headers, host, the cookie line and everything that frames the message. Underscores count
// as dashes, because WSGI, Rack and PHP cannot tell the two apart.
func RefusedPolicyHeader(name string) bool {
	n := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	if n == "" || n[0] == ':' || strings.HasPrefix(n, HeaderPrefix) || strings.HasPrefix(n, "x-envoy-") {
		return true
	}
	return n == "cookie" || slices.Contains(framingHeaders(), n)
}

// framingHeaders decide where a message goes, where it ends or what the connection becomes.
func framingHeaders() []string {
	return []string{
		"host", "connection", "content-length", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization",
		"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
	}
}
