package idptest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Account is a person as a provider provisions them.
type Account struct {
	ExternalID  string // the provider's own id
	UserName    string
	Email       string
	GivenName   string
	FamilyName  string
	DisplayName string
	Inactive    bool
}

// AccountOf is what a provider sends for somebody who can sign in there: the subject is the externalId.
func AccountOf(p Person) Account {
	given, family, _ := strings.Cut(p.Name, " ")
	return Account{ExternalID: p.Sub, UserName: p.UserName, Email: p.Email, GivenName: given, FamilyName: family, DisplayName: p.Name}
}

// FindUser looks a person up by user name, as providers do before they create. ErrNobody: there is none.
func (p *Provisioner) FindUser(ctx context.Context, userName string) (id string, err error) {
	return p.lookup(ctx, pathUsers, "userName", userName)
}

// Provision makes a person, or takes over the one of that user name, and returns the service provider's id.
func (p *Provisioner) Provision(ctx context.Context, a Account) (id string, err error) {
	id, err = p.FindUser(ctx, a.UserName)
	if err == nil {
		return id, p.Update(ctx, id, a)
	}
	if !errors.Is(err, ErrNobody) {
		return "", err
	}
	return p.Create(ctx, a)
}

// Create makes a person without a look first.
func (p *Provisioner) Create(ctx context.Context, a Account) (id string, err error) {
	var made struct {
		ID string `json:"id"`
	}
	err = p.must(ctx, http.MethodPost, pathUsers, p.newUser(a), &made)
	if err == nil && made.ID == "" {
		err = fmt.Errorf("POST %s: the answer has no id", pathUsers)
	}
	return made.ID, err
}

func (p *Provisioner) newUser(a Account) object {
	if p.Manner.okta() {
		return object{
			"schemas": []string{schemaUser}, "userName": a.UserName, "name": object{"givenName": a.GivenName, "familyName": a.FamilyName},
			"emails":      []object{{"primary": true, "value": a.Email, "type": "work"}},
			"displayName": a.DisplayName, "locale": "en-US", "externalId": a.ExternalID, "groups": []string{},
			"password": "1mz050nq", "active": !a.Inactive,
		}
	}
	return object{
		"schemas": []string{schemaUser, schemaEnterprise}, "externalId": a.ExternalID, "userName": a.UserName, "active": !a.Inactive,
		"emails": []object{{"primary": true, "type": "work", "value": a.Email}}, "displayName": a.DisplayName,
		"meta":  object{"resourceType": "User"},
		"name":  object{"formatted": strings.TrimSpace(a.GivenName + " " + a.FamilyName), "familyName": a.FamilyName, "givenName": a.GivenName},
		"roles": []string{}, "addresses": nil, "manager": nil,
	}
}

// Update sends a changed profile.
func (p *Provisioner) Update(ctx context.Context, id string, a Account) error {
	path := pathUsers + "/" + id
	switch p.Manner {
	case OktaAIW:
		return p.change(ctx, path, func(u object) {
			u["userName"], u["externalId"], u["displayName"], u["active"] = a.UserName, a.ExternalID, a.DisplayName, !a.Inactive
			u["name"] = object{"givenName": a.GivenName, "familyName": a.FamilyName}
			u["emails"] = []object{{"primary": true, "value": a.Email, "type": "work"}}
		})
	case EntraDefault:
		return p.patch(ctx, path,
			operation{"Replace", "userName", a.UserName}, operation{"Add", "externalId", a.ExternalID},
			operation{"Replace", "displayName", a.DisplayName}, operation{"Replace", `emails[type eq "work"].value`, a.Email},
			operation{"Replace", "name.givenName", a.GivenName}, operation{"Replace", "name.familyName", a.FamilyName},
			operation{"Replace", "active", spelt(!a.Inactive)})
	case EntraSCIM:
		return p.patch(ctx, path,
			operation{"replace", `emails[type eq "work"].value`, a.Email},
			operation{Op: "replace", Value: object{
				"userName": a.UserName, "externalId": a.ExternalID, "displayName": a.DisplayName,
				"name.givenName": a.GivenName, "name.familyName": a.FamilyName, "active": !a.Inactive,
			}})
	case OktaOIN:
		fallthrough
	default:
		return p.must(ctx, http.MethodPut, path, object{
			"schemas": []string{schemaUser}, "id": id, "userName": a.UserName, "externalId": a.ExternalID, "displayName": a.DisplayName,
			"name":   object{"givenName": a.GivenName, "familyName": a.FamilyName},
			"emails": []object{{"primary": true, "value": a.Email, "type": "work", "display": a.Email}},
			"active": !a.Inactive, "groups": []string{}, "meta": object{"resourceType": "User"},
		}, nil)
	}
}

// spelt is how Entra writes a boolean where its flag is not set.
func spelt(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// Deactivate takes a person's access away: suspended, unassigned or blocked, every provider says it in this way.
func (p *Provisioner) Deactivate(ctx context.Context, id string) error {
	return p.setActive(ctx, id, false)
}

// Reactivate gives it back.
func (p *Provisioner) Reactivate(ctx context.Context, id string) error {
	return p.setActive(ctx, id, true)
}

func (p *Provisioner) setActive(ctx context.Context, id string, active bool) error {
	path := pathUsers + "/" + id
	switch p.Manner {
	case OktaAIW:
		return p.change(ctx, path, func(u object) { u["active"] = active })
	case EntraDefault:
		return p.patch(ctx, path, operation{"Replace", "active", spelt(active)})
	case EntraSCIM:
		return p.patch(ctx, path, operation{"replace", "active", active})
	case OktaOIN:
		fallthrough
	default:
		return p.patch(ctx, path, operation{Op: "replace", Value: object{"active": active}})
	}
}

// Remove is what a provider sends when a person is deleted there. Okta never deletes: it deactivates.
func (p *Provisioner) Remove(ctx context.Context, id string) error {
	if p.Manner.okta() {
		return p.Deactivate(ctx, id)
	}
	return p.must(ctx, http.MethodDelete, pathUsers+"/"+id, nil, nil)
}
