package patch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

func BenchmarkCompileOneMember(b *testing.B) {
	body := parse(b, `{"schemas":["`+OpURN+`"],"Operations":[{"op":"Remove","path":"members[value eq \"23a35c27-23d3-4c03-b4c5-6443c09e7173\"]"}]}`)
	for b.Loop() {
		if _, err := Compile(schema.Groups(), resourceID, body, strings.ToLower); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile100000Members(b *testing.B) {
	var list strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&list, `{"value":"23a35c27-23d3-4c03-b4c5-%012d"},`, i)
	}
	body := parse(b, `{"schemas":["`+OpURN+`"],"Operations":[{"op":"replace","path":"members","value":[`+strings.TrimSuffix(list.String(), ",")+`]}]}`)
	for b.Loop() {
		if _, err := Compile(schema.Groups(), resourceID, body, strings.ToLower); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDeactivate(b *testing.B) {
	body := parse(b, `{"schemas":["`+OpURN+`"],"Operations":[{"op":"replace","value":{"active":false}}]}`)
	created, err := Normalize(schema.Users(), parse(b, oktaCreates), Create)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		plan, err := Compile(schema.Users(), resourceID, body, strings.ToLower)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := plan.ApplyUser(created.Doc); err != nil {
			b.Fatal(err)
		}
	}
}
