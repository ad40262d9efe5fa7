package saml

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	saml2 "github.com/russellhaering/gosaml2"
	"github.com/russellhaering/gosaml2/types"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/tracio-ai/ssogate/idp"
)

// The outcomes of a second opinion.
const (
	opinionAgree    = "agree"
	opinionSkipped  = "skipped"
	opinionDisagree = "disagree"
)

// maxOpinion is how many elements gosaml2 can be asked about: it allows itself 1,000 steps and counts most twice.
const maxOpinion = 400

// secondOpinion has gosaml2 read the answer as it came, and wants the same person out of it. Two verifiers written apart
// seldom share a mistake. What it cannot judge is counted and passed over: a sender can bring that about, so ours has to
// be right alone.
func (c *Connector) secondOpinion(ctx context.Context, q asked, m message, v verified, ans answer) error {
	if c.off.has(offOpinion) {
		return nil
	}
	if why := ineligible(v, ans, q.now); why != "" {
		c.opined(opinionSkipped, why)
		return nil
	}
	theirs, err := ask(q, m, v, ans)
	why := "error"
	if err == nil {
		why = difference(v, ans, theirs)
	}
	if why == "" {
		c.opined(opinionAgree, "")
		return nil
	}
	c.opined(opinionDisagree, why)
	c.log().ErrorContext(ctx, "two verifiers read a saml response differently", "tenant", q.conn.Tenant, "connection", q.conn.ID, "reason", why)
	return fault(idp.CodeSAMLDisagreement, why, "Two verifiers read the answer differently, so it was refused. Send its vendor this reason.", "second opinion differs")
}

func (c *Connector) opined(outcome, why string) {
	if c.OnOpinion != nil {
		c.OnOpinion(outcome, why)
	}
}

// ineligible names what keeps gosaml2 from judging, each a known difference of its own from the standards.
func ineligible(v verified, ans answer, now time.Time) string {
	switch {
	case v.responseBy == nil && v.assertionBy == nil:
		return "unsigned" // only in tests
	case v.elements > maxOpinion:
		return "elements"
	case ans.response.issuer == "":
		return "no-response-issuer"
	case padded(v):
		return "padded-issuer"
	case len(ans.assertion.confirmations) != 1:
		return "confirmations"
	}
	if why := foreign(v, now); why != "" {
		return why
	}
	return opaque(v.sealed)
}

// padded reports white space around an issuer, which gosaml2 compares as it stands.
func padded(v verified) bool {
	for _, root := range []*etree.Element{v.response, v.assertion} {
		if el := child(root, nsAssertion, "Issuer"); el != nil && text(el) != trimmed(el) {
			return true
		}
	}
	return false
}

// foreign names what gosaml2 does not do with signatures: ECDSA as XML has it, two keys at once, a prefix list of
// SignedInfo, a KeyInfo that is not the certificate we pinned, a certificate that has expired.
func foreign(v verified, now time.Time) string {
	var first *proof
	for _, by := range []*proof{v.responseBy, v.assertionBy} {
		if by == nil {
			continue
		}
		if first == nil {
			first = by
		}
		cert := by.by.cert
		switch {
		case !by.rsa:
			return "ecdsa"
		case !bytes.Equal(cert.Raw, first.by.cert.Raw):
			return "two-keys"
		case by.keyInfo && !bytes.Equal(by.keyInfoCert, cert.Raw):
			return "key-info"
		case now.Before(cert.NotBefore) || now.After(cert.NotAfter):
			return "certificate-time"
		case by.infoPrefix:
			return "prefix-list"
		case by.spaced:
			return "spaced-base64"
		}
	}
	return ""
}

// opaque names what gosaml2 cannot decrypt as the standard says.
func opaque(e *envelope) string {
	switch {
	case e == nil:
		return ""
	case !e.plain:
		return "oaep-digest"
	case e.content.cbc && e.content.size == 24:
		return "aes192-cbc"
	case e.chain, len(e.cert) > 0 && !bytes.Equal(e.cert, e.by.cert):
		return "encryption-certificate"
	case e.spaced:
		return "spaced-base64"
	}
	return ""
}

