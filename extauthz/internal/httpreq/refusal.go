package httpreq

import "net/http"

// The words a [Refusal] may carry. They are stable: dashboards and tests count them.
const (
	ReasonMethod           = "method"
	ReasonTargetSize       = "target-size"
	ReasonPathForm         = "path-form"
	ReasonPathByte         = "path-byte"
	ReasonPathEscape       = "path-escape"
	ReasonPathUTF8         = "path-utf8"
	ReasonPathEmptySegment = "path-empty-segment"
	ReasonPathDotSegment   = "path-dot-segment"
	ReasonPathBackslash    = "path-backslash"
	ReasonPathSemicolon    = "path-semicolon"
	ReasonPathEncodedSlash = "path-encoded-slash"
	ReasonPathEncodedByte  = "path-encoded-byte"
	ReasonQueryByte        = "query-byte"
	ReasonQueryEscape      = "query-escape"
	ReasonQueryUTF8        = "query-utf8"
	ReasonQueryPairs       = "query-pairs"
	ReasonQueryRepeated    = "query-repeated"
	ReasonHostForm         = "host-form"
	ReasonHostOther        = "host-other"
	ReasonCookieSize       = "cookie-size"
	ReasonCookieByte       = "cookie-byte"
	ReasonBearerForm       = "bearer-form"
	ReasonBearerSize       = "bearer-size"
)

// Refusal says why a request is not read any further. It is the only error type of this package.
type Refusal struct {
	Status  int    // the HTTP status to answer with
	Reason  string // one of the Reason constants
	Message string // one sentence for the person or program that sent the request; holds no byte of the request
}

// Error is the reason and the sentence.
func (r *Refusal) Error() string { return r.Reason + ": " + r.Message }

func bad(reason, message string) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Reason: reason, Message: message}
}
