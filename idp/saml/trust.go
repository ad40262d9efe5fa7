package saml

import (
	"context"
	"errors"

	"github.com/beevik/etree"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
)

// guarded is a message that xmlguard has accepted: it has one reading, and is not yet anybody's word.
type guarded struct {
	bytes    []byte
	elements int
}

// verified is a response reduced to what signatures vouch for.
type verified struct {
	response  *etree.Element // its own tree: of signed bytes, or where responseBy is nil of bytes that may refuse and never grant
	assertion *etree.Element // its own tree, always of signed bytes; nil where the provider reports a failure

	responseBy  *proof
	assertionBy *proof
	sealed      *envelope // the assertion came encrypted
	elements    int       // of the message and what was encrypted in it
}

// guard runs xmlguard before anything builds a tree of b. Canonical bytes may be longer than what they were made of, for
// a namespace is declared again wherever it is used.
func (c *Connector) guard(b []byte, kind xmlguard.Kind, limit int) (guarded, error) {
	if c.off.has(offGuard) {
		return guarded{bytes: b}, nil
	}
	doc, err := xmlguard.Check(b, kind, limit)
	if err != nil {
		return guarded{}, refusedXML(err)
	}
	return guarded{bytes: doc.Bytes(), elements: doc.Elements()}, nil
}

// refusedXML says under a rule's own name what xmlguard found. It never quotes the document.
func refusedXML(err error) error {
	const hint = "The answer is not plain SAML as identity providers write it. If it came from yours, send its vendor this reason."
	e, ok := errors.AsType[*xmlguard.Error](err)
	if !ok {
		return err
	}
	if e.Shape {
		return wrapped(idp.CodeSAMLShape, e.Rule, hint, err)
	}
	return wrapped(idp.CodeSAMLXML, e.Rule, hint, err)
}

// nameless tells an assertion that names nobody apart from one that is misshapen: a provider without a rule for it sends
// such ones to everybody, and its admin has to hear of that rule.
func nameless(conn idp.Connection, err error) error {
	if e, ok := errors.AsType[*idp.Error](err); ok && e.Code == idp.CodeSAMLShape && e.Detail == "no-name-id" {
		return wrapped(idp.CodeSAMLNameID, "missing", hintNameID(conn.Provider), e.Err)
	}
	return err
}

// verify finds out which bytes of a response are the provider's. A signed Response vouches for the assertion in it, and
// then the assertion is taken out of those bytes; a signature of the assertion's own has to hold as well.
func (c *Connector) verify(ctx context.Context, conn idp.Connection, p signaturePolicy, g guarded) (verified, error) {
	root, err := parse(g.bytes)
	if err != nil {
		return verified{}, err
	}
	v := verified{response: root, elements: g.elements}
	if c.off.has(offVerify) {
		return c.unverified(v)
	}
	if err := c.verifyResponse(&v, p); err != nil {
		return verified{}, err
	}
	if err := ctx.Err(); err != nil {
		return verified{}, context.Cause(ctx)
	}
	if !succeeded(v.response) {
		return v, nil // there is no assertion, and what the message says can only refuse
	}
	el, err := c.openAssertion(conn, &v)
	if err != nil {
		return verified{}, err
	}
	if err := c.verifyAssertion(&v, el, p); err != nil {
		return verified{}, err
	}
	return v, enough(conn.SAML.WantSigned, v)
}

// verifyResponse checks the Response's own signature, if it has one, and goes on with the signed bytes.
func (c *Connector) verifyResponse(v *verified, p signaturePolicy) error {
	by, err := verifyElement(v.response, p)
	if errors.Is(err, errUnsigned) {
		return nil
	}
	if err != nil {
		return err
	}
	again, err := c.guard(by.canonical, xmlguard.Response, largestMessage)
	if err != nil {
		return err
	}
	v.responseBy = &by
	v.response, err = parse(again.bytes)
	return err
}

// openAssertion finds the assertion, and decrypts it where it is encrypted. What comes out is nobody's word yet.
func (c *Connector) openAssertion(conn idp.Connection, v *verified) (*etree.Element, error) {
	encrypted := child(v.response, nsAssertion, "EncryptedAssertion")
	plain := child(v.response, nsAssertion, "Assertion")
	switch {
	case encrypted == nil && plain == nil, encrypted != nil && plain != nil:
		return nil, fault(idp.CodeSAMLShape, "assertions", "", "not exactly one assertion")
	case plain != nil && conn.SAML.WantEncrypted:
		return nil, fault(idp.CodeSAMLDecrypt, "plain", "The connection wants encrypted assertions and got a plain one. Switch encryption on at the identity provider.", "assertion is not encrypted")
	case plain != nil:
		return plain, nil
	}
	b, env, err := decrypt(encrypted, conn, v.responseBy != nil)
	if err != nil {
		return nil, err
	}
	g, err := c.guard(b, xmlguard.Assertion, c.maxMessage())
	if err != nil {
		return nil, err
	}
	v.sealed = &env
	v.elements += g.elements
	el, err := parse(g.bytes)
	if err == nil && attr(el, "ID") == attr(v.response, "ID") {
		return nil, fault(idp.CodeSAMLShape, "duplicate-id", "", "assertion has the ID of its response")
	}
	return el, err
}

// verifyAssertion leaves in v the assertion as somebody signed it.
func (c *Connector) verifyAssertion(v *verified, el *etree.Element, p signaturePolicy) error {
	by, err := verifyElement(el, p)
	switch {
	case err == nil:
		v.assertionBy = &by
	case !errors.Is(err, errUnsigned):
		return err
	case v.responseBy == nil:
		return signature("missing", "neither response nor assertion is signed")
	}
	signed := by.canonical
	if v.assertionBy == nil {
		if signed, err = alone(el); err != nil {
			return err
		}
	}
	g, err := c.guard(signed, xmlguard.Assertion, largestMessage)
	if err != nil {
		return err
	}
	v.assertion, err = parse(g.bytes)
	return err
}

// alone renders an element of verified bytes as a document of its own.
func alone(el *etree.Element) ([]byte, error) {
	own, err := detach(el)
	if err != nil {
		return nil, err
	}
	return canonicalize(own, "")
}

// enough holds the signatures that verified against those the connection wants.
func enough(want idp.SAMLWantSigned, v verified) error {
	lacks := func(part, menu string) error {
		return fault(idp.CodeSAMLSignature, part+"-unsigned", "The connection wants a signed "+part+". Switch "+menu+" on at the identity provider.", part+" is not signed")
	}
	switch want {
	case idp.SignedEither:
		return nil // verifyAssertion has seen one
	case idp.SignedAssertion:
		if v.assertionBy == nil {
			return lacks("assertion", "signing of assertions")
		}
	case idp.SignedResponse:
		if v.responseBy == nil {
			return lacks("response", "signing of responses")
		}
	case idp.SignedBoth:
		if v.responseBy == nil {
			return lacks("response", "signing of responses")
		}
		if v.assertionBy == nil {
			return lacks("assertion", "signing of assertions")
		}
	default:
		return fault(idp.CodeSAMLConfig, "want-signed", "Choose again which signatures the connection wants.", "unknown choice of signatures")
	}
	return nil
}

// unverified is for the tests that show what signatures are good for.
func (c *Connector) unverified(v verified) (verified, error) {
	b, err := alone(child(v.response, nsAssertion, "Assertion"))
	if err != nil {
		return v, err
	}
	v.assertion, err = parse(b)
	return v, err
}
