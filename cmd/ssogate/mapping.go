package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/policies"
)

type mappingCmd struct {
	Create mappingCreateCmd `cmd:"" help:"Give a role to a group, a claim's value or one person."`
	List   mappingListCmd   `cmd:"" help:"List a tenant's role mappings."`
	Delete mappingDeleteCmd `cmd:"" help:"Remove a role mapping; whoever had the role through it loses it with the next request."`
}

// mappingRow is a role mapping as commands print it.
type mappingRow struct {
	ID         string           `json:"id"`
	Connection idp.ConnectionID `json:"connection,omitempty"`
	Kind       idp.MappingKind  `json:"kind"`
	Claim      string           `json:"claim,omitempty"`
	Value      string           `json:"value"`
	Role       string           `json:"role"`
	Declared   bool             `json:"declared"`
}

func mappingRowOf(m idp.RoleMapping) mappingRow {
	return mappingRow{ID: m.ID, Connection: m.Connection, Kind: m.Kind, Claim: m.Claim, Value: m.Value, Role: m.Role, Declared: m.Declared}
}

// what says in words whom a mapping is about.
func (m mappingRow) what() string {
	if m.Kind == idp.MapClaim {
		return fmt.Sprintf("claim %s = %s", m.Claim, m.Value)
	}
	return fmt.Sprintf("%s %s", m.Kind, m.Value)
}

type mappingCreateCmd struct {
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
	Role       string `required:"" help:"A role of the policy, such as Viewer." placeholder:"ROLE"`
	Group      string `xor:"of" required:"" help:"Everyone in this group: its name, or its id where the provider sends ids (Entra)." placeholder:"GROUP"`
	Claim      string `xor:"of" required:"" help:"Everyone whose claim, or SAML attribute by its exact name, holds this value. Attributes that are mapped to groups, e-mail or names do not count." placeholder:"NAME=VALUE"`
	User       string `xor:"of" required:"" help:"One person, by user id." placeholder:"ID"`
	Connection string `help:"Only for sessions of this connection. Default: all." placeholder:"ID"`
}

// Run adds the mapping after looking whether it could ever match.
func (cmd mappingCreateCmd) Run(a *app) error {
	t, err := tenantID(cmd.Tenant)
	if err != nil {
		return err
	}
	m := idp.RoleMapping{Tenant: t, Role: cmd.Role}
	if err := cmd.subject(&m); err != nil {
		return err
	}
	if cmd.Connection != "" {
		if m.Connection, err = connectionID(cmd.Connection); err != nil {
			return err
		}
	}
	return a.withStore(func(s *store.Store, c Config) error {
		if err := a.checkRole(c, cmd.Role); err != nil {
			return err
		}
		if err := a.checkMapping(s, c, m); err != nil {
			return err
		}
		made, err := s.CreateMapping(a.ctx, m, actor)
		if errors.Is(err, store.ErrTaken) {
			return hinted("see: ssogate mapping list --tenant "+cmd.Tenant, "this mapping is already there")
		}
		if err != nil {
			return fmt.Errorf("create mapping: %w", err)
		}
		row := mappingRowOf(made)
		return a.result(row, "mapping %s created: %s is %s", row.ID, row.what(), row.Role)
	})
}

func (cmd mappingCreateCmd) subject(m *idp.RoleMapping) error {
	switch {
	case cmd.Group != "":
		m.Kind, m.Value = idp.MapGroup, cmd.Group
	case cmd.User != "":
		m.Kind, m.Value = idp.MapUser, cmd.User
	default:
		name, value, ok := strings.Cut(cmd.Claim, "=")
		if !ok || name == "" || value == "" {
			return misused("write --claim department=security", "--claim %s: want NAME=VALUE", quote(cmd.Claim))
		}
		m.Kind, m.Claim, m.Value = idp.MapClaim, name, value
	}
	return nil
}

// checkRole refuses a role that the policy does not know: such a mapping would grant nothing, silently.
func (a *app) checkRole(c Config, role string) error {
	names, err := a.roleNames(c)
	if err != nil {
		return err
	}
	if slices.Contains(names, role) {
		return nil
	}
	hint := "its roles: " + strings.Join(names, ", ")
	for _, name := range names {
		if strings.EqualFold(name, role) {
			hint = fmt.Sprintf("did you mean %s?", name)
		}
	}
	return hinted(hint, "role %s is not in the policy", quote(role))
}

