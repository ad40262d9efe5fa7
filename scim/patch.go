package scim

import (
	"errors"
	"net/http"

	"github.com/tracio-ai/ssogate/scim/directory"
	"github.com/tracio-ai/ssogate/scim/internal/patch"
	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// runner is an operation that is ready for a transaction. It may run several times.
type runner = func(directory.Tx) (outcome, error)

// badBody is the answer to a body that package patch refuses.
func badBody(err error) error {
	if e, ok := errors.AsType[*patch.Error](err); ok {
		return &Error{Status: http.StatusBadRequest, Type: e.Type, Detail: e.Says()}
	}
	return err
}

// lockedUser reads the row an operation is about, keeps it until the transaction ends, and holds If-Match against it there
// (RFC 7644 §3.14): nobody changes it between the check and the write.
func (op operation) lockedUser(tx directory.Tx) (directory.User, error) {
	u, err := tx.User(directory.UserID(op.place.id))
	if err != nil {
		return u, err
	}
	return u, op.pre.check(u.Version)
}

// lockedGroup is lockedUser for groups.
func (op operation) lockedGroup(tx directory.Tx) (directory.Group, error) {
	g, err := tx.Group(directory.GroupID(op.place.id))
	if err != nil {
		return g, err
	}
	return g, op.pre.check(g.Version)
}

// patchUser compiles the operations; they are applied to what the row holds once it is locked.
func (c *call) patchUser(op operation) (runner, error) {
	plan, err := patch.Compile(schema.Users(), op.place.id, op.body, directory.Fold)
	if err != nil {
		return nil, badBody(err)
	}
	return func(tx directory.Tx) (outcome, error) {
		u, err := op.lockedUser(tx)
		if err != nil {
			return outcome{}, err
		}
		doc, err := writable(u)
		if err != nil {
			return outcome{}, err
		}
		doc, changed, err := plan.ApplyUser(doc)
		if err != nil {
			return outcome{}, badBody(err)
		}
		if changed {
			if u, err = putUser(tx, u, doc); err != nil {
				return outcome{}, err
			}
		}
		out := userOutcome(http.StatusOK, u)
		out.dropped = plan.Dropped
		return out, nil
	}, nil
}

func putUser(tx directory.Tx, u directory.User, doc map[string]any) (directory.User, error) {
	u, err := withDoc(u, doc)
	if err != nil {
		return u, err
	}
	u, err = tx.PutUser(u)
	return u, taken(err, "user", "userName")
}

func putGroup(tx directory.Tx, g directory.Group, doc map[string]any) (directory.Group, error) {
	g, err := tx.PutGroup(withGroupDoc(g, doc))
	return g, taken(err, "group", "displayName")
}

// taken says which attribute another resource has already.
func taken(err error, kind, attr string) error {
	if !errors.Is(err, directory.ErrTaken) {
		return err
	}
	return &Error{
		Status: http.StatusConflict, Type: typeUniqueness, Cause: err,
		Detail: "Another " + kind + " has this " + attr + ". Give this one another " + attr + ", or match the " + kind + " that is there by it.",
	}
}

// patchGroup compiles the operations into edits of the row and a change of members. The members there are stay unread:
// a change made from what was read would undo what others add meanwhile.
func (c *call) patchGroup(op operation) (runner, error) {
	plan, err := patch.Compile(schema.Groups(), op.place.id, op.body, directory.Fold)
	if err != nil {
		return nil, badBody(err)
	}
	return func(tx directory.Tx) (outcome, error) {
		g, err := op.lockedGroup(tx)
		if err != nil {
			return outcome{}, err
		}
		doc, changed, err := plan.ApplyGroup(writableGroup(g))
		if err != nil {
			return outcome{}, badBody(err)
		}
		if changed {
			if g, err = putGroup(tx, g, doc); err != nil {
				return outcome{}, err
			}
		}
		out := groupOutcome(http.StatusOK, g)
		out.dropped = plan.Dropped
		return setMembers(tx, out, plan.Members())
	}, nil
}

// setMembers changes the members of the group that out is about.
func setMembers(tx directory.Tx, out outcome, m patch.Members) (outcome, error) {
	if m.Empty() {
		return out, nil
	}
	id := directory.GroupID(out.place.id)
	result, err := tx.Members(id, directory.Delta{Clear: m.Clear, Add: userIDs(m.Add), Remove: userIDs(m.Remove), Nested: m.Nested})
	if err != nil {
		return outcome{}, err
	}
	out.pending = len(result.Pending) + len(m.Nested) + result.Dropped
	if result.Changed {
		g, err := tx.Group(id)
		if err != nil {
			return outcome{}, err
		}
		out.version = g.Version
	}
	return out, nil
}

func userIDs(list []string) []directory.UserID {
	out := make([]directory.UserID, len(list))
	for i, id := range list {
		out[i] = directory.UserID(id)
	}
	return out
}
