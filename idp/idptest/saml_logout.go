package idptest

import (
	"cmp"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// LogoutOptions describe one message of single logout (SAML 2.0 Core §3.7). SP is needed.
type LogoutOptions struct {
	SP             SAMLSP
	ID             string
	Now            time.Time
	Issuer         string
	Destination    string
	NotOnOrAfter   time.Time // of a request; zero: none
	NameID         idp.NameID
	SessionIndexes []string
	InResponseTo   string // set: the message is an answer
	Status         string // of an answer; empty: Success
	Relay          string

	Key       *SAMLKey // nil: the provider's current one
	Algorithm string
	Unsigned  bool
	LowerCase bool // escapes the query in lower case, as AD FS and Entra ID do

	edit func(root *node)
}

func (o LogoutOptions) field() string {
	if o.InResponseTo != "" {
		return "SAMLResponse"
	}
	return "SAMLRequest"
}

// LogoutRedirect makes a signed message for the Redirect binding and returns the raw query.
func (p *SAMLIdP) LogoutRedirect(o LogoutOptions) (string, error) {
	key := p.Key()
	if o.Key != nil {
		key = *o.Key
	}
	s := signing{key: key, alg: o.Algorithm}
	parts := []string{o.field() + "=" + o.escape(deflate(p.logoutMessage(o).xml()))}
	if o.Relay != "" {
		parts = append(parts, "RelayState="+o.escape(o.Relay))
	}
	if o.Unsigned {
		return strings.Join(parts, "&"), nil
	}
	parts = append(parts, "SigAlg="+o.escape(s.algorithm()))
	value, err := s.value([]byte(strings.Join(parts, "&")))
	if err != nil {
		return "", err
	}
	return strings.Join(append(parts, "Signature="+o.escape(base64.StdEncoding.EncodeToString(value))), "&"), nil
}

var escapes = regexp.MustCompile("%[0-9A-F]{2}")

func (o LogoutOptions) escape(s string) string {
	s = url.QueryEscape(s)
	if o.LowerCase {
		s = escapes.ReplaceAllStringFunc(s, strings.ToLower)
	}
	return s
}

// LogoutPost makes a signed message for the POST binding and returns the form.
func (p *SAMLIdP) LogoutPost(o LogoutOptions) (url.Values, error) {
	root := p.logoutMessage(o)
	if !o.Unsigned {
		key := p.Key()
		if o.Key != nil {
			key = *o.Key
		}
		s := signing{key: key, alg: o.Algorithm, prefix: samlManners[p.opts.Profile].ds}
		if o.Algorithm == AlgRSASHA1 {
			s.digest = AlgSHA1
		}
		if err := sign(root, root, s); err != nil {
			return nil, err
		}
	}
	form := url.Values{o.field(): {encodeForm(root.xml())}}
	if o.Relay != "" {
		form.Set("RelayState", o.Relay)
	}
	return form, nil
}

func (p *SAMLIdP) logoutMessage(o LogoutOptions) *node {
	if o.Now.IsZero() {
		o.Now = p.opts.Now()
	}
	m := &message{m: samlManners[p.opts.Profile]}
	kind, ends := "LogoutRequest", ""
	if o.InResponseTo != "" {
		kind = "LogoutResponse"
	}
	if !o.NotOnOrAfter.IsZero() {
		ends = instant(o.NotOnOrAfter)
	}
	root := el(m.p(kind), append([]attr{declaration(m.m.samlp, nsProtocol)}, pairs(
		"Destination", or(o.Destination, o.SP.SLO), "ID", cmp.Or(o.ID, newID()), "InResponseTo", o.InResponseTo, "IssueInstant", instant(o.Now),
		"NotOnOrAfter", ends, "Version", "2.0")...),
		p.issuerElement(m, RespondOptions{Issuer: o.Issuer}, true))
	if o.InResponseTo != "" {
		root.Kids = append(root.Kids, m.status(RespondOptions{Status: o.Status}))
	} else {
		root.Kids = append(root.Kids, leaf(m.a("NameID"), o.NameID.Value, append([]attr{m.declareAssertion()}, pairs(
			"Format", o.NameID.Format, "NameQualifier", o.NameID.NameQualifier, "SPNameQualifier", o.NameID.SPNameQualifier)...)...))
		for _, index := range o.SessionIndexes {
			root.Kids = append(root.Kids, leaf(m.p("SessionIndex"), index))
		}
	}
	if o.edit != nil {
		o.edit(root)
	}
	return root
}

// signOut is a sign-out that the provider began: who is still to be told.
type signOut struct {
	login samlLogin
	rest  []string
}

// serveSLO is single logout in both directions, over Redirect and POST (SAML 2.0 Profiles §4.4).
func (p *SAMLIdP) serveSLO(w http.ResponseWriter, r *http.Request) {
	if samlManners[p.opts.Profile].noSLO {
		p.refuse(w, "This provider has no single logout.")
		return
	}
	if r.Form.Get("start") != "" {
		l, _ := p.endSession(w, r)
		p.tell(w, r, signOut{l, slices.Sorted(maps.Keys(l.names))})
		return
	}
	if strings.Contains(r.URL.RawQuery, "SAMLResponse=") || r.PostForm.Has("SAMLResponse") {
		p.receiveLogoutResponse(w, r)
		return
	}
	req, err := p.readRequest(r, "LogoutRequest")
	if err != nil {
		p.refuse(w, "The sign-out request cannot be answered: "+err.Error()+".")
		return
	}
	p.endSession(w, r)
	p.endByName(req.root.find("NameID"))
	if req.sp.SLO == "" {
		p.render(w, http.StatusOK, view{Title: "Signed out", Text: "Your session at the Demo IdP has ended."})
		return
	}
	p.sendLogout(w, r, LogoutOptions{SP: req.sp, InResponseTo: req.id, Relay: req.relay})
}

// endByName ends the sessions that told somebody this name: the cookie does not come along over POST.
func (p *SAMLIdP) endByName(name *node) {
	if name == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.sso, func(_ string, l samlLogin) bool {
		for _, n := range l.names {
			if n.Value == strings.TrimSpace(name.content()) {
				return true
			}
		}
		return false
	})
}

