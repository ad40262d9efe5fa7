package policies

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// DefaultQuery is where the decision is looked up unless Options say otherwise.
const DefaultQuery = "data.ssogate.authz.decision"

const rolesQuery = "data.ssogate.roles.granted"

// Options say how a policy is loaded. The zero value is the strictest.
type Options struct {
	// Query is the decision's path; empty means DefaultQuery. Another one is a foreign policy, written
	// for opa-envoy-plugin: strict-mode findings are warnings, result fields we do not know are ignored,
	// and builtin errors are undefined, as they are there.
	Query string

	// AllowBuiltins gives back builtins that are withheld, by name.
	AllowBuiltins []string

	// SkipTests loads a policy whatever its tests say.
	SkipTests bool
}

// Revision is one policy, ready to decide. It never changes.
type Revision struct {
	id      string
	query   string
	foreign bool
	notices []Finding
	names   []string

	decide *rego.PreparedEvalQuery
	roles  *rego.PreparedEvalQuery // nil: a foreign policy without roles
}

// ID is sha256: and the digest of files, query and capabilities.
func (r *Revision) ID() string { return r.id }

// Notices are the warnings and notices found while loading; read-only.
func (r *Revision) Notices() []Finding { return r.notices }

// RoleNames are the roles of data.roles, in the order of data.role_order and then by name. A role
// mapping that grants another role grants nothing.
func (r *Revision) RoleNames() []string { return slices.Clone(r.names) }

// loading is a revision in the making, step by step.
type loading struct {
	options Options
	query   ast.Ref
	foreign bool
	caps    *ast.Capabilities
	input   map[string]any // schema of the input
	schemas *ast.SchemaSet

	files   sources
	data    map[string]any
	modules map[string]*ast.Module // served and tests
	store   storage.Store
	served  *ast.Compiler
	noRoles bool

	notices []Finding
}

// Load builds a revision from a tree of .rego files and files named data.json or data.yaml. Policy
// mistakes are a [*LoadError] that lists all that the failing step found; anything else could not be
// read.
func Load(ctx context.Context, fsys fs.FS, o Options) (*Revision, error) {
	return loadUnless(ctx, fsys, o, "")
}

// loadUnless gives nil when the files are those of revision have. A panic of the compiler becomes an
// error: a policy file must not end the gate.
func loadUnless(ctx context.Context, fsys fs.FS, o Options, have string) (rev *Revision, err error) {
	defer func() {
		if p := recover(); p != nil {
			rev, err = nil, fmt.Errorf("load policy: panic: %v\n%s", p, debug.Stack())
		}
	}()
	l, err := begin(fsys, o)
	if err != nil {
		return nil, err
	}
	if l.id() == have {
		return nil, nil
	}
	if err := l.compile(ctx); err != nil {
		return nil, err
	}
	if err := l.inspect(); err != nil {
		return nil, err
	}
	if err := l.runTests(ctx); err != nil {
		return nil, err
	}
	return l.prepare(ctx)
}

// begin reads and parses.
func begin(fsys fs.FS, o Options) (*loading, error) {
	if o.Query == "" {
		o.Query = DefaultQuery
	}
	query, err := ast.ParseRef(o.Query)
	if err != nil || !query.IsGround() || !query.HasPrefix(ast.DefaultRootRef) || len(query) < 2 {
		return nil, failf("", "write it as "+DefaultQuery, "query %s is not a path below data", quote(o.Query))
	}
	for _, name := range o.AllowBuiltins {
		if withheld[name] == "" {
			return nil, failf("", fmt.Sprintf("withheld are %v", slices.Sorted(maps.Keys(withheld))), "%s is not a withheld builtin", quote(name))
		}
	}
	l := &loading{
		options: o, query: query, foreign: o.Query != DefaultQuery, caps: capabilities(o.AllowBuiltins),
		input: inputSchema(), schemas: ast.NewSchemaSet(),
	}
	l.schemas.Put(ast.SchemaRootRef, l.input)
	if l.files, err = readTree(fsys); err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	if len(l.files.names(isModule)) == 0 {
		return nil, failf("", "copy the built-in policies/rego as a start", "no .rego file")
	}
	if l.data, err = document(l.files); err != nil {
		return nil, err
	}
	l.store = inmem.NewFromObjectWithOpts(l.data, inmem.OptRoundTripOnWrite(false), inmem.OptReturnASTValuesOnRead(true))
	if err := l.parse(); err != nil {
		return nil, err
	}
	return l, l.addRoles()
}

