package envoy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Version is the minor release of Envoy a config is rendered for. Envoy does not start on a file with a field it
// does not know, so a file is for one release and those after it.
type Version string

// The supported releases.
const (
	Version136 Version = "1.36"
	Version137 Version = "1.37"
	Version138 Version = "1.38"
	Version139 Version = "1.39"
	Version140 Version = "1.40"
)

// Versions returns the supported releases, oldest first.
func Versions() []Version {
	return []Version{Version136, Version137, Version138, Version139, Version140}
}

// ParseVersion reads a release such as 1.40; a patch level (1.40.1) is allowed and dropped.
func ParseVersion(text string) (Version, error) {
	for _, v := range Versions() {
		if patch, ok := strings.CutPrefix(text, string(v)); ok && (patch == "" || patch[0] == '.') {
			return v, nil
		}
	}
	return "", fmt.Errorf("envoy version %q is not supported: use one of 1.36 to 1.40", text)
}

// knowsErrorResponse reports whether the release reads CheckResponse.error_response. 1.36 shows a bare 403 for it.
func (v Version) knowsErrorResponse() bool { return v != Version136 }

// AuthBodies says who reads the request bodies under /auth.
type AuthBodies string

// With AuthBodiesCheck, the default, Envoy sends them along with the Check. With AuthBodiesHTTP the Check lets the
// request pass and the gate's HTTP listener reads it, for front ends that cannot send bodies for single paths.
const (
	AuthBodiesCheck AuthBodies = "check"
	AuthBodiesHTTP  AuthBodies = "http"
)

// TLS names the files of the public certificate. Envoy reads them by way of the secret file, and again whenever
// something is moved into the certificate's folder.
type TLS struct {
	Cert, Key string
	Secret    string // where the file that RenderSecret writes is kept; default: ssogate-sds.yaml beside Cert
}

// Config is what a deployment decides; everything else in the bootstrap is fixed, because it is what keeps a
// request from reaching the dashboard unchecked.
type Config struct {
	PublicURL string // the one host this front end serves, such as https://dashboard.example.com
	Listen    string // IP:port; default 0.0.0.0:8443, with Plain 127.0.0.1:8080
	TLS       TLS    // required unless Plain

	CheckAddress string // the gate's Check listener: loopback IP:port or unix:path; default 127.0.0.1:9001
	HTTPAddress  string // the gate's HTTP listener: loopback IP:port; default 127.0.0.1:9002
	Dashboard    string // the upstream: host:port

	Streams       []string   // path prefixes with long streams and WebSockets; every other route refuses upgrades
	AuthBodies    AuthBodies // default AuthBodiesCheck
	PolicyHeaders []string   // request headers that policy may set or remove beside the gate's own

	// AnyPolicyHeader lets policy set or remove every header but those RefusedPolicyHeader names, as policies
	// written for opa-envoy-plugin expect. PolicyHeaders is then empty.
	AnyPolicyHeader bool

	Target      Version // default Version140
	TrustedHops uint32  // proxies in front of this one that set X-Forwarded-For; default none
	AdminSocket string  // unix socket of Envoy's admin interface; default /run/ssogate/envoy-admin.sock

	MaxBody        uint32 // bytes of a request body that go along with a Check; default MaxBody, LargestBody at most
	MaxHeap        uint64 // bytes of heap at which Envoy sheds load; default 1 GiB
	MaxConnections int64  // client connections at once; default 10000

	// Plain renders cleartext HTTP, on a loopback address and for a loopback host only: for a demo on one machine.
	Plain bool
}

const gib = 1 << 30

// withDefaults returns a copy with every default filled in.
func (c Config) withDefaults() Config {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	if c.Plain {
		set(&c.Listen, "127.0.0.1:8080")
	}
	set(&c.Listen, "0.0.0.0:8443")
	set(&c.CheckAddress, "127.0.0.1:9001")
	set(&c.HTTPAddress, "127.0.0.1:9002")
	set(&c.AdminSocket, "/run/ssogate/envoy-admin.sock")
	set((*string)(&c.Target), string(Version140))
	set((*string)(&c.AuthBodies), string(AuthBodiesCheck))
	if c.TLS.Cert != "" {
		set(&c.TLS.Secret, filepath.Join(filepath.Dir(c.TLS.Cert), "ssogate-sds.yaml"))
	}
	if c.MaxBody == 0 {
		c.MaxBody = MaxBody
	}
	if c.MaxHeap == 0 {
		c.MaxHeap = gib
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = 10000
	}
	return c
}

