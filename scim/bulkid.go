package scim

import "strings"

// collect finds every bulkId named in a body: a string that is one, and a PATCH path that compares with one.
func collect(v any, found func(id string)) {
	replace(v, func(id string) (string, bool) {
		found(id)
		return "", false
	})
}

// replace returns v with every reference to a bulkId replaced by what to gives for it. References for which to gives
// nothing stay.
func replace(v any, to func(id string) (string, bool)) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			if path, ok := value.(string); ok && strings.EqualFold(key, "path") {
				out[key] = replaceInPath(path, to)
				continue
			}
			out[key] = replace(value, to)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = replace(item, to)
		}
		return out
	case string:
		if id, ok := strings.CutPrefix(v, bulkPrefix); ok {
			if known, ok := to(id); ok {
				return known
			}
		}
		return v
	default:
		return v
	}
}

// replaceInPath does so for the quoted values of a path, as in members[value eq "bulkId:ytrewq"].
func replaceInPath(path string, to func(id string) (string, bool)) string {
	const quoted = `"` + bulkPrefix
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(path, quoted)
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		id, after, ok := strings.Cut(rest, `"`)
		known, have := "", false
		if ok {
			known, have = to(id)
		}
		if !have {
			known = bulkPrefix + id
		}
		out.WriteString(`"` + known)
		if ok {
			out.WriteString(`"`)
		}
		path = after
	}
}

// strip takes unresolved references out of a body, with the elements that held nothing else: what is left can be made
// before what it refers to.
func strip(v any) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			if kept, ok := strip(value); ok {
				out[key] = kept
			}
		}
		_, refers := v["value"].(string)
		_, kept := out["value"]
		return out, kept || !refers
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			if kept, ok := strip(item); ok {
				out = append(out, kept)
			}
		}
		return out, true
	case string:
		return v, !strings.HasPrefix(v, bulkPrefix)
	default:
		return v, true
	}
}
