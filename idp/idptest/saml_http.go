package idptest

import (
	"cmp"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// samlCookie is the provider's own single sign-on cookie. It is Lax: the requests that need it are navigations by GET,
// and a request by POST is turned into one first.
const samlCookie = "demo-saml-idp"

// samlLogin is a browser's session at the SAML provider.
type samlLogin struct {
	sub   string
	index string // SessionIndex
	at    time.Time
	names map[string]idp.NameID // what each service provider was told, by entity id
}

//go:embed saml_post.html
var samlPostSource string

var samlPostPage = template.Must(template.New("post").Parse(samlPostSource))

// serveSSO is single sign-on (SAML 2.0 Profiles §4.1), over Redirect and POST.
func (p *SAMLIdP) serveSSO(w http.ResponseWriter, r *http.Request) {
	req, err := p.readRequest(r, "AuthnRequest")
	if err != nil {
		p.refuse(w, "The sign-in request cannot be answered: "+err.Error()+".")
		return
	}
	p.mu.Lock()
	p.lastID = req.id
	p.mu.Unlock()
	if who, chosen := p.person(r.Form.Get("person")); chosen {
		p.answerSSO(w, req, p.signIn(w, r, who))
		return
	}
	session, signedIn := p.session(r)
	switch {
	case req.post && !signedIn && !r.Form.Has("again"): // a cross-site POST carries no Lax cookie: come again from our own site
		p.post(w, p.URL("/sso"), append(req.fields(), field{"again", "1"}))
	case signedIn && !req.force:
		p.answerSSO(w, req, session)
	case req.passive:
		p.deliver(w, RespondOptions{SP: req.sp, InResponseTo: req.id, Status: statusPrefix + "Responder", SubStatus: statusPrefix + "NoPassive"}, req.acs, req.relay)
	default:
		p.pick(w, "/sso", req.fields())
	}
}

func (p *SAMLIdP) answerSSO(w http.ResponseWriter, req samlRequest, l samlLogin) {
	who, _ := p.person(l.sub)
	o := RespondOptions{SP: req.sp, Person: who, InResponseTo: req.id, SessionIndex: l.index, AuthnInstant: l.at, NameIDFormat: req.format}
	if len(req.acr) > 0 {
		o.ACR = req.acr[0]
	}
	p.deliver(w, o, req.acs, req.relay)
}

// deliver posts a response to the service provider through the browser.
func (p *SAMLIdP) deliver(w http.ResponseWriter, o RespondOptions, acs, relay string) {
	p.mu.Lock()
	amend := p.amend
	p.mu.Unlock()
	o.SP.ACS = acs
	if amend != nil {
		amend(&o)
	}
	m, err := p.respond(o)
	if err != nil {
		http.Error(w, "this response cannot be made", http.StatusInternalServerError)
		return
	}
	doc := m.root.xml()
	if o.AfterSigning != nil {
		doc = o.AfterSigning(doc)
	}
	p.remember(o, m, doc)
	form := []field{{"SAMLResponse", encodeForm(doc)}}
	if relay != "" {
		form = append(form, field{"RelayState", relay})
	}
	p.post(w, acs, form)
}

// remember keeps what single logout has to name.
func (p *SAMLIdP) remember(o RespondOptions, m *message, doc string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = encodeForm(doc)
	if m.assertion == nil {
		return
	}
	n := m.nameID()
	for _, l := range p.sso {
		if l.index == o.SessionIndex && n != nil {
			l.names[o.SP.EntityID] = idp.NameID{Value: n.content(), Format: n.get("Format"), NameQualifier: n.get("NameQualifier"), SPNameQualifier: n.get("SPNameQualifier")}
		}
	}
}

type postView struct {
	Action string
	Fields []field
	Nonce  string
}

// post is a page that submits itself (SAML 2.0 Bindings §3.5.4).
func (p *SAMLIdP) post(w http.ResponseWriter, action string, fields []field) {
	v := postView{Action: action, Fields: fields, Nonce: random(12)}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-Frame-Options", "DENY")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-"+v.Nonce+"'; base-uri 'none'; frame-ancestors 'none'")
	_ = samlPostPage.Execute(w, v) // the client hung up
}

