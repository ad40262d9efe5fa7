package policies

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// Schema is the JSON schema of the input, made from the Go types. Every module is checked against it.
func Schema() []byte {
	b, err := json.MarshalIndent(inputSchema(), "", "  ")
	if err != nil { // maps of strings cannot fail
		return nil
	}
	return append(b, '\n')
}

func inputSchema() map[string]any {
	s := schemaOf(reflect.TypeFor[Input]())
	s["$schema"] = "http://json-schema.org/draft-07/schema"
	s["title"] = "input of ssogate policies"
	return s
}

func schemaOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "integer"}
	case t.Kind() == reflect.Struct:
		return objectSchema(t)
	case t.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Interface:
		return map[string]any{"type": "object", "additionalProperties": true}
	case t.Kind() == reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	case t.Kind() == reflect.Int:
		return map[string]any{"type": "integer"}
	default:
		return map[string]any{"type": "string"}
	}
}

func objectSchema(t reflect.Type) map[string]any {
	properties := map[string]any{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		properties[name] = schemaOf(f.Type)
	}
	if t == reflect.TypeFor[Context]() {
		properties["time"] = schemaOf(reflect.TypeFor[clock]())
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}

// clock is context.time, which Rego sees and callers do not fill in.
type clock struct {
	Hour    int    `json:"hour"`
	Weekday string `json:"weekday"` // English, as time.weekday gives it
	Date    string `json:"date"`    // 2006-01-02
}
