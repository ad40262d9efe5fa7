package filter

import (
	"fmt"
	"testing"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

func TestFiltersBecomeTheseConditions(t *testing.T) {
	for _, c := range []struct {
		text, where, args string
		residual          bool
	}{
		{`userName eq "Bo"`, `u.user_name = ?`, `[bo]`, false},
		{`userName ne "Bo"`, `u.user_name IS DISTINCT FROM ?`, `[bo]`, false},
		{`userName sw "Bo"`, `(u.user_name >= ? AND u.user_name < ?)`, `[bo bp]`, false},
		{"externalId sw \"a\U0010FFFF\"", `(u.external_id >= ? AND u.external_id < ?)`, "[a\U0010FFFF b]", false},
		{"externalId sw \"\U0010FFFF\"", `u.external_id >= ?`, "[\U0010FFFF]", false},
		{"externalId sw \"a\uD7FF\"", `(u.external_id >= ? AND u.external_id < ?)`, "[a\uD7FF a\uE000]", false},
		{`userName co "100%_"`, `strpos(u.user_name, ?) > 0`, `[100%_]`, false},
		{`userName ew "é"`, `(length(u.user_name) >= ? AND substr(u.user_name, length(u.user_name) - ? + 1) = ?)`, `[1 1 é]`, false},
		{`userName gt "a"`, `u.user_name > ?`, `[a]`, false},
		{`title pr`, `u.title <> ''`, `[]`, false},
		{`title eq null`, `((u.title <> '') IS NOT TRUE)`, `[]`, false},
		{`not (title eq "a" or active eq true)`, `(((u.title = ? OR u.active = ?)) IS NOT TRUE)`, `[a 1]`, false},
		{`active pr`, `u.active IS NOT NULL`, `[]`, false},
		{`active ne True`, `u.active IS DISTINCT FROM ?`, `[1]`, false},
		{`meta.created ge "1970-01-01T00:00:00.000001Z"`, `u.created >= ?`, `[1]`, false},
		{`meta.created ge "1970-01-01T00:00:00.0000015Z"`, `u.created > ?`, `[1]`, false},
		{`meta.created lt "1969-12-31T23:59:59.9999995Z"`, `u.created <= ?`, `[-1]`, false},
		{`meta.created ne "1970-01-01T00:00:00.0000015Z"`, ``, `[]`, false},
		{`meta.created gt "9999-01-01T00:00:00Z"`, ``, `[]`, true},
		{`emails.value eq "X"`, `u.id IN (SELECT v.u FROM mails v WHERE v.val = ?)`, `[x]`, false},
		{`emails[type eq "work"].value eq "X"`, `u.id IN (SELECT v.u FROM mails v WHERE v.val = ?)`, `[x]`, true},
		{`emails[type eq "work" or value eq "X"]`, ``, `[]`, true},
		{`emails ne "x"`, ``, `[]`, true},
		{`groups[value eq "a" and display sw "b"]`, `EXISTS (SELECT 1 FROM memberships g WHERE g.u = u.id AND (g.val = ? AND (g.display >= ? AND g.display < ?)))`, `[a b c]`, false},
		{`groups[value eq "a" and not (display eq "b")]`, `EXISTS (SELECT 1 FROM memberships g WHERE g.u = u.id AND g.val = ?)`, `[a]`, true},
		{`nickName eq "a" and userName eq "b"`, `u.user_name = ?`, `[b]`, true},
		{`nickName eq "a" or userName eq "b"`, ``, `[]`, true},
		{`userName eq "x' OR 1=1 --"`, `u.user_name = ?`, `[x' or 1=1 --]`, false},
	} {
		f, err := folding.Filter(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		low := f.Lower(columns)
		if low.Where != c.where || fmt.Sprint(low.Args) != c.args || (low.Residual != nil) != c.residual {
			t.Errorf("%s\nhas  %s %v, residual %v\nwant %s %s, residual %v", c.text, low.Where, low.Args, low.Residual != nil, c.where, c.args, c.residual)
		}
	}
}

// A column that folds for an attribute that does not, or the other way round, would find other rows than Match.
func TestAColumnThatComparesOtherwiseIsNotAsked(t *testing.T) {
	for text, c := range map[string]map[string]Column{
		`userName eq "a"`:                        {"userName": {Value: "u.x", Indexed: true}},
		`externalId eq "a"`:                      {"externalId": {Value: "u.x", Fold: true, Indexed: true}},
		`active eq true`:                         {"active": {Value: "u.x"}},
		`title eq "a"`:                           {"title": {Value: "u.x", Kind: Flag}},
		`title gt "a"`:                           {"title": {Value: "u.x", Kind: Ticks, Unit: 1}},
		`meta.created gt "2020-01-01T00:00:00Z"`: {"meta.created": {Value: "u.x"}},
		`meta.created lt "2020-01-01T00:00:00Z"`: {"meta.created": {Value: "u.x", Kind: Ticks}},
		`meta.created sw "2020"`:                 {"meta.created": {Value: "u.x", Kind: Ticks, Unit: 1}},
		`title ne "a"`:                           {"title": {Value: "u.x", Kind: Kind(9)}},
	} {
		f, err := (Binder{Type: schema.Users(), Fold: fold}).Filter(text)
		if err != nil {
			t.Fatal(err)
		}
		if low := f.Lower(c); low.Where != "" || low.Residual == nil || low.Narrow || low.Never {
			t.Errorf("%s: %+v", text, low)
		}
	}
}

// One value is of type work and another one is x: the rows of each are no proof of one value that is both.
func TestRowsOfTheirOwnDoNotProveThatOneValueHasBoth(t *testing.T) {
	apart := map[string]Column{
		"emails.value": {Value: "v.val", Fold: true, Indexed: true, Rows: "u.id IN (SELECT v.u FROM mails v WHERE {})"},
		"emails.type":  {Value: "t.val", Fold: true, Rows: "u.id IN (SELECT t.u FROM types t WHERE {})"},
	}
	for text, residual := range map[string]bool{
		`emails[type eq "work" and value eq "x"]`:   true,
		`emails[type eq "work" or value eq "x"]`:    false,
		`emails[value sw "x" and value ew "y"]`:     false,
		`emails.type eq "work" and emails eq "x"`:   false,
		`emails[type eq "work" and not (value pr)]`: true,
	} {
		f, err := folding.Filter(text)
		if err != nil {
			t.Fatal(err)
		}
		if low := f.Lower(apart); low.Where == "" || (low.Residual != nil) != residual {
			t.Errorf("%s: residual %v: %s", text, low.Residual != nil, low.Where)
		}
	}
}
