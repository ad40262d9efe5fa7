package filter

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// printed is how a filter reads after it was read. The left side holds every leniency of the package comment.
var printed = []struct{ text, want string }{
	{`userName eq "bjensen"`, `userName eq "bjensen"`},
	{`USERNAME EQ "x"`, `USERNAME eq "x"`},
	{`  title pr	`, `title pr`},
	{`externalId eq jyoung`, `externalId eq jyoung`},
	{`meta.resourceType eq User`, `meta.resourceType eq User`},
	{`value eq"2819"`, `value eq "2819"`},
	{`active eq "True"`, `active eq "True"`},
	{`active eq True`, `active eq True`},
	{`not(title pr)`, `not (title pr)`},
	{`NOT ( title pr )`, `not (title pr)`},
	{`a pr and b pr or c pr`, `a pr and b pr or c pr`},
	{`a pr or b pr and c pr`, `a pr or b pr and c pr`},
	{`(a pr or b pr) and c pr`, `(a pr or b pr) and c pr`},
	{`a pr and (b pr or c pr)`, `a pr and (b pr or c pr)`},
	{`a pr and (b pr and c pr)`, `a pr and b pr and c pr`},
	{`((a pr))`, `a pr`},
	{`not (a pr) and b pr`, `not (a pr) and b pr`},
	{`not (a pr and b pr)`, `not (a pr and b pr)`},
	{`emails[type eq "work" and value co "@example.com"]`, `emails[type eq "work" and value co "@example.com"]`},
	{`emails[type eq "work"].value eq "x"`, `emails[type eq "work" and value eq "x"]`},
	{`emails[type eq "a" or type eq "b"].value pr`, `emails[(type eq "a" or type eq "b") and value pr]`},
	{`emails[not (type eq "a")]`, `emails[not (type eq "a")]`},
	{`urn:ietf:params:scim:schemas:core:2.0:User:name.givenName sw "J"`, `urn:ietf:params:scim:schemas:core:2.0:User:name.givenName sw "J"`},
	{`urn:example:with_under-score:2.0:User:x eq 1`, `urn:example:with_under-score:2.0:User:x eq 1`},
	{`a eq "quote \" slash \\ \/ \b\f\n\r\t \u00e9 \uD83D\ude00"`, `a eq "quote \" slash \\ / \b\f\n\r\t é 😀"`},
	{`a eq null and b eq -1.5e3`, `a eq null and b eq -1.5e3`},
	{`members.$ref eq "x"`, `members.$ref eq "x"`},
	{`not eq "x"`, `not eq "x"`}, // an attribute of that name; no parenthesis follows
	{`or pr or and pr`, `or pr or and pr`},
}

func TestFiltersAreReadAndPrinted(t *testing.T) {
	for _, c := range printed {
		e, err := Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := e.String(); got != c.want {
			t.Errorf("%s\nprints %s\nwant   %s", c.text, got, c.want)
		}
		samePrinted(t, c.text, e)
	}
}

// unlimited reads what Parse printed: that may be nested deeper than what Parse read.
func unlimited(text string) (Expr, error) {
	p := &parser{text: text, kind: InvalidFilter, depth: -MaxBytes, nodes: -MaxBytes}
	e, err := p.or()
	if err == nil && p.at < len(text) {
		err = errors.New("there is more")
	}
	return e, err
}

// samePrinted makes sure that reading what was printed gives the same filter.
func samePrinted(t *testing.T, text string, e Expr) {
	t.Helper()
	again, err := unlimited(e.String())
	if err != nil {
		t.Errorf("%q prints %q, which is refused: %v", text, e, err)
		return
	}
	if !reflect.DeepEqual(placeless(e), placeless(again)) {
		t.Errorf("%q prints %q, which means something else: %q", text, e, again)
	}
}

// placeless is a filter without the places where its parts stood.
func placeless(e Expr) Expr {
	switch e := e.(type) {
	case And:
		return And{Terms: placelessAll(e.Terms)}
	case Or:
		return Or{Terms: placelessAll(e.Terms)}
	case Not:
		return Not{Term: placeless(e.Term)}
	case Compare:
		e.pos = 0
		return e
	case Elements:
		return Elements{Path: e.Path, Filter: placeless(e.Filter)}
	default:
		return nil
	}
}

func placelessAll(terms []Expr) []Expr {
	var out []Expr
	for _, t := range terms {
		out = append(out, placeless(t))
	}
	return out
}

