package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// defaultFile is read when no other is named and it exists.
const defaultFile = "ssogate.yaml"

// Config is what the configuration file says, checked, with every default filled in and every path absolute.
// It holds no secret: those are read from their sources when they are needed.
type Config struct {
	File        string // as named; empty when there is none
	Folder      string // what relative paths of the file start from
	DataDir     string // what the store's and the root key's start from
	PublicURL   *url.URL
	Store       StoreConfig
	RootKey     source
	Listen      ListenConfig
	Session     SessionConfig
	Policy      PolicyConfig
	DecisionLog DecisionLogConfig
	Assertion   AssertionConfig
	Egress      EgressConfig
	SAML        SAMLConfig
	Proxy       ProxyConfig
	Tenants     []TenantConfig
	lines       map[string]int // of the keys that were given
	outdated    bool           // take a provider's metadata also after its time
}

// StoreConfig says where state is kept.
type StoreConfig struct {
	DSN  string // sqlite:/absolute/path or postgres://USER@HOST/DB; empty: in From
	From source
}

// ListenConfig holds the addresses of the gate's three listeners: host:port, or unix:PATH for Check.
type ListenConfig struct{ Check, HTTP, Ops string }

// SessionConfig bounds every tenant's sessions.
type SessionConfig struct {
	session.Limits
	StaleGrace time.Duration
}

// PolicyConfig says which policy is served. An empty Path is the built-in one.
type PolicyConfig struct {
	Path          string
	Query         string
	Timeout       time.Duration
	AllowBuiltins []string
	SkipTests     bool
}

// DecisionLogConfig says where the decision log goes. Path "-" is standard output, "" is no log.
type DecisionLogConfig struct {
	Path     string
	Input    string
	Required bool
}

// AssertionConfig is about the signed identity that upstreams get. An empty Audience is the public URL.
type AssertionConfig struct{ Audience string }

// EgressConfig is what the gate may connect to beside public https addresses.
type EgressConfig struct {
	Allow  []string
	CAFile string
}

// ProxyConfig is what `envoy config` renders beside what it takes from the rest.
type ProxyConfig struct {
	Listen        string // empty: what envoy.Config chooses
	Cert, Key     string
	Dashboard     string
	Streams       []string
	AuthBodies    string
	PolicyHeaders []string
}

// SAMLConfig holds for all connections over SAML.
type SAMLConfig struct {
	MaxResponse int // KiB of a decoded response
}

// TenantConfig is one declared tenant.
type TenantConfig struct {
	Tenant      tenant.Tenant
	Mappings    []MappingConfig
	Connections []ConnectionConfig
	line        int
}

// MappingConfig is one declared role mapping.
type MappingConfig struct {
	Mapping idp.RoleMapping
	line    int
}

// ConnectionConfig is one declared connection; its client secret and, of SAML, the provider's metadata or certificate
// are still where the file says they are.
type ConnectionConfig struct {
	Connection  idp.Connection
	Secret      source
	Metadata    source
	Certificate source
	path        string // of the connection in the file
	line        int
}

// defaults is the configuration of an empty file in a folder.
func defaults(folder string) Config {
	return Config{
		Folder:      folder,
		DataDir:     folder,
		PublicURL:   &url.URL{Scheme: "https", Host: "localhost:8443"},
		Listen:      ListenConfig{Check: "127.0.0.1:9001", HTTP: "127.0.0.1:9002", Ops: "127.0.0.1:9003"},
		Session:     SessionConfig{Limits: session.Limits{Idle: 30 * time.Minute, Absolute: 12 * time.Hour}},
		DecisionLog: DecisionLogConfig{Path: "-", Input: "read"},
		SAML:        SAMLConfig{MaxResponse: leastResponse},
		Proxy:       ProxyConfig{Dashboard: "127.0.0.1:8000", AuthBodies: "check"},
	}
}

// finish fills in what depends on other keys.
func (c *Config) finish() {
	place := problem{File: c.File, Message: "root_key"}
	if !c.RootKey.set() {
		c.RootKey = source{File: filepath.Join(c.DataDir, "root.key"), place: place}
	}
	if c.Store.DSN == "" && !c.Store.From.set() {
		c.Store.DSN = "sqlite:" + filepath.Join(c.DataDir, "ssogate.db")
	}
	if c.Assertion.Audience == "" {
		c.Assertion.Audience = c.PublicURL.String()
	}
}

// loadConfig reads a file; with an empty name ssogate.yaml where that exists, else the defaults alone.
func loadConfig(name string) (Config, error) {
	file := name
	if file == "" {
		file = defaultFile
	}
	text, err := readLimited(file, maxConfig)
	if name == "" && errors.Is(err, fs.ErrNotExist) {
		folder, err := filepath.Abs(".")
		if err != nil {
			return Config{}, fmt.Errorf("find the working directory: %w", err)
		}
		c := defaults(folder)
		c.finish()
		return c, nil
	}
	if err != nil {
		return Config{}, hinted("name the configuration file with -c PATH", "read configuration: %s", fileTrouble(err))
	}
	folder, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return Config{}, fmt.Errorf("find the folder of %s: %w", file, err)
	}
	return parseConfig(file, folder, text)
}

