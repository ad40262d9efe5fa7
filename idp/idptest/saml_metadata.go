package idptest

import (
	"encoding/base64"
	"net/http"
	"time"
)

const bindingPrefix = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-"

// MetadataOptions describe the provider's metadata. The zero value is what it publishes.
type MetadataOptions struct {
	Keys       []SAMLKey // nil: those of the provider
	SignWith   *SAMLKey  // nil: unsigned
	ValidUntil time.Time // zero: not said
	SSO        string    // in place of its own
	SLO        string
	Federation bool // an EntitiesDescriptor around it and around another entity
}

// Metadata returns the provider's own description (SAML 2.0 Metadata §2.4.3).
func (p *SAMLIdP) Metadata(o MetadataOptions) ([]byte, error) {
	m := samlManners[p.opts.Profile]
	keys := o.Keys
	if keys == nil {
		keys = p.Keys()
	}
	wants, until := "false", ""
	if p.opts.WantSign {
		wants = "true"
	}
	if !o.ValidUntil.IsZero() {
		until = instant(o.ValidUntil)
	}
	role := el("md:IDPSSODescriptor", []attr{{"WantAuthnRequestsSigned", wants}, {"protocolSupportEnumeration", nsProtocol}})
	for _, k := range keys {
		role.Kids = append(role.Kids, el("md:KeyDescriptor", []attr{{"use", "signing"}},
			el("ds:KeyInfo", []attr{{"xmlns:ds", nsDSig}},
				el("ds:X509Data", nil, leaf("ds:X509Certificate", base64.StdEncoding.EncodeToString(k.Certificate))))))
	}
	sso, slo := or(o.SSO, p.URL("/sso")), or(o.SLO, p.URL("/slo"))
	if !m.noSLO && slo != "" {
		role.Kids = append(role.Kids, endpoint("SingleLogoutService", "Redirect", slo))
		if p.opts.Profile != SAMLEntra {
			role.Kids = append(role.Kids, endpoint("SingleLogoutService", "POST", slo))
		}
	}
	role.Kids = append(role.Kids, leaf("md:NameIDFormat", m.format))
	bindings := []string{"Redirect", "POST"}
	if p.opts.Post {
		bindings = []string{"POST"}
	}
	for _, b := range bindings {
		role.Kids = append(role.Kids, endpoint("SingleSignOnService", b, sso))
	}
	root := el("md:EntityDescriptor", append([]attr{{"xmlns:md", nsMetadata}}, pairs("ID", newID(), "entityID", p.EntityID(), "validUntil", until)...), role)
	if o.Federation {
		other := root.clone()
		other.set("entityID", "https://other.example/idp")
		other.set("ID", newID())
		root = el("md:EntitiesDescriptor", []attr{{"xmlns:md", nsMetadata}, {"ID", newID()}}, other, root)
	}
	if o.SignWith != nil {
		if err := sign(root, root, signing{key: *o.SignWith}); err != nil {
			return nil, err
		}
	}
	return []byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + root.xml()), nil
}

func endpoint(name, binding, location string) *node {
	return el("md:"+name, []attr{{"Binding", bindingPrefix + binding}, {"Location", location}})
}

// SignMetadata makes the provider sign its metadata, with the key that signs then, or with none.
func (p *SAMLIdP) SignMetadata(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signsMetadata = on
}

func (p *SAMLIdP) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	var o MetadataOptions
	p.mu.Lock()
	if p.signsMetadata {
		k := p.keys[0]
		o.SignWith = &k
	}
	p.mu.Unlock()
	doc, err := p.Metadata(o)
	if err != nil {
		http.Error(w, "this document cannot be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	_, _ = w.Write(doc) // the client hung up
}
