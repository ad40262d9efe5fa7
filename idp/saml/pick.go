package saml

import (
	"bytes"
	"context"
	"encoding/xml"
	"net/http"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
)

var _ idp.AttemptPicker = (*Connector)(nil)

// Pick implements idp.AttemptPicker. It leaves r's form to be read again by Complete.
func (c *Connector) Pick(ctx context.Context, _ idp.Connection, r *http.Request) (string, error) {
	m, err := c.readForm(r, "SAMLResponse")
	if err != nil {
		return "", err
	}
	leave, err := c.enter(ctx, strays)
	if err != nil {
		return "", err
	}
	defer leave()
	if _, err := xmlguard.Check(m.xml, xmlguard.Response, c.maxMessage()); err != nil {
		return "", refusedXML(err)
	}
	return claimedRequest(m.xml)
}

// claimedRequest reads InResponseTo of the root, and builds no tree for that.
func claimedRequest(b []byte) (string, error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		t, err := d.Token()
		if err != nil {
			return "", fault(idp.CodeSAMLXML, "parse", "", "document does not parse")
		}
		root, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range root.Attr {
			if a.Name.Space == "" && a.Name.Local == "InResponseTo" {
				return a.Value, nil
			}
		}
		return "", nil
	}
}
