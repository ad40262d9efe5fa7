package scim

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/tracio-ai/ssogate/scim/internal/jsonread"
)

var limits = map[endpoint]int{
	atUsers: maxUserBytes, atUser: maxUserBytes, atGroups: maxGroupBytes, atGroup: maxGroupBytes, atBulk: maxBulkBytes,
}

// limitOf is how long a body may be at each address.
func limitOf(p place) int {
	if limit, ok := limits[p.endpoint]; ok {
		return limit
	}
	return maxSearchBytes
}

// readBody reads a request's JSON object whole. Nothing is decompressed: a megabyte on the wire stays one.
func readBody(w http.ResponseWriter, r *http.Request, limit int) (map[string]any, error) {
	if err := checkMedia(r.Header); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(limit)))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge(limit)
	}
	if err != nil {
		return nil, badRequest(typeInvalidSyntax, "The body ended early.")
	}
	object, err := jsonread.Object(data, limit)
	if err != nil {
		return nil, badJSON(err)
	}
	return object, nil
}

func badJSON(err error) *Error {
	e, ok := errors.AsType[*jsonread.Error](err)
	if !ok {
		return badRequest(typeInvalidSyntax, "The body is not a JSON object.")
	}
	return badRequest(typeInvalidSyntax, "The body is not the JSON object it should be: "+e.Reason+fmt.Sprintf(", at byte %d.", e.Offset))
}

func tooLarge(limit int) *Error {
	return &Error{
		Status: http.StatusRequestEntityTooLarge,
		Detail: fmt.Sprintf("The body is longer than the %d bytes allowed here.", limit),
	}
}

// checkMedia takes the two media types of RFC 7644 §3.1 with or without a charset.
func checkMedia(h http.Header) error {
	for _, line := range h.Values("Content-Encoding") {
		if !strings.EqualFold(strings.TrimSpace(line), "identity") {
			return &Error{Status: http.StatusUnsupportedMediaType, Detail: "Send the body without Content-Encoding."}
		}
	}
	lines := h.Values("Content-Type")
	if len(lines) == 1 {
		media, params, err := mime.ParseMediaType(lines[0])
		charset := strings.ToLower(params["charset"])
		if err == nil && (media == mediaType || media == "application/json") && (charset == "" || charset == "utf-8") {
			return nil
		}
	}
	return &Error{Status: http.StatusUnsupportedMediaType, Detail: "Send the body as application/scim+json in UTF-8."}
}