// tell sends the next service provider its request, and ends with a page.
func (p *SAMLIdP) tell(w http.ResponseWriter, r *http.Request, s signOut) {
	for len(s.rest) > 0 {
		sp, ok := p.sp(s.rest[0])
		name := s.login.names[s.rest[0]]
		s.rest = s.rest[1:]
		if !ok || sp.SLO == "" {
			continue
		}
		id := newID()
		p.mu.Lock()
		p.outs[id] = s
		p.mu.Unlock()
		p.sendLogout(w, r, LogoutOptions{SP: sp, ID: id, NameID: name, SessionIndexes: []string{s.login.index}})
		return
	}
	p.render(w, http.StatusOK, view{Title: "Signed out", Text: "Your session at the Demo IdP has ended."})
}

func (p *SAMLIdP) receiveLogoutResponse(w http.ResponseWriter, r *http.Request) {
	c, err := carry(r, "SAMLResponse")
	if err == nil {
		err = p.finishSignOut(w, r, c)
	}
	if err != nil {
		p.refuse(w, "The answer to the sign-out is not usable: "+err.Error()+".")
	}
}

func (p *SAMLIdP) finishSignOut(w http.ResponseWriter, r *http.Request, c carried) error {
	root, _, err := p.readMessage(c, "LogoutResponse")
	if err != nil {
		return err
	}
	p.mu.Lock()
	s, known := p.outs[root.get("InResponseTo")]
	delete(p.outs, root.get("InResponseTo"))
	p.mu.Unlock()
	if !known {
		return errors.New("nobody asked for it")
	}
	if code := root.find("StatusCode"); code == nil || code.get("Value") != statusPrefix+"Success" {
		return errors.New("the application could not end its session")
	}
	p.tell(w, r, s)
	return nil
}

func (p *SAMLIdP) sendLogout(w http.ResponseWriter, r *http.Request, o LogoutOptions) {
	if o.SP.SLOPost {
		form, err := p.LogoutPost(o)
		if err != nil {
			http.Error(w, "this message cannot be made", http.StatusInternalServerError)
			return
		}
		p.post(w, o.SP.SLO, fields(form))
		return
	}
	query, err := p.LogoutRedirect(o)
	if err != nil {
		http.Error(w, "this message cannot be made", http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, o.SP.SLO+"?"+query, http.StatusFound)
}
