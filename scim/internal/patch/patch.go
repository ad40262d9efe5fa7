package patch

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/tracio-ai/ssogate/scim/internal/filter"
	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// OpURN is the schema of a PATCH body (RFC 7644 §3.5.2).
const OpURN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// Plan is what the operations of one PATCH come to. It can be applied again and again.
type Plan struct {
	// Dropped names what was accepted and thrown away: attributes under schemas that are not ours.
	Dropped []string

	edits   []edit
	members Members
}

// Members is a change of a group's members that needs no look at them: first Clear, then Remove, then Add.
type Members struct {
	Clear  bool     // the members there were go, but for those in Add
	Remove []string // ids
	Add    []string // ids, in the order they were first named
	Nested []string // those to add that the client says are groups
}

// Empty reports whether the change names no member and clears none.
func (m Members) Empty() bool {
	return !m.Clear && len(m.Remove) == 0 && len(m.Add) == 0 && len(m.Nested) == 0
}

// Compile reads a PATCH body, as package jsonread decodes it, for the resource id of type t; fold makes two strings
// equal that differ in case only, for the filters of value paths. An error is an *Error. The plan is checked as far as that is possible without the resource.
func Compile(t *schema.ResourceType, id string, body map[string]any, fold func(string) string) (*Plan, error) {
	if !speaks(field(body, "schemas").value, OpURN) {
		return nil, refuse(invalidSyntax, "schemas has to name %s", OpURN)
	}
	list, ok := field(body, "Operations").value.([]any)
	if !ok || len(list) == 0 {
		return nil, refuse(invalidSyntax, "Operations has to be an array of one operation or more")
	}
	most := maxUserOperations
	if t == schema.Groups() {
		most = maxGroupOperations
	}
	if len(list) > most {
		return nil, refuse(invalidValue, "more than %d operations", most)
	}
	c := compiler{names: filter.Binder{Type: t, Fold: fold}, id: id, values: normaliser{strict: true}, members: newMemberSet()}
	for i, item := range list {
		c.at = i + 1
		if err := c.operation(item); err != nil {
			return nil, numbered(err, c.at)
		}
	}
	return &Plan{Dropped: c.values.dropped, edits: c.edits, members: c.members.change()}, nil
}

// ApplyUser makes the plan's edits on a copy of a user's document and reports whether anything is different. An error
// is an *Error.
func (p *Plan) ApplyUser(doc map[string]any) (map[string]any, bool, error) { return p.apply(doc) }

// ApplyGroup is ApplyUser for a group's document: displayName and externalId. Members are no part of it.
func (p *Plan) ApplyGroup(doc map[string]any) (map[string]any, bool, error) { return p.apply(doc) }

// Members returns what the plan does to the members of a group. What it returns is the plan's: read only.
func (p *Plan) Members() Members { return p.members }

// numbered says which operation an error is about.
func numbered(err error, operation int) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.Operation = operation
	}
	return err
}

// compiler collects edits and member changes, operation by operation.
type compiler struct {
	names   filter.Binder
	id      string
	at      int // number of the operation, from 1
	values  normaliser
	edits   []edit
	members *memberSet
}

// operation is one element of Operations.
type operation struct {
	op    op
	path  string
	value any
	given bool // there is a value, be it null
}

type op string

const (
	add     op = "add"
	replace op = "replace"
	remove  op = "remove"
)

func (c *compiler) operation(item any) error {
	o, err := readOperation(item)
	switch {
	case err != nil:
		return err
	case o.path != "":
		return c.targeted(o)
	case o.op == remove:
		return refuse(noTarget, "a remove needs a path")
	}
	object, ok := o.value.(map[string]any)
	if !ok || len(object) == 0 {
		return refuse(invalidValue, "without a path, value has to be an object of attributes")
	}
	return c.object(o.op, object)
}

