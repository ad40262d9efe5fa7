package policies

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
