package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// SignIn implements session.Store. Locks are taken in the order tenant, connection, user, so that a revocation either
// waits for this sign-in and ends its session, or is seen by it.
func (s *Store) SignIn(ctx context.Context, in session.SignIn) (session.Session, directory.User, error) {
	if err := checkIdentity(in.Identity); err != nil {
		return session.Session{}, directory.User{}, err
	}
	var out session.Session
	var user directory.User
	err := s.write(ctx, "sign in", func(ctx context.Context, t *tx) (err error) {
		out, user, err = t.signIn(ctx, in)
		return err
	})
	if err != nil {
		return session.Session{}, directory.User{}, err
	}
	return out, user, nil
}

// rules is what tenant and connection say about a sign-in, read under lock.
type rules struct {
	tenant            tenant.Tenant
	connectionEpoch   int64
	connectionVersion int64
	join              idp.Join
	provider          idp.Provider
	protocol          idp.Protocol
}

func (t *tx) signIn(ctx context.Context, in session.SignIn) (session.Session, directory.User, error) {
	none := session.Session{}
	r, err := t.lockRules(ctx, in.Identity)
	if err != nil {
		return none, directory.User{}, err
	}
	if in.ConnectionEpoch != 0 && in.ConnectionEpoch != r.connectionEpoch || in.ConnectionVersion != 0 && in.ConnectionVersion != r.connectionVersion {
		return none, directory.User{}, &idp.Error{Code: idp.CodeConnection, Detail: "changed", Err: errors.New("the connection changed while this sign-in was under way")}
	}
	if err := t.burnAll(ctx, in); err != nil {
		return none, directory.User{}, err
	}
	if err := t.signedOutMeanwhile(ctx, in); err != nil {
		return none, directory.User{}, err
	}
	if in.Identity.Joins, err = t.joins(ctx, r, in.Identity); err != nil {
		return none, directory.User{}, err
	}
	user, err := t.person(ctx, r, in.Identity)
	if err != nil {
		return none, directory.User{}, err
	}
	if err := t.replace(ctx, in); err != nil {
		return none, directory.User{}, err
	}
	out, err := t.insertSession(ctx, r, in, user)
	if err != nil {
		return none, directory.User{}, err
	}
	return out, user, t.record(ctx, audit.Event{
		Tenant: user.Tenant, Actor: string(user.ID), Action: audit.SignedIn, Target: out.Hash.SID(), Connection: out.Connection,
		Subject: in.Identity.Subject, Outcome: "ok", RequestID: in.RequestID, IP: in.IP,
	})
}

func (t *tx) lockRules(ctx context.Context, i idp.Identity) (rules, error) {
	gone := &idp.Error{Code: idp.CodeConnection, Err: fmt.Errorf("connection %.60q is disabled or gone", i.Connection)}
	var r rules
	var err error
	r.tenant, err = scanTenant(t.QueryRowContext(ctx, "SELECT "+tenantColumns+" FROM tenants WHERE id = $1 FOR SHARE", i.Tenant).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return r, gone
	}
	if err != nil {
		return r, fmt.Errorf("read tenant: %w", err)
	}
	var enabled bool
	q := "SELECT enabled, epoch, version, join_rule, provider, protocol FROM connections WHERE tenant = $1 AND id = $2 FOR SHARE"
	err = t.QueryRowContext(ctx, q, i.Tenant, i.Connection).Scan(&enabled, &r.connectionEpoch, &r.connectionVersion, &r.join, &r.provider, &r.protocol)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !enabled {
		return r, gone
	}
	return r, err
}

func (t *tx) burnAll(ctx context.Context, in session.SignIn) error {
	i := in.Identity
	for _, o := range i.Once {
		if err := t.burn(ctx, i.Tenant, i.Connection, o.Kind, sha256.Sum256([]byte(o.Value)), o.Expires); err != nil {
			return err
		}
	}
	if in.Attempt == [16]byte{} {
		return nil
	}
	return t.burn(ctx, i.Tenant, i.Connection, session.KindAttempt, sha256.Sum256(in.Attempt[:]), t.at.Add(time.Hour))
}

func (t *tx) burn(ctx context.Context, id tenant.ID, c idp.ConnectionID, kind string, value [sha256.Size]byte, expires time.Time) error {
	n, err := t.exec(ctx, "INSERT INTO seen (tenant, connection, kind, hash, expires) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
		id, c, kind, hex.EncodeToString(value[:]), micros(expires))
	if err != nil {
		return fmt.Errorf("burn %s: %w", kind, err)
	}
	if n == 0 {
		return &session.UsedError{Kind: kind}
	}
	return nil
}

