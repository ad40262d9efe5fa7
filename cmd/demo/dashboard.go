package main

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"strings"
)

// dashboard is the upstream: pages and an API that know nothing of sessions, providers or roles. Whoever reaches them
// was let through by the gate, and the assertion proves it.
type dashboard struct {
	verifier *verifier
	table    *table
}

// newDashboard makes the upstream's handler.
func newDashboard(v *verifier) http.Handler {
	d := &dashboard{verifier: v, table: newTable(v.Now)}
	mux := http.NewServeMux()
	for _, p := range pages {
		mux.HandleFunc("GET "+p.pattern(), d.verified(func(w http.ResponseWriter, r *http.Request, who identity) { d.page(w, r, who, p) }))
	}
	for kind := range samples {
		mux.HandleFunc("GET /api/v1/"+kind, d.verified(func(w http.ResponseWriter, _ *http.Request, who identity) {
			answer(w, http.StatusOK, map[string]any{"items": d.table.list(kind), "role": who.Role})
		}))
		write := d.verified(func(w http.ResponseWriter, _ *http.Request, who identity) {
			answer(w, http.StatusCreated, map[string]any{"item": d.table.add(kind, who.Email), "role": who.Role})
		})
		mux.HandleFunc("POST /api/v1/"+kind, write)
		mux.HandleFunc("PUT /api/v1/"+kind+"/{name}", write)
	}
	return http.NewCrossOriginProtection().Handler(mux)
}

// verified turns away every request that the gate did not sign for, whatever its headers say.
func (d *dashboard) verified(serve func(http.ResponseWriter, *http.Request, identity)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := d.verifier.identity(r)
		if errors.Is(err, errKeys) {
			answer(w, http.StatusServiceUnavailable, refusal{"unavailable", "The dashboard cannot fetch the gate's keys."})
			return
		}
		if err != nil {
			answer(w, http.StatusForbidden, refusal{"not_through_the_gate", "The dashboard answers only what the gate signed for: " + err.Error() + "."})
			return
		}
		serve(w, r, who)
	}
}

// refusal has the shape of the gate's own.
type refusal struct {
	Error   string `json:"error"`
	Message string `json:"message"`
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the reader is gone: nobody is left to tell
}

// page is one page of the dashboard. Kind names the rows it shows; the overview shows none.
type page struct{ Path, Title, Kind, Intro string }

var pages = []page{
	{"/", "Overview", "", ""},
	{"/events", "Events", "events", "What visitors did. Everyone with a role reads them; Analysts and Admins write them."},
	{"/signals", "Signals", "signals", "What looks odd about it. Everyone with a role reads them; Analysts and Admins write them."},
	{"/rules", "Rules", "rules", "What to do about it. Everyone with a role reads them; Analysts and Admins write them."},
	{"/settings", "Settings", "settings", "For Admins. Anyone else is shown the gate's page in place of this one."},
}

// pattern matches exactly the page.
func (p page) pattern() string {
	if p.Path == "/" {
		return "/{$}"
	}
	return p.Path
}

// try is a button: one request that needs one permission.
type try struct{ Label, Method, Path, Permission string }

// group is the buttons about one kind of thing.
type group struct {
	Name string
	Kind string
	Try  []try
}

var groups = []group{
	{"Events", "events", []try{
		{"Read events", "GET", "/api/v1/events", "events:read"},
		{"Write an event", "POST", "/api/v1/events", "events:write"},
	}},
	{"Signals", "signals", []try{
		{"Read signals", "GET", "/api/v1/signals", "signals:read"},
		{"Write a signal", "POST", "/api/v1/signals", "signals:write"},
	}},
	{"Rules", "rules", []try{
		{"Read rules", "GET", "/api/v1/rules", "rules:read"},
		{"Write a rule", "POST", "/api/v1/rules", "rules:write"},
	}},
	{"Administration", "", []try{
		{"Create an API key", "POST", "/api/v1/api-keys", "api-keys:manage"},
		{"Change the plan", "PUT", "/api/v1/billing/plan", "billing:manage"},
		{"Change settings", "PUT", "/api/v1/settings/retention", "settings:manage"},
	}},
}

// about returns the buttons a page shows.
func about(kind string) []group {
	switch kind {
	case "":
		return groups
	case "settings":
		return []group{{"Settings", kind, groups[3].Try[2:]}}
	default:
		for _, g := range groups {
			if g.Kind == kind {
				return []group{g}
			}
		}
		return nil
	}
}

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("page").Parse(pageSource))

// view is what a page shows.
type view struct {
	page
	Pages    []page
	Who      identity
	Initials string
	Headers  []claim // the identity headers as they came
	Groups   []group
	Rows     []row
	Nonce    string
}

func (d *dashboard) page(w http.ResponseWriter, r *http.Request, who identity, p page) {
	v := view{page: p, Pages: pages, Who: who, Initials: initials(who), Groups: about(p.Kind), Nonce: rand.Text()}
	for _, name := range []string{"x-sso-user", "x-sso-email", "x-sso-tenant", "x-sso-role"} {
		v.Headers = append(v.Headers, claim{name, r.Header.Get(name)})
	}
	if p.Kind != "" {
		v.Rows = d.table.list(p.Kind)
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		answer(w, http.StatusInternalServerError, refusal{"unavailable", "This page cannot be shown."})
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; img-src data:; style-src 'nonce-"+v.Nonce+"'; script-src 'nonce-"+v.Nonce+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	_, _ = w.Write(b.Bytes()) // the reader is gone: nobody is left to tell
}

func initials(who identity) string {
	name := who.Name
	if name == "" {
		name = who.Email
	}
	var out []rune
	for word := range strings.FieldsSeq(name) {
		out = append(out, []rune(word)[0])
	}
	return strings.ToUpper(string(out[:min(2, len(out))]))
}
