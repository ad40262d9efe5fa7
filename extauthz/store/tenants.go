package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

const tenantColumns = "id, slug, scim, group_key, idle_limit, absolute_limit, epoch, declared, created"

func scanTenant(scan func(...any) error) (tenant.Tenant, error) {
	var t tenant.Tenant
	var idle, absolute, created int64
	err := scan(&t.ID, &t.Slug, &t.SCIM, &t.GroupKey, &idle, &absolute, &t.Epoch, &t.Declared, &created)
	t.Idle, t.Absolute, t.Created = time.Duration(idle)*time.Microsecond, time.Duration(absolute)*time.Microsecond, instant(created)
	return t, err
}

// CreateTenant makes a tenant. An empty ID is drawn, an empty slug is the ID. ErrTaken: id, slug or a domain is another's.
func (s *Store) CreateTenant(ctx context.Context, t tenant.Tenant, actor string) (tenant.Tenant, error) {
	t.Declared = false
	t, err := prepareTenant(t)
	if err != nil {
		return tenant.Tenant{}, err
	}
	err = s.write(ctx, "create tenant", func(ctx context.Context, w *tx) (err error) {
		t, err = w.insertTenant(ctx, t, actor)
		return err
	})
	if err != nil {
		return tenant.Tenant{}, err
	}
	return t, nil
}

// prepareTenant fills in what may be left out and refuses what cannot be a tenant.
func prepareTenant(t tenant.Tenant) (tenant.Tenant, error) {
	if t.ID == "" {
		t.ID = tenant.ID(tenant.RandomName())
	}
	if _, err := tenant.ParseID(string(t.ID)); err != nil {
		return t, err
	}
	if t.Slug == "" {
		t.Slug = string(t.ID)
	}
	if !storable(t.Slug) || len(t.Slug) > 100 {
		return t, fmt.Errorf("tenant %s: slug is not readable text of at most 100 bytes", t.ID)
	}
	if t.GroupKey == "" {
		t.GroupKey = tenant.ByDisplayName
	}
	if t.GroupKey != tenant.ByDisplayName && t.GroupKey != tenant.ByExternalID {
		return t, fmt.Errorf("tenant %s: group key %.40q: want displayName or externalId", t.ID, t.GroupKey)
	}
	if t.Idle < 0 || t.Absolute < 0 {
		return t, fmt.Errorf("tenant %s: a session limit is negative", t.ID)
	}
	return prepareDomains(t)
}

func prepareDomains(t tenant.Tenant) (tenant.Tenant, error) {
	var domains []string
	for _, d := range t.Domains {
		d, err := tenant.ParseDomain(d)
		if err != nil {
			return t, fmt.Errorf("tenant %s: %w", t.ID, err)
		}
		domains = append(domains, d)
	}
	slices.Sort(domains)
	t.Domains = slices.Compact(domains)
	return t, nil
}

