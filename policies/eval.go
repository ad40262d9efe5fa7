package policies

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// eval runs one prepared query within the budget. A nil value without an error means undefined.
func (e *Engine) eval(ctx context.Context, q *rego.PreparedEvalQuery, in Input, build buildInput) (ast.Value, error) {
	timeout := e.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	ctx, done := context.WithTimeout(ctx, timeout)
	defer done()
	return evaluate(ctx, q, in, build)
}

// evaluate turns panics and OPA's errors into Fault and Refusal.
func evaluate(ctx context.Context, q *rego.PreparedEvalQuery, in Input, build buildInput) (value ast.Value, err error) {
	defer recovered(&err)
	if err := ctx.Err(); err != nil {
		return nil, &Fault{Code: CodeTimeout, Err: err}
	}
	if in.Now.IsZero() {
		return nil, &Fault{Code: CodeFault, Err: errors.New("input has no time")}
	}
	input, err := build(in)
	if err != nil {
		return nil, &Fault{Code: CodeFault, Err: err}
	}

	// OPA would start a goroutine for every evaluation to watch ctx; AfterFunc starts one only when
	// the time is up. The cancel belongs to this evaluation alone, so a late one hurts nobody.
	cancel := topdown.NewCancel()
	stop := context.AfterFunc(ctx, cancel.Cancel)
	defer stop()

	rs, err := q.Eval(ctx,
		rego.EvalParsedInput(input),
		rego.EvalTime(in.Now),
		rego.EvalMetrics(metrics.NoOp()),
		rego.EvalExternalCancel(cancel),
		rego.EvalGenerateJSON(keepTerm),
	)
	if err != nil {
		return nil, classify(ctx, err)
	}
	if len(rs) == 0 {
		return nil, nil
	}
	term, ok := rs[0].Expressions[0].Value.(*ast.Term)
	if len(rs) > 1 || !ok {
		return nil, &Fault{Code: CodeFault, Err: fmt.Errorf("query gave %d results", len(rs))}
	}
	return term.Value, nil
}

// recovered makes a Fault of a panic. The caller looks at its error first, so whatever value was half
// made is not used.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = &Fault{Code: CodeFault, Err: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
	}
}

func keepTerm(t *ast.Term, _ *rego.EvalContext) (any, error) { return t, nil }

// classify separates what the policy and its input brought about from what we did.
func classify(ctx context.Context, err error) error {
	e, ok := errors.AsType[*topdown.Error](err)
	if !ok {
		return &Fault{Code: CodeFault, Err: err}
	}
	switch e.Code {
	case topdown.CancelErr:
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("evaluation cancelled: %w", cause)
		}
		return &Fault{Code: CodeTimeout, Err: err}
	case topdown.BuiltinErr:
		return &Refusal{Code: CodeError, Err: wordless(e)}
	case topdown.ConflictErr, topdown.TypeErr, topdown.WithMergeErr:
		return &Refusal{Code: CodeError, Err: err}
	default:
		return &Fault{Code: CodeFault, Err: err}
	}
}

// wordless keeps of a builtin's error which builtin it was and where. The rest quotes what it was called with, which may
// be a parameter of the query or a claim: neither belongs in a log.
func wordless(e *topdown.Error) error {
	name, _, _ := strings.Cut(e.Message, ":")
	if _, known := ast.BuiltinMap[name]; !known {
		name = "a builtin"
	}
	return &topdown.Error{Code: e.Code, Location: e.Location, Message: name + " cannot use what it was called with"}
}
