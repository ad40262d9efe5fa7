package patch

import (
	"maps"
	"reflect"
	"slices"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// edit is one change of a document. Its value is normalised; nil unassigns.
type edit struct {
	op op
	target
	value     any
	operation int // its number in the request, from 1
}

// edit compiles an operation on anything but members.
func (c *compiler) edit(t target, o operation) error {
	if t.Attr != nil && t.Leaf().Dropped {
		return nil
	}
	if err := t.writable(); err != nil {
		return err
	}
	if t.Attr == nil {
		return c.editExtension(t, o)
	}
	e := edit{op: o.op, target: t, operation: c.at}
	if err := c.readValue(&e, o); err != nil {
		return err
	}
	if t.Sub == nil && t.Attr.Required && e.value == nil {
		return e.required()
	}
	c.edits = append(c.edits, e)
	return nil
}

func (e edit) required() error {
	if e.op == remove {
		return refuse(mutability, "%s is required and cannot be removed", e.name())
	}
	return refuse(invalidValue, "%s is required and cannot be empty", e.name())
}

// editExtension compiles an operation whose path is the URN of an extension.
func (c *compiler) editExtension(t target, o operation) error {
	if _, ok := o.value.(map[string]any); ok && o.op != remove {
		return c.extension(t, o, make(map[string]bool))
	}
	if o.op == remove || unassigned(o.value) {
		c.edits = append(c.edits, edit{op: remove, target: t, operation: c.at})
		return nil
	}
	return refuse(invalidValue, "%s takes an object", t.name())
}

// unassigned is RFC 7643 §2.5, and the empty object with it.
func unassigned(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	default:
		return false
	}
}

// readValue normalises the value of an operation for its target.
func (c *compiler) readValue(e *edit, o operation) error {
	var err error
	switch {
	case o.op == remove && e.Attr.MultiValued && e.where == nil && o.given:
		return c.readRemoved(e, o.value)
	case o.op == remove:
		return nil // nothing but the path counts
	case e.where != nil && e.Sub == nil:
		e.value, err = c.readElement(e, o.value)
	default:
		e.value, err = c.values.value(e.name(), e.Leaf(), o.value)
	}
	return err
}

// readElement reads what is merged into each match: an object, or the only one of an array.
func (c *compiler) readElement(e *edit, v any) (any, error) {
	if text, ok := v.(string); ok && text != "" {
		return nil, refuse(invalidValue, "%s takes an object", e.name())
	}
	return c.values.complex(e.name(), e.Attr, v)
}

// readRemoved reads the elements that a remove lists. Each has to say by its value which one it means: an empty list
// could mean all as well as none.
func (c *compiler) readRemoved(e *edit, v any) error {
	value, err := c.values.elements(e.name(), e.Attr, v)
	if err != nil {
		return err
	}
	list, _ := value.([]any)
	if len(list) == 0 {
		return refuse(invalidValue, "to remove all of %s leave value out; to remove some list them", e.name())
	}
	if e.Attr.Value() != nil {
		for _, item := range list {
			if element(item)["value"] == nil {
				return refuse(invalidValue, "each of %s to remove needs its value", e.name())
			}
		}
	}
	e.value = list
	return nil
}

func element(item any) map[string]any {
	object, _ := item.(map[string]any)
	return object
}

func (p *Plan) apply(doc map[string]any) (map[string]any, bool, error) {
	out := clone(doc)
	matches := 0
	for _, e := range p.edits {
		if err := e.apply(out, &matches); err != nil {
			return nil, false, numbered(err, e.operation)
		}
	}
	if size(out) > maxDocument {
		return nil, false, refuse(invalidValue, "the resource would be longer than %d bytes", maxDocument)
	}
	return out, !reflect.DeepEqual(out, clone(doc)), nil
}

// clone copies a document so that edits touch nothing of the original. Elements are copied too.
func clone(v map[string]any) map[string]any {
	out := make(map[string]any, len(v))
	for key, value := range v {
		out[key] = cloneValue(value)
	}
	return out
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return clone(v)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = cloneValue(item)
		}
		return out
	default:
		return v
	}
}

