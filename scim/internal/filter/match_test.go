package filter

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// barbara is RFC 7643 §8.2, shortened, with an extension.
const barbara = `{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
  "id": "2819c223-7f76-453a-919d-413861904646", "externalId": "701984", "userName": "bjensen@example.com",
  "name": {"familyName": "Jensen", "givenName": "Barbara"}, "title": "Tour Guide", "nickName": "", "active": true,
  "locale": null, "photos": [], "profileUrl": "https://login.example.com/bjensen",
  "emails": [{"value": "bjensen@example.com", "type": "work", "primary": true}, {"value": "babs@jensen.org", "type": "home"}],
  "x509Certificates": [{"value": "MIID"}],
  "meta": {"resourceType": "User", "created": "2010-01-23T04:56:22Z", "lastModified": "2011-05-13T04:42:34.5Z"},
  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": "701984", "manager": {"value": "26118915"}}
}`

func resource(t testing.TB, text string) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestComparisonsMeanWhatTheRFCSays(t *testing.T) {
	doc := resource(t, barbara)
	for _, c := range []struct {
		text string
		want bool
	}{
		{`userName eq "bjensen@example.com"`, true},
		{`userName eq "BJENSEN@EXAMPLE.COM"`, true}, // not case exact
		{`externalId eq "701984"`, true},
		{`externalId eq 701984`, true}, // no quotes
		{`id eq "2819C223-7f76-453a-919d-413861904646"`, false},
		{`profileUrl eq "https://login.example.com/BJENSEN"`, false},
		{`userName ne "bjensen@example.com"`, false},
		{`userName ne "x"`, true},
		{`name.familyName co "ENS"`, true},
		{`name.familyName sw "jen"`, true},
		{`name.familyName sw "ens"`, false},
		{`name.familyName ew "SEN"`, true},
		{`name.familyName ew "jensenjensen"`, false},
		{`title gt "tour"`, true},
		{`title gt "tour guide"`, false},
		{`title ge "tour guide"`, true},
		{`title lt "tour guide"`, false},
		{`title le "tour guide"`, true},
		{`active eq true`, true},
		{`active eq "True"`, true},
		{`active eq FALSE`, false},
		{`active ne false`, true},

		// Unassigned: absent, null, empty.
		{`nickName pr`, false},
		{`locale pr`, false},
		{`photos pr`, false},
		{`timezone pr`, false},
		{`name pr`, true},
		{`name.middleName pr`, false},
		{`emails pr`, true},
		{`meta pr`, true},
		{`timezone eq "x"`, false},
		{`timezone ne "x"`, true},
		{`timezone eq null`, true},
		{`timezone eq ""`, true},
		{`nickName eq null`, true},
		{`photos eq null`, true},
		{`photos.value eq null`, true},
		{`title eq null`, false},
		{`title ne null`, true},
		{`name ne null`, true},
		{`title co ""`, true},
		{`nickName sw ""`, false},
		{`timezone lt "x"`, false},
		{`timezone le ""`, false},
		{`title ge ""`, true},

		// Dates are instants.
		{`meta.created eq "2010-01-23T05:56:22+01:00"`, true},
		{`meta.created eq "2010-01-23T04:56:22.000Z"`, true},
		{`meta.created eq "2010-01-23T04:56:22"`, true},
		{`meta.lastModified gt "2011-05-13T04:42:34Z"`, true},
		{`meta.lastModified gt "2011-05-13T04:42:34.5Z"`, false},
		{`meta.lastModified ge "2011-05-13T04:42:34.500Z"`, true},
		{`meta.lastModified lt "2011-05-13T05:42:34+01:00"`, false},
		{`meta.lastModified le "2011-05-13T06:42:34+01:00"`, true},
		{`meta.lastModified sw "2011-05"`, true},

		// Any value of several.
		{`emails eq "babs@jensen.org"`, true},
		{`emails.value eq "babs@jensen.org"`, true},
		{`emails co "example.com"`, true},
		{`emails.type eq "home" and emails.primary eq true`, true},
		{`emails[type eq "home" and primary eq true]`, false},
		{`emails[type eq "WORK" and primary eq true]`, true},
		{`emails[type eq "home"].value eq "babs@jensen.org"`, true},
		{`emails[type eq "work"].value eq "babs@jensen.org"`, false},
		{`emails[not (type eq "work")]`, true},
		{`emails[primary pr]`, true},
		{`emails[primary ne true]`, true},
		{`not (emails[type eq "work"])`, false},
		{`photos[value pr]`, false},
		{`photos[not (value pr)]`, false},
		{`schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`, true},
		{`schemas eq "urn:ietf:params:scim:schemas:core:2.0:Group"`, false},
		{`x509Certificates.value eq "MIID"`, true},
		{`x509Certificates eq "miid"`, false},

		// Extensions, with and without their URN.
		{`manager eq "26118915"`, true},
		{`manager.value eq "26118915"`, true},
		{`manager[value eq "26118915"]`, true},
		{`employeeNumber sw "70"`, true},
		{`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq 26118915`, true},
		{`URN:IETF:params:scim:schemas:extension:enterprise:2.0:user:employeenumber pr`, true},
		{`department pr`, false},

		// Precedence: not, then and, then or.
		{`title pr or title pr and timezone pr`, true},
		{`(title pr or title pr) and timezone pr`, false},
		{`not (timezone pr) and timezone pr`, false},
		{`not (timezone pr and timezone pr)`, true},
		{`meta.resourceType eq User or meta.resourceType eq Group`, true},
	} {
		f, err := users.Filter(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := f.Match(doc); got != c.want {
			t.Errorf("%s: %v, want %v", c.text, got, c.want)
		}
	}
}

func TestValuesOfAnotherTypeMatchNothing(t *testing.T) {
	doc := resource(t, `{"userName": 5, "active": "true", "emails": ["x", {"value": ["y"], "type": {"a": "b"}}], "meta": {"created": "soon"}, "title": ["a", "b"]}`)
	for _, text := range []string{`userName eq "5"`, `active eq true`, `emails eq "x"`, `emails[type eq "b"]`, `meta.created gt "2000-01-01T00:00:00Z"`} {
		f, err := users.Filter(text)
		if err != nil {
			t.Fatal(err)
		}
		if f.Match(doc) {
			t.Errorf("%s matches", text)
		}
	}
}

func TestQuestionsWithoutAnswerAreRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`active gt true`, "true or false: use eq or ne"},
		{`active co "tr"`, "true or false: use eq or ne"},
		{`active eq "yes"`, "is true or false"},
		{`active eq 1`, "is true or false"},
		{`active eq ""`, "is true or false"},
		{`x509Certificates.value ge "MIID"`, "has no order"},
		{`meta.created gt "yesterday"`, "is a date"},
		{`meta.created gt "2011-05-13T04:42:34,5Z"`, "is a date"},
		{`meta.created eq ""`, "is a date"},
		{`title gt null`, "null can be compared"},
		{`title co null`, "null can be compared"},
		{`name eq "x"`, "like name.formatted"},
		{`addresses eq "x"`, "like addresses.formatted"},
		{`shoeSize eq "x"`, "has no attribute shoeSize"},
		{`members eq "x"`, "has no attribute members"},
		{`emails.shoeSize eq "x"`, "has no sub-attribute"},
		{`emails[shoeSize eq "x"]`, "has no sub-attribute"},
		{`emails[userName eq "x"]`, "has no sub-attribute"},
		{`emails[emails.type eq "x"]`, "has no sub-attribute"},
		{`userName[value eq "x"]`, "takes a filter in brackets"},
		{`urn:example:2.0:User:title eq "x"`, "has no schema"},
		{`urn:ietf:params:scim:schemas:core:2.0:User eq "x"`, "a schema is not an attribute"},
		{`urn:ietf:params:scim:schemas:core:2.0:User[value eq "x"]`, "a schema is not an attribute"},
		{`password eq "x"`, "cannot be searched"},
		{`manager.displayName eq "x"`, "cannot be searched"},
	} {
		_, err := users.Filter(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
}

func TestAcrossResourceTypesWhatIsUndefinedIsUnassigned(t *testing.T) {
	b := Binder{Type: schema.Users(), Fold: fold, Undefined: true}
	doc := resource(t, barbara)
	for text, want := range map[string]bool{
		`members eq "x"`:                          false,
		`members pr`:                              false,
		`members ne "x"`:                          true,
		`members eq null`:                         true,
		`members[value eq "x"]`:                   false,
		`not (members[value eq "x"])`:             true,
		`emails.shoeSize eq "x"`:                  false,
		`emails[shoeSize eq "x"]`:                 false,
		`emails[shoeSize ne "x"]`:                 true,
		`photos[shoeSize ne "x"]`:                 false,
		`urn:example:2.0:Thing:size gt 5`:         false,
		`members pr or userName sw "b"`:           true,
		`meta.resourceType eq "User"`:             true,
		`meta.resourceType eq "Group"`:            false,
		`meta.resourceType eq Group or title pr`:  true,
		`meta.resourceType eq Group and title pr`: false,
	} {
		f, err := b.Filter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Match(doc); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
		if low := f.Lower(columns); low.Never && want {
			t.Errorf("%s: the database is not asked", text)
		}
	}
	f, err := b.Filter(`meta.resourceType eq Group and title pr`)
	if err != nil {
		t.Fatal(err)
	}
	if !f.Lower(columns).Never {
		t.Error("a search for groups reads the users")
	}
}

func TestAFilterSaysWhatItReads(t *testing.T) {
	f, err := users.Filter(`emails[type eq "work"] and not (userName pr or EMAILS.value pr) and manager eq "x"`)
	if err != nil {
		t.Fatal(err)
	}
	want := "emails userName urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
	if got := strings.Join(f.Reads(), " "); got != want {
		t.Errorf("reads %s, want %s", got, want)
	}
	residual := f.Lower(columns).Residual
	if got := strings.Join(residual.Reads(), " "); got != "emails" {
		t.Errorf("what the database leaves reads %s, want emails", got)
	}
}

func TestAPlainFilterDescribesTheValueToMake(t *testing.T) {
	for text, want := range map[string]string{
		`emails[type eq "work"].value`:                      `{"type":"work"}`,
		`roles[primary eq "True"].display`:                  `{"primary":true}`,
		`emails[TYPE eq Work and primary eq false].value`:   `{"primary":false,"type":"Work"}`,
		`emails[type eq "work" and (value eq "x")].display`: `{"type":"work","value":"x"}`,
		`emails[type eq "a" and type eq "a"].value`:         `{"type":"a"}`,
		`emails[type eq "a" and type eq "b"].value`:         ``,
		`emails[type eq "work" or value eq "x"].display`:    ``,
		`emails[type sw "work"].value`:                      ``,
		`emails[not (type eq "work")].value`:                ``,
		`emails[type eq null].value`:                        ``,
		`emails[type pr].value`:                             ``,
	} {
		target, err := users.Path(text)
		if err != nil {
			t.Fatal(err)
		}
		found, ok := target.Filter.Equalities()
		if ok != (want != "") {
			t.Errorf("%s: %v %v", text, found, ok)
			continue
		}
		if got, err := json.Marshal(found); ok && (err != nil || string(got) != want) {
			t.Errorf("%s: %s %v, want %s", text, got, err, want)
		}
	}
}

func TestAListOfValuesIsRecognised(t *testing.T) {
	groups := Binder{Type: schema.Groups(), Fold: fold}
	for text, want := range map[string]string{
		`members[value eq "A"]`:                                  "A",
		`members[value eq "a" or Value eq "b" or (value eq c)]`:  "a b c",
		`members[value eq "a" and value eq "b"]`:                 "",
		`members[value ne "a"]`:                                  "",
		`members[value sw "a"]`:                                  "",
		`members[value pr]`:                                      "",
		`members[not (value eq "a")]`:                            "",
		`members[value eq "a" or type eq "User"]`:                "",
		`members[value eq null or value eq "a"]`:                 "",
		`members[(value eq "a" or value eq "b") and value pr]`:   "",
		`members[value eq "a" or not (value eq "b")]`:            "",
		`members[value eq "a" or (value eq "b" and type pr)]`:    "",
		`members[value eq ""]`:                                   "",
		`members[$ref eq "https://example.com/scim/v2/Users/a"]`: "",
	} {
		target, err := groups.Path(text)
		if err != nil {
			t.Fatal(err)
		}
		found, ok := target.Filter.Choices("value")
		if got := strings.Join(found, " "); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q %v, want %q", text, got, ok, want)
		}
	}
}
