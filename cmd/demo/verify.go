package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tracio-ai/ssogate/idp/jwt"
)

// What an assertion of the gate's looks like. An upstream that checks less may be fooled by a token made for another
// purpose under the same key.
const (
	assertionHeader = "X-Sso-Assertion"
	assertionType   = "ssogate-assertion+jwt"
	clockSkew       = 5 * time.Second
	keySetAge       = 5 * time.Minute
	keySetPause     = 5 * time.Second // between two fetches that unknown keys ask for
)

// identity is who asks, as the gate signed it.
type identity struct {
	User, Email, Name, Tenant, Role string
	Claims                          []claim
	Seconds                         int // until the assertion ends
}

// claim is one claim as the page shows it.
type claim struct{ Name, Value string }

// verifier reads x-sso-assertion as any upstream should: the bare headers beside it prove nothing to whoever can be
// reached without the gate.
type verifier struct {
	KeySet           string // where the gate publishes its keys
	Issuer, Audience string
	Client           *http.Client
	Now              func() time.Time

	mu      sync.Mutex
	keys    jwt.Set
	fetched time.Time
}

// errKeys says that the gate's keys cannot be had, which is not the sender's fault.
var errKeys = errors.New("fetch the gate's keys")

// identity verifies the request's assertion.
func (v *verifier) identity(r *http.Request) (identity, error) {
	values := r.Header.Values(assertionHeader)
	if len(values) != 1 {
		return identity{}, fmt.Errorf("%d %s headers, want one", len(values), strings.ToLower(assertionHeader))
	}
	token, err := jwt.Parse(values[0])
	if err != nil {
		return identity{}, err
	}
	if !token.Header.TypeIs(assertionType) {
		return identity{}, fmt.Errorf("a token of type %.40q, want %s", token.Header.Type, assertionType)
	}
	keys, err := v.keysFor(r.Context(), token.Header.KeyID)
	if err != nil {
		return identity{}, err
	}
	payload, _, err := token.Verify(keys, []string{jwt.ES256})
	if err != nil {
		return identity{}, err
	}
	claims, err := jwt.StrictClaims(payload)
	if err != nil {
		return identity{}, err
	}
	left, err := v.fits(claims)
	if err != nil {
		return identity{}, err
	}
	return identityOf(r, claims, left)
}

// fits holds the claims against who we are and what time it is (RFC 7519 §4.1).
func (v *verifier) fits(c jwt.Claims) (left time.Duration, err error) {
	iss, err := c.String("iss")
	if err != nil {
		return 0, err
	}
	aud, err := c.Strings("aud")
	if err != nil {
		return 0, err
	}
	exp, err := c.Time("exp")
	if err != nil {
		return 0, err
	}
	nbf, err := c.Time("nbf")
	if err != nil {
		return 0, err
	}
	now := v.Now()
	switch {
	case iss != v.Issuer:
		return 0, fmt.Errorf("issued by %.80q, want %s", iss, v.Issuer)
	case !slices.Contains(aud, v.Audience):
		return 0, fmt.Errorf("meant for %.80q, not for %s", aud, v.Audience)
	case exp.IsZero() || !now.Before(exp.Add(clockSkew)):
		return 0, errors.New("expired")
	case now.Before(nbf.Add(-clockSkew)):
		return 0, errors.New("not valid yet")
	}
	return exp.Sub(now), nil
}

// identityOf reads who it is. The header that names the user must say the same.
func identityOf(r *http.Request, c jwt.Claims, left time.Duration) (identity, error) {
	id := identity{Seconds: int(left.Round(time.Second).Seconds())}
	for name, to := range map[string]*string{"sub": &id.User, "email": &id.Email, "name": &id.Name, "tenant": &id.Tenant, "role": &id.Role} {
		s, err := c.String(name)
		if err != nil {
			return identity{}, err
		}
		*to = s
	}
	if id.User == "" || r.Header.Get("X-Sso-User") != id.User {
		return identity{}, errors.New("assertion and x-sso-user name different users")
	}
	for name, value := range c.Raw() {
		shown := fmt.Sprint(value)
		if at, err := c.Time(name); err == nil && !at.IsZero() {
			shown = at.UTC().Format("15:04:05 UTC")
		}
		id.Claims = append(id.Claims, claim{name, shown})
	}
	slices.SortFunc(id.Claims, func(a, b claim) int { return strings.Compare(a.Name, b.Name) })
	return id, nil
}

// keysFor returns the gate's keys, fetched anew when they are old or do not hold the one that is asked for.
func (v *verifier) keysFor(ctx context.Context, kid string) (jwt.Set, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	age := v.Now().Sub(v.fetched)
	if age < keySetAge && v.keys.HasID(kid) || age < keySetPause {
		return v.keys, nil
	}
	keys, err := v.fetch(ctx)
	if err != nil {
		return jwt.Set{}, fmt.Errorf("%w: %w", errKeys, err)
	}
	v.keys, v.fetched = keys, v.Now()
	return keys, nil
}

func (v *verifier) fetch(ctx context.Context) (jwt.Set, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.KeySet, nil)
	if err != nil {
		return jwt.Set{}, err
	}
	resp, err := v.Client.Do(r)
	if err != nil {
		return jwt.Set{}, err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	if resp.StatusCode != http.StatusOK {
		return jwt.Set{}, fmt.Errorf("%s answers %s", v.KeySet, resp.Status)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, jwt.MaxKeySet+1))
	if err != nil {
		return jwt.Set{}, err
	}
	return jwt.ParseJWKS(data)
}
