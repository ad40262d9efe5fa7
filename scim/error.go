package scim

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// mediaType is what every answer is, errors included (RFC 7644 §3.1).
const mediaType = "application/scim+json"

const errorSchema = "urn:ietf:params:scim:api:messages:2.0:Error"

// The scimTypes of RFC 7644 §3.12 and RFC 9865 §2.
const (
	typeInvalidFilter = "invalidFilter"
	typeTooMany       = "tooMany"
	typeUniqueness    = "uniqueness"
	typeInvalidSyntax = "invalidSyntax"
	typeInvalidPath   = "invalidPath"
	typeInvalidValue  = "invalidValue"
	typeInvalidCursor = "invalidCursor"
	typeExpiredCursor = "expiredCursor"
	typeInvalidCount  = "invalidCount"
)

// Error is an answer of RFC 7644 §3.12. Its detail is written for the person who administers the identity provider:
// what was wrong, then what to change. It never quotes a value of an attribute.
type Error struct {
	Status int
	Type   string // scimType, may be empty
	Detail string
	Retry  time.Duration // sent as Retry-After when positive
	Allow  string        // sent as Allow when set
	Cause  error         // for the log alone
}

// Error implements error.
func (e *Error) Error() string {
	text := strconv.Itoa(e.Status) + " " + e.Type + ": " + e.Detail
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ErrorBody renders the body of an error (RFC 7644 §3.12). The status is a string there.
func ErrorBody(status int, scimType, detail string) []byte {
	body, err := json.Marshal(struct {
		Schemas []string `json:"schemas"`
		Status  string   `json:"status"`
		Type    string   `json:"scimType,omitempty"`
		Detail  string   `json:"detail,omitempty"`
	}{[]string{errorSchema}, strconv.Itoa(status), scimType, strings.ToValidUTF8(detail, "")})
	if err != nil {
		return []byte(`{"schemas":["` + errorSchema + `"],"status":"` + strconv.Itoa(status) + `"}`)
	}
	return append(body, '\n')
}

func (e *Error) body() []byte { return ErrorBody(e.Status, e.Type, e.Detail) }

// write sends e.
func (e *Error) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")
	if e.Retry > 0 {
		h.Set("Retry-After", strconv.Itoa(max(1, int((e.Retry+time.Second-1)/time.Second))))
	}
	if e.Allow != "" {
		h.Set("Allow", e.Allow)
	}
	if e.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(e.body()) // the client is gone: nobody is left to tell
}

func badRequest(scimType, detail string) *Error {
	return &Error{Status: http.StatusBadRequest, Type: scimType, Detail: detail}
}

func notFound() *Error {
	return &Error{Status: http.StatusNotFound, Detail: "Resource not found."}
}

// retryFault is how long a client is asked to wait after a fault of ours.
const retryFault = 5 * time.Second

// fault is an error of ours. Identity providers repeat a 503 later; a 400 is final to Okta, and a 401 or 404 puts
// Entra's whole job into quarantine, which would delay every later deprovisioning by up to a day.
func fault(cause error) *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Detail: "The directory cannot be reached at the moment. Try again later.",
		Retry: retryFault, Cause: cause,
	}
}

// asError is the answer to err. What is not known to be the client's fault is ours.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return fault(err)
}
