package saml

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

// Bounds of a message sent by POST.
const (
	defaultMessage = 640 << 10 // 2,000 groups in Okta's shape, encrypted, and room for the rest
	largestMessage = 1 << 20
	maxRelay       = 80 // bytes (SAML 2.0 Bindings §3.5.3)
	maxFields      = 8
)

const formHint = "The sign-in form did not arrive as the identity provider sent it. A proxy or a browser extension may have changed it."

// maxMessage is how large a decoded message may be.
func (c *Connector) maxMessage() int {
	if c.MaxResponse <= 0 {
		return defaultMessage
	}
	return min(c.MaxResponse, largestMessage)
}

// message is what one form carried. Nothing of it is verified.
type message struct {
	encoded string // as sent, base64
	xml     []byte
	relay   string
}

// readForm takes the message called name, SAMLResponse or SAMLRequest, out of a form (SAML 2.0 Bindings §3.5.4). A
// message by POST is never compressed: inflating it as well would give one document two spellings.
func (c *Connector) readForm(r *http.Request, name string) (message, error) {
	if err := checkEnvelope(r); err != nil {
		return message{}, err
	}
	body, err := c.readBody(r)
	if err != nil {
		return message{}, err
	}
	fields, err := parseFields(body)
	if err != nil {
		return message{}, err
	}
	return pick(fields, name, c.maxMessage())
}

// checkEnvelope holds method, type and query. A parameter of the protocol in the query could be read instead of the form's.
func checkEnvelope(r *http.Request) error {
	if r.Method != http.MethodPost {
		return form("method", "message came by another method than POST")
	}
	if len(r.Header.Values("Content-Type")) != 1 {
		return form("content-type", "not one content type")
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return form("content-type", "content type is not a form's")
	}
	if charset, ok := params["charset"]; len(params) > 1 || len(params) == 1 && (!ok || !strings.EqualFold(charset, "utf-8")) {
		return form("content-type", "content type has parameters")
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return form("query", "query does not parse")
	}
	for name := range query {
		if protocolField(name) {
			return form("query", "query carries a parameter of the protocol")
		}
	}
	return nil
}

// protocolField finds the names of SAML 2.0 Bindings §3.4 and §3.5, however they are written.
func protocolField(name string) bool {
	for _, n := range []string{"SAMLResponse", "SAMLRequest", "SAMLart", "SAMLEncoding", "RelayState", "SigAlg", "Signature"} {
		if strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}

// readBody reads the form and leaves it to be read again: which attempt an answer belongs to is asked before the answer
// is verified.
func (c *Connector) readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, form("body", "no body")
	}
	limit := c.maxMessage() / 2 * 3 // base64, with its padding and line breaks escaped
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(limit)+1))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, form("too-large", "body is larger than the server takes")
		}
		return nil, fmt.Errorf("read form: %w", err)
	}
	if len(body) > limit {
		return nil, form("too-large", fmt.Sprintf("body is larger than %d bytes", limit))
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}

// parseFields reads a form in which no field repeats.
func parseFields(body []byte) (map[string]string, error) {
	if bytes.Count(body, []byte{'&'}) >= maxFields {
		return nil, form("fields", fmt.Sprintf("form has more than %d fields", maxFields))
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, form("encoding", "form does not parse")
	}
	fields := make(map[string]string, len(values))
	for name, v := range values {
		if len(v) != 1 {
			return nil, form("repeated", "a form field repeats")
		}
		if protocolField(name) && name != "SAMLResponse" && name != "SAMLRequest" && name != "RelayState" {
			return nil, form("fields", "form carries a parameter of another binding")
		}
		fields[name] = v[0]
	}
	return fields, nil
}

func pick(fields map[string]string, name string, most int) (message, error) {
	encoded, ok := fields[name]
	_, response := fields["SAMLResponse"]
	_, request := fields["SAMLRequest"]
	switch {
	case response && request:
		return message{}, form("two-messages", "form carries a request and a response")
	case !ok || encoded == "":
		return message{}, form("missing", "form carries no message")
	case len(fields["RelayState"]) > maxRelay:
		return message{}, form("relay-state", "RelayState is longer than 80 bytes")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded) // passes over CR and LF, and nothing else
	if err != nil {
		return message{}, form("base64", "message is not base64")
	}
	if len(raw) > most {
		return message{}, form("too-large", fmt.Sprintf("message is larger than %d bytes", most))
	}
	return message{encoded: encoded, xml: raw, relay: fields["RelayState"]}, nil
}

func form(detail, what string) error {
	return fault(idp.CodeSAMLForm, detail, formHint, what)
}

// laxForm is for the tests that show what the rules of the form are good for.
func laxForm(r *http.Request) (message, error) {
	if err := r.ParseForm(); err != nil {
		return message{}, form("encoding", "form does not parse")
	}
	raw, err := base64.StdEncoding.DecodeString(r.Form.Get("SAMLResponse"))
	if err != nil {
		return message{}, form("base64", "message is not base64")
	}
	return message{encoded: r.Form.Get("SAMLResponse"), xml: raw, relay: r.Form.Get("RelayState")}, nil
}
