package idptest

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// samlRequest is a message that a service provider sent, checked.
type samlRequest struct {
	sp      SAMLSP
	id      string
	acs     string
	relay   string
	force   bool
	passive bool
	format  string
	acr     []string
	post    bool
	root    *node

	encoded string // to be carried through the page that lists the people
	query   string
}

// fields carry the request through a page of our own, in the form it came in.
func (q samlRequest) fields() []field {
	if !q.post {
		return []field{{"query", q.query}}
	}
	f := []field{{"SAMLRequest", q.encoded}}
	if q.relay != "" {
		f = append(f, field{"RelayState", q.relay})
	}
	return f
}

// carried is a message with what stands around it.
type carried struct {
	doc     []byte
	relay   string
	post    bool
	encoded string
	query   string // of Redirect, as received
}

// carry finds the message called name: by Redirect in the query, by POST in the form, or by Redirect once more, carried
// through our page.
func carry(r *http.Request, name string) (carried, error) {
	query := r.URL.RawQuery
	if r.Method == http.MethodPost {
		query = r.PostForm.Get("query")
	}
	if values, err := url.ParseQuery(query); err == nil && values.Has(name) {
		doc, err := inflate(values.Get(name))
		return carried{doc: doc, relay: values.Get("RelayState"), query: query}, err
	}
	encoded := r.PostForm.Get(name)
	if encoded == "" {
		return carried{}, errors.New("there is no " + name)
	}
	doc, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return carried{}, errors.New("it is not base64")
	}
	return carried{doc: doc, relay: r.PostForm.Get("RelayState"), post: true, encoded: encoded}, nil
}

func inflate(encoded string) ([]byte, error) {
	compressed, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("it is not base64")
	}
	doc, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(compressed)), 1<<20))
	if err != nil {
		return nil, errors.New("it is not deflated")
	}
	return doc, nil
}

func deflate(doc string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.DefaultCompression) // fails only for a level that does not exist
	_, _ = io.WriteString(w, doc)
	_ = w.Close() // a buffer takes everything
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// readRequest takes a request of the kind from r and holds it against the registered service provider.
func (p *SAMLIdP) readRequest(r *http.Request, kind string) (samlRequest, error) {
	c, err := carry(r, "SAMLRequest")
	if err != nil {
		return samlRequest{}, err
	}
	root, sp, err := p.readMessage(c, kind)
	if err != nil {
		return samlRequest{}, err
	}
	q := samlRequest{sp: sp, id: root.get("ID"), acs: sp.ACS, relay: c.relay, post: c.post, root: root, encoded: c.encoded, query: c.query}
	q.force, q.passive = root.get("ForceAuthn") == "true", root.get("IsPassive") == "true"
	if acs := root.get("AssertionConsumerServiceURL"); kind == "AuthnRequest" && acs != "" && acs != sp.ACS {
		return samlRequest{}, errors.New("its AssertionConsumerServiceURL is not registered")
	}
	if policy := root.child("NameIDPolicy"); policy != nil {
		q.format = policy.get("Format")
	}
	if context := root.child("RequestedAuthnContext"); context != nil {
		for _, k := range context.Kids {
			if k.Name != "" && local(k.Name) == "AuthnContextClassRef" {
				q.acr = append(q.acr, strings.TrimSpace(k.content()))
			}
		}
	}
	return q, nil
}

// readMessage parses and checks what every message has: kind, version, destination, issuer, signature.
func (p *SAMLIdP) readMessage(c carried, kind string) (*node, SAMLSP, error) {
	root, err := parseXML(c.doc)
	if err != nil {
		return nil, SAMLSP{}, err
	}
	path := "/sso"
	if kind != "AuthnRequest" {
		path = "/slo"
	}
	switch {
	case local(root.Name) != kind || !root.binds(nsProtocol):
		return nil, SAMLSP{}, fmt.Errorf("it is no %s", kind)
	case root.get("Version") != "2.0" || root.get("ID") == "" || root.get("IssueInstant") == "":
		return nil, SAMLSP{}, errors.New("it lacks Version, ID or IssueInstant")
	case root.get("Destination") != "" && root.get("Destination") != p.URL(path):
		return nil, SAMLSP{}, errors.New("its Destination is another")
	case root.child("Issuer") == nil:
		return nil, SAMLSP{}, errors.New("it has no Issuer")
	}
	sp, ok := p.sp(strings.TrimSpace(root.child("Issuer").content()))
	if !ok {
		return nil, SAMLSP{}, errNoSP
	}
	return root, sp, p.checkSignature(c, root, sp, kind)
}

// binds tells whether n itself declares a namespace.
func (n *node) binds(ns string) bool {
	return slices.ContainsFunc(n.Attrs, func(a attr) bool { _, is := declares(a.Name); return is && a.Value == ns })
}

// checkSignature wants one wherever the service provider has a key, and of logout messages always.
func (p *SAMLIdP) checkSignature(c carried, root *node, sp SAMLSP, kind string) error {
	signed := root.child("Signature") != nil || strings.Contains(c.query, "Signature=")
	if !signed && !p.opts.WantSign && kind == "AuthnRequest" {
		return nil
	}
	if sp.Signing == nil {
		if signed && kind == "AuthnRequest" && !p.opts.WantSign {
			return nil // nothing to hold it against
		}
		return errors.New("its signature cannot be checked: the application has no certificate here")
	}
	var why error
	for _, der := range [][]byte{sp.Signing, sp.NextSigning} {
		if der == nil {
			continue
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("the application's certificate: %w", err)
		}
		if why = c.verify(root, cert.PublicKey); why == nil {
			return nil
		}
	}
	return why
}

func (c carried) verify(root *node, public crypto.PublicKey) error {
	if c.post {
		return checkEnveloped(root, public)
	}
	return checkQuery(c.query, public)
}

// checkQuery verifies the octets of the query as they came (SAML 2.0 Bindings §3.4.4.1).
func checkQuery(query string, public crypto.PublicKey) error {
	raw := map[string]string{}
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		raw[name] = part
	}
	var signed []string
	for _, name := range []string{"SAMLRequest", "SAMLResponse", "RelayState", "SigAlg"} {
		if raw[name] != "" {
			signed = append(signed, raw[name])
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the query does not parse")
	}
	value, err := base64.StdEncoding.DecodeString(values.Get("Signature"))
	if err != nil || !verifies(public, values.Get("SigAlg"), []byte(strings.Join(signed, "&")), value) {
		return errors.New("the signature is false")
	}
	return nil
}

func encodeForm(doc string) string { return base64.StdEncoding.EncodeToString([]byte(doc)) }

func unform(s string) ([]byte, error) { return base64.StdEncoding.DecodeString(s) }
