package idptest

import (
	"net/url"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// SAMLLogoutMessage is a message of single logout on its way to the gate: a GET with Query, or, where Form is set, a POST.
type SAMLLogoutMessage struct {
	Query string
	Form  url.Values
}

// SAMLLogoutAttack is a message of single logout that must end nobody's session.
type SAMLLogoutAttack struct {
	Name   string
	Wins   string // what the attacker would have won
	Code   idp.Code
	Detail string
	Forge  func(SAMLForgery) SAMLLogoutMessage
}

// SAMLLogoutTwin is a message that looks like an attack and must be taken.
type SAMLLogoutTwin struct {
	Name  string
	Why   string // who sends it
	Forge func(SAMLForgery) SAMLLogoutMessage
}

// LogoutBase is a good request to end the victim's sessions.
func (f SAMLForgery) LogoutBase() LogoutOptions {
	return LogoutOptions{SP: f.SP, Now: f.Now, NameID: idp.NameID{Value: f.Victim.Sub, Format: FormatPersistent}, SessionIndexes: []string{"_s1"}, Relay: f.Relay}
}

func (f SAMLForgery) redirected(change func(o *LogoutOptions)) SAMLLogoutMessage {
	o := f.LogoutBase()
	change(&o)
	q, err := f.IdP.LogoutRedirect(o)
	if err != nil {
		panic(err)
	}
	return SAMLLogoutMessage{Query: q}
}

func (f SAMLForgery) logoutPost(change func(o *LogoutOptions)) SAMLLogoutMessage {
	o := f.LogoutBase()
	change(&o)
	form, err := f.IdP.LogoutPost(o)
	if err != nil {
		panic(err)
	}
	return SAMLLogoutMessage{Form: form}
}

const (
	endsAll  = "anybody ends anybody's session, again and again"
	replayed = "a request that was seen once ends sessions for ever"
)

// logoutBoth names one attack over both bindings.
func logoutBoth(name string, code idp.Code, detail, wins string, change func(f SAMLForgery, o *LogoutOptions)) []SAMLLogoutAttack {
	return []SAMLLogoutAttack{
		{name + "-redirect", wins, code, detail, func(f SAMLForgery) SAMLLogoutMessage {
			return f.redirected(func(o *LogoutOptions) { change(f, o) })
		}},
		{name + "-post", wins, code, detail, func(f SAMLForgery) SAMLLogoutMessage {
			return f.logoutPost(func(o *LogoutOptions) { change(f, o) })
		}},
	}
}

// SAMLLogoutAttacks returns every named attack on the single logout service. Replay is one more: the same good message
// twice.
func SAMLLogoutAttacks() []SAMLLogoutAttack {
	edited := func(edit func(root *node)) func(SAMLForgery, *LogoutOptions) {
		return func(_ SAMLForgery, o *LogoutOptions) { o.edit = edit }
	}
	var out []SAMLLogoutAttack
	for _, pair := range [][]SAMLLogoutAttack{
		logoutBoth("logout-unsigned", idp.CodeSAMLSignature, "none", endsAll, func(_ SAMLForgery, o *LogoutOptions) { o.Unsigned = true }),
		logoutBoth("logout-by-the-attackers-key", idp.CodeSAMLKey, "unknown", endsAll, func(f SAMLForgery, o *LogoutOptions) {
			k := attacker(f, "rsa")
			o.Key = &k
		}),
		logoutBoth("logout-by-another-connections-key", idp.CodeSAMLKey, "unknown", "one customer's provider signs another customer's people out", func(f SAMLForgery, o *LogoutOptions) {
			k := f.Other.Key()
			o.Key = &k
		}),
		logoutBoth("logout-sha-1", idp.CodeSAMLSHA1, "sha1", "a collision that money buys gives two requests one signature", func(_ SAMLForgery, o *LogoutOptions) { o.Algorithm = AlgRSASHA1 }),
		logoutBoth("logout-issuer-other", idp.CodeSAMLIssuer, "logout", "a key that two providers share speaks for both", func(_ SAMLForgery, o *LogoutOptions) { o.Issuer = "https://evil.example" }),
		logoutBoth("logout-destination-other", idp.CodeSAMLDestination, "other", "a request to another application is replayed here", func(_ SAMLForgery, o *LogoutOptions) { o.Destination = "https://other.example/slo" }),
		logoutBoth("logout-destination-missing", idp.CodeSAMLDestination, "missing", "a request to another application is replayed here", func(_ SAMLForgery, o *LogoutOptions) { o.Destination = None }),
		logoutBoth("logout-stale", idp.CodeSAMLTime, "logout-old", replayed, func(f SAMLForgery, o *LogoutOptions) { o.Now = f.Now.Add(-10 * time.Minute) }),
		logoutBoth("logout-from-the-future", idp.CodeSAMLTime, "logout-future", replayed, func(f SAMLForgery, o *LogoutOptions) { o.Now = f.Now.Add(10 * time.Minute) }),
		logoutBoth("logout-expired", idp.CodeSAMLTime, "logout-expired", replayed, func(f SAMLForgery, o *LogoutOptions) { o.NotOnOrAfter = f.Now.Add(-3 * time.Minute) }),
		logoutBoth("logout-two-name-ids", idp.CodeSAMLShape, "two-name-ids", "the first is checked and the other is signed out", edited(func(root *node) {
			root.Kids = append(root.Kids, root.child("NameID").clone())
		})),
		logoutBoth("logout-without-name-id", idp.CodeSAMLShape, "no-name-id", "nobody is everybody", edited(func(root *node) { root.remove(root.child("NameID")) })),
		logoutBoth("logout-name-id-empty", idp.CodeSAMLNameID, "logout", "nobody is everybody", edited(func(root *node) { root.child("NameID").Kids = nil })),
		logoutBoth("logout-with-assertion", idp.CodeSAMLShape, "misplaced-assertion", "an assertion comes in where nobody looks for one", edited(func(root *node) {
			root.Kids = append(root.Kids, el("saml:Assertion", []attr{{"xmlns:saml", nsAssertion}, {"ID", newID()}}))
		})),
		logoutBoth("logout-without-id", idp.CodeSAMLShape, "no-id", "what has no name cannot be burnt", edited(func(root *node) { root.set("ID", "") })),
		logoutBoth("logout-version-1.1", idp.CodeSAMLShape, "version", "a request of other rules", edited(func(root *node) { root.set("Version", "1.1") })),
		logoutBoth("logout-doctype", idp.CodeSAMLXML, "doctype", "the gate reads its own files", edited(func(root *node) { root.insert(0, raw("<!DOCTYPE x>")) })),
		logoutBoth("logout-comment-in-name-id", idp.CodeSAMLXML, "comment", "a name is cut to another's", edited(func(root *node) { root.child("NameID").insert(0, raw("<!-- x -->")) })),
	} {
		out = append(out, pair...)
	}
	return append(out, logoutOnce()...)
}

// logoutOnce are attacks of one binding.
func logoutOnce() []SAMLLogoutAttack {
	none := func(*LogoutOptions) {}
	query := func(name string, code idp.Code, detail, wins string, change func(f SAMLForgery, q string) string) SAMLLogoutAttack {
		return SAMLLogoutAttack{name, wins, code, detail, func(f SAMLForgery) SAMLLogoutMessage {
			m := f.redirected(none)
			m.Query = change(f, m.Query)
			return m
		}}
	}
	part := func(q, name string) string {
		_, rest, _ := strings.Cut(q, name+"=")
		value, _, _ := strings.Cut(rest, "&")
		return value
	}
	const otherText = "what is verified and what is used differ"
	return []SAMLLogoutAttack{
		query("logout-relay-changed", idp.CodeSAMLKey, "unknown", "the person is sent where the attacker wants", func(_ SAMLForgery, q string) string {
			return strings.Replace(q, "RelayState="+part(q, "RelayState"), "RelayState=evil", 1)
		}),
		query("logout-relay-removed", idp.CodeSAMLKey, "unknown", otherText, func(_ SAMLForgery, q string) string {
			return strings.Replace(q, "RelayState="+part(q, "RelayState")+"&", "", 1)
		}),
		query("logout-signature-removed", idp.CodeSAMLSignature, "none", endsAll, func(_ SAMLForgery, q string) string { return q[:strings.Index(q, "&Signature=")] }),
		query("logout-signature-empty", idp.CodeSAMLSignature, "none", endsAll, func(_ SAMLForgery, q string) string { return q[:strings.Index(q, "&Signature=")] + "&Signature=" }),
		query("logout-algorithm-changed", idp.CodeSAMLKey, "unknown", otherText, func(_ SAMLForgery, q string) string { return strings.Replace(q, "rsa-sha256", "rsa-sha512", 1) }),
		query("logout-algorithm-hmac", idp.CodeSAMLSignature, "algorithm", "the public certificate becomes a shared secret", func(_ SAMLForgery, q string) string {
			return strings.Replace(q, "rsa-sha256", "hmac-sha256", 1)
		}),
		query("logout-request-twice", idp.CodeSAMLForm, "repeated", "the first is verified and the last is used", func(_ SAMLForgery, q string) string { return q + "&SAMLRequest=" + part(q, "SAMLRequest") }),
		query("logout-relay-twice", idp.CodeSAMLForm, "repeated", "the first is verified and the last is used", func(_ SAMLForgery, q string) string { return q + "&RelayState=evil" }),
		query("logout-algorithm-twice", idp.CodeSAMLForm, "repeated", otherText, func(_ SAMLForgery, q string) string { return "SigAlg=x&" + q }),
		query("logout-request-and-response", idp.CodeSAMLForm, "two-messages", otherText, func(_ SAMLForgery, q string) string { return q + "&SAMLResponse=" + part(q, "SAMLRequest") }),
		query("logout-name-escaped", idp.CodeSAMLForm, "query", "a name that only some readers recognise", func(_ SAMLForgery, q string) string { return strings.Replace(q, "RelayState=", "Relay%53tate=", 1) }),
		query("logout-name-by-case", idp.CodeSAMLForm, "query", "a name that only some readers recognise", func(_ SAMLForgery, q string) string { return q + "&relaystate=evil" }),
		query("logout-semicolon", idp.CodeSAMLForm, "query", "a ; separates parameters for one reader alone", func(_ SAMLForgery, q string) string { return q + "&x=1;RelayState=evil" }),
		query("logout-broken-escape", idp.CodeSAMLForm, "query", otherText, func(_ SAMLForgery, q string) string { return strings.Replace(q, "RelayState=", "RelayState=%zz", 1) }),
		query("logout-other-encoding", idp.CodeSAMLForm, "encoding", otherText, func(_ SAMLForgery, q string) string { return q + "&SAMLEncoding=urn:example:none" }),
		query("logout-not-deflated", idp.CodeSAMLForm, "deflate", otherText, func(f SAMLForgery, _ string) string {
			return f.signedQuery(encodeForm(f.IdP.logoutMessage(f.LogoutBase()).xml()))
		}),
		query("logout-deflate-bomb", idp.CodeSAMLForm, "too-large", "a kilobyte becomes a gigabyte", func(f SAMLForgery, _ string) string {
			return f.signedQuery(deflate(strings.Repeat(" ", 8<<20)))
		}),
		query("logout-octets-after-deflate", idp.CodeSAMLForm, "deflate", "one message has many spellings", func(f SAMLForgery, q string) string {
			return f.signedQuery(encodeForm(string(mustDecode(deflate(f.IdP.logoutMessage(f.LogoutBase()).xml()))) + "more"))
		}),
		query("logout-long-relay", idp.CodeSAMLForm, "relay-state", "a value that other software copies", func(f SAMLForgery, _ string) string {
			return f.redirected(func(o *LogoutOptions) { o.Relay = strings.Repeat("x", 81) }).Query
		}),
		query("logout-enveloped-signature-in-query", idp.CodeSAMLForm, "enveloped", "a second signature that nobody verifies", func(f SAMLForgery, _ string) string {
			root := f.IdP.logoutMessage(f.LogoutBase())
			if err := sign(root, root, signing{key: f.IdP.Key()}); err != nil {
				panic(err)
			}
			return f.signedQuery(deflate(root.xml()))
		}),
		{"logout-post-deflated", "one message has two spellings, and a bomb fits into it", idp.CodeSAMLXML, "utf8", func(f SAMLForgery) SAMLLogoutMessage {
			m := f.logoutPost(none)
			m.Form.Set("SAMLRequest", deflate(string(mustDecode(m.Form.Get("SAMLRequest")))))
			return m
		}},
		{"logout-post-changed", "the person is another than the provider said", idp.CodeSAMLSignature, "digest", func(f SAMLForgery) SAMLLogoutMessage {
			m := f.logoutPost(func(o *LogoutOptions) { o.NameID.Value = f.Person.Sub })
			m.Form.Set("SAMLRequest", encodeForm(strings.Replace(string(mustDecode(m.Form.Get("SAMLRequest"))), f.Person.Sub, f.Victim.Sub, 1)))
			return m
		}},
		{"logout-post-twice", "the first is verified and the last is used", idp.CodeSAMLForm, "repeated", func(f SAMLForgery) SAMLLogoutMessage {
			m := f.logoutPost(none)
			m.Form.Add("SAMLRequest", m.Form.Get("SAMLRequest"))
			return m
		}},
		{"logout-post-query-signature", "the signature of one binding counts for the other", idp.CodeSAMLForm, "fields", func(f SAMLForgery) SAMLLogoutMessage {
			m := f.logoutPost(func(o *LogoutOptions) { o.Unsigned = true })
			m.Form.Set("SigAlg", AlgRSASHA256)
			m.Form.Set("Signature", "AAAA")
			return m
		}},
		{"logout-response-as-request", "an answer is taken for a request", idp.CodeSAMLShape, "root", func(f SAMLForgery) SAMLLogoutMessage {
			m := f.logoutPost(func(o *LogoutOptions) { o.InResponseTo = "_x" })
			m.Form = url.Values{"SAMLRequest": m.Form["SAMLResponse"]}
			return m
		}},
		{"logout-sign-in-response", "a response signs people out, or in, where nobody looks", idp.CodeSAMLShape, "root", func(f SAMLForgery) SAMLLogoutMessage {
			return SAMLLogoutMessage{Form: f.form(f.base())}
		}},
	}
}

// signedQuery signs whatever stands for a request.
func (f SAMLForgery) signedQuery(encoded string) string {
	s := signing{key: f.IdP.Key()}
	q := "SAMLRequest=" + url.QueryEscape(encoded) + "&SigAlg=" + url.QueryEscape(AlgRSASHA256)
	v, err := s.value([]byte(q))
	if err != nil {
		panic(err)
	}
	return q + "&Signature=" + url.QueryEscape(encodeForm(string(v)))
}

// SAMLLogoutTwins returns what a receiver that refuses too much refuses.
func SAMLLogoutTwins() []SAMLLogoutTwin {
	twin := func(name, why string, change func(f SAMLForgery, o *LogoutOptions)) []SAMLLogoutTwin {
		return []SAMLLogoutTwin{
			{name + "-redirect", why, func(f SAMLForgery) SAMLLogoutMessage { return f.redirected(func(o *LogoutOptions) { change(f, o) }) }},
			{name + "-post", why, func(f SAMLForgery) SAMLLogoutMessage { return f.logoutPost(func(o *LogoutOptions) { change(f, o) }) }},
		}
	}
	var out []SAMLLogoutTwin
	out = append(out, twin("logout", "everybody", func(SAMLForgery, *LogoutOptions) {})...)
	out = append(out, twin("logout-lower-case-escapes", "AD FS and Entra ID", func(_ SAMLForgery, o *LogoutOptions) { o.LowerCase = true })...)
	out = append(out, twin("logout-without-session-index", "a provider that ends them all", func(_ SAMLForgery, o *LogoutOptions) { o.SessionIndexes = nil })...)
	out = append(out, twin("logout-with-end", "Okta", func(f SAMLForgery, o *LogoutOptions) { o.NotOnOrAfter = f.Now.Add(5 * time.Minute) })...)
	out = append(out, twin("logout-without-relay", "many", func(_ SAMLForgery, o *LogoutOptions) { o.Relay = "" })...)
	out = append(out, twin("logout-clock-a-minute-off", "clocks", func(f SAMLForgery, o *LogoutOptions) { o.Now = f.Now.Add(time.Minute) })...)
	out = append(out, twin("logout-rsa-sha512", "a strict provider", func(_ SAMLForgery, o *LogoutOptions) { o.Algorithm = AlgRSASHA512 })...)
	return append(out, SAMLLogoutTwin{"logout-parameters-in-another-order", "a proxy that sorts them: what is signed has an order of its own (SAML 2.0 Bindings §3.4.4.1)", func(f SAMLForgery) SAMLLogoutMessage {
		m := f.redirected(func(*LogoutOptions) {})
		parts := strings.Split(m.Query, "&")
		m.Query = strings.Join([]string{parts[3], parts[2], parts[1], parts[0]}, "&")
		return m
	}}, SAMLLogoutTwin{"logout-with-a-parameter-of-others", "analytics", func(f SAMLForgery) SAMLLogoutMessage {
		m := f.redirected(func(*LogoutOptions) {})
		m.Query += "&utm_source=x"
		return m
	}})
}

func mustDecode(s string) []byte {
	b, err := unform(s)
	if err != nil {
		panic(err)
	}
	return b
}
