package extauthz

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/tracio-ai/ssogate/envoy"
	"github.com/tracio-ai/ssogate/extauthz/internal/httpreq"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp/secret"
)

// Request is a check with one meaning: whatever two parsers could read differently was refused before it came to be.
type Request struct {
	Method    string
	Target    httpreq.Target
	Host      string
	IP        string // of the peer as Envoy saw it; no header is read for it
	UserAgent string
	Kind      httpreq.Kind // the form a refusal takes
	Navigates bool         // a browser asks for a page and can follow a redirect
	Cookies   httpreq.Cookies
	Bearer    secret.Text // of an Authorization: Bearer line
	Body      string      // on body paths alone

	headers   headers
	spoofed   []string // identity headers the client sent, as named by it
	faultForm bool     // the front end takes faults as error_response
	scimForm  bool     // a provisioning client: a refusal is an RFC 7644 error
}

// The room an allowed request must leave under Envoy's limits for the headers the gate adds: past either limit Envoy
// would answer 500, and a client could cause it.
const (
	maxLines       = envoy.MaxHeaders - 12
	maxHeaderBytes = envoy.MaxHeaderKiB<<10 - 3<<10
)

// The reasons of refusals that this file finds; the rest are httpreq's.
const (
	reasonForm      = "request-form"
	reasonHeaders   = "header-form"
	reasonDuplicate = "header-repeated"
	reasonTooLarge  = "headers-too-large"
	reasonBody      = "body-partial"
	reasonSNI       = "host-sni"
	reasonPrefix    = "path-encoded-prefix"
	reasonTwoCreds  = "two-credentials"
)

func refuse(status int, reason, message string) *httpreq.Refusal {
	return &httpreq.Refusal{Status: status, Reason: reason, Message: message}
}

// headers are the request's header lines under lower-case names, duplicates kept apart where Envoy sent them apart.
type headers []header

type header struct{ name, value string }

// get joins the lines of a name as RFC 9110 §5.3 reads them, so that a rule sees all values or none.
func (h headers) get(name string) string {
	var found string
	for _, l := range h {
		switch {
		case l.name != name:
		case found == "":
			found = l.value
		default:
			found += "," + l.value
		}
	}
	return found
}

func (h headers) count(name string) int {
	n := 0
	for _, l := range h {
		if l.name == name {
			n++
		}
	}
	return n
}

func (h headers) size() int {
	n := 0
	for _, l := range h {
		n += len(l.name) + len(l.value)
	}
	return n
}

// parseRequest reads a CheckRequest. On a refusal the Request still holds what shapes the answer: Kind and fault form.
func parseRequest(in *authv3.CheckRequest, host httpreq.Host, names session.CookieNames) (Request, error) {
	attributes := in.GetAttributes()
	raw := attributes.GetRequest().GetHttp()
	r := Request{faultForm: attributes.GetContextExtensions()[envoy.FaultsKey] == envoy.FaultsErrorResponse}
	if raw == nil {
		return r, refuse(http.StatusBadRequest, reasonForm, "the check carries no HTTP request")
	}
	r.scimForm = strings.HasPrefix(raw.GetPath(), envoy.PathSCIM) // decides the form of a refusal and nothing else
	var err error
	if r.headers, err = readHeaders(raw); err != nil {
		return r, err
	}
	r.Kind = httpreq.KindOf(r.headers.get)
	r.UserAgent = r.headers.get("user-agent")
	r.IP = peerAddress(attributes)
	if r.Method, err = httpreq.ParseMethod(raw.GetMethod()); err != nil {
		return r, err
	}
	if err = r.readHost(raw, attributes.GetTlsSession().GetSni(), host); err != nil {
		return r, err
	}
	if err = r.readTarget(raw); err != nil {
		return r, err
	}
	r.Navigates = httpreq.Navigation(r.Method, r.headers.get)
	if err = r.readCredentials(names); err != nil {
		return r, err
	}
	return r, r.readBody(raw)
}

// readHeaders takes one of the two forms Envoy may send; both at once would let each hide something from the other.
func readHeaders(raw *authv3.AttributeContext_HttpRequest) (headers, error) {
	lines := raw.GetHeaderMap().GetHeaders()
	if len(lines) > 0 && len(raw.GetHeaders()) > 0 {
		return nil, refuse(http.StatusBadRequest, reasonForm, "the check carries its headers in two forms")
	}
	all := make(headers, 0, len(lines)+len(raw.GetHeaders()))
	for _, l := range lines {
		value := l.GetValue()
		if len(l.GetRawValue()) > 0 {
			if value != "" {
				return nil, refuse(http.StatusBadRequest, reasonForm, "a header line carries two values")
			}
			value = string(l.GetRawValue())
		}
		all = append(all, header{strings.ToLower(l.GetKey()), value})
	}
	for name, value := range raw.GetHeaders() {
		all = append(all, header{strings.ToLower(name), value})
	}
	if partial := strings.Split(all.get("x-envoy-auth-partial-body"), ","); slices.Contains(partial, "true") { // whatever the client says of it
		return all, refuse(http.StatusRequestEntityTooLarge, reasonBody, "the request's body is too large")
	}
	if len(all) > maxLines || all.size() > maxHeaderBytes {
		return all, refuse(http.StatusRequestHeaderFieldsTooLarge, reasonTooLarge, "the request's headers are too large; clearing the cookies of this site helps")
	}
	return all, nil
}

