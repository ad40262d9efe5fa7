package scim

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/tracio-ai/ssogate/scim/directory"
	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// operation is one write, alone or in a bulk request.
type operation struct {
	method string
	place  place
	body   map[string]any
	pre    preconditions
}

// outcome is what a write left behind.
type outcome struct {
	status  int
	place   place // of the resource
	version int64 // 0: it is gone
	empty   bool  // a group made without members
	dropped []string
	pending int
}

// change runs a write of its own and shows the resource as it is afterwards.
func (c *call) change(ctx context.Context, method string, body map[string]any) (answer, error) {
	p, err := queryParams(c.query)
	if err != nil {
		return answer{}, err
	}
	out, err := c.write(ctx, operation{method: method, place: c.place, body: body, pre: preconditionsOf(c.header)})
	if err != nil {
		return answer{}, err
	}
	a := answer{status: out.status, location: c.h.locationOf(out.place)}
	if out.version == 0 {
		a.location = ""
		return a, nil
	}
	a.etag = etag(out.version)
	c.entry.Target = out.place.id
	quiet := method == http.MethodPatch && out.place.endpoint == atGroup && len(p.attributes)+len(p.excluded) == 0
	if quiet {
		a.status = http.StatusNoContent // Entra takes a group's body for one that it has to compare
		return a, nil
	}
	return c.show(ctx, a, out, p)
}

// write runs one operation in a transaction of its own.
func (c *call) write(ctx context.Context, op operation) (out outcome, err error) {
	run, err := c.prepare(op)
	if err != nil {
		return outcome{}, err
	}
	err = c.update(ctx, func(tx directory.Tx) error {
		out, err = run(tx)
		return err
	})
	if err != nil {
		return outcome{}, err
	}
	c.dropped, c.pending = append(c.dropped, out.dropped...), c.pending+out.pending
	return out, nil
}

// update waits for this tenant's turn to write.
func (c *call) update(ctx context.Context, fn func(directory.Tx) error) error {
	done, err := c.h.turn.write(ctx, c.tenant)
	if err != nil {
		return err
	}
	defer done()
	return storeError(c.h.Store.Update(ctx, c.tenant, fn))
}

// storeError is what a client is told of an error of the store.
func storeError(err error) error {
	if _, ours := errors.AsType[*Error](err); err == nil || ours {
		return err
	}
	if e, ok := errors.AsType[*directory.UnknownMembers](err); ok {
		return badRequest(typeInvalidValue, fmt.Sprintf("%d of the members are not users of this tenant. Assign them to the application first.", len(e.IDs)))
	}
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return notFound()
	case errors.Is(err, directory.ErrTooMany):
		return badRequest(typeTooMany, "The query looks at more resources than one request may. Filter by an attribute that is indexed, such as userName, externalId, emails, displayName or members.")
	case errors.Is(err, directory.ErrInvalid):
		return badRequest(typeInvalidValue, "A value cannot be stored: it holds U+0000 or is too long.")
	default:
		return fault(err)
	}
}

// prepare checks and compiles an operation outside any transaction. The function it returns may run several times.
func (c *call) prepare(op operation) (runner, error) {
	compile := compilers[target{op.place.endpoint, op.method}]
	if compile == nil {
		return nil, notFound()
	}
	return compile(c, op)
}

// target is what an operation does to what.
type target struct {
	endpoint endpoint
	method   string
}

var compilers = map[target]func(*call, operation) (runner, error){
	{atUsers, http.MethodPost}:   (*call).createUser,
	{atUser, http.MethodPut}:     (*call).replaceUser,
	{atUser, http.MethodPatch}:   (*call).patchUser,
	{atUser, http.MethodDelete}:  deleteUser,
	{atGroups, http.MethodPost}:  (*call).createGroup,
	{atGroup, http.MethodPut}:    (*call).replaceGroup,
	{atGroup, http.MethodPatch}:  (*call).patchGroup,
	{atGroup, http.MethodDelete}: deleteGroup,
}

func deleteUser(_ *call, op operation) (runner, error) {
	return func(tx directory.Tx) (outcome, error) {
		u, err := op.lockedUser(tx)
		if err != nil {
			return outcome{}, err
		}
		return outcome{status: http.StatusNoContent, place: op.place}, tx.Delete(directory.Ref{User: u.ID})
	}, nil
}

func deleteGroup(_ *call, op operation) (runner, error) {
	return func(tx directory.Tx) (outcome, error) {
		g, err := op.lockedGroup(tx)
		if err != nil {
			return outcome{}, err
		}
		return outcome{status: http.StatusNoContent, place: op.place}, tx.Delete(directory.Ref{Group: g.ID})
	}, nil
}

func userOutcome(status int, u directory.User) outcome {
	return outcome{status: status, place: place{endpoint: atUser, id: string(u.ID)}, version: u.Version}
}

func groupOutcome(status int, g directory.Group) outcome {
	return outcome{status: status, place: place{endpoint: atGroup, id: string(g.ID)}, version: g.Version}
}

// show answers a write with the resource read back: its groups or members are not part of what was written.
func (c *call) show(ctx context.Context, a answer, out outcome, p params) (answer, error) {
	if out.place.endpoint == atGroup {
		g, err := c.group(ctx, directory.GroupID(out.place.id))
		if err != nil {
			return answer{}, err
		}
		pr := project(schema.Groups(), p)
		a.etag = etag(g.Version)
		a.body = func(e *encoder) { c.h.writeGroup(e, g, c.stored(ctx, g.ID), out.empty, pr) }
		return a, nil
	}
	pr := project(schema.Users(), p)
	u, err := c.user(ctx, directory.UserID(out.place.id), pr)
	if err != nil {
		return answer{}, err
	}
	known, err := c.managers(ctx, []directory.User{u}, pr)
	if err != nil {
		return answer{}, err
	}
	a.etag = etag(u.Version)
	a.body = func(e *encoder) { c.h.writeUser(e, u, known, pr) }
	return a, nil
}
