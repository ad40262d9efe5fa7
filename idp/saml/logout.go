package saml

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/beevik/etree"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
)

var (
	_ idp.Logouter       = (*Connector)(nil)
	_ idp.LogoutReceiver = (*Connector)(nil)
)

// OnceLogout is the kind of Once under which the ID of a LogoutRequest is burnt.
const OnceLogout = "logout"

const (
	maxLogout     = 64 << 10        // bytes of a message, whichever way it comes
	maxIndexes    = 64              // SessionIndexes of one request
	logoutLife    = 5 * time.Minute // after its IssueInstant, and Skew on top
	statusPartial = statusPrefix + "PartialLogout"
)

const logoutHint = "Compare the single logout settings at the identity provider with the metadata shown here."

// Logout builds the LogoutRequest that ends the provider's session (SAML 2.0 Core §3.7.1). It repeats the name that the
// provider gave to the last byte, and the one session that this was. It is always signed.
func (c *Connector) Logout(_ context.Context, conn idp.Connection, l idp.Logout) (idp.Redirect, error) {
	e := conn.SAML.IdP.Endpoints
	if e.SLOURL == "" || l.NameID.Value == "" {
		return idp.Redirect{}, idp.ErrNoLogout
	}
	if err := c.usableURL("slo-url", e.SLOURL); err != nil {
		return idp.Redirect{}, err
	}
	if l.RequestID == "" {
		return idp.Redirect{}, errors.New("build logout request: it has no ID")
	}
	root := c.logoutMessage("LogoutRequest", l.RequestID, e.SLOURL, conn.ID)
	addNameID(root, l.NameID)
	if l.SID != "" {
		root.CreateElement("samlp:SessionIndex").SetText(l.SID)
	}
	return c.sendLogout(conn, e.SLOURL, fieldRequest, root, l.Relay)
}

// AnswerLogout builds the LogoutResponse to a request that was verified (SAML 2.0 Core §3.7.3.2). A RelayState longer than
// the binding allows is not repeated.
func (c *Connector) AnswerLogout(_ context.Context, conn idp.Connection, m idp.LogoutMessage, partial bool) (idp.Redirect, error) {
	e := conn.SAML.IdP.Endpoints
	if e.SLOURL == "" {
		return idp.Redirect{}, idp.ErrNoLogout
	}
	address := e.SLOURL
	if e.SLOResponseURL != "" {
		address = e.SLOResponseURL
	}
	if err := c.usableURL("slo-url", address); err != nil {
		return idp.Redirect{}, err
	}
	id, err := newID()
	if err != nil {
		return idp.Redirect{}, err
	}
	root := c.logoutMessage("LogoutResponse", id, address, conn.ID)
	root.CreateAttr("InResponseTo", m.ID)
	status := root.CreateElement("samlp:Status").CreateElement("samlp:StatusCode")
	status.CreateAttr("Value", statusSuccess)
	if partial {
		status.CreateElement("samlp:StatusCode").CreateAttr("Value", statusPartial)
	}
	relay := m.Relay
	if len(relay) > maxRelay {
		relay = ""
	}
	return c.sendLogout(conn, address, fieldResponse, root, relay)
}

// logoutMessage is what both messages begin with.
func (c *Connector) logoutMessage(name, id, destination string, conn idp.ConnectionID) *etree.Element {
	root := etree.NewElement("samlp:" + name)
	root.CreateAttr("xmlns:samlp", nsProtocol)
	root.CreateAttr("xmlns:saml", nsAssertion)
	root.CreateAttr("ID", id)
	root.CreateAttr("Version", "2.0")
	root.CreateAttr("IssueInstant", instant(c.Now()))
	root.CreateAttr("Destination", destination)
	root.CreateElement("saml:Issuer").SetText(c.endpoints(conn).EntityID)
	return root
}

func addNameID(root *etree.Element, n idp.NameID) {
	el := root.CreateElement("saml:NameID")
	for _, a := range []struct{ name, value string }{
		{"Format", n.Format}, {"NameQualifier", n.NameQualifier}, {"SPNameQualifier", n.SPNameQualifier},
	} {
		if a.value != "" {
			el.CreateAttr(a.name, a.value)
		}
	}
	el.SetText(n.Value)
}

func (c *Connector) sendLogout(conn idp.Connection, address, field string, root *etree.Element, relay string) (idp.Redirect, error) {
	out := outgoing{address: address, binding: conn.SAML.IdP.Endpoints.SLOBinding, field: field, root: root, relay: relay}
	var err error
	if out.signer, out.cert, err = spSigner(conn.SAML.SPKeys); err != nil {
		return idp.Redirect{}, err
	}
	return out.send()
}

