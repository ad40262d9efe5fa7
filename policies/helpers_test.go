package policies

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// noon is when every test happens.
var noon = time.Date(2026, 11, 23, 12, 30, 0, 0, time.UTC)

// overlay is the default policy without its tests, with files put over it; "" takes one away.
func overlay(t testing.TB, files map[string]string) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	for _, name := range []string{"authz.rego", "roles.rego", "data.json"} {
		b, err := fs.ReadFile(Default(), name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = &fstest.MapFile{Data: b}
	}
	for name, content := range files {
		out[name] = &fstest.MapFile{Data: []byte(content)}
		if content == "" {
			delete(out, name)
		}
	}
	return out
}

// authz is the default policy with these rules for its authz.rego.
func authz(t testing.TB, rules string) fstest.MapFS {
	return overlay(t, map[string]string{"authz.rego": "package ssogate.authz\n\n" + rules})
}

func engine(t testing.TB, fsys fs.FS, o Options) *Engine {
	t.Helper()
	rev, err := Load(t.Context(), fsys, o)
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{Timeout: time.Minute, Now: func() time.Time { return noon }}
	e.Swap(rev)
	return e
}

// ask is the input of a request by someone who holds these roles.
func ask(e *Engine, method, path string, roles ...string) Input {
	in := e.Input()
	in.Subject = Subject{ID: "u1", UserName: "sam@acme.example", Active: true, Source: "jit", Roles: roles}
	in.Tenant = Tenant{ID: "acme", Slug: "acme"}
	in.Connection = Connection{ID: "acme-okta", Protocol: "oidc", Provider: "okta"}
	in.Action.Method = method
	in.Resource = Resource{Path: path, Segments: segments(path), Host: "dashboard.acme.example"}
	return in
}

// segments cuts a path as the gate does: no empty last part.
func segments(path string) []string {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

func findings(t testing.TB, err error) []Finding {
	t.Helper()
	bad, ok := errors.AsType[*LoadError](err)
	if !ok {
		t.Fatalf("got %v, want a LoadError", err)
	}
	if len(bad.Findings) == 0 {
		t.Fatal("a LoadError without a finding")
	}
	return bad.Findings
}

func decoded(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var x any
	if err := d.Decode(&x); err != nil {
		t.Fatal(err)
	}
	return x
}
