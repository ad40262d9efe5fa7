package e2e

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/cmd/internal/e2e/tools"
)

// foreignSAML is a SAML provider that somebody else wrote.
type foreignSAML struct {
	*Process
	url      string
	metadata string // a file
}

// startForeignSAML runs a program with its settings in IDP, and waits until it serves its metadata at path.
func startForeignSAML(t *testing.T, dir, program string, args []string, settings map[string]any) foreignSAML {
	t.Helper()
	port := FreePort(t)
	cert, key := rsaPair(t)
	settings["port"], settings["cert"], settings["key"] = port, cert, key
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	f := foreignSAML{Process: Start(t, dir, []string{"IDP=" + string(text)}, program, args...), url: fmt.Sprintf("http://127.0.0.1:%d", port)}
	Eventually(t, "the foreign provider listens", func() bool {
		if f.Exited() {
			t.Fatalf("it ended:\n%s", f.Output())
		}
		return strings.Contains(f.Output(), "listening on "+f.url)
	})
	f.metadata = filepath.Join(shortDir(t), "idp.xml")
	writeFile(t, f.metadata, httpText(t, http.MethodGet, f.url+"/metadata", ""))
	return f
}

// startSamlidp runs crewjam's provider. method is a signature algorithm; empty is its own choice.
func startSamlidp(t *testing.T, method string) foreignSAML {
	t.Helper()
	return startForeignSAML(t, shortDir(t), samlidpBinary(t), nil, map[string]any{"SignatureMethod": method})
}

var samlidp struct {
	once sync.Once
	path string
	err  error
}

// samlidpBinary builds crewjam's provider once a test run. It is a module of its own: the gate never depends on it.
func samlidpBinary(t *testing.T) string {
	t.Helper()
	samlidp.once.Do(func() {
		root, err := tools.Root()
		if err != nil {
			samlidp.err = err
			return
		}
		samlidp.path = filepath.Join(root, ".run", "e2e", "samlidp")
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "go", "build", "-o", samlidp.path, ".")
		cmd.Dir = filepath.Join("testdata", "foreign", "samlidp")
		if out, err := cmd.CombinedOutput(); err != nil {
			samlidp.err = fmt.Errorf("build samlidp: %w\n%s", err, out)
		}
	})
	if samlidp.err != nil {
		t.Fatal(samlidp.err)
	}
	return samlidp.path
}

// startSamlp runs Auth0's provider for the dashboard.
func startSamlp(t *testing.T, dashboard string, settings map[string]any) foreignSAML {
	t.Helper()
	node := tools.Require(t, tools.NameNode)
	packages, err := tools.NodePackages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs(filepath.Join("testdata", "foreign", "samlp.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	settings["sp"] = dashboard + samlMetadata
	return startForeignSAML(t, packages, node, []string{script}, settings)
}

// rsaPair makes a key and a certificate of its own.
func rsaPair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "foreign provider"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}))
}

// httpText sends a request without cookies and returns the answer's text.
func httpText(t testing.TB, method, address, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Timeout: 20 * time.Second}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %d, %v: %s", method, address, resp.StatusCode, err, tail(string(text), 900))
	}
	return string(text)
}

// lastSeen is the identity of the last request for path that reached the dashboard.
func (s *Stack) lastSeen(path string) (role, email string) {
	s.T.Helper()
	seen := s.Upstream.Seen()
	for i := len(seen) - 1; i >= 0; i-- {
		if seen[i].Path() == path {
			return first(seen[i].Values("x-sso-role")), first(seen[i].Values("x-sso-email"))
		}
	}
	return "", ""
}

// reconfigure changes the configuration file and starts the gate anew.
func (s *Stack) reconfigure(old, with string) {
	s.T.Helper()
	text := readFile(s.T, s.Config)
	if !strings.Contains(text, old) {
		s.T.Fatalf("the configuration does not say %s", old)
	}
	writeFile(s.T, s.Config, strings.ReplaceAll(text, old, with))
	s.Gate.Kill()
	s.Gate.Run()
	s.WaitReady()
	s.WaitServing()
}

// audited is the audit log, newest first, as a command prints it.
func (s *Stack) audited() string {
	s.T.Helper()
	return s.CLI("audit", "list", "-c", s.Config, "--tenant", "acme", "--limit", "1000", "--output", "json")
}

// sha1Until is a date that an admin may choose.
func sha1Until() string { return time.Now().AddDate(0, 0, 30).UTC().Format(time.DateOnly) }

// Two providers that others wrote read SAML 2.0 their own way, and forgive nothing that we got wrong.
func TestForeignSAMLProvidersSignPeopleIn(t *testing.T) {
	c := StartChromium(t)
	t.Run("samlidp", func(t *testing.T) { samlidpSignsIn(t, c) })
	t.Run("samlp", func(t *testing.T) { samlpSignsIn(t, c) })
}

