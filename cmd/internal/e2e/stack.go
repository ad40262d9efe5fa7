package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/cmd/internal/e2e/tools"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

// The demo tenant's people, one a role and one with none.
var people = []idptest.Person{
	{Sub: "p-ada", UserName: "ada", Email: "ada@acme.example", Name: "Ada Admin", Groups: []string{"admins"}},
	{Sub: "p-ann", UserName: "ann", Email: "ann@acme.example", Name: "Ann Analyst", Groups: []string{"analysts"}},
	{Sub: "p-vic", UserName: "vic", Email: "vic@acme.example", Name: "Vic Viewer", Groups: []string{"viewers"}},
	{Sub: "p-nia", UserName: "nia", Email: "nia@acme.example", Name: "Nia Nobody"},
}

// The connection's client at the provider. The secret is planted: no log may ever show it.
const (
	clientID     = "dashboard"
	clientSecret = "planted-client-secret-5f1c"
)

// roleMappings give each of the people's groups its role.
const roleMappings = "{kind: group, value: admins, role: Admin}, {kind: group, value: analysts, role: Analyst}, {kind: group, value: viewers, role: Viewer}"

// Options shape a stack. The zero value is the demo's: plain http on loopback, SQLite, one tenant with one connection.
type Options struct {
	Store  string  // a DSN; empty: SQLite in the stack's folder
	Issuer string  // of another provider than the pretend one; IdP is then nil
	Secret string  // its client secret
	TLS    *TLS    // https on both sides, without --insecure
	Extra  string  // further top-level YAML
	Tenant string  // further keys of the tenant, YAML flow ("domains: [acme.example], ")
	Policy string  // a policy folder
	Port   int     // of the dashboard; 0: a free one
	Envoy  string  // another Envoy than the newest supported: its program
	Target string  // and its release, for which the configuration is rendered
	Client string  // further keys of the connection, YAML flow ("client_auth: client_secret_post, ")
	Other  string  // a connection in place of the OpenID one, YAML flow ("{id: acme-saml, protocol: saml, …}"); IdP is then nil
	More   string  // further tenants, items of a YAML list
	SAML   []*SAML // connections over SAML; the one without a tenant stands in for the OpenID one
	Beside *Stack  // another gate of the same dashboard, behind an Envoy of its own: it shares Store, provider and root key
}

// TLS is a throw-away certificate for localhost and 127.0.0.1, and the file of the authority that signed it.
type TLS struct{ Cert, Key, CA string }

// Stack is a running gate behind a running Envoy.
type Stack struct {
	T        testing.TB
	Dir      string
	URL      string // of the dashboard, through Envoy
	Host     string // host:port of URL
	Door     string // where this stack's Envoy listens: at Host's port, but for a stack beside another
	SAML     []*SAML
	Gate     *Process
	Envoy    *Process
	IdP      *idptest.OP
	IdPURL   string
	Upstream *Upstream
	Config   string // the gate's configuration file
	Log      string // the decision log file
	Check    string // addresses of the gate's listeners
	HTTP     string
	Ops      string
	idp      *http.Server
	idpAddr  string
}