// addRoles brings in the built-in roles.rego where the policy has no package ssogate.roles.
func (l *loading) addRoles() error {
	pkg := ast.MustParseRef("data.ssogate.roles")
	for name, m := range l.modules {
		if !isTest(name) && m.Package.Path.Equal(pkg) {
			return nil
		}
	}
	if _, ok := l.data["roles"]; !ok && l.foreign {
		l.noRoles = true
		return nil
	}
	const name = "builtin/roles.rego"
	content, err := fs.ReadFile(Default(), "roles.rego")
	if err != nil {
		return err
	}
	if _, taken := l.files[name]; taken {
		return failf(name, "rename it", "this file's name is the built-in policy's")
	}
	l.files[name] = content
	m, err := l.parseModule(name)
	if err != nil {
		return err
	}
	l.modules[name] = m
	return nil
}

// prepare makes both queries and runs each once, so that no request is the first to find a fault.
func (l *loading) prepare(ctx context.Context) (*Revision, error) {
	r := &Revision{id: l.id(), query: l.options.Query, foreign: l.foreign, names: roleNames(l.data)}
	var err error
	if r.decide, err = l.prepared(ctx, l.options.Query); err != nil {
		return nil, err
	}
	if !l.noRoles {
		if r.roles, err = l.prepared(ctx, rolesQuery); err != nil {
			return nil, err
		}
	}
	if err := l.rehearse(ctx, r); err != nil {
		return nil, err
	}
	sortFindings(l.notices)
	r.notices = l.notices
	return r, nil
}

func (l *loading) prepared(ctx context.Context, query string) (*rego.PreparedEvalQuery, error) {
	q, err := rego.New(
		rego.Query(query),
		rego.Compiler(l.served),
		rego.Store(l.store),
		rego.StrictBuiltinErrors(!l.foreign),
	).PrepareForEval(ctx)
	if err != nil {
		return nil, opaErrors(err, "")
	}
	return &q, nil
}

// rehearsal is how long the first evaluation may take, on a machine that is busy starting.
const rehearsal = 5 * time.Second

// rehearse asks both questions for nobody in particular.
func (l *loading) rehearse(ctx context.Context, r *Revision) error {
	ctx, done := context.WithTimeout(ctx, rehearsal)
	defer done()
	in := Input{
		Subject:  Subject{ID: "rehearsal", Active: true, Source: "bearer"},
		Action:   Action{Method: "GET"},
		Resource: Resource{Path: "/"},
		Now:      time.Unix(0, 0).UTC(),
	}
	if r.roles != nil {
		v, err := evaluate(ctx, r.roles, in, rolesInput)
		if err == nil {
			_, err = decodeRoles(v)
		}
		if refusal, ok := errors.AsType[*Refusal](err); ok && refusal.Code == CodeError {
			l.note(Finding{Severity: SeverityWarning, Message: rolesQuery + " of nobody: " + refusal.Error()})
		} else if err != nil {
			return failf("", "", "%s of nobody: %v", rolesQuery, err)
		}
	}
	v, err := evaluate(ctx, r.decide, in, decisionInput)
	d, err := r.answer(v, err)
	switch {
	case err != nil:
		return l.failDecision("%s for nobody's GET /: %v", r.query, err)
	case d.Code == CodeInvalid:
		return l.failDecision("for nobody's GET /: %s", d.Detail)
	case d.Code == CodeUndefined:
		l.note(Finding{
			Severity: SeverityWarning, Message: d.Detail + " (nobody's GET /)",
			Hint: "add a default that denies, so that every denial has a reason",
		})
	case d.Code != "":
		l.note(Finding{Severity: SeverityWarning, Message: "for nobody's GET /: " + d.Detail})
	}
	return nil
}

// failDecision is a finding at the decision's first rule.
func (l *loading) failDecision(format string, args ...any) error {
	at := l.served.GetRules(l.query)[0].Location
	return &LoadError{Findings: []Finding{place(at, Finding{Severity: SeverityError, Message: fmt.Sprintf(format, args...)})}}
}

// id is a digest of everything a decision can depend on, the tests included: they decide what loads.
func (l *loading) id() string {
	h := sha256.New()
	part := func(b []byte) {
		h.Write([]byte(strconv.Itoa(len(b)) + ":"))
		h.Write(b)
	}
	for _, name := range slices.Sorted(maps.Keys(l.files)) {
		part([]byte(name))
		part(l.files[name])
	}
	part([]byte(l.options.Query))
	for _, b := range l.caps.Builtins {
		part([]byte(b.Name))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func (l *loading) note(f Finding) { l.notices = append(l.notices, f) }

// roleNames reads data.roles, ordered by data.role_order.
func roleNames(data map[string]any) []string {
	roles, _ := data["roles"].(map[string]any)
	order, _ := data["role_order"].([]any)
	var names []string
	for _, x := range order {
		if name, ok := x.(string); ok && roles[name] != nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
