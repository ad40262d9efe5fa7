package saml

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

var _ idp.MetadataPublisher = (*Connector)(nil)

const nameIDPersistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"

// encryptionMethods are what assertions may be encrypted with for us, best first. What else we can read is not offered.
var encryptionMethods = []string{
	"http://www.w3.org/2009/xmlenc11#aes256-gcm",
	"http://www.w3.org/2009/xmlenc11#aes128-gcm",
	"http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
}

// Metadata renders what the provider is told about us (SAML 2.0 Metadata §2.4.4). The same settings give the same bytes.
// The document is not signed: it carries no secret, and who fetches it has TLS to our own name.
func (c *Connector) Metadata(_ context.Context, conn idp.Connection) ([]byte, error) {
	signing := publishedSPKeys(conn.SAML.SPKeys, idp.UseSigning)
	encryption := publishedSPKeys(conn.SAML.SPKeys, idp.UseEncryption)
	if len(signing) == 0 || len(encryption) == 0 {
		return nil, errors.New("connection has no keys of its own to publish")
	}
	until, err := firstExpiry(append(signing, encryption...))
	if err != nil {
		return nil, err
	}
	ours := c.endpoints(conn.ID)
	var w document
	w.printf(`<md:EntityDescriptor xmlns:md="%s" xmlns:ds="%s" entityID="%s" cacheDuration="PT24H" validUntil="%s">`, nsMetadata, nsDSig, ours.EntityID, instant(until))
	w.printf("\n <md:SPSSODescriptor protocolSupportEnumeration=\"%s\" AuthnRequestsSigned=\"%t\" WantAssertionsSigned=\"%t\">", nsProtocol, signsRequests(conn.SAML), conn.SAML.WantSigned != idp.SignedResponse)
	for _, k := range signing {
		w.key(k)
	}
	for _, k := range encryption {
		w.key(k, encryptionMethods...)
	}
	for _, binding := range []string{uriRedirect, uriPOST} {
		w.printf("\n  <md:SingleLogoutService Binding=\"%s\" Location=\"%s\"/>", binding, ours.SLO)
	}
	w.printf("\n  <md:NameIDFormat>%s</md:NameIDFormat>", cmp.Or(conn.SAML.NameIDFormat, nameIDPersistent))
	w.printf("\n  <md:AssertionConsumerService Binding=\"%s\" Location=\"%s\" index=\"0\" isDefault=\"true\"/>", uriPOST, ours.ACS)
	w.printf("\n </md:SPSSODescriptor>\n</md:EntityDescriptor>\n")
	return []byte(w.String()), nil
}

// document is XML in the making. Only printf writes to it, and it escapes every string.
type document struct{ strings.Builder }

func (d *document) printf(format string, args ...any) {
	for i, a := range args {
		if text, ok := a.(string); ok {
			args[i] = escape(text)
		}
	}
	_, _ = fmt.Fprintf(d, format, args...) // a Builder takes everything
}

func (d *document) key(k idp.SAMLSPKey, methods ...string) {
	d.printf("\n  <md:KeyDescriptor use=\"%s\">", k.Use)
	d.printf("\n   <ds:KeyInfo><ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data></ds:KeyInfo>", base64.StdEncoding.EncodeToString(k.Certificate))
	for _, m := range methods {
		d.printf("\n   <md:EncryptionMethod Algorithm=\"%s\"/>", m)
	}
	d.printf("\n  </md:KeyDescriptor>")
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

// firstExpiry is when the first of our certificates runs out: then the document no longer holds.
func firstExpiry(keys []idp.SAMLSPKey) (time.Time, error) {
	var first time.Time
	for _, k := range keys {
		cert, err := parseKey(k.Certificate)
		if err != nil {
			return time.Time{}, fmt.Errorf("read our own certificate: %w", err)
		}
		if first.IsZero() || cert.NotAfter.Before(first) {
			first = cert.NotAfter
		}
	}
	return first, nil
}
