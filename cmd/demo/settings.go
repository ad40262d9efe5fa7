package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// What the gate and the identity provider agree on. The client id never changes, so that a restart finds its
// connection again.
const (
	tenantID     = "acme"
	connectionID = "acme-idp"
	clientID     = "ssogate-demo"
)

// The second company, whose provider speaks SAML 2.0. It has no SCIM: people are made as they sign in, and their groups
// are read from each assertion.
const (
	samlTenantID     = "globex"
	samlConnectionID = "globex-saml"
	samlMetadataFile = "globex-idp.xml"
)

// settings is the gate's configuration file.
func (d *demo) settings() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written anew at each start of the demo: go run ./cmd/demo\npublic_url: %s\n", d.url())
	fmt.Fprintf(&b, "listen: {check: %q, http: %q, ops: %q}\n", d.ports.check.address(), d.ports.http.address(), d.ports.ops.address())
	fmt.Fprintf(&b, "store: sqlite:ssogate.db\nroot_key: {file: root.key}\ndecision_log: {path: decisions.log}\n")
	fmt.Fprintf(&b, "policy: {path: %q}   # an edit there is live at once\n", filepath.Join(d.root, "policies", "rego"))
	fmt.Fprintf(&b, "envoy: {listen: %q, dashboard: %q}\n", d.ports.public.address(), d.ports.dashboard.address())
	fmt.Fprintf(&b, `tenants:
  - id: %s
    slug: %s
    domains: [acme.example]
    scim: true   # people, groups and who is active come from the provider's pushes, not from sign-ins
    role_mappings:
      - {kind: group, value: admins, role: Admin}
      - {kind: group, value: analysts, role: Analyst}
      - {kind: group, value: viewers, role: Viewer}
    connections:
      - id: %s
        name: Acme (demo IdP)
        protocol: oidc
        provider: generic
        issuer: %q
        client_id: %s
        client_secret: {file: client.secret}
  - id: %s
    slug: %s
    domains: [globex.example]
    role_mappings:
      - {kind: group, value: admins, role: Admin}
      - {kind: group, value: analysts, role: Analyst}
      - {kind: group, value: viewers, role: Viewer}
    connections:
      - id: %s
        name: Globex (demo IdP, SAML)
        protocol: saml
        provider: generic
        metadata: {file: %s}
        attributes: {user_name: email}   # else people go by their NameID, which says nothing here
        idp_initiated: bounce   # a tile of the provider's begins a sign-in here; what it sent is thrown away
`, tenantID, tenantID, connectionID, d.issuer(), clientID, samlTenantID, samlTenantID, samlConnectionID, samlMetadataFile)
	return b.String()
}

// clientSecret is the connection's secret: random, and kept, because the gate's database outlives this process.
func clientSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		if secret := strings.TrimSpace(string(text)); secret != "" {
			return secret, os.Chmod(path, 0o600)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("client secret: %w", err)
	}
	secret := rand.Text()
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("client secret: %w", err)
	}
	return secret, nil
}
