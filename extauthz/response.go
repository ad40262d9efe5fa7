package extauthz

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tracio-ai/ssogate/envoy"
)

// Answer is a finished answer to Envoy and the word for it. Only the constructors of this file make one that is not zero.
type Answer struct {
	response *authv3.CheckResponse
	outcome  envoy.Outcome
	status   int // the HTTP status the client gets; 200 for an allow, though the upstream's will differ
}

// upstream is what an allowed request carries on: changes to its headers and, for the client, to the response's.
type upstream struct {
	set      []header // overwritten
	more     []header // second and further values of a name in set
	remove   []string
	response []header // added to the client's response
	setQuery []header
	cutQuery []string
}

// SetIdentity adds an identity header. A value Envoy would answer 500 for is left out: names come from providers.
func (u *upstream) SetIdentity(name, value string) {
	if value != "" && printable(value) {
		u.set = append(u.set, header{name, value})
	}
}

// Remove takes a header from the request. Envoy removes last, so a name that is also set would be gone.
func (u *upstream) Remove(name string) {
	sets := func(h header) bool { return h.name == name }
	if !slices.ContainsFunc(u.set, sets) && !slices.Contains(u.remove, name) {
		u.remove = append(u.remove, name)
	}
}

// allow forwards the request. One string that a message cannot carry would make the whole answer an error of gRPC's,
// which Envoy judges by its failure mode: such an answer stays zero, and becomes a fault.
func allow(outcome envoy.Outcome, u upstream) Answer {
	if !u.sendable() {
		return Answer{}
	}
	ok := &authv3.OkHttpResponse{HeadersToRemove: u.remove, QueryParametersToRemove: u.cutQuery}
	for _, h := range u.set {
		ok.Headers = append(ok.Headers, overwrite(h))
	}
	for _, h := range u.more {
		ok.Headers = append(ok.Headers, appended(h))
	}
	for _, h := range u.response {
		ok.ResponseHeadersToAdd = append(ok.ResponseHeadersToAdd, &corev3.HeaderValueOption{
			Header: &corev3.HeaderValue{Key: h.name, Value: h.value}, AppendAction: corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD,
		})
	}
	for _, q := range u.setQuery {
		ok.QueryParametersToSet = append(ok.QueryParametersToSet, &corev3.QueryParameter{Key: q.name, Value: q.value})
	}
	return Answer{
		response: &authv3.CheckResponse{
			Status:       &status.Status{Code: int32(codes.OK)},
			HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: ok},
		},
		outcome: outcome, status: http.StatusOK,
	}
}

// sendable reports whether every name and value can go out.
func (u *upstream) sendable() bool {
	for _, list := range [][]header{u.set, u.more, u.response, u.setQuery} {
		for _, h := range list {
			if !printable(h.name) || !printable(h.value) {
				return false
			}
		}
	}
	return !slices.ContainsFunc(u.remove, unprintable) && !slices.ContainsFunc(u.cutQuery, unprintable)
}

func unprintable(s string) bool { return !printable(s) }

// overwrite says it in both ways Envoy has had: 1.37 reads append_action, the others the deprecated append, and a
// header that either of them appended would leave the client's own value standing beside ours.
func overwrite(h header) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: h.name, Value: h.value},
		Append:       wrapperspb.Bool(false), //nolint:staticcheck // deprecated, and all that Envoy 1.38 and later read
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}

func appended(h header) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: h.name, Value: h.value},
		Append:       wrapperspb.Bool(true), //nolint:staticcheck // deprecated, and all that Envoy 1.38 and later read
		AppendAction: corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD,
	}
}

