package login

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

//go:embed pages
var files embed.FS

var (
	templates = template.Must(template.ParseFS(files, "pages/*.html"))
	style     = mustRead("pages/style.css")
	styleHash = hashSource(style)
)

// autoSubmit is the only script there is.
const autoSubmit = "document.forms[0].submit()"

func mustRead(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err) // embedded when this was compiled
	}
	return string(b)
}

// hashSource names one inline text in a Content-Security-Policy, so that no other runs (CSP Level 3 §2.3.1).
func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// page is what every page shows. html/template escapes all of it.
type page struct {
	Title     string
	Says      string
	Next      string
	Code      string
	RequestID string
	Links     []link
	Equal     bool  // none of the links is the obvious one
	Rows      []row // what a connection's test found
	Form      *form // asks for an e-mail address
	Post      *post // carries the browser on by itself
	Host      string
	Style     template.CSS
	Script    template.JS
}

type row struct {
	Name   string
	Values []string
}

type link struct{ Text, Href string }

// form is the sign-in page's. It is a GET: a check carries no body here.
type form struct {
	Action string
	Email  string
	Notice string
	Hidden []field
}

// post is a form that submits itself.
type post struct {
	Method, Action string
	Fields         []field
}

type field struct{ Name, Value string }

// render writes a page. Its headers say that nothing on it may be stored, framed, sniffed or loaded from elsewhere.
func (h *Handler) render(w http.ResponseWriter, status int, p page) {
	p.Host, p.Style = h.PublicURL.Host, template.CSS(style) //nolint:gosec // our own embedded text
	csp := "default-src 'none'; style-src " + styleHash
	if p.Post != nil {
		p.Script = autoSubmit
		csp += "; script-src " + hashSource(autoSubmit)
	}
	csp += "; form-action " + h.formTargets() + "; frame-ancestors 'none'; base-uri 'none'"
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, "page.html", p); err != nil {
		h.log().Error("page cannot be rendered", "request_id", p.RequestID, "err", err)
		status = http.StatusServiceUnavailable
		body.Reset()
		body.WriteString("Something went wrong. Quote " + template.HTMLEscapeString(p.RequestID) + ".\n")
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", csp)
	protect(header)
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the browser is gone: nobody is left to tell
}

func protect(header http.Header) {
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
}

// formTargets is where forms may lead. Browsers hold every redirect after a form against it as well, and the e-mail form
// is answered by a redirect to a provider that the page cannot know yet, which may pass the browser on to others.
func (h *Handler) formTargets() string {
	if h.Insecure {
		return "'self' https: http:"
	}
	return "'self' https:"
}

// redirect sends the browser to an address this package or a connector made, as it stands: http.Redirect would clean it.
func redirect(w http.ResponseWriter, status int, location string) {
	header := w.Header()
	header.Set("Location", location)
	protect(header)
	w.WriteHeader(status)
}

// maxLocation is the longest address sent as a header; proxies cut or refuse longer ones.
const maxLocation = 8 << 10

// send carries the browser to a provider.
func (h *Handler) send(w http.ResponseWriter, r *http.Request, to idp.Redirect) {
	u, err := url.Parse(to.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !h.Insecure) {
		h.fault(w, r, errAddress)
		return
	}
	switch {
	case to.Form != nil:
		h.handOver(w, r, post{Method: "post", Action: to.URL, Fields: fields(to.Form)})
	case len(to.URL) > maxLocation:
		query := u.Query()
		u.RawQuery, u.Fragment = "", ""
		h.handOver(w, r, post{Method: "get", Action: u.String(), Fields: fields(query)})
	case strings.Contains(to.URL, "#"):
		redirect(w, onward(r), to.URL)
	default:
		// A browser gives the fragment of the page it came from to a target that has none (RFC 9110 §10.2.2): an
		// empty one keeps what the dashboard put there from the provider.
		redirect(w, onward(r), to.URL+"#")
	}
}

// onward makes a GET of whatever came.
func onward(r *http.Request) int {
	if r.Method == http.MethodPost {
		return http.StatusSeeOther
	}
	return http.StatusFound
}

func (h *Handler) handOver(w http.ResponseWriter, r *http.Request, p post) {
	h.render(w, http.StatusOK, page{
		Title: "Continue to your identity provider", Says: "If nothing happens, press the button.", Post: &p, RequestID: RequestID(r.Context()),
	})
}

func fields(values url.Values) []field {
	var all []field
	for _, name := range sortedKeys(values) {
		for _, value := range values[name] {
			all = append(all, field{name, value})
		}
	}
	return all
}

// loginPath is the sign-in page with name, value pairs; empty values are left out.
func (h *Handler) loginPath(pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		if value == "" || name == "return_to" && value == "/" {
			continue
		}
		q.Set(name, value)
	}
	if len(q) == 0 {
		return pathLogin
	}
	return pathLogin + "?" + q.Encode()
}
