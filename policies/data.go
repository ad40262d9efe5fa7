package policies

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/open-policy-agent/opa/v1/util"
	"go.yaml.in/yaml/v3"
)

// maxNesting bounds data documents, whose readers recurse.
const maxNesting = 100

// document merges the data files, each rooted at its directory: a/b/data.json is data.a.b.
func document(files sources) (map[string]any, error) {
	root := map[string]any{}
	for _, name := range files.names(isData) {
		object, err := parseData(name, files[name])
		if err != nil {
			return nil, err
		}
		at, err := descend(root, name)
		if err != nil {
			return nil, err
		}
		if err := merge(at, object, name, ""); err != nil {
			return nil, err
		}
	}
	return root, nil
}

func parseData(name string, content []byte) (map[string]any, error) {
	var x any
	strict, unmarshal := strictYAML, util.Unmarshal
	if strings.HasSuffix(name, ".json") {
		strict, unmarshal = strictJSON, util.UnmarshalJSON
	}
	if len(bytes.TrimSpace(content)) == 0 {
		return nil, failf(name, "write {} or take it away", "the file is empty")
	}
	if err := strict(name, content); err != nil {
		return nil, err
	}
	if err := unmarshal(content, &x); err != nil {
		return nil, failf(name, "", "%v", err)
	}
	object, ok := x.(map[string]any)
	if !ok {
		return nil, failf(name, `write {"roles": …}`, "the top of a data file must be an object")
	}
	if depth(object) > maxNesting {
		return nil, failf(name, "", "nested deeper than %d levels", maxNesting)
	}
	return object, nil
}

// strictJSON refuses what encoding/json lets pass: of a key written twice it keeps the last, so a second
// "Viewer" at the end of a long file would quietly take the place of the reviewed one.
func strictJSON(name string, content []byte) error {
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	err := walkJSON(d, 0)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = cmp.Or(err, errors.New("more than one value in the file"))
	}
	offset := d.InputOffset()
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = syntax.Offset
	}
	line, col := position(content, offset)
	return &LoadError{Findings: []Finding{{
		File: name, Line: line, Col: col, Severity: SeverityError, Message: err.Error(),
	}}}
}

func walkJSON(d *json.Decoder, level int) error {
	if level > maxNesting {
		return fmt.Errorf("nested deeper than %d levels", maxNesting)
	}
	t, err := d.Token()
	if err != nil {
		return err
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	keys := map[string]bool{}
	for d.More() {
		if delim == '{' {
			k, err := d.Token()
			if err != nil {
				return err
			}
			key, _ := k.(string)
			if keys[key] {
				return fmt.Errorf("key %q comes twice in one object", clip(key))
			}
			keys[key] = true
		}
		if err := walkJSON(d, level+1); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// position turns a byte offset into line and column, both from 1.
func position(content []byte, offset int64) (line, col int) {
	before := content[:min(max(offset-1, 0), int64(len(content)))]
	return 1 + bytes.Count(before, []byte("\n")), len(before) - bytes.LastIndexByte(before, '\n')
}

// strictYAML refuses the same, and what makes a short file a large document.
func strictYAML(name string, content []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(content))
	var document, rest yaml.Node
	if err := d.Decode(&document); err != nil {
		return failf(name, "", "%v", err)
	}
	if err := d.Decode(&rest); !errors.Is(err, io.EOF) {
		return failf(name, "keep one", "more than one document in the file")
	}
	return walkYAML(name, &document, 0)
}

func walkYAML(name string, n *yaml.Node, level int) error {
	fail := func(format string, args ...any) error {
		return &LoadError{Findings: []Finding{{
			File: name, Line: n.Line, Col: n.Column, Severity: SeverityError, Message: fmt.Sprintf(format, args...),
		}}}
	}
	switch {
	case level > maxNesting:
		return fail("nested deeper than %d levels", maxNesting)
	case n.Kind == yaml.AliasNode, n.ShortTag() == "!!merge":
		return fail("aliases are not followed: write the value out")
	}
	keys := map[string]bool{}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if keys[child.Value] {
				n = child
				return fail("key %q comes twice in one object", clip(child.Value))
			}
			keys[child.Value] = true
		}
		if err := walkYAML(name, child, level+1); err != nil {
			return err
		}
	}
	return nil
}

func depth(x any) int {
	deepest := 0
	switch x := x.(type) {
	case map[string]any:
		for _, v := range x {
			deepest = max(deepest, depth(v))
		}
	case []any:
		for _, v := range x {
			deepest = max(deepest, depth(v))
		}
	default:
		return 0
	}
	return deepest + 1
}

func descend(root map[string]any, name string) (map[string]any, error) {
	at := root
	dir := path.Dir(name)
	if dir == "." {
		return at, nil
	}
	for part := range strings.SplitSeq(dir, "/") {
		if _, there := at[part]; !there {
			at[part] = map[string]any{}
		}
		next, ok := at[part].(map[string]any)
		if !ok {
			return nil, failf(name, "", "data.%s is a value in another file already", strings.ReplaceAll(dir, "/", "."))
		}
		at = next
	}
	return at, nil
}

func merge(into, from map[string]any, name, at string) error {
	for k, v := range from {
		old, there := into[k]
		if !there {
			into[k] = v
			continue
		}
		a, aok := old.(map[string]any)
		b, bok := v.(map[string]any)
		if !aok || !bok {
			return failf(name, "keep one of them", "%s%q is set in another data file already", at, clip(k))
		}
		if err := merge(a, b, name, at+k+"."); err != nil {
			return err
		}
	}
	return nil
}
