package saml_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

// replace edits the assertion before it is signed: a provider that is careless, or of another opinion.
func replace(from, to string) func(*idptest.RespondOptions) {
	return func(o *idptest.RespondOptions) {
		o.BeforeSigning = func(xml string) string { return mustReplace(xml, from, to) }
	}
}

func mustReplace(s, from, to string) string {
	if !strings.Contains(s, from) {
		panic("nothing to replace: " + from)
	}
	return strings.Replace(s, from, to, 1)
}

func TestRulesRefuseByTheirOwnName(t *testing.T) {
	type options = idptest.RespondOptions
	const status = "urn:oasis:names:tc:SAML:2.0:status:"
	for _, tc := range []struct {
		name, want string
		settings   func(*idp.SAMLSettings)
		attempt    func(*idp.Attempt)
		edit       func(*options)
	}{
		{name: "status", want: "saml-status/authn-failed", edit: func(o *options) { o.Status, o.SubStatus = status+"Responder", status+"AuthnFailed" }},
		{name: "status without second", want: "saml-status/responder", edit: func(o *options) { o.Status = status + "Responder" }},
		{name: "status nobody knows", want: "saml-status/unknown", edit: func(o *options) { o.Status = "urn:example:odd" }},
		{name: "unsigned status", want: "saml-status/requester", edit: func(o *options) { o.Status, o.Sign = status+"Requester", idptest.SignNothing }},
		{name: "issuer", want: "saml-issuer/response", edit: func(o *options) { o.Issuer = "https://other.example" }},
		{name: "issuer of the assertion", want: "saml-issuer/assertion", edit: replace(">https://idp.example/saml/metadata</", ">https://other.example</")},
		{name: "destination", want: "saml-destination/other", edit: func(o *options) { o.Destination = acs + "/" }},
		{name: "no destination", want: "saml-destination/missing", edit: func(o *options) { o.Destination = idptest.None }},
		{name: "recipient", want: "saml-recipient/other", edit: func(o *options) { o.Recipient = "https://other.example/acs" }},
		{name: "no recipient", want: "saml-recipient/missing", edit: func(o *options) { o.Recipient = idptest.None }},
		{name: "no bearer", want: "saml-recipient/no-bearer", edit: replace("cm:bearer", "cm:sender-vouches")},
		{name: "another request", want: "saml-in-response-to/response", edit: func(o *options) { o.InResponseTo = "_aa" }},
		{name: "no request", want: "saml-in-response-to/missing", edit: func(o *options) { o.InResponseTo = "" }},
		{name: "confirmed for another request", want: "saml-in-response-to/other", edit: replace(`InResponseTo="_0102`, `InResponseTo="_0103`)},
		{name: "confirmation with NotBefore", want: "saml-time/confirmation-not-before", edit: replace("<saml:SubjectConfirmationData ", `<saml:SubjectConfirmationData NotBefore="2026-05-04T11:00:00Z" `)},
		{name: "confirmation without end", want: "saml-time/confirmation-missing", edit: replace(`NotOnOrAfter="2026-05-04T12:05:00.000Z" Recipient`, `Recipient`)},
		{name: "confirmation over", want: "saml-time/confirmation-expired", edit: func(o *options) { o.ConfirmFor = -91 * time.Second }},
		{name: "not valid yet", want: "saml-time/conditions-early", edit: func(o *options) { o.NotBefore = noon.Add(91 * time.Second) }},
		{name: "not valid any more", want: "saml-time/conditions-expired", edit: func(o *options) { o.Lifetime, o.ConfirmFor = -91*time.Second, time.Minute }},
		{name: "no bound", want: "saml-time/conditions-missing", edit: replace(`<saml:Conditions NotBefore="2026-05-04T12:00:00.000Z" `, `<saml:Conditions `)},
		{name: "lives too long", want: "saml-time/lifetime", edit: func(o *options) { o.Lifetime = 91 * time.Minute }},
		{name: "confirmation lives too long", want: "saml-time/lifetime", edit: func(o *options) { o.ConfirmFor = 91 * time.Minute }},
		{name: "issued in the future", want: "saml-time/response-issued", edit: func(o *options) { o.Now = noon.Add(91 * time.Second) }},
		{name: "issued before the request", want: "saml-time/response-issued", edit: func(o *options) { o.Now = noon.Add(-time.Minute - 91*time.Second) }},
		{name: "assertion issued before the request", want: "saml-time/issued", edit: replace(`IssueInstant="2026-05-04T12:00:00.000Z"`, `IssueInstant="2026-05-04T11:57:29Z"`)},
		{name: "bound nobody knows", want: "saml-shape/unknown-attribute", edit: replace("<saml:SubjectConfirmationData ", `<saml:SubjectConfirmationData Weekday="Monday" `)},
		{name: "local time", want: "saml-time/format", edit: replace(`NotBefore="2026-05-04T12:00:00.000Z"`, `NotBefore="2026-05-04T12:00:00+00:00"`)},
		{name: "no audience", want: "saml-audience/missing", edit: func(o *options) { o.Audiences = []string{} }},
		{name: "audience", want: "saml-audience/other", edit: func(o *options) { o.Audiences = []string{"https://other.example"} }},
		{name: "one of two restrictions", want: "saml-audience/other", edit: replace("</saml:Conditions>", "<saml:AudienceRestriction><saml:Audience>urn:x</saml:Audience></saml:AudienceRestriction></saml:Conditions>")},
		{name: "authenticated in the future", want: "saml-authn/future", edit: func(o *options) { o.AuthnInstant = noon.Add(91 * time.Second) }},
		{name: "session over", want: "saml-authn/session-over", edit: replace("<saml:AuthnStatement ", `<saml:AuthnStatement SessionNotOnOrAfter="2026-05-04T12:00:00Z" `)},
		{name: "forced and stale", want: "saml-authn/stale", settings: func(s *idp.SAMLSettings) { s.ForceAuthn = true }, edit: func(o *options) { o.AuthnInstant = noon.Add(-3 * time.Minute) }},
		{name: "asked to sign in anew", want: "saml-authn/stale", attempt: func(a *idp.Attempt) { a.Ask.Prompt = "login" }, edit: func(o *options) { o.AuthnInstant = noon.Add(-3 * time.Minute) }},
		{name: "context", want: "saml-authn/context", settings: func(s *idp.SAMLSettings) { s.RequestedACR = []string{"urn:x:mfa"} }},
		{name: "context of a step up", want: "saml-authn/context", attempt: func(a *idp.Attempt) { a.Ask.ACR = []string{"urn:x:mfa"} }},
		{name: "blank name", want: "saml-nameid/empty", edit: func(o *options) { o.NameID = "  " }},
		{name: "long name", want: "saml-nameid/text", edit: func(o *options) { o.NameID = strings.Repeat("ä", 257) }},
		{name: "control character", want: "saml-nameid/text", edit: func(o *options) { o.NameID = "alice\u0085" }},
		{name: "right to left", want: "saml-nameid/text", edit: func(o *options) { o.NameID = "nimda\u202eecila" }},
		{name: "format", want: "saml-nameid/format", settings: func(s *idp.SAMLSettings) { s.NameIDFormat = idptest.FormatEmail }},
		{name: "transient", want: "saml-nameid/transient", edit: func(o *options) { o.NameIDFormat = idptest.FormatTransient }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRP(t, idptest.SAMLOptions{})
			if tc.settings != nil {
				tc.settings(&r.conn.SAML)
			}
			if tc.attempt != nil {
				tc.attempt(&r.attempt)
			}
			r.refuse(tc.want, tc.edit)
		})
	}
}

