package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

const maxMaxAge = 365 * 24 * time.Hour

func (c *Config) readTenants(r *reader, path string, n ast.Node) {
	taken := claimed{}
	r.list(path, n, func(path string, n ast.Node) {
		c.Tenants = append(c.Tenants, c.readTenant(r, path, n, taken))
	})
}

// claimed remembers what may stand only once in the file, and where it does.
type claimed map[string]int

// claim notes a value; a second claim is a problem.
func (t claimed) claim(r *reader, path string, n ast.Node, kind, value string) {
	if line, twice := t[kind+" "+value]; twice {
		r.problem(n, "give each its own", "%s: %s %s is already used in line %d", path, kind, value, line)
		return
	}
	t[kind+" "+value] = n.GetToken().Position.Line
}

func (c *Config) readTenant(r *reader, path string, n ast.Node, taken claimed) TenantConfig {
	t := TenantConfig{line: n.GetToken().Position.Line}
	t.Tenant = tenant.Tenant{GroupKey: tenant.ByDisplayName, Declared: true}
	key := string(tenant.ByDisplayName)
	r.mapping(path, n, fields{
		"id": func(path string, n ast.Node) {
			if id, ok := r.id(path, n); ok {
				taken.claim(r, path, n, "tenant", id)
				t.Tenant.ID = tenant.ID(id)
			}
		},
		"slug": func(path string, n ast.Node) {
			if slug, ok := r.id(path, n); ok {
				taken.claim(r, path, n, "slug", slug)
				t.Tenant.Slug = slug
			}
		},
		"domains": func(path string, n ast.Node) {
			r.list(path, n, func(path string, n ast.Node) {
				if d, ok := r.domain(path, n); ok {
					taken.claim(r, path, n, "domain", d)
					t.Tenant.Domains = append(t.Tenant.Domains, d)
				}
			})
		},
		"scim": r.flag(&t.Tenant.SCIM),
		"group_key": func(path string, n ast.Node) {
			r.oneOf(&key, string(tenant.ByDisplayName), string(tenant.ByExternalID))(path, n)
			t.Tenant.GroupKey = tenant.GroupKey(key)
		},
		"connections": func(path string, n ast.Node) {
			r.list(path, n, func(path string, n ast.Node) {
				t.Connections = append(t.Connections, c.readConnection(r, path, n, taken))
			})
		},
		"role_mappings": func(path string, n ast.Node) {
			r.list(path, n, func(path string, n ast.Node) {
				t.Mappings = append(t.Mappings, readMapping(r, path, n))
			})
		},
	})
	if t.Tenant.ID == "" {
		r.missing(path, n, "id", "id: acme")
	}
	if t.Tenant.Slug == "" {
		t.Tenant.Slug = string(t.Tenant.ID)
	}
	t.adopt(r, path)
	return t
}

// adopt gives connections and mappings their tenant, which may stand below them in the file.
func (t *TenantConfig) adopt(r *reader, path string) {
	for i := range t.Connections {
		t.Connections[i].Connection.Tenant = t.Tenant.ID
	}
	for i := range t.Mappings {
		m := &t.Mappings[i].Mapping
		m.Tenant = t.Tenant.ID
		known := func(c ConnectionConfig) bool { return c.Connection.ID == m.Connection }
		if m.Connection != "" && !slices.ContainsFunc(t.Connections, known) {
			r.found = append(r.found, problem{
				File: r.file, Line: t.Mappings[i].line, Hint: "name one of the tenant's connections, or leave it out for all of them",
				Message: fmt.Sprintf("%s.role_mappings[%d]: no connection %s in this tenant", path, i, m.Connection),
			})
		}
	}
}

// missing reports a key that must be there; example is how to write it.
func (r *reader) missing(path string, n ast.Node, key, example string) {
	if slices.ContainsFunc(r.found, func(p problem) bool { return hasPath(p.Message, path+"."+key) }) {
		return // it is there, and something else is wrong with it
	}
	r.problem(n, "write "+example, "%s: %s is missing", path, key)
}

func hasPath(message, path string) bool {
	return len(message) > len(path) && message[:len(path)] == path && (message[len(path)] == ':' || message[len(path)] == '.' || message[len(path)] == '[')
}

func (r *reader) id(path string, n ast.Node) (string, bool) {
	s, ok := r.text(path, n)
	if !ok {
		return "", false
	}
	if _, err := tenant.ParseID(s); err != nil {
		r.problem(n, tenant.ErrID.Error(), "%s: %s is not an id", path, quote(s))
		return "", false
	}
	return s, true
}

func (r *reader) domain(path string, n ast.Node) (string, bool) {
	s, ok := r.text(path, n)
	if !ok {
		return "", false
	}
	d, err := tenant.ParseDomain(s)
	if err != nil {
		r.problem(n, "want a name such as acme.example, in ASCII (xn-- form for others)", "%s: %s is not a domain", path, quote(s))
		return "", false
	}
	return d, true
}

func readMapping(r *reader, path string, n ast.Node) MappingConfig {
	m := MappingConfig{line: n.GetToken().Position.Line}
	m.Mapping.Declared = true
	var kind, connection string
	r.mapping(path, n, fields{
		"kind":  r.oneOf(&kind, string(idp.MapGroup), string(idp.MapClaim), string(idp.MapUser)),
		"claim": r.str(&m.Mapping.Claim),
		"value": r.str(&m.Mapping.Value),
		"role":  r.str(&m.Mapping.Role),
		"connection": func(path string, n ast.Node) {
			connection, _ = r.id(path, n)
		},
	})
	m.Mapping.Kind, m.Mapping.Connection = idp.MappingKind(kind), idp.ConnectionID(connection)
	if kind == "" {
		r.missing(path, n, "kind", "kind: group, claim or user")
	}
	if m.Mapping.Value == "" {
		r.missing(path, n, "value", "value: the group's, the claim's or the user's")
	}
	if m.Mapping.Role == "" {
		r.missing(path, n, "role", "role: a role of the policy, such as Viewer")
	}
	switch isClaim := kind == string(idp.MapClaim); {
	case isClaim && m.Mapping.Claim == "":
		r.missing(path, n, "claim", "claim: the claim's name")
	case !isClaim && m.Mapping.Claim != "":
		r.problem(n, "set kind: claim, or remove claim", "%s: claim is for kind claim", path)
	}
	return m
}

// declared reads the client secrets and the metadata of providers, and returns the file's tenants as the store takes them.
func (c Config) declared(getenv func(string) string, now time.Time) ([]store.Declared, error) {
	var found problems
	var all []store.Declared
	for _, t := range c.Tenants {
		d := store.Declared{Tenant: t.Tenant}
		for _, cc := range t.Connections {
			conn := cc.Connection
			if cc.Secret.set() {
				text, err := cc.Secret.read(getenv)
				found = found.add(err)
				conn.Settings.ClientSecret = text
			}
			if conn.Protocol == idp.SAML {
				settings, bad := c.declaredSAML(cc, now)
				found = append(found, bad...)
				conn.SAML = settings
			}
			d.Connections = append(d.Connections, conn)
		}
		for _, m := range t.Mappings {
			d.Mappings = append(d.Mappings, m.Mapping)
		}
		all = append(all, d)
	}
	if err := found.err(); err != nil {
		return nil, err
	}
	return all, nil
}
