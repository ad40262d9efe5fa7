package idptest

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"time"
)

// SAMLKeyInfo says what a signature tells of its key; the zero value is the signer's own certificate.
type SAMLKeyInfo string

// The choices.
const (
	KeyInfoOwn   SAMLKeyInfo = ""
	KeyInfoNone  SAMLKeyInfo = "none"
	KeyInfoOther SAMLKeyInfo = "other" // RespondOptions.OtherCertificate
)

// SAMLAttribute is one Attribute element.
type SAMLAttribute struct {
	Name         string
	FriendlyName string
	Values       []string
}

// None as the value of a text option leaves out what would otherwise be filled in.
const None = "\x00none"

// RespondOptions describe one response. The zero value of a field is what a provider of the profile sends; SP is needed.
type RespondOptions struct {
	SP           SAMLSP
	Person       Person
	Profile      SAMLProfile // whose manners, in place of the provider's
	InResponseTo string      // empty: nobody asked
	Now          time.Time

	Issuer      string
	Destination string
	Recipient   string
	Audiences   []string // one AudienceRestriction with each of them; nil: the SP's entity id
	Status      string   // empty: Success; anything else has no assertion
	SubStatus   string
	StatusText  string

	NameID            string
	NameIDFormat      string
	NameQualifier     string
	SPNameQualifier   string
	Groups            []string        // nil: the person's
	Extra             []SAMLAttribute // further attributes
	Attributes        []SAMLAttribute // in place of all others
	SessionIndex      string
	ACR               string
	AuthnInstant      time.Time
	NotBefore         time.Time
	Lifetime          time.Duration // of Conditions and confirmation
	ConfirmFor        time.Duration // of the confirmation alone
	SessionFor        time.Duration // of SessionNotOnOrAfter; negative: none
	AssertionID       string
	ExtraConfirmation string // method of one more SubjectConfirmation in front of the bearer one

	Sign             SAMLSign
	Key              *SAMLKey // nil: the provider's current one
	Algorithm        string
	Digest           string
	KeyInfo          SAMLKeyInfo
	OtherCertificate []byte
	PrefixList       string

	EncryptTo  []byte // DER certificate; nil: the SP's, where it has one; empty and not nil: nobody
	Encryption SAMLEncryption

	// BeforeSigning edits the assertion's XML, AfterSigning the response's.
	BeforeSigning func(xml string) string
	AfterSigning  func(xml string) string

	hooks hooks
}

// hooks are what the attacks of this package reach into.
type hooks struct {
	message func(m *message) // before anything is signed
	signing func(element string, s *signing)
	signed  func(m *message) // after signing
}

// message is a response while it is made.
type message struct {
	m         manners
	root      *node
	assertion *node // as it was signed, also once it is encrypted
}

func (m *message) p(name string) string   { return qualified(m.m.samlp, name) }
func (m *message) a(name string) string   { return qualified(m.m.saml, name) }
func (m *message) issuer() *node          { return m.root.child("Issuer") }
func (m *message) confirmation() *node    { return m.assertion.find("SubjectConfirmation") }
func (m *message) conditions() *node      { return m.assertion.child("Conditions") }
func (m *message) authn() *node           { return m.assertion.child("AuthnStatement") }
func (m *message) attributes() *node      { return m.assertion.child("AttributeStatement") }
func (m *message) nameID() *node          { return m.assertion.find("NameID") }
func (m *message) declareAssertion() attr { return declaration(m.m.saml, nsAssertion) }

func qualified(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + ":" + name
}

func declaration(prefix, ns string) attr {
	if prefix == "" {
		return attr{"xmlns", ns}
	}
	return attr{"xmlns:" + prefix, ns}
}

// or is the option's value, its default, or nothing.
func or(value, otherwise string) string {
	if value == None {
		return ""
	}
	return cmp.Or(value, otherwise)
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func newID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails: crypto/rand aborts the program instead
	return "_" + hex.EncodeToString(b)
}

// Respond builds a response without HTTP and returns what the form field SAMLResponse holds.
func (p *SAMLIdP) Respond(o RespondOptions) (string, error) {
	doc, err := p.RespondXML(o)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString([]byte(doc)), nil
}

// RespondXML builds a response and returns its XML.
func (p *SAMLIdP) RespondXML(o RespondOptions) (string, error) {
	m, err := p.respond(o)
	if err != nil {
		return "", err
	}
	doc := m.root.xml()
	if o.AfterSigning != nil {
		doc = o.AfterSigning(doc)
	}
	return doc, nil
}

func (p *SAMLIdP) respond(o RespondOptions) (*message, error) {
	if o.Now.IsZero() {
		o.Now = p.opts.Now()
	}
	m := p.compose(o)
	if o.hooks.message != nil {
		o.hooks.message(m)
	}
	if o.BeforeSigning != nil {
		edited, err := parseXML([]byte(o.BeforeSigning(m.assertion.xml())))
		if err != nil {
			return nil, err
		}
		m.root.replace(m.assertion, edited)
		m.assertion = edited
	}
	if err := p.protect(m, o); err != nil {
		return nil, err
	}
	if o.hooks.signed != nil {
		o.hooks.signed(m)
	}
	return m, nil
}