// signIn starts a session of the provider's own and sets its cookie.
func (p *SAMLIdP) signIn(w http.ResponseWriter, r *http.Request, who Person) samlLogin {
	if c, err := r.Cookie(samlCookie); err == nil {
		p.mu.Lock()
		delete(p.sso, c.Value)
		p.mu.Unlock()
	}
	id, l := random(24), samlLogin{sub: who.Sub, index: newID(), at: p.opts.Now(), names: map[string]idp.NameID{}}
	p.mu.Lock()
	p.sso[id] = l
	p.mu.Unlock()
	http.SetCookie(w, &http.Cookie{
		Name: samlCookie, Value: id, Path: p.cookiePath(), HttpOnly: true,
		Secure: p.base.Scheme == "https", SameSite: http.SameSiteLaxMode,
	})
	return l
}

func (p *SAMLIdP) cookiePath() string { return strings.TrimSuffix(p.base.Path, "/") + "/" }

// session reads the provider's own cookie; people who were removed have none.
func (p *SAMLIdP) session(r *http.Request) (samlLogin, bool) {
	c, err := r.Cookie(samlCookie)
	if err != nil {
		return samlLogin{}, false
	}
	p.mu.Lock()
	l, ok := p.sso[c.Value]
	p.mu.Unlock()
	if _, known := p.person(l.sub); !known {
		return samlLogin{}, false
	}
	return l, ok
}

// endSession forgets the browser's session and returns it.
func (p *SAMLIdP) endSession(w http.ResponseWriter, r *http.Request) (samlLogin, bool) {
	l, ok := p.session(r)
	if c, err := r.Cookie(samlCookie); err == nil {
		p.mu.Lock()
		delete(p.sso, c.Value)
		p.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{
		Name: samlCookie, Path: p.cookiePath(), MaxAge: -1, HttpOnly: true,
		Secure: p.base.Scheme == "https", SameSite: http.SameSiteLaxMode,
	})
	return l, ok
}

// serveTiles is the provider's portal: a tile for each application, from which it starts a sign-in that nobody asked for.
func (p *SAMLIdP) serveTiles(w http.ResponseWriter, r *http.Request) {
	v := view{Title: "Your applications", Text: "A tile opens the application from here, without its asking."}
	if l, ok := p.session(r); ok {
		who, _ := p.person(l.sub)
		v.Text = "Signed in as " + cmp.Or(who.Name, who.UserName) + ". " + v.Text
		v.Tiles = append(v.Tiles, tile{Name: "Sign out everywhere", Href: p.path("/slo?start=1"), Class: "logout"})
	}
	p.mu.Lock()
	sps := slices.Clone(p.sps)
	p.mu.Unlock()
	for i, sp := range sps {
		v.Tiles = slices.Insert(v.Tiles, i, tile{Name: cmp.Or(sp.Name, sp.EntityID), Href: p.path("/start?sp=" + url.QueryEscape(sp.EntityID)), Class: "tile"})
	}
	p.render(w, http.StatusOK, v)
}

// serveStart answers a tile.
func (p *SAMLIdP) serveStart(w http.ResponseWriter, r *http.Request) {
	sp, ok := p.sp(r.Form.Get("sp"))
	if !ok {
		p.refuse(w, "There is no such tile.")
		return
	}
	l, signedIn := p.session(r)
	if who, chosen := p.person(r.Form.Get("person")); chosen {
		l, signedIn = p.signIn(w, r, who), true
	}
	if !signedIn {
		p.pick(w, "/start", []field{{"sp", sp.EntityID}})
		return
	}
	p.answerSSO(w, samlRequest{sp: sp, acs: sp.ACS, relay: sp.Relay}, l)
}

func (p *SAMLIdP) path(s string) string { return strings.TrimSuffix(p.base.Path, "/") + s }

func (p *SAMLIdP) pick(w http.ResponseWriter, action string, f []field) {
	v := view{Title: "Who are you today?", Text: "Pick a person to sign in as. No password is asked.", Note: p.opts.Note, Action: action, Fields: f}
	for _, who := range p.People() {
		v.People = append(v.People, entry{Person: who, Initials: initials(who)})
	}
	p.render(w, http.StatusOK, v)
}

func (p *SAMLIdP) refuse(w http.ResponseWriter, text string) {
	p.render(w, http.StatusBadRequest, view{Title: "This request cannot be answered", Text: text})
}

func (p *SAMLIdP) render(w http.ResponseWriter, status int, v view) {
	v.Base, v.Panel = strings.TrimSuffix(p.base.Path, "/"), p.opts.Panel
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_ = page.Execute(w, v) // the client hung up
}
