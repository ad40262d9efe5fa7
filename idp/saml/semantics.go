package saml

import (
	"slices"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

const (
	methodBearer = "urn:oasis:names:tc:SAML:2.0:cm:bearer" //nolint:gosec // the name of a method, no bearer's secret

	maxLifetime = 90 * time.Minute // of an assertion: Auth0 issues them for an hour
	attemptLife = 10 * time.Minute // how long an attempt can be answered
)

const clockHint = "The identity provider's clock and the gate's differ, or the person took too long. Check the time on the identity provider's servers and try again."

// answer is a response decoded from verified bytes.
type answer struct {
	response  response
	assertion assertion
}

// asked is what the answer is held against.
type asked struct {
	conn    idp.Connection
	attempt idp.Attempt
	at      endpoints
	now     time.Time
}

// answer decodes what was verified and holds it against what was asked, in the order of the Web Browser SSO profile
// (SAML 2.0 Profiles §4.1.4.3): who says what to whom, for which request, until when.
func (q asked) answer(v verified) (answer, error) {
	out, err := decode(v)
	if err != nil {
		return answer{}, err
	}
	if err := q.response(out.response); err != nil {
		return answer{}, err
	}
	for _, rule := range []func(assertion) error{q.issuer, q.issued, q.confirmed, q.lasts, q.meant, q.authenticated, q.named} {
		if err := rule(out.assertion); err != nil {
			return answer{}, err
		}
	}
	return out, nil
}

func decode(v verified) (answer, error) {
	res, err := decodeResponse(v.response, v.responseBy != nil)
	if err != nil {
		return answer{}, err
	}
	if v.assertion == nil {
		return answer{response: res}, nil
	}
	a, err := decodeAssertion(v.assertion)
	return answer{response: res, assertion: a}, err
}

// response holds the envelope. Where it is not signed all of this can only refuse.
func (q asked) response(r response) error {
	if r.status.code != statusSuccess {
		return refusedStatus(r.status)
	}
	if r.issuer != "" && r.issuer != q.conn.SAML.IdP.EntityID {
		return otherIssuer("response")
	}
	switch {
	case r.destination == "" && r.signed:
		return fault(idp.CodeSAMLDestination, "missing", "", "signed response has no destination")
	case r.destination != "" && r.destination != q.at.ACS:
		return fault(idp.CodeSAMLDestination, "other", "The answer is addressed to another URL. At the identity provider set the Assertion Consumer Service URL to the one shown here.", "response is for another destination")
	case r.inResponseTo != "" && r.inResponseTo != q.attempt.RequestID():
		return fault(idp.CodeSAMLInResponseTo, "response", "", "response answers another request")
	}
	return q.fresh(r.issued, "response-issued")
}

// refusedStatus says in words of ours what the provider reports (SAML 2.0 Core §3.2.2.2).
func refusedStatus(s status) error {
	known, ok := statuses[s.second]
	if !ok {
		known, ok = statuses[s.code]
	}
	if !ok {
		known = reported{"unknown", "The identity provider reports a failure. Its own log says why."}
	}
	return fault(idp.CodeSAMLStatus, known.detail, known.hint, "provider reports a failure")
}

type reported struct{ detail, hint string }

const statusPrefix = "urn:oasis:names:tc:SAML:2.0:status:"

var statuses = map[string]reported{
	statusPrefix + "AuthnFailed":           {"authn-failed", "The identity provider could not sign this person in."},
	statusPrefix + "NoPassive":             {"no-passive", "The identity provider would have had to ask the person, and was told not to."},
	statusPrefix + "RequestDenied":         {"request-denied", "The identity provider refuses this person or request. Assign the person to the application there."},
	statusPrefix + "InvalidNameIDPolicy":   {"invalid-nameid-policy", "The identity provider cannot give the NameID format asked for. Change it here or there so that both agree."},
	statusPrefix + "NoAuthnContext":        {"no-authn-context", "The identity provider cannot sign in the way that is required (RequestedAuthnContext). Change what the connection requires."},
	statusPrefix + "UnknownPrincipal":      {"unknown-principal", "The identity provider does not know this person."},
	statusPrefix + "UnsupportedBinding":    {"unsupported-binding", "The identity provider cannot answer by POST to this application. Give it the gate's metadata again."},
	statusPrefix + "RequestUnsupported":    {"request-unsupported", "The identity provider does not support the request. Give it the gate's metadata again."},
	statusPrefix + "RequestVersionTooHigh": {"version", "The identity provider does not speak SAML 2.0."},
	statusPrefix + "RequestVersionTooLow":  {"version", "The identity provider does not speak SAML 2.0."},
	statusPrefix + "VersionMismatch":       {"version", "The identity provider does not speak SAML 2.0."},
	statusPrefix + "Requester":             {"requester", "The identity provider finds fault with the request: its settings for this application do not fit. Give it the gate's metadata again; its own log says more."},
	statusPrefix + "Responder":             {"responder", "The identity provider failed. Its own log says why."},
}

func otherIssuer(detail string) error {
	return fault(idp.CodeSAMLIssuer, detail, "Issued by another identity provider than the connection's. Compare the entity ID (Issuer) there with the one of this connection.", "issuer is not the connection's provider")
}

func (q asked) issuer(a assertion) error {
	if a.issuer != q.conn.SAML.IdP.EntityID {
		return otherIssuer("assertion")
	}
	return nil
}

// fresh holds an IssueInstant: not before it was asked for, and not in the future.
func (q asked) fresh(at time.Time, detail string) error {
	if at.IsZero() {
		return late(detail, "no issue instant")
	}
	if at.Before(q.attempt.Begun.Add(-Skew)) {
		return late(detail, "issued before it was asked for")
	}
	if at.After(q.now.Add(Skew)) {
		return late(detail, "issued in the future")
	}
	return nil
}

func late(detail, what string) error { return fault(idp.CodeSAMLTime, detail, clockHint, what) }

func (q asked) issued(a assertion) error { return q.fresh(a.issued, "issued") }

// confirmed wants one bearer confirmation that holds all by itself (Profiles §4.1.4.2). Others are passed over: they are
// for other people, or other uses.
func (q asked) confirmed(a assertion) error {
	var first error
	for _, c := range a.confirmations {
		if c.method != methodBearer {
			continue
		}
		err := q.bears(c)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		return fault(idp.CodeSAMLRecipient, "no-bearer", "", "assertion has no bearer confirmation")
	}
	return first
}

func (q asked) bears(c confirmation) error {
	switch {
	case c.recipient == "":
		return fault(idp.CodeSAMLRecipient, "missing", "The assertion names no recipient. At the identity provider set the recipient to the Assertion Consumer Service URL shown here.", "confirmation has no recipient")
	case c.recipient != q.at.ACS:
		return fault(idp.CodeSAMLRecipient, "other", "The assertion is for another recipient. At the identity provider set the Assertion Consumer Service URL to the one shown here.", "confirmation is for another recipient")
	case c.inResponseTo == "":
		return fault(idp.CodeSAMLInResponseTo, "missing", "", "confirmation answers no request")
	case c.inResponseTo != q.attempt.RequestID():
		return fault(idp.CodeSAMLInResponseTo, "other", "", "confirmation answers another request")
	case c.notBefore:
		return late("confirmation-not-before", "bearer confirmation has a NotBefore")
	case c.notOnOrAfter.IsZero():
		return late("confirmation-missing", "bearer confirmation does not end")
	case !q.now.Before(c.notOnOrAfter.Add(Skew)):
		return late("confirmation-expired", "bearer confirmation is over")
	}
	return nil
}

// lasts holds the validity of the whole assertion, and its length: one that is good for days is good for a thief.
func (q asked) lasts(a assertion) error {
	c := a.conditions
	switch {
	case c.notBefore.IsZero() || c.notOnOrAfter.IsZero():
		return late("conditions-missing", "conditions lack a bound in time")
	case q.now.Before(c.notBefore.Add(-Skew)):
		return late("conditions-early", "assertion is not valid yet")
	case !q.now.Before(c.notOnOrAfter.Add(Skew)):
		return late("conditions-expired", "assertion is not valid any more")
	}
	for _, end := range a.ends() {
		if end.Sub(a.issued) > maxLifetime {
			return fault(idp.CodeSAMLTime, "lifetime", "The assertion is valid for more than 90 minutes. Shorten its lifetime at the identity provider.", "assertion lives too long")
		}
	}
	return nil
}

// ends are the NotOnOrAfter of conditions and bearer confirmations.
func (a assertion) ends() []time.Time {
	ends := []time.Time{a.conditions.notOnOrAfter}
	for _, c := range a.confirmations {
		if c.method == methodBearer && !c.notOnOrAfter.IsZero() {
			ends = append(ends, c.notOnOrAfter)
		}
	}
	return ends
}

// meant holds the audiences: every restriction has to name us (SAML 2.0 Core §2.5.1.4), and one has to be there. Of the
// other conditions OneTimeUse is met by replay protection, and ProxyRestriction binds those who issue assertions.
func (q asked) meant(a assertion) error {
	const hint = "The assertion is for another application. At the identity provider set the audience (SP entity ID, Identifier) to the one shown here."
	if len(a.conditions.audiences) == 0 {
		return fault(idp.CodeSAMLAudience, "missing", hint, "assertion names no audience")
	}
	for _, names := range a.conditions.audiences {
		if !slices.Contains(names, q.at.EntityID) {
			return fault(idp.CodeSAMLAudience, "other", hint, "assertion is for another audience")
		}
	}
	if a.conditions.others > 0 {
		return fault(idp.CodeSAMLAudience, "condition", "", "assertion has a condition that is not understood")
	}
	return nil
}

// authenticated holds how and when the person signed in.
func (q asked) authenticated(a assertion) error {
	at := a.authn.instant
	switch {
	case at.IsZero():
		return fault(idp.CodeSAMLAuthn, "instant", "", "no instant of authentication")
	case at.After(q.now.Add(Skew)):
		return fault(idp.CodeSAMLAuthn, "future", clockHint, "authenticated in the future")
	case !a.authn.sessionEnds.IsZero() && !q.now.Before(a.authn.sessionEnds):
		return fault(idp.CodeSAMLAuthn, "session-over", clockHint, "provider's session is over")
	case forcesAuthn(q.conn.SAML, q.attempt) && at.Before(q.attempt.Begun.Add(-Skew)):
		return fault(idp.CodeSAMLAuthn, "stale", "The identity provider was asked to have the person sign in again (ForceAuthn) and did not.", "authenticated before it was asked for")
	}
	if want := requestedACR(q.conn.SAML, q.attempt); len(want) > 0 && !slices.Contains(want, a.authn.class) {
		return fault(idp.CodeSAMLAuthn, "context", "The identity provider signed the person in by another method than the connection requires (AuthnContextClassRef).", "authentication context is another")
	}
	return nil
}

// named holds the NameID, which may become a subject.
func (q asked) named(a assertion) error {
	n := a.nameID
	switch want := q.conn.SAML.NameIDFormat; {
	case n.Value == "":
		return fault(idp.CodeSAMLNameID, "empty", hintNameID(q.conn.Provider), "NameID is empty")
	case !readable(n.Value) || !readable(n.NameQualifier) || !readable(n.SPNameQualifier) || !readable(n.Format):
		return fault(idp.CodeSAMLNameID, "text", hintNameID(q.conn.Provider), "NameID is too long or has control characters")
	case want != "" && format(n.Format) != format(want):
		return fault(idp.CodeSAMLNameID, "format", "The NameID is in another format than the connection requires. Change it here or at the identity provider so that both agree.", "NameID is in another format")
	case n.Format == idp.NameIDTransient && q.conn.SAML.SubjectFrom == "":
		return fault(idp.CodeSAMLNameID, "transient", "The identity provider sends a NameID that changes at every sign-in. Choose another format there, or name an attribute as the subject.", "transient NameID cannot be a subject")
	}
	return nil
}

const formatUnspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"

// format fills in what an absent one means (SAML 2.0 Core §2.2.2).
func format(f string) string {
	if f == "" {
		return formatUnspecified
	}
	return f
}
