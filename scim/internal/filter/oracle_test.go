package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	oracle "github.com/scim2/filter-parser/v2"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// theirs is a filter read by scim2/filter-parser, in our terms.
func theirs(text string) (Expr, error) {
	e, err := oracle.ParseFilterNumber([]byte(text))
	if err != nil {
		return nil, err
	}
	return translate(e)
}

func translate(e oracle.Expression) (Expr, error) {
	switch e := e.(type) {
	case *oracle.LogicalExpression:
		left, err := translate(e.Left)
		if err != nil {
			return nil, err
		}
		right, err := translate(e.Right)
		if err != nil {
			return nil, err
		}
		if e.Operator == oracle.AND {
			return and(left, right), nil
		}
		return or(left, right), nil
	case *oracle.NotExpression:
		inner, err := translate(e.Expression)
		return Not{Term: inner}, err
	case *oracle.ValuePath:
		inner, err := translate(e.ValueFilter)
		return Elements{Path: path(e.AttributePath), Filter: inner}, err
	case *oracle.AttributeExpression:
		v, err := operand(e)
		return Compare{Path: path(e.AttributePath), Op: Op(strings.ToLower(string(e.Operator))), Value: v}, err
	default:
		return nil, fmt.Errorf("no translation of %T", e)
	}
}

func or(terms ...Expr) Or {
	var flat []Expr
	for _, t := range terms {
		if o, ok := t.(Or); ok {
			flat = append(flat, o.Terms...)
			continue
		}
		flat = append(flat, t)
	}
	return Or{Terms: flat}
}

func path(p oracle.AttributePath) schema.Path {
	return schema.Path{URN: p.URI(), Name: p.AttributeName, Sub: p.SubAttributeName()}
}

func operand(e *oracle.AttributeExpression) (Value, error) {
	switch v := e.CompareValue.(type) {
	case string: // escapes and all
		var text string
		err := json.Unmarshal([]byte(`"`+v+`"`), &text)
		return Value{Text: text, Quoted: true}, err
	case nil:
		if strings.EqualFold(string(e.Operator), string(Present)) {
			return Value{}, nil
		}
		return Value{Text: "null"}, nil
	default: // json.Number, bool
		return Value{Text: fmt.Sprint(v)}, nil
	}
}

// strictly prints a filter so that a reader of the RFC's grammar alone understands it: values in quotes, unless they
// are JSON without.
func strictly(e Expr) Expr {
	switch e := e.(type) {
	case And:
		return And{Terms: strictlyAll(e.Terms)}
	case Or:
		return Or{Terms: strictlyAll(e.Terms)}
	case Not:
		return Not{Term: strictly(e.Term)}
	case Elements:
		return Elements{Path: e.Path, Filter: strictly(e.Filter)}
	case Compare:
		if lower := strings.ToLower(e.Value.Text); !e.Value.Quoted && (lower == "true" || lower == "false" || lower == "null") {
			e.Value.Text = lower
		}
		bare := json.Valid([]byte(e.Value.Text)) && !strings.ContainsAny(e.Value.Text, "{}")
		e.Value.Quoted = e.Op != Present && (e.Value.Quoted || !bare)
		e.pos = 0
		return e
	default:
		return nil
	}
}

func strictlyAll(terms []Expr) []Expr {
	var out []Expr
	for _, t := range terms {
		out = append(out, strictly(t))
	}
	return out
}

// beyondThem reports what a filter has that scim2/filter-parser v2.2.1 does not read, though RFC 7643, RFC 7644 or RFC
// 8141 allow it; empty: nothing.
func beyondThem(e Expr) string {
	var found string
	visit(e, func(part Expr) {
		switch part := part.(type) {
		case Elements:
			if size(part.Filter) > 2 || nested(part.Filter) {
				found = "a value path of more than two comparisons, or with parentheses"
			}
		case Compare:
			switch {
			case strings.Contains(part.Path.URN+":", "::") || strings.ContainsFunc(part.Path.URN, rareInURN):
				found = "a character in a URN that they do not know, such as _"
			case part.Value.Quoted && strings.ContainsFunc(part.Value.Text, func(r rune) bool {
				return r < ' ' || r == '\u2028' || r == '\u2029' || r == '<' || r == '>' || r == '&'
			}):
				found = `an escape like \u000b`
			}
		}
	})
	return found
}

func rareInURN(r rune) bool {
	usual := r == ':' || r == '-' || r == '.' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
	return !usual
}

// looseBlanks are where scim2/filter-parser is content without the blanks of the grammar, or with more: around and, or,
// and before a bracket. No client writes so.
var looseBlanks = []struct {
	form   *regexp.Regexp
	strict string
}{
	{regexp.MustCompile(` +\[`), `[`},
	{regexp.MustCompile(`([")\]]|true|false|null|\d|pr)((?i:and|or))`), `$1 $2`},
	{regexp.MustCompile(` ((?i:and|or))([A-Za-z$(])`), ` $1 $2`},
}