func TestWhatIsNoFilterIsRefusedWhereItGoesWrong(t *testing.T) {
	for _, c := range []struct {
		text string
		pos  int
		want string
	}{
		{``, 1, "want an attribute"},
		{`   `, 4, "want an attribute"},
		{`userName`, 9, "want an operator"},
		{`userName is "x"`, 10, "one of eq ne"},
		{`userName eq`, 12, "want a value behind eq"},
		{`userName eq `, 13, "want a value behind eq"},
		{`userName eq "x`, 13, "no closing quote"},
		{`userName eq "x"y`, 16, "want a blank"},
		{`userName eq x"y"`, 14, "want a blank"},
		{`userName eq "x" title pr`, 17, "want and, or, or the end"},
		{`userName eq "x" and`, 17, "want and, or, or the end"},
		{`userName eq "x"and title pr`, 16, "want a blank"},
		{`title pr and(userName pr)`, 10, "want and, or, or the end"},
		{`title pr nor x pr`, 10, "want and, or, or the end"},
		{`(title pr`, 10, "want and, or, or )"},
		{`title pr)`, 9, "want and, or, or the end"},
		{`emails[type eq "a"`, 19, "want and, or, or ]"},
		{`emails[type eq "a")`, 19, "want and, or, or ]"},
		{`emails[]`, 8, "want an attribute"},
		{`emails[x[y pr]]`, 9, "cannot be inside another"},
		{`emails.value[type pr]`, 13, "no values to choose from"},
		{`emails[type pr].`, 17, "sub-attribute behind the dot"},
		{`emails[type pr].a.b eq "x"`, 17, "sub-attribute behind the dot"},
		{`emails[type pr].value`, 22, "want an operator"},
		{`emails [type pr]`, 8, "want an operator"},
		{`not title pr`, 5, "want an operator"},
		{`a.b.c pr`, 1, "is not an attribute"},
		{`ünter pr`, 1, "is not an attribute"},
		{`a eq "é\x"`, 9, "behind a backslash"},
		{`a eq "\u12"`, 8, "four hexadecimal digits"},
		{`a eq "\u+123"`, 8, "four hexadecimal digits"},
		{`a eq "\u0000"`, 8, "four hexadecimal digits"},
		{`a eq "\ud83d"`, 8, "four hexadecimal digits"},
		{`a eq "\ude00\ud83d"`, 8, "four hexadecimal digits"},
		{`a eq "\ud83d\u0041"`, 8, "four hexadecimal digits"},
		{"a eq \"tab\there\"", 10, "needs an escape"},
		{"a eq \"\x00\"", 7, "needs an escape"},
		{"a eq x\x00", 6, "needs quotes"},
		{"a\x00 eq x", 1, "is not an attribute"},
		{"a pr\x00", 3, "want an operator"},
		{`a eq back\slash`, 6, "needs quotes"},
		{"a eq \"\xff\"", 1, "not UTF-8"},
		{`a eq "` + strings.Repeat("x", MaxBytes+1-len(`a eq ""`)) + `"`, 1, "longer than 4096 bytes"},
		{strings.Repeat("(", MaxDepth+1) + "a pr" + strings.Repeat(")", MaxDepth+1), MaxDepth + 1, "more than 32 parentheses"},
		{strings.Repeat("not (", MaxDepth+1) + "a pr" + strings.Repeat(")", MaxDepth+1), 165, "more than 32 parentheses"},
		{strings.Repeat("a pr or ", MaxNodes/2) + "a pr", 801, "more than 200 comparisons"},
	} {
		_, err := Parse(c.text)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Type != InvalidFilter || e.Pos != c.pos || !strings.Contains(e.Detail, c.want) {
			t.Errorf("%.60q: %v, want %q at %d", c.text, err, c.want, c.pos)
		}
	}
}

func TestTheLimitsThemselvesAreAllowed(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("(", MaxDepth) + "a pr" + strings.Repeat(")", MaxDepth),
		strings.Repeat("a pr or ", MaxNodes/2-1) + "a pr",
		strings.Repeat("(a[b pr]) or ", MaxDepth+1) + "a pr", // side by side is not inside each other
		`a eq "` + strings.Repeat("x", MaxBytes-len(`a eq ""`)) + `"`,
	} {
		if _, err := Parse(text); err != nil {
			t.Errorf("%.40s…: %v", text, err)
		}
	}
}

