package idptest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Manner is how a provider's SCIM client speaks: which requests it sends for a wish, and in which shapes.
type Manner string

// The manners. The zero value is OktaOIN.
const (
	OktaOIN      Manner = "okta-oin"         // an app of Okta's catalogue: PATCH for active and groups, PUT for a user's other changes
	OktaAIW      Manner = "okta-aiw"         // an app made in Okta's wizard: PUT for everything, the resource as it was read and changed
	EntraDefault Manner = "entra"            // Microsoft Entra ID: one operation an attribute, "Add" and "False", members to remove as an array
	EntraSCIM    Manner = "entra-scim062020" // Entra with ?aadOptscim062020: operations as RFC 7644 spells them
)

// Manners lists them.
func Manners() []Manner { return []Manner{OktaOIN, OktaAIW, EntraDefault, EntraSCIM} }

// okta tells Okta's manners from Microsoft's.
func (m Manner) okta() bool { return m == "" || m == OktaOIN || m == OktaAIW }

// Provisioner is a provider's SCIM client (RFC 7644): what an admin does with people and groups becomes the requests
// that provider sends, in the order it sends them. It keeps no copy of the directory and may be used by several
// goroutines.
type Provisioner struct {
	URL    string // where SCIM is served: https://dashboard.example/scim/v2
	Token  string
	Manner Manner
	Client *http.Client // nil: one of its own
	OnCall func(Call)   // told each request after its answer
}

// Call is one request with its answer. The token stands in neither.
type Call struct {
	Method string
	Path   string // below URL, with the query as a person would read it
	Body   string
	Status int // 0: there was no answer
	Answer string
	Header http.Header // of the answer
}

// Refused is an answer other than 2xx.
type Refused struct{ Call Call }

