package scim

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

const maxShape = 400

// shape describes a body by names and kinds of values: what an administrator needs to find a wrong mapping, and nothing
// of anybody's data.
func shape(body map[string]any) string {
	if list, ok := message(body, "Operations").([]any); ok {
		var parts []string
		for _, item := range list {
			if object, ok := item.(map[string]any); ok {
				parts = append(parts, operationShape(object))
			}
			if len(parts) == 20 {
				parts = append(parts, "…")
				break
			}
		}
		return clip(strings.Join(parts, "; "), maxShape)
	}
	return clip(objectShape(body), maxShape)
}

func operationShape(op map[string]any) string {
	var words []string
	for _, key := range []string{"op", "method", "path"} {
		if text, ok := message(op, key).(string); ok {
			words = append(words, withoutValues(text))
		}
	}
	for _, key := range []string{"value", "data"} {
		for name, v := range op {
			if strings.EqualFold(name, key) {
				words = append(words, kind(v))
			}
		}
	}
	return strings.Join(words, " ")
}

// withoutValues blanks what is compared with in a path, quoted or not, and ids in the path of a bulk operation.
func withoutValues(path string) string {
	if strings.HasPrefix(path, "/") {
		return route(Base + path).template()[len(Base):]
	}
	before, filter, ok := strings.Cut(path, "[")
	if !ok {
		return name(path)
	}
	words := strings.Fields(filter)
	attr := "…"
	if len(words) > 0 {
		attr = name(words[0])
	}
	after := ""
	if i := strings.LastIndex(filter, "]"); i >= 0 {
		after = name(filter[i+1:])
	}
	return name(before) + "[" + attr + "]" + after
}

// name shows a string only if it can be the name of an attribute.
func name(s string) string {
	if len(s) > 120 {
		return "…"
	}
	for _, r := range s {
		if r != ':' && r != '.' && r != '$' && r != '_' && r != '-' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z') {
			return "…"
		}
	}
	return s
}

func objectShape(object map[string]any) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if len(parts) == 40 {
			parts = append(parts, "…")
			break
		}
		if strings.EqualFold(key, "schemas") {
			continue
		}
		parts = append(parts, name(key)+"="+kind(object[key]))
	}
	return strings.Join(parts, " ")
}

func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case json.Number:
		return "number"
	case []any:
		if len(v) == 0 {
			return "[]"
		}
		return fmt.Sprintf("[%d %s]", len(v), kind(v[0]))
	case map[string]any:
		var names []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if len(names) == 20 {
				break
			}
			names = append(names, name(key))
		}
		return "{" + strings.Join(names, ",") + "}"
	default:
		return "unknown"
	}
}

// notes adds to a successful call's entry what the administrator should know of it all the same.
func (c *call) notes() {
	var parts []string
	if len(c.dropped) > 0 {
		list := make([]string, 0, len(c.dropped))
		for _, attr := range c.dropped {
			list = append(list, name(attr))
		}
		slices.Sort(list)
		parts = append(parts, "Not kept: "+strings.Join(slices.Compact(list), ", ")+". Remove these from the attribute mapping.")
	}
	if c.pending > 0 {
		parts = append(parts, fmt.Sprintf("%d of the members are not users here, and count for nothing until they are. Assign these people to the application; groups in groups are not expanded.", c.pending))
	}
	c.entry.Hint = clip(strings.Join(parts, " "), 1000)
}

// hint says how to mend what an error complains of, where the error's own detail does not.
func hint(e *Error) string {
	switch {
	case e.Status == http.StatusUnauthorized:
		return "Make a token with: ssogate scim token create. Paste it into the identity provider's SCIM settings."
	case e.Status == http.StatusNotFound:
		return "The identity provider remembers an id that is not here: remove the person or group from the application and assign it again."
	case e.Type == typeUniqueness:
		return "Another user or group of this tenant has the name. Match on it in the identity provider, or rename one of the two."
	case e.Type == typeInvalidPath:
		return "Remove the attribute from the mapping, or map it to one listed at " + Base + "/Schemas."
	case e.Type == typeTooMany:
		return "Filter by userName, externalId, displayName, emails or members."
	case e.Status == http.StatusTooManyRequests:
		return "Lower the identity provider's request rate."
	case e.Status >= http.StatusInternalServerError:
		return "The gate's fault: the identity provider will repeat the call."
	default:
		return ""
	}
}
