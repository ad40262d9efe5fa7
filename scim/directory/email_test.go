package directory_test

import (
	"testing"

	"github.com/tracio-ai/ssogate/scim/directory"
)

func TestTheAddressShownIsThePrimaryThenWorkThenTheFirst(t *testing.T) {
	for _, c := range []struct {
		name   string
		emails []directory.Email
		want   string
	}{
		{"none", nil, ""},
		{"primary", []directory.Email{{Value: "w", Type: "work"}, {Value: "p", Primary: true}}, "p"},
		{"work", []directory.Email{{Value: "h", Type: "home"}, {Value: "w", Type: "work"}}, "w"},
		{"first", []directory.Email{{Value: "h", Type: "home"}, {Value: "o", Type: "other"}}, "h"},
		{"a primary without address is none", []directory.Email{{Type: "work", Primary: true}, {Value: "h", Type: "home"}}, "h"},
	} {
		if got := (directory.User{Emails: c.emails}).Email(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
