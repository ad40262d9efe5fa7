package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

type sessionKey struct {
	tenant tenant.ID
	hash   session.Hash
}

// sessionEntry is a cached session, or the knowledge that there is none until an instant.
type sessionEntry struct {
	session session.Session
	seen    atomic.Int64
	loaded  time.Time
	absent  bool
}

// see raises last seen.
func (e *sessionEntry) see(at int64) {
	for {
		have := e.seen.Load()
		if at <= have || e.seen.CompareAndSwap(have, at) {
			return
		}
	}
}

// keepAbsent is how long it is remembered that a session does not exist.
const keepAbsent = 30 * time.Second

const sessionColumns = `s.id_hash, s.tenant, s.connection, s.user_id, s.iss, s.sub, s.idp_sid, s.auth_time, s.acr, s.amr, s.created,
	s.abs_expiry, s.last_seen, s.tenant_epoch, s.connection_epoch, s.user_epoch, s.ip, s.user_agent, s.revoked_at, s.revoked_reason`

func scanSession(scan func(...any) error) (session.Session, error) {
	var out session.Session
	var hash, amr string
	var authTime, created, expiry, seen, revoked int64
	err := scan(&hash, &out.Tenant, &out.Connection, &out.User, &out.Issuer, &out.Subject, &out.IdPSID, &authTime, &out.ACR, &amr, &created,
		&expiry, &seen, &out.TenantEpoch, &out.ConnectionEpoch, &out.UserEpoch, &out.IP, &out.UserAgent, &revoked, &out.RevokedReason)
	if err != nil {
		return out, err
	}
	out.AuthTime, out.Created, out.AbsoluteExpiry, out.LastSeen = instant(authTime), instant(created), instant(expiry), instant(seen)
	out.RevokedAt = instant(revoked)
	if out.Hash, err = session.ParseHash(hash); err != nil {
		return out, err
	}
	return out, decode("amr", amr, &out.AMR)
}

// Get implements session.Store.
func (s *Store) Get(ctx context.Context, t tenant.ID, h session.Hash) (session.Session, error) {
	k := sessionKey{t, h}
	e, err := s.entry(ctx, k)
	if err != nil {
		return session.Session{}, err
	}
	if e.absent {
		return session.Session{}, session.ErrNotFound
	}
	out := e.session
	out.AMR = slices.Clone(out.AMR)
	if seen, stored := s.touches.last(k, e.seen.Load()), micros(out.LastSeen); seen > stored {
		out.LastSeen = instant(seen)
	}
	return out, nil
}

func (s *Store) entry(ctx context.Context, k sessionKey) (*sessionEntry, error) {
	load := func(ctx context.Context) (*sessionEntry, error) { return s.loadSession(ctx, k) }
	if !s.trusted() {
		return load(ctx)
	}
	e, err := s.sessions.get(ctx, k, load)
	if err == nil && s.old(k, e) {
		s.sessions.replace(k, func(have *sessionEntry) bool { return have == e })
		return s.sessions.get(ctx, k, load)
	}
	return e, err
}

// old reports a copy that says something the change feed does not correct: that there is no such session, or that
// nobody was seen in one. Another replica may have seen them, and says so in the database without telling the feed.
func (s *Store) old(k sessionKey, e *sessionEntry) bool {
	age := s.now().Sub(e.loaded)
	if e.absent {
		return age >= keepAbsent
	}
	step := max(s.flushStep(), time.Second)
	return s.path == "" && age >= step && micros(s.now())-s.touches.last(k, e.seen.Load()) >= step.Microseconds()
}

