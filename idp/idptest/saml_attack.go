package idptest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// SAMLForgery is what an attacker of a SAML connection has to work with.
type SAMLForgery struct {
	IdP          *SAMLIdP // the connection's provider, where the attacker has an account like anybody
	Other        *SAMLIdP // a provider that the attacker runs, for a connection of another tenant
	SP           SAMLSP   // the gate, as this connection's provider knows it; assertions come in the clear unless an attack encrypts
	Encryption   []byte   // DER certificate in the connection's published metadata
	Key          *SAMLKey // the attacker's own, of RSA; nil: a new one for each attack that needs it
	Person       Person   // the attacker
	Victim       Person
	InResponseTo string // of the attacker's own attempt
	Relay        string
	Begun        time.Time // when the attempt began
	Now          time.Time
}

// SAMLAttack is a response that must not sign anybody in.
type SAMLAttack struct {
	Name   string
	Wins   string   // what the attacker would have won
	Code   idp.Code // how it is refused
	Detail string

	Settings func(*idp.SAMLSettings) // what the connection has set, where the attack needs it
	Forge    func(SAMLForgery) url.Values
	Deliver  func(*http.Request) // spoils the request around the form; its body is not encoded again
}

// SAMLAttacks returns every named attack on the assertion consumer service.
func SAMLAttacks() []SAMLAttack {
	return slices.Concat(wrappingAttacks(), xmlAttacks(), namespaceAttacks(), signatureAttacks(), keyAttacks(), referenceAttacks(),
		statementAttacks(), timeAttacks(), subjectAttacks(), formAttacks(), encryptionAttacks(), SAMLBombs())
}

// base is the response the attacker gets for their own account.
func (f SAMLForgery) base() RespondOptions {
	return RespondOptions{SP: f.SP, Person: f.Person, InResponseTo: f.InResponseTo, Now: f.Now}
}

// form is a response as the browser posts it.
func (f SAMLForgery) form(o RespondOptions) url.Values {
	doc, err := f.IdP.Respond(o)
	if err != nil {
		panic(fmt.Sprintf("forge: %v", err)) // a forgery that cannot be made would pass for one that is refused
	}
	return f.posted(doc)
}

func (f SAMLForgery) posted(encoded string) url.Values {
	form := url.Values{"SAMLResponse": {encoded}}
	if f.Relay != "" {
		form.Set("RelayState", f.Relay)
	}
	return form
}

// ask forges by other options.
func ask(change func(f SAMLForgery, o *RespondOptions)) func(SAMLForgery) url.Values {
	return func(f SAMLForgery) url.Values {
		o := f.base()
		change(f, &o)
		return f.form(o)
	}
}

// before forges by a change of the message before it is signed: by a provider that is careless, or the attacker's own.
func before(change func(f SAMLForgery, m *message)) func(SAMLForgery) url.Values {
	return ask(func(f SAMLForgery, o *RespondOptions) { o.hooks.message = func(m *message) { change(f, m) } })
}

// after forges by a change of the signed message.
func after(what SAMLSign, change func(f SAMLForgery, m *message)) func(SAMLForgery) url.Values {
	return ask(func(f SAMLForgery, o *RespondOptions) {
		o.Sign = what
		o.hooks.signed = func(m *message) { change(f, m) }
	})
}

// written forges by a change of the signed bytes.
func written(change func(xml string) string) func(SAMLForgery) url.Values {
	return ask(func(_ SAMLForgery, o *RespondOptions) { o.AfterSigning = change })
}

// signed forges by a change of how it is signed.
func signed(change func(f SAMLForgery, s *signing)) func(SAMLForgery) url.Values {
	return ask(func(f SAMLForgery, o *RespondOptions) {
		o.Sign = SignAssertion
		o.hooks.signing = func(_ string, s *signing) { change(f, s) }
	})
}

// evil is the assertion with the victim in it, unsigned.
func (f SAMLForgery) evil(m *message) *node {
	e := m.assertion.clone()
	if s := e.child("Signature"); s != nil {
		e.remove(s)
	}
	e.set("ID", newID())
	f.become(e)
	return e
}

// become puts the victim in the attacker's place.
func (f SAMLForgery) become(n *node) {
	for _, k := range n.Kids {
		switch k.Text {
		case "":
		case f.Person.Sub:
			k.Text = f.Victim.Sub
		case f.Person.Email:
			k.Text = f.Victim.Email
		case f.Person.Name:
			k.Text = f.Victim.Name
		}
		f.become(k)
	}
}

// take removes the signature of n and returns it.
func take(n *node) *node {
	s := n.child("Signature")
	n.remove(s)
	return s
}

// sigObject wraps nodes into the Object of a signature.
func sigObject(sig *node, kids ...*node) *node {
	name := "Object"
	if p := prefix(sig.Name); p != "" {
		name = p + ":Object"
	}
	return el(name, nil, kids...)
}
