package extauthz

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/login"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp/jwt"
)

// assertionType is the typ of x-sso-assertion: a token of another kind under the same key does not pass for one.
const assertionType = "ssogate-assertion+jwt"

const (
	assertionLife  = 60 * time.Second
	assertionReuse = 30 * time.Second
	assertionRoom  = 20_000 // assertions kept for reuse; above it, older ones are signed anew
)

// Assertions signs x-sso-assertion: a JWT (RFC 7519) by which an upstream proves to itself what the bare headers say.
// One is reused for 30 seconds while nothing it says has changed.
type Assertions struct {
	Ring     *session.Ring
	Issuer   string // public_url
	Audience string

	mu      sync.Mutex
	fresh   map[assertionKey]signed // made since turned
	old     map[assertionKey]signed // made in the period before
	turned  time.Time
	signers map[string]*jwt.Signer // by key id
}

type assertionKey struct {
	hash           session.Hash
	role, roles    string
	subject, realm uint64
}

type signed struct {
	token string
	at    time.Time
}

type assertionClaims struct {
	Issuer     string   `json:"iss"`
	Audience   string   `json:"aud"`
	Subject    string   `json:"sub"`
	Tenant     string   `json:"tenant"`
	TenantSlug string   `json:"tenant_slug"`
	Email      string   `json:"email,omitempty"`
	Name       string   `json:"name,omitempty"`
	Role       string   `json:"role,omitempty"`
	Roles      []string `json:"roles"`
	SessionID  string   `json:"sid"`
	AuthTime   int64    `json:"auth_time,omitempty"`
	IssuedAt   int64    `json:"iat"`
	NotBefore  int64    `json:"nbf"`
	Expires    int64    `json:"exp"`
}

// For returns the assertion for a live session whose request was allowed as role.
func (a *Assertions) For(now time.Time, who asker, role string) (string, error) {
	key := assertionKey{who.Session.Hash, role, strings.Join(who.Roles, "\x00"), who.person.Stamp, who.Realm.Stamp}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn(now)
	for _, kept := range []map[assertionKey]signed{a.fresh, a.old} {
		if s, ok := kept[key]; ok && now.Sub(s.at) < assertionReuse && !now.Before(s.at) {
			return s.token, nil
		}
	}
	token, err := a.sign(now, who.Visitor, role)
	if err != nil {
		return "", err
	}
	a.fresh[key] = signed{token: token, at: now}
	return token, nil
}

// turn forgets what is too old to reuse, a whole period at a time.
func (a *Assertions) turn(now time.Time) {
	if a.fresh == nil || now.Sub(a.turned) >= assertionReuse || now.Before(a.turned) || len(a.fresh) >= assertionRoom {
		a.old, a.fresh, a.turned = a.fresh, make(map[assertionKey]signed), now
	}
}

func (a *Assertions) sign(now time.Time, who login.Visitor, role string) (string, error) {
	signer, err := a.signer()
	if err != nil {
		return "", err
	}
	claims := assertionClaims{
		Issuer: a.Issuer, Audience: a.Audience, Subject: string(who.User.ID),
		Tenant: string(who.Realm.Tenant.ID), TenantSlug: who.Realm.Tenant.Slug,
		Email: who.User.Email(), Name: who.User.DisplayName, Role: role, Roles: who.Roles,
		SessionID: who.Session.Hash.SID(), IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(assertionLife).Unix(),
	}
	if !who.Session.AuthTime.IsZero() {
		claims.AuthTime = who.Session.AuthTime.Unix()
	}
	return signer.Sign(assertionType, claims)
}

func (a *Assertions) signer() (*jwt.Signer, error) {
	key, err := a.Ring.Active(session.ForAssertion)
	if err != nil {
		return nil, err
	}
	if s, ok := a.signers[key.ID]; ok {
		return s, nil
	}
	s, err := jwt.ParseSigner([]byte(key.Material.Reveal()), jwt.ES256, key.ID)
	if err != nil {
		return nil, fmt.Errorf("assertion key %s: %w", key.ID, err)
	}
	if a.signers == nil || len(a.signers) > 16 {
		a.signers = make(map[string]*jwt.Signer)
	}
	a.signers[key.ID] = s
	return s, nil
}

// JWKS is the public half of every assertion key, the next one's too: an upstream that caches the set for minutes
// knows a key before it signs.
func (a *Assertions) JWKS() []byte {
	var keys []jwt.Key
	for _, k := range a.Ring.Keys(session.ForAssertion) {
		if s, err := jwt.ParseSigner([]byte(k.Material.Reveal()), jwt.ES256, k.ID); err == nil {
			keys = append(keys, s.Public())
		}
	}
	set, err := json.Marshal(jwt.NewSet(keys...))
	if err != nil {
		return []byte(`{"keys":[]}`)
	}
	return set
}