func TestEdgesOfTimeAreWithinTheSkew(t *testing.T) {
	type options = idptest.RespondOptions
	for name, edit := range map[string]func(*options){
		"almost over":     func(o *options) { o.Lifetime = -89 * time.Second },
		"almost valid":    func(o *options) { o.NotBefore = noon.Add(90 * time.Second) },
		"just issued":     func(o *options) { o.Now = noon.Add(90 * time.Second) },
		"issued early":    func(o *options) { o.Now = noon.Add(-150 * time.Second) },
		"as long as may":  func(o *options) { o.Lifetime = 90 * time.Minute },
		"clock runs fast": func(o *options) { o.AuthnInstant = noon.Add(90 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRP(t, idptest.SAMLOptions{})
			r.admit(edit)
			if len(r.opinions) != 1 || r.opinions[0] != "agree" {
				t.Errorf("opinions %q", r.opinions)
			}
		})
	}
}

func TestConditionsThatChangeNothing(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	r.admit(replace("</saml:Conditions>", `<saml:OneTimeUse></saml:OneTimeUse><saml:ProxyRestriction Count="0"></saml:ProxyRestriction></saml:Conditions>`))
}

// A choice of accounts is asked for by a new sign-in, for SAML has no other word for it. Google passes over that.
func TestAChoiceOfAccountsNeedNotBeANewSignIn(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	r.attempt.Ask.Prompt = "select_account"
	r.admit(func(o *idptest.RespondOptions) { o.AuthnInstant = noon.Add(-time.Hour) })
}

