package patch

import (
	"maps"
	"slices"
	"strings"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// normaliser gives values the table's spelling and types. In a normalised value nil means unassigned.
type normaliser struct {
	strict  bool // unknown sub-attributes are refused, as in PATCH, not dropped
	dropped []string
}

// drop reports a name that was thrown away. What others call their attributes can be anything, so it is cut to a
// length and to plain characters.
func (n *normaliser) drop(name string) {
	name = label(name)
	if len(n.dropped) < maxReported && !slices.Contains(n.dropped, name) {
		n.dropped = append(n.dropped, name)
	}
}

// label makes a name from outside fit to be shown.
func label(name string) string {
	const most = 160
	clean := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, name[:min(len(name), most)])
	if len(name) > most {
		clean += "..."
	}
	return clean
}

// value normalises the value of an attribute or sub-attribute; name is what errors call it. A multi-valued attribute
// comes back as []any of map[string]any, a complex one as map[string]any in which nil unassigns a sub-attribute.
func (n *normaliser) value(name string, a *schema.Attribute, v any) (any, error) {
	switch {
	case a.MultiValued:
		return n.elements(name, a, v)
	case a.Type == schema.Complex:
		return n.complex(name, a, v)
	case a.Type == schema.Boolean:
		return boolean(name, v)
	default:
		return text(name, v)
	}
}

func boolean(name string, v any) (any, error) {
	switch v := v.(type) {
	case nil, bool:
		return v, nil
	case string:
		if strings.EqualFold(v, "true") || strings.EqualFold(v, "false") {
			return strings.EqualFold(v, "true"), nil
		}
	}
	return nil, refuse(invalidValue, "%s takes true, false or null", name)
}

func text(name string, v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		if v == "" {
			return nil, nil
		}
		return v, nil
	case []any:
		if len(v) == 0 {
			return nil, nil
		}
	}
	return nil, refuse(invalidValue, "%s takes a string", name)
}

// complex reads a singular complex value: an object, its "value" alone, or either as the only element of an array.
func (n *normaliser) complex(name string, a *schema.Attribute, v any) (any, error) {
	if list, ok := v.([]any); ok && len(list) == 1 {
		if _, nested := list[0].([]any); !nested {
			v = list[0]
		}
	}
	switch v := v.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return n.object(name, a, v)
	case string:
		if v == "" {
			return nil, nil
		}
		if a.Value() != nil {
			return map[string]any{a.Value().Name: v}, nil
		}
	case []any:
		if len(v) == 0 {
			return nil, nil
		}
	}
	return nil, refuse(invalidValue, "%s takes an object", name)
}

// object reads the sub-attributes of one complex value.
func (n *normaliser) object(name string, a *schema.Attribute, v map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(v))
	for _, key := range slices.Sorted(maps.Keys(v)) {
		var sub *schema.Attribute
		if schema.IsName(key) {
			sub = a.SubAttribute(key)
		}
		switch {
		case sub == nil && n.strict:
			return nil, refuse(invalidPath, "%s has no sub-attribute %s", name, label(key))
		case sub == nil:
			n.drop(name + "." + key)
		case sub.Dropped || computed(sub):
		default:
			value, err := n.value(name+"."+sub.Name, sub, v[key])
			if err != nil {
				return nil, err
			}
			out[sub.Name] = value
		}
	}
	return out, nil
}

// computed sub-attributes are answered from others: where a manager is found follows from who it is.
func computed(a *schema.Attribute) bool { return a.Name == "$ref" }

// elements reads the value of a multi-valued attribute of a user: an array of objects, or one of them.
func (n *normaliser) elements(name string, a *schema.Attribute, v any) (any, error) {
	list, ok := v.([]any)
	if object, single := v.(map[string]any); single {
		list, ok = []any{object}, true
	}
	switch {
	case v == nil || v == "":
		return nil, nil
	case !ok:
		return nil, refuse(invalidValue, "%s takes an array of objects", name)
	case len(list) > maxElements:
		return nil, refuse(invalidValue, "%s takes at most %d values", name, maxElements)
	}
	var out []any
	seen := make(map[string]bool, len(list))
	primaries := 0
	for _, item := range list {
		element, err := n.element(name, a, item)
		if err != nil {
			return nil, err
		}
		if id := identity(element); len(element) > 0 && !seen[id] {
			seen[id] = true
			out = append(out, element)
			if isPrimary(element) {
				primaries++
			}
		}
	}
	if primaries > 1 {
		return nil, refuse(invalidValue, "%s has two primary values", name)
	}
	if out == nil {
		return nil, nil
	}
	return out, nil
}

func (n *normaliser) element(name string, a *schema.Attribute, item any) (map[string]any, error) {
	switch item := item.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		object, err := n.object(name, a, item)
		if err != nil {
			return nil, err
		}
		return assigned(object), nil
	}
	return nil, refuse(invalidValue, "%s takes an array of objects", name)
}

// assigned leaves out what is unassigned. It works in place.
func assigned(object map[string]any) map[string]any {
	maps.DeleteFunc(object, func(_ string, v any) bool { return v == nil })
	return object
}

func isPrimary(element map[string]any) bool { return element["primary"] == true }

// identity is equal for elements that are equal. Elements hold strings and booleans only.
func identity(element map[string]any) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(element)) {
		b.WriteString(key)
		switch v := element[key].(type) {
		case string:
			b.WriteString("=" + v)
		case bool:
			if v {
				b.WriteString("+")
			} else {
				b.WriteString("-")
			}
		}
		b.WriteByte(0) // no string has it
	}
	return b.String()
}
