package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

func readMappings(ctx context.Context, q querier, t tenant.ID) ([]idp.RoleMapping, error) {
	var all []idp.RoleMapping
	err := q.scan(ctx, func(scan func(...any) error) error {
		m := idp.RoleMapping{Tenant: t}
		var connection sql.NullString
		err := scan(&m.ID, &connection, &m.Kind, &m.Claim, &m.Value, &m.Role, &m.Declared)
		m.Connection = idp.ConnectionID(connection.String)
		all = append(all, m)
		return err
	}, "SELECT id, connection, kind, claim, value, role, declared FROM role_mappings WHERE tenant = $1 ORDER BY id", t)
	return all, err
}

func prepareMapping(m idp.RoleMapping) (idp.RoleMapping, error) {
	if m.ID == "" {
		m.ID = tenant.RandomName()
	}
	for _, text := range []string{m.ID, m.Claim, m.Value, m.Role} {
		if !storable(text) || len(text) > 1024 {
			return m, errors.New("role mapping: not readable text of at most 1024 bytes")
		}
	}
	switch {
	case m.Role == "" || m.Value == "":
		return m, errors.New("role mapping: want a value and a role")
	case m.Kind == idp.MapClaim && m.Claim == "":
		return m, errors.New("role mapping: kind claim wants the name of a claim")
	case m.Kind == idp.MapGroup || m.Kind == idp.MapUser:
		if m.Claim != "" {
			return m, fmt.Errorf("role mapping: kind %s takes no claim", m.Kind)
		}
	case m.Kind != idp.MapClaim:
		return m, fmt.Errorf("role mapping: kind %.20q: want group, claim or user", m.Kind)
	}
	return m, nil
}

// CreateMapping makes a role mapping; an empty ID is drawn. ErrNotFound: the tenant, or its connection, is not there.
func (s *Store) CreateMapping(ctx context.Context, m idp.RoleMapping, actor string) (idp.RoleMapping, error) {
	m.Declared = false
	m, err := prepareMapping(m)
	if err != nil {
		return idp.RoleMapping{}, err
	}
	err = s.write(ctx, "create role mapping", func(ctx context.Context, t *tx) error {
		if err := t.exists(ctx, m.Tenant); err != nil {
			return err
		}
		if m.Connection != "" {
			if _, err := t.lockConnection(ctx, m.Tenant, m.Connection); err != nil {
				return err
			}
		}
		return t.insertMapping(ctx, m, actor)
	})
	if err != nil {
		return idp.RoleMapping{}, err
	}
	return m, nil
}

func (t *tx) insertMapping(ctx context.Context, m idp.RoleMapping, actor string) error {
	_, err := t.exec(ctx, `INSERT INTO role_mappings (tenant, id, connection, kind, claim, value, role, declared)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		m.Tenant, m.ID, null(string(m.Connection)), m.Kind, m.Claim, m.Value, m.Role, number(m.Declared))
	if duplicate(err) {
		return fmt.Errorf("role mapping %s: id is %w", m.ID, ErrTaken)
	}
	if err != nil {
		return err
	}
	return t.mappingChanged(ctx, m, audit.MappingCreated, actor)
}

func (t *tx) mappingChanged(ctx context.Context, m idp.RoleMapping, what audit.Action, actor string) error {
	t.changed(realmChanged, m.Tenant, "")
	return t.record(ctx, audit.Event{
		Tenant: m.Tenant, Actor: actor, Action: what, Target: m.ID, Connection: m.Connection, Outcome: "ok", Reason: "role " + m.Role,
	})
}

// DeleteMapping removes a role mapping.
func (s *Store) DeleteMapping(ctx context.Context, id tenant.ID, mapping, actor string) error {
	return s.write(ctx, "delete role mapping", func(ctx context.Context, t *tx) error {
		m := idp.RoleMapping{Tenant: id, ID: mapping}
		var connection sql.NullString
		q := "SELECT connection, role, declared FROM role_mappings WHERE tenant = $1 AND id = $2 FOR UPDATE"
		err := t.QueryRowContext(ctx, q, id, mapping).Scan(&connection, &m.Role, &m.Declared)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("role mapping %.60q: %w", mapping, ErrNotFound)
		}
		if err != nil {
			return err
		}
		if m.Declared {
			return fmt.Errorf("role mapping %s is %w", mapping, ErrDeclared)
		}
		m.Connection = idp.ConnectionID(connection.String)
		return t.removeMapping(ctx, m, actor)
	})
}

func (t *tx) removeMapping(ctx context.Context, m idp.RoleMapping, actor string) error {
	if _, err := t.exec(ctx, "DELETE FROM role_mappings WHERE tenant = $1 AND id = $2", m.Tenant, m.ID); err != nil {
		return err
	}
	return t.mappingChanged(ctx, m, audit.MappingDeleted, actor)
}
