package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// samlPath is where the second company's provider is, with a tile for the dashboard.
const samlPath = "/saml"

// samlProvider makes the second company's provider, with new keys each time, and leaves its metadata where the gate's
// configuration says. An admin uploads such a file: fetched from an address, a new key would wait to be confirmed.
func (d *demo) samlProvider() (*idptest.SAMLIdP, error) {
	idp, err := idptest.NewSAML(idptest.SAMLOptions{
		BaseURL: d.issuer() + samlPath, People: samlPersons(), Now: time.Now, Note: "This is Globex, which speaks SAML 2.0.",
	})
	if err != nil {
		return nil, fmt.Errorf("demo identity provider over SAML: %w", err)
	}
	document, err := idp.Metadata(idptest.MetadataOptions{})
	if err != nil {
		return nil, fmt.Errorf("demo identity provider over SAML: %w", err)
	}
	if err := os.WriteFile(d.file(samlMetadataFile), document, 0o600); err != nil {
		return nil, fmt.Errorf("keep the provider's metadata: %w", err)
	}
	return idp, nil
}

// introduceSAML registers the gate at the second company's provider, with the certificate that its sign-outs are signed
// with. The gate has made it by now.
func (d *demo) introduceSAML(ctx context.Context) error {
	var ours struct {
		PEM string `json:"pem"`
	}
	if err := d.ask(ctx, samlTenantID, &ours, "saml", "certificate", samlConnectionID); err != nil {
		return err
	}
	block, _ := pem.Decode([]byte(ours.PEM))
	if block == nil {
		return errors.New("ssogate saml certificate printed none")
	}
	base := d.url() + "/auth/saml/" + samlConnectionID
	d.saml.AddSP(idptest.SAMLSP{
		Name: "Dashboard", EntityID: base + "/metadata", SLO: base + "/slo",
		ACS: d.url() + "/auth/callback/saml/" + samlConnectionID, Signing: block.Bytes,
	})
	return nil
}
