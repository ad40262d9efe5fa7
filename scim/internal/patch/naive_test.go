package patch

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// naive reads operations as somebody would who has all day: no plan, no table, one after the other on JSON. It knows
// the attributes that dice has.
func naive(doc object, operations []any) (object, string) {
	now, _ := cleaned(doc).(object)
	for _, item := range operations {
		o, _ := item.(object)
		verb := strings.ToLower(fmt.Sprint(o["op"]))
		path, hasPath := o["path"].(string)
		targets := object{path: o["value"]}
		if !hasPath {
			targets, _ = o["value"].(object)
		}
		for _, path := range slices.Sorted(maps.Keys(targets)) {
			_, given := o["value"]
			if problem := naiveOne(now, verb, path, targets[path], given); problem != "" {
				return nil, problem
			}
			now, _ = cleaned(now).(object)
		}
	}
	return now, ""
}

func naiveOne(doc object, verb, path string, value any, given bool) string {
	if rest, ok := strings.CutPrefix(path, ext+":"); ok {
		if doc[ext] == nil {
			doc[ext] = object{}
		}
		doc, _ = doc[ext].(object)
		path = rest
	}
	name, rest, filtered := strings.Cut(path, "[")
	if filtered {
		where, sub, _ := strings.Cut(rest, "]")
		return naiveFiltered(doc, verb, name, where, strings.TrimPrefix(sub, "."), value)
	}
	if name, sub, dotted := strings.Cut(path, "."); dotted {
		if doc[name] == nil {
			doc[name] = object{}
		}
		inner, _ := doc[name].(object)
		doc, path = inner, sub
	}
	if verb == "remove" && path != "emails" && path != "roles" {
		value = nil
	}
	switch path {
	case "emails", "roles":
		return naiveList(doc, verb, path, value, given)
	case "name":
		into, _ := doc["name"].(object)
		from, _ := value.(object)
		if value == nil {
			delete(doc, "name")
			return ""
		}
		doc["name"] = over(into, from)
	default:
		doc[path] = value
	}
	return ""
}

func over(into, from object) object {
	out := object{}
	maps.Copy(out, into)
	maps.Copy(out, from)
	return out
}

func naiveList(doc object, verb, name string, value any, given bool) string {
	old, _ := doc[name].([]any)
	list, _ := value.([]any)
	switch {
	case verb == "remove" && !given:
		delete(doc, name)
	case verb == "remove" && len(list) == 0:
		return "all or none?"
	case verb == "remove":
		doc[name] = slices.DeleteFunc(slices.Clone(old), func(o any) bool {
			return slices.ContainsFunc(list, func(item any) bool {
				return reflect.DeepEqual(over(element(o), element(item)), o)
			})
		})
	case verb == "replace":
		doc[name] = list
	default:
		var fresh []any
		for _, item := range list {
			if !slices.ContainsFunc(old, func(o any) bool { return reflect.DeepEqual(o, item) }) {
				fresh = append(fresh, item)
			}
		}
		doc[name] = append(yield(old, fresh), fresh...)
	}
	return ""
}

// yield takes primary from the old values if a new one has it.
func yield(old, fresh []any) []any {
	if !slices.ContainsFunc(fresh, func(f any) bool { return element(f)["primary"] == true }) {
		return slices.Clone(old)
	}
	var out []any
	for _, item := range old {
		o := over(element(item), nil)
		if o["primary"] == true {
			o["primary"] = false
		}
		out = append(out, o)
	}
	return out
}

func naiveFiltered(doc object, verb, name, where, sub string, value any) string {
	old, _ := doc[name].([]any)
	var hits, others []int
	for i, item := range old {
		if naiveMatch(element(item), where) {
			hits = append(hits, i)
		} else {
			others = append(others, i)
		}
	}
	if verb == "remove" {
		value = nil
	}
	if value == "" {
		value = nil
	}
	switch {
	case sub == "" && value == nil:
		var left []any
		for _, i := range others {
			left = append(left, old[i])
		}
		doc[name] = left
		return ""
	case len(hits) == 0 && value == nil:
		return ""
	case len(hits) == 0:
		fresh, ok := naiveElement(where)
		if !ok || sub == "" {
			return "no target"
		}
		fresh[sub] = value
		return naiveList(doc, "add", name, []any{fresh}, true)
	}
	change := object{sub: value}
	if sub == "" {
		change = element(value)
	}
	if change["primary"] == true && len(hits) > 1 {
		return "two primaries"
	}
	list := slices.Clone(old)
	if change["primary"] == true {
		list = yield(old, []any{change})
	}
	for _, i := range hits {
		list[i] = over(element(list[i]), change)
	}
	doc[name] = list
	return ""
}

// naiveElement is the element that a filter of eq and and describes.
func naiveElement(where string) (object, bool) {
	e := object{}
	if strings.Contains(where, " or ") {
		return nil, false
	}
	for term := range strings.SplitSeq(where, " and ") {
		words := strings.SplitN(term, " ", 3)
		if words[1] != "eq" {
			return nil, false
		}
		value := strings.Trim(words[2], `"`)
		if e[words[0]] != nil && e[words[0]] != value {
			return nil, false
		}
		e[words[0]] = value
	}
	return e, true
}

func naiveMatch(e object, where string) bool {
	if left, right, ok := strings.Cut(where, " or "); ok {
		return naiveMatch(e, left) || naiveMatch(e, right)
	}
	if left, right, ok := strings.Cut(where, " and "); ok {
		return naiveMatch(e, left) && naiveMatch(e, right)
	}
	words := strings.SplitN(where, " ", 3)
	have, _ := e[words[0]].(string)
	have = strings.ToLower(have)
	if words[1] == "pr" {
		return have != ""
	}
	want := strings.ToLower(strings.Trim(words[2], `"`))
	switch words[1] {
	case "eq":
		return have == want
	case "ne":
		return have != want
	default:
		return have != "" && strings.HasPrefix(have, want)
	}
}

// cleaned is a document without what is unassigned.
func cleaned(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for name, value := range v {
			if value := cleaned(value); value != nil {
				out[name] = value
			}
		}
		if len(out) > 0 {
			return out
		}
	case []any:
		var out []any
		for _, item := range v {
			if item := cleaned(item); item != nil {
				out = append(out, item)
			}
		}
		if len(out) > 0 {
			return out
		}
	case string:
		if v != "" {
			return v
		}
	default:
		return v
	}
	return nil
}

// applyMembers does a change as its comment says a store does it.
func applyMembers(before map[string]bool, m Members) map[string]bool {
	out := map[string]bool{}
	for id, there := range before {
		if there && !m.Clear {
			out[id] = true
		}
	}
	for _, id := range m.Remove {
		delete(out, id)
	}
	for _, id := range append(slices.Clone(m.Add), m.Nested...) {
		out[id] = true
	}
	return out
}
