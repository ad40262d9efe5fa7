package policies

import (
	"errors"
	"time"
)

// Why a decision could not be taken from the policy's answer, or no answer was had at all.
const (
	CodeUndefined = "policy_undefined" // no rule gave a value
	CodeInvalid   = "policy_invalid"   // a value nobody can act on
	CodeError     = "policy_error"     // policy and input together raised an error; trying again does not help
	CodeTimeout   = "policy_timeout"   // out of time
	CodeFault     = "policy_fault"     // a bug of ours or of OPA's
	CodeNoPolicy  = "no_policy"        // no revision is loaded
)

// Decision is the policy's answer to one request. The zero value denies. Slices and maps are shared
// and read-only.
type Decision struct {
	Allowed bool

	// Role is the one the decision rests on. It is always one of the subject's.
	Role       string
	Permission string // what the route needs
	Reason     string // one sentence, at most 256 bytes
	StepUp     *StepUp

	// HTTPStatus is the status of a denial; 0 means that the policy named none and 403 fits.
	HTTPStatus int
	Body       string // of a denial

	Headers         []Header // allowed: for the upstream; denied: for the client
	ResponseHeaders []Header // allowed: added to the client's response
	RemoveHeaders   []string // allowed: taken from the upstream request
	SetQuery        []QueryParameter
	RemoveQuery     []string
	Metadata        map[string]any // dynamic metadata; numbers are float64

	// Code is empty for a decision the policy made, or says how the policy failed. Then Allowed is
	// false and Detail tells the operator (never the client) what was wrong.
	Code     string
	Detail   string
	Revision string
}

// StepUp asks for a stronger or fresher sign-in instead of a plain denial.
type StepUp struct {
	ACR    []string
	MaxAge *time.Duration
}

// Header is one header line. The same name may come up again; the order is the policy's.
type Header struct{ Name, Value string }

// QueryParameter is one decoded name and value of a query string.
type QueryParameter struct{ Name, Value string }

// Fault says that we, not the policy, could not answer: 503. Code is CodeTimeout, CodeFault or
// CodeNoPolicy.
type Fault struct {
	Code string
	Err  error
}

// Error names the code and the cause.
func (f *Fault) Error() string { return f.Code + ": " + f.Err.Error() }

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Refusal is the policy's own failure where no Decision can carry it, that is from [Engine.Roles]:
// answer 403. Code is CodeInvalid or CodeError.
type Refusal struct {
	Code string
	Err  error
}

// Error names the code and the cause.
func (r *Refusal) Error() string { return r.Code + ": " + r.Err.Error() }

// Unwrap gives the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// ErrNoPolicy is inside the [Fault] of an engine that has no revision.
var ErrNoPolicy = errors.New("no policy is loaded")
