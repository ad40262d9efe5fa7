package idptest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
)

//go:embed panel.html
var panelSource string

var panelPage = template.Must(template.New("panel").Parse(panelSource))

// panelView is what the panel's page shows.
type panelView struct {
	People  []panelPerson
	Groups  []panelGroup
	Manners []panelManner
	Calls   []panelCall
	Notice  string
	Open    string
	Gate    string
	Nonce   string
}

type panelPerson struct {
	Person
	Initials string
	Group    string // the first of theirs
	Inactive bool
}

type panelGroup struct {
	Name    string
	Members []string
}

type panelManner struct {
	Manner Manner
	Label  string
	Chosen bool
}

type panelCall struct {
	Call
	Good, Open   bool
	Body, Answer string // shadow those of Call, indented
}

var mannerLabels = map[Manner]string{
	OktaOIN: "Okta, catalogue app (PATCH)", OktaAIW: "Okta, custom app (PUT)",
	EntraDefault: "Entra ID, as it is", EntraSCIM: "Entra ID, ?aadOptscim062020",
}

func (p *Panel) view() panelView {
	v := panelView{Notice: p.notice, Open: p.Open, Gate: p.Provisioner.URL, Nonce: random(12)}
	members := map[string][]string{}
	for _, who := range p.OP.People() {
		row := panelPerson{Person: who, Initials: initials(who), Inactive: p.inactive[who.Sub]}
		for _, g := range who.Groups {
			members[g] = append(members[g], who.Name)
		}
		if len(who.Groups) > 0 {
			row.Group = who.Groups[0]
		}
		v.People = append(v.People, row)
	}
	for _, g := range p.Groups {
		v.Groups = append(v.Groups, panelGroup{g, members[g]})
	}
	for _, m := range Manners() {
		chosen := p.Provisioner.Manner == m || p.Provisioner.Manner == "" && m == OktaOIN
		v.Manners = append(v.Manners, panelManner{m, mannerLabels[m], chosen})
	}
	for i, c := range p.calls {
		v.Calls = append(v.Calls, panelCall{c, c.Status/100 == 2, i == 0 && c.Method != http.MethodGet, indented(c.Body), indented(c.Answer)})
	}
	return v
}

// indented is JSON as people read it; anything else stays as it is.
func indented(text string) string {
	var out bytes.Buffer
	if json.Indent(&out, []byte(text), "", "  ") != nil {
		return text
	}
	return out.String()
}

func (p *Panel) render(w http.ResponseWriter) {
	v := p.view()
	var b bytes.Buffer
	if err := panelPage.Execute(&b, v); err != nil {
		http.Error(w, "this page cannot be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+v.Nonce+"'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	_, _ = w.Write(b.Bytes()) // the reader is gone: nobody is left to tell
}