// deny answers the client in the upstream's place: a refusal, a redirect, or a page of the gate's own, which may be a
// 200. headers go out in order, one option a line: joined Set-Cookie lines are one broken cookie.
func deny(outcome envoy.Outcome, code int, headers []header, body string) (Answer, bool) {
	if code < 200 || code > 599 || !utf8.ValidString(body) {
		return Answer{}, false
	}
	status32 := typev3.StatusCode(code)
	if _, known := typev3.StatusCode_name[int32(status32)]; !known {
		return Answer{}, false // Envoy would send "299 Unknown"
	}
	denied := &authv3.DeniedHttpResponse{Status: &typev3.HttpStatus{Code: status32}, Body: body}
	for _, h := range headers {
		if !printable(h.value) {
			return Answer{}, false
		}
		denied.Headers = append(denied.Headers, &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: h.name, Value: h.value}})
	}
	rpc := codes.PermissionDenied
	if code == http.StatusUnauthorized {
		rpc = codes.Unauthenticated
	}
	return Answer{
		response: &authv3.CheckResponse{
			Status:       &status.Status{Code: int32(rpc)},
			HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: denied},
		},
		outcome: outcome, status: code,
	}, true
}

// fault turns a denied 503 into the form the front end asked for. error_response obeys the front end's failure mode,
// so it goes only to one that says it fails closed.
func (a Answer) fault(errorForm bool) Answer {
	denied := a.response.GetDeniedResponse()
	if !errorForm || denied == nil {
		return a
	}
	a.response = &authv3.CheckResponse{
		Status:       &status.Status{Code: int32(codes.Unavailable)},
		HttpResponse: &authv3.CheckResponse_ErrorResponse{ErrorResponse: denied},
	}
	return a
}

// bareFault is the last resort, made of constants: 503 without a page.
func bareFault() Answer {
	a, _ := deny(envoy.OutcomeFault, http.StatusServiceUnavailable, []header{
		{"cache-control", "no-store"}, {"retry-after", "1"}, {"content-type", "application/json"},
	}, `{"error":"unavailable","message":"The gate could not decide. Try again."}`)
	return a
}

// finished reports whether the answer says what it is: one that carries status code OK must be a whole allow, and an
// outcome must stand beside it.
func (a Answer) finished() bool {
	if a.response == nil || a.response.GetStatus() == nil || a.outcome == "" {
		return false
	}
	allowed := a.outcome == envoy.OutcomeAllow || a.outcome == envoy.OutcomePass
	return (a.response.GetStatus().GetCode() == int32(codes.OK)) == allowed && (a.response.GetOkResponse() != nil) == allowed
}

// metadata puts the ids that access logs print on every answer. The policy's own entries come first: the gate's win. An
// entry that a message cannot carry is left out, for it would make the whole answer an error of gRPC's.
func (a Answer) metadata(extra map[string]any, ids map[string]string) Answer {
	fields := make(map[string]*structpb.Value, len(ids)+len(extra))
	for k, v := range extra {
		if value, err := structpb.NewValue(v); err == nil && utf8.ValidString(k) {
			fields[k] = value
		}
	}
	for k, v := range ids {
		if v != "" && utf8.ValidString(v) {
			fields[k] = structpb.NewStringValue(v)
		} else {
			delete(fields, k)
		}
	}
	a.response.DynamicMetadata = &structpb.Struct{Fields: fields}
	return a
}

// printable reports whether Envoy takes the value in a header: UTF-8 without control bytes.
func printable(v string) bool {
	return utf8.ValidString(v) && !strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// grpcWebStatus is the gRPC status for an HTTP refusal (the mapping of gRPC's HTTP bridge, with 400 as INVALID_ARGUMENT).
func grpcWebStatus(code int) string {
	switch code {
	case http.StatusUnauthorized:
		return strconv.Itoa(int(codes.Unauthenticated))
	case http.StatusForbidden:
		return strconv.Itoa(int(codes.PermissionDenied))
	case http.StatusServiceUnavailable:
		return strconv.Itoa(int(codes.Unavailable))
	case http.StatusNotFound:
		return strconv.Itoa(int(codes.Unimplemented))
	default:
		return strconv.Itoa(int(codes.InvalidArgument))
	}
}
