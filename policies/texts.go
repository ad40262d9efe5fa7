package policies

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

func str(v ast.Value, limit int) (string, error) {
	s, ok := v.(ast.String)
	if !ok {
		return "", fmt.Errorf("want a string, have %s", ast.ValueName(v))
	}
	if len(s) > limit {
		return "", fmt.Errorf("%d bytes, at most %d are allowed", len(s), limit)
	}
	if !utf8.ValidString(string(s)) {
		return "", errors.New("not valid UTF-8")
	}
	return string(s), nil
}

// label reads one line of text that goes into headers, logs and pages.
func label(to *string, v ast.Value) error {
	s, err := str(v, maxText)
	if err != nil {
		return err
	}
	if i := strings.IndexFunc(s, isControl); i >= 0 {
		return fmt.Errorf("control character at byte %d", i)
	}
	*to = s
	return nil
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// texts reads an array or a set of strings.
func texts(v ast.Value, limit int) ([]string, error) {
	terms, err := elements(v)
	if err != nil {
		return nil, err
	}
	list := make([]string, len(terms))
	for i, t := range terms {
		if list[i], err = str(t.Value, limit); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return list, nil
}

func elements(v ast.Value) ([]*ast.Term, error) {
	var terms []*ast.Term
	switch v := v.(type) {
	case *ast.Array:
		v.Foreach(func(t *ast.Term) { terms = append(terms, t) })
	case ast.Set:
		terms = v.Slice()
	default:
		return nil, fmt.Errorf("want an array or a set, have %s", ast.ValueName(v))
	}
	if len(terms) > maxList {
		return nil, fmt.Errorf("%d elements, at most %d are allowed", len(terms), maxList)
	}
	return terms, nil
}

// oneOrMore reads a string, or an array or set of strings.
func oneOrMore(v ast.Value, limit int) ([]string, error) {
	if _, ok := v.(ast.String); ok {
		s, err := str(v, limit)
		return []string{s}, err
	}
	return texts(v, limit)
}

// pairs calls yield for every name and value of an object whose values are strings or lists of them.
func pairs(v ast.Value, yield func(name, value string) error) error {
	o, ok := v.(ast.Object)
	if !ok {
		return fmt.Errorf("want an object, have %s", ast.ValueName(v))
	}
	if o.Len() > maxList {
		return fmt.Errorf("%d names, at most %d are allowed", o.Len(), maxList)
	}
	return o.Iter(func(k, v *ast.Term) error {
		name, err := str(k.Value, maxText)
		if err != nil {
			return fmt.Errorf("name %s: %w", clip(k.String()), err)
		}
		values, err := oneOrMore(v.Value, maxLine)
		if err != nil {
			return fmt.Errorf("%s: %w", quote(name), err)
		}
		for _, value := range values {
			if err := yield(name, value); err != nil {
				return err
			}
		}
		return nil
	})
}
