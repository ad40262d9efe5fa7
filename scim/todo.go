package scim

import (
	"net/http"

	"github.com/tracio-ai/ssogate/scim/directory"
)

var errTodo = &Error{Status: http.StatusNotImplemented, Detail: "Not yet."}

func (c *call) userQuery(p params) (directory.Query[directory.User], error) {
	return directory.Query[directory.User]{}, errTodo
}
func (c *call) groupQuery(p params) (directory.Query[directory.Group], error) {
	return directory.Query[directory.Group]{}, errTodo
}

type runner = func(directory.Tx) (outcome, error)

func (c *call) createUser(op operation) (runner, error)   { return nil, errTodo }
func (c *call) replaceUser(op operation) (runner, error)  { return nil, errTodo }
func (c *call) patchUser(op operation) (runner, error)    { return nil, errTodo }
func (c *call) createGroup(op operation) (runner, error)  { return nil, errTodo }
func (c *call) replaceGroup(op operation) (runner, error) { return nil, errTodo }
func (c *call) patchGroup(op operation) (runner, error)   { return nil, errTodo }
