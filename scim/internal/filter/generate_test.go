package filter

import (
	"fmt"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// dice are numbers that look random and are the same in every run (splitmix64).
type dice uint64

func (d *dice) roll(n int) int {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) >> 1 % uint64(n))
}

func (d *dice) chance(percent int) bool { return d.roll(100) < percent }

func pick[T any](d *dice, list ...T) T { return list[d.roll(len(list))] }

// word is short and from few letters, so that words are often equal, prefixes and parts of each other. The letters are
// those on which encodings, wildcards and foldings stumble.
func (d *dice) word() string {
	var b strings.Builder
	for range d.roll(4) {
		b.WriteString(pick(d, "a", "a", "b", "B", "A", "é", "É", "ß", "%", "_", `\`, "'", " ", "\uD7FF", "\uE000", "\U0010FFFF", "😀", "?", "{}"))
	}
	return b.String()
}

// fold is not directory.Fold, but like it makes different texts equal and changes their length.
func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "ß", "ss") }

// a kind of attribute to write comparisons with.
type sample struct {
	path string
	typ  schema.Type
}

var samples = []sample{
	{"userName", schema.String}, {"externalId", schema.String}, {"title", schema.String}, {"name.familyName", schema.String},
	{"active", schema.Boolean}, {"meta.created", schema.DateTime}, {"emails", schema.String}, {"emails.value", schema.String},
	{"emails.type", schema.String}, {"emails.primary", schema.Boolean}, {"groups.value", schema.String}, {"groups", schema.String},
	{"groups.display", schema.String}, {"manager", schema.String}, {"x509Certificates.value", schema.Binary},
	{"urn:ietf:params:scim:schemas:core:2.0:User:userName", schema.String}, {"profileUrl", schema.Reference},
	{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", schema.String},
}

var inner = map[string][]sample{
	"emails":  {{"value", schema.String}, {"value", schema.String}, {"type", schema.String}, {"primary", schema.Boolean}},
	"groups":  {{"value", schema.String}, {"display", schema.String}, {"type", schema.String}},
	"manager": {{"value", schema.String}},
}

// filter writes one that binds to users. strict keeps to the grammar of the RFC; depth limits nesting.
func (d *dice) filter(depth int, strict bool) string {
	return d.expr(depth, strict, samples, true)
}

func (d *dice) expr(depth int, strict bool, from []sample, paths bool) string {
	if depth > 0 {
		switch d.roll(7) {
		case 0, 1:
			return d.operand(depth, strict, from, paths) + d.join(" and ", strict) + d.operand(depth, strict, from, paths)
		case 2, 3:
			return d.operand(depth, strict, from, paths) + d.join(" or ", strict) + d.operand(depth, strict, from, paths)
		case 4:
			return pick(d, "not", "not ", "NOT ") + "(" + d.expr(depth-1, strict, from, paths) + ")"
		}
	}
	if paths && d.chance(30) {
		return d.valuePath(strict)
	}
	return d.comparison(pick(d, from...), strict)
}

func (d *dice) operand(depth int, strict bool, from []sample, paths bool) string {
	e := d.expr(depth-1, strict, from, paths)
	if d.chance(40) {
		return "(" + e + ")"
	}
	return e
}

func (d *dice) join(word string, strict bool) string {
	if d.chance(10) {
		word = strings.ToUpper(word)
	}
	if !strict && d.chance(10) {
		word = "  " + word
	}
	return word
}

func (d *dice) valuePath(strict bool) string {
	attr := pick(d, "emails", "emails", "groups", "manager")
	var within string
	switch {
	case !strict:
		within = d.expr(d.roll(3), strict, inner[attr], false)
	case d.chance(50): // the grammar has two comparisons at most
		within = d.comparison(pick(d, inner[attr]...), true) + pick(d, " and ", " or ") + d.comparison(pick(d, inner[attr]...), true)
	default:
		within = d.comparison(pick(d, inner[attr]...), true)
	}
	text := attr + "[" + within + "]"
	if !strict && d.chance(30) {
		s := pick(d, inner[attr]...)
		text += "." + d.comparison(s, false)
	}
	return text
}

func (d *dice) comparison(s sample, strict bool) string {
	if d.chance(12) {
		return s.path + " pr"
	}
	op := pick(d, "eq", "eq", "eq", "ne", "Eq")
	if s.typ != schema.Boolean && d.chance(60) {
		op = pick(d, "co", "sw", "ew")
		if s.typ != schema.Binary && d.chance(50) {
			op = pick(d, "gt", "ge", "lt", "le")
		}
	}
	if d.chance(4) && (op == "eq" || op == "ne") {
		return s.path + " " + op + " null"
	}
	value := d.literal(s.typ)
	if s.typ == schema.DateTime && (op == "co" || op == "sw" || op == "ew") {
		value = `"2020-01"`
	}
	if strict {
		return s.path + " " + op + " " + value
	}
	return s.path + d.join(" ", strict) + op + d.loose(value)
}

// loose writes a value the way clients do: sometimes without quotes, sometimes without a blank before them.
func (d *dice) loose(value string) string {
	naked := strings.Trim(value, `"`)
	switch {
	case d.chance(10) && naked != "" && !strings.ContainsAny(naked, "\\ \""):
		return " " + naked
	case d.chance(10) && value[0] == '"':
		return value
	default:
		return " " + value
	}
}

func (d *dice) literal(typ schema.Type) string {
	if typ == schema.Boolean {
		return pick(d, "true", "false")
	}
	if typ == schema.DateTime {
		// Some lie on a tick of the column, some between two, some in another zone.
		return fmt.Sprintf("%q", d.moment().Add(time.Duration(d.roll(2)*500)).Format(time.RFC3339Nano))
	}
	return Value{Text: d.word(), Quoted: true}.text()
}

func (v Value) text() string {
	p := printer{}
	v.write(&p)
	return p.String()
}

func (d *dice) moment() time.Time {
	t := time.Unix(int64(1577836800+d.roll(3)), int64(d.roll(3)*1000)).UTC()
	if d.chance(20) {
		return t.In(time.FixedZone("", 3600))
	}
	return t
}

// user is a document as the directory holds it.
func (d *dice) user() map[string]any {
	doc := map[string]any{"userName": "u" + d.word()}
	if d.chance(70) {
		doc["externalId"] = d.word()
	}
	if d.chance(50) {
		doc["title"] = d.word()
	}
	if d.chance(80) {
		doc["active"] = d.chance(50)
	}
	if d.chance(50) {
		doc["name"] = map[string]any{"familyName": d.word()}
	}
	doc["meta"] = map[string]any{"created": d.moment().UTC().Format("2006-01-02T15:04:05.000000Z"), "resourceType": "User"}
	var emails, groups []any
	for range d.roll(3) {
		e := map[string]any{"type": pick(d, "work", "Home", "a"), "primary": d.chance(50)}
		if d.chance(80) {
			e["value"] = d.word()
		}
		emails = append(emails, e)
	}
	for range d.roll(3) {
		groups = append(groups, map[string]any{"value": "g" + d.word(), "display": "d" + d.word(), "type": "direct"})
	}
	doc["emails"], doc["groups"] = emails, groups
	if d.chance(40) {
		doc[schema.EnterpriseUserURN] = map[string]any{"manager": map[string]any{"value": d.word()}}
	}
	return doc
}
