package store

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp/secret"
)

const sealKey = "key"

// keyMargin is how long past a session's longest life a retired key still opens.
const keyMargin = time.Hour

func keyRow(k session.Key) string { return string(k.Purpose) + "/" + k.ID }

// newKey draws a key of any purpose.
func newKey(p session.Purpose, created, activeFrom time.Time) (session.Key, error) {
	k := session.NewKey(p, created, activeFrom)
	if p != session.ForAssertion {
		return k, nil
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return k, fmt.Errorf("make %s key: %w", p, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return k, fmt.Errorf("make %s key: %w", p, err)
	}
	k.Material = secret.New(string(der))
	return k, nil
}

func (t *tx) insertKey(ctx context.Context, k session.Key) error {
	sealed, err := t.s.o.Sealer.Seal(sealKey, keyRow(k), []byte(k.Material.Reveal()))
	if err != nil {
		return fmt.Errorf("seal key: %w", err)
	}
	_, err = t.exec(ctx, "INSERT INTO keys (id, purpose, material, created, active_from) VALUES ($1, $2, $3, $4, $5)",
		k.ID, k.Purpose, sealed, micros(k.Created), micros(k.ActiveFrom))
	return err
}

// firstKeys makes the key ring of a new installation: one set, however many processes open it at once.
func (s *Store) firstKeys(ctx context.Context) error {
	have, err := s.Keys(ctx)
	if err != nil || complete(have) {
		return err
	}
	return s.write(ctx, "make first keys", func(ctx context.Context, t *tx) error {
		if err := t.lockKeys(ctx); err != nil {
			return err
		}
		for _, p := range purposes() {
			var n int
			if err := t.QueryRowContext(ctx, "SELECT COUNT(*) FROM keys WHERE purpose = $1", p).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				continue
			}
			k, err := newKey(p, t.at, t.at)
			if err != nil {
				return err
			}
			if err := t.insertKey(ctx, k); err != nil {
				return err
			}
			t.changed(keysChanged, "", "")
		}
		return nil
	})
}

func purposes() []session.Purpose {
	return []session.Purpose{session.ForCookie, session.ForState, session.ForAssertion}
}

// complete reports whether a ring has a key of every purpose.
func complete(keys []session.Key) bool {
	return !slices.ContainsFunc(purposes(), func(p session.Purpose) bool {
		return !slices.ContainsFunc(keys, func(k session.Key) bool { return k.Purpose == p })
	})
}

// lockKeys lets one writer at a time change the ring. SQLite's writer is alone anyway.
func (t *tx) lockKeys(ctx context.Context) error {
	if t.s.path != "" {
		return nil
	}
	_, err := t.exec(ctx, "LOCK TABLE keys IN SHARE ROW EXCLUSIVE MODE")
	return err
}

// Keys reads the key ring.
func (s *Store) Keys(ctx context.Context) ([]session.Key, error) {
	var all []session.Key
	err := s.read(ctx, "read keys", func(ctx context.Context, q querier) error {
		all = nil
		return q.scan(ctx, func(scan func(...any) error) error {
			var k session.Key
			var sealed []byte
			var created, activeFrom int64
			if err := scan(&k.ID, &k.Purpose, &sealed, &created, &activeFrom); err != nil {
				return err
			}
			k.Created, k.ActiveFrom = instant(created), instant(activeFrom)
			material, err := s.o.Sealer.Open(sealKey, keyRow(k), sealed)
			if err != nil {
				return fmt.Errorf("key %s: %w: is this the root key the store was made with?", k.ID, err)
			}
			k.Material = secret.New(string(material))
			all = append(all, k)
			return nil
		}, "SELECT id, purpose, material, created, active_from FROM keys ORDER BY active_from DESC, created DESC, id")
	})
	return all, err
}

// publishKeys tells the key ring to whoever seals with it.
func (s *Store) publishKeys(ctx context.Context) error {
	keys, err := s.Keys(ctx)
	if err == nil && s.o.OnKeys != nil {
		s.o.OnKeys(keys)
	}
	return err
}

// RotateKeys adds new keys and returns the ring. They seal when every replica can have read them: at once on SQLite,
// in five seconds on PostgreSQL; the assertion key in ten minutes, when upstreams have fetched the new key set. Old
// keys go when nothing that they sealed can still be valid.
func (s *Store) RotateKeys(ctx context.Context, actor string) ([]session.Key, error) {
	err := s.write(ctx, "rotate keys", func(ctx context.Context, t *tx) error {
		if err := t.lockKeys(ctx); err != nil {
			return err
		}
		for p, in := range map[session.Purpose]time.Duration{
			session.ForCookie: s.keyDelay(), session.ForState: s.keyDelay(), session.ForAssertion: 10 * time.Minute,
		} {
			if err := t.rotate(ctx, p, t.at.Add(in)); err != nil {
				return err
			}
		}
		t.changed(keysChanged, "", "")
		return t.record(ctx, audit.Event{Actor: actor, Action: audit.KeysRotated, Outcome: "ok"})
	})
	if err != nil {
		return nil, err
	}
	return s.Keys(ctx)
}

func (s *Store) keyDelay() time.Duration {
	if s.path != "" {
		return 0
	}
	return 5 * time.Second
}

func (t *tx) rotate(ctx context.Context, p session.Purpose, activeFrom time.Time) error {
	k, err := newKey(p, t.at, activeFrom)
	if err != nil {
		return err
	}
	if err := t.insertKey(ctx, k); err != nil {
		return err
	}
	absolute := t.s.o.Limits.Absolute
	if absolute <= 0 {
		return nil // how long sessions live is not known here
	}
	// A key stopped sealing when its successor began.
	_, err = t.exec(ctx, `DELETE FROM keys WHERE purpose = $1 AND EXISTS
		(SELECT 1 FROM keys AS n WHERE n.purpose = keys.purpose AND n.active_from > keys.active_from AND n.active_from < $2)`,
		p, micros(t.at.Add(-absolute-keyMargin)))
	return err
}
