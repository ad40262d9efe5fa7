package policies

import (
	"context"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultTimeout bounds one evaluation where Engine.Timeout is zero. It is measured by the wall clock: a container that has
// used up its share of a processor stands still for up to 100 ms, and a refusal for that would be a wrong one.
const DefaultTimeout = 250 * time.Millisecond

// Engine serves one revision at a time. The zero value has none and refuses everything; it is safe
// for concurrent use and must not be copied.
type Engine struct {
	// Options are what [Engine.Load] and [Engine.Watch] load with. They are part of a revision's ID.
	Options Options

	// Timeout bounds one evaluation; the context's deadline binds too. Zero means DefaultTimeout.
	Timeout time.Duration

	// Now stamps inputs and revisions. Without it callers set Input.Now themselves.
	Now func() time.Time

	served atomic.Pointer[served]

	mu      sync.Mutex // guards lastErr
	lastErr error
}

// served is a revision and when it went live.
type served struct {
	rev *Revision
	at  time.Time
}

// RevisionInfo describes what is being served, for logs, metrics and readiness.
type RevisionInfo struct {
	ID      string // "" while no policy is loaded
	Loaded  time.Time
	Notices []Finding // warnings and notices; read-only

	// LastError is why the newest attempt to load did not go live; "" when the newest did.
	LastError string
}

// Input begins one check: it pins the revision, so that a reload between Roles and Decide is not seen.
func (e *Engine) Input() Input {
	var in Input
	if s := e.served.Load(); s != nil {
		in.pinned = s.rev
	}
	if e.Now != nil {
		in.Now = e.Now()
	}
	return in
}

// Load serves a tree, or keeps what is served and says what is wrong with it.
func (e *Engine) Load(ctx context.Context, fsys fs.FS) error {
	rev, err := Load(ctx, fsys, e.Options)
	if err != nil {
		e.fail(err)
		return err
	}
	e.Swap(rev)
	return nil
}

// Swap serves a revision from the next Input on. Nil is ignored: there is no way back to no policy.
func (e *Engine) Swap(r *Revision) {
	if r == nil {
		return
	}
	s := &served{rev: r}
	if e.Now != nil {
		s.at = e.Now()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.served.Store(s)
	e.lastErr = nil
}

// Revision says what is being served.
func (e *Engine) Revision() RevisionInfo {
	var info RevisionInfo
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.served.Load(); s != nil {
		info = RevisionInfo{ID: s.rev.id, Loaded: s.at, Notices: s.rev.notices}
	}
	if e.lastErr != nil {
		info.LastError = e.lastErr.Error()
	}
	return info
}

// RoleNames is [Revision.RoleNames] of the revision being served.
func (e *Engine) RoleNames() []string {
	s := e.served.Load()
	if s == nil {
		return nil
	}
	return s.rev.RoleNames()
}

// Roles says which roles the person holds: sorted, without repeats. Only Subject (without Roles),
// Tenant and Connection are shown to the policy. The error is a [*Fault] (503) or a [*Refusal] (403).
func (e *Engine) Roles(ctx context.Context, in Input) (roles []string, err error) {
	defer recovered(&err)
	rev, err := e.pinned(in)
	if err != nil {
		return nil, err
	}
	if rev.roles == nil {
		return nil, nil
	}
	value, err := e.eval(ctx, rev.roles, in, rolesInput)
	if err != nil {
		return nil, err
	}
	return decodeRoles(value)
}

// Decide asks the policy about one request. Whatever the policy itself gets wrong is a denying
// Decision with a Code; the error is always a [*Fault] and means that there is no decision.
func (e *Engine) Decide(ctx context.Context, in Input) (d Decision, err error) {
	defer recovered(&err)
	rev, err := e.pinned(in)
	if err != nil {
		return Decision{}, err
	}
	value, err := e.eval(ctx, rev.decide, in, decisionInput)
	d, err = rev.decision(value, err, in.Subject.Roles)
	if err != nil {
		return Decision{}, err
	}
	d.Revision = rev.id
	return d, nil
}

func (e *Engine) pinned(in Input) (*Revision, error) {
	if in.pinned != nil {
		return in.pinned, nil
	}
	if s := e.served.Load(); s != nil {
		return s.rev, nil
	}
	return nil, &Fault{Code: CodeNoPolicy, Err: ErrNoPolicy}
}

func (e *Engine) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lastErr = err
}