// protect signs the assertion, encrypts it, signs the response: in this order, so that everything is covered.
func (p *SAMLIdP) protect(m *message, o RespondOptions) error {
	what := cmp.Or(o.Sign, p.opts.Sign, m.m.sign)
	if m.assertion != nil {
		if what == SignAssertion || what == SignBoth {
			if err := sign(m.root, m.assertion, p.signing("assertion", m, o)); err != nil {
				return err
			}
		}
		to := o.EncryptTo
		if to == nil {
			to = o.SP.Encryption
		}
		if len(to) > 0 {
			sealed, err := encryptAssertion(m.assertion.xml(), m.m.saml, to, o.Encryption)
			if err != nil {
				return err
			}
			m.root.replace(m.assertion, sealed)
		}
	}
	if what == SignResponse || what == SignBoth {
		return sign(m.root, m.root, p.signing("response", m, o))
	}
	return nil
}

func (p *SAMLIdP) signing(element string, m *message, o RespondOptions) signing {
	key := p.Key()
	if o.Key != nil {
		key = *o.Key
	}
	s := signing{key: key, alg: o.Algorithm, digest: o.Digest, prefix: m.m.ds, prefixList: cmp.Or(o.PrefixList, m.m.prefixList)}
	if p.opts.SHA1 && s.alg == "" {
		s.alg, s.digest = AlgRSASHA1, AlgSHA1
	}
	if o.PrefixList == None || element == "response" && m.root.child("EncryptedAssertion") != nil {
		s.prefixList = "" // what it lists is declared nowhere, or is out of sight
	}
	s.keyInfo = p.keyInfo(m.m, o)
	if o.hooks.signing != nil {
		o.hooks.signing(element, &s)
	}
	return s
}

func (p *SAMLIdP) keyInfo(m manners, o RespondOptions) func(string, SAMLKey) *node {
	if o.KeyInfo == KeyInfoNone {
		return nil
	}
	return func(prefix string, k SAMLKey) *node {
		cert := k.Certificate
		if o.KeyInfo == KeyInfoOther {
			cert = o.OtherCertificate
		}
		var name *node
		if m.keyName {
			name = leaf(qualified(prefix, "KeyName"), k.SHA256()[:43])
		}
		return el(qualified(prefix, "KeyInfo"), nil, name,
			el(qualified(prefix, "X509Data"), nil, leaf(qualified(prefix, "X509Certificate"), base64.StdEncoding.EncodeToString(cert))))
	}
}

// compose makes the whole unsigned response.
func (p *SAMLIdP) compose(o RespondOptions) *message {
	m := &message{m: samlManners[cmp.Or(o.Profile, p.opts.Profile)]}
	consent := ""
	if m.m.consent {
		consent = "urn:oasis:names:tc:SAML:2.0:consent:unspecified"
	}
	m.root = el(m.p("Response"), append([]attr{declaration(m.m.samlp, nsProtocol)}, pairs("Consent", consent,
		"Destination", or(o.Destination, o.SP.ACS), "ID", newID(), "InResponseTo", o.InResponseTo, "IssueInstant", instant(o.Now), "Version", "2.0")...),
		p.issuerElement(m, o, true), m.status(o))
	if o.Status == "" {
		m.assertion = p.assertion(m, o)
		m.root.Kids = append(m.root.Kids, m.assertion)
	}
	return m
}

func (p *SAMLIdP) issuerElement(m *message, o RespondOptions, declare bool) *node {
	issuer := or(o.Issuer, p.EntityID())
	if issuer == "" {
		return nil
	}
	n := leaf(m.a("Issuer"), issuer, pairs("Format", m.m.issuerForm)...)
	if declare {
		n.insertAttr(m.declareAssertion())
	}
	return n
}

func (n *node) insertAttr(a attr) { n.Attrs = append([]attr{a}, n.Attrs...) }

const statusPrefix = "urn:oasis:names:tc:SAML:2.0:status:"

func (m *message) status(o RespondOptions) *node {
	code := el(m.p("StatusCode"), []attr{{"Value", cmp.Or(o.Status, statusPrefix+"Success")}})
	if o.SubStatus != "" {
		code.Kids = append(code.Kids, el(m.p("StatusCode"), []attr{{"Value", o.SubStatus}}))
	}
	status := el(m.p("Status"), nil, code)
	if o.StatusText != "" {
		status.Kids = append(status.Kids, leaf(m.p("StatusMessage"), o.StatusText))
	}
	return status
}

func (p *SAMLIdP) assertion(m *message, o RespondOptions) *node {
	return el(m.a("Assertion"), []attr{m.declareAssertion(), {"ID", cmp.Or(o.AssertionID, newID())}, {"IssueInstant", instant(o.Now)}, {"Version", "2.0"}},
		p.issuerElement(m, o, false), p.subject(m, o), m.conditionsElement(o), m.authnStatement(o), m.attributeStatement(o))
}

var errNoSP = errors.New("no service provider of this entity id is registered")
