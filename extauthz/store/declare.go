package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// Declared is one tenant as the configuration file writes it.
type Declared struct {
	Tenant      tenant.Tenant
	Connections []idp.Connection // Tenant may be left empty
	Mappings    []idp.RoleMapping
}

// byFile is the actor of what the configuration file does.
const byFile = "file"

// Declare makes the store hold what the file declares, in one transaction. What did not change is not touched: its
// version stays and nobody's sign-in is disturbed by a restart. What the file no longer declares is switched off; what
// it never declared is left alone, and an id it shares with such a thing is ErrTaken.
func (s *Store) Declare(ctx context.Context, file []Declared) error {
	file = slices.Clone(file)
	for i := range file {
		if err := file[i].prepare(); err != nil {
			return fmt.Errorf("declare tenants: %w", err)
		}
	}
	return s.write(ctx, "declare tenants", func(ctx context.Context, t *tx) error { return t.declare(ctx, file) })
}

// prepare copies and completes a declaration.
func (d *Declared) prepare() (err error) {
	if d.Tenant.ID == "" {
		return errors.New("a declared tenant wants an id: a drawn one would be new at each start")
	}
	d.Tenant.Declared = true
	if d.Tenant, err = prepareTenant(d.Tenant); err != nil {
		return err
	}
	d.Connections, d.Mappings = slices.Clone(d.Connections), slices.Clone(d.Mappings)
	for i, c := range d.Connections {
		if c.ID == "" {
			return fmt.Errorf("tenant %s: a declared connection wants an id", d.Tenant.ID)
		}
		c.Tenant, c.Declared = d.Tenant.ID, true
		if d.Connections[i], err = prepareConnection(c); err != nil {
			return err
		}
	}
	for i, m := range d.Mappings {
		m.Tenant, m.Declared = d.Tenant.ID, true
		if d.Mappings[i], err = prepareMapping(m); err != nil {
			return fmt.Errorf("tenant %s: %w", d.Tenant.ID, err)
		}
	}
	return nil
}

func (t *tx) declare(ctx context.Context, file []Declared) error {
	all, err := readTenants(ctx, t.querier)
	if err != nil {
		return err
	}
	// First what goes: its domains may be those of what comes.
	for _, have := range all {
		if err := t.undeclare(ctx, file, have); err != nil {
			return err
		}
	}
	for _, d := range file {
		i := slices.IndexFunc(all, func(have tenant.Tenant) bool { return have.ID == d.Tenant.ID })
		if err := t.declareTenant(ctx, d, all, i); err != nil {
			return err
		}
	}
	return nil
}

// undeclare takes from a tenant what the file gives it no longer.
func (t *tx) undeclare(ctx context.Context, file []Declared, have tenant.Tenant) error {
	if !have.Declared {
		return nil
	}
	i := slices.IndexFunc(file, func(d Declared) bool { return d.Tenant.ID == have.ID })
	if i < 0 {
		return t.retire(ctx, have)
	}
	for _, domain := range have.Domains {
		if slices.Contains(file[i].Tenant.Domains, domain) {
			continue
		}
		if _, err := t.exec(ctx, "DELETE FROM tenant_domains WHERE tenant = $1 AND domain = $2", have.ID, domain); err != nil {
			return err
		}
	}
	return nil
}

// retire switches off a tenant that the file no longer names. Its people and its history stay.
func (t *tx) retire(ctx context.Context, have tenant.Tenant) error {
	if len(have.Domains) > 0 {
		if _, err := t.exec(ctx, "DELETE FROM tenant_domains WHERE tenant = $1", have.ID); err != nil {
			return err
		}
		t.changed(realmChanged, have.ID, "")
	}
	if err := t.declareMappings(ctx, have.ID, nil); err != nil {
		return err
	}
	return t.declareConnections(ctx, have.ID, nil)
}

func (t *tx) declareTenant(ctx context.Context, d Declared, all []tenant.Tenant, at int) error {
	switch {
	case at < 0:
		if _, err := t.insertTenant(ctx, d.Tenant, byFile); err != nil {
			return err
		}
	case !all[at].Declared:
		return fmt.Errorf("tenant %s: id is %w by a tenant that was not declared", d.Tenant.ID, ErrTaken)
	default:
		if err := t.updateTenant(ctx, all[at], d.Tenant); err != nil {
			return err
		}
	}
	// Mappings that go may name connections that stay, and mappings that come name connections that come.
	if err := t.declareConnections(ctx, d.Tenant.ID, d.Connections); err != nil {
		return err
	}
	return t.declareMappings(ctx, d.Tenant.ID, d.Mappings)
}

