package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

// plain lets a cookie jar over http keep cookies that say Secure, as browsers do on a loopback host.
type plain struct{}

func (plain) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for i, c := range resp.Header["Set-Cookie"] {
		resp.Header["Set-Cookie"][i] = strings.ReplaceAll(c, "; Secure", "")
	}
	return resp, nil
}

// serving is a gate that serves over plain http, with the tenants of a file; its address stands for GATE there.
func serving(t *testing.T, tenants string) (address string, g *gate, l listeners) {
	t.Helper()
	t.Chdir(t.TempDir())
	var err error
	for _, door := range []*net.Listener{&l.check, &l.http, &l.ops} {
		if *door, err = listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	_, port, err := net.SplitHostPort(l.http.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	address = "http://localhost:" + port
	if err := os.WriteFile(defaultFile, []byte("public_url: "+address+"\ndecision_log: {path: log.json}\n"+tenants), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	g, err = serveCmd{Insecure: true}.open(&app{ctx: ctx, getenv: func(string) string { return "" }, stdout: io.Discard, stderr: t.Output(), now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- g.serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := closing(g.store); err != nil {
			t.Error(err)
		}
	})
	return address, g, l
}

// TestDeclaredConnectionOverSAMLWorksFromTheStart: the gate finds no keys and no metadata, makes the one and reads the
// other, and a test of the connection goes through the provider and back.
func TestDeclaredConnectionOverSAMLWorksFromTheStart(t *testing.T) {
	provider, err := idptest.StartSAML(idptest.SAMLOptions{
		Now: time.Now, WantSign: true, People: []idptest.Person{{Sub: "u1", UserName: "alice", Email: "alice@acme.example", Groups: []string{"Security"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(provider.Close)
	address, g, l := serving(t, fmt.Sprintf(`tenants:
  - {id: acme, role_mappings: [{kind: group, value: Security, role: Analyst}],
     connections: [{id: acme-saml, protocol: saml, provider: generic, metadata_url: %q}]}
`, provider.URL("/metadata")))

	conn := g.ready(t)
	if len(conn.SPKeys) != 2 {
		t.Fatalf("%d keys of ours", len(conn.SPKeys))
	}
	provider.AddSP(idptest.SAMLSP{
		EntityID: address + "/auth/saml/acme-saml/metadata", ACS: address + "/auth/callback/saml/acme-saml",
		Signing: conn.SPKeys[0].Certificate, Encryption: conn.SPKeys[1].Certificate,
	})

	out, errs := &watched{wrote: make(chan struct{}, 1)}, &watched{wrote: make(chan struct{}, 1)}
	tested := make(chan int, 1)
	go func() {
		tested <- program{
			args: strings.Fields("connection test --tenant acme --connection acme-saml"), getenv: func(string) string { return "" },
			stdin: strings.NewReader(""), stdout: out, stderr: errs, now: time.Now,
		}.run(t.Context())
	}()
	page, err := idptest.NewBrowser("alice", plain{}).Open(t.Context(), errs.address(t).String())
	if err != nil || page.Status != http.StatusOK || !strings.Contains(page.Body, "Nobody was signed in") {
		t.Fatalf("%v: %d %s", err, page.Status, page.Body)
	}
	if code := <-tested; code != 0 || !strings.Contains(out.String(), "role              Analyst") || !strings.Contains(out.String(), "group             Security") {
		t.Errorf("exit status %d: %s%s", code, out, errs)
	}
	metrics := g.scrape(t, l)
	for _, want := range []string{
		`ssogate_saml_verify_seconds_count{result="ok"} 1`, `ssogate_saml_metadata_fetches_total{result="changed"} 1`,
		`ssogate_saml_keys_expiring{days="60",whose="theirs"} 0`, "ssogate_saml_pending_keys 0", `ssogate_saml_second_opinion_total{outcome="agree",why=""} 1`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("not counted: %s", want)
		}
	}
}

// ready waits until the gate knows its one provider.
func (g *gate) ready(t *testing.T) idp.SAMLSettings {
	t.Helper()
	for t.Context().Err() == nil {
		all, err := g.store.SAMLConnections(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatalf("connections: %v, %v", all, err)
		}
		s := all[0].SAML
		if s.IdP.FetchError != "" {
			t.Fatalf("metadata not read: %s", s.IdP.FetchError)
		}
		if s.IdP.EntityID != "" && len(s.SPKeys) > 0 {
			return s
		}
	}
	t.Fatal("the gate never read its provider's metadata")
	return idp.SAMLSettings{}
}

// TestReadinessWaitsForTheKeysOfDeclaredConnections: whoever asks for the metadata of a gate that says it is ready gets
// them.
func TestReadinessWaitsForTheKeysOfDeclaredConnections(t *testing.T) {
	provider, err := idptest.NewSAML(idptest.SAMLOptions{BaseURL: "https://idp.example", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	document, err := provider.Metadata(idptest.MetadataOptions{})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "idp.xml")
	if err := os.WriteFile(file, document, 0o600); err != nil {
		t.Fatal(err)
	}
	address, _, l := serving(t, fmt.Sprintf(`tenants:
  - {id: acme, connections: [{id: acme-saml, protocol: saml, provider: generic, metadata: {file: %q}}]}
`, file))
	for get(t, "http://"+l.ops.Addr().String()+"/readyz") != http.StatusOK {
		runtime.Gosched()
	}
	if got := get(t, address+"/auth/saml/acme-saml/metadata"); got != http.StatusOK {
		t.Errorf("the metadata of a gate that is ready: %d", got)
	}
}

func get(t *testing.T, url string) (status int) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func (g *gate) scrape(t *testing.T, l listeners) string {
	t.Helper()
	resp, err := http.Get("http://" + l.ops.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
