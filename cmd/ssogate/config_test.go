package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/envoy"
)

// full is every key of the file at once, each with a value that is not its default.
const full = `public_url: https://dashboard.tracio.ai:8443
data_dir: state
store: sqlite:gate.db
root_key: {env: ROOT_KEY}
listen: {check: "unix:check.sock", http: 127.0.0.1:8002, ops: "[::1]:8003"}
session: {idle: 10m, absolute: 2h, stale_grace: 0s}
policy: {path: policies, query: data.envoy.authz.allow, timeout: 20ms, allow_builtins: [http.send], tests: off}
decision_log: {path: log.json, input: read, required: true}
assertion: {audience: https://api.tracio.ai}
egress: {allow: [idp.corp.example, 10.1.0.0/16], ca_file: ca.pem}
envoy: {listen: "0.0.0.0:9443", tls: {cert: c.pem, key: k.pem}, dashboard: "dashboard.internal:8000", streams: [/ws], auth_bodies: http, policy_headers: [x-trace]}
check: {codec: stock}
saml: {max_response_kib: 1024}
tenants:
  - {id: acme, slug: acme-corp, domains: [acme.example], scim: true, group_key: externalId,
     role_mappings: [{kind: group, value: Security, role: Analyst, connection: acme-okta}, {kind: claim, claim: dept, value: it, role: Admin}],
     connections: [{id: acme-okta, name: Acme, protocol: oidc, provider: okta, domain: acme.okta.com,
       client_id: 0oa1, client_secret: {env: ACME_SECRET}, scopes: [openid, groups], claims: {groups: teams}, join: external_id, join_claim: employee,
       max_age: 1h, prompt: login, enabled: false, shared_callback: true, extra: {domain_hint: acme.example}}]}
`

// TestLargestResponseIsBounded: Envoy's limit and the gate's come from one number.
func TestLargestResponseIsBounded(t *testing.T) {
	for kib, want := range map[string]uint32{"": envoy.MaxBody, "640": envoy.MaxBody, "700": 700 * 1536, "1024": envoy.LargestBody, "639": 0, "1025": 0, "1e3": 0, "-700": 0, "4294968000": 0} {
		text := "public_url: https://dashboard.tracio.ai\n"
		if kib != "" {
			text += "saml: {max_response_kib: " + kib + "}\n"
		}
		c, err := parseConfig("ssogate.yaml", "/", []byte(text))
		if want == 0 {
			if err == nil || !strings.Contains(err.Error(), "want a number from 640, the default, to 1024") {
				t.Errorf("%s KiB: %v", kib, err)
			}
			continue
		}
		if err != nil || c.Envoy().MaxBody != want || c.SAML.MaxResponse*1536 != int(want) {
			t.Errorf("%s KiB: bodies of %d bytes, responses of %d KiB, %v", kib, c.Envoy().MaxBody, c.SAML.MaxResponse, err)
		}
	}
}