// crewjam's provider encrypts with AES-CBC, which a signature around it makes safe, and names people by an e-mail
// address that it says is transient.
func samlidpSignsIn(t *testing.T, c *Chromium) {
	for name, method := range map[string]string{"sha-256": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "its own choice": ""} {
		t.Run(name, func(t *testing.T) {
			provider := startSamlidp(t, method)
			s := NewStack(t, Options{Other: fmt.Sprintf(`{id: %s, protocol: saml, provider: generic, cert_expiry: alarm, metadata: {file: %q},
       subject_from: "urn:oid:0.9.2342.19200300.100.1.3", attributes: {email: ["urn:oid:0.9.2342.19200300.100.1.3"], groups: ["urn:oid:1.3.6.1.4.1.5923.1.1.1.1"]}}`, samlConnection, provider.metadata)})
			ours := string(s.publishedMetadata(s.URL + samlMetadata))
			httpText(t, http.MethodPut, provider.url+"/services/gate", ours)
			p := c.Profile(t)
			tab := p.Main()
			signIn := func(name, page string) {
				t.Helper()
				tab.Open(s.URL + page)
				tab.Lands(provider.url + "/sso")
				tab.Type("input[name=user]", name)
				tab.Type("input[name=password]", "pw")
				tab.Press("input[type=submit]")
			}
			if method == "" {
				signIn("ada", "/events")
				tab.Lands(s.URL + samlACS)
				if got := s.audited(); !strings.Contains(got, "saml-sha1") || strings.Contains(tab.Text(), "sha1") || p.Cookies()["ssogate"] != nil {
					t.Errorf("a SHA-1 signature: the page says %s, the audit %s", tab.Text(), tail(got, 900))
				}
				s.reconfigure("cert_expiry: alarm", "allow_sha1_until: "+sha1Until())
				tab.Open(s.URL + "/rules/1?q=a%20b") // the provider's session stands: nobody types anything
				tab.Lands(s.URL + "/rules/1?q=a%20b")
			} else {
				signIn("ada", "/rules/1?q=a%20b")
				tab.Lands(s.URL + "/rules/1?q=a%20b")
			}
			if role, email := s.lastSeen("/rules/1"); role != "Admin" || email != "ada@acme.example" {
				t.Errorf("arrived as %s %s", role, email)
			}
			for _, got := range tab.Complaints() {
				if !strings.HasPrefix(got, "recommendation ") { // about the foreign provider's form
					t.Errorf("the browser complains: %s", got)
				}
			}
		})
	}
}

// Auth0's code signs the assertion alone.
func samlpSignsIn(t *testing.T, c *Chromium) {
	port := FreePort(t)
	dashboard := fmt.Sprintf("http://localhost:%d", port)
	for name, settings := range map[string]map[string]any{
		"sha-256":       {"signatureAlgorithm": "rsa-sha256", "digestAlgorithm": "sha256"},
		"its old sha-1": {"signatureAlgorithm": "rsa-sha1", "digestAlgorithm": "sha1"},
		"encrypted":     {"signatureAlgorithm": "rsa-sha256", "digestAlgorithm": "sha256", "encrypt": "http://www.w3.org/2009/xmlenc11#aes256-gcm", "logoutBinding": "post"},
	} {
		t.Run(name, func(t *testing.T) {
			provider := startSamlp(t, dashboard, settings)
			s := NewStack(t, Options{Port: port, Other: fmt.Sprintf(`{id: %s, protocol: saml, provider: auth0, cert_expiry: alarm, metadata: {file: %q},
       attributes: {groups: ["http://schemas.auth0.com/groups"]}}`, samlConnection, provider.metadata)})
			s.publishedMetadata(s.URL + samlMetadata)
			p := c.Profile(t)
			tab := p.Main()
			tab.Open(s.URL + "/events?page=2")
			tab.Lands(provider.url + "/sso")
			tab.Type("input[name=login]", "vic")
			tab.Press("button")
			if settings["signatureAlgorithm"] == "rsa-sha1" {
				tab.Lands(s.URL + samlACS)
				if got := s.audited(); !strings.Contains(got, "saml-sha1") || p.Cookies()["ssogate"] != nil {
					t.Errorf("a SHA-1 signature: the audit says %s", tail(got, 900))
				}
				s.reconfigure("cert_expiry: alarm", "allow_sha1_until: "+sha1Until())
				tab.Open(s.URL + "/events?page=2")
			}
			tab.Lands(s.URL + "/events?page=2")
			if role, email := s.lastSeen("/events"); role != "Viewer" || email != "vic@acme.example" {
				t.Errorf("arrived as %s %s", role, email)
			}
			tab.Open(s.URL + "/auth/logout")
			tab.Says(s.URL, "signed out at your identity provider")
			if p.Cookies()["ssogate"] != nil {
				t.Error("the session cookie outlives the sign-out")
			}
			if tab.Open(s.URL + "/events"); !strings.HasPrefix(tab.URL(), provider.url+"/sso") {
				t.Errorf("signed out, and led to %s", tab.URL())
			}
			for _, got := range tab.Complaints() {
				if !strings.HasPrefix(got, "recommendation ") { // about the foreign provider's form
					t.Errorf("the browser complains: %s", got)
				}
			}
		})
	}
}