// size is about how long a document is as JSON.
func size(v any) int {
	n := 4
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			n += len(key) + size(value)
		}
	case []any:
		for _, item := range v {
			n += size(item)
		}
	case string:
		n += len(v)
	}
	return n
}

// apply makes the edit. An extension's attributes lie in an object of their own, which goes when it is empty.
func (e edit) apply(doc map[string]any, matches *int) error {
	if !e.Extension {
		return e.in(doc, matches)
	}
	if e.Attr == nil {
		delete(doc, e.Schema.URN)
		return nil
	}
	inner := element(doc[e.Schema.URN])
	if inner == nil {
		inner = make(map[string]any)
	}
	if err := e.in(inner, matches); err != nil {
		return err
	}
	set(doc, e.Schema.URN, inner)
	return nil
}

// in makes the edit in the object that holds the attribute.
func (e edit) in(holder map[string]any, matches *int) error {
	name := e.Attr.Name
	switch {
	case e.Attr.MultiValued:
		list, _ := holder[name].([]any)
		list, err := e.list(list, matches)
		if err != nil {
			return err
		}
		set(holder, name, list)
	case e.Sub != nil:
		object := element(holder[name])
		if object == nil {
			object = make(map[string]any)
		}
		set(object, e.Sub.Name, e.value)
		set(holder, name, object)
	case e.Attr.Type == schema.Complex && e.value != nil:
		set(holder, name, merge(element(holder[name]), element(e.value)))
	default:
		set(holder, name, e.value)
	}
	return nil
}

// set assigns, and unassigns what is nil or empty.
func set(holder map[string]any, name string, value any) {
	if unassigned(value) {
		delete(holder, name)
		return
	}
	holder[name] = value
}

// merge puts the given sub-attributes over those that are there.
func merge(into, given map[string]any) map[string]any {
	if into == nil {
		into = make(map[string]any, len(given))
	}
	maps.Copy(into, given)
	return assigned(into)
}

// list makes the edit on the values of a multi-valued attribute.
func (e edit) list(list []any, matches *int) ([]any, error) {
	switch {
	case e.where != nil:
		return e.selected(list, matches)
	case e.op == remove && e.value != nil:
		return e.without(list), nil
	case e.op == remove, e.op == replace && e.value == nil:
		return nil, nil
	case e.op == replace:
		given, _ := cloneValue(e.value).([]any)
		return given, nil
	}
	given, _ := e.value.([]any)
	return e.appended(list, given)
}

// appended adds what is not there yet.
func (e edit) appended(list, given []any) ([]any, error) {
	there := make(map[string]bool, len(list))
	for _, item := range list {
		there[identity(element(item))] = true
	}
	first := len(list)
	for _, item := range given {
		if id := identity(element(item)); !there[id] {
			list = append(list, cloneValue(item))
			there[id] = true
		}
	}
	if len(list) > maxElements {
		return nil, refuse(invalidValue, "%s takes at most %d values", e.name(), maxElements)
	}
	return e.onePrimary(list, func(i int) bool { return i >= first })
}

// without removes what agrees with one of the edit's elements in each sub-attribute that is given there.
func (e edit) without(list []any) []any {
	given, _ := e.value.([]any)
	return slices.DeleteFunc(list, func(item any) bool {
		return slices.ContainsFunc(given, func(g any) bool { return agrees(element(item), element(g)) })
	})
}

func agrees(item, given map[string]any) bool {
	for name, v := range given {
		if item[name] != v {
			return false
		}
	}
	return true
}

// onePrimary leaves primary to the one element that was just given it (RFC 7644 §3.5.2).
func (e edit) onePrimary(list []any, given func(int) bool) ([]any, error) {
	chosen := -1
	for i, item := range list {
		if !given(i) || !isPrimary(element(item)) {
			continue
		}
		if chosen >= 0 {
			return nil, refuse(invalidValue, "%s would have two primary values", e.name())
		}
		chosen = i
	}
	for i, item := range list {
		if chosen >= 0 && i != chosen && isPrimary(element(item)) {
			element(item)["primary"] = false
		}
	}
	return list, nil
}
