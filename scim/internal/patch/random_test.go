package patch

import (
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

func TestAListOfOperationsIsThoseOperationsOneAfterTheOther(t *testing.T) {
	const cases = 10_000
	applied := 0
	for seed := range uint64(cases) {
		d := newDice(seed)
		doc, operations := d.user(), d.operations(6)
		want, wantErr := naive(doc, operations)
		plan, err := Compile(schema.Users(), resourceID, object{"schemas": []any{OpURN}, "Operations": operations}, strings.ToLower)
		var got object
		if err == nil {
			got, _, err = plan.ApplyUser(doc)
		}
		if (err != nil) != (wantErr != "") || err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: %s\n%s\ngot  %s, %v\nwant %s, %s", seed, show(doc), show(operations), show(got), err, show(want), wantErr)
		}
		if err == nil {
			applied++
		}
	}
	if applied < cases/2 || applied == cases {
		t.Errorf("%d of %d were accepted: the dice are loaded", applied, cases)
	}
	t.Logf("%d of %d were accepted", applied, cases)
}

func TestMemberPlansAreTheirOperationsOneAfterTheOther(t *testing.T) {
	ids := []string{"a", "b", "c", "d", "e"}
	for seed := range uint64(10_000) {
		d := newDice(seed)
		set := map[string]bool{}
		for _, id := range ids {
			set[id] = d.once(2)
		}
		before := maps.Clone(set)
		var operations []any
		for range 1 + d.IntN(5) {
			operations = append(operations, d.memberOperation(ids, set))
		}
		plan, err := Compile(schema.Groups(), resourceID, object{"schemas": []any{OpURN}, "Operations": operations}, strings.ToLower)
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, show(operations), err)
		}
		got := applyMembers(before, plan.Members())
		maps.DeleteFunc(set, func(_ string, there bool) bool { return !there })
		if !reflect.DeepEqual(got, set) {
			t.Fatalf("seed %d: %v, %s\ngot %v, want %v by %+v", seed, before, show(operations), got, set, plan.Members())
		}
	}
}
