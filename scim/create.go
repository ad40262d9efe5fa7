package scim

import (
	"net/http"

	"github.com/tracio-ai/ssogate/scim/directory"
	"github.com/tracio-ai/ssogate/scim/internal/patch"
	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// createUser is POST /Users (RFC 7644 §3.3).
func (c *call) createUser(op operation) (runner, error) {
	b, err := patch.Normalize(schema.Users(), op.body, patch.Create)
	if err != nil {
		return nil, badBody(err)
	}
	return func(tx directory.Tx) (outcome, error) {
		u, err := putUser(tx, directory.User{}, b.Over(nil))
		if err != nil {
			return outcome{}, err
		}
		out := userOutcome(http.StatusCreated, u)
		out.dropped = b.Dropped
		return out, nil
	}, nil
}

// replaceUser is PUT /Users/{id} (RFC 7644 §3.5.1). What the body leaves out is cleared, but for active: an omission
// must not let anybody back in.
func (c *call) replaceUser(op operation) (runner, error) {
	b, err := patch.Normalize(schema.Users(), op.body, patch.Replace)
	if err != nil {
		return nil, badBody(err)
	}
	return func(tx directory.Tx) (outcome, error) {
		u, err := op.lockedUser(tx)
		if err != nil {
			return outcome{}, err
		}
		old, err := writable(u)
		if err != nil {
			return outcome{}, err
		}
		if u, err = putUser(tx, u, b.Over(old)); err != nil {
			return outcome{}, err
		}
		out := userOutcome(http.StatusOK, u)
		out.dropped = b.Dropped
		return out, nil
	}, nil
}

// createGroup is POST /Groups.
func (c *call) createGroup(op operation) (runner, error) {
	b, err := patch.Normalize(schema.Groups(), op.body, patch.Create)
	if err != nil {
		return nil, badBody(err)
	}
	return func(tx directory.Tx) (outcome, error) {
		g, err := putGroup(tx, directory.Group{}, b.Doc)
		if err != nil {
			return outcome{}, err
		}
		out := groupOutcome(http.StatusCreated, g)
		out.empty, out.dropped = true, b.Dropped
		members := b.Members
		members.Clear = false // it is new
		return setMembers(tx, out, members)
	}, nil
}

// replaceGroup is PUT /Groups/{id}. Members that the body does not name are left alone.
func (c *call) replaceGroup(op operation) (runner, error) {
	b, err := patch.Normalize(schema.Groups(), op.body, patch.Replace)
	if err != nil {
		return nil, badBody(err)
	}
	return func(tx directory.Tx) (outcome, error) {
		g, err := op.lockedGroup(tx)
		if err != nil {
			return outcome{}, err
		}
		if g, err = putGroup(tx, g, b.Doc); err != nil {
			return outcome{}, err
		}
		out := groupOutcome(http.StatusOK, g)
		out.dropped = b.Dropped
		if !b.HasMembers {
			return out, nil
		}
		return setMembers(tx, out, b.Members)
	}, nil
}
