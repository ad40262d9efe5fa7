// Samlidp is a SAML identity provider that is not ours: crewjam's, with the little it leaves to whoever runs it. It
// listens on loopback, knows two people, and forgets everything when it ends.
//
// The environment variable IDP holds its settings as JSON. The dashboard is made known to it by PUT /services/{name}
// with the dashboard's metadata, a tile for it by PUT /shortcuts/{name}.
package main

import (
	"crypto"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/crewjam/saml/samlidp"
)

// settings are what a test chooses.
type settings struct {
	Port int
	Cert string // PEM
	Key  string
	// SignatureMethod is a URI of XML Signature. Empty is the library's choice, which is RSA with SHA-1.
	SignatureMethod string
}

// password is everybody's.
const password = "pw"

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	var s settings
	if err := json.Unmarshal([]byte(os.Getenv("IDP")), &s); err != nil {
		return fmt.Errorf("read IDP: %w", err)
	}
	pair, err := tls.X509KeyPair([]byte(s.Cert), []byte(s.Key))
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", s.Port)
	idp, err := samlidp.New(samlidp.Options{
		URL:         url.URL{Scheme: "http", Host: address},
		Key:         crypto.PrivateKey(pair.PrivateKey),
		Certificate: pair.Leaf,
		Store:       &samlidp.MemoryStore{},
	})
	if err != nil {
		return err
	}
	idp.IDP.SignatureMethod = s.SignatureMethod
	idp.IDP.LoginURL = idp.IDP.SSOURL // the form's own page ends there: at single sign-on the request goes on
	for _, p := range []string{
		`{"name":"ada","email":"ada@acme.example","common_name":"Ada Foreign","given_name":"Ada","surname":"Foreign","groups":["admins","everyone"],"password":"` + password + `"}`,
		`{"name":"vic","email":"vic@acme.example","common_name":"Vic Foreign","given_name":"Vic","surname":"Foreign","groups":["viewers","everyone"],"password":"` + password + `"}`,
	} {
		if err := add(idp, p); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	log.Printf("listening on http://%s", address)
	return (&http.Server{Handler: idp, ReadHeaderTimeout: time.Minute}).Serve(l)
}

// add makes a person known through the provider's own interface.
func add(idp http.Handler, person string) error {
	var named struct{ Name string }
	if err := json.Unmarshal([]byte(person), &named); err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPut, "/users/"+named.Name, strings.NewReader(person))
	if err != nil {
		return err
	}
	w := &answer{header: http.Header{}}
	idp.ServeHTTP(w, r)
	if w.status != http.StatusNoContent {
		return fmt.Errorf("add %s: %d", named.Name, w.status)
	}
	return nil
}

// answer keeps the status and nothing else.
type answer struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) { a.status = status }
