package policies

import (
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// buildInput makes the Rego input for one question.
type buildInput func(Input) (ast.Value, error)

// rolesInput holds only what roles may depend on. Load proves that the rules read nothing else; leaving
// the rest out makes it true whatever that proof missed.
func rolesInput(in Input) (ast.Value, error) {
	subject, err := subjectItems(in.Subject)
	if err != nil {
		return nil, err
	}
	return ast.NewObject(
		item("subject", ast.NewObject(subject...)),
		item("tenant", tenantValue(in.Tenant)),
		item("connection", connectionValue(in.Connection)),
	), nil
}

func decisionInput(in Input) (ast.Value, error) {
	subject, err := subjectItems(in.Subject)
	if err != nil {
		return nil, err
	}
	subject = append(subject, item("roles", stringsValue(in.Subject.Roles)))
	return ast.NewObject(
		item("subject", ast.NewObject(subject...)),
		item("tenant", tenantValue(in.Tenant)),
		item("connection", connectionValue(in.Connection)),
		item("session", sessionValue(in.Session)),
		item("action", ast.NewObject(text("method", in.Action.Method))),
		item("resource", resourceValue(in.Resource)),
		item("context", contextValue(in.Context, in.Now.UTC())),
	), nil
}

func subjectItems(s Subject) ([][2]*ast.Term, error) {
	claims, err := claimsValue(s.Claims)
	if err != nil {
		return nil, err
	}
	return [][2]*ast.Term{
		text("id", s.ID),
		text("user_name", s.UserName),
		text("email", s.Email),
		text("display_name", s.DisplayName),
		item("groups", stringsValue(s.Groups)),
		item("claims", claims),
		item("active", ast.Boolean(s.Active)),
		text("source", s.Source),
	}, nil
}

func claimsValue(claims map[string]any) (ast.Value, error) {
	if len(claims) == 0 {
		return ast.NewObject(), nil
	}
	v, err := ast.InterfaceToValue(claims)
	if err != nil {
		return nil, fmt.Errorf("turn claims into policy input: %w", err)
	}
	return v, nil
}

func tenantValue(t Tenant) ast.Value {
	mappings := make([]*ast.Term, len(t.RoleMappings))
	for i, m := range t.RoleMappings {
		mappings[i] = ast.NewTerm(mappingValue(m))
	}
	return ast.NewObject(text("id", t.ID), text("slug", t.Slug), item("role_mappings", ast.NewArray(mappings...)))
}

// mappingValue leaves connection and claim out when empty: absent means "any" and "none" in Rego.
func mappingValue(m RoleMapping) ast.Value {
	items := [][2]*ast.Term{text("id", m.ID), text("kind", m.Kind), text("value", m.Value), text("role", m.Role)}
	if m.Connection != "" {
		items = append(items, text("connection", m.Connection))
	}
	if m.Claim != "" {
		items = append(items, text("claim", m.Claim))
	}
	return ast.NewObject(items...)
}

func connectionValue(c Connection) ast.Value {
	return ast.NewObject(text("id", c.ID), text("protocol", c.Protocol), text("provider", c.Provider))
}

// sessionValue gives every field once there is a session: a rule such as acr != "mfa" must hold for an
// identity provider that sent none, and an unknown auth_time must look old.
func sessionValue(s Session) ast.Value {
	if s.AuthTime.IsZero() && s.ACR == "" && len(s.AMR) == 0 {
		return ast.NewObject()
	}
	seconds := max(s.AuthTime.Unix(), 0)
	return ast.NewObject(
		item("auth_time", ast.InternedTerm(seconds).Value),
		text("acr", s.ACR),
		item("amr", stringsValue(s.AMR)),
	)
}

func resourceValue(r Resource) ast.Value {
	query := ast.NewObject()
	for name, values := range r.Query {
		query.Insert(ast.StringTerm(name), ast.NewTerm(stringsValue(values)))
	}
	return ast.NewObject(
		text("path", r.Path),
		item("segments", stringsValue(r.Segments)),
		text("host", r.Host),
		item("query", query),
	)
}

func contextValue(c Context, now time.Time) ast.Value {
	clock := ast.NewObject(
		item("hour", ast.InternedTerm(now.Hour()).Value),
		text("weekday", now.Weekday().String()),
		text("date", now.Format(time.DateOnly)),
	)
	return ast.NewObject(text("ip", c.IP), text("user_agent", c.UserAgent), item("time", clock))
}

// item interns the key only: values are people's, and interning would keep them for ever.
func item(key string, v ast.Value) [2]*ast.Term {
	return [2]*ast.Term{ast.InternedTerm(key), ast.NewTerm(v)}
}

func text(key, value string) [2]*ast.Term { return item(key, ast.String(value)) }

func stringsValue(list []string) ast.Value {
	terms := make([]*ast.Term, len(list))
	for i, s := range list {
		terms[i] = ast.StringTerm(s)
	}
	return ast.NewArray(terms...)
}
