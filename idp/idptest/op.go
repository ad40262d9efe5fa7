// Package idptest is a pretend OpenID Connect provider: discovery, keys that rotate, a page to pick a person from,
// single-use codes bound to client, redirect URI and PKCE, userinfo and sign-out, with the manners of well-known
// providers and, by name, the faults of a broken or hostile one. Beside it stand the SCIM client of such a provider and
// a page for its admins, and a SAML 2.0 provider with attacks on whoever trusts it, each by name, and their benign twins.
//
// It promises to behave as OpenID Connect Core, RFC 6749, RFC 7636, RFC 9207 and SAML 2.0 ask wherever no fault is
// switched on, so that a relying party that works here works elsewhere. Its XML and its signatures are written by its own
// hand: a test must not ask the library that it checks. It asks nobody for a password: whoever reaches it can be
// anyone. It is for tests and for a demonstration on the loopback interface, and for nothing else.
package idptest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Flavor gives the provider the manners of a well-known one.
type Flavor string

// The flavors. The zero value is a plain, correct provider.
const (
	Plain    Flavor = ""
	Okta     Flavor = "okta"     // groups only for scope groups, silently cut at 100; no iss parameter
	Entra    Flavor = "entra"    // tid and oid; more than 200 groups become a link; no at_hash, no iss parameter
	Auth0    Flavor = "auth0"    // groups under https://tracio.ai/groups; org_id echoes organization
	Google   Flavor = "google"   // iss without a scheme is left out; no groups, no sign-out endpoint
	Keycloak Flavor = "keycloak" // session_state on the callback, payload typ ID
)

// Client is a relying party registered at the provider.
type Client struct {
	ID                     string
	Secret                 string
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	Public                 bool   // has no secret and sends none
	AuthMethod             string // client_secret_basic or client_secret_post; empty takes either
}

// Person is somebody who can sign in.
type Person struct {
	Sub      string
	UserName string
	Email    string
	Name     string
	Groups   []string
	Claims   map[string]any // further claims of the ID token; they replace those made from the fields above
}

// Options describe a provider.
type Options struct {
	Issuer  string
	Clients []Client
	People  []Person
	Now     func() time.Time
	Flavor  Flavor
	Alg     string // signing algorithm; empty is RS256
	Note    string // one more sentence on the page that lists the people
	Panel   string // path of the provisioning panel, where there is one: the pages link to it
}

// Request is one request the provider saw.
type Request struct {
	Method string
	Path   string // below the issuer's own path
	Form   url.Values
	Header http.Header
}

// OP is the pretend provider. It is safe for concurrent use.
type OP struct {
	front
	opts Options
	keys *keyring

	mu       sync.Mutex
	codes    map[string]grant
	access   map[string]grant // by access token
	sso      map[string]login // by cookie value
	faults   map[string]string
	metadata map[string]any        // set by SetMetadata over our own
	pushed   map[string]url.Values // by request_uri
}

// New makes a provider with fresh keys. It serves under the path of Options.Issuer.
func New(o Options) (*OP, error) {
	base, err := url.Parse(o.Issuer)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("issuer %q is not an absolute URL", o.Issuer)
	}
	if o.Now == nil {
		return nil, fmt.Errorf("options need Now")
	}
	if o.Alg == "" {
		o.Alg = "RS256"
	}
	op := &OP{
		opts: o, front: front{base: base, people: slices.Clone(o.People)}, keys: &keyring{},
		codes: map[string]grant{}, access: map[string]grant{}, sso: map[string]login{}, pushed: map[string]url.Values{},
		faults: map[string]string{}, metadata: map[string]any{},
	}
	if _, err := op.keys.current(o.Alg); err != nil {
		return nil, err
	}
	op.routes()
	return op, nil
}

// Start makes a provider and serves it over plain HTTP on a free loopback port; Options.Issuer, where set, is only
// its path ("/tenant"). The caller ends it with Close.
func Start(o Options) (*Running, error) {
	r := &Running{}
	running, err := serve(func(address string) (http.Handler, error) {
		o.Issuer = address + o.Issuer
		made, err := New(o)
		r.OP = made
		return made, err
	})
	if err != nil {
		return nil, err
	}
	r.running = running
	return r, nil
}

// Running is a provider with a listener of its own.
type Running struct {
	*OP
	*running
}

// Issuer returns the provider's identifier.
func (o *OP) Issuer() string { return o.opts.Issuer }

func (o *OP) routes() {
	o.mux = http.NewServeMux()
	o.mux.HandleFunc("GET /.well-known/openid-configuration", o.serveMetadata)
	o.mux.HandleFunc("GET /jwks", o.serveJWKS)
	o.mux.HandleFunc("/authorize", o.serveAuthorize)
	o.mux.HandleFunc("POST /par", o.servePAR)
	o.mux.HandleFunc("POST /token", o.serveToken)
	o.mux.HandleFunc("/userinfo", o.serveUserInfo)
	o.mux.HandleFunc("/logout", o.serveLogout)
	o.mux.HandleFunc("GET /{$}", o.serveHome)
}

// AddClient registers one more relying party, or replaces the one with its ID.
func (o *OP) AddClient(c Client) {
	o.mu.Lock()
	defer o.mu.Unlock()
	clients := slices.DeleteFunc(slices.Clone(o.opts.Clients), func(x Client) bool { return x.ID == c.ID })
	o.opts.Clients = append(clients, c)
}

func (o *OP) client(id string) (Client, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.opts.Clients {
		if c.ID == id {
			return c, true
		}
	}
	return Client{}, false
}
