package policies

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// headers reads an object of names to values, or an array of such objects.
func headers(v ast.Value) ([]Header, error) {
	objects := []ast.Value{v}
	if list, ok := v.(*ast.Array); ok {
		terms, err := elements(list)
		if err != nil {
			return nil, err
		}
		objects = objects[:0]
		for _, t := range terms {
			objects = append(objects, t.Value)
		}
	}
	var out []Header
	for _, o := range objects {
		err := pairs(o, func(name, value string) error {
			out = append(out, Header{Name: name, Value: value})
			return errors.Join(checkHeaderName(name), checkHeaderValue(value))
		})
		if err != nil {
			return nil, err
		}
	}
	if len(out) > maxList {
		return nil, fmt.Errorf("%d lines, at most %d are allowed", len(out), maxList)
	}
	return out, nil
}

func parameters(v ast.Value) ([]QueryParameter, error) {
	var out []QueryParameter
	err := pairs(v, func(name, value string) error {
		out = append(out, QueryParameter{Name: name, Value: value})
		return nil
	})
	return out, err
}

func headerNames(v ast.Value) ([]string, error) {
	names, err := texts(v, maxText)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := checkHeaderName(name); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// checkHeaderName allows a token (RFC 9110 §5.6.2). Pseudo headers are not tokens: a policy that sets
// ":path" would send the upstream somewhere nobody decided about.
func checkHeaderName(name string) error {
	const special = "!#$%&'*+-.^_`|~"
	token := name != ""
	for _, r := range name {
		alphanumeric := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		token = token && (alphanumeric || strings.ContainsRune(special, r))
	}
	if !token {
		return fmt.Errorf("%s is not a header name", quote(name))
	}
	return nil
}

// checkHeaderValue refuses what could end the line (RFC 9110 §5.5).
func checkHeaderValue(value string) error {
	i := strings.IndexFunc(value, func(r rune) bool { return r != '\t' && (r < ' ' || r == 0x7f) })
	if i >= 0 {
		return fmt.Errorf("control character at byte %d of a header value", i)
	}
	return nil
}

// readStatus takes the codes Envoy has a name for; Envoy would turn another one into a 500.
func readStatus(d *Decision, v ast.Value) error {
	if d.Allowed {
		return nil
	}
	n, ok := v.(ast.Number)
	if !ok {
		return fmt.Errorf("want an integer, have %s", ast.ValueName(v))
	}
	code, err := json.Number(n).Int64()
	if err != nil {
		return fmt.Errorf("%s is not an integer", clip(string(n)))
	}
	if !envoyKnows(code) {
		return fmt.Errorf("%d is not a status Envoy can answer", code)
	}
	d.HTTPStatus = int(code)
	return nil
}

func envoyKnows(code int64) bool {
	switch {
	case code == 100,
		200 <= code && code <= 208, code == 226,
		300 <= code && code <= 308 && code != 306,
		400 <= code && code <= 431 && code != 418 && code != 419 && code != 420 && code != 425 && code != 427 && code != 430,
		500 <= code && code <= 511 && code != 509:
		return true
	default:
		return false
	}
}

func readStepUp(d *Decision, v ast.Value) error {
	o, ok := v.(ast.Object)
	if !ok {
		return fmt.Errorf("want an object, have %s", ast.ValueName(v))
	}
	if d.Allowed {
		return errors.New("goes with a denial only")
	}
	var s StepUp
	err := o.Iter(func(k, v *ast.Term) (err error) {
		switch k.Value {
		case ast.String("acr"):
			s.ACR, err = oneOrMore(v.Value, maxText)
		case ast.String("max_age"):
			s.MaxAge, err = seconds(v.Value)
		default:
			err = fmt.Errorf("field %s is neither acr nor max_age", clip(k.String()))
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(s.ACR) == 0 && s.MaxAge == nil {
		return errors.New("names neither acr nor max_age")
	}
	d.StepUp = &s
	return nil
}

func seconds(v ast.Value) (*time.Duration, error) {
	n, ok := v.(ast.Number)
	if !ok {
		return nil, fmt.Errorf("max_age: want seconds, have %s", ast.ValueName(v))
	}
	s, err := json.Number(n).Int64()
	if err != nil || s < 0 || s > int64(maxStepUp/time.Second) {
		return nil, fmt.Errorf("max_age: %s is not a number of seconds up to a year", clip(string(n)))
	}
	age := time.Duration(s) * time.Second
	return &age, nil
}

func readMetadata(d *Decision, v ast.Value) error {
	if _, ok := v.(ast.Object); !ok {
		return fmt.Errorf("want an object, have %s", ast.ValueName(v))
	}
	x, err := ast.JSON(v)
	if err != nil {
		return err
	}
	x, err = floats(x)
	if err != nil {
		return err
	}
	d.Metadata, _ = x.(map[string]any)
	return nil
}

// floats makes numbers float64, the only kind a protobuf Struct has.
func floats(x any) (any, error) {
	var err error
	switch x := x.(type) {
	case json.Number:
		return x.Float64()
	case map[string]any:
		for k, v := range x {
			if x[k], err = floats(v); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, v := range x {
			if x[i], err = floats(v); err != nil {
				return nil, err
			}
		}
	}
	return x, nil
}
