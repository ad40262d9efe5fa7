package idptest

import (
	"net/url"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

func refused(name string, code idp.Code, detail, wins string, forge func(SAMLForgery) url.Values) SAMLAttack {
	return SAMLAttack{Name: name, Wins: wins, Code: code, Detail: detail, Forge: forge}
}

func option(change func(f SAMLForgery, o *RespondOptions)) func(SAMLForgery) url.Values {
	return ask(change)
}

const (
	otherApp  = "a response that the person gave to another application, perhaps a hostile one, is replayed here"
	otherFlow = "a response is put into another browser's sign-in, which ends as the attacker or as the victim"
)

// statementAttacks are true messages of the provider that are not for us, not for this sign-in, or not a success.
func statementAttacks() []SAMLAttack {
	return []SAMLAttack{
		refused("issuer-other", idp.CodeSAMLIssuer, "assertion", "a key that two providers share speaks for both", ask(func(_ SAMLForgery, o *RespondOptions) {
			o.hooks.message = func(m *message) { m.assertion.child("Issuer").setText("https://evil.example/idp") }
		})),
		refused("issuer-of-the-response-other", idp.CodeSAMLIssuer, "response", "a key that two providers share speaks for both", ask(func(_ SAMLForgery, o *RespondOptions) {
			o.hooks.message = func(m *message) { m.issuer().setText("https://evil.example/idp") }
		})),
		refused("issuer-by-case", idp.CodeSAMLIssuer, "assertion", "names that differ by case are two providers", ask(func(f SAMLForgery, o *RespondOptions) {
			o.hooks.message = func(m *message) { m.assertion.child("Issuer").setText(strings.ToUpper(f.IdP.EntityID())) }
		})),
		refused("issuer-empty", idp.CodeSAMLIssuer, "assertion", "an empty name equals an unset one", ask(func(_ SAMLForgery, o *RespondOptions) {
			o.hooks.message = func(m *message) { m.assertion.child("Issuer").Kids = nil }
		})),
		shaped("issuer-missing", "no-issuer", "nobody says who speaks", before(func(_ SAMLForgery, m *message) { m.assertion.remove(m.assertion.child("Issuer")) })),
		shaped("two-issuers", "two-issuers", "the first is compared and the last is used", before(func(_ SAMLForgery, m *message) {
			m.assertion.insert(0, leaf(m.a("Issuer"), "https://evil.example/idp"))
		})),
		refused("destination-other", idp.CodeSAMLDestination, "other", otherApp, option(func(_ SAMLForgery, o *RespondOptions) { o.Destination = "https://other.example/acs" })),
		refused("destination-of-another-connection", idp.CodeSAMLDestination, "other", "a response for one tenant is posted to another", option(func(f SAMLForgery, o *RespondOptions) {
			o.Destination = f.SP.ACS + "2"
		})),
		refused("destination-missing-from-a-signed-response", idp.CodeSAMLDestination, "missing", otherApp, option(func(_ SAMLForgery, o *RespondOptions) { o.Destination, o.Sign = None, SignResponse })),
		refused("recipient-other", idp.CodeSAMLRecipient, "other", otherApp, option(func(_ SAMLForgery, o *RespondOptions) { o.Recipient = "https://other.example/acs" })),
		refused("recipient-missing", idp.CodeSAMLRecipient, "missing", otherApp, option(func(_ SAMLForgery, o *RespondOptions) { o.Recipient = None })),
		refused("recipient-by-prefix", idp.CodeSAMLRecipient, "other", otherApp, option(func(f SAMLForgery, o *RespondOptions) { o.Recipient = f.SP.ACS + "/../evil" })),
		refused("audience-other", idp.CodeSAMLAudience, "other", otherApp, option(func(_ SAMLForgery, o *RespondOptions) { o.Audiences = []string{"https://other.example/metadata"} })),
		refused("audience-missing", idp.CodeSAMLAudience, "missing", otherApp, option(func(_ SAMLForgery, o *RespondOptions) { o.Audiences = []string{} })),
		refused("audience-restriction-empty", idp.CodeSAMLAudience, "other", otherApp, ask(func(_ SAMLForgery, o *RespondOptions) {
			o.hooks.message = func(m *message) { m.conditions().child("AudienceRestriction").Kids = nil }
		})),
		refused("audience-in-one-restriction-of-two", idp.CodeSAMLAudience, "other", "restrictions are and-ed: one that does not name us excludes us", ask(func(_ SAMLForgery, o *RespondOptions) {
			o.hooks.message = func(m *message) {
				c := m.conditions()
				c.Kids = append(c.Kids, el(m.a("AudienceRestriction"), nil, leaf(m.a("Audience"), "https://other.example/metadata")))
			}
		})),
		refused("audience-by-prefix", idp.CodeSAMLAudience, "other", otherApp, option(func(f SAMLForgery, o *RespondOptions) { o.Audiences = []string{f.SP.EntityID + ".evil.example"} })),
		refused("audience-of-another-connection", idp.CodeSAMLAudience, "other", "one customer's people sign in at another customer's tenant", option(func(f SAMLForgery, o *RespondOptions) {
			o.Audiences = []string{strings.Replace(f.SP.EntityID, "/metadata", "2/metadata", 1)}
		})),
		refused("unsolicited", idp.CodeSAMLInResponseTo, "missing", otherFlow, option(func(_ SAMLForgery, o *RespondOptions) { o.InResponseTo = "" })),
		refused("answer-to-another-request", idp.CodeSAMLInResponseTo, "response", otherFlow, option(func(_ SAMLForgery, o *RespondOptions) { o.InResponseTo = newID() })),
		refused("confirmation-answers-another-request", idp.CodeSAMLInResponseTo, "other", otherFlow, before(func(_ SAMLForgery, m *message) {
			m.assertion.find("SubjectConfirmationData").set("InResponseTo", newID())
		})),
		refused("confirmation-answers-no-request", idp.CodeSAMLInResponseTo, "missing", otherFlow, before(func(_ SAMLForgery, m *message) {
			m.assertion.find("SubjectConfirmationData").set("InResponseTo", "")
		})),
		refused("envelope-answers-another-request", idp.CodeSAMLInResponseTo, "response", otherFlow, before(func(_ SAMLForgery, m *message) { m.root.set("InResponseTo", newID()) })),
		refused("status-failure", idp.CodeSAMLStatus, "authn-failed", "a failure is taken for a success", option(func(_ SAMLForgery, o *RespondOptions) {
			o.Status, o.SubStatus = statusPrefix+"Responder", statusPrefix+"AuthnFailed"
		})),
		shaped("status-failure-with-assertion", "assertion-with-failure", "a failure is taken for a success", before(func(_ SAMLForgery, m *message) {
			m.root.find("StatusCode").set("Value", statusPrefix+"Responder")
		})),
		shaped("status-missing", "no-status", "an absent failure is a success", before(func(_ SAMLForgery, m *message) { m.root.remove(m.root.child("Status")) })),
		shaped("success-without-assertion", "no-assertion", "nobody is taken for somebody", before(func(_ SAMLForgery, m *message) {
			m.root.remove(m.assertion)
			m.assertion = nil
		})),
		shaped("success-below-failure", "assertion-with-failure", "the second code is read", before(func(_ SAMLForgery, m *message) {
			code := m.root.find("StatusCode")
			code.set("Value", statusPrefix+"Requester")
			code.Kids = []*node{el(m.p("StatusCode"), []attr{{"Value", statusPrefix + "Success"}})}
		})),
		shaped("version-1.1", "version", "an assertion of other rules is read by ours", before(func(_ SAMLForgery, m *message) { m.assertion.set("Version", "1.1") })),
		shaped("assertion-without-id", "no-id", "what has no name cannot be burnt", ask(func(_ SAMLForgery, o *RespondOptions) {
			o.Sign = SignResponse
			o.hooks.message = func(m *message) { m.assertion.set("ID", "") }
		})),
		refused("condition-not-understood", idp.CodeSAMLAudience, "condition", "a bound that is not understood is passed over (SAML 2.0 Core §2.5.1)", before(func(_ SAMLForgery, m *message) {
			m.conditions().Kids = append(m.conditions().Kids, el(m.a("Condition"), []attr{{"xmlns:xsi", nsInstance}, {"xsi:type", "x:Weekdays"}}))
		})),
		refused("context-weaker-than-asked", idp.CodeSAMLAuthn, "context", "a password opens what wants a second factor", option(func(_ SAMLForgery, o *RespondOptions) { o.ACR = password })).
			set(func(s *idp.SAMLSettings) { s.RequestedACR = []string{"https://refeds.org/profile/mfa"} }),
		refused("authentication-without-instant", idp.CodeSAMLAuthn, "instant", "what has no time is never stale", before(func(_ SAMLForgery, m *message) { m.authn().set("AuthnInstant", "") })),
		refused("authentication-in-the-future", idp.CodeSAMLAuthn, "future", "it counts as fresh for ever", option(func(f SAMLForgery, o *RespondOptions) { o.AuthnInstant = f.Now.Add(10 * time.Minute) })),
		refused("authentication-stale-where-forced", idp.CodeSAMLAuthn, "stale", "an unlocked screen passes for the person", option(func(f SAMLForgery, o *RespondOptions) { o.AuthnInstant = f.Now.Add(-time.Hour) })).
			set(func(s *idp.SAMLSettings) { s.ForceAuthn = true }),
		refused("session-over", idp.CodeSAMLAuthn, "session-over", "a session that the provider has ended begins anew", before(func(f SAMLForgery, m *message) {
			m.authn().set("SessionNotOnOrAfter", instant(f.Now.Add(-time.Second)))
		})),
		shaped("authn-statement-missing", "no-authn-statement", "an assertion of attributes alone signs somebody in", before(func(_ SAMLForgery, m *message) { m.assertion.remove(m.authn()) })),
		shaped("two-authn-statements", "two-authn-statements", "one is checked and one is kept", before(func(_ SAMLForgery, m *message) { m.assertion.insert(3, m.authn().clone()) })),
		shaped("authz-decision-statement", "statement", "a statement of other rules", before(func(_ SAMLForgery, m *message) {
			m.assertion.Kids = append(m.assertion.Kids, el(m.a("AuthzDecisionStatement"), []attr{{"Decision", "Permit"}, {"Resource", "x"}}))
		})),
		shaped("conditions-missing", "no-conditions", "an assertion without bounds", before(func(_ SAMLForgery, m *message) { m.assertion.remove(m.conditions()) })),
		shaped("two-conditions", "two-conditions", "one is checked and one binds", before(func(_ SAMLForgery, m *message) { m.assertion.insert(2, m.conditions().clone()) })),
		shaped("advice", "advice", "assertions in advice are taken for signed ones", before(func(_ SAMLForgery, m *message) { m.assertion.insert(3, el(m.a("Advice"), nil)) })),
		shaped("two-plain-assertions", "two-assertions", "the first is verified and the second is read", ask(func(f SAMLForgery, o *RespondOptions) {
			o.Sign = SignResponse
			o.hooks.message = func(m *message) { m.root.Kids = append(m.root.Kids, f.evil(m)) }
		})),
	}
}

// timeAttacks are true messages whose time is not now.
func timeAttacks() []SAMLAttack {
	const old = "a response that was recorded long ago signs in again"
	const early = "a response that is made today works after the person has left"
	timed := func(name, detail, wins string, change func(f SAMLForgery, o *RespondOptions)) SAMLAttack {
		return refused(name, idp.CodeSAMLTime, detail, wins, ask(change))
	}
	edit := func(name, detail, wins string, change func(f SAMLForgery, m *message)) SAMLAttack {
		return refused(name, idp.CodeSAMLTime, detail, wins, before(change))
	}
	return []SAMLAttack{
		timed("response-issued-before-it-was-asked-for", "response-issued", old, func(f SAMLForgery, o *RespondOptions) { o.Now = f.Begun.Add(-10 * time.Minute); o.Lifetime = time.Hour }),
		timed("response-issued-in-the-future", "response-issued", early, func(f SAMLForgery, o *RespondOptions) {
			o.Now, o.NotBefore, o.AuthnInstant = f.Now.Add(10*time.Minute), f.Now.Add(-time.Minute), f.Now
		}),
		edit("assertion-issued-before-it-was-asked-for", "issued", old, func(f SAMLForgery, m *message) {
			m.assertion.set("IssueInstant", instant(f.Begun.Add(-10*time.Minute)))
		}),
		edit("assertion-issued-in-the-future", "issued", early, func(f SAMLForgery, m *message) { m.assertion.set("IssueInstant", instant(f.Now.Add(10*time.Minute))) }),
		edit("conditions-expired", "conditions-expired", old, func(f SAMLForgery, m *message) {
			m.conditions().set("NotOnOrAfter", instant(f.Now.Add(-2*time.Minute)))
		}),
		edit("conditions-not-yet", "conditions-early", early, func(f SAMLForgery, m *message) { m.conditions().set("NotBefore", instant(f.Now.Add(2*time.Minute))) }),
		edit("conditions-without-end", "conditions-missing", early, func(_ SAMLForgery, m *message) { m.conditions().set("NotOnOrAfter", "") }),
		edit("conditions-without-begin", "conditions-missing", early, func(_ SAMLForgery, m *message) { m.conditions().set("NotBefore", "") }),
		edit("confirmation-expired", "confirmation-expired", old, func(f SAMLForgery, m *message) {
			m.assertion.find("SubjectConfirmationData").set("NotOnOrAfter", instant(f.Now.Add(-2*time.Minute)))
		}),
		edit("confirmation-without-end", "confirmation-missing", early, func(_ SAMLForgery, m *message) { m.assertion.find("SubjectConfirmationData").set("NotOnOrAfter", "") }),
		edit("confirmation-with-not-before", "confirmation-not-before", early, func(f SAMLForgery, m *message) {
			m.assertion.find("SubjectConfirmationData").set("NotBefore", instant(f.Now.Add(-time.Minute)))
		}),
		timed("good-for-a-day", "lifetime", early, func(_ SAMLForgery, o *RespondOptions) { o.Lifetime = 24 * time.Hour }),
		edit("confirmation-good-for-a-day", "lifetime", early, func(f SAMLForgery, m *message) {
			m.assertion.find("SubjectConfirmationData").set("NotOnOrAfter", instant(f.Now.Add(24*time.Hour)))
		}),
		edit("time-without-zone", "format", twoWays, func(_ SAMLForgery, m *message) { m.conditions().set("NotOnOrAfter", "2036-05-04T09:00:00") }),
		edit("time-in-another-zone", "format", twoWays, func(f SAMLForgery, m *message) {
			m.conditions().set("NotOnOrAfter", f.Now.Add(time.Minute).In(time.FixedZone("x", 3600)).Format(time.RFC3339))
		}),
		edit("time-of-year-10000", "format", "a date that overflows is far in the past, or for ever", func(_ SAMLForgery, m *message) { m.conditions().set("NotOnOrAfter", "10000-01-01T00:00:00Z") }),
		edit("time-garbage", "format", "what does not parse is no bound", func(_ SAMLForgery, m *message) { m.conditions().set("NotOnOrAfter", "never") }),
		edit("session-end-garbage", "format", "what does not parse is no bound", func(_ SAMLForgery, m *message) { m.authn().set("SessionNotOnOrAfter", "never") }),
	}
}