func readOperation(item any) (operation, error) {
	object, ok := item.(map[string]any)
	if !ok {
		return operation{}, refuse(invalidSyntax, "an operation has to be an object")
	}
	for key := range object {
		switch strings.ToLower(key) {
		case "op", "path", "value", "name": // name is a label that Entra once sent
		default:
			return operation{}, refuse(invalidSyntax, "an operation has op, path and value, not %s", label(key))
		}
	}
	word, _ := field(object, "op").value.(string)
	o := operation{op: op(strings.ToLower(word))}
	if o.op != add && o.op != replace && o.op != remove {
		return operation{}, refuse(invalidSyntax, "op has to be add, replace or remove")
	}
	path := field(object, "path")
	if o.path, ok = path.value.(string); path.value != nil && (!ok || strings.Trim(o.path, " \t") == "") {
		return operation{}, refuse(invalidPath, "path has to be a string that names an attribute")
	}
	value := field(object, "value")
	o.value, o.given = value.value, value.given
	if o.op != remove && !o.given {
		return operation{}, refuse(invalidValue, "a %s needs a value", o.op)
	}
	return o, nil
}

// targeted compiles an operation with a path.
func (c *compiler) targeted(o operation) error {
	t, err := find(c.names, o.path)
	if errors.Is(err, errForeign) {
		c.foreign(o.path)
		return nil
	}
	if err != nil {
		return err
	}
	if isMembers(t) {
		return c.members.operation(o, t)
	}
	return c.edit(t, o)
}

// foreign reports a path under somebody else's schema, without the values in its filter.
func (c *compiler) foreign(path string) {
	name, _, _ := strings.Cut(path, "[")
	c.values.drop(name)
}

// object compiles the value of an operation without a path: each of its members is a target of its own. They are taken
// in the order of their names, so that a whole comes before its parts.
func (c *compiler) object(o op, object map[string]any) error {
	seen := make(map[string]bool, len(object))
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if err := c.member(operation{op: o, path: key, value: object[key], given: true}, seen); err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) member(o operation, seen map[string]bool) error {
	t, err := find(c.names, o.path)
	if errors.Is(err, errForeign) {
		c.foreign(o.path)
		return nil
	}
	if err != nil {
		return err
	}
	if seen[t.key()] {
		return refuse(invalidValue, "the value names %s twice", t.name())
	}
	seen[t.key()] = true
	switch {
	case isMembers(t):
		return c.members.operation(o, t)
	case t.Attr == nil:
		return c.extension(t, o, seen)
	case t.where == nil && t.Key() == "id":
		return c.sameID(o.value)
	case t.Attr.Name == "schemas", t.Attr.Name == "meta":
		return nil
	}
	return c.edit(t, o)
}

// sameID lets pass what a client read and sends back.
func (c *compiler) sameID(value any) error {
	if value != c.id {
		return refuse(mutability, "id is read only, and the value has another one than the resource")
	}
	return nil
}

// extension compiles the object of an extension: its attributes are targets of their own.
func (c *compiler) extension(t target, o operation, seen map[string]bool) error {
	if err := t.writable(); err != nil {
		return err
	}
	object, ok := o.value.(map[string]any)
	if !ok {
		return c.edit(t, o)
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if strings.EqualFold(name, "schemas") {
			continue // scim2-client sends an extension as if it were a resource
		}
		path := t.Schema.URN + ":" + name
		inner, err := find(c.names, path)
		if err != nil || inner.Schema != t.Schema || inner.Attr == nil {
			return refuse(invalidPath, "%s has no attribute %s", t.Key(), label(name))
		}
		if err := c.member(operation{op: o.op, path: path, value: object[name], given: true}, seen); err != nil {
			return err
		}
	}
	return nil
}

// given is a member of a message.
type given struct {
	value any
	given bool
}

// field finds a member of a message in any case (RFC 7643 §2.1); package jsonread has seen to it that there is one at
// most. The lengths keep letters like ſ out, which fold to ASCII and are longer.
func field(object map[string]any, name string) given {
	if v, ok := object[name]; ok {
		return given{v, true}
	}
	for key, v := range object {
		if len(key) == len(name) && strings.EqualFold(key, name) {
			return given{v, true}
		}
	}
	return given{}
}

// speaks reports whether v is an array of strings with urn among them, in any case.
func speaks(v any, urn string) bool {
	list, ok := v.([]any)
	return ok && slices.ContainsFunc(list, func(item any) bool {
		s, ok := item.(string)
		return ok && strings.EqualFold(s, urn)
	})
}