func TestOtherConfirmationsArePassedOver(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	r.admit(func(o *idptest.RespondOptions) { o.ExtraConfirmation = "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches" })
	if len(r.opinions) != 1 || r.opinions[0] != "skipped confirmations" {
		t.Errorf("opinions %q", r.opinions)
	}
}

func TestConfirmationsAreNotPutTogether(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	r.refuse("saml-recipient/missing", func(o *idptest.RespondOptions) {
		o.BeforeSigning = func(xml string) string {
			xml = mustReplace(xml, ` Recipient="`+acs+`"`, "")
			return mustReplace(xml, "</saml:SubjectConfirmation>", `</saml:SubjectConfirmation><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">`+
				`<saml:SubjectConfirmationData Recipient="`+acs+`"></saml:SubjectConfirmationData></saml:SubjectConfirmation>`)
		}
	})
}

func TestAnAttemptOfAnotherConnectionIsOurMistake(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	response := r.respond(nil)
	r.attempt.Tenant = "globex"
	if _, err := r.complete(response); err == nil || idp.CodeOf(err) != "" {
		t.Fatalf("%v", err)
	}
}

func TestSettingsThatVerifyNothingAreRefused(t *testing.T) {
	for want, spoil := range map[string]func(*idp.SAMLSettings){
		"saml-config/entity-id": func(s *idp.SAMLSettings) { s.IdP.EntityID = "" },
		"saml-config/no-key":    func(s *idp.SAMLSettings) { s.IdP.Keys = nil },
		"saml-config/certificate": func(s *idp.SAMLSettings) {
			s.IdP.Keys = []idp.SAMLKey{{State: idp.KeyActive, Certificate: []byte("x")}}
		},
		"saml-config/sso-url":     func(s *idp.SAMLSettings) { s.IdP.Endpoints.SSOURL = "http://idp.example/sso" },
		"saml-config/want-signed": func(s *idp.SAMLSettings) { s.WantSigned = "neither" },
	} {
		t.Run(want, func(t *testing.T) {
			r := newRP(t, idptest.SAMLOptions{})
			response := r.respond(nil)
			spoil(&r.conn.SAML)
			id, err := r.complete(response)
			wantReason(t, want, id, err)
		})
	}
}

// TestAnAssertionOfNobodyTellsTheAdminOfTheRule: AD FS sends no NameID until a claim rule makes one, so this is the first
// thing its admin meets, encrypted or not.
func TestAnAssertionOfNobodyTellsTheAdminOfTheRule(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		r := newRP(t, idptest.SAMLOptions{Profile: idptest.SAMLADFS})
		r.conn.Provider = idp.ADFS
		if encrypted {
			r.encrypt(newSPKey(t))
		}
		_, err := r.complete(r.respond(func(o *idptest.RespondOptions) { o.NameID = idptest.None }))
		if reason(err) != "saml-nameid/missing" || !strings.Contains(hint(err), "Edit Claim Issuance Policy") {
			t.Errorf("encrypted %t: %v", encrypted, err)
		}
	}
}
