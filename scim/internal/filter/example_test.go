package filter_test

import (
	"fmt"
	"strings"

	"github.com/tracio-ai/ssogate/scim/internal/filter"
	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

func ExampleBinder_Filter() {
	users := filter.Binder{Type: schema.Users(), Fold: strings.ToLower}
	f, err := users.Filter(`userName eq "BJensen" and emails[type eq "work"].value sw "b"`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Match(map[string]any{
		"userName": "bjensen",
		"emails":   []any{map[string]any{"type": "work", "value": "bjensen@example.com"}},
	}))

	low := f.Lower(map[string]filter.Column{"userName": {Value: "u.user_name_ci", Fold: true, Indexed: true}})
	fmt.Println(low.Where, low.Args, low.Narrow)
	fmt.Println(low.Residual.Reads())
	// Output:
	// true
	// u.user_name_ci = ? [bjensen] true
	// [emails]
}

func ExampleBinder_Path() {
	groups := filter.Binder{Type: schema.Groups(), Fold: strings.ToLower}
	target, err := groups.Path(`Members[value eq "a" or value eq "b"]`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(target.Key())
	fmt.Println(target.Filter.Choices("value"))
	_, err = groups.Path(`member[value eq "a"]`)
	fmt.Println(err)
	// Output:
	// members
	// [a b] true
	// path, character 1: unknown attribute: Group has no attribute member
}
