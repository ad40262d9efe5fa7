package scim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// encoder writes JSON a piece at a time, so that a group of a hundred thousand members is never a tree of maps. The
// first error sticks.
type encoder struct {
	w   *bufio.Writer
	err error
}

func (e *encoder) raw(s string) {
	if e.err == nil {
		_, e.err = e.w.WriteString(s)
	}
}

// value writes any JSON value; object members come in alphabetical order.
func (e *encoder) value(v any) {
	if e.err != nil {
		return
	}
	if s, ok := v.(string); ok && plain(s) {
		e.raw(`"` + s + `"`)
		return
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		e.err = fmt.Errorf("write json: %w", err)
		return
	}
	_, e.err = e.w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// plain reports whether a string stands in JSON as it is, as ids and most attribute names do.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c > 0x7e {
			return false
		}
	}
	return true
}

// Members of a resource that people look for first and last.
var (
	headNames = []string{"schemas", "id", "externalId", "userName", "displayName"}
	tailNames = []string{"meta"}
)

// object writes a resource. tail, where given, writes what does not fit into the map, each member with a comma before it.
func (e *encoder) object(doc map[string]any, tail func(*encoder)) {
	e.raw("{")
	comma := ""
	member := func(name string) {
		e.raw(comma)
		e.value(name)
		e.raw(":")
		e.value(doc[name])
		comma = ","
	}
	for _, name := range headNames {
		if _, ok := doc[name]; ok {
			member(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		if !slices.Contains(headNames, name) && !slices.Contains(tailNames, name) {
			member(name)
		}
	}
	if tail != nil {
		tail(e)
	}
	for _, name := range tailNames {
		if _, ok := doc[name]; ok {
			member(name)
		}
	}
	e.raw("}")
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}