func (s *Store) loadSession(ctx context.Context, k sessionKey) (*sessionEntry, error) {
	e := &sessionEntry{loaded: s.now()}
	err := s.read(ctx, "read session", func(ctx context.Context, q querier) (err error) {
		e.session, err = scanSession(q.QueryRowContext(ctx, "SELECT "+sessionColumns+" FROM sessions s WHERE s.tenant = $1 AND s.id_hash = $2",
			k.tenant, k.hash.String()).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			e.absent = true
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	e.seen.Store(micros(e.session.LastSeen))
	return e, nil
}

// Touch implements session.Store.
func (s *Store) Touch(t tenant.ID, h session.Hash, at time.Time) {
	s.touches.add(sessionKey{t, h}, micros(at))
}

func (t *tx) writeSession(ctx context.Context, n session.Session, nameID string) error {
	amr := n.AMR
	if amr == nil {
		amr = []string{}
	}
	text, err := encode("amr", amr)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `INSERT INTO sessions (id_hash, tenant, connection, user_id, iss, sub, idp_sid, auth_time, acr, amr, created,
			abs_expiry, last_seen, tenant_epoch, connection_epoch, user_epoch, ip, user_agent, revoked_at, revoked_reason, idp_subject_hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 0, '', $19)`,
		n.Hash.String(), n.Tenant, n.Connection, n.User, n.Issuer, n.Subject, n.IdPSID, micros(n.AuthTime), n.ACR, text, micros(n.Created),
		micros(n.AbsoluteExpiry), micros(n.LastSeen), n.TenantEpoch, n.ConnectionEpoch, n.UserEpoch, n.IP, n.UserAgent, nameID)
	if err != nil {
		return fmt.Errorf("write session: %w", err)
	}
	return nil
}

const sealIDToken = "id-token"

func (t *tx) writeTokens(ctx context.Context, n session.Session, token secret.Text) error {
	if token.Empty() {
		return nil
	}
	sealed, err := t.s.o.Sealer.Seal(sealIDToken, row(n.Tenant, n.Hash.String()), []byte(token.Reveal()))
	if err != nil {
		return fmt.Errorf("seal id token: %w", err)
	}
	_, err = t.exec(ctx, "INSERT INTO session_tokens (id_hash, tenant, id_token) VALUES ($1, $2, $3)", n.Hash.String(), n.Tenant, sealed)
	if err != nil {
		return fmt.Errorf("write session tokens: %w", err)
	}
	return nil
}

// Tokens implements session.Store.
func (s *Store) Tokens(ctx context.Context, t tenant.ID, h session.Hash) (session.Tokens, error) {
	var out session.Tokens
	err := s.read(ctx, "read session tokens", func(ctx context.Context, q querier) error {
		var token, nameID []byte
		err := q.QueryRowContext(ctx, `SELECT k.id_token, n.name_id FROM sessions s LEFT JOIN session_tokens k ON k.id_hash = s.id_hash
			LEFT JOIN session_name_ids n ON n.id_hash = s.id_hash WHERE s.tenant = $1 AND s.id_hash = $2`, t, h.String()).Scan(&token, &nameID)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if out.NameID, err = s.openNameID(t, h.String(), nameID); err != nil || token == nil {
			return err
		}
		plain, err := s.o.Sealer.Open(sealIDToken, row(t, h.String()), token)
		out.IDToken = secret.New(string(plain))
		return err
	})
	if err != nil {
		return session.Tokens{}, err
	}
	return out, nil
}

// Revoke implements session.Store. Whole users, connections and tenants are ended by their epoch, which also ends a
// session that a copy somewhere has not heard the end of.
func (s *Store) Revoke(ctx context.Context, id tenant.ID, r session.Revocation) (int, error) {
	if !storable(string(r.User)) || !storable(string(r.Connection)) || !storable(r.Subject) || !storable(r.IdPSID) {
		return 0, nil
	}
	if err := wantsConnection(r); err != nil {
		return 0, err
	}
	var n int
	err := s.write(ctx, "revoke sessions", func(ctx context.Context, t *tx) (err error) {
		raised, err := t.raiseEpoch(ctx, id, r)
		if err != nil {
			return err
		}
		for _, o := range r.Once {
			if err := t.burn(ctx, id, r.Connection, o.Kind, sha256.Sum256([]byte(o.Value)), o.Expires); err != nil {
				return err
			}
		}
		where, args := conditions(r)
		if r.NameID != nil {
			n, err = t.signOut(ctx, id, r, where, args)
		} else {
			n, err = t.endSessions(ctx, id, where, args, plain(r.Reason))
		}
		if err != nil || n == 0 && !raised {
			return err
		}
		return t.record(ctx, revoked(id, r, n))
	})
	return n, err
}

func revoked(id tenant.ID, r session.Revocation, n int) audit.Event {
	e := audit.Event{
		Tenant: id, Actor: r.Actor, Action: audit.SessionRevoked, Target: string(r.User), Connection: r.Connection, Subject: r.Subject,
		Outcome: "ok", Reason: r.Reason + " (" + strconv.Itoa(n) + " sessions)",
	}
	if r.Hash != nil {
		e.Target = r.Hash.SID()
	}
	return e
}

// conditions renders the fields that are set; $1 to $3 are endSessions' own.
func conditions(r session.Revocation) (where string, args []any) {
	var b strings.Builder
	add := func(condition string, value any) {
		args = append(args, value)
		fmt.Fprintf(&b, " AND %s $%d", condition, len(args)+3)
	}
	if r.Hash != nil {
		add("id_hash =", r.Hash.String())
	}
	if r.User != "" {
		add("user_id =", r.User)
	}
	if r.Connection != "" {
		add("connection =", r.Connection)
	}
	if r.Subject != "" {
		add("sub =", r.Subject)
	}
	if r.IdPSID != "" {
		add("idp_sid =", r.IdPSID)
	}
	if r.Except != nil {
		add("id_hash <>", r.Except.String())
	}
	return b.String(), args
}

// raiseEpoch locks the rows that the revoked sessions copied an epoch from: a sign-in under way is waited for, and its
// session is ended with the others. Where the revocation is all of a row's sessions the epoch rises.
func (t *tx) raiseEpoch(ctx context.Context, id tenant.ID, r session.Revocation) (bool, error) {
	if r.Hash != nil {
		return false, nil // a session that is named is there already
	}
	one := r.Except == nil && r.Subject == "" && r.IdPSID == "" && r.NameID == nil
	switch {
	case r.User != "":
		by := number(one && r.Connection == "")
		n, err := t.exec(ctx, "UPDATE users SET epoch = epoch + $1 WHERE tenant = $2 AND id = $3", by, id, r.User)
		t.changed(userChanged, id, string(r.User))
		return n > 0 && by > 0, err
	case r.Connection != "":
		by := number(one)
		n, err := t.exec(ctx, "UPDATE connections SET epoch = epoch + $1 WHERE tenant = $2 AND id = $3", by, id, r.Connection)
		if by > 0 { // else it was locked and left as it is: one sign-out is no reason for the tenant's copy to go
			t.changed(realmChanged, id, "")
		}
		return n > 0 && by > 0, err
	}
	by := number(one)
	n, err := t.exec(ctx, "UPDATE tenants SET epoch = epoch + $1 WHERE id = $2", by, id)
	t.changed(realmChanged, id, "")
	return n > 0 && by > 0, err
}

// endSessions revokes the live sessions of a tenant that fit. where continues the conditions, with args from $4 on.
func (t *tx) endSessions(ctx context.Context, id tenant.ID, where string, args []any, reason string) (int, error) {
	var hashes []string
	err := t.scan(ctx, func(scan func(...any) error) error {
		var h string
		err := scan(&h)
		hashes = append(hashes, h)
		return err
	}, "UPDATE sessions SET revoked_at = $2, revoked_reason = $3 WHERE tenant = $1 AND revoked_at = 0 AND abs_expiry > $2"+where+" RETURNING id_hash",
		append([]any{id, micros(t.at), reason}, args...)...)
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	if len(hashes) > manySessions {
		t.changed(sessionsChanged, id, "")
		return len(hashes), nil
	}
	for _, h := range hashes {
		t.changed(sessionChanged, id, h)
	}
	return len(hashes), nil
}

// List implements session.Store. Live sessions are those that no revocation, epoch, limit or switch has ended.
func (s *Store) List(ctx context.Context, t tenant.ID, want session.Query) ([]session.Session, error) {
	if !storable(string(want.User)) || !storable(string(want.Connection)) {
		return nil, nil
	}
	if want.Limit <= 0 {
		want.Limit = 100
	}
	live := ` AND s.revoked_at = 0 AND s.abs_expiry > $5 AND EXISTS (SELECT 1 FROM tenants t
		JOIN connections c ON c.tenant = t.id AND c.id = s.connection JOIN users u ON u.tenant = t.id AND u.id = s.user_id
		WHERE t.id = s.tenant AND c.enabled = 1 AND t.epoch = s.tenant_epoch AND c.epoch = s.connection_epoch AND u.epoch = s.user_epoch)`
	args := []any{t, want.User, want.Connection, want.Limit, micros(s.now())}
	if want.Ended {
		live, args = "", args[:4]
	}
	var all []session.Session
	err := s.read(ctx, "list sessions", func(ctx context.Context, q querier) error {
		return q.scan(ctx, func(scan func(...any) error) error {
			out, err := scanSession(scan)
			out.LastSeen = instant(s.touches.last(sessionKey{t, out.Hash}, micros(out.LastSeen)))
			all = append(all, out)
			return err
		}, "SELECT "+sessionColumns+` FROM sessions s WHERE s.tenant = $1 AND ($2 = '' OR s.user_id = $2)
			AND ($3 = '' OR s.connection = $3)`+live+" ORDER BY s.created DESC, s.id_hash LIMIT $4", args...)
	})
	return all, err
}
