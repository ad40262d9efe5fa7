package scim

import (
	"maps"
	"slices"
	"strings"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// projection says which attributes an answer shows (RFC 7644 §3.9). The zero value shows what is returned by default.
type projection struct {
	given bool // one of the two parameters was there
	only  bool // names are those to show, else those to leave out
	names []schema.Ref
}

// project resolves the attributes asked for. A name that the resource type does not have is of no effect: there is
// nothing to show or hide under it.
func project(t *schema.ResourceType, p params) projection {
	list, out := p.excluded, projection{given: len(p.attributes)+len(p.excluded) > 0}
	if len(p.attributes) > 0 {
		list, out.only = p.attributes, true
	}
	for _, name := range list {
		if ref, err := t.Resolve(name); err == nil {
			out.names = append(out.names, ref)
		}
	}
	return out
}

// wants reports whether any part of a core attribute is shown, so that what is not need not be read.
func (p projection) wants(name string) bool {
	for _, ref := range p.names {
		if ref.Extension || ref.Attr != nil && ref.Attr.Name != name {
			continue
		}
		if p.only {
			return true
		}
		if ref.Sub == nil && ref.Attr != nil {
			return false
		}
	}
	return !p.only
}

// always are shown whatever is asked for (RFC 7643 §3.1, RFC 7644 §3.9).
var always = []string{"id", "schemas"}

// apply takes out of a resource what is not shown. The resource is changed in place.
func (p projection) apply(doc map[string]any) {
	if !p.given {
		return
	}
	if p.only {
		p.keep(doc)
		return
	}
	for _, ref := range p.names {
		drop(doc, ref)
	}
}

func (p projection) keep(doc map[string]any) {
	kept := map[string]any{}
	for _, name := range always {
		if v, ok := doc[name]; ok {
			kept[name] = v
		}
	}
	for _, ref := range p.names {
		from, to := doc, kept
		if ref.Extension {
			inner, ok := doc[ref.Schema.URN].(map[string]any)
			if !ok {
				continue
			}
			if ref.Attr == nil {
				kept[ref.Schema.URN] = inner
				continue
			}
			from, to = inner, object(kept, ref.Schema.URN)
		}
		if ref.Attr == nil { // the core schema's URN alone: all of it
			for name, v := range doc {
				if name != "meta" && !strings.Contains(name, ":") {
					kept[name] = v
				}
			}
			continue
		}
		keepAttr(from, to, ref)
	}
	for name, v := range kept {
		if inner, ok := v.(map[string]any); ok && len(inner) == 0 {
			delete(kept, name)
		}
	}
	clear(doc)
	maps.Copy(doc, kept)
}

// object returns the object under name, making it where it is not there.
func object(doc map[string]any, name string) map[string]any {
	if inner, ok := doc[name].(map[string]any); ok {
		return inner
	}
	inner := map[string]any{}
	doc[name] = inner
	return inner
}

// keepAttr copies an attribute or one of its sub-attributes beside those that are kept already.
func keepAttr(from, to map[string]any, ref schema.Ref) {
	name := ref.Attr.Name
	v, ok := from[name]
	if !ok {
		return
	}
	if ref.Sub == nil {
		to[name] = v
		return
	}
	switch v := v.(type) {
	case map[string]any:
		if value, ok := v[ref.Sub.Name]; ok {
			object(to, name)[ref.Sub.Name] = value
		}
	case []any:
		kept, ok := to[name].([]any)
		if !ok {
			kept = make([]any, len(v))
			for i := range kept {
				kept[i] = map[string]any{}
			}
			to[name] = kept
		}
		for i, item := range v {
			whole, isObject := item.(map[string]any)
			part, mine := kept[i].(map[string]any)
			if !isObject || !mine {
				continue
			}
			if value, ok := whole[ref.Sub.Name]; ok {
				part[ref.Sub.Name] = value
			}
		}
	}
}

func drop(doc map[string]any, ref schema.Ref) {
	from := doc
	if ref.Extension {
		inner, ok := doc[ref.Schema.URN].(map[string]any)
		if !ok {
			return
		}
		if ref.Attr == nil {
			delete(doc, ref.Schema.URN)
			return
		}
		from = inner
	}
	switch {
	case ref.Attr == nil || slices.Contains(always, ref.Attr.Name):
	case ref.Sub == nil:
		delete(from, ref.Attr.Name)
	default:
		dropSub(from[ref.Attr.Name], ref.Sub.Name)
	}
	if ref.Extension && len(from) == 0 {
		delete(doc, ref.Schema.URN)
	}
}

func dropSub(v any, sub string) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, sub)
	case []any:
		for _, item := range v {
			if object, ok := item.(map[string]any); ok {
				delete(object, sub)
			}
		}
	}
}

// wantsExtension reports whether any part of an extension is shown.
func (p projection) wantsExtension() bool {
	for _, ref := range p.names {
		if ref.Extension && p.only {
			return true
		}
		if ref.Extension && ref.Attr == nil {
			return false
		}
	}
	return !p.only
}