// readHost compares every spelling of the host that reaches the gate with the one it serves.
func (r *Request) readHost(raw *authv3.AttributeContext_HttpRequest, sni string, want httpreq.Host) error {
	if err := httpreq.ParseHost(raw.GetHost(), want); err != nil {
		return err
	}
	for _, name := range []string{"host", ":authority"} {
		if line := r.headers.get(name); line != "" && line != raw.GetHost() {
			return refuse(http.StatusBadRequest, httpreq.ReasonHostForm, "the request names two hosts")
		}
	}
	if sni != "" && !strings.EqualFold(sni, want.Name) {
		return refuse(http.StatusMisdirectedRequest, reasonSNI, "the connection was made for another host")
	}
	r.Host = want.Name
	return nil
}

// readTarget reads path and query. The raw bytes must be those Envoy routes by: an un-normalised front end shows "!"
// in path for a byte it forwards as it came.
func (r *Request) readTarget(raw *authv3.AttributeContext_HttpRequest) error {
	if line := r.headers.get(":path"); line != "" && line != raw.GetPath() {
		return refuse(http.StatusBadRequest, httpreq.ReasonPathForm, "the request names two paths")
	}
	if line := r.headers.get(":method"); line != "" && line != raw.GetMethod() {
		return refuse(http.StatusBadRequest, reasonForm, "the request names two methods")
	}
	if raw.GetQuery() != "" || raw.GetFragment() != "" {
		return refuse(http.StatusBadRequest, reasonForm, "the check carries its query apart from its path")
	}
	var err error
	if r.Target, err = httpreq.ParseTarget(raw.GetPath()); err != nil {
		return err
	}
	return ownPrefixesAreLiteral(r.Target)
}

// ownPrefixesAreLiteral refuses /%73cim/v2 and the like: the gate would take it for its own, Envoy would route the
// bytes to the dashboard.
func ownPrefixesAreLiteral(t httpreq.Target) error {
	for _, prefix := range []string{envoy.PathAuth, envoy.PathSCIM, envoy.PathSettings, envoy.PathHealth} {
		decoded := t.Under(strings.Split(prefix[1:], "/")...)
		if decoded != envoy.Under(t.Path, prefix) {
			return refuse(http.StatusBadRequest, reasonPrefix, "the path spells one of the gate's own with percent-encoding")
		}
	}
	return nil
}

// readCredentials reads cookies and bearer token, each from one line, and notes the identity headers a client forged.
func (r *Request) readCredentials(names session.CookieNames) error {
	for _, name := range []string{"cookie", "authorization"} {
		if r.headers.count(name) > 1 {
			return refuse(http.StatusBadRequest, reasonDuplicate, "the request repeats its "+name+" header")
		}
	}
	var err error
	if r.Cookies, err = httpreq.ParseCookies(r.headers.get("cookie")); err != nil {
		return err
	}
	token, bearer, err := httpreq.Bearer(r.headers.get("authorization"))
	if err != nil {
		return err
	}
	if _, n := r.Cookies.Get(names.Session); bearer && n > 0 {
		return refuse(http.StatusBadRequest, reasonTwoCreds, "the request carries both a session cookie and a bearer token; send one")
	}
	r.Bearer = secret.New(token)
	for _, l := range r.headers {
		if httpreq.IsGateHeader(l.name) {
			if !removable(l.name) {
				return refuse(http.StatusBadRequest, reasonHeaders, "the request has a header name that is none, or one of the gate's in a spelling of its own")
			}
			r.spoofed = append(r.spoofed, l.name)
		}
	}
	return nil
}

// removable reports whether Envoy lets the gate take away a header of this name. The rendered config lists the two
// spellings that frameworks confuse, with dashes and with underscores: for x.sso.role Envoy would answer 500.
func removable(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

func (r *Request) readBody(raw *authv3.AttributeContext_HttpRequest) error {
	if raw.GetBody() != "" && len(raw.GetRawBody()) > 0 {
		return refuse(http.StatusBadRequest, reasonForm, "the check carries its body in two forms")
	}
	if !envoy.TakesBody(r.Target.Path) {
		return nil // whatever a front end buffered elsewhere is not the gate's to read
	}
	if r.headers.count("content-type") > 1 {
		return refuse(http.StatusBadRequest, reasonDuplicate, "the request repeats its content-type header")
	}
	r.Body = raw.GetBody() + string(raw.GetRawBody())
	if len(r.Body) > envoy.LargestBody { // the front end holds them to less, where the operator wants less
		return refuse(http.StatusRequestEntityTooLarge, reasonBody, "the request's body is too large")
	}
	return nil
}

// peerAddress is the address Envoy saw the request come from; empty for a pipe.
func peerAddress(a *authv3.AttributeContext) string {
	ip, err := netip.ParseAddr(a.GetSource().GetAddress().GetSocketAddress().GetAddress())
	if err != nil {
		return ""
	}
	return ip.Unmap().String()
}
