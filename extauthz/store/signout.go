package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

const sealNameID = "name-id"

// nameIDHash is how sessions are found by a NameID: by its value alone, for one side may leave out format and qualifiers.
func nameIDHash(n idp.NameID) string {
	if n.Value == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(n.Value))
	return hex.EncodeToString(sum[:])
}

func (t *tx) writeNameID(ctx context.Context, s session.Session, n idp.NameID) error {
	if n.Value == "" {
		return nil
	}
	text, err := encode("name id", n)
	if err != nil {
		return err
	}
	sealed, err := t.s.o.Sealer.Seal(sealNameID, row(s.Tenant, s.Hash.String()), []byte(text))
	if err != nil {
		return fmt.Errorf("seal name id: %w", err)
	}
	_, err = t.exec(ctx, "INSERT INTO session_name_ids (id_hash, tenant, name_id) VALUES ($1, $2, $3)", s.Hash.String(), s.Tenant, sealed)
	if err != nil {
		return fmt.Errorf("write name id: %w", err)
	}
	return nil
}

// openNameID reads what writeNameID wrote; nothing sealed is no NameID.
func (s *Store) openNameID(t tenant.ID, hash string, sealed []byte) (n idp.NameID, err error) {
	if sealed == nil {
		return n, nil
	}
	plain, err := s.o.Sealer.Open(sealNameID, row(t, hash), sealed)
	if err != nil {
		return n, fmt.Errorf("name id: %w", err)
	}
	return n, decodeStrict("name id", string(plain), &n)
}

// wantsConnection refuses a revocation that would say something else than its caller meant.
func wantsConnection(r session.Revocation) error {
	switch {
	case r.NameID == nil && len(r.SessionIndexes) > 0:
		return errors.New("revoke sessions: session indexes want a NameID")
	case r.NameID != nil && (r.NameID.Value == "" || r.User != "" || r.Hash != nil):
		return errors.New("revoke sessions: a NameID wants a value, and neither user nor session beside it")
	case r.Connection == "" && (r.NameID != nil || len(r.Once) > 0):
		return errors.New("revoke sessions: a NameID, or a value to burn, wants a connection")
	}
	return nil
}

// namedSessions are the live sessions of a NameID's value; conditions go on from $4. That the hash is not empty lets the
// database use the index, which has no other.
const namedSessions = `SELECT s.id_hash, s.idp_sid, (SELECT n.name_id FROM session_name_ids n WHERE n.id_hash = s.id_hash) FROM sessions s
	WHERE s.tenant = $1 AND s.idp_subject_hash = $2 AND s.idp_subject_hash <> '' AND s.revoked_at = 0 AND s.abs_expiry > $3`

// signOut ends the sessions of a NameID. The caller holds the lock of the connection's row, which every sign-in shares:
// one that is being written is waited for and ended here, a later one meets what signOut leaves behind.
func (t *tx) signOut(ctx context.Context, id tenant.ID, r session.Revocation, where string, args []any) (int, error) {
	if err := t.rememberSignOut(ctx, id, r); err != nil {
		return 0, err
	}
	var hashes []string
	args = append([]any{id, nameIDHash(*r.NameID), micros(t.at)}, args...)
	err := t.scan(ctx, func(scan func(...any) error) error {
		var hash, index string
		var sealed []byte
		if err := scan(&hash, &index, &sealed); err != nil {
			return err
		}
		have, err := t.s.openNameID(id, hash, sealed)
		if err != nil {
			return err
		}
		if sameName(have, *r.NameID) && covers(r.SessionIndexes, index) {
			hashes = append(hashes, hash)
		}
		return nil
	}, namedSessions+where, args...)
	if err != nil {
		return 0, fmt.Errorf("find sessions of a NameID: %w", err)
	}
	for _, h := range hashes {
		if _, err := t.endSessions(ctx, id, " AND id_hash = $4", []any{h}, plain(r.Reason)); err != nil {
			return 0, err
		}
	}
	return len(hashes), nil
}

