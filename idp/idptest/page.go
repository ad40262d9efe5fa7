package idptest

import (
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Parse(pageSource))

// view is what the one page of the provider shows.
type view struct {
	Title   string
	Text    string
	Note    string
	Base    string
	Action  string
	Fields  []field // sent back with the button
	People  []entry
	Confirm string // label of a single button
	Panel   string // path of the provisioning panel
	Tiles   []tile
}

// tile is a link of the SAML provider's portal.
type tile struct{ Name, Href, Class string }

type field struct{ Name, Value string }

type entry struct {
	Person
	Initials  string
	Suggested bool // named by login_hint
}

func (o *OP) render(w http.ResponseWriter, status int, v view) {
	v.Base, v.Panel = strings.TrimSuffix(o.base.Path, "/"), o.opts.Panel
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_ = page.Execute(w, v) // the client hung up
}

// refuse shows an error that must not be sent to a redirect URI nobody vouches for.
func (o *OP) refuse(w http.ResponseWriter, text string) {
	o.render(w, http.StatusBadRequest, view{Title: "This request cannot be answered", Text: text})
}

func (o *OP) serveHome(w http.ResponseWriter, _ *http.Request) {
	o.render(w, http.StatusOK, view{Title: "Demo IdP", Text: "An application sends people here to sign in. Open the application first."})
}

// pick lists the people, whoever login_hint names first.
func (o *OP) pick(w http.ResponseWriter, q url.Values) {
	v := view{Title: "Who are you today?", Text: "Pick a person to sign in as. No password is asked.", Note: o.opts.Note,
		Action: "/authorize", Fields: fields(q)}
	hint := q.Get("login_hint")
	for _, p := range o.People() {
		suggested := hint != "" && (strings.EqualFold(hint, p.Email) || strings.EqualFold(hint, p.UserName))
		v.People = append(v.People, entry{Person: p, Initials: initials(p), Suggested: suggested})
	}
	slices.SortStableFunc(v.People, func(a, b entry) int {
		switch {
		case a.Suggested == b.Suggested:
			return 0
		case a.Suggested:
			return -1
		default:
			return 1
		}
	})
	o.render(w, http.StatusOK, v)
}

func (o *OP) confirmLogout(w http.ResponseWriter, q url.Values) {
	o.render(w, http.StatusOK, view{Title: "Sign out?", Text: "The application did not say whose session ends.",
		Action: "/logout", Fields: append(fields(q), field{"confirm", "yes"}), Confirm: "Sign out"})
}

func (o *OP) signedOut(w http.ResponseWriter) {
	o.render(w, http.StatusOK, view{Title: "Signed out", Text: "Your session at the Demo IdP has ended."})
}

func fields(q url.Values) []field {
	var out []field
	for name, values := range q {
		if name != "person" && name != "confirm" {
			out = append(out, field{name, values[0]})
		}
	}
	slices.SortFunc(out, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func initials(p Person) string {
	name := p.Name
	if name == "" {
		name = p.UserName
	}
	var out []rune
	for word := range strings.FieldsSeq(name) {
		out = append(out, []rune(word)[0])
	}
	return strings.ToUpper(string(out[:min(2, len(out))]))
}