// parseConfig reads the text of a file. All problems are reported at once, as problems.
func parseConfig(file, folder string, text []byte) (Config, error) {
	r := &reader{file: file, lines: map[string]int{}}
	c := defaults(folder)
	c.File = file
	top := r.parse(text)
	if len(r.found) > 0 {
		return Config{}, r.err()
	}
	if top == nil {
		r.found = append(r.found, problem{File: file, Message: "empty", Hint: "start with public_url: https://dashboard.example.com"})
		return Config{}, r.err()
	}
	c.read(r, top)
	if err := r.err(); err != nil {
		return Config{}, err
	}
	c.finish()
	return c, nil
}

// read walks the file's top level. Data_dir comes first wherever it stands, because other keys are relative to it.
func (c *Config) read(r *reader, top ast.Node) {
	c.readDataDir(top)
	c.lines = r.lines
	r.mapping("", top, fields{
		"public_url": func(path string, n ast.Node) { c.readPublicURL(r, path, n) },
		"data_dir":   func(path string, n ast.Node) { r.text(path, n) },
		"store":      func(path string, n ast.Node) { c.readStore(r, path, n) },
		"root_key":   r.secret(c.DataDir, &c.RootKey),
		"listen":     func(path string, n ast.Node) { c.readListen(r, path, n) },
		"session":    func(path string, n ast.Node) { c.readSession(r, path, n) },
		"policy":     func(path string, n ast.Node) { c.readPolicy(r, path, n) },
		"decision_log": func(path string, n ast.Node) {
			c.readDecisionLog(r, path, n)
		},
		"assertion": func(path string, n ast.Node) {
			r.mapping(path, n, fields{"audience": r.str(&c.Assertion.Audience)})
		},
		"egress":  func(path string, n ast.Node) { c.readEgress(r, path, n) },
		"envoy":   func(path string, n ast.Node) { c.readProxy(r, path, n) },
		"saml":    func(path string, n ast.Node) { c.readSAML(r, path, n) },
		"check":   func(path string, n ast.Node) { c.readCheck(r, path, n) },
		"tenants": func(path string, n ast.Node) { c.readTenants(r, path, n) },
	})
	if _, isMap := top.(*ast.MappingNode); isMap && c.lines["public_url"] == 0 {
		r.found = append(r.found, problem{
			File: r.file, Line: 1, Message: "public_url is missing",
			Hint: "add the address that people open: public_url: https://dashboard.example.com",
		})
	}
}

// readDataDir takes data_dir alone, without reporting: the walk that follows meets it again.
func (c *Config) readDataDir(top ast.Node) {
	var dir string
	quiet := &reader{lines: map[string]int{}}
	if m, ok := top.(*ast.MappingNode); ok {
		for _, v := range m.Values {
			if v.Key.GetToken().Value == "data_dir" && v.Value != nil && v.Value.Type() != ast.NullType {
				dir, _ = quiet.text("", v.Value)
			}
		}
	}
	if dir != "" {
		c.DataDir = below(c.Folder, dir)
	}
}

// dsn returns the store's address. Errors never repeat it: it may hold a password.
func (c Config) dsn(getenv func(string) string) (string, error) {
	if !c.Store.From.set() {
		return c.Store.DSN, nil
	}
	text, err := c.Store.From.read(getenv)
	if err != nil {
		return "", err
	}
	dsn, ok := parseDSN(text.Reveal(), c.DataDir)
	if !ok {
		p := c.Store.From.place
		p.Message += ": what stands there is not a store"
		p.Hint = storeHint
		return "", p
	}
	return dsn, nil
}

// sqliteFile returns the database file where the store is SQLite.
func (c Config) sqliteFile() (string, bool) {
	return strings.CutPrefix(c.Store.DSN, "sqlite:")
}

// Insecure reports whether the gate is to be tried out over plain http on this machine.
func (c Config) Insecure() bool { return c.PublicURL.Scheme == "http" }

// allowInsecure holds public_url against --insecure: neither goes without the other.
func (c Config) allowInsecure(flag bool) error {
	switch {
	case c.Insecure() && !flag:
		return c.problem("public_url", "use https, or try it out on this machine alone with --insecure",
			"public_url: %s is plain http", c.PublicURL)
	case !c.Insecure() && flag:
		return c.problem("public_url", "leave the flag out, or set public_url to http://localhost:8080",
			"--insecure is only for a public_url that is plain http on this machine; it is %s", c.PublicURL)
	}
	return nil
}
