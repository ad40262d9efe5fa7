package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// A SCIM token is scim_TENANT_KEYID_SECRET_CRC. No part holds a _ of its own. The checksum tells a typing error, and a
// secret scanner's false alarm, from a token without asking the database.
const (
	tokenPrefix   = "scim"
	secretDigits  = 43 // of base62: 32 bytes
	crcDigits     = 6
	maxLiveTokens = 2 // one, and the one that replaces it
	maxToken      = 256
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func encode62(n *big.Int, digits int) string {
	out := make([]byte, digits)
	base, rest := big.NewInt(62), new(big.Int)
	n = new(big.Int).Set(n)
	for i := digits - 1; i >= 0; i-- {
		n.DivMod(n, base, rest)
		out[i] = base62[rest.Int64()]
	}
	return string(out)
}

func checksum(text string) string {
	return encode62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(text)))), crcDigits)
}

// liveToken is a token as a request is checked against it.
type liveToken struct {
	id      directory.TokenID
	hash    [sha256.Size]byte
	expires time.Time // zero: never
}

type tokenKey struct {
	tenant tenant.ID
	id     directory.TokenID
}

// parseToken reads the parts that say whose token it is. It proves nothing.
func parseToken(text string) (tokenKey, bool) {
	if len(text) > maxToken {
		return tokenKey{}, false
	}
	body, crc, ok := cutLast(text, '_')
	if !ok || crc != checksum(body) {
		return tokenKey{}, false
	}
	parts := strings.Split(body, "_")
	if len(parts) != 4 || parts[0] != tokenPrefix || len(parts[3]) != secretDigits {
		return tokenKey{}, false
	}
	t, err := tenant.ParseID(parts[1])
	return tokenKey{t, directory.TokenID(parts[2])}, err == nil
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// Tenant finds whose token it is and which. directory.ErrToken: it is nobody's, expired or revoked.
func (s *Store) Tenant(ctx context.Context, token secret.Text) (tenant.ID, directory.TokenID, error) {
	k, ok := parseToken(token.Reveal())
	if !ok {
		return "", "", directory.ErrToken
	}
	live, err := s.liveTokens(ctx, k.tenant)
	if err != nil {
		return "", "", err
	}
	hash := sha256.Sum256([]byte(token.Reveal()))
	now := s.now()
	for _, l := range live {
		if l.id == k.id && subtle.ConstantTimeCompare(l.hash[:], hash[:]) == 1 && (l.expires.IsZero() || now.Before(l.expires)) {
			s.scim.use(k, micros(now))
			return k.tenant, k.id, nil
		}
	}
	return "", "", directory.ErrToken
}

// errNoTokens is never kept in the cache: strangers would fill it with tenants they made up.
var errNoTokens = errors.New("no live tokens")

func (s *Store) liveTokens(ctx context.Context, t tenant.ID) (live []liveToken, err error) {
	load := func(ctx context.Context) ([]liveToken, error) { return s.loadTokens(ctx, t) }
	if s.trusted() {
		live, err = s.tokens.get(ctx, t, load)
	} else {
		live, err = load(ctx)
	}
	if errors.Is(err, errNoTokens) {
		return nil, nil
	}
	return live, err
}

func (s *Store) loadTokens(ctx context.Context, t tenant.ID) ([]liveToken, error) {
	var live []liveToken
	err := s.read(ctx, "read scim tokens", func(ctx context.Context, q querier) error {
		return q.scan(ctx, func(scan func(...any) error) error {
			var l liveToken
			var hash string
			var expires int64
			if err := scan(&l.id, &hash, &expires); err != nil {
				return err
			}
			l.expires = instant(expires)
			raw, err := hex.DecodeString(hash)
			if err != nil || len(raw) != sha256.Size {
				return fmt.Errorf("token %s: stored hash cannot be read", l.id)
			}
			copy(l.hash[:], raw)
			live = append(live, l)
			return nil
		}, "SELECT id, hash, expires FROM scim_tokens WHERE tenant = $1 AND revoked = 0", t)
	})
	if err == nil && len(live) == 0 {
		err = errNoTokens
	}
	return live, err
}

// CreateSCIMToken makes a token; its text is returned this once. A zero expires is never. directory.ErrTokens: the
// tenant has two already.
func (s *Store) CreateSCIMToken(ctx context.Context, t tenant.ID, label string, expires time.Time, actor string) (secret.Text, directory.Token, error) {
	if !storable(label) || len(label) > 200 {
		return secret.Text{}, directory.Token{}, errors.New("create scim token: label is not readable text of at most 200 bytes")
	}
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand aborts the program instead
	id := directory.TokenID(tenant.RandomName()[:8])
	text := strings.Join([]string{tokenPrefix, string(t), string(id), encode62(new(big.Int).SetBytes(random[:]), secretDigits)}, "_")
	text += "_" + checksum(text)
	hash := sha256.Sum256([]byte(text))
	out := directory.Token{ID: id, Tenant: t, Label: label, Expires: truncated(expires)}
	err := s.write(ctx, "create scim token", func(ctx context.Context, w *tx) error {
		out.Created = truncated(w.at)
		if err := w.lockTenant(ctx, t); err != nil {
			return err
		}
		var live int
		q := "SELECT COUNT(*) FROM scim_tokens WHERE tenant = $1 AND revoked = 0 AND (expires = 0 OR expires > $2)"
		if err := w.QueryRowContext(ctx, q, t, micros(w.at)).Scan(&live); err != nil {
			return err
		}
		if live >= maxLiveTokens {
			return fmt.Errorf("tenant %s: %w", t, directory.ErrTokens)
		}
		_, err := w.exec(ctx, `INSERT INTO scim_tokens (tenant, id, hash, label, created, expires, last_used, revoked)
			VALUES ($1, $2, $3, $4, $5, $6, 0, 0)`, t, id, hex.EncodeToString(hash[:]), label, micros(out.Created), micros(expires))
		if err != nil {
			return err
		}
		return w.tokenChanged(ctx, t, id, audit.TokenCreated, actor)
	})
	if err != nil {
		return secret.Text{}, directory.Token{}, err
	}
	return secret.New(text), out, nil
}

func (t *tx) tokenChanged(ctx context.Context, id tenant.ID, token directory.TokenID, what audit.Action, actor string) error {
	t.changed(realmChanged, id, "")
	return t.record(ctx, audit.Event{Tenant: id, Actor: actor, Action: what, Target: string(token), Outcome: "ok"})
}

// RevokeSCIMToken ends a token for good, on every replica. ErrNotFound: the tenant has no such token. Revoking twice
// changes nothing.
func (s *Store) RevokeSCIMToken(ctx context.Context, t tenant.ID, id directory.TokenID, actor string) error {
	if !storable(string(id)) {
		return ErrNotFound
	}
	return s.write(ctx, "revoke scim token", func(ctx context.Context, w *tx) error {
		var revoked int64
		n := 0
		err := w.scan(ctx, func(scan func(...any) error) error { n++; return scan(&revoked) },
			"SELECT revoked FROM scim_tokens WHERE tenant = $1 AND id = $2 FOR UPDATE", t, id)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("scim token %.20q: %w", id, ErrNotFound)
		}
		if revoked != 0 {
			return nil
		}
		if _, err := w.exec(ctx, "UPDATE scim_tokens SET revoked = $1 WHERE tenant = $2 AND id = $3", micros(w.at), t, id); err != nil {
			return err
		}
		return w.tokenChanged(ctx, t, id, audit.TokenRevoked, actor)
	})
}