func TestEveryKeyOfTheFileArrives(t *testing.T) {
	c, err := parseConfig("ssogate.yaml", "/etc/ssogate", []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{
		c.PublicURL.String(), c.DataDir, c.Store.DSN, c.RootKey.Env, c.Listen.Check, c.Listen.HTTP, c.Listen.Ops,
		c.Session.Idle.String(), c.Session.Absolute.String(), c.Policy.Path, c.Policy.Query, c.Policy.Timeout.String(),
		strings.Join(c.Policy.AllowBuiltins, ","), c.DecisionLog.Path, c.Assertion.Audience, strings.Join(c.Egress.Allow, ","),
		c.Egress.CAFile, c.Proxy.Listen, c.Proxy.Cert, c.Proxy.Key, c.Proxy.Dashboard, strings.Join(c.Proxy.Streams, ","),
		c.Proxy.AuthBodies, strings.Join(c.Proxy.PolicyHeaders, ","),
	}
	want := []string{
		"https://dashboard.tracio.ai:8443", "/etc/ssogate/state", "sqlite:/etc/ssogate/state/gate.db", "ROOT_KEY",
		"unix:/etc/ssogate/state/check.sock", "127.0.0.1:8002", "[::1]:8003",
		"10m0s", "2h0m0s", "/etc/ssogate/policies", "data.envoy.authz.allow", "20ms",
		"http.send", "/etc/ssogate/state/log.json", "https://api.tracio.ai", "idp.corp.example,10.1.0.0/16",
		"/etc/ssogate/ca.pem", "0.0.0.0:9443", "/etc/ssogate/c.pem", "/etc/ssogate/k.pem", "dashboard.internal:8000", "/ws",
		"http", "x-trace",
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
	if c.SAML.MaxResponse != 1024 || c.Envoy().MaxBody != envoy.LargestBody {
		t.Errorf("responses of %d KiB, bodies of %d bytes", c.SAML.MaxResponse, c.Envoy().MaxBody)
	}
	if !c.Policy.SkipTests || !c.DecisionLog.Required {
		t.Error("tests: off or required: true did not arrive")
	}
}

func TestDeclaredTenantArrivesWithItsSecret(t *testing.T) {
	c, err := parseConfig("ssogate.yaml", "/etc/ssogate", []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.declared(func(name string) string { return map[string]string{"ACME_SECRET": "s3cret"}[name] }, time.Now())
	if err != nil || len(all) != 1 {
		t.Fatalf("declared: %v, %v", all, err)
	}
	d := all[0]
	if d.Tenant.ID != "acme" || d.Tenant.Slug != "acme-corp" || d.Tenant.GroupKey != "externalId" || !d.Tenant.Declared || !d.Tenant.SCIM {
		t.Errorf("tenant %+v", d.Tenant)
	}
	if len(d.Mappings) != 2 || d.Mappings[0].Connection != "acme-okta" || d.Mappings[1].Claim != "dept" || d.Mappings[1].Tenant != "acme" {
		t.Errorf("mappings %+v", d.Mappings)
	}
	conn := d.Connections[0]
	s := conn.Settings
	if conn.Join != "external_id" || conn.JoinClaim != "employee" {
		t.Errorf("join %q by %q", conn.Join, conn.JoinClaim)
	}
	if conn.Tenant != "acme" || conn.Enabled || conn.Name != "Acme" || s.Issuer != "https://acme.okta.com" || s.ClientID != "0oa1" {
		t.Errorf("connection %+v", conn)
	}
	if s.ClientSecret.Reveal() != "s3cret" || s.Claims.Groups != "teams" || s.MaxAge == nil || *s.MaxAge != time.Hour || s.Prompt != "login" ||
		!s.SharedCallback || s.Extra["domain_hint"] != "acme.example" || strings.Join(s.Scopes, " ") != "openid groups" {
		t.Errorf("settings %+v", s)
	}
}

func TestGoogleIsHeldToTheCompanysDomain(t *testing.T) {
	c, err := parseConfig("f", "/", []byte("public_url: https://d.example\n"+
		conn("provider: google, domain: acme.example, client_id: x, client_secret: {env: A}")))
	if err != nil {
		t.Fatal(err)
	}
	if hd := c.Tenants[0].Connections[0].Connection.Settings.Extra["hd"]; hd != "acme.example" {
		t.Errorf("hd is %q: every Google account would be let in", hd)
	}
}

func TestConfigurationSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	head := "public_url: https://d.example\n"
	for name, tc := range map[string]struct{ text, want, hint string }{
		"unknown store":         {head + "store: \"postgre://db\"\n", `ssogate.yaml:2: store: "postgre://db" is not a store`, "try sqlite:PATH or postgres://USER@HOST/DB"},
		"password in the store": {head + "store: postgres://u:hunter2@h/db\n", "ssogate.yaml:2: store: a password does not stand in this file", "store: {env: NAME}"},
		"password as parameter": {head + "store: postgres://h/db?password=hunter2\n", "store: a password does not stand in this file", "{env: NAME}"},
		"password, odd scheme":  {head + "store: mysql://u:hunter2/x@h/db\n", "store: a password does not stand in this file", "{env: NAME}"},
		"memory database":       {head + "store: 'sqlite::memory:'\n", "is not a store", "sqlite:PATH"},
		"misspelt key":          {head + "polcy: {}\n", `unknown key "polcy"`, "did you mean policy?"},
		"misspelt inner key":    {head + "session: {idel: 5m}\n", `session: unknown key "idel"`, "did you mean idle?"},
		"key from elsewhere":    {head + "zzz: 1\n", `unknown key "zzz"`, "known here: assertion, check, data_dir"},
		"twice":                 {head + "data_dir: a\ndata_dir: b\n", "ssogate.yaml:3: data_dir: already set in line 2", "remove one"},
		"inline secret":         {head + "root_key: hunter2\n", "root_key: a secret does not stand in this file", "root_key: {file: PATH} or {env: NAME}"},
		"secret from both":      {head + "root_key: {file: a, env: B}\n", "root_key: want one of file and env", ""},
		"secret from a $name":   {head + "root_key: {env: $KEY}\n", "not the name of an environment variable", "A-Z"},
		"no public_url":         {"data_dir: x\n", "public_url is missing", "public_url: https://"},
		"http elsewhere":        {"public_url: http://d.example\n", "cannot be the address people open", "use https"},
		"path in the address":   {"public_url: https://d.example/app\n", "cannot be", "leave out the path: https://d.example"},
		"default port":          {"public_url: https://d.example:443\n", "cannot be", "leave out the port"},
		"user in the address":   {"public_url: https://u@d.example\n", "cannot be", "leave out all but scheme and host"},
		"capitals":              {"public_url: https://D.example\n", "cannot be", "small letters"},
		"trailing dot":          {"public_url: https://d.example.\n", "cannot be", "host name"},
		"numeric host":          {"public_url: https://0x7f.1\n", "cannot be", "host name"},
		"not a duration":        {head + "session: {idle: 30}\n", `session.idle: "30" is not a length of time`, "30m"},
		"idle beyond absolute":  {head + "session: {idle: 13h}\n", "idle 13h is longer than absolute 12h", "shorter"},
		"grace":                 {head + "session: {stale_grace: 1m}\n", "session.stale_grace: not supported by this version", ""},
		"lean codec":            {head + "check: {codec: lean}\n", "check.codec: not supported by this version", "stock"},
		"full decision log":     {head + "decision_log: {input: full}\n", "decision_log.input: not supported by this version", "read"},
		"bundle":                {head + "policy: {bundle: {url: x}}\n", "policy.bundle: not supported by this version", ""},
		"listener by name":      {head + "listen: {http: \"localhost:1\"}\n", "is not an address to listen on", "IP:PORT"},
		"one port for two":      {head + "listen: {http: 127.0.0.1:9001}\n", "two listeners on one address", ""},
		"half a certificate":    {head + "envoy: {tls: {cert: c.pem}}\n", "want both cert and key", ""},
		"gate's own stream":     {head + "envoy: {streams: [/auth/x]}\n", "/auth is the gate's own", ""},
		"identity header":       {head + "envoy: {policy_headers: [x-sso-role]}\n", "is refused", ""},
		"yes for true":          {head + "tenants: [{id: acme, scim: yes}]\n", "neither true nor false", ""},
		"a join of our own":     {head + conn("provider: okta, domain: a.okta.com, client_id: x, client_secret: {env: A}, join: email"), "is not one of its values", "external_id or user_name or none"},
		"a claim for no join":   {head + conn("provider: okta, domain: a.okta.com, client_id: x, client_secret: {env: A}, join_claim: employee"), "join_claim is for join external_id", "join: external_id"},
		"tenant without id":     {head + "tenants: [{slug: acme}]\n", "tenants[0]: id is missing", "id: acme"},
		"bad tenant id":         {head + "tenants: [{id: Acme_1}]\n", `tenants[0].id: "Acme_1" is not an id`, "a-z"},
		"domain of two":         {head + "tenants:\n- {id: aa, domains: [x.example]}\n- {id: bb, domains: [X.example]}\n", "ssogate.yaml:4: tenants[1].domains[0]: domain x.example is already used in line 3", ""},
		"mapping to nowhere":    {head + "tenants: [{id: acme, role_mappings: [{kind: group, value: a, role: Viewer, connection: zz}]}]\n", "no connection zz in this tenant", ""},
		"claim without name":    {head + "tenants: [{id: acme, role_mappings: [{kind: claim, value: a, role: Viewer}]}]\n", "claim is missing", ""},
		"claim with group":      {head + "tenants: [{id: acme, role_mappings: [{kind: group, claim: c, value: a, role: Viewer}]}]\n", "claim is for kind claim", ""},
		"client id with saml":   {head + conn("protocol: saml, provider: okta, metadata_url: 'https://a.okta.com/m', client_id: x"), "client_id: not a key of protocol saml", "remove it, or write protocol: oidc"},
		"attributes with oidc":  {head + conn("provider: okta, domain: a.okta.com, client_id: x, client_secret: {env: A}, attributes: {groups: g}"), "attributes: not a key of protocol oidc", "remove it, or write protocol: saml"},
		"adfs with oidc":        {head + conn("provider: adfs, issuer: 'https://x.example', client_id: x, client_secret: {env: A}"), "provider adfs is for protocol saml", "protocol: saml"},
		"saml without metadata": {head + conn("protocol: saml, provider: okta"), "the identity provider's metadata is missing", "metadata_url: https://…, or metadata: {file: PATH}"},
		"saml with both":        {head + conn("protocol: saml, provider: okta, metadata_url: 'https://a.okta.com/m', metadata: {file: m.xml}"), "want one of metadata and metadata_url", ""},
		"metadata and by hand":  {head + conn("protocol: saml, provider: okta, metadata: {file: m.xml}, sso_url: 'https://a.okta.com/s'"), "metadata and settings by hand", "remove sso_url"},
		"half by hand":          {head + conn("protocol: saml, provider: okta, idp_entity_id: x, sso_url: 'https://a.okta.com/s'"), "certificate is missing", "certificate: {file: idp.pem}"},
		"metadata in line":      {head + conn("protocol: saml, provider: okta, metadata: '<xml>'"), "metadata: want a file", "metadata: {file: PATH}"},
		"saml without provider": {head + conn("protocol: saml, metadata_url: 'https://a.okta.com/m'"), "provider is missing", "okta, auth0, entra, adfs"},
		"no such signature":     {head + conn("protocol: saml, provider: okta, metadata_url: 'https://a.okta.com/m', want_signed: none"), `want_signed: "none" is not one of its values`, "choose either or assertion or response or both"},
		"IdP-initiated accept":  {head + conn("protocol: saml, provider: okta, metadata_url: 'https://a.okta.com/m', idp_initiated: accept"), "is not one of its values", "choose off or bounce"},
		"a date in words":       {head + conn("protocol: saml, provider: okta, metadata_url: 'https://a.okta.com/m', allow_sha1_until: soon"), `allow_sha1_until: "soon" is not a date`, "2027-03-31"},
		"a format in words":     {head + conn("protocol: saml, provider: okta, metadata_url: 'https://a.okta.com/m', nameid_format: mail"), `nameid_format: "mail" is not a NameID format`, "persistent, email"},
		"inline client secret":  {head + conn("provider: okta, domain: a.okta.com, client_id: x, client_secret: hunter2"), "client_secret: a secret does not stand in this file", "client_secret: {file: PATH}"},
		"no client secret":      {head + conn("provider: okta, domain: a.okta.com, client_id: x"), "client_secret is missing", ""},
		"public with a secret":  {head + conn("provider: okta, domain: a.okta.com, client_id: x, client_auth: none, client_secret: {env: A}"), "client_auth none goes without a client_secret", ""},
		"no client id":          {head + conn("provider: okta, domain: a.okta.com, client_secret: {env: A}"), "client_id is missing", ""},
		"unknown provider":      {head + conn("provider: oktaa, client_id: x, client_secret: {env: A}"), `"oktaa" is not one of its values`, "okta or auth0"},
		"protocol parameter":    {head + conn("provider: okta, domain: a.okta.com, client_id: x, client_secret: {env: A}, extra: {redirect_uri: 'https://evil.example'}"), `"redirect_uri" is set by the gate`, ""},
		"word for another":      {head + conn("provider: okta, issuer: 'https://x.example', client_id: x, client_secret: {env: A}"), "connections[0]: provider okta wants domain", "acme.okta.com"},
		"common Entra address":  {head + conn("provider: entra, tenant_id: common, client_id: x, client_secret: {env: A}"), "other companies", "Overview"},
		"Google for everyone":   {head + conn("provider: google, client_id: x, client_secret: {env: A}"), "provider google wants domain", "Workspace"},
		"Google, hd emptied":    {head + conn("provider: google, domain: acme.example, client_id: x, client_secret: {env: A}, extra: {hd: ''}"), "an empty hd would let in every Google account", "domain"},
		"alias":                 {head + "data_dir: &a x\n", "YAML anchors, aliases and tags are not read", ""},
		"merge":                 {head + "<<: {data_dir: x}\n", `unknown key "<<"`, ""},
		"second document":       {head + "---\ndata_dir: x\n", "a second document begins here", ""},
		"not YAML":              {head + "a: b: c\n", "ssogate.yaml:2: not YAML", ""},
		"a list":                {"- a\n", "want keys and values", ""},
		"empty":                 {"# nothing\n", "ssogate.yaml: empty", "public_url"},
		"too deep":              {head + "a: " + strings.Repeat("[", 5000) + "\n", "more than 32 levels", ""},
		"too large":             {head + strings.Repeat("# padding\n", 200_000), "larger than 1024 KiB", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseConfig("ssogate.yaml", "/etc/ssogate", []byte(tc.text))
			if err == nil {
				t.Fatal("accepted")
			}
			text := err.Error()
			message, hint, _ := strings.Cut(text, "\n")
			if !strings.Contains(message, tc.want) {
				t.Errorf("got  %s\nwant %s", text, tc.want)
			}
			if !strings.Contains(hint, tc.hint) {
				t.Errorf("hint %q, want %q in it", hint, tc.hint)
			}
			if strings.Contains(text, "hunter2") {
				t.Errorf("repeats a secret: %s", text)
			}
		})
	}
}

func conn(keys string) string {
	return "tenants: [{id: acme, connections: [{id: c1, " + keys + "}]}]\n"
}

func TestAllProblemsAreReportedInTheOrderOfTheFile(t *testing.T) {
	_, err := parseConfig("f", "/", []byte("public_url: x\nstor: y\nsession: {idle: 1}\n"))
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if strings.HasPrefix(line, "f:") {
			lines = append(lines, line[:3])
		}
	}
	if got := strings.Join(lines, " "); got != "f:1 f:2 f:3" {
		t.Errorf("got %s of\n%s", got, err)
	}
}