func (t *tx) updateTenant(ctx context.Context, have, want tenant.Tenant) error {
	want.Epoch, want.Created = have.Epoch, have.Created
	if have.SCIM && !want.SCIM {
		want.Epoch++ // claims count again from the next sign-in, so there must be one
	}
	if reflect.DeepEqual(have, want) {
		return nil
	}
	var since time.Time
	if want.SCIM {
		since = t.at
	}
	_, err := t.exec(ctx, `UPDATE tenants SET slug = $1, scim = $2, group_key = $3, idle_limit = $4, absolute_limit = $5, epoch = $6,
		scim_since = CASE WHEN scim = $2 THEN scim_since ELSE $7 END WHERE id = $8`,
		want.Slug, number(want.SCIM), want.GroupKey, want.Idle.Microseconds(), want.Absolute.Microseconds(), want.Epoch, micros(since), want.ID)
	if duplicate(err) {
		return fmt.Errorf("tenant %s: slug %q is %w", want.ID, want.Slug, ErrTaken)
	}
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, "DELETE FROM tenant_domains WHERE tenant = $1", want.ID); err != nil {
		return err
	}
	if err := t.insertDomains(ctx, want.ID, want.Domains); err != nil {
		return err
	}
	t.changed(realmChanged, want.ID, "")
	t.changed(peopleChanged, want.ID, "") // scim and group_key decide what their groups are
	return t.record(ctx, audit.Event{Tenant: want.ID, Actor: byFile, Action: audit.TenantChanged, Target: string(want.ID), Outcome: "ok"})
}

func (t *tx) declareConnections(ctx context.Context, id tenant.ID, want []idp.Connection) error {
	have, err := t.s.readConnections(ctx, t.querier, id)
	if err != nil {
		return err
	}
	for _, c := range have {
		named := slices.ContainsFunc(want, func(w idp.Connection) bool { return w.ID == c.ID })
		if c.Declared && !named {
			if err := t.switchConnection(ctx, c, false, byFile); err != nil {
				return err
			}
		}
	}
	for _, w := range want {
		i := slices.IndexFunc(have, func(c idp.Connection) bool { return c.ID == w.ID })
		switch {
		case i < 0:
			_, err = t.insertConnection(ctx, w, byFile)
		case !have[i].Declared:
			err = fmt.Errorf("connection %s: id is %w by a connection that was not declared", w.ID, ErrTaken)
		default:
			w = keepFetched(have[i], w)
			_, err = t.updateConnection(ctx, have[i], w, byFile, because("settings changed", have[i].SAML, w.SAML))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// meaning is what makes two mappings the same one; ids the file does not name are drawn.
func meaning(m idp.RoleMapping) idp.RoleMapping { m.ID = ""; return m }

// declareMappings lets the declared mappings be exactly those of the file.
func (t *tx) declareMappings(ctx context.Context, id tenant.ID, want []idp.RoleMapping) error {
	have, err := readMappings(ctx, t.querier, id)
	if err != nil {
		return err
	}
	have = slices.DeleteFunc(have, func(m idp.RoleMapping) bool { return !m.Declared })
	known := map[idp.RoleMapping]bool{}
	for _, m := range want {
		known[meaning(m)] = true
	}
	for _, m := range have {
		if known[meaning(m)] {
			known[meaning(m)] = false // there already, once
			continue
		}
		if err := t.removeMapping(ctx, m, byFile); err != nil {
			return err
		}
	}
	for _, m := range want {
		if !known[meaning(m)] {
			continue
		}
		known[meaning(m)] = false
		if err := t.owned(ctx, m); err != nil {
			return err
		}
		if err := t.insertMapping(ctx, m, byFile); err != nil {
			return err
		}
	}
	return nil
}

// owned refuses a mapping whose connection the tenant does not have.
func (t *tx) owned(ctx context.Context, m idp.RoleMapping) error {
	if m.Connection == "" {
		return nil
	}
	var n int
	err := t.QueryRowContext(ctx, "SELECT 1 FROM connections WHERE tenant = $1 AND id = $2", m.Tenant, m.Connection).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("role mapping of tenant %s: connection %.60q: %w", m.Tenant, m.Connection, ErrNotFound)
	}
	return err
}
