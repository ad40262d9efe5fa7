package saml

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/beevik/etree"
	saml2 "github.com/russellhaering/gosaml2"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/tracio-ai/ssogate/idp"
)

const configHint = "Upload the identity provider's metadata again, or complete the connection's settings."

// Begin builds the AuthnRequest of an attempt (SAML 2.0 Core §3.4.1). Its ID is the attempt's RequestID, which the answer
// has to repeat.
func (c *Connector) Begin(_ context.Context, conn idp.Connection, a idp.Attempt) (idp.Redirect, error) {
	if err := c.usable(conn.SAML); err != nil {
		return idp.Redirect{}, err
	}
	root, err := c.authnRequest(conn, a)
	if err != nil {
		return idp.Redirect{}, err
	}
	e := conn.SAML.IdP.Endpoints
	out := outgoing{address: e.SSOURL, binding: e.SSOBinding, field: fieldRequest, root: root, relay: a.Relay}
	if signsRequests(conn.SAML) {
		if out.signer, out.cert, err = spSigner(conn.SAML.SPKeys); err != nil {
			return idp.Redirect{}, err
		}
	}
	return out.send()
}

// usable looks at settings once more when they are used: what was saved may be older than the rules, and an answer to a
// request that we could not verify must not be asked for.
func (c *Connector) usable(s idp.SAMLSettings) error {
	if s.IdP.EntityID == "" {
		return fault(idp.CodeSAMLConfig, "entity-id", configHint, "connection has no entity ID of the identity provider")
	}
	if _, err := activeKeys(s); err != nil {
		return err
	}
	return c.usableURL("sso-url", s.IdP.Endpoints.SSOURL)
}

func (c *Connector) usableURL(which, address string) error {
	if err := checkURL(address, c.Insecure); err != nil {
		return wrapped(idp.CodeSAMLConfig, which, configHint, fmt.Errorf("address of the identity provider: %w", err))
	}
	return nil
}

func (c *Connector) authnRequest(conn idp.Connection, a idp.Attempt) (*etree.Element, error) {
	ours := c.endpoints(conn.ID)
	sp := &saml2.SAMLServiceProvider{
		IdentityProviderSSOURL:      conn.SAML.IdP.Endpoints.SSOURL,
		ServiceProviderIssuer:       ours.EntityID,
		AssertionConsumerServiceURL: ours.ACS,
		NameIdFormat:                conn.SAML.NameIDFormat,
		ForceAuthn:                  forcesAuthn(conn.SAML, a) || a.Ask.Prompt == "select_account",
		IsPassive:                   a.Ask.Prompt == "none",
		Clock:                       dsig.NewFakeClockAt(c.Now()),
	}
	if classes := requestedACR(conn.SAML, a); len(classes) > 0 {
		sp.RequestedAuthnContext = &saml2.RequestedAuthnContext{Comparison: saml2.AuthnPolicyMatchExact, Contexts: classes}
	}
	doc, err := sp.BuildAuthRequestDocumentNoSig() // the other constructor signs before the ID is ours
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	root := doc.Root()
	root.CreateAttr("ID", a.RequestID())
	return root, nil
}

// signsRequests reports whether an AuthnRequest is signed.
func signsRequests(s idp.SAMLSettings) bool {
	switch s.SignRequests {
	case idp.SignAuto:
		return s.IdP.WantsSigned
	case idp.SignNever:
		return false
	case idp.SignAlways:
		return true
	default:
		return true
	}
}

// requestedACR is what an attempt asks for, and its answer has to be one of.
func requestedACR(s idp.SAMLSettings, a idp.Attempt) []string {
	if len(a.Ask.ACR) > 0 {
		return a.Ask.ACR
	}
	return s.RequestedACR
}

// forcesAuthn reports whether the person has to prove anew who they are. SAML cannot ask for a sign-in of a certain
// freshness, so an attempt that does asks for a new one. It cannot ask for a choice of accounts either, and asks for a new
// sign-in then as well, lest whoever has signed out of a shared computer be signed in again unasked; but the answer need
// not be a new one, for some providers pass over the wish.
func forcesAuthn(s idp.SAMLSettings, a idp.Attempt) bool {
	return s.ForceAuthn || a.Ask.Prompt == "login" || a.Ask.MaxAge != nil
}

// outgoing is a message of ours on its way to the provider.
type outgoing struct {
	address string
	binding idp.SAMLBinding
	field   string
	root    *etree.Element // its first child is the Issuer
	relay   string
	signer  crypto.Signer // nil: not signed
	cert    []byte
}

// send chooses how the browser carries the message: in the URL, or, where the provider wants that or the URL would be too
// long for what is on the way, in a form.
func (o outgoing) send() (idp.Redirect, error) {
	if o.binding == idp.BindingRedirect {
		message, err := render(o.root)
		if err != nil {
			return idp.Redirect{}, err
		}
		address, err := redirectURL(o.address, o.field, message, o.relay, o.signer)
		if err != nil {
			return idp.Redirect{}, err
		}
		if len(address) <= maxLocation {
			return idp.Redirect{URL: address}, nil
		}
	}
	return o.post()
}

func (o outgoing) post() (idp.Redirect, error) {
	root := o.root
	if o.signer != nil {
		var err error
		if root, err = sign(root, o.signer, o.cert); err != nil {
			return idp.Redirect{}, err
		}
	}
	message, err := render(root)
	if err != nil {
		return idp.Redirect{}, err
	}
	form := url.Values{o.field: {base64.StdEncoding.EncodeToString(message)}}
	if o.relay != "" {
		form.Set("RelayState", o.relay)
	}
	return idp.Redirect{URL: o.address, Form: form}, nil
}

// sign adds an enveloped signature where the schema wants it: behind the Issuer (SAML 2.0 Core §3.2.1).
func sign(root *etree.Element, signer crypto.Signer, cert []byte) (*etree.Element, error) {
	ctx, err := dsig.NewSigningContext(signer, [][]byte{cert})
	if err != nil {
		return nil, fmt.Errorf("sign message: %w", err)
	}
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("") // the library's own choice fails at ADFS
	if err := ctx.SetSignatureMethod(uriRSASHA256); err != nil {
		return nil, fmt.Errorf("sign message: %w", err)
	}
	value, err := ctx.ConstructSignature(root, true)
	if err != nil {
		return nil, fmt.Errorf("sign message: %w", err)
	}
	if len(root.Child) == 0 {
		return nil, errors.New("sign message: it has no issuer")
	}
	signed := root.Copy()
	signed.InsertChildAt(1, value)
	return signed, nil
}

func render(root *etree.Element) ([]byte, error) {
	b, err := etree.NewDocumentWithRoot(root).WriteToBytes()
	if err != nil {
		return nil, fmt.Errorf("write message: %w", err)
	}
	return b, nil
}

// instant writes a time as SAML does: UTC, no zone but Z (SAML 2.0 Core §1.3.3).
func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }
