package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// settings is how a connection's settings are stored; the client secret stands beside them, sealed.
type settings struct {
	Issuer         string            `json:"issuer,omitempty"`
	ClientID       string            `json:"client_id,omitempty"`
	ClientAuth     idp.ClientAuth    `json:"client_auth,omitempty"`
	Scopes         []string          `json:"scopes,omitempty"`
	Claims         idp.ClaimNames    `json:"claims"`
	SharedCallback bool              `json:"shared_callback,omitempty"`
	UserInfo       bool              `json:"user_info,omitempty"`
	Prompt         string            `json:"prompt,omitempty"`
	ACRValues      []string          `json:"acr_values,omitempty"`
	MaxAge         *time.Duration    `json:"max_age,omitempty"` // nanoseconds
	Audiences      []string          `json:"audiences,omitempty"`
	Extra          map[string]string `json:"extra,omitempty"`
}

func encodeSettings(o idp.OIDCSettings) (string, error) {
	return encode("settings", settings{
		Issuer: o.Issuer, ClientID: o.ClientID, ClientAuth: o.ClientAuth, Scopes: o.Scopes, Claims: o.Claims,
		SharedCallback: o.SharedCallback, UserInfo: o.UserInfo, Prompt: o.Prompt, ACRValues: o.ACRValues,
		MaxAge: o.MaxAge, Audiences: o.Audiences, Extra: o.Extra,
	})
}

func decodeSettings(text string) (idp.OIDCSettings, error) {
	var v settings
	if err := decode("settings", text, &v); err != nil {
		return idp.OIDCSettings{}, err
	}
	return idp.OIDCSettings{
		Issuer: v.Issuer, ClientID: v.ClientID, ClientAuth: v.ClientAuth, Scopes: v.Scopes, Claims: v.Claims,
		SharedCallback: v.SharedCallback, UserInfo: v.UserInfo, Prompt: v.Prompt, ACRValues: v.ACRValues,
		MaxAge: v.MaxAge, Audiences: v.Audiences, Extra: v.Extra,
	}, nil
}

const (
	sealClientSecret  = "client-secret"
	connectionColumns = "id, tenant, protocol, provider, name, enabled, version, epoch, declared, created, settings, client_secret, join_rule, join_claim, sp_keys"
)

// row names a row to what is sealed for it: copied to another tenant's row it does not open.
func row(t tenant.ID, id string) string { return string(t) + "/" + id }

func (s *Store) sealSecret(c idp.Connection) ([]byte, error) {
	if c.Settings.ClientSecret.Empty() {
		return nil, nil
	}
	sealed, err := s.o.Sealer.Seal(sealClientSecret, row(c.Tenant, string(c.ID)), []byte(c.Settings.ClientSecret.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("connection %s: seal client secret: %w", c.ID, err)
	}
	return sealed, nil
}

func (s *Store) readConnections(ctx context.Context, q querier, t tenant.ID) ([]idp.Connection, error) {
	var all []idp.Connection
	err := q.scan(ctx, func(scan func(...any) error) error {
		c, err := s.scanConnection(scan)
		all = append(all, c)
		return err
	}, "SELECT "+connectionColumns+" FROM connections WHERE tenant = $1 ORDER BY created, id", t)
	return all, err
}

func (s *Store) scanConnection(scan func(...any) error) (idp.Connection, error) {
	var c idp.Connection
	var created int64
	var text string
	var sealed, spKeys []byte
	err := scan(&c.ID, &c.Tenant, &c.Protocol, &c.Provider, &c.Name, &c.Enabled, &c.Version, &c.Epoch, &c.Declared, &created, &text, &sealed,
		&c.Join, &c.JoinClaim, &spKeys)
	if err != nil {
		return c, err
	}
	c.Created = instant(created)
	if c.Protocol == idp.SAML {
		if c.SAML, err = decodeSAML(text); err == nil {
			c.SAML.SPKeys, err = s.openSPKeys(c.Tenant, c.ID, spKeys)
		}
	} else {
		c.Settings, err = decodeSettings(text)
	}
	if err != nil {
		return c, fmt.Errorf("connection %s: %w", c.ID, err)
	}
	if sealed == nil {
		return c, nil
	}
	plain, err := s.o.Sealer.Open(sealClientSecret, row(c.Tenant, string(c.ID)), sealed)
	if err != nil {
		return c, fmt.Errorf("connection %s: client secret: %w: is this the root key it was stored with?", c.ID, err)
	}
	c.Settings.ClientSecret = secret.New(string(plain))
	return c, nil
}

func prepareConnection(c idp.Connection) (idp.Connection, error) {
	if c.ID == "" {
		c.ID = idp.ConnectionID(tenant.RandomName())
	}
	if _, err := tenant.ParseConnectionID(string(c.ID)); err != nil {
		return c, err
	}
	if _, err := tenant.ParseID(string(c.Tenant)); err != nil {
		return c, fmt.Errorf("connection %s: %w", c.ID, err)
	}
	if c.Protocol != idp.OIDC && c.Protocol != idp.SAML {
		return c, fmt.Errorf("connection %s: protocol %.20q: want oidc or saml", c.ID, c.Protocol)
	}
	if c.Provider == "" {
		c.Provider = idp.Generic
	}
	if c.Name == "" {
		c.Name = string(c.ID)
	}
	switch c.Join {
	case "", idp.JoinExternalID, idp.JoinUserName, idp.JoinNone:
	default:
		return c, fmt.Errorf("connection %s: join rule %.20q: want external_id, user_name or none", c.ID, c.Join)
	}
	if !storable(c.JoinClaim) || len(c.JoinClaim) > 200 {
		return c, fmt.Errorf("connection %s: join claim is not readable text of at most 200 bytes", c.ID)
	}
	if !storable(c.Name) || !storable(string(c.Provider)) {
		return c, fmt.Errorf("connection %s: name is not readable text", c.ID)
	}
	if c.Protocol != idp.SAML {
		c.SAML = idp.SAMLSettings{}
		return c, nil
	}
	c.Settings = idp.OIDCSettings{}
	var err error
	if c.SAML, err = prepareSAML(c.SAML); err != nil {
		return c, fmt.Errorf("connection %s: %w", c.ID, err)
	}
	return c, nil
}

// sealedRow is what a connection's row holds beside its plain columns.
type sealedRow struct {
	settings             string
	clientSecret, spKeys []byte
}

func (s *Store) sealConnection(c idp.Connection) (r sealedRow, err error) {
	if c.Protocol == idp.SAML {
		if r.settings, err = encodeSAML(c.SAML); err != nil {
			return r, err
		}
		r.spKeys, err = s.sealSPKeys(c)
		return r, err
	}
	if r.settings, err = encodeSettings(c.Settings); err != nil {
		return r, err
	}
	r.clientSecret, err = s.sealSecret(c)
	return r, err
}

// CreateConnection makes a connection of an existing tenant. An empty ID is drawn. ErrTaken: the id is in use, perhaps
// by another tenant.
func (s *Store) CreateConnection(ctx context.Context, c idp.Connection, actor string) (idp.Connection, error) {
	c.Declared = false
	c, err := prepareConnection(c)
	if err != nil {
		return idp.Connection{}, err
	}
	err = s.write(ctx, "create connection", func(ctx context.Context, t *tx) (err error) {
		if err := t.exists(ctx, c.Tenant); err != nil {
			return err
		}
		c, err = t.insertConnection(ctx, c, actor)
		return err
	})
	if err != nil {
		return idp.Connection{}, err
	}
	return c, nil
}

// exists locks a tenant's row against change, or says that there is none.
func (t *tx) exists(ctx context.Context, id tenant.ID) error {
	var epoch int64
	err := t.QueryRowContext(ctx, "SELECT epoch FROM tenants WHERE id = $1 FOR SHARE", id).Scan(&epoch)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("tenant %.60q: %w", id, ErrNotFound)
	}
	return err
}