// Burn implements session.Burner.
func (s *Store) Burn(ctx context.Context, t tenant.ID, c idp.ConnectionID, kind string, value [sha256.Size]byte, expires time.Time) error {
	return s.write(ctx, "burn", func(ctx context.Context, w *tx) error { return w.burn(ctx, t, c, kind, value, expires) })
}

// person finds who an identity is, or makes them where the tenant's directory is filled by signing in.
func (t *tx) person(ctx context.Context, r rules, i idp.Identity) (directory.User, error) {
	user, seq, err := t.linked(ctx, i)
	linked := !errors.Is(err, directory.ErrNotFound)
	if linked && err != nil {
		return user, err
	}
	if !linked || user.Source == directory.JIT {
		joined, to, err := t.join(ctx, i, user, seq)
		if err != nil {
			return user, err
		}
		if to != 0 {
			user, seq, linked = joined, to, true
		}
	}
	// After the link: a deletion removes the link and writes the tombstone at once, so whoever missed the one meets the
	// other. Whom SCIM has is not dead, whatever stands on an old stone.
	if user.Source != directory.SCIM {
		if err := t.buried(ctx, i); err != nil {
			return user, err
		}
	}
	switch {
	case linked && !user.Active:
		return user, &idp.Error{Code: idp.CodeInactive, Err: fmt.Errorf("user %s is not active", user.ID)}
	case r.tenant.SCIM && (!linked || user.Source != directory.SCIM):
		return user, &idp.Error{
			Code: idp.CodeNotProvisioned, Err: errors.New("no provisioned user is linked to this subject"),
			Hint: "The directory is filled over SCIM and does not have this person: assign them to the application at the identity provider.",
		}
	case !r.tenant.SCIM && i.GroupState == idp.GroupsUnknown:
		return user, idp.Overage(r.protocol, r.provider)
	case !linked:
		if err := t.shutOut(ctx, i); err != nil {
			return user, err
		}
		return t.insertPerson(ctx, i)
	}
	return t.updatePerson(ctx, user, seq, i)
}

// linked locks the user an identity is linked to.
func (t *tx) linked(ctx context.Context, i idp.Identity) (directory.User, int64, error) {
	var seq int64
	q := "SELECT user_seq FROM links WHERE tenant = $1 AND connection = $2 AND iss = $3 AND sub = $4"
	err := t.QueryRowContext(ctx, q, i.Tenant, i.Connection, i.Issuer, i.Subject).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return directory.User{}, 0, directory.ErrNotFound
	}
	if err != nil {
		return directory.User{}, 0, fmt.Errorf("read link: %w", err)
	}
	q = "SELECT " + userColumns + " FROM users WHERE tenant = $1 AND seq = $2 FOR UPDATE"
	u, seq, err := scanUser(t.QueryRowContext(ctx, q, i.Tenant, seq).Scan)
	if errors.Is(err, directory.ErrNotFound) {
		return u, 0, errAgain // deleted between the two reads
	}
	return u, seq, err
}

// buried refuses whoever a tombstone keeps out: by the same subject, or by the same name over the same connection, or
// by the name that their provider had provisioned. A connection that was replaced says nothing more about its people, so
// there the name alone counts.
func (t *tx) buried(ctx context.Context, i idp.Identity) error {
	name := directory.Fold(userName(i))
	q := `SELECT (SELECT COUNT(*) FROM tombstone_links WHERE tenant = $1 AND connection = $2 AND iss = $3 AND sub = $4)
		+ (SELECT COUNT(*) FROM tombstone_links WHERE tenant = $1 AND connection = $2 AND join_value IN ($5, $8))
		+ (SELECT COUNT(*) FROM tombstones WHERE tenant = $1 AND user_name_ci = $5 AND source = 'scim')
		+ (SELECT COUNT(*) FROM tombstones WHERE tenant = $1 AND user_name_ci = $6 AND user_name_ci <> '')
		+ (SELECT COUNT(*) FROM tombstones WHERE tenant = $1 AND external_id = $7 AND external_id <> '')
		+ (SELECT COUNT(*) FROM tombstones b WHERE b.tenant = $1 AND b.user_name_ci IN ($5, $8) AND NOT EXISTS (SELECT 1 FROM tombstone_links l
			JOIN connections c ON c.tenant = l.tenant AND c.id = l.connection AND c.enabled = 1 WHERE l.tenant = $1 AND l.id = b.id))`
	var n int
	if err := t.QueryRowContext(ctx, q, i.Tenant, i.Connection, i.Issuer, i.Subject, name, i.Joins.UserName, i.Joins.ExternalID, formerName(i)).Scan(&n); err != nil {
		return fmt.Errorf("read tombstones: %w", err)
	}
	if n > 0 {
		return &idp.Error{
			Code: idp.CodeDeprovisioned, Err: errors.New("this person was deleted"),
			Hint: "This person was removed. An operator can let them in again by lifting their tombstone.",
		}
	}
	return nil
}

// shutOut refuses a subject nobody has seen who goes by the name of somebody that was switched off: they have a new
// account at this connection, or another issuer or connection has taken the place of the one they were known by.
func (t *tx) shutOut(ctx context.Context, i idp.Identity) error {
	var n int
	q := `SELECT COUNT(*) FROM users u WHERE u.tenant = $1 AND u.user_name_ci IN ($2, $4) AND u.source = 'jit' AND COALESCE(u.active, 0) = 0
		AND (EXISTS (SELECT 1 FROM links l WHERE l.tenant = $1 AND l.user_seq = u.seq AND l.connection = $3)
		OR NOT EXISTS (SELECT 1 FROM links l JOIN connections c ON c.tenant = l.tenant AND c.id = l.connection AND c.enabled = 1
			WHERE l.tenant = $1 AND l.user_seq = u.seq))`
	if err := t.QueryRowContext(ctx, q, i.Tenant, directory.Fold(userName(i)), i.Connection, formerName(i)).Scan(&n); err != nil {
		return fmt.Errorf("read people who were switched off: %w", err)
	}
	if n > 0 {
		return &idp.Error{
			Code: idp.CodeInactive, Err: errors.New("a person of this name is not active"),
			Hint: "Somebody of this name was switched off. If this is them, or somebody new who may go by it, an operator activates the old person first.",
		}
	}
	return nil
}

// userName names a user that a sign-in makes.
func userName(i idp.Identity) string {
	switch {
	case i.UserName != "":
		return i.UserName
	case i.EmailVerified && i.Email != "":
		return i.Email
	}
	return i.Subject + "@" + string(i.Connection)
}

// formerName is what a person of SAML went by who had nothing but a NameID, before their connection named people by an
// attribute: whoever was removed under it stays out.
func formerName(i idp.Identity) string {
	if !overSAML(i) {
		return directory.Fold(userName(i))
	}
	return directory.Fold(i.NameID.Value + "@" + string(i.Connection))
}

func asserted(i idp.Identity) document {
	d := document{DisplayName: i.DisplayName}
	if i.Email != "" {
		d.Emails = []directory.Email{{Value: i.Email, Type: "work", Primary: true}}
	}
	return d
}

func (t *tx) insertPerson(ctx context.Context, i idp.Identity) (directory.User, error) {
	doc := asserted(i)
	now := truncated(t.at)
	u := directory.User{
		ID: directory.NewUserID(), Tenant: i.Tenant, Source: directory.JIT, UserName: userName(i), DisplayName: doc.DisplayName,
		Emails: doc.Emails, Active: true, Epoch: 1, Version: 1, Created: now, Modified: now, LastSignIn: now,
	}
	text, err := encode("user document", doc)
	if err != nil {
		return u, err
	}
	var seq int64
	err = t.QueryRowContext(ctx, `INSERT INTO users (tenant, id, source, user_name, user_name_ci, external_id, active, epoch, version, created, modified, last_sign_in, doc)
		VALUES ($1, $2, $3, $4, $5, '', 1, 1, 1, $6, $6, $6, $7) RETURNING seq`,
		u.Tenant, u.ID, u.Source, u.UserName, directory.Fold(u.UserName), micros(now), text).Scan(&seq)
	if err != nil {
		return u, fmt.Errorf("create user: %w", err)
	}
	n, err := t.writeLink(ctx, seq, i, "", "DO NOTHING")
	if err != nil {
		return u, err
	}
	if n == 0 {
		return u, errAgain // the same person signed in twice at once, and the other was first
	}
	return u, t.userChanged(ctx, u, audit.UserCreated, "gate")
}

