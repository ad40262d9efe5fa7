package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// Options are the operator's. The zero value reaches public addresses over https with the system's roots.
type Options struct {
	// Allow opens more than public addresses, for providers inside the operator's network: host names, IP addresses and CIDR ranges. A host name opens
	// private addresses and this machine, never link-local ones, where clouds keep credentials; a range opens just what it says.
	Allow []string
	// CAFile is a PEM file of certificate authorities trusted beside the others.
	CAFile string
	// RootCAs replaces the system's roots.
	RootCAs *x509.CertPool
	// Insecure lets this machine be reached, by plain http too. For trying things out on one's own machine.
	Insecure bool

	resolver *net.Resolver // tests answer DNS themselves
}

// limits are constants but for tests.
type limits struct {
	dial, total time.Duration
	perHost     int
	redirects   int
	header      int64
	body        int64
}

func defaults() limits {
	return limits{dial: 5 * time.Second, total: 10 * time.Second, perHost: 4, redirects: 3, header: 64 << 10, body: 1 << 20}
}

// New makes the client. One is enough for the whole process: the bound on concurrent requests to a host holds within it.
func New(o Options) (*http.Client, error) {
	return newClient(o, defaults())
}

func newClient(o Options, l limits) (*http.Client, error) {
	allow, err := parseAllow(o.Allow)
	if err != nil {
		return nil, fmt.Errorf("egress allow: %w", err)
	}
	roots, err := roots(o)
	if err != nil {
		return nil, fmt.Errorf("egress roots: %w", err)
	}
	if o.Insecure {
		allow.ranges = append(allow.ranges, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	}
	d := dialer{allow: allow, timeout: l.dial, resolver: o.resolver}
	t := &transport{
		limits: l,
		reads:  newTransport(roots, l, d.dial),
		writes: newTransport(roots, l, d.dial),
		slots:  newSlots(l.perHost),
	}
	t.writes.DisableKeepAlives = true
	if o.Insecure {
		t.plain = newTransport(roots, l, d.dialLoopback)
		t.plain.DisableKeepAlives = true
	}
	return &http.Client{Transport: t, CheckRedirect: neverRedirect}, nil
}

// neverRedirect is not reached: the transport follows what may be followed. Were it changed, nothing more would be.
func neverRedirect(r *http.Request, _ []*http.Request) error {
	return &Error{Code: CodeRedirect, Host: r.URL.Hostname(), Detail: "not followed"}
}

func roots(o Options) (*x509.CertPool, error) {
	pool := o.RootCAs
	if o.CAFile == "" {
		return pool, nil // nil is the system's
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read certificate authorities: %w", err)
	}
	if pool == nil {
		pool, err = x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("load the system's certificate authorities: %w", err)
		}
	}
	pool = pool.Clone()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", o.CAFile)
	}
	return pool, nil
}

func newTransport(roots *x509.CertPool, l limits, dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    l.dial,
		MaxResponseHeaderBytes: l.header,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    l.perHost,
		IdleConnTimeout:        30 * time.Second,
		DisableCompression:     true, // what is counted is what was sent
		Protocols:              &http1,
	}
}

// dialer looks at each address DNS gave, right before connecting to it.
type dialer struct {
	allow    allowList
	timeout  time.Duration
	resolver *net.Resolver
}

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &Error{Code: CodeURL, Detail: "no host and port"}
	}
	if d.allow.names(host) {
		return d.connect(ctx, network, address, reachNamed)
	}
	return d.connect(ctx, network, address, reachPublic)
}

func (d dialer) dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	return d.connect(ctx, network, address, reachLoopback)
}

func (d dialer) connect(ctx context.Context, network, address string, r reach) (net.Conn, error) {
	nd := net.Dialer{Timeout: d.timeout, Resolver: d.resolver, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return &Error{Code: CodeAddress, Detail: "not an IP address"}
		}
		if !d.allow.check(at.Addr(), r) {
			return &Error{Code: CodeAddress, Detail: at.Addr().String() + " is not a public address and not allowed"}
		}
		return nil
	}}
	return nd.DialContext(ctx, network, address)
}
