package schema

import (
	"errors"
	"strings"
	"testing"
)

func TestAPathMeansOneAttribute(t *testing.T) {
	const ext = EnterpriseUserURN
	for _, c := range []struct{ path, want string }{
		{"userName", "userName"},
		{"USERNAME", "userName"},
		{"name.GIVENname", "name.givenName"},
		{"emails", "emails"},
		{"emails.$REF", ""},
		{"groups.$ref", "groups.$ref"},
		{"id", "id"},
		{"externalid", "externalId"},
		{"meta.lastmodified", "meta.lastModified"},
		{"schemas", "schemas"},
		{"urn:ietf:params:scim:schemas:core:2.0:User:userName", "userName"},
		{"URN:IETF:params:scim:schemas:CORE:2.0:user:NAME.familyname", "name.familyName"},
		{"urn:ietf:params:scim:schemas:core:2.0:User:meta.created", "meta.created"},
		{"urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:core:2.0:User"},
		{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:user", ext},
		{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber", ext + ":employeeNumber"},
		{"manager", ext + ":manager"},
		{"manager.value", ext + ":manager.value"},
		{"Department", ext + ":department"},
		{"displayName", "displayName"},
	} {
		ref, err := Users().Resolve(c.path)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s means %s, want an error", c.path, ref.Key())
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if ref.Key() != c.want {
			t.Errorf("%s means %s, want %s", c.path, ref.Key(), c.want)
		}
		if again, err := Users().Resolve(ref.Key()); err != nil || again != ref {
			t.Errorf("the key %s of %s means something else: %+v %v", ref.Key(), c.path, again, err)
		}
	}
}

func TestAnUnknownSchemaIsToldFromAnUnknownName(t *testing.T) {
	for _, c := range []struct {
		path string
		want error
	}{
		{"shoeSize", ErrUnknownAttribute},
		{"name.shoeSize", ErrUnknownAttribute},
		{"userName.value", ErrUnknownAttribute},
		{"urn:ietf:params:scim:schemas:core:2.0:User:shoeSize", ErrUnknownAttribute},
		{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:userName", ErrUnknownAttribute},
		{"urn:ietf:params:scim:schemas:core:2.0:Group:displayName", ErrUnknownSchema},
		{"urn:example:custom_schema:2.0:User:shoeSize", ErrUnknownSchema},
		{"urn:example:custom:2.0", ErrUnknownSchema},
		{"urn:x", ErrUnknownSchema},
		{"", ErrSyntax},
		{"a b", ErrSyntax},
		{"1a", ErrSyntax},
		{"name.", ErrSyntax},
		{".name", ErrSyntax},
		{"a.b.c", ErrSyntax},
		{"members[0]", ErrSyntax},
		{"urn:", ErrSyntax},
		{"urn:a b:c", ErrSyntax},
		{"urn:example:", ErrSyntax},
		{"userN\u00e4me", ErrSyntax},
		{"$", ErrSyntax},
	} {
		if _, err := Users().Resolve(c.path); !errors.Is(err, c.want) {
			t.Errorf("%q: %v, want %v", c.path, err, c.want)
		}
	}
}

func TestAnAmbiguousNameNeedsItsSchema(t *testing.T) {
	other := &Schema{URN: "urn:example:2.0:User", Attributes: []*Attribute{{Name: "Department"}, {Name: "userName"}}}
	rt := &ResourceType{Name: "User", Schema: userSchema, Extensions: []*Schema{enterpriseSchema, other}}
	if _, err := rt.Resolve("department"); !errors.Is(err, ErrUnknownAttribute) {
		t.Errorf("department: %v, want it refused", err)
	}
	if ref, err := rt.Resolve("urn:example:2.0:User:department"); err != nil || ref.Key() != "urn:example:2.0:User:Department" {
		t.Errorf("with its schema: %v %v", ref.Key(), err)
	}
	if ref, err := rt.Resolve("username"); err != nil || ref.Extension {
		t.Errorf("userName of the core: %+v %v", ref, err)
	}
}

func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		"userName", "name.givenName", "$ref", "urn:ietf:params:scim:schemas:core:2.0:User:name.givenName", "urn:a:1.0", "urn:", "a..b", "urn::a",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Split(text)
		if err != nil {
			return
		}
		if p.String() != text {
			t.Errorf("Split(%q) prints %q", text, p)
		}
		ref, err := Users().Lookup(p)
		if err != nil {
			return
		}
		if again, err := Users().Resolve(ref.Key()); err != nil || again != ref {
			t.Errorf("%q has the key %q, which means something else", text, ref.Key())
		}
		if upper, err := Users().Resolve(strings.ToUpper(text)); err != nil || upper != ref {
			t.Errorf("%q in capitals means something else", text)
		}
	})
}
