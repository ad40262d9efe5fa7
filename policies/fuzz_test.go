package policies

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/open-policy-agent/opa/v1/ast"
)

// FuzzLoad: whatever a module says, Load answers with a revision that decides or with findings.
func FuzzLoad(f *testing.F) {
	fsys := overlay(f, nil)
	f.Add(string(fsys["authz.rego"].Data))
	f.Add(header + "decision if input.identty.id == \"x\"\n")
	f.Add(header + "decision if data.rolse[_]\n")
	f.Add("package ssogate.authz\n\ndecision := {\"allowed\": true, \"headers\": [{\"a\": [\"b\"]}]}\n")
	f.Add("package ssogate.roles\n\ngranted contains input.session.acr\n")
	f.Fuzz(func(t *testing.T, module string) {
		if len(module) > 4096 {
			return
		}
		tree := fstest.MapFS{"data.json": fsys["data.json"], "roles.rego": fsys["roles.rego"], "authz.rego": {Data: []byte(module)}}
		rev, err := Load(t.Context(), tree, Options{SkipTests: true})
		if err != nil {
			findings(t, err)
			return
		}
		e := &Engine{}
		e.Swap(rev)
		in := ask(e, "GET", "/", "Viewer")
		in.Now = noon
		d, err := e.Decide(t.Context(), in)
		if d.Allowed && (err != nil || d.Code != "") || d.Role != "" && d.Role != "Viewer" {
			t.Errorf("got %+v, %v", d, err)
		}
	})
}

// FuzzDecision: nothing but a boolean true, by itself or as allowed, allows.
func FuzzDecision(f *testing.F) {
	f.Add([]byte(`true`))
	f.Add([]byte(`{"allowed": true, "role": "Viewer", "headers": [{"x-a": ["1"]}], "dynamic_metadata": {"a": [1]}}`))
	f.Add([]byte(`{"allowed": false, "http_status": 403, "body": "x", "step_up": {"acr": ["a"], "max_age": 1}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var x any
		if len(text) > 4096 || d.Decode(&x) != nil {
			return
		}
		v, err := ast.InterfaceToValue(x)
		if err != nil {
			return
		}
		for _, foreign := range []bool{false, true} {
			got, err := (&Revision{query: "q", foreign: foreign}).decision(v, nil, []string{"Viewer"})
			if err != nil {
				t.Fatal(err)
			}
			object, _ := x.(map[string]any)
			if got.Allowed && x != true && object["allowed"] != true {
				t.Errorf("%s allows", text)
			}
			if got.Code != "" && (got.Allowed || got.Headers != nil || got.Role != "") {
				t.Errorf("%s fails with %+v", text, got)
			}
			for _, h := range slices.Concat(got.Headers, got.ResponseHeaders) {
				if checkHeaderName(h.Name) != nil || checkHeaderValue(h.Value) != nil {
					t.Errorf("%s sets %q", text, h)
				}
			}
		}
	})
}

// FuzzData: strictJSON accepts no more than encoding/json, and no key twice.
func FuzzData(f *testing.F) {
	f.Add([]byte(`{"a": {"b": [1, 2, {"c": null}]}}`))
	f.Add([]byte(`{"a": 1, "a": 2}`))
	f.Add([]byte(`{"a": 1} {}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4096 {
			return
		}
		if _, err := parseData("data.json", text); err == nil && !json.Valid(text) {
			t.Errorf("%q is no JSON", text)
		}
		object, err := parseData("data.yaml", text)
		if err == nil && object == nil || err != nil && len(findings(t, err)) == 0 {
			t.Errorf("%q: %v, %v", text, object, err)
		}
	})
}
