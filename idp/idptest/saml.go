package idptest

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// SAMLSP is a service provider registered at the SAML provider.
type SAMLSP struct {
	Name         string // on the tile
	EntityID     string
	ACS          string
	SLO          string // empty: it takes no single logout
	SLOPost      bool   // sign-outs reach it by POST instead of Redirect
	Signing      []byte // DER certificate its messages are signed with; nil: they need no signature
	NextSigning  []byte // a second one, while it rolls over
	Encryption   []byte // DER certificate to encrypt for; nil: assertions travel in the clear
	NameIDFormat string // in place of the profile's
	Relay        string // RelayState of its tile
}

// SAMLOptions describe a SAML provider.
type SAMLOptions struct {
	BaseURL  string // where it is served, path included
	EntityID string // empty: as the profile's look
	Profile  SAMLProfile
	SPs      []SAMLSP
	People   []Person
	Now      func() time.Time
	Sign     SAMLSign // in place of what the profile signs
	SHA1     bool     // signs with SHA-1, as an old Okta app and an Auth0 tenant out of the box do
	WantSign bool     // its metadata asks for signed requests, and unsigned ones are refused
	Key      string   // kind of its key, as NewSAMLKey's; empty is rsa
	Post     bool     // its metadata names single sign-on over POST first
	Note     string   // one more sentence on the page that lists the people
	Panel    string   // path of the provisioning panel, where there is one
}

// SAMLIdP is the pretend SAML 2.0 provider. It is safe for concurrent use.
type SAMLIdP struct {
	front
	opts SAMLOptions

	mu     sync.Mutex
	sps    []SAMLSP
	keys   []SAMLKey // published, the one that signs first
	sso    map[string]samlLogin
	outs   map[string]signOut // sign-outs under way, by the request's ID
	amend  func(*RespondOptions)
	last   string
	lastID string

	signsMetadata bool
}

// NewSAML makes a provider with a fresh key. It serves under the path of SAMLOptions.BaseURL.
func NewSAML(o SAMLOptions) (*SAMLIdP, error) {
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("base URL %q is not absolute", o.BaseURL)
	}
	if o.Now == nil {
		return nil, errors.New("options need Now")
	}
	if _, ok := samlManners[o.Profile]; !ok {
		return nil, fmt.Errorf("no SAML profile %q", o.Profile)
	}
	p := &SAMLIdP{opts: o, front: front{base: base, people: slices.Clone(o.People)}, sps: slices.Clone(o.SPs), sso: map[string]samlLogin{}, outs: map[string]signOut{}}
	k, err := p.newKey()
	if err != nil {
		return nil, err
	}
	p.keys = []SAMLKey{k}
	p.routes()
	return p, nil
}

func (p *SAMLIdP) newKey() (SAMLKey, error) {
	now := p.opts.Now()
	return NewSAMLKey(cmp.Or(p.opts.Key, "rsa"), "idptest", now.Add(-time.Hour), now.AddDate(3, 0, 0))
}

// StartSAML makes a provider and serves it over plain HTTP on a free port of 127.0.0.1; SAMLOptions.BaseURL, where set,
// is only its path ("/saml"). The caller ends it with Close.
func StartSAML(o SAMLOptions) (*RunningSAML, error) {
	r := &RunningSAML{}
	running, err := serve(func(address string) (http.Handler, error) {
		o.BaseURL = address + o.BaseURL
		made, err := NewSAML(o)
		r.SAMLIdP = made
		return made, err
	})
	if err != nil {
		return nil, err
	}
	r.running = running
	return r, nil
}

// RunningSAML is a SAML provider with a listener of its own.
type RunningSAML struct {
	*SAMLIdP
	*running
}

// EntityID returns the provider's name.
func (p *SAMLIdP) EntityID() string {
	return cmp.Or(p.opts.EntityID, samlManners[p.opts.Profile].entityID(p.opts.BaseURL))
}

// URL returns the address of one of its paths: /metadata, /sso, /slo.
func (p *SAMLIdP) URL(path string) string { return strings.TrimSuffix(p.opts.BaseURL, "/") + path }

// Key returns the pair that signs now.
func (p *SAMLIdP) Key() SAMLKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys[0]
}

// Keys returns the pairs in its metadata, the one that signs first.
func (p *SAMLIdP) Keys() []SAMLKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.keys)
}

// PublishNextKey puts a new key into the metadata and goes on signing with the old one.
func (p *SAMLIdP) PublishNextKey() (SAMLKey, error) {
	k, err := p.newKey()
	if err != nil {
		return SAMLKey{}, err
	}
	p.AddKey(k)
	return k, nil
}

// AddKey puts a pair into the metadata.
func (p *SAMLIdP) AddKey(k SAMLKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, k)
}

// SignWithNext makes the newest key the one that signs; the others stay in the metadata.
func (p *SAMLIdP) SignWithNext() {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.keys) - 1
	p.keys = append([]SAMLKey{p.keys[n]}, p.keys[:n]...)
}

// WithdrawOldKeys leaves nothing in the metadata but the key that signs.
func (p *SAMLIdP) WithdrawOldKeys() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = p.keys[:1]
}

// Amend changes every response over HTTP from now on; nil ends that.
func (p *SAMLIdP) Amend(f func(*RespondOptions)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.amend = f
}

// LastResponse is the form field SAMLResponse that a browser was given last.
func (p *SAMLIdP) LastResponse() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// LastRequestID is the ID of the last sign-in request that was taken: what a forged answer has to name.
func (p *SAMLIdP) LastRequestID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastID
}

// AddSP registers one more service provider, or replaces the one of its entity id.
func (p *SAMLIdP) AddSP(sp SAMLSP) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sps = append(slices.DeleteFunc(slices.Clone(p.sps), func(x SAMLSP) bool { return x.EntityID == sp.EntityID }), sp)
}

func (p *SAMLIdP) sp(entityID string) (SAMLSP, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, sp := range p.sps {
		if sp.EntityID == entityID {
			return sp, true
		}
	}
	return SAMLSP{}, false
}

func (p *SAMLIdP) routes() {
	p.mux = http.NewServeMux()
	p.mux.HandleFunc("GET /metadata", p.serveMetadata)
	p.mux.HandleFunc("/sso", p.serveSSO)
	p.mux.HandleFunc("/slo", p.serveSLO)
	p.mux.HandleFunc("GET /start", p.serveStart)
	p.mux.HandleFunc("POST /start", p.serveStart)
	p.mux.HandleFunc("GET /{$}", p.serveTiles)
}