// check refuses a config that could not be served or would let a request past the gate.
func (c Config) check() error {
	steps := []func() error{
		c.checkPublic, c.checkListen, c.checkUpstreams, c.checkStreams, c.checkPolicyHeaders,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	if !slices.Contains(Versions(), c.Target) {
		return fmt.Errorf("target %q is not supported: use one of 1.36 to 1.40", string(c.Target))
	}
	if c.AuthBodies != AuthBodiesCheck && c.AuthBodies != AuthBodiesHTTP {
		return fmt.Errorf("auth_bodies %q: use check or http", string(c.AuthBodies))
	}
	if c.MaxBody < MaxBody || c.MaxBody > LargestBody {
		return fmt.Errorf("max body %d: use %d to %d bytes", c.MaxBody, MaxBody, LargestBody)
	}
	if c.MaxConnections < 0 {
		return fmt.Errorf("max connections %d: use a positive number", c.MaxConnections)
	}
	return nil
}

var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// public returns the URL's scheme, its host in lower case (an IPv6 address in brackets) and its port.
func (c Config) public() (scheme, host, port string, err error) {
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return "", "", "", fmt.Errorf("public_url: %w", err)
	}
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", "", "", fmt.Errorf("public_url %q: want scheme and host alone, such as https://dashboard.example.com", c.PublicURL)
	}
	host, port = strings.ToLower(u.Hostname()), u.Port()
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		return u.Scheme, "[" + host + "]", port, nil
	}
	if !hostName.MatchString(host) {
		return "", "", "", fmt.Errorf("public_url %q: %q is no host name", c.PublicURL, host)
	}
	return u.Scheme, host, port, nil
}

// domains are the authorities that belong to the gate. Envoy strips only the listener's own port, so behind a
// mapped port the name with that port must be there too, or all of it would be 404.
func (c Config) domains() ([]string, error) {
	_, host, port, err := c.public()
	if err != nil {
		return nil, err
	}
	if port == "" {
		return []string{host}, nil
	}
	return []string{host, host + ":" + port}, nil
}

func (c Config) checkPublic() error {
	scheme, host, _, err := c.public()
	if err != nil {
		return err
	}
	if c.Plain {
		ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if scheme != "http" || host != "localhost" && (err != nil || !ip.IsLoopback()) {
			return fmt.Errorf("public_url %q: plain is for http on localhost, where nobody else listens", c.PublicURL)
		}
		return nil
	}
	if scheme != "https" {
		return fmt.Errorf("public_url %q: want https", c.PublicURL)
	}
	if c.TLS.Cert == "" || c.TLS.Key == "" {
		return errors.New("tls: name the files of the certificate and its key")
	}
	return nil
}

func (c Config) checkListen() error {
	ip, err := netip.ParseAddrPort(c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w: want IP:port, such as 0.0.0.0:8443", err)
	}
	if c.Plain && !ip.Addr().IsLoopback() {
		return fmt.Errorf("listen %s: plain listens on loopback only, such as 127.0.0.1:8080", c.Listen)
	}
	return nil
}

// checkUpstreams keeps the way to the gate on this machine: what travels there, bearer tokens and session cookies,
// is not encrypted, and what comes back decides who gets in.
func (c Config) checkUpstreams() error {
	if path, ok := strings.CutPrefix(c.CheckAddress, "unix:"); ok {
		if path == "" {
			return errors.New("check address: unix: names no path")
		}
	} else if err := loopback(c.CheckAddress); err != nil {
		return fmt.Errorf("check address: %w, or unix:path", err)
	}
	if err := loopback(c.HTTPAddress); err != nil {
		return fmt.Errorf("http address: %w", err)
	}
	if _, _, err := splitAddress(c.Dashboard); err != nil {
		return fmt.Errorf("dashboard: %w", err)
	}
	return nil
}

func loopback(address string) error {
	ip, err := netip.ParseAddrPort(address)
	if err != nil || !ip.Addr().IsLoopback() || ip.Port() == 0 {
		return fmt.Errorf("%q: the gate runs beside Envoy: want a loopback address such as 127.0.0.1:9001", address)
	}
	return nil
}

func splitAddress(address string) (host string, port uint32, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%q: want host:port", address)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || host == "" {
		return "", 0, fmt.Errorf("%q: want host:port", address)
	}
	return host, uint32(n), nil
}

var streamPrefix = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

func (c Config) checkStreams() error {
	for i, prefix := range c.Streams {
		if !streamPrefix.MatchString(prefix) || strings.Contains(prefix+"/", "/./") || strings.Contains(prefix+"/", "/../") {
			return fmt.Errorf("stream %q: want a path prefix of whole segments, such as /ws", prefix)
		}
		for _, own := range []string{PathAuth, PathSCIM, PathSettings, PathHealth} {
			if Under(prefix, own) || Under(own, prefix) {
				return fmt.Errorf("stream %q: %s is the gate's own and no stream", prefix, own)
			}
		}
		if slices.Contains(c.Streams[:i], prefix) {
			return fmt.Errorf("stream %q is there twice", prefix)
		}
	}
	return nil
}

// Limits that keep the expression made of policy headers below maxRegex, and a request below MaxHeaders.
const (
	maxPolicyHeaders    = 64
	maxPolicyHeaderName = 64
)

var headerName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

func (c Config) checkPolicyHeaders() error {
	if c.AnyPolicyHeader && len(c.PolicyHeaders) > 0 {
		return errors.New("policy_headers: a list and any header together contradict each other")
	}
	if len(c.PolicyHeaders) > maxPolicyHeaders {
		return fmt.Errorf("policy_headers: %d names, at most %d", len(c.PolicyHeaders), maxPolicyHeaders)
	}
	for _, name := range c.PolicyHeaders {
		if len(name) > maxPolicyHeaderName || !headerName.MatchString(name) {
			return fmt.Errorf("policy header %q: want a header name in lower case", name)
		}
		if RefusedPolicyHeader(name) {
			return fmt.Errorf("policy header %q: no policy may set it", name)
		}
	}
	return nil
}
