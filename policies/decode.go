package policies

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Limits on what a policy may answer.
const (
	maxText    = 256      // role, permission, reason, an acr
	maxBody    = 1 << 20  // body of a denial
	maxList    = 1000     // headers, parameters, roles
	maxLine    = 64 << 10 // one header or parameter value
	maxStepUp  = 366 * 24 * time.Hour
	maxDisplay = 100 // of a value quoted in an error
)

// decision turns the value, or the error, of the decision query into a Decision.
func (r *Revision) decision(v ast.Value, err error, roles []string) (Decision, error) {
	d, err := r.answer(v, err)
	if err == nil && d.Role != "" && !slices.Contains(roles, d.Role) {
		return r.invalid(fmt.Errorf("role %s is not one of the subject's", quote(d.Role))), nil
	}
	return d, err
}

// answer is decision without the look at the subject's roles.
func (r *Revision) answer(v ast.Value, err error) (Decision, error) {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return Decision{Code: refusal.Code, Detail: refusal.Err.Error()}, nil
	}
	if err != nil {
		return Decision{}, err
	}
	if v == nil {
		return Decision{Code: CodeUndefined, Detail: r.query + " is undefined for this input"}, nil
	}
	d, err := decodeDecision(v, r.foreign)
	if err != nil {
		return r.invalid(err), nil
	}
	return d, nil
}

func (r *Revision) invalid(err error) Decision {
	return Decision{Code: CodeInvalid, Detail: r.query + ": " + err.Error()}
}

// decodeDecision reads a bool or an object. A foreign policy may carry fields of its own; in ours an
// unknown one is a misspelling. Fields of the branch not taken (body of an allow) are not looked at.
func decodeDecision(v ast.Value, foreign bool) (Decision, error) {
	switch v := v.(type) {
	case ast.Boolean:
		return Decision{Allowed: bool(v)}, nil
	case ast.Object:
		return decodeObject(v, foreign)
	default:
		return Decision{}, fmt.Errorf("want a boolean or an object, have %s", ast.ValueName(v))
	}
}

func decodeObject(o ast.Object, foreign bool) (Decision, error) {
	var d Decision
	allowed := o.Get(ast.InternedTerm("allowed"))
	if allowed == nil {
		return d, errors.New("the object has no field allowed")
	}
	b, ok := allowed.Value.(ast.Boolean)
	if !ok {
		return d, fmt.Errorf("allowed: want a boolean, have %s", ast.ValueName(allowed.Value))
	}
	d.Allowed = bool(b)
	err := o.Iter(func(k, v *ast.Term) error {
		name, ok := k.Value.(ast.String)
		if !ok || resultFields[string(name)] == nil {
			if foreign {
				return nil
			}
			return fmt.Errorf("field %s is not one of a decision's", k)
		}
		if err := resultFields[string(name)].read(&d, v.Value); err != nil {
			return fmt.Errorf("%s: %w", string(name), err)
		}
		return nil
	})
	if err != nil {
		return Decision{}, err
	}
	return d, nil
}

// field is one member of a decision object: its static type for Load and its reader.
type field struct {
	kinds []string // names of the OPA types it may have
	read  func(*Decision, ast.Value) error
}

// resultFields are opa-envoy-plugin's result fields and the gate's own.
var resultFields = map[string]*field{
	"allowed":    {kinds: []string{"boolean"}, read: func(*Decision, ast.Value) error { return nil }},
	"role":       {kinds: []string{"string"}, read: func(d *Decision, v ast.Value) error { return label(&d.Role, v) }},
	"permission": {kinds: []string{"string"}, read: func(d *Decision, v ast.Value) error { return label(&d.Permission, v) }},
	"reason":     {kinds: []string{"string"}, read: func(d *Decision, v ast.Value) error { return label(&d.Reason, v) }},
	"step_up":    {kinds: []string{"object"}, read: readStepUp},
	"headers": {kinds: []string{"object", "array"}, read: func(d *Decision, v ast.Value) (err error) {
		d.Headers, err = headers(v)
		return err
	}},
	"response_headers_to_add": {kinds: []string{"object", "array"}, read: func(d *Decision, v ast.Value) (err error) {
		if d.Allowed {
			d.ResponseHeaders, err = headers(v)
		}
		return err
	}},
	"request_headers_to_remove": {kinds: []string{"array", "set"}, read: func(d *Decision, v ast.Value) (err error) {
		if d.Allowed {
			d.RemoveHeaders, err = headerNames(v)
		}
		return err
	}},
	"query_parameters_to_set": {kinds: []string{"object"}, read: func(d *Decision, v ast.Value) (err error) {
		if d.Allowed {
			d.SetQuery, err = parameters(v)
		}
		return err
	}},
	"query_parameters_to_remove": {kinds: []string{"array", "set"}, read: func(d *Decision, v ast.Value) (err error) {
		if d.Allowed {
			d.RemoveQuery, err = texts(v, maxLine)
		}
		return err
	}},
	"dynamic_metadata": {kinds: []string{"object"}, read: readMetadata},
	"body": {kinds: []string{"string"}, read: func(d *Decision, v ast.Value) (err error) {
		if !d.Allowed {
			d.Body, err = str(v, maxBody)
		}
		return err
	}},
	"http_status": {kinds: []string{"number"}, read: readStatus},
}

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
	token := name != "" && strings.IndexFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(special, r))
	}) < 0
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

// decodeRoles reads the answer of the roles question. Role names end up in a header.
func decodeRoles(v ast.Value) ([]string, error) {
	if v == nil {
		return nil, nil
	}
	terms, err := elements(v)
	if err != nil {
		return nil, &Refusal{Code: CodeInvalid, Err: fmt.Errorf("%s: %w", rolesQuery, err)}
	}
	roles := make([]string, 0, len(terms))
	for _, t := range terms {
		var role string
		err := label(&role, t.Value)
		if err == nil && role == "" {
			err = errors.New("empty role")
		}
		if err != nil {
			return nil, &Refusal{Code: CodeInvalid, Err: fmt.Errorf("%s: %w", rolesQuery, err)}
		}
		roles = append(roles, role)
	}
	slices.Sort(roles)
	return slices.Compact(roles), nil
}

func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

// clip keeps a policy's own values from flooding an error.
func clip(s string) string {
	if len(s) <= maxDisplay {
		return s
	}
	return strings.ToValidUTF8(s[:maxDisplay], "") + "…"
}
