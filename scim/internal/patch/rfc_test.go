package patch

import (
	"reflect"
	"testing"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// The operations that RFC 7644 §3.5.2 prints.
func TestOperationsPrintedInTheRFCDoWhatItSays(t *testing.T) {
	const (
		barbara = "2819c223-7f76-453a-919d-413861904646"
		james   = "902c246b-6245-4190-8e05-00816be7344a"
		babs    = `{"userName":"bjensen","emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],
			"addresses":[{"type":"work","streetAddress":"100 Universal City Plaza","country":"USA"}]}`
	)
	for operations, want := range map[string]Members{
		`[{"op":"add","path":"members","value":[{"display":"Babs Jensen","$ref":"https://example.com/v2/Users/2819c223","value":"` + barbara + `"}]}]`: change(false, []string{barbara}, nil, nil),
		`[{"op":"remove","path":"members[value eq \"` + barbara + `\"]"}]`:                                                                             change(false, nil, []string{barbara}, nil),
		`[{"op":"remove","path":"members"}]`: change(true, nil, nil, nil),
		`[{"op":"remove","path":"members[value eq \"` + barbara + `\"]"},{"op":"add","path":"members","value":[{"display":"James Smith","$ref":"https://example.com/v2/Users/902c246b","value":"` + james + `"}]}]`: change(false, []string{james}, []string{barbara}, nil),
		`[{"op":"remove","path":"members"},{"op":"add","path":"members","value":[{"value":"` + barbara + `"},{"value":"` + james + `"}]}]`:                                                                          change(true, []string{barbara, james}, nil, nil),
		`[{"op":"replace","path":"members","value":[{"value":"` + barbara + `"},{"value":"` + james + `"}]}]`:                                                                                                       change(true, []string{barbara, james}, nil, nil),
	} {
		plan, err := compile(t, schema.Groups(), operations)
		if err != nil || !reflect.DeepEqual(plan.Members(), want) {
			t.Errorf("%s: %+v, %v; want %+v", operations, plan, err, want)
		}
	}
	for operations, want := range map[string]string{
		`[{"op":"add","value":{"emails":[{"value":"b@new.org","type":"other"}],"nickname":"Babs"}}]`: `{"userName":"bjensen","nickName":"Babs","emails":[{"value":"bjensen@example.com","type":"work","primary":true},
			{"value":"babs@jensen.org","type":"home"},{"value":"b@new.org","type":"other"}],"addresses":[{"type":"work","streetAddress":"100 Universal City Plaza","country":"USA"}]}`,
		`[{"op":"remove","path":"emails[type eq \"work\" and value ew \"example.com\"]"}]`: `{"userName":"bjensen","emails":[{"value":"babs@jensen.org","type":"home"}],
			"addresses":[{"type":"work","streetAddress":"100 Universal City Plaza","country":"USA"}]}`,
		`[{"op":"replace","path":"addresses[type eq \"work\"]","value":{"type":"work","streetAddress":"911 Universal City Plaza","locality":"Hollywood","region":"CA","postalCode":"91608","country":"US",
			"formatted":"911 Universal City Plaza\nHollywood, CA 91608 US","primary":true}}]`: `{"userName":"bjensen","emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],
			"addresses":[{"type":"work","streetAddress":"911 Universal City Plaza","locality":"Hollywood","region":"CA","postalCode":"91608","country":"US","formatted":"911 Universal City Plaza\nHollywood, CA 91608 US","primary":true}]}`,
		`[{"op":"replace","path":"addresses[type eq \"work\"].streetAddress","value":"1010 Broadway Ave"}]`: `{"userName":"bjensen","emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],
			"addresses":[{"type":"work","streetAddress":"1010 Broadway Ave","country":"USA"}]}`,
		`[{"op":"replace","value":{"emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],"nickname":"Babs"}}]`: `{"userName":"bjensen","nickName":"Babs",
			"emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],"addresses":[{"type":"work","streetAddress":"100 Universal City Plaza","country":"USA"}]}`,
	} {
		got, changed, err := patchUser(t, babs, operations)
		if err != nil || !changed || !reflect.DeepEqual(got, parse(t, want)) {
			t.Errorf("%s: %s, %v, %v", operations, show(got), changed, err)
		}
	}
}
