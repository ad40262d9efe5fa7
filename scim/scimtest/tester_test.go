package scimtest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

func TestDiscoveryIsReadOnlyAndComplete(t *testing.T) {
	onBoth(t, func(t *testing.T, p Target) {
		for _, list := range []string{"/Schemas", "/ResourceTypes"} {
			all := p.Want(t, 200, "GET", list, "")
			if all.Number("totalResults") != len(all.Resources()) || len(all.Resources()) == 0 {
				t.Errorf("%s: %s", list, all.Raw)
			}
			for _, r := range all.Resources() {
				id, _ := r["id"].(string)
				one := p.Want(t, 200, "GET", list+"/"+url.PathEscape(id), "")
				if !reflect.DeepEqual(one.Body, r) {
					t.Errorf("%s/%s: %s", list, id, one.Raw)
				}
				if meta, _ := r["meta"].(map[string]any); meta["location"] != p.URL+list+"/"+id {
					t.Errorf("%s/%s lies at %v", list, id, meta["location"])
				}
				if urn, _ := r["schema"].(string); urn != "" {
					p.Want(t, 200, "GET", "/Schemas/"+urn, "")
				}
			}
			p.Want(t, 404, "GET", list+"/nothing", "")
		}
		for _, path := range []string{"/Schemas", "/ResourceTypes", "/ServiceProviderConfig", "/Schemas/x", "/ResourceTypes/User"} {
			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
				p.Want(t, 405, method, path, "")
			}
		}
		p.Want(t, 404, "GET", "/f3f0b5d2", "")
	})
}

// attribute is one as /Schemas advertises it.
type attribute struct {
	Name, Type, Mutability string
	MultiValued, Required  bool
	SubAttributes          []attribute
}

// sample makes a value of an attribute; n tells one from the next.
func (a attribute) sample(n int) any {
	var v any
	switch a.Type {
	case "boolean":
		v = n%2 == 0
	case "complex":
		object := map[string]any{}
		for _, sub := range a.SubAttributes {
			if sub.Mutability != "readOnly" && sub.Name != "$ref" && (sub.Name != "primary" || n%2 == 0) {
				object[sub.Name] = sub.sample(n)
			}
		}
		v = object
	case "dateTime":
		v = fmt.Sprintf("2024-01-02T03:04:%02dZ", n)
	case "binary":
		v = []string{"YQ==", "Yg=="}[n%2]
	default:
		v = fmt.Sprintf("%s-%d", a.Name, n)
	}
	if a.MultiValued {
		return []any{v}
	}
	return v
}

// What is advertised is stored: every attribute can be added, replaced and removed, and reads back as it was written.
func TestEveryAdvertisedAttributeIsKept(t *testing.T) {
	onBoth(t, func(t *testing.T, p Target) {
		u := p.User(t, "ada")
		tried := 0
		for _, urn := range []string{"urn:ietf:params:scim:schemas:core:2.0:User", enterprise} {
			var s struct{ Attributes []attribute }
			if err := json.Unmarshal([]byte(p.Want(t, 200, "GET", "/Schemas/"+urn, "").Raw), &s); err != nil {
				t.Fatal(err)
			}
			paths := map[string][2]any{}
			whole := map[string]any{}
			for _, a := range s.Attributes {
				if a.Required || a.Mutability != "readWrite" {
					continue
				}
				prefix := ""
				if urn == enterprise {
					prefix = urn + ":"
					whole[a.Name] = a.sample(4)
				}
				paths[prefix+a.Name] = [2]any{a.sample(2), a.sample(3)}
			}
			if len(whole) > 0 {
				paths[urn] = [2]any{whole, whole}
			}
			for path, values := range paths {
				tried++
				for i, verb := range []string{"add", "replace"} {
					text, err := json.Marshal(values[i])
					if err != nil {
						t.Fatal(err)
					}
					p.Want(t, 200, "PATCH", "/Users/"+u, fmt.Sprintf(`[{"op":%q,"path":%q,"value":%s}]`, verb, path, text))
					if got := lookup(p.Want(t, 200, "GET", "/Users/"+u, "").Body, path); !reflect.DeepEqual(got, values[i]) {
						t.Errorf("%s %s: wrote %v, read %v", verb, path, values[i], got)
					}
				}
				p.Want(t, 200, "PATCH", "/Users/"+u, fmt.Sprintf(`[{"op":"remove","path":%q}]`, path))
				if got := lookup(p.Want(t, 200, "GET", "/Users/"+u, "").Body, path); got != nil {
					t.Errorf("%s: still %v after its removal", path, got)
				}
			}
		}
		if tried < 25 {
			t.Errorf("%d attributes are advertised: a thin schema proves nothing", tried)
		}
	})
}

func lookup(body map[string]any, path string) any {
	if v, ok := body[path]; ok {
		return v
	}
	if name, ok := strings.CutPrefix(path, enterprise+":"); ok {
		inner, _ := body[enterprise].(map[string]any)
		return inner[name]
	}
	return nil
}
