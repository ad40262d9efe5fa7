package idptest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// Team is a group as a provider provisions it.
type Team struct {
	ID          string // the service provider's; empty before it is pushed
	ExternalID  string // the provider's own; Okta sends none
	DisplayName string
}

// FindGroup looks a group up by name. ErrNobody: there is none.
func (p *Provisioner) FindGroup(ctx context.Context, displayName string) (id string, err error) {
	return p.lookup(ctx, pathGroups, "displayName", displayName)
}

// Push makes a group, or takes over the one of that name, and returns it with the service provider's id.
func (p *Provisioner) Push(ctx context.Context, t Team) (Team, error) {
	id, err := p.FindGroup(ctx, t.DisplayName)
	if errors.Is(err, ErrNobody) {
		return p.CreateGroup(ctx, t)
	}
	t.ID = id
	return t, err
}

// CreateGroup makes a group without a look first.
func (p *Provisioner) CreateGroup(ctx context.Context, t Team) (Team, error) {
	body := object{"schemas": []string{schemaGroup}, "displayName": t.DisplayName, "members": []string{}}
	if !p.Manner.okta() {
		body = object{
			"schemas": []string{schemaGroup, schemaADGroup}, "externalId": t.ExternalID, "displayName": t.DisplayName,
			"meta": object{"resourceType": "Group"},
		}
	}
	var made struct {
		ID string `json:"id"`
	}
	err := p.must(ctx, http.MethodPost, pathGroups, body, &made)
	if err == nil && made.ID == "" {
		err = fmt.Errorf("POST %s: the answer has no id", pathGroups)
	}
	t.ID = made.ID
	return t, err
}

// AddMember puts a person into a group.
func (p *Provisioner) AddMember(ctx context.Context, t Team, user string) error {
	path := pathGroups + "/" + t.ID
	switch p.Manner {
	case OktaAIW:
		return p.change(ctx, path, func(g object) { g["members"] = append(without(g, user), object{"value": user}) })
	case EntraDefault:
		return p.patch(ctx, path, operation{"Add", "members", []object{{"$ref": nil, "value": user}}})
	case EntraSCIM:
		return p.patch(ctx, path, operation{"add", "members", []object{{"value": user}}})
	case OktaOIN:
		fallthrough
	default:
		return p.named(ctx, t, operation{"add", "members", []object{{"value": user, "display": user}}})
	}
}

// RemoveMember takes a person out of a group.
func (p *Provisioner) RemoveMember(ctx context.Context, t Team, user string) error {
	path := pathGroups + "/" + t.ID
	switch p.Manner {
	case OktaAIW:
		return p.change(ctx, path, func(g object) { g["members"] = without(g, user) })
	case EntraDefault:
		return p.patch(ctx, path, operation{"Remove", "members", []object{{"$ref": nil, "value": user}}})
	case EntraSCIM:
		return p.patch(ctx, path, operation{Op: "remove", Path: fmt.Sprintf("members[value eq %q]", user)})
	case OktaOIN:
		fallthrough
	default:
		return p.named(ctx, t, operation{Op: "remove", Path: fmt.Sprintf("members[value eq %q]", user)})
	}
}

// SetMembers is Okta's "push now": the members become exactly these. In Entra there is no such request; it adds and
// removes one by one.
func (p *Provisioner) SetMembers(ctx context.Context, t Team, users ...string) error {
	members := []object{}
	for _, u := range users {
		members = append(members, object{"value": u, "display": u})
	}
	if p.Manner == OktaAIW {
		return p.change(ctx, pathGroups+"/"+t.ID, func(g object) { g["members"] = members })
	}
	return p.named(ctx, t, operation{"replace", "members", members})
}

// named sends what Okta sends at every change of members: the name first, though nobody changed it.
func (p *Provisioner) named(ctx context.Context, t Team, members operation) error {
	if err := p.Rename(ctx, t); err != nil {
		return err
	}
	return p.patch(ctx, pathGroups+"/"+t.ID, members)
}

// Rename sends the group's name.
func (p *Provisioner) Rename(ctx context.Context, t Team) error {
	path := pathGroups + "/" + t.ID
	switch p.Manner {
	case OktaAIW:
		return p.change(ctx, path, func(g object) { g["displayName"] = t.DisplayName })
	case EntraDefault:
		return p.patch(ctx, path, operation{"Replace", "displayName", t.DisplayName})
	case EntraSCIM:
		return p.patch(ctx, path, operation{Op: "replace", Value: object{"displayName": t.DisplayName}})
	case OktaOIN:
		fallthrough
	default:
		return p.patch(ctx, path, operation{Op: "replace", Value: object{"id": t.ID, "displayName": t.DisplayName}})
	}
}

// DeleteGroup removes a group; its people stay.
func (p *Provisioner) DeleteGroup(ctx context.Context, t Team) error {
	return p.must(ctx, http.MethodDelete, pathGroups+"/"+t.ID, nil, nil)
}

// without is the members of a group that was read, less one.
func without(group object, user string) []any {
	members, _ := group["members"].([]any) // an empty group answers without the attribute
	return slices.DeleteFunc(slices.Clone(members), func(m any) bool {
		o, _ := m.(map[string]any) // anything else is kept, and refused by who reads it
		return o["value"] == user
	})
}