func TestErrorsQuoteNoValue(t *testing.T) {
	for _, text := range []string{`userName eq "planted secret" x`, `title co "planted secret`, `active eq "planted secret"`,
		`meta.created gt "planted secret"`, `meta.created gt planted`, `name eq "planted secret"`, `x509Certificates.value gt planted`} {
		_, err := folding.Filter(text)
		if err == nil || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAShapeHoldsNoValue(t *testing.T) {
	e, err := Parse(`userName eq "secret" and (emails[type eq work].value eq secret or not (active eq true))`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Shape(e), `userName eq ? and (emails[type eq ? and value eq ?] or not (active eq ?))`; got != want {
		t.Errorf("shape %s, want %s", got, want)
	}
}

var paths = []struct {
	text, key, shape string
	filter           bool
}{
	{text: `members`, key: "members", shape: "members"},
	{text: ` displayName `, key: "displayName", shape: "displayName"},
	{text: `MEMBERS[VALUE EQ "x"]`, key: "members", shape: "MEMBERS[VALUE eq ?]", filter: true},
	{text: `members[value eq "a" or value eq "b"]`, key: "members", shape: "members[value eq ? or value eq ?]", filter: true},
	{text: `members[value eq "a"].display`, key: "members.display", shape: "members[value eq ?].display", filter: true},
	{text: `urn:ietf:params:scim:schemas:core:2.0:Group:members[value eq "a"]`, key: "members",
		shape: "urn:ietf:params:scim:schemas:core:2.0:Group:members[value eq ?]", filter: true},
	{text: `urn:ietf:params:scim:schemas:core:2.0:Group`, key: "urn:ietf:params:scim:schemas:core:2.0:Group",
		shape: "urn:ietf:params:scim:schemas:core:2.0:Group"},
}

func TestPathsFindTheirTarget(t *testing.T) {
	groups := Binder{Type: schema.Groups(), Fold: fold}
	for _, c := range paths {
		got, err := groups.Path(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got.Key() != c.key || got.Shape != c.shape || (got.Filter != nil) != c.filter {
			t.Errorf("%s is %s, %s, filter %v", c.text, got.Key(), got.Shape, got.Filter != nil)
		}
	}
	got, err := folding.Path(`emails[type eq "Work" and primary eq "True"].value`)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Filter.Match(map[string]any{"type": "work", "primary": true}) || got.Filter.Match(map[string]any{"type": "work"}) {
		t.Error("the filter of a path chooses the wrong values")
	}
}

func TestWhatIsNoPathIsRefused(t *testing.T) {
	for _, c := range []struct {
		text, kind string
		pos        int
		err        error
	}{
		{``, InvalidPath, 1, nil},
		{`members[0]`, InvalidPath, 9, nil},
		{`emails[]`, InvalidPath, 8, nil},
		{`emails[type eq "x"`, InvalidPath, 19, nil},
		{`emails[type eq "x"] value`, InvalidPath, 20, nil},
		{`emails[type eq "x"].`, InvalidPath, 21, nil},
		{`emails[type eq "x"].shoeSize`, InvalidPath, 21, schema.ErrUnknownAttribute},
		{`emails.value[type eq "x"]`, InvalidPath, 13, nil},
		{`userName eq "x"`, InvalidPath, 9, nil},
		{`shoeSize`, InvalidPath, 1, schema.ErrUnknownAttribute},
		{`urn:example:2.0:User:shoeSize[type eq "x"].value`, InvalidPath, 1, schema.ErrUnknownSchema},
		{`emails[shoeSize eq "x"]`, InvalidFilter, 0, schema.ErrUnknownAttribute},
		{`userName[value eq "x"]`, InvalidFilter, 0, nil},
		{`a[b pr`, InvalidPath, 7, nil},
		{strings.Repeat("a", MaxBytes+1), InvalidPath, 1, nil},
	} {
		_, err := folding.Path(c.text)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Type != c.kind || c.pos > 0 && e.Pos != c.pos || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%.40s: %v, want %s at %d, %v", c.text, err, c.kind, c.pos, c.err)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, c := range printed {
		f.Add(c.text)
	}
	for _, text := range rfcFilters {
		f.Add(text)
	}
	for seed := range 30 {
		f.Add(new(dice(seed)).filter(seed%5, seed%2 == 0))
	}
	doc := new(dice(9)).user()
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			if p, ok := errors.AsType[*Error](err); !ok || p.Pos < 1 || p.Pos > len(text)+1 {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		samePrinted(t, text, e)
		bound, err := folding.Bind(e)
		if err != nil {
			return
		}
		holds := bound.Match(doc)
		low := bound.Lower(columns)
		if n := strings.Count(low.Where, "?"); n != len(low.Args) {
			t.Errorf("%q: %d question marks, %d arguments: %s", text, n, len(low.Args), low.Where)
		}
		if low.Residual != nil && holds && !low.Residual.Match(doc) || low.Never && holds {
			t.Errorf("%q: Match finds what Lower excludes", text)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, c := range paths {
		f.Add(c.text)
	}
	f.Add(`emails[type eq "work" and not (primary eq true)].value`)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParsePath(text)
		if err != nil {
			return
		}
		again, err := ParsePath(e.String())
		switch {
		case err != nil && len(e.String()) > MaxBytes: // escapes make it longer
		case err != nil:
			t.Errorf("%q prints %q, which is refused: %v", text, e, err)
		case again.Path != e.Path || !reflect.DeepEqual(placeless(again.Filter), placeless(e.Filter)):
			t.Errorf("%q prints %q, which means something else", text, e)
		}
		if target, err := folding.Path(text); err == nil && target.Schema == nil {
			t.Errorf("%q: a target without a schema", text)
		}
	})
}

// BenchmarkParse reads the longest filter allowed: linear time shows as nanoseconds a byte that stay the same.
func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{
		"short":  `userName eq "test.user@okta.local"`,
		"chain":  strings.Repeat(`userName eq "abcdefgh" or `, 80) + "title pr",
		"string": `a eq "` + strings.Repeat(`\u00e9`, 600) + `"`,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := Parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