func newID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("draw message id: %w", err)
	}
	return "_" + hex.EncodeToString(b[:]), nil
}

// ReceiveLogout verifies a message of single logout, by redirect or POST (SAML 2.0 Profiles §4.4.3). Whichever it is and
// however it came, it must be signed by the provider: an unsigned request would let anybody end anybody's session.
func (c *Connector) ReceiveLogout(ctx context.Context, conn idp.Connection, r *http.Request) (m idp.LogoutMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			m, err = idp.LogoutMessage{}, c.panicked(ctx, conn, p)
		}
	}()
	keys, err := activeKeys(conn.SAML)
	if err != nil {
		return idp.LogoutMessage{}, err
	}
	if conn.SAML.IdP.EntityID == "" {
		return idp.LogoutMessage{}, fault(idp.CodeSAMLConfig, "entity-id", configHint, "connection has no entity ID of the identity provider")
	}
	leave, err := c.enter(ctx, signOuts(conn.ID))
	if err != nil {
		return idp.LogoutMessage{}, err
	}
	defer leave()
	now := c.Now()
	v, err := c.verifyLogout(r, policyOf(conn, keys, now))
	if err != nil {
		return idp.LogoutMessage{}, c.unknownKey(conn, err)
	}
	q := logoutRules{issuer: conn.SAML.IdP.EntityID, destination: c.endpoints(conn.ID).SLO, now: now}
	if v.field == fieldRequest {
		m, err = q.request(v.root)
	} else {
		m, err = q.response(v.root)
	}
	m.Relay = v.relay
	if err != nil {
		return idp.LogoutMessage{}, err
	}
	return m, nil
}

// verifiedLogout is a message whose every byte the provider has signed.
type verifiedLogout struct {
	field string
	root  *etree.Element
	relay string
}

func (c *Connector) verifyLogout(r *http.Request, p signaturePolicy) (verifiedLogout, error) {
	switch r.Method {
	case http.MethodGet:
		return c.verifyRedirected(r.URL.RawQuery, p)
	case http.MethodPost:
		return c.verifyPosted(r, p)
	default:
		return verifiedLogout{}, form("method", "message came by another method than GET and POST")
	}
}

// verifyRedirected checks the query's signature before anything looks into the XML.
func (c *Connector) verifyRedirected(raw string, p signaturePolicy) (verifiedLogout, error) {
	m, err := readRedirect(raw)
	if err != nil {
		return verifiedLogout{}, err
	}
	by, err := m.verify(p)
	if err != nil {
		return verifiedLogout{}, err
	}
	c.noteSHA1(by.sha1)
	root, err := c.logoutTree(m.field, m.xml)
	if err != nil {
		return verifiedLogout{}, err
	}
	if child(root, nsDSig, "Signature") != nil {
		return verifiedLogout{}, form("enveloped", "message in a query carries a signature of its own")
	}
	return verifiedLogout{field: m.field, root: root, relay: m.relay}, nil
}

func (c *Connector) verifyPosted(r *http.Request, p signaturePolicy) (verifiedLogout, error) {
	field, m, err := c.readLogoutForm(r)
	if err != nil {
		return verifiedLogout{}, err
	}
	root, err := c.logoutTree(field, m.xml)
	if err != nil {
		return verifiedLogout{}, err
	}
	if child(root, nsDSig, "Signature") == nil {
		return verifiedLogout{}, unsigned("message is not signed")
	}
	by, err := verifyElement(root, p)
	if err != nil {
		return verifiedLogout{}, err
	}
	c.noteSHA1(by.sha1)
	if root, err = c.logoutTree(field, by.canonical); err != nil {
		return verifiedLogout{}, err
	}
	return verifiedLogout{field: field, root: root, relay: m.relay}, nil
}

func (c *Connector) readLogoutForm(r *http.Request) (string, message, error) {
	if err := checkEnvelope(r); err != nil {
		return "", message{}, err
	}
	body, err := c.readBody(r)
	if err != nil {
		return "", message{}, err
	}
	fields, err := parseFields(body)
	if err != nil {
		return "", message{}, err
	}
	field := fieldRequest
	if _, response := fields[fieldResponse]; response {
		field = fieldResponse
	}
	m, err := pick(fields, field, maxLogout)
	return field, m, err
}

