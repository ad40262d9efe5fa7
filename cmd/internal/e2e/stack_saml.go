package e2e

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// SAML is a connection to a pretend SAML provider, which lies on 127.0.0.1 while the gate is on localhost: another site,
// as in real life. Ports alone do not make a site.
type SAML struct {
	Tenant   string // empty: the stack's own tenant, in place of its OpenID connection
	ID       string // of the connection; empty: acme-saml
	Provider string // as the gate calls it; empty: generic
	Keys     string // further keys of the connection, YAML flow ("idp_initiated: bounce, ")
	Host     string // another name of 127.0.0.1 that only the browser knows; empty: none
	URL      bool   // the gate fetches the metadata itself
	Encrypt  bool   // the provider encrypts for the key in our metadata
	SLOPost  bool   // the provider posts its sign-outs
	Shape    func(*idptest.SAMLOptions)

	IdP  *idptest.SAMLIdP // once the stack runs
	text string           // the connection, as the configuration file has it

	sp         idptest.SAMLSP // the gate, as the provider knows it
	encryption []byte         // the certificate in our metadata
}

// The first SAML connection and its addresses at the gate.
const (
	samlConnection = "acme-saml"
	samlACS        = "/auth/callback/saml/" + samlConnection
	samlMetadata   = "/auth/saml/" + samlConnection + "/metadata"
	samlSLO        = "/auth/saml/" + samlConnection + "/slo"
)

func (c *SAML) metadata(s *Stack) string { return s.URL + "/auth/saml/" + c.ID + "/metadata" }

// prepareSAML starts the provider and returns the connection as the configuration file has it.
func (s *Stack) prepareSAML(c *SAML, certificate *TLS) (connection string) {
	s.T.Helper()
	if c.ID == "" {
		c.ID = samlConnection
	}
	if c.Provider == "" {
		c.Provider = "generic"
	}
	address, scheme := local(s.T), "http"
	if certificate != nil {
		scheme = "https"
	}
	base := scheme + "://" + address
	if c.Host != "" {
		base = strings.Replace(base, "127.0.0.1", c.Host, 1)
	}
	o := idptest.SAMLOptions{BaseURL: base, People: people, Now: time.Now}
	if c.Shape != nil {
		c.Shape(&o)
	}
	idp, err := idptest.NewSAML(o)
	if err != nil {
		s.T.Fatal(err)
	}
	c.IdP = idp
	server := &http.Server{Handler: idp, ReadHeaderTimeout: time.Minute}
	l := listen(s.T, address)
	go func() {
		if certificate != nil {
			_ = server.ServeTLS(l, certificate.Cert, certificate.Key)
			return
		}
		_ = server.Serve(l)
	}()
	s.T.Cleanup(func() { _ = server.Close() })
	from := "metadata_url: " + idp.URL("/metadata")
	if !c.URL {
		from = fmt.Sprintf("metadata: {file: %q}", s.keepMetadata(c))
	}
	return fmt.Sprintf("{id: %s, name: %q, protocol: saml, provider: %s, %s%s}", c.ID, "Company "+c.ID, c.Provider, c.Keys, from)
}

// keepMetadata writes the provider's metadata into a file.
func (s *Stack) keepMetadata(c *SAML) (path string) {
	s.T.Helper()
	w := httptest.NewRecorder()
	c.IdP.ServeHTTP(w, httptest.NewRequestWithContext(s.T.Context(), http.MethodGet, c.IdP.URL("/metadata"), nil))
	path = filepath.Join(s.Dir, c.ID+".xml")
	if err := os.WriteFile(path, w.Body.Bytes(), 0o600); err != nil {
		s.T.Fatal(err)
	}
	return path
}

// publishedMetadata fetches what the gate says of itself, once it has made its keys.
func (s *Stack) publishedMetadata(address string) (text []byte) {
	s.T.Helper()
	Eventually(s.T, "the gate has made its keys and publishes them", func() bool {
		r, err := http.NewRequestWithContext(s.T.Context(), http.MethodGet, address, nil)
		if err != nil {
			s.T.Fatal(err)
		}
		resp, err := s.Client().Do(r)
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		text, err = io.ReadAll(resp.Body)
		return err == nil && resp.StatusCode == http.StatusOK
	})
	return text
}

var certificates = regexp.MustCompile(`(?s)use="(signing|encryption)".*?<(?:ds:)?X509Certificate[^>]*>([^<]*)<`)

// introduce registers the gate at the provider, as an admin does with the metadata that the gate publishes.
func (s *Stack) introduce(c *SAML) {
	s.T.Helper()
	text := s.publishedMetadata(c.metadata(s))
	base := s.URL + "/auth/saml/" + c.ID
	sp := idptest.SAMLSP{Name: c.ID, EntityID: base + "/metadata", ACS: s.URL + "/auth/callback/saml/" + c.ID, SLO: base + "/slo", SLOPost: c.SLOPost, Relay: "https://evil.example/"}
	for _, m := range certificates.FindAllSubmatch(text, -1) {
		der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(m[2])), ""))
		if err != nil {
			s.T.Fatal(err)
		}
		switch {
		case string(m[1]) == "signing" && sp.Signing == nil:
			sp.Signing = der
		case string(m[1]) == "encryption" && c.encryption == nil:
			c.encryption = der
		}
	}
	if sp.Signing == nil || c.encryption == nil {
		s.T.Fatalf("our metadata lacks a certificate: %s", text)
	}
	if c.Encrypt {
		sp.Encryption = c.encryption
	}
	c.sp = sp
	c.IdP.AddSP(sp)
}