// Error implements error.
func (r *Refused) Error() string {
	var body struct {
		ScimType string `json:"scimType"`
		Detail   string `json:"detail"`
	}
	if json.Unmarshal([]byte(r.Call.Answer), &body) != nil || body.Detail == "" {
		body.Detail = r.Call.Answer
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s: %d %s %.500s", r.Call.Method, r.Call.Path, r.Call.Status, body.ScimType, body.Detail))
}

// ErrNobody says that the service provider has no resource of that name.
var ErrNobody = errors.New("the service provider has nobody of that name")

const (
	maxAnswer = 64 << 20 // a group of 100,000 people is 13 MB
	tries     = 4
	maxPause  = 10 * time.Second
)

// Do sends one request and returns its answer, whatever the status. A body that is not a string is sent as JSON. As
// providers do, it comes back after Retry-After when it is asked to wait.
func (p *Provisioner) Do(ctx context.Context, method, path string, body any) (Call, error) {
	text, err := encode(body)
	if err != nil {
		return Call{}, err
	}
	for try := 1; ; try++ {
		c, err := p.send(ctx, method, path, text)
		if p.OnCall != nil {
			p.OnCall(c)
		}
		if err != nil {
			return c, err
		}
		pause, asked := retryAfter(c)
		if !asked || try == tries {
			return c, nil
		}
		select {
		case <-ctx.Done():
			return c, fmt.Errorf("wait as asked after %s %s: %w", c.Method, c.Path, ctx.Err())
		case <-time.After(pause):
		}
	}
}

func encode(body any) (string, error) {
	switch b := body.(type) {
	case nil:
		return "", nil
	case string:
		return b, nil
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		return "", fmt.Errorf("encode body: %w", err)
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// retryAfter reads how long a refusal asks to wait (RFC 9110 §10.2.3, in seconds).
func retryAfter(c Call) (time.Duration, bool) {
	if c.Status != http.StatusTooManyRequests && c.Status != http.StatusServiceUnavailable {
		return 0, false
	}
	seconds, err := strconv.Atoi(c.Header.Get("Retry-After"))
	return min(time.Duration(seconds)*time.Second, maxPause), err == nil && seconds >= 0
}

func (p *Provisioner) send(ctx context.Context, method, path, body string) (Call, error) {
	c := Call{Method: method, Path: path, Body: body}
	if shown, err := url.QueryUnescape(path); err == nil {
		c.Path = shown
	}
	r, err := http.NewRequestWithContext(ctx, method, p.address(path), strings.NewReader(body))
	if err != nil {
		return c, fmt.Errorf("make request: %w", err)
	}
	p.dress(r, body != "")
	client := p.Client
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second}
	}
	resp, err := client.Do(r)
	if err != nil {
		return c, fmt.Errorf("%s %s: %w", method, c.Path, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	c.Status, c.Answer, c.Header = resp.StatusCode, string(answer), resp.Header
	if err != nil {
		return c, fmt.Errorf("%s %s: read answer: %w", method, c.Path, err)
	}
	return c, nil
}

// address adds the flag that rides on the tenant's URL in Entra, and therefore on every request.
func (p *Provisioner) address(path string) string {
	to := strings.TrimSuffix(p.URL, "/") + path
	if p.Manner != EntraSCIM {
		return to
	}
	if strings.Contains(to, "?") {
		return to + "&aadOptscim062020"
	}
	return to + "?aadOptscim062020"
}

// dress sets the headers each provider sends.
func (p *Provisioner) dress(r *http.Request, body bool) {
	r.Header.Set("Authorization", "Bearer "+p.Token)
	r.Header.Set("Accept", "application/scim+json")
	r.Header.Set("User-Agent", "Microsoft Azure AD Provisioning Service")
	kind := "application/scim+json"
	if p.Manner.okta() {
		r.Header.Set("User-Agent", "Okta SCIM Client 1.0.0")
		kind += "; charset=utf-8"
	}
	if body {
		r.Header.Set("Content-Type", kind)
	}
}

// must is Do for a request that has to succeed; into may be nil.
func (p *Provisioner) must(ctx context.Context, method, path string, body, into any) error {
	c, err := p.Do(ctx, method, path, body)
	if err != nil {
		return err
	}
	if c.Status/100 != 2 {
		return &Refused{c}
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal([]byte(c.Answer), into); err != nil {
		return fmt.Errorf("%s %s: read answer: %w", method, c.Path, err)
	}
	return nil
}

// lookup finds the one resource whose attribute has this value.
func (p *Provisioner) lookup(ctx context.Context, kind, attribute, value string) (id string, err error) {
	literal, err := json.Marshal(value) // a filter's string is a JSON string (RFC 7644 §3.4.2.2)
	if err != nil {
		return "", fmt.Errorf("quote %q: %w", value, err)
	}
	quoted := string(literal)
	q := kind + "?filter=" + escape(attribute+" eq "+quoted)
	switch {
	case p.Manner.okta():
		q += "&startIndex=1&count=100"
	case kind == pathGroups:
		q = kind + "?excludedAttributes=members&filter=" + escape(attribute+" eq "+quoted)
	}
	var list struct {
		Resources []struct {
			ID string `json:"id"`
		} `json:"Resources"`
	}
	if err := p.must(ctx, http.MethodGet, q, nil, &list); err != nil {
		return "", err
	}
	switch len(list.Resources) {
	case 0:
		return "", fmt.Errorf("%s eq %s: %w", attribute, quoted, ErrNobody)
	case 1:
		return list.Resources[0].ID, nil
	default:
		return "", fmt.Errorf("%s eq %s: %d resources", attribute, quoted, len(list.Resources))
	}
}

// escape writes a blank as %20, as providers do: a plus sign is a blank in forms only.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

const (
	pathUsers  = "/Users"
	pathGroups = "/Groups"

	schemaUser       = "urn:ietf:params:scim:schemas:core:2.0:User"
	schemaGroup      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	schemaEnterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	schemaADGroup    = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
	schemaPatch      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

type object = map[string]any

// operation is one of a PATCH (RFC 7644 §3.5.2).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path,omitempty"`
	Value any    `json:"value,omitempty"`
}

func (p *Provisioner) patch(ctx context.Context, path string, ops ...operation) error {
	return p.must(ctx, http.MethodPatch, path, object{"schemas": []string{schemaPatch}, "Operations": ops}, nil)
}

// change reads a resource, changes it and puts it back: the whole of it, read-only attributes included.
func (p *Provisioner) change(ctx context.Context, path string, edit func(object)) error {
	var whole object
	if err := p.must(ctx, http.MethodGet, path, nil, &whole); err != nil {
		return err
	}
	edit(whole)
	return p.must(ctx, http.MethodPut, path, whole, nil)
}
