package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/extauthz"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/policies"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// change is what the switch would do to one person who comes over one connection.
type change struct {
	User       directory.UserID `json:"user"`
	UserName   string           `json:"user_name"`
	Connection idp.ConnectionID `json:"connection"`
	LastSignIn *time.Time       `json:"last_sign_in,omitempty"`
	Before     string           `json:"before"`
	After      string           `json:"after"`
	Reason     string           `json:"reason"`
}

// What stands in place of roles.
const (
	refusedRole = "refused"
	noRole      = "no role"
)

// oracle asks the configured policy what a check would ask it.
type oracle struct {
	engine *policies.Engine
	realm  idp.Realm
}

func (a *app) oracle(c Config, realm idp.Realm) (oracle, error) {
	files, err := c.policyFiles()
	if err != nil {
		return oracle{}, err
	}
	o := c.policyOptions()
	o.SkipTests = true // whether they pass is the gate's question, and policy check's
	e := &policies.Engine{Options: o, Timeout: 5 * time.Second, Now: a.now}
	if err := e.Load(a.ctx, files); err != nil {
		return oracle{}, fmt.Errorf("load policy: %w", err)
	}
	return oracle{e, realm}, nil
}

// roles are those of a person with these groups and claims. The version stamps stay zero: none of it is remembered.
func (o oracle) roles(ctx context.Context, u directory.User, over idp.ConnectionID, groups []string, claims map[string]any) (string, error) {
	conn, ok := o.realm.Connection(over)
	if !ok {
		conn.ID = over
	}
	realm := o.realm
	realm.Stamp = 0
	in := extauthz.Input(o.engine.Input(), realm, conn, directory.Person{User: u, Groups: groups, Claims: claims})
	found, err := o.engine.Roles(ctx, in)
	if _, refused := errors.AsType[*policies.Refusal](err); refused {
		return noRole, nil
	}
	if err != nil {
		return "", fmt.Errorf("roles of %s: %w", u.UserName, err)
	}
	if len(found) == 0 {
		return noRole, nil
	}
	return strings.Join(found, "+"), nil
}

// foretell finds everyone whom the switch would change. Whoever is deactivated is out either way.
func (a *app) foretell(s *store.Store, c Config, realm idp.Realm, on bool) ([]change, error) {
	o, err := a.oracle(c, realm)
	if err != nil {
		return nil, err
	}
	changes := []change{}
	err = s.SCIMPreview(a.ctx, realm.Tenant.ID, func(p store.SCIMPerson) error {
		if !p.User.Active {
			return nil
		}
		for _, l := range p.Links {
			one, err := o.compare(a.ctx, p, l, on)
			if err != nil {
				return err
			}
			if one.Before != one.After {
				changes = append(changes, one)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("foretell: %w", err)
	}
	return changes, nil
}

func (o oracle) compare(ctx context.Context, p store.SCIMPerson, l directory.Link, on bool) (change, error) {
	c := change{User: p.User.ID, UserName: p.User.UserName, Connection: l.Connection, LastSignIn: stamp(l.Seen)}
	signedIn, err := o.roles(ctx, p.User, l.Connection, l.Groups, l.Claims)
	if err != nil {
		return c, err
	}
	pushed, why := refusedRole, "scim has not made them"
	if p.User.Source == directory.SCIM {
		why = groupsWhy(p.Groups)
		if pushed, err = o.roles(ctx, p.User, l.Connection, p.Groups, nil); err != nil {
			return c, err
		}
	}
	if on {
		c.Before, c.After, c.Reason = signedIn, pushed, why
		return c, nil
	}
	c.Before, c.After, c.Reason = pushed, signedIn, "by the groups of the last sign-in"
	return c, nil
}

func groupsWhy(groups []string) string {
	const shown = 3
	switch n := len(groups); {
	case n == 0:
		return "in no pushed group"
	case n <= shown:
		return "in " + strings.Join(groups, ", ")
	default:
		return fmt.Sprintf("in %s and %d more", strings.Join(groups[:shown], ", "), n-shown)
	}
}