// ask has gosaml2 validate the original, with the one key that ours matched. It allows no skew, so its clock is put
// within the windows that ours has accepted.
func ask(q asked, m message, v verified, ans answer) (*types.Response, error) {
	by := v.responseBy
	if by == nil {
		by = v.assertionBy
	}
	sp := &saml2.SAMLServiceProvider{
		IdentityProviderIssuer:      q.conn.SAML.IdP.EntityID,
		ServiceProviderIssuer:       q.at.EntityID,
		AssertionConsumerServiceURL: q.at.ACS,
		AudienceURI:                 q.at.EntityID,
		IDPCertificateStore:         &dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{by.by.cert}},
		Clock:                       dsig.NewFakeClockAt(clamp(q.now, ans.assertion)),
		MaximumDecompressedBodySize: largestMessage,
	}
	if v.sealed != nil {
		sp.SPKeyStore = dsig.TLSCertKeyStore(tls.Certificate{Certificate: [][]byte{v.sealed.by.cert}, PrivateKey: v.sealed.by.private})
	}
	out, err := sp.ValidateEncodedResponse(m.encoded)
	if err != nil {
		return nil, errors.New("second opinion: refused")
	}
	return out, nil
}

func clamp(now time.Time, a assertion) time.Time {
	if now.Before(a.conditions.notBefore) {
		now = a.conditions.notBefore
	}
	for _, end := range a.ends() {
		if !now.Before(end) {
			now = end.Add(-time.Millisecond)
		}
	}
	return now
}

// difference names the first thing that the two read differently; "" when they agree.
func difference(v verified, ours answer, theirs *types.Response) string {
	if len(theirs.Assertions) != 1 || len(theirs.EncryptedAssertions) != 0 {
		return "assertions"
	}
	if theirs.SignatureValidated != (v.responseBy != nil) {
		return "response-signature"
	}
	a, b := ours.assertion, theirs.Assertions[0]
	if v.responseBy == nil && !b.SignatureValidated {
		return "assertion-signature"
	}
	switch {
	case b.ID != a.id:
		return "assertion-id"
	case b.Issuer == nil || trim(b.Issuer.Value) != a.issuer:
		return "issuer"
	case b.Subject == nil || b.Subject.NameID == nil || trim(b.Subject.NameID.Value) != a.nameID.Value:
		return "name-id"
	case b.Subject.NameID.Format != a.nameID.Format || b.Subject.NameID.NameQualifier != a.nameID.NameQualifier ||
		b.Subject.NameID.SPNameQualifier != a.nameID.SPNameQualifier:
		return "name-id-format"
	case b.AuthnStatement == nil || b.AuthnStatement.SessionIndex != lines.Replace(a.authn.sessionIndex):
		return "session-index"
	case !sameAudiences(a.conditions.audiences, b.Conditions):
		return "audiences"
	case !sameAttributes(a.attributes, b.AttributeStatement):
		return "attributes"
	}
	return ""
}

func sameAudiences(ours [][]string, theirs *types.Conditions) bool {
	if theirs == nil {
		return false
	}
	return slices.EqualFunc(ours, theirs.AudienceRestrictions, func(a []string, b types.AudienceRestriction) bool {
		return slices.EqualFunc(a, b.Audiences, func(x string, y types.Audience) bool { return same(x, y.Value) })
	})
}

func sameAttributes(ours []attribute, theirs *types.AttributeStatement) bool {
	if theirs == nil {
		return len(ours) == 0
	}
	return slices.EqualFunc(ours, theirs.Attributes, func(a attribute, b types.Attribute) bool {
		return lines.Replace(a.name) == b.Name && slices.EqualFunc(a.values, b.Values, func(x value, y types.AttributeValue) bool { return same(x.text, y.Value) })
	})
}

func trim(s string) string { return strings.Trim(s, " \t\r\n") }

// lines makes of line ends what gosaml2 makes of them: it writes what it has verified anew before it decodes it, and
// forgets that a carriage return has to be a reference there. Directories are full of addresses of several lines.
var lines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// same compares a text that ours has trimmed with one of gosaml2's.
func same(ours, theirs string) bool { return lines.Replace(ours) == trim(theirs) }
