package filter

import (
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// lower is a fold good enough for ASCII.
var users = Binder{Type: schema.Users(), Fold: strings.ToLower}

// rfcFilters are the filters printed in RFC 7644, figures 2 and 3 and the examples of §3.4 and §3.5.
var rfcFilters = []string{
	`userName eq "bjensen"`,
	`name.familyName co "O'Malley"`,
	`userName sw "J"`,
	`urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"`,
	`title pr`,
	`meta.lastModified gt "2011-05-13T04:42:34Z"`,
	`meta.lastModified ge "2011-05-13T04:42:34Z"`,
	`meta.lastModified lt "2011-05-13T04:42:34Z"`,
	`meta.lastModified le "2011-05-13T04:42:34Z"`,
	`title pr and userType eq "Employee"`,
	`title pr or userType eq "Intern"`,
	`schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`,
	`userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")`,
	`userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")`,
	`userType eq "Employee" and (emails.type eq "work")`,
	`userType eq "Employee" and emails[type eq "work" and value co "@example.com"]`,
	`emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]`,
	`(meta.resourceType eq User) or (meta.resourceType eq Group)`,
	`displayName sw "smith"`,
	`userName eq"2819"`,
}

func TestEveryFilterPrintedInTheRFCIsRead(t *testing.T) {
	for _, text := range rfcFilters {
		if _, err := users.Filter(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