func (t *tx) insertTenant(ctx context.Context, n tenant.Tenant, actor string) (tenant.Tenant, error) {
	n.Epoch, n.Created = 1, truncated(t.at)
	var since time.Time
	if n.SCIM {
		since = n.Created
	}
	_, err := t.exec(ctx, `INSERT INTO tenants (id, slug, scim, group_key, idle_limit, absolute_limit, epoch, declared, created, scim_since)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		n.ID, n.Slug, number(n.SCIM), n.GroupKey, n.Idle.Microseconds(), n.Absolute.Microseconds(), n.Epoch, number(n.Declared), micros(n.Created), micros(since))
	if duplicate(err) {
		return n, fmt.Errorf("tenant %s: id or slug %q is %w", n.ID, n.Slug, ErrTaken)
	}
	if err != nil {
		return n, err
	}
	if err := t.insertDomains(ctx, n.ID, n.Domains); err != nil {
		return n, err
	}
	t.changed(realmChanged, n.ID, "")
	return n, t.record(ctx, audit.Event{Tenant: n.ID, Actor: actor, Action: audit.TenantCreated, Target: string(n.ID), Outcome: "ok"})
}

func (t *tx) insertDomains(ctx context.Context, id tenant.ID, domains []string) error {
	for _, d := range domains {
		_, err := t.exec(ctx, "INSERT INTO tenant_domains (domain, tenant) VALUES ($1, $2)", d, id)
		if duplicate(err) {
			return fmt.Errorf("tenant %s: domain %s is %w", id, d, ErrTaken)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Tenants lists all tenants, by id.
func (s *Store) Tenants(ctx context.Context) ([]tenant.Tenant, error) {
	var all []tenant.Tenant
	err := s.snapshot(ctx, "list tenants", func(ctx context.Context, q querier) (err error) {
		all, err = readTenants(ctx, q)
		return err
	})
	return all, err
}

func readTenants(ctx context.Context, q querier) ([]tenant.Tenant, error) {
	var all []tenant.Tenant
	at := map[tenant.ID]int{}
	err := q.scan(ctx, func(scan func(...any) error) error {
		t, err := scanTenant(scan)
		at[t.ID] = len(all)
		all = append(all, t)
		return err
	}, "SELECT "+tenantColumns+" FROM tenants ORDER BY id")
	if err != nil {
		return nil, err
	}
	err = q.scan(ctx, func(scan func(...any) error) error {
		var id tenant.ID
		var domain string
		err := scan(&id, &domain)
		if i, ok := at[id]; ok {
			all[i].Domains = append(all[i].Domains, domain)
		}
		return err
	}, "SELECT tenant, domain FROM tenant_domains ORDER BY domain")
	return all, err
}

// Realm reads a tenant's settings, connections and role mappings as one consistent copy. It is shared: read only.
// ErrNotFound: no such tenant.
func (s *Store) Realm(ctx context.Context, t tenant.ID) (idp.Realm, error) {
	if !s.trusted() {
		r, err := s.loadRealm(ctx, t)
		if err != nil {
			return idp.Realm{}, err
		}
		return *r, nil
	}
	r, err := s.realms.get(ctx, t, func(ctx context.Context) (*idp.Realm, error) { return s.loadRealm(ctx, t) })
	if err != nil {
		return idp.Realm{}, err
	}
	return *r, nil
}

func (s *Store) loadRealm(ctx context.Context, id tenant.ID) (*idp.Realm, error) {
	r := &idp.Realm{}
	err := s.snapshot(ctx, "read tenant", func(ctx context.Context, q querier) (err error) {
		*r, err = s.readRealm(ctx, q, id)
		return err
	})
	r.Stamp = s.stamps.Add(1)
	return r, err
}

func (s *Store) readRealm(ctx context.Context, q querier, id tenant.ID) (r idp.Realm, err error) {
	r.Tenant, err = scanTenant(q.QueryRowContext(ctx, "SELECT "+tenantColumns+" FROM tenants WHERE id = $1", id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return r, fmt.Errorf("tenant %.60q: %w", id, ErrNotFound)
	}
	if err != nil {
		return r, err
	}
	err = q.scan(ctx, func(scan func(...any) error) error {
		var d string
		err := scan(&d)
		r.Tenant.Domains = append(r.Tenant.Domains, d)
		return err
	}, "SELECT domain FROM tenant_domains WHERE tenant = $1 ORDER BY domain", id)
	if err != nil {
		return r, err
	}
	if r.Connections, err = s.readConnections(ctx, q, id); err != nil {
		return r, err
	}
	r.Mappings, err = readMappings(ctx, q, id)
	return r, err
}

// TenantByDomain finds the tenant that owns a verified e-mail domain.
func (s *Store) TenantByDomain(ctx context.Context, domain string) (tenant.ID, bool, error) {
	return s.lookup(ctx, "domain "+domain, "SELECT tenant FROM tenant_domains WHERE domain = $1", domain)
}

// TenantByConnection finds the tenant that a connection belongs to.
func (s *Store) TenantByConnection(ctx context.Context, c idp.ConnectionID) (tenant.ID, bool, error) {
	return s.lookup(ctx, "connection "+string(c), "SELECT tenant FROM connections WHERE id = $1", string(c))
}

// SoleTenant is the only tenant with an enabled connection; ok is false when there is none, or more than one.
func (s *Store) SoleTenant(ctx context.Context) (tenant.ID, bool, error) {
	return s.lookup(ctx, "sole", "SELECT MIN(tenant) FROM connections WHERE enabled = 1 HAVING COUNT(DISTINCT tenant) = 1")
}

// lookup finds a tenant. What is not found is kept as "": strangers ask for unknown domains, one read each would be theirs
// to cause.
func (s *Store) lookup(ctx context.Context, key, query string, args ...any) (tenant.ID, bool, error) {
	for _, a := range args {
		if text, ok := a.(string); ok && (!storable(text) || len(text) > 320) {
			return "", false, nil
		}
	}
	load := func(ctx context.Context) (tenant.ID, error) {
		var id tenant.ID
		err := s.read(ctx, "find tenant", func(ctx context.Context, q querier) error {
			err := q.QueryRowContext(ctx, query, args...).Scan(&id)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			return err
		})
		return id, err
	}
	if !s.trusted() {
		id, err := load(ctx)
		return id, id != "", err
	}
	id, err := s.lookups.get(ctx, key, load)
	return id, id != "", err
}
