package patch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// scimPatch answers a line of {doc, operations} with a line of {doc} or {error}.
const scimPatch = `
const { scimPatch } = require("scim-patch");
const lines = require("node:fs").readFileSync(0, "utf8").split("\n").filter(Boolean);
console.log(lines.map((line) => {
  const { doc, operations } = JSON.parse(line);
  try { return JSON.stringify({ doc: scimPatch(doc, operations) }); } catch (e) { return JSON.stringify({ error: String(e.message || e) }); }
}).join("\n"));`

// needNode finds node and the package in .tools, where make test has put it.
func needNode(t *testing.T) (node, modules string) {
	t.Helper()
	modules, err := filepath.Abs("../../../.tools/node/node_modules")
	if err == nil {
		_, err = os.Stat(filepath.Join(modules, "scim-patch", "package.json"))
	}
	node = os.Getenv("NODE")
	if node == "" && err == nil {
		node, err = exec.LookPath("node")
	}
	if err == nil {
		return node, modules
	}
	if os.Getenv("SSOGATE_REQUIRE_NODE") == "1" {
		t.Fatalf("node and scim-patch: %v: run make test", err)
	}
	t.Skipf("SKIPPED, not compared with scim-patch: %v: run make test, or make tools and then this test", err)
	return "", ""
}

type patchCase struct {
	Doc        object `json:"doc"`
	Operations []any  `json:"operations"`
}

// ask runs scim-patch over all cases.
func ask(t *testing.T, cases []patchCase) []patchAnswer {
	t.Helper()
	node, modules := needNode(t)
	var in, problems bytes.Buffer
	encoder := json.NewEncoder(&in)
	for _, c := range cases {
		if err := encoder.Encode(c); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), node, "-e", scimPatch)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	cmd.Stdin, cmd.Stderr = &in, &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("scim-patch: %v: %s", err, problems.String())
	}
	answers := make([]patchAnswer, len(cases))
	for i, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if err := json.Unmarshal([]byte(line), &answers[i]); err != nil {
			t.Fatalf("scim-patch: %v in %s", err, line)
		}
	}
	return answers
}

type patchAnswer struct {
	Doc   object `json:"doc"`
	Error string `json:"error"`
}

// On what two readers of RFC 7644 §3.5.2 both define they agree; where scim-patch goes another way, outside says why.
func TestPatchAgreesWithScimPatchOnCommonGround(t *testing.T) {
	const wanted = 12_000
	var cases []patchCase
	left := map[string]int{}
	made := uint64(0)
	for ; len(cases) < wanted; made++ {
		d := newDice(made)
		d.plain = made%8 != 0
		c := patchCase{Doc: d.user(), Operations: d.operations(4)}
		if why := outside(c); why != "" {
			left[why]++
			continue
		}
		cases = append(cases, c)
	}
	compared, refused := 0, 0
	for i, theirs := range ask(t, cases) {
		ours, err := applied(cases[i])
		want, _ := cleaned(theirs.Doc).(object)
		compared++
		switch {
		case strings.Contains(theirs.Error, "Impossible to search") && strings.Contains(show(cases[i]), `"remove"`):
			left["remove from a list that is not there: it refuses, here that is done already"]++
			compared--
		case (err != nil) != (theirs.Error != ""):
			t.Fatalf("%s\nours %v, theirs %q", show(cases[i]), err, theirs.Error)
		case err != nil:
			refused++
		case !reflect.DeepEqual(ours, want):
			t.Fatalf("%s\nours   %s\ntheirs %s", show(cases[i]), show(ours), show(want))
		}
	}
	t.Logf("%d cases compared, %d refused by both; %d of %d generated were outside the common ground:", compared, refused, int(made)-compared, made)
	for _, why := range slices.Sorted(maps.Keys(left)) {
		t.Logf("%5d  %s", left[why], why)
	}
	if compared < 10_000 || refused == 0 || refused > compared/2 {
		t.Errorf("%d of %d were refused by both: the dice are loaded", refused, compared)
	}
}

func applied(c patchCase) (object, error) {
	plan, err := Compile(schema.Users(), resourceID, object{"schemas": []any{OpURN}, "Operations": c.Operations}, strings.ToLower)
	if err != nil {
		return nil, err
	}
	doc, _, err := plan.ApplyUser(c.Doc)
	return doc, err
}

// outside says why a case is not one that scim-patch 0.8.3 and this package mean to answer alike. A case counts once,
// under the first reason.
func outside(c patchCase) string {
	if strings.Contains(show(c), `"primary"`) {
		return "primary: it lets two values be primary"
	}
	for _, item := range c.Operations {
		o, _ := item.(object)
		if why := outsideOne(o); why != "" {
			return why
		}
	}
	return ""
}

func outsideOne(o object) string {
	path, _ := o["path"].(string)
	verb := strings.ToLower(fmt.Sprint(o["op"]))
	_, hasValue := o["value"]
	list, isList := o["value"].([]any)
	switch {
	case path == "" && verb == "remove":
		return ""
	case path == "":
		return outsidePathless(verb, o)
	case verb == "remove" && hasValue:
		return "remove with a value: it takes whole elements, and null for all"
	case strings.HasPrefix(path, "name") && o["value"] == nil && verb != "remove":
		return "null: it stores null, and then finds something there"
	case isList && verb == "add" && len(list) == 0:
		return ""
	case strings.Contains(path, "["):
		return outsideFilter(verb, path, o["value"])
	}
	return ""
}

func outsidePathless(verb string, o object) string {
	attributes, _ := o["value"].(object)
	for name, value := range attributes {
		if strings.Contains(name, "[") {
			return "value path as a key: it takes it for a name"
		}
		if list, ok := value.([]any); ok && verb == "add" && len(list) > 0 {
			return "add without path: it appends what is there already"
		}
	}
	return ""
}

func outsideFilter(verb, path string, value any) string {
	_, rest, _ := strings.Cut(path, "[")
	where, sub, _ := strings.Cut(rest, "].")
	unassigned := value == nil || value == ""
	switch {
	case strings.Contains(where, " ne "):
		return "ne: for its filter what is absent does not differ"
	case strings.Contains(where, " and ") || strings.Contains(where, " or "):
		return "filter of two conditions: it creates an element from one only"
	case verb == "remove" && sub == "":
		return ""
	case verb == "remove" || unassigned && sub != "":
		return "value path that is emptied: it keeps empty elements and nulls, and filters find them"
	case verb == "add" && sub == "":
		return "add to matches: it does nothing where there is none"
	case sub != "" && strings.HasPrefix(where, sub):
		return "a part that the filter asks for: what it creates may be there already"
	}
	return ""
}