func TestManyProblemsAreCut(t *testing.T) {
	_, err := parseConfig("f", "/", []byte(strings.Repeat("x: y\n", 1000)))
	if n := strings.Count(err.Error(), "\n"); n > 3*maxShown || !strings.Contains(err.Error(), "more") {
		t.Errorf("%d lines: %.300s", n, err)
	}
}

func TestPlainHTTPNeedsTheFlagAndTheFlagNeedsPlainHTTP(t *testing.T) {
	for _, tc := range []struct {
		url  string
		flag bool
		ok   bool
	}{
		{"https://d.example", false, true}, {"https://d.example", true, false}, {"https://localhost:8443", true, false},
		{"http://localhost:8080", true, true}, {"http://localhost:8080", false, false},
		{"http://127.0.0.1:8080", true, true}, {"http://[::1]:8080", true, true},
	} {
		u, hint := parsePublicURL(tc.url)
		if u == nil {
			t.Fatalf("%s: %s", tc.url, hint)
		}
		if err := (Config{PublicURL: u}).allowInsecure(tc.flag); (err == nil) != tc.ok {
			t.Errorf("%s with flag %v: %v", tc.url, tc.flag, err)
		}
	}
	for _, far := range []string{"http://10.0.0.1", "http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://0.0.0.0", "http://x.localhost"} {
		if u, _ := parsePublicURL(far); u != nil {
			t.Errorf("%s accepted", far)
		}
	}
}

