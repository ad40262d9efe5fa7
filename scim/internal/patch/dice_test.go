package patch

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
)

// object is JSON by hand.
type object = map[string]any

// dice makes random requests: few names and values, so that operations meet each other.
type dice struct {
	*rand.Rand
	plain bool // never makes a value primary
}

func newDice(seed uint64) dice {
	return dice{Rand: rand.New(rand.NewPCG(seed, 7))} //nolint:gosec // cases that can be made again, no secrets
}

func (d dice) of(words ...string) string { return words[d.IntN(len(words))] }

func (d dice) once(in int) bool { return d.IntN(in) == 0 }

// text is a string, now and then an unassigned one.
func (d dice) text() any {
	switch d.IntN(16) {
	case 0:
		return ""
	case 1:
		return nil
	default:
		return d.of("a", "b", "c")
	}
}

func (d dice) element() object {
	e := object{"value": d.of("a", "b", "c")}
	if d.once(2) {
		e["type"] = d.of("work", "home")
	}
	if d.once(4) {
		e["display"] = d.of("D", "E")
	}
	if d.once(8) && !d.plain {
		e["primary"] = d.once(2)
	}
	return e
}

func (d dice) elements(most int) []any {
	list := []any{}
	primary := false
	for range d.IntN(most + 1) {
		e := d.element()
		if e["primary"] == true && primary {
			delete(e, "primary")
		}
		primary = primary || e["primary"] == true
		if !slices.ContainsFunc(list, func(item any) bool { return reflect.DeepEqual(item, any(e)) }) {
			list = append(list, e)
		}
	}
	return list
}

func (d dice) user() object {
	u := object{"userName": "u", "active": true}
	if d.once(2) {
		u["title"] = d.of("a", "b")
	}
	if d.once(2) {
		u["name"] = object{"givenName": d.of("a", "b")}
	}
	if d.once(3) {
		u[ext] = object{"department": d.of("a", "b"), "manager": object{"value": "m"}}
	}
	for _, name := range []string{"emails", "roles"} {
		if list := d.elements(3); len(list) > 0 {
			u[name] = list
		}
	}
	return u
}

// operation is one that a user may get. It is well formed, though it may still find no target.
func (d dice) operation() object {
	o := object{"op": d.of("add", "replace", "remove", "Add", "Replace")}
	if o["op"] == "remove" && !d.once(8) || o["op"] != "remove" {
		d.aim(o)
	}
	if o["path"] == nil {
		o["op"] = d.of("add", "replace")
		o["value"] = d.attributes()
	}
	if o["op"] == "remove" && !d.once(10) {
		delete(o, "value")
	}
	return o
}

// aim gives an operation a path and a value.
func (d dice) aim(o object) {
	list := d.of("emails", "roles")
	where := list + "[" + d.filter() + "]"
	switch d.IntN(12) {
	case 0, 1:
		o["path"], o["value"] = d.of("title", "nickName", "displayName", "locale"), d.text()
	case 2:
		o["path"], o["value"] = "active", d.once(2)
	case 3, 4:
		o["path"], o["value"] = d.of("name.givenName", "name.familyName", ext+":department"), d.text()
	case 5:
		o["path"], o["value"] = "name", object{d.of("givenName", "familyName", "formatted"): d.text()}
	case 6:
		o["path"], o["value"] = list, d.elements(2)
	case 7, 8, 9:
		o["path"], o["value"] = where+"."+d.of("value", "display", "type"), d.text()
	case 10:
		o["path"], o["value"] = where, object{"value": d.of("a", "b", "n"), "display": d.text()}
		if d.once(4) && !d.plain {
			o["value"] = object{"primary": true}
		}
	}
}

func (d dice) filter() string {
	one := func() string {
		switch d.IntN(6) {
		case 0:
			return `value eq "` + d.of("a", "b", "c") + `"`
		case 1:
			return `display ` + d.of("pr", `ne "D"`, `eq "D"`)
		case 2:
			return `value sw "` + d.of("a", "b", "x") + `"`
		default:
			return `type eq "` + d.of("work", "home", "other") + `"`
		}
	}
	if d.once(5) {
		return one() + d.of(" and ", " or ") + one()
	}
	return one()
}

// attributes is the value of an operation without path.
func (d dice) attributes() object {
	v := object{}
	for len(v) == 0 || d.once(2) {
		switch d.IntN(7) {
		case 0:
			v["active"] = d.once(2)
		case 1:
			v["name.givenName"] = d.text()
		case 2:
			v[ext+":department"] = d.text()
		case 3:
			v[d.of("emails", "roles")] = d.elements(2)
		case 4:
			v[`emails[type eq "work"].value`] = d.text()
		default:
			v[d.of("title", "nickName", "displayName")] = d.text()
		}
	}
	return v
}

func (d dice) operations(most int) []any {
	list := make([]any, 1+d.IntN(most))
	for i := range list {
		list[i] = d.operation()
	}
	return list
}

// memberOperation makes an operation and does it to set.
func (d dice) memberOperation(ids []string, set map[string]bool) object {
	var some, terms []string
	list := []any{}
	for range d.IntN(4) {
		id := d.of(ids...)
		some = append(some, id)
		list = append(list, object{"value": id})
		terms = append(terms, `value eq "`+id+`"`)
	}
	o := object{"op": "add", "path": "members", "value": list}
	to := true
	switch kind := d.IntN(9); {
	case kind == 0:
		clear(set)
		o["op"] = "replace"
	case kind == 1:
		clear(set)
		some, o = nil, object{"op": "remove", "path": "members"}
	case kind < 4 && len(list) > 0:
		to = false
		o["op"] = "remove"
	case kind < 6 && len(list) > 0:
		to = false
		o = object{"op": "remove", "path": "members[" + strings.Join(terms, " or ") + "]"}
	case kind == 6:
		o = object{"op": "Add", "value": object{"members": list}}
	}
	for _, id := range some {
		set[id] = to
	}
	return o
}