// logoutTree guards and parses. Canonical bytes may be longer than what they were made of.
func (c *Connector) logoutTree(field string, b []byte) (*etree.Element, error) {
	kind := xmlguard.LogoutRequest
	if field == fieldResponse {
		kind = xmlguard.LogoutResponse
	}
	g, err := c.guard(b, kind, 2*maxLogout)
	if err != nil {
		return nil, err
	}
	return parse(g.bytes)
}

func (c *Connector) noteSHA1(used bool) {
	if used && c.OnSHA1 != nil {
		c.OnSHA1()
	}
}

// logoutRules are what a verified message is held against.
type logoutRules struct {
	issuer      string
	destination string
	now         time.Time
}

// common reads what both messages have.
func (q logoutRules) common(root *etree.Element, name string) (id string, issued time.Time, err error) {
	var d decoder
	if !is(root, nsProtocol, name) || attr(root, "Version") != "2.0" || attr(root, "ID") == "" {
		d.fail("root", "message is no "+name+" of SAML 2.0")
	}
	issuer := d.plain(d.one(root, nsAssertion, "Issuer"))
	issued = d.instant(root, "IssueInstant")
	if d.err != nil {
		return "", time.Time{}, d.err
	}
	if issuer != q.issuer {
		return "", time.Time{}, otherIssuer("logout")
	}
	switch destination := attr(root, "Destination"); {
	case destination == "": // Bindings §3.4.5.2 and §3.5.5.2: a signed message says where it was sent
		return "", time.Time{}, fault(idp.CodeSAMLDestination, "missing", logoutHint, "signed message has no destination")
	case destination != q.destination:
		return "", time.Time{}, fault(idp.CodeSAMLDestination, "other", logoutHint, "message is for another destination")
	}
	switch {
	case issued.IsZero():
		return "", time.Time{}, late("logout-issued", "no issue instant")
	case issued.After(q.now.Add(Skew)):
		return "", time.Time{}, late("logout-future", "issued in the future")
	case !q.now.Before(issued.Add(logoutLife + Skew)):
		return "", time.Time{}, late("logout-old", "issued too long ago")
	}
	return attr(root, "ID"), issued, nil
}

func (q logoutRules) request(root *etree.Element) (idp.LogoutMessage, error) {
	id, issued, err := q.common(root, "LogoutRequest")
	if err != nil {
		return idp.LogoutMessage{}, err
	}
	var d decoder
	if until := d.instant(root, "NotOnOrAfter"); !until.IsZero() && !q.now.Before(until.Add(Skew)) {
		return idp.LogoutMessage{}, late("logout-expired", "request has expired")
	}
	name := d.nameID(d.one(root, nsAssertion, "NameID"))
	indexes := d.indexes(root)
	if d.err != nil {
		return idp.LogoutMessage{}, d.err
	}
	if name.Value == "" || !readable(name.Value) || !readable(name.Format) || !readable(name.NameQualifier) || !readable(name.SPNameQualifier) {
		return idp.LogoutMessage{}, fault(idp.CodeSAMLNameID, "logout", logoutHint, "NameID is empty, too long or has control characters")
	}
	return idp.LogoutMessage{
		Request: true, ID: id, NameID: name, SessionIndexes: indexes,
		Once: []idp.Once{{Kind: OnceLogout, Value: id, Expires: issued.Add(logoutLife + 2*Skew)}},
	}, nil
}

// indexes lists the sessions to end. An empty one would name every session to some and none to others.
func (d *decoder) indexes(root *etree.Element) []string {
	all := children(root, nsProtocol, "SessionIndex")
	if len(all) > maxIndexes {
		d.fail("session-indexes", fmt.Sprintf("more than %d session indexes", maxIndexes))
		return nil
	}
	var out []string
	for _, el := range all {
		s := d.plain(el)
		if s == "" || len(s) > maxIndex {
			d.fail("session-index", "session index is empty or too long")
		}
		out = append(out, s)
	}
	return out
}

func (q logoutRules) response(root *etree.Element) (idp.LogoutMessage, error) {
	id, _, err := q.common(root, "LogoutResponse")
	if err != nil {
		return idp.LogoutMessage{}, err
	}
	var d decoder
	s := d.status(root)
	if d.err != nil {
		return idp.LogoutMessage{}, d.err
	}
	to := attr(root, "InResponseTo")
	if to == "" {
		return idp.LogoutMessage{}, fault(idp.CodeSAMLInResponseTo, "logout", logoutHint, "answer names no request")
	}
	return idp.LogoutMessage{ID: id, InResponseTo: to, Success: s.code == statusSuccess && s.second != statusPartial}, nil
}