func TestRootKeyIsMadeForItsOwnerAlone(t *testing.T) {
	c := defaults(t.TempDir())
	c.finish()
	if _, err := c.sealer(os.Getenv); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(c.DataDir, "root.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	first, _ := os.ReadFile(c.RootKey.File)
	if _, err := c.sealer(os.Getenv); err != nil {
		t.Fatal(err)
	}
	if second, _ := os.ReadFile(c.RootKey.File); string(first) != string(second) {
		t.Error("the key was made anew")
	}
	left, _ := filepath.Glob(filepath.Join(c.DataDir, ".root.key-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := os.Chmod(c.RootKey.File, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := c.sealer(os.Getenv); err == nil || !strings.Contains(err.Error(), "chmod 600 "+c.RootKey.File) {
		t.Errorf("a key the group can read: %v", err)
	}
}

func TestAllWhoStartAtOnceUseOneRootKey(t *testing.T) {
	c := defaults(t.TempDir())
	c.finish()
	sealed := make(chan []byte, 8)
	for range cap(sealed) {
		go func() {
			s, err := c.sealer(os.Getenv)
			if err != nil {
				sealed <- nil
				return
			}
			out, _ := s.Seal("test", "row", []byte("x"))
			sealed <- out
		}()
	}
	last, err := c.sealer(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	for range cap(sealed) {
		if _, err := last.Open("test", "row", <-sealed); err != nil {
			t.Error("sealed with another key")
		}
	}
}

func TestLostRootKeyIsNotReplaced(t *testing.T) {
	c := defaults(t.TempDir())
	c.finish()
	file, _ := c.sqliteFile()
	if err := os.WriteFile(file, []byte("db"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.sealer(os.Getenv); err == nil || !strings.Contains(err.Error(), "restore it from your backup") {
		t.Errorf("got %v", err)
	}
	if exists(c.RootKey.File) {
		t.Error("a new key was made")
	}
}

func TestControlCharactersNeverReachATerminal(t *testing.T) {
	if got := clean("a\x1b[31mb\u202ec\u0085"); strings.ContainsAny(got, "\x1b\u202e\u0085") {
		t.Errorf("%q", got)
	}
}

// FuzzConfig holds parsing to two promises beside not failing: a file with problems gives no configuration at all, and
// an accepted file names only places, never secrets, and one canonical address.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("public_url: http://localhost:8080\nstore: {env: DSN}\n"))
	f.Add([]byte("public_url: &a https://d.example\ntenants: [*a, {id: !!str acme}]\n"))
	f.Add([]byte("? [a]\n: b\n- c\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4096 {
			return
		}
		c, err := parseConfig("f", "/etc", text)
		if err != nil {
			if c.PublicURL != nil || err.Error() == "" {
				t.Fatalf("problems and a configuration: %v", err)
			}
			return
		}
		again, hint := parsePublicURL(c.PublicURL.String())
		if again == nil || again.String() != c.PublicURL.String() {
			t.Fatalf("%s: %s", c.PublicURL, hint)
		}
		if !c.RootKey.set() || c.Store.DSN == "" && !c.Store.From.set() || !filepath.IsAbs(c.DataDir) {
			t.Fatalf("incomplete: %+v", c)
		}
	})
}
