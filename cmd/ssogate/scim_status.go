package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// listed is how many of each kind are looked at.
const listed = 1000

type scimStatusCmd struct {
	Tenant string `required:"" help:"The tenant." placeholder:"ID"`
}

// scimStatus is the state of a tenant's provisioning.
type scimStatus struct {
	Tenant   tenant.ID   `json:"tenant"`
	SCIM     bool        `json:"scim"`
	URL      string      `json:"url"`
	GroupKey string      `json:"group_key"`
	Users    int         `json:"users"`
	Groups   int         `json:"groups"`
	Findings []scimIssue `json:"findings"`
}

// scimIssue is somebody or something that is not where it should be.
type scimIssue struct {
	Kind      string     `json:"kind"` // unadopted, pending, tombstone or mapping
	ID        string     `json:"id"`
	Name      string     `json:"name,omitempty"`
	Where     string     `json:"where,omitempty"`      // connection, group or role
	At        *time.Time `json:"at,omitempty"`         // last sign-in, push or deletion
	RemovedAt *time.Time `json:"removed_at,omitempty"` // when the row of an unadopted person goes
	Reason    string     `json:"reason"`
	Remedy    string     `json:"remedy"`
}

// Run prints how many there are and, one a line, what to look after.
func (cmd scimStatusCmd) Run(a *app) error {
	return a.withRealm(cmd.Tenant, func(s *store.Store, c Config, realm idp.Realm) error {
		st, err := a.scimStatus(s, c, realm)
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(st)
		}
		a.printf("scim is %s, %s and %s are provisioned, mappings compare a group's %s\naddress %s\n",
			onOff(st.SCIM), count(st.Users, "person", "people"), count(st.Groups, "group", "groups"), st.GroupKey, st.URL)
		return table(a, st.Findings, "everyone and everything is where it should be", []string{"WHAT", "ID", "NAME", "WHERE", "SINCE", "WHY", "TO DO"},
			func(i scimIssue) []string {
				return []string{i.Kind, i.ID, i.Name, i.Where, whenP(i.At), i.Reason, i.Remedy}
			})
	})
}

func (a *app) scimStatus(s *store.Store, c Config, realm idp.Realm) (scimStatus, error) {
	t := realm.Tenant
	st := scimStatus{Tenant: t.ID, SCIM: t.SCIM, URL: c.scimURL(), GroupKey: string(t.GroupKey), Findings: []scimIssue{}}
	users, err := s.Users(a.ctx, t.ID, directory.Query[directory.User]{})
	if err != nil {
		return st, fmt.Errorf("count people: %w", err)
	}
	groups, err := s.Groups(a.ctx, t.ID, directory.Query[directory.Group]{})
	if err != nil {
		return st, fmt.Errorf("count groups: %w", err)
	}
	st.Users, st.Groups = users.Total, groups.Total
	for _, look := range []func(*store.Store, tenant.Tenant) ([]scimIssue, error){a.unadopted, a.pending, a.tombstones, a.lostMappings} {
		found, err := look(s, t)
		if err != nil {
			return st, err
		}
		st.Findings = append(st.Findings, found...)
	}
	return st, nil
}

func (a *app) unadopted(s *store.Store, t tenant.Tenant) ([]scimIssue, error) {
	all, err := s.Unadopted(a.ctx, t.ID, listed)
	if err != nil {
		return nil, fmt.Errorf("list people not provisioned: %w", err)
	}
	var out []scimIssue
	for _, one := range all {
		i := scimIssue{
			Kind: "unadopted", ID: string(one.User.ID), Name: one.User.UserName, At: stamp(one.User.LastSignIn),
			RemovedAt: stamp(one.Goes), Reason: "made by a sign-in; scim on would refuse them",
			Remedy: "assign them to the application at the identity provider, with this user name or the connection's external id",
		}
		if t.SCIM {
			i.Reason = "made by a sign-in and refused (not_provisioned)"
		}
		for _, l := range one.Links {
			i.Where = string(l.Connection)
		}
		out = append(out, i)
	}
	return out, nil
}

func (a *app) pending(s *store.Store, t tenant.Tenant) ([]scimIssue, error) {
	all, err := s.PendingMembers(a.ctx, t.ID, listed)
	if err != nil {
		return nil, fmt.Errorf("list pending members: %w", err)
	}
	var out []scimIssue
	for _, p := range all {
		i := scimIssue{
			Kind: "pending", ID: p.Value, Where: p.GroupName, At: stamp(p.At), Reason: "member of a pushed group, but no person has this id",
			Remedy: "assign the person to the application, then push the group again",
		}
		if p.Kind == directory.PendingGroup {
			i.Reason, i.Remedy = "a group inside a group, which is not expanded", "push the inner group as well and map it to a role"
		}
		out = append(out, i)
	}
	return out, nil
}

func (a *app) tombstones(s *store.Store, t tenant.Tenant) ([]scimIssue, error) {
	all, err := s.Tombstones(a.ctx, t.ID, listed)
	if err != nil {
		return nil, fmt.Errorf("list deleted people: %w", err)
	}
	var out []scimIssue
	for _, x := range all {
		i := scimIssue{
			Kind: "tombstone", ID: string(x.User), Name: x.UserName, At: stamp(x.At), Reason: "deleted; no sign-in brings them back",
			Remedy: "none if they left; else assign them to the application again",
		}
		if !t.SCIM {
			i.Remedy = "none if they left; else assign them again, or: ssogate scim lift --tenant " + string(t.ID) + " " + string(x.User)
		}
		out = append(out, i)
	}
	return out, nil
}

// lostMappings matter once groups come from SCIM, or are about to.
func (a *app) lostMappings(s *store.Store, t tenant.Tenant) ([]scimIssue, error) {
	all, err := s.LostMappings(a.ctx, t.ID)
	if err != nil {
		return nil, fmt.Errorf("list mappings without a group: %w", err)
	}
	slices.SortFunc(all, func(a, b idp.RoleMapping) int { return cmp.Or(cmp.Compare(a.Value, b.Value), cmp.Compare(a.ID, b.ID)) })
	var out []scimIssue
	for _, m := range all {
		out = append(out, scimIssue{
			Kind: "mapping", ID: m.ID, Name: m.Value, Where: m.Role, Reason: fmt.Sprintf("no pushed group has this %s", t.GroupKey),
			Remedy: "push the group, or map the name it has now",
		})
	}
	return out, nil
}