// roleNames loads the policy for its roles; whether its tests pass is another command's question.
func (a *app) roleNames(c Config) ([]string, error) {
	files, err := c.policyFiles()
	if err != nil {
		return nil, err
	}
	o := c.policyOptions()
	o.SkipTests = true
	revision, err := policies.Load(a.ctx, files, o)
	if err != nil {
		return nil, fmt.Errorf("load policy: %w", err)
	}
	return revision.RoleNames(), nil
}

// checkMapping refuses a connection or a person that the tenant does not have.
func (a *app) checkMapping(s *store.Store, c Config, m idp.RoleMapping) error {
	realm, err := a.realm(s, c, m.Tenant)
	if err != nil {
		return err
	}
	if _, ok := realm.Connection(m.Connection); m.Connection != "" && !ok {
		return hinted("see: ssogate connection list --tenant "+string(m.Tenant), "tenant %s has no connection %s", m.Tenant, m.Connection)
	}
	if m.Kind == idp.MapUser {
		_, err = a.user(s, c, m.Tenant, m.Value)
	}
	return err
}

type mappingListCmd struct {
	Tenant string `required:"" help:"The tenant." placeholder:"ID"`
}

// Run prints a tenant's mappings.
func (cmd mappingListCmd) Run(a *app) error {
	return a.withRealm(cmd.Tenant, func(s *store.Store, c Config, realm idp.Realm) error {
		var rows []mappingRow
		for _, m := range realm.Mappings {
			rows = append(rows, mappingRowOf(m))
		}
		slices.SortStableFunc(rows, func(a, b mappingRow) int {
			return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.what(), b.what()), cmp.Compare(a.ID, b.ID))
		})
		return table(a, rows, "no role mappings yet, so nobody has a role: ssogate mapping create --tenant "+cmd.Tenant+" --role Viewer --group GROUP",
			[]string{"MAPPING", "WHO", "ROLE", "CONNECTION", "FROM"},
			func(m mappingRow) []string {
				return []string{m.ID, m.what(), m.Role, yes(m.Connection == "", "all", string(m.Connection)), yes(m.Declared, "file", "database")}
			})
	})
}

type mappingDeleteCmd struct {
	Tenant string `required:"" help:"The tenant." placeholder:"ID"`
	ID     string `arg:"" help:"The mapping, as mapping list shows it."`
	Yes    bool   `help:"Do not ask."`
}

// Run removes a mapping.
func (cmd mappingDeleteCmd) Run(a *app) error {
	return a.withRealm(cmd.Tenant, func(s *store.Store, c Config, realm idp.Realm) error {
		t := realm.Tenant.ID
		i := slices.IndexFunc(realm.Mappings, func(m idp.RoleMapping) bool { return m.ID == cmd.ID })
		if i < 0 {
			return hinted("see: ssogate mapping list --tenant "+cmd.Tenant, "tenant %s has no mapping %s", t, quote(cmd.ID))
		}
		row := mappingRowOf(realm.Mappings[i])
		if row.Declared {
			return c.declaredElsewhere("mapping", row.ID)
		}
		if err := a.confirm(cmd.Yes, fmt.Sprintf("Delete mapping %s (%s is %s)?", row.ID, row.what(), row.Role)); err != nil {
			return err
		}
		if err := s.DeleteMapping(a.ctx, t, row.ID, actor); err != nil {
			return fmt.Errorf("delete mapping %s: %w", row.ID, err)
		}
		return a.result(row, "mapping %s deleted: %s is no longer %s", row.ID, row.what(), row.Role)
	})
}

// declaredElsewhere refuses a change of what the configuration file says: the next start would undo it.
func (c Config) declaredElsewhere(kind, id string) error {
	file := c.File
	if file == "" {
		file = "the gate's configuration file"
	}
	return hinted("change it there and restart the gate", "%s %s is declared in %s", kind, id, file)
}