// NewStack starts everything and waits until Envoy lets a check through to the gate.
func NewStack(t testing.TB, o Options) *Stack {
	t.Helper()
	envoyPath := o.Envoy
	if envoyPath == "" {
		envoyPath = tools.Require(t, tools.NameEnvoy)
	}
	dir := shortDir(t)
	scheme := "http"
	if o.TLS != nil {
		scheme = "https"
	}
	port := o.Port
	if port == 0 {
		port = FreePort(t)
	}
	s := &Stack{
		T: t, Dir: dir, Config: filepath.Join(dir, "ssogate.yaml"), Log: filepath.Join(dir, "decisions.jsonl"),
		Host: fmt.Sprintf("localhost:%d", port), Upstream: StartUpstream(t),
		Check: local(t), HTTP: local(t), Ops: local(t),
	}
	s.Door = fmt.Sprintf("127.0.0.1:%d", port)
	s.URL = scheme + "://" + s.Host
	issuer, secret := o.Issuer, o.Secret
	if o.Beside == nil {
		s.SAML = o.SAML
		for _, c := range s.SAML {
			c.text = s.prepareSAML(c, o.TLS)
		}
	}
	if o.Beside != nil {
		s.Host, s.URL, s.IdP, s.IdPURL, s.SAML = o.Beside.Host, o.Beside.URL, o.Beside.IdP, o.Beside.IdPURL, o.Beside.SAML
		o.Extra += fmt.Sprintf("root_key: {file: %q}\n", filepath.Join(o.Beside.Dir, "root.key"))
		issuer, secret = s.IdPURL, clientSecret
	}
	for _, c := range s.SAML {
		if c.Tenant == "" {
			o.Other = c.text
			continue
		}
		o.More += fmt.Sprintf("  - {id: %s, slug: %s, domains: [%s.example], role_mappings: [%s], connections: [%s]}\n", c.Tenant, c.Tenant, c.Tenant, roleMappings, c.text)
	}
	if issuer == "" && o.Other == "" {
		s.startIdP(o)
		issuer, secret = s.IdPURL, clientSecret
	}
	s.writeConfig(o, issuer)
	s.Gate = Start(t, dir, []string{"E2E_SECRET=" + secret}, Binary(t), s.serveArgs()...)
	s.WaitReady()
	s.startEnvoy(envoyPath, o)
	if o.Beside == nil {
		for _, c := range s.SAML {
			s.introduce(c)
		}
	}
	return s
}

func (s *Stack) serveArgs() []string {
	args := []string{"serve", "-c", s.Config}
	if strings.HasPrefix(s.URL, "http://") {
		args = append(args, "--insecure")
	}
	return args
}

// shortDir is a temporary folder whose path leaves room for unix socket names.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ssogate-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func local(t testing.TB) string { return fmt.Sprintf("127.0.0.1:%d", FreePort(t)) }

func (s *Stack) startIdP(o Options) {
	s.T.Helper()
	s.idpAddr = local(s.T)
	scheme := "http"
	if o.TLS != nil {
		scheme = "https"
	}
	s.IdPURL = scheme + "://" + s.idpAddr
	op, err := idptest.New(idptest.Options{
		Issuer: s.IdPURL, People: people, Now: time.Now,
		Clients: []idptest.Client{{
			ID: clientID, Secret: clientSecret,
			RedirectURIs:           []string{s.URL + "/auth/callback/oidc/acme-idp", s.URL + "/auth/callback/oidc"},
			PostLogoutRedirectURIs: []string{s.URL + "/auth/logout"},
		}},
	})
	if err != nil {
		s.T.Fatal(err)
	}
	s.IdP = op
	s.idp = &http.Server{Handler: op, ReadHeaderTimeout: time.Minute}
	s.ResumeIdP(o.TLS)
	s.T.Cleanup(s.StopIdP)
}

// StopIdP takes the provider off the network.
func (s *Stack) StopIdP() { _ = s.idp.Close() }

// ResumeIdP brings it back, the same provider with the same keys.
func (s *Stack) ResumeIdP(certificate *TLS) {
	s.T.Helper()
	l := listen(s.T, s.idpAddr)
	s.idp = &http.Server{Handler: s.IdP, ReadHeaderTimeout: time.Minute}
	server := s.idp
	go func() {
		if certificate != nil {
			_ = server.ServeTLS(l, certificate.Cert, certificate.Key)
			return
		}
		_ = server.Serve(l)
	}()
}

