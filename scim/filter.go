package scim

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/tracio-ai/ssogate/scim/directory"
	"github.com/tracio-ai/ssogate/scim/internal/filter"
	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// condition is a filter as the store takes it, for either type of resource.
type condition struct {
	filter.Lowered
	residual *filter.Filter
}

// condition splits the filter of p into what the database decides and what is left to Go. beyond are the attributes
// that Go does not have when it is asked.
func (c *call) condition(t *schema.ResourceType, p params, columns map[string]filter.Column, beyond string) (condition, error) {
	if p.filter == nil {
		return condition{}, nil
	}
	b := filter.Binder{Type: t, Fold: directory.Fold, Undefined: c.everywhere()}
	f, err := b.Filter(*p.filter)
	if err != nil {
		return condition{}, badFilter(err)
	}
	low := f.Lower(columns)
	if low.Residual != nil && slices.Contains(low.Residual.Reads(), beyond) {
		return condition{}, badRequest(typeInvalidFilter, "A filter on "+beyond+" compares their value with eq, alone or with and: "+beyond+`.value eq "id".`)
	}
	return condition{Lowered: low, residual: low.Residual}, nil
}

func badFilter(err error) error {
	if e, ok := errors.AsType[*filter.Error](err); ok {
		return &Error{Status: http.StatusBadRequest, Type: e.Type, Detail: e.Error()}
	}
	return err
}

func (c *call) userQuery(p params) (q directory.Query[directory.User], never bool, err error) {
	cond, err := c.condition(schema.Users(), p, directory.UserColumns(), "groups")
	if err != nil {
		return q, false, err
	}
	q.Where, q.Args, q.Indexed = cond.Where, cond.Args, cond.Narrow
	if cond.residual != nil {
		q.Match = func(u directory.User) bool {
			doc, err := c.h.userDoc(u, nil)
			return err == nil && cond.residual.Match(doc)
		}
	}
	ref, err := sortRef(schema.Users(), p)
	if err != nil || ref == nil {
		return q, cond.Never, err
	}
	q.Sort.Descending = p.descending
	if column, ok := directory.UserOrder(ref.Key()); ok {
		q.Sort.Column = column
		return q, cond.Never, nil
	}
	q.Sort.Key = func(u directory.User) (string, bool) {
		doc, err := c.h.userDoc(u, nil)
		if err != nil {
			return "", false
		}
		return sortKey(doc, *ref)
	}
	return q, cond.Never, nil
}

func (c *call) groupQuery(p params) (q directory.Query[directory.Group], never bool, err error) {
	cond, err := c.condition(schema.Groups(), p, directory.GroupColumns(), "members")
	if err != nil {
		return q, false, err
	}
	q.Where, q.Args, q.Indexed = cond.Where, cond.Args, cond.Narrow
	if cond.residual != nil {
		q.Match = func(g directory.Group) bool { return cond.residual.Match(c.h.groupDoc(g)) }
	}
	ref, err := sortRef(schema.Groups(), p)
	if err != nil || ref == nil {
		return q, cond.Never, err
	}
	q.Sort.Descending = p.descending
	if column, ok := directory.GroupOrder(ref.Key()); ok {
		q.Sort.Column = column
		return q, cond.Never, nil
	}
	q.Sort.Key = func(g directory.Group) (string, bool) { return sortKey(c.h.groupDoc(g), *ref) }
	return q, cond.Never, nil
}

// sortRef finds the attribute to sort by; nil: none is given. Across resource types one that this type lacks is of no
// effect.
func sortRef(t *schema.ResourceType, p params) (*schema.Ref, error) {
	if p.sortBy == "" {
		return nil, nil //nolint:nilnil // nothing to sort by is not an error
	}
	ref, err := t.Resolve(p.sortBy)
	if err != nil || ref.Attr == nil {
		return nil, badRequest(typeInvalidPath, "sortBy names no attribute of a "+t.Name+".")
	}
	if ref.Sub == nil && ref.Attr.Type == schema.Complex {
		if ref.Sub = ref.Attr.Value(); ref.Sub == nil {
			return nil, badRequest(typeInvalidPath, "sortBy names an attribute made of several: add which of them, as in name.familyName.")
		}
	}
	if ref.Attr.Name == "members" || ref.Attr.Name == "groups" {
		return nil, badRequest(typeInvalidPath, "Nothing can be sorted by "+ref.Attr.Name+".")
	}
	return &ref, nil
}

// sortKey is the value that a resource is sorted by: of several the primary one, else the first (RFC 7644 §3.4.2.3).
func sortKey(doc map[string]any, ref schema.Ref) (string, bool) {
	holder := doc
	if ref.Extension {
		holder, _ = doc[ref.Schema.URN].(map[string]any) // a nil map answers nothing
	}
	v := holder[ref.Attr.Name]
	if list, ok := v.([]any); ok {
		v = principal(list)
	}
	if ref.Sub != nil {
		inner, _ := v.(map[string]any) // a nil map answers nothing
		v = inner[ref.Sub.Name]
	}
	switch v := v.(type) {
	case string:
		if !ref.Leaf().CaseExact {
			v = directory.Fold(v)
		}
		return v, v != ""
	case bool:
		if v {
			return "1", true
		}
		return "0", true
	case json.Number:
		return v.String(), true
	default:
		return "", false
	}
}

func principal(list []any) any {
	for _, item := range list {
		if object, ok := item.(map[string]any); ok && object["primary"] == true {
			return item
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[0]
}