// updatePerson writes what this sign-in asserted over what the last one did. SCIM's rows keep their attributes: there
// the directory is the authority.
func (t *tx) updatePerson(ctx context.Context, u directory.User, seq int64, i idp.Identity) (directory.User, error) {
	u.LastSignIn = truncated(t.at)
	doc := document{DisplayName: u.DisplayName, Emails: u.Emails}
	if u.Source == directory.JIT && (u.UserName != userName(i) || !reflect.DeepEqual(doc, asserted(i))) {
		doc = asserted(i)
		u.UserName, u.DisplayName, u.Emails = userName(i), doc.DisplayName, doc.Emails
		u.Version, u.Modified = u.Version+1, u.LastSignIn
		text, err := encode("user document", doc)
		if err != nil {
			return u, err
		}
		_, err = t.exec(ctx, "UPDATE users SET user_name = $1, user_name_ci = $2, version = $3, modified = $4, doc = $5 WHERE tenant = $6 AND seq = $7",
			u.UserName, directory.Fold(u.UserName), u.Version, micros(u.Modified), text, u.Tenant, seq)
		if err != nil {
			return u, fmt.Errorf("update user: %w", err)
		}
	}
	if _, err := t.exec(ctx, "UPDATE users SET last_sign_in = $1 WHERE tenant = $2 AND seq = $3", micros(u.LastSignIn), u.Tenant, seq); err != nil {
		return u, fmt.Errorf("update user: %w", err)
	}
	t.changed(userChanged, u.Tenant, string(u.ID))
	_, err := t.writeLink(ctx, seq, i, "", `(tenant, connection, iss, sub) DO UPDATE SET join_value = excluded.join_value,
		group_state = excluded.group_state, group_names = excluded.group_names, claims = excluded.claims, seen = excluded.seen,
		join_external = excluded.join_external, join_name = excluded.join_name`)
	return u, err
}

func (t *tx) writeLink(ctx context.Context, seq int64, i idp.Identity, joined idp.Join, conflict string) (int64, error) {
	groups := i.Groups
	if i.GroupState != idp.GroupsListed || groups == nil {
		groups = []string{}
	}
	names, err := encode("groups", groups)
	if err != nil {
		return 0, err
	}
	claims, err := encode("claims", i.Claims)
	if err != nil {
		return 0, err
	}
	if len(claims) > maxClaims {
		return 0, &idp.Error{Code: claimsCode(i), Detail: "too-many", Err: fmt.Errorf("%d bytes of claims, at most %d", len(claims), maxClaims)}
	}
	n, err := t.exec(ctx, `INSERT INTO links (tenant, connection, iss, sub, user_seq, join_value, group_state, group_names, claims, seen,
			join_external, join_name, joined)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT `+conflict,
		i.Tenant, i.Connection, i.Issuer, i.Subject, seq, directory.Fold(userName(i)), int64(i.GroupState), names, claims, micros(t.at),
		i.Joins.ExternalID, i.Joins.UserName, joined)
	if err != nil {
		return 0, fmt.Errorf("write link: %w", err)
	}
	return n, nil
}

// replace ends the session that this browser had before.
func (t *tx) replace(ctx context.Context, in session.SignIn) error {
	if in.Replaces == nil {
		return nil
	}
	_, err := t.endSessions(ctx, in.Identity.Tenant, " AND id_hash = $4", []any{in.Replaces.String()}, "replaced")
	return err
}

func (t *tx) insertSession(ctx context.Context, r rules, in session.SignIn, user directory.User) (session.Session, error) {
	i := in.Identity
	limits := in.Limits.Within(r.tenant)
	if limits.Absolute <= 0 || limits.Idle <= 0 {
		return session.Session{}, errors.New("sign in: session limits are not set")
	}
	now := truncated(t.at)
	expiry := now.Add(limits.Absolute)
	if !i.SessionEnds.IsZero() && i.SessionEnds.Before(expiry) {
		expiry = truncated(i.SessionEnds)
	}
	if !expiry.After(now) {
		return session.Session{}, &idp.Error{Code: timeCode(i), Detail: "session-over", Err: errors.New("the provider's session is over already")}
	}
	out := session.Session{
		Hash: in.ID.Hash(), Tenant: i.Tenant, Connection: i.Connection, User: user.ID, Issuer: i.Issuer, Subject: i.Subject, IdPSID: i.SID,
		AuthTime: truncated(i.AuthTime), ACR: i.ACR, AMR: i.AMR, Created: now, AbsoluteExpiry: expiry, LastSeen: now,
		TenantEpoch: r.tenant.Epoch, ConnectionEpoch: r.connectionEpoch, UserEpoch: user.Epoch,
		IP: plain(in.IP), UserAgent: plain(in.UserAgent),
	}
	if err := t.writeSession(ctx, out, nameIDHash(i.NameID)); err != nil {
		return session.Session{}, err
	}
	t.changed(sessionChanged, out.Tenant, out.Hash.String())
	if err := t.writeNameID(ctx, out, i.NameID); err != nil {
		return session.Session{}, err
	}
	return out, t.writeTokens(ctx, out, i.IDToken)
}