func (s *Stack) writeConfig(o Options, issuer string) {
	s.T.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "public_url: %s\nlisten: {check: %q, http: %q, ops: %q}\ndecision_log: {path: %q}\n", s.URL, s.Check, s.HTTP, s.Ops, s.Log)
	if o.Store != "" {
		fmt.Fprintf(&b, "store: %q\n", o.Store)
	}
	policy := "timeout: 1s" // the default is for a machine that does not run a browser, Envoy and a compiler beside the gate
	if o.Policy != "" {
		policy += fmt.Sprintf(", path: %q", o.Policy)
	}
	fmt.Fprintf(&b, "policy: {%s}\n", policy)
	tls := ""
	if o.TLS != nil {
		fmt.Fprintf(&b, "egress: {allow: [127.0.0.1], ca_file: %q}\n", o.TLS.CA)
		tls = fmt.Sprintf("tls: {cert: %q, key: %q}, ", o.TLS.Cert, o.TLS.Key)
	}
	fmt.Fprintf(&b, "envoy: {listen: %q, %sdashboard: %q, streams: [/ws]}\n", s.Door, tls, s.Upstream.Addr)
	connection := o.Other
	if connection == "" {
		connection = fmt.Sprintf("{id: acme-idp, protocol: oidc, provider: generic, issuer: %q, client_id: %s, %sclient_secret: {env: E2E_SECRET}}", issuer, clientID, o.Client)
	}
	fmt.Fprintf(&b, `tenants:
  - {id: acme, slug: acme, %s
     role_mappings: [%s],
     connections: [%s]}
`, o.Tenant, roleMappings, connection)
	b.WriteString(o.More)
	b.WriteString(o.Extra)
	if err := os.WriteFile(s.Config, []byte(b.String()), 0o600); err != nil {
		s.T.Fatal(err)
	}
}

func (s *Stack) startEnvoy(path string, o Options) {
	s.T.Helper()
	args := []string{"envoy", "config", "-c", s.Config}
	if o.TLS == nil {
		args = append(args, "--plain")
	}
	if o.Target != "" {
		args = append(args, "--target", o.Target)
	}
	rendered := s.CLI(args...)
	file := filepath.Join(s.Dir, "envoy.yaml")
	rendered = strings.ReplaceAll(rendered, "/run/ssogate/envoy-admin.sock", filepath.Join(s.Dir, "admin.sock"))
	if err := os.WriteFile(file, []byte(rendered), 0o600); err != nil {
		s.T.Fatal(err)
	}
	if o.TLS != nil { // the bootstrap names a file beside the certificate that says where certificate and key are
		secret := filepath.Join(filepath.Dir(o.TLS.Cert), "ssogate-sds.yaml")
		if err := os.WriteFile(secret, []byte(s.CLI("envoy", "config", "-c", s.Config, "--secret")), 0o600); err != nil {
			s.T.Fatal(err)
		}
	}
	s.Envoy = Start(s.T, s.Dir, nil, path, "-c", file, "--log-level", "warning", "--disable-hot-restart", "--concurrency", "2")
	s.WaitServing()
}

// WaitReady waits until the gate says it is ready.
func (s *Stack) WaitReady() {
	s.T.Helper()
	Eventually(s.T, "the gate is ready", func() bool {
		if s.Gate.Exited() {
			s.T.Fatalf("the gate ended:\n%s", s.Gate.Output())
		}
		return s.get("http://"+s.Ops+"/readyz") == http.StatusOK
	})
}

// WaitServing waits until a check goes through Envoy to the gate and back.
func (s *Stack) WaitServing() {
	s.T.Helper()
	Eventually(s.T, "Envoy asks the gate", func() bool {
		if s.Envoy.Exited() {
			s.T.Fatalf("envoy ended:\n%s", s.Envoy.Output())
		}
		return s.get(s.URL+"/api/v1/nothing") == http.StatusUnauthorized
	})
}

// get returns the status of one request without cookies, 0 when there was no answer.
func (s *Stack) get(address string) int {
	s.T.Helper()
	r, err := http.NewRequestWithContext(s.T.Context(), http.MethodGet, address, nil)
	if err != nil {
		s.T.Fatal(err)
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// Client is a program without cookies that follows no redirect.
func (s *Stack) Client() *http.Client {
	return &http.Client{Transport: s.transport(), Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// CLI runs a command of ssogate beside the gate and returns its standard output.
func (s *Stack) CLI(args ...string) string {
	s.T.Helper()
	out, err := s.TryCLI(args...)
	if err != nil {
		s.T.Fatalf("ssogate %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// TryCLI is CLI for commands that may fail; on failure the output holds standard error too.
func (s *Stack) TryCLI(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.T.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(s.T), args...)
	cmd.Dir, cmd.Env = s.Dir, append(os.Environ(), "E2E_SECRET="+clientSecret)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String() + stderr.String(), err
	}
	return stdout.String(), nil
}