// SCIMTokens lists a tenant's tokens, the newest first, revoked ones too.
func (s *Store) SCIMTokens(ctx context.Context, t tenant.ID) ([]directory.Token, error) {
	var all []directory.Token
	err := s.read(ctx, "list scim tokens", func(ctx context.Context, q querier) error {
		return q.scan(ctx, func(scan func(...any) error) error {
			k := directory.Token{Tenant: t}
			var created, expires, used, revoked int64
			err := scan(&k.ID, &k.Label, &created, &expires, &used, &revoked)
			used = max(used, s.scim.lastUse(tokenKey{t, k.ID}))
			k.Created, k.Expires, k.LastUsed, k.Revoked = instant(created), instant(expires), instant(used), instant(revoked)
			all = append(all, k)
			return err
		}, "SELECT id, label, created, expires, last_used, revoked FROM scim_tokens WHERE tenant = $1 ORDER BY created DESC, id", t)
	})
	return all, err
}

// flushTokens writes when tokens were used.
func (s *Store) flushTokens(ctx context.Context) error {
	used := s.scim.takeUses()
	if len(used) == 0 {
		return nil
	}
	err := s.write(ctx, "write when tokens were used", func(ctx context.Context, t *tx) error {
		for k, at := range used {
			_, err := t.exec(ctx, "UPDATE scim_tokens SET last_used = GREATEST(last_used, $1) WHERE tenant = $2 AND id = $3", at, k.tenant, k.id)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for k, at := range used {
			s.scim.use(k, at)
		}
	}
	return err
}