// beyondUs names what they read and we do not.
func beyondUs(text string, their Expr, err error) string {
	if why := notOurs(text, err); why != "" {
		return why
	}
	for _, f := range looseBlanks {
		text = f.form.ReplaceAllString(text, f.strict)
	}
	ours, err := Parse(text)
	if err == nil && same(ours, their) {
		return "a blank missing around and, or, or a blank before a bracket"
	}
	return notOurs(text, err)
}

func notOurs(text string, err error) string {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return ""
	case strings.Contains(e.Detail, "no values to choose from"):
		return "a filter on the values of a sub-attribute, which RFC 7643 §2.3.8 does not allow to have any"
	case strings.Contains(e.Detail, "is not an attribute"):
		word, _, _ := strings.Cut(string([]rune(text)[e.Pos-1:]), " ")
		if strings.Contains(word, ":") && !strings.HasPrefix(strings.ToLower(word), "urn:") {
			return "a schema that is no URN"
		}
	}
	return ""
}

func visit(e Expr, do func(Expr)) {
	do(e)
	switch e := e.(type) {
	case And:
		for _, t := range e.Terms {
			visit(t, do)
		}
	case Or:
		for _, t := range e.Terms {
			visit(t, do)
		}
	case Not:
		visit(e.Term, do)
	case Elements:
		visit(e.Filter, do)
	}
}

// size counts comparisons; nested reports whether there are logical operators inside each other.
func size(e Expr) (n int) {
	visit(e, func(part Expr) {
		if _, ok := part.(Compare); ok {
			n++
		}
	})
	return n
}

func nested(e Expr) bool {
	var n int
	visit(e, func(part Expr) {
		if _, ok := part.(Compare); !ok {
			n++
		}
	})
	return n > 1
}

// disturb changes a character or two: most of what comes out is no filter.
func disturb(d *dice, text string) string {
	runes := []rune(text)
	for range 1 + d.roll(2) {
		at := d.roll(len(runes))
		switch d.roll(3) {
		case 0:
			runes = append(runes[:at:at], runes[at+1:]...)
		case 1:
			runes[at] = pick(d, []rune(`"()[]. :eqprandot_-\1$`)...)
		default:
			runes = append(runes[:at:at], append([]rune{pick(d, []rune(`"()[]. :andor_\0`)...)}, runes[at:]...)...)
		}
		if len(runes) == 0 {
			return " "
		}
	}
	return string(runes)
}

// Another reader of the same grammar, written by others: on what both read they agree, and each difference in what is
// read has a name.
func TestAnotherParserReadsTheSame(t *testing.T) {
	d := new(dice(7))
	const rounds = 12_000
	count := map[string]int{}
	for i := range rounds {
		text := d.filter(d.roll(3), i%3 != 0)
		if i%2 == 0 {
			text = disturb(d, text)
		}
		why := compareWithOracle(text)
		if strings.HasPrefix(why, "UNEXPLAINED") {
			t.Errorf("%s\n%q", why, text)
		}
		count[why]++
	}
	for why, n := range count {
		t.Logf("%6.2f %% of %d: %s", float64(n)*100/rounds, rounds, why)
	}
	if count[bothRead] < 6_000 || count[bothRefuse] < 1_000 {
		t.Errorf("%d filters both read, %d both refuse: too little common ground", count[bothRead], count[bothRefuse])
	}
}

const (
	bothRead   = "both read it, and the same"
	bothRefuse = "both refuse it"
)

// compareWithOracle names how two readers treat a text.
func compareWithOracle(text string) string {
	ours, ourErr := Parse(text)
	their, theirErr := theirs(text)
	switch {
	case ourErr != nil && theirErr != nil:
		return bothRefuse
	case ourErr == nil && theirErr == nil:
		if same(ours, their) {
			return bothRead
		}
		return fmt.Sprintf("UNEXPLAINED: read differently: ours %s, theirs %s", ours, their)
	case theirErr == nil:
		if why := beyondUs(text, their, ourErr); why != "" {
			return "only theirs reads it: " + why
		}
		return "UNEXPLAINED: only theirs reads it: " + ourErr.Error()
	}
	plain := strictly(ours)
	if their, err := theirs(plain.String()); err == nil {
		if same(plain, their) {
			return "only ours reads it, by a leniency of the package comment; in the RFC's spelling both do"
		}
		return fmt.Sprintf("UNEXPLAINED: in strict spelling read differently: ours %s, theirs %s", plain, their)
	}
	if why := beyondThem(ours); why != "" {
		return "only ours reads it: " + why
	}
	return "UNEXPLAINED: only ours reads it: " + plain.String()
}

func same(a, b Expr) bool { return reflect.DeepEqual(placeless(a), placeless(b)) }

func FuzzAnotherParserReadsTheSame(f *testing.F) {
	for _, c := range printed {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ours, ourErr := Parse(text)
		their, theirErr := theirs(text)
		if ourErr == nil && theirErr == nil && !same(strictly(ours), their) {
			t.Errorf("%q is read differently: ours %s, theirs %s", text, ours, their)
		}
	})
}