func (t *tx) insertConnection(ctx context.Context, c idp.Connection, actor string) (idp.Connection, error) {
	c.Version, c.Epoch, c.Created = 1, 1, truncated(t.at)
	if c.Join == "" {
		var others int
		if err := t.QueryRowContext(ctx, "SELECT COUNT(*) FROM connections WHERE tenant = $1", c.Tenant).Scan(&others); err != nil {
			return c, err
		}
		if c.Join = idp.JoinNone; others == 0 {
			c.Join = idp.JoinPreset(c.Provider)
		}
	}
	sealed, err := t.s.sealConnection(c)
	if err != nil {
		return c, err
	}
	_, err = t.exec(ctx, `INSERT INTO connections (id, tenant, protocol, provider, name, enabled, version, epoch, declared, created, settings,
			client_secret, join_rule, join_claim, sp_keys)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		c.ID, c.Tenant, c.Protocol, c.Provider, c.Name, number(c.Enabled), c.Version, c.Epoch, number(c.Declared), micros(c.Created), sealed.settings,
		sealed.clientSecret, c.Join, c.JoinClaim, sealed.spKeys)
	if duplicate(err) {
		return c, fmt.Errorf("connection %s: id is %w", c.ID, ErrTaken)
	}
	if err != nil {
		return c, err
	}
	return c, t.connectionChanged(ctx, c, audit.ConnectionCreated, because("", idp.SAMLSettings{}, c.SAML), actor)
}

func (t *tx) connectionChanged(ctx context.Context, c idp.Connection, what audit.Action, reason, actor string) error {
	t.changed(realmChanged, c.Tenant, "")
	return t.record(ctx, audit.Event{
		Tenant: c.Tenant, Actor: actor, Action: what, Target: string(c.ID), Connection: c.ID, Outcome: "ok", Reason: reason,
	})
}

// lockConnection reads a connection's row and keeps it until the transaction ends.
func (t *tx) lockConnection(ctx context.Context, id tenant.ID, c idp.ConnectionID) (idp.Connection, error) {
	q := "SELECT " + connectionColumns + " FROM connections WHERE tenant = $1 AND id = $2 FOR UPDATE"
	have, err := t.s.scanConnection(t.QueryRowContext(ctx, q, id, c).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return have, fmt.Errorf("connection %.60q: %w", c, ErrNotFound)
	}
	return have, err
}

// SetConnectionEnabled switches a connection. Off ends its sessions for good; on starts without any.
func (s *Store) SetConnectionEnabled(ctx context.Context, id tenant.ID, c idp.ConnectionID, on bool, actor string) error {
	return s.write(ctx, "switch connection", func(ctx context.Context, t *tx) error {
		have, err := t.lockConnection(ctx, id, c)
		if err != nil {
			return err
		}
		if have.Declared {
			return fmt.Errorf("connection %s is %w", c, ErrDeclared)
		}
		return t.switchConnection(ctx, have, on, actor)
	})
}

func (t *tx) switchConnection(ctx context.Context, c idp.Connection, on bool, actor string) error {
	if c.Enabled == on {
		return nil
	}
	_, err := t.exec(ctx, "UPDATE connections SET enabled = $1, version = version + 1, epoch = epoch + 1 WHERE tenant = $2 AND id = $3",
		number(on), c.Tenant, c.ID)
	if err != nil {
		return err
	}
	reason := "disabled"
	if on {
		reason = "enabled"
	}
	return t.connectionChanged(ctx, c, audit.ConnectionChanged, reason, actor)
}

// DeleteConnection removes a connection with its links and mappings, and ends its sessions: a later connection of the
// same id starts with nothing of it. ErrDeclared: the configuration file has it switched on.
func (s *Store) DeleteConnection(ctx context.Context, id tenant.ID, c idp.ConnectionID, actor string) error {
	return s.write(ctx, "delete connection", func(ctx context.Context, t *tx) error {
		have, err := t.lockConnection(ctx, id, c)
		if err != nil {
			return err
		}
		if have.Declared && have.Enabled {
			return fmt.Errorf("connection %s is %w", c, ErrDeclared)
		}
		if _, err := t.endSessions(ctx, id, " AND connection = $4", []any{c}, "connection deleted"); err != nil {
			return err
		}
		for _, q := range []string{
			"DELETE FROM role_mappings WHERE tenant = $1 AND connection = $2",
			"DELETE FROM links WHERE tenant = $1 AND connection = $2",
			"DELETE FROM idp_documents WHERE tenant = $1 AND connection = $2",
			"DELETE FROM connection_tests WHERE tenant = $1 AND connection = $2",
			"DELETE FROM connections WHERE tenant = $1 AND id = $2",
		} {
			if _, err := t.exec(ctx, q, id, c); err != nil {
				return err
			}
		}
		t.changed(peopleChanged, id, "")
		return t.connectionChanged(ctx, have, audit.ConnectionDeleted, "", actor)
	})
}
