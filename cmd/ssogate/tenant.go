package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

type tenantCmd struct {
	Create tenantCreateCmd `cmd:"" help:"Add a customer organisation."`
	List   tenantListCmd   `cmd:"" help:"List them."`
}

// tenantRow is a tenant as commands print it.
type tenantRow struct {
	ID       tenant.ID  `json:"id"`
	Slug     string     `json:"slug"`
	Domains  []string   `json:"domains"`
	SCIM     bool       `json:"scim"`
	GroupKey string     `json:"group_key"`
	Declared bool       `json:"declared"`
	Created  *time.Time `json:"created,omitempty"`
}

func tenantRowOf(t tenant.Tenant) tenantRow {
	domains := t.Domains
	if domains == nil {
		domains = []string{}
	}
	return tenantRow{ID: t.ID, Slug: t.Slug, Domains: domains, SCIM: t.SCIM, GroupKey: string(t.GroupKey), Declared: t.Declared, Created: stamp(t.Created)}
}

type tenantCreateCmd struct {
	ID       string   `arg:"" optional:"" help:"2 to 40 of a-z, 0-9 and -. Never renamed. Default: ten random letters."`
	Slug     string   `help:"Short name for people, may change. Default: the id." placeholder:"NAME"`
	Domain   []string `help:"Verified e-mail domain; repeat for more. People with such an address are sent to this tenant's sign-in." placeholder:"DOMAIN"`
	GroupKey string   `enum:"displayName,externalId" default:"displayName" help:"What mappings of groups compare with for provisioned groups: displayName or externalId."`
}

// Run adds the tenant.
func (cmd tenantCreateCmd) Run(a *app) error {
	t := tenant.Tenant{Slug: cmd.Slug, GroupKey: tenant.GroupKey(cmd.GroupKey)}
	if cmd.ID == "" {
		cmd.ID = tenant.RandomName()
	}
	var err error
	if t.ID, err = tenant.ParseID(cmd.ID); err != nil {
		return misused("choose another id", "%s", err)
	}
	if t.Slug == "" {
		t.Slug = cmd.ID
	}
	if _, err := tenant.ParseID(t.Slug); err != nil {
		return misused("choose another slug", "slug %s: %s", quote(t.Slug), tenant.ErrID)
	}
	for _, s := range cmd.Domain {
		d, err := tenant.ParseDomain(s)
		if err != nil {
			return misused("", "%s", err)
		}
		t.Domains = append(t.Domains, d)
	}
	return a.withStore(func(s *store.Store, _ Config) error {
		made, err := s.CreateTenant(a.ctx, t, actor)
		if errors.Is(err, store.ErrTaken) {
			return hinted("see: ssogate tenant list", "id, slug or a domain of tenant %s is taken", t.ID)
		}
		if err != nil {
			return fmt.Errorf("create tenant %s: %w", t.ID, err)
		}
		return a.result(tenantRowOf(made), "tenant %s created\nnext: ssogate connection create --tenant %s --provider okta|auth0|entra|google|keycloak|generic … (or --saml-metadata URL)", made.ID, made.ID)
	})
}

type tenantListCmd struct{}

// Run prints every tenant.
func (tenantListCmd) Run(a *app) error {
	return a.withStore(func(s *store.Store, _ Config) error {
		all, err := s.Tenants(a.ctx)
		if err != nil {
			return fmt.Errorf("list tenants: %w", err)
		}
		var rows []tenantRow
		for _, t := range all {
			rows = append(rows, tenantRowOf(t))
		}
		return table(a, rows, "no tenants yet: ssogate tenant create ID", []string{"TENANT", "SLUG", "DOMAINS", "PROVISIONING", "FROM"},
			func(r tenantRow) []string {
				return []string{string(r.ID), r.Slug, strings.Join(r.Domains, ","), yes(r.SCIM, "scim", "sign-in"), yes(r.Declared, "file", "database")}
			})
	})
}