// covers reports that a sign-out of these indexes covers a session. One that was given none cannot be named by any: which of
// the provider's sessions it belongs to nobody knows, so it ends with all of them.
func covers(indexes []string, index string) bool {
	return len(indexes) == 0 || index == "" || slices.Contains(indexes, index)
}

// sameName compares format and qualifiers where both sides have them. A format that is not specified is none
// (SAML 2.0 Core §2.2.2, §8.3.1).
func sameName(a, b idp.NameID) bool {
	same := func(x, y string) bool { return x == "" || y == "" || x == y }
	return a.Value == b.Value && same(format(a), format(b)) && same(a.NameQualifier, b.NameQualifier) && same(a.SPNameQualifier, b.SPNameQualifier)
}

func format(n idp.NameID) string {
	if n.Format == "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified" {
		return ""
	}
	return n.Format
}

// signedOut is the kind under which a sign-out is remembered among the values that are accepted once.
const signedOut = "signed-out"

// keepSignOut is how long a sign-out ends sign-ins that had begun before it: longer than an attempt lives.
const keepSignOut = 15 * time.Minute

// signOutKey names a person's sessions of one index; of all of them where index is empty.
func signOutKey(n idp.NameID, index string) string { return signOutHash(n, "/"+index) }

// anySignOutKey names those that have no index, which end with any.
func anySignOutKey(n idp.NameID) string { return signOutHash(n, "*") }

func signOutHash(n idp.NameID, what string) string {
	sum := sha256.Sum256([]byte(nameIDHash(n) + what))
	return hex.EncodeToString(sum[:])
}

func (t *tx) rememberSignOut(ctx context.Context, id tenant.ID, r session.Revocation) error {
	keys := []string{anySignOutKey(*r.NameID)}
	if len(r.SessionIndexes) == 0 {
		keys = append(keys, signOutKey(*r.NameID, ""))
	}
	for _, index := range r.SessionIndexes {
		keys = append(keys, signOutKey(*r.NameID, index))
	}
	for _, key := range keys {
		_, err := t.exec(ctx, `INSERT INTO seen (tenant, connection, kind, hash, expires) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant, connection, kind, hash) DO UPDATE SET expires = GREATEST(seen.expires, excluded.expires)`,
			id, r.Connection, signedOut, key, micros(t.at.Add(keepSignOut)))
		if err != nil {
			return fmt.Errorf("remember sign-out: %w", err)
		}
	}
	return nil
}

// signedOutMeanwhile refuses an assertion whose person was signed out after the attempt for it began: the provider made
// it before the sign-out, which covers it (SAML 2.0 Core §3.7.3.2). What begins after the sign-out is a new session.
func (t *tx) signedOutMeanwhile(ctx context.Context, in session.SignIn) error {
	i := in.Identity
	if i.NameID.Value == "" {
		return nil
	}
	own := signOutKey(i.NameID, i.SID)
	if i.SID == "" {
		own = anySignOutKey(i.NameID)
	}
	var until sql.NullInt64
	err := t.QueryRowContext(ctx, "SELECT MAX(expires) FROM seen WHERE tenant = $1 AND connection = $2 AND kind = $3 AND hash IN ($4, $5)",
		i.Tenant, i.Connection, signedOut, signOutKey(i.NameID, ""), own).Scan(&until)
	if err != nil {
		return fmt.Errorf("read sign-outs: %w", err)
	}
	if !until.Valid || in.Begun.After(instant(until.Int64).Add(-keepSignOut)) {
		return nil
	}
	return &idp.Error{
		Code: idp.CodeSAMLAuthn, Detail: "signed-out", Err: errors.New("the person was signed out while this sign-in was under way"),
		Hint: "The identity provider signed this person out while they signed in. They sign in again.",
	}
}
