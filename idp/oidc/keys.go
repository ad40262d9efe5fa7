package oidc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/jwt"
)

const (
	renewEvery  = 30 * time.Second // fetches that tokens can force
	unknownFor  = 60 * time.Second // how long a key id counts as unknown
	maxUnknown  = 1000
	maxKeyID    = 256
	keysHint    = "The identity provider's keys do not verify its token. It is changing keys, or the connection's issuer is another one's: start again in a minute."
	keysDocHint = "The document at jwks_uri of the identity provider's metadata must be a JSON Web Key Set."
)

// keySet is a provider's published keys.
//
// Why not the one of go-oidc: it never forgets a key, and it fetches again for every unknown key id and for every bad
// signature, so whoever can send tokens decides how many requests the gate makes.
type keySet struct {
	doc *document[jwt.Set]
	now func() time.Time

	mu      sync.Mutex
	renewed time.Time
	unknown map[string]time.Time // key id → when it may be asked for again
}

func newKeySet(c *Connector, conn idp.Connection) *keySet {
	return &keySet{now: c.Now, unknown: map[string]time.Time{}, doc: newDocument(&document[jwt.Set]{
		soft: keysSoft, hard: keysHard, now: c.Now,
		load: func(ctx context.Context, source string) ([]byte, error) {
			return c.fetch(ctx, kindKeys, source, jwt.MaxKeySet)
		},
		parse:  parseKeys,
		saved:  func(ctx context.Context) (string, []byte, time.Time, error) { return c.saved(ctx, conn, kindKeys) },
		save:   func(ctx context.Context, s string, b []byte, at time.Time) { c.save(ctx, conn, kindKeys, s, b, at) },
		failed: c.staleAlarm(conn, kindKeys),
	})}
}

func parseKeys(body []byte) (jwt.Set, error) {
	set, err := jwt.ParseJWKS(body)
	if err != nil {
		return jwt.Set{}, fault(idp.CodeMetadata, keysDocHint, "read keys: not a key set")
	}
	return set, nil
}

// verify returns the payload of a token signed by one of the keys at source.
func (k *keySet) verify(ctx context.Context, source string, t jwt.Token, algs []string) ([]byte, error) {
	set, err := k.doc.get(ctx, source)
	if err != nil {
		return nil, err
	}
	payload, _, err := t.Verify(set, algs)
	if err == nil || !renewable(t.Header.KeyID, err) {
		return payload, signatureFault(err)
	}
	set, err = k.doc.renew(ctx, source, func() bool { return k.mayRenew(t.Header.KeyID) })
	if err != nil {
		return nil, err
	}
	payload, _, err = t.Verify(set, algs)
	return payload, signatureFault(err)
}

// renewable tells the failures that newer keys could mend. A bad signature under a key we hold is none; without a key
// id nobody can tell a new key from a bad signature, so the token gets the benefit.
func renewable(kid string, err error) bool {
	return errors.Is(err, jwt.ErrNoKey) || kid == "" && errors.Is(err, jwt.ErrSignature)
}

// mayRenew decides whether a token may cost a request.
func (k *keySet) mayRenew(kid string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if now.Before(k.unknown[kid]) || now.Sub(k.renewed) < renewEvery || len(kid) > maxKeyID {
		return false
	}
	if len(k.unknown) >= maxUnknown {
		clear(k.unknown) // the limit per time still holds
	}
	k.unknown[kid], k.renewed = now.Add(unknownFor), now
	return true
}

// signatureFault gives each way a check can fail its code.
func signatureFault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jwt.ErrAlg):
		return wrapped(idp.CodeAlgorithm, algHint, fmt.Errorf("verify signature: %w", err))
	case errors.Is(err, jwt.ErrMalformed):
		return wrapped(idp.CodeResponse, tokenHint, fmt.Errorf("verify signature: %w", err))
	default:
		return wrapped(idp.CodeSignature, keysHint, fmt.Errorf("verify signature: %w", err))
	}
}
