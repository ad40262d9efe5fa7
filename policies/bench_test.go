package policies

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkDecide(b *testing.B) {
	e := engine(b, Default(), Options{})
	for name, in := range map[string]Input{
		"allow":   ask(e, "GET", "/api/v1/rules/42", "Viewer"),
		"deny":    ask(e, "DELETE", "/api/v1/rules/42", "Viewer"),
		"unknown": ask(e, "GET", "/metrics", "Viewer"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Decide(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRoles(b *testing.B) {
	e := engine(b, Default(), Options{})
	for _, n := range []int{3, 100} {
		in := ask(e, "GET", "/")
		for i := range n {
			in.Subject.Groups = append(in.Subject.Groups, fmt.Sprintf("group-%d", i))
			in.Tenant.RoleMappings = append(in.Tenant.RoleMappings, RoleMapping{
				ID: fmt.Sprint(i), Kind: "group", Value: fmt.Sprintf("group-%d", i), Role: "Viewer",
			})
		}
		b.Run(fmt.Sprintf("mappings=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Roles(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReload(b *testing.B) {
	var many strings.Builder
	many.WriteString("package ssogate.authz\n\ndefault decision := false\n\ndecision if permission in data.roles[input.subject.roles[_]].permissions\n")
	for i := range 300 {
		fmt.Fprintf(&many, "\npermission := \"p%d\" if {\n\tinput.action.method == \"GET\"\n\tinput.resource.segments == [\"api\", \"r%d\"]\n}\n", i, i)
	}
	b.Run("default", func(b *testing.B) {
		for b.Loop() {
			if _, err := Load(b.Context(), Default(), Options{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	fsys := overlay(b, map[string]string{"authz.rego": many.String()})
	b.Run("routes=300", func(b *testing.B) {
		for b.Loop() {
			if _, err := Load(b.Context(), fsys, Options{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
