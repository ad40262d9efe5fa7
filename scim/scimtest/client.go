package scimtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// PatchSchema is what the body of a PATCH names.
const PatchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// Answer is what came back, read whole.
type Answer struct {
	Status int
	Header http.Header
	Raw    string
	Body   map[string]any // nil where there is none
}

// ID is the id of the resource in the body, or empty.
func (a Answer) ID() string { return a.Text("id") }

// Text is a string of the body, or empty.
func (a Answer) Text(name string) string {
	s, _ := a.Body[name].(string)
	return s
}

// Number is an integer of the body, or -1.
func (a Answer) Number(name string) int {
	n, ok := a.Body[name].(json.Number)
	if !ok {
		return -1
	}
	i, err := n.Int64()
	if err != nil {
		return -1
	}
	return int(i)
}

// Resources are those of a list.
func (a Answer) Resources() []map[string]any {
	list, _ := a.Body["Resources"].([]any)
	out := make([]map[string]any, 0, len(list))
	for _, item := range list {
		if object, ok := item.(map[string]any); ok {
			out = append(out, object)
		}
	}
	return out
}

// Do sends a request. Headers are "Name: value"; they replace those that every request has, or remove one where the
// value is empty. A body that is an array is the Operations of a PATCH.
func (p Target) Do(t testing.TB, method, path, body string, headers ...string) Answer {
	t.Helper()
	r, err := (&player{Target: p}).request(t.Context(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if r.Header.Del(name); value != "" {
			r.Header.Set(name, value)
		}
	}
	resp, err := p.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: read answer: %v", method, path, err)
	}
	a := Answer{Status: resp.StatusCode, Header: resp.Header, Raw: string(data)}
	if len(data) == 0 {
		return a
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&a.Body); err != nil {
		t.Fatalf("%s %s: status %d, body is not JSON: %v\n%s", method, path, a.Status, err, data)
	}
	return a
}

// Want is Do for a request whose status is known.
func (p Target) Want(t testing.TB, status int, method, path, body string, headers ...string) Answer {
	t.Helper()
	a := p.Do(t, method, path, body, headers...)
	if a.Status != status {
		t.Fatalf("%s %s: status %d, want %d\n%s", method, path, a.Status, status, a.Raw)
	}
	return a
}

// User makes a user and returns the id.
func (p Target) User(t testing.TB, userName string) string {
	t.Helper()
	return p.Want(t, http.StatusCreated, http.MethodPost, "/Users",
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+userName+`"}`).ID()
}

// Group makes a group with members and returns the id.
func (p Target) Group(t testing.TB, name string, members ...string) string {
	t.Helper()
	list := make([]map[string]string, 0, len(members))
	for _, m := range members {
		list = append(list, map[string]string{"value": m})
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return p.Want(t, http.StatusCreated, http.MethodPost, "/Groups",
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"`+name+`","members":`+string(text)+`}`).ID()
}
