package saml

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/tracio-ai/ssogate/idp"
)

// response is what the envelope of an answer says (SAML 2.0 Core §3.2.2).
type response struct {
	signed       bool
	id           string
	issued       time.Time
	destination  string
	inResponseTo string
	issuer       string // empty: none
	status       status
}

// status is the provider's own account of how it went (§3.2.2.1).
type status struct {
	code    string
	second  string
	message string // their words: for the log, cut short
}

// assertion is what the provider says about a person (§2.3.3).
type assertion struct {
	id            string
	issued        time.Time
	issuer        string
	nameID        idp.NameID
	confirmations []confirmation
	conditions    conditions
	authn         authn
	attributes    []attribute // in document order, over all statements
}

// confirmation is one way to tell that whoever brings the assertion is its subject (§2.4.1.1).
type confirmation struct {
	method       string
	recipient    string
	inResponseTo string
	notBefore    bool      // present, which the bearer profile forbids
	notOnOrAfter time.Time // zero: absent
}

// conditions bound where and when an assertion counts (§2.5.1).
type conditions struct {
	notBefore    time.Time
	notOnOrAfter time.Time
	audiences    [][]string // of each restriction
	others       int        // conditions nobody here understands
}

// authn is how and when the person signed in (§2.7.2).
type authn struct {
	instant      time.Time
	sessionIndex string
	sessionEnds  time.Time // zero: not said
	class        string
}

// attribute is one Attribute element (§2.7.3.1).
type attribute struct {
	name   string
	values []value
}

type value struct {
	text string
	tree bool // has child elements: no plain text
}

const statusSuccess = "urn:oasis:names:tc:SAML:2.0:status:Success"

// succeeded reads the status before anything else is decoded.
func succeeded(root *etree.Element) bool {
	return attr(child(child(root, nsProtocol, "Status"), nsProtocol, "StatusCode"), "Value") == statusSuccess
}

// decoder reads a tree into our structs. The first fault stays; what is read after it does not matter.
type decoder struct{ err error }

func (d *decoder) fail(detail, what string) {
	if d.err == nil {
		d.err = fault(idp.CodeSAMLShape, detail, "", what)
	}
}

// one is the child element of that name, of which there must be exactly one: encoding/xml would merge several, and a
// reader of its own would take the first or the last.
func (d *decoder) one(el *etree.Element, ns, local string) *etree.Element {
	out := d.most(el, ns, local)
	if out == nil {
		d.fail("missing", "an element is missing")
	}
	return out
}

// most is the child element of that name, of which there may be one.
func (d *decoder) most(el *etree.Element, ns, local string) *etree.Element {
	all := children(el, ns, local)
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	default:
		d.fail("repeated", "an element repeats")
		return nil
	}
}

// known refuses attributes that bound something in a way nobody here understands.
func (d *decoder) known(el *etree.Element, names ...string) {
	if el == nil {
		return
	}
	for _, a := range el.Attr {
		if a.Space == "" && a.Key != "xmlns" && !slices.Contains(names, a.Key) {
			d.fail("unknown-attribute", "an attribute is not the schema's")
		}
	}
}

// plain is the trimmed text of an element that must have no child elements.
func (d *decoder) plain(el *etree.Element) string {
	if el == nil {
		return ""
	}
	if !leaf(el) {
		d.fail("not-text", "an element has children where text belongs")
	}
	return trimmed(el)
}

// instant reads a moment, which SAML has in UTC (SAML 2.0 Core §1.3.3). Zero: the attribute is absent.
func (d *decoder) instant(el *etree.Element, name string) time.Time {
	s, ok := lookup(el, name)
	if !ok {
		return time.Time{}
	}
	t, err := parseInstant(s)
	if err != nil && d.err == nil {
		d.err = wrapped(idp.CodeSAMLTime, "format", "", err)
	}
	return t
}

func parseInstant(s string) (time.Time, error) {
	s = strings.Trim(s, " \t\r\n")
	if len(s) > 40 || strings.Trim(s, "0123456789TZ:.-") != "" || !strings.HasSuffix(s, "Z") {
		return time.Time{}, errors.New("a time is not in UTC")
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.IsZero() {
		return time.Time{}, errors.New("a time does not parse")
	}
	return t, nil
}

func decodeResponse(root *etree.Element, signed bool) (response, error) {
	var d decoder
	if !is(root, nsProtocol, "Response") || attr(root, "Version") != "2.0" {
		d.fail("root", "message is not a response of SAML 2.0")
	}
	out := response{
		signed: signed, id: attr(root, "ID"), issued: d.instant(root, "IssueInstant"),
		destination: attr(root, "Destination"), inResponseTo: attr(root, "InResponseTo"),
		issuer: d.plain(d.most(root, nsAssertion, "Issuer")), status: d.status(root),
	}
	return out, d.err
}

func (d *decoder) status(root *etree.Element) status {
	el := d.one(root, nsProtocol, "Status")
	top := d.one(el, nsProtocol, "StatusCode")
	return status{
		code: attr(top, "Value"), second: attr(d.most(top, nsProtocol, "StatusCode"), "Value"),
		message: d.plain(d.most(el, nsProtocol, "StatusMessage")),
	}
}

func decodeAssertion(root *etree.Element) (assertion, error) {
	var d decoder
	if !is(root, nsAssertion, "Assertion") || attr(root, "Version") != "2.0" {
		d.fail("root", "assertion is not of SAML 2.0")
	}
	out := assertion{id: attr(root, "ID"), issued: d.instant(root, "IssueInstant"), issuer: d.plain(d.one(root, nsAssertion, "Issuer"))}
	if out.id == "" {
		d.fail("missing", "assertion has no ID")
	}
	subject := d.one(root, nsAssertion, "Subject")
	out.nameID = d.nameID(d.one(subject, nsAssertion, "NameID"))
	for _, el := range children(subject, nsAssertion, "SubjectConfirmation") {
		out.confirmations = append(out.confirmations, d.confirmation(el))
	}
	out.conditions = d.conditions(d.one(root, nsAssertion, "Conditions"))
	out.authn = d.authn(d.one(root, nsAssertion, "AuthnStatement"))
	for _, statement := range children(root, nsAssertion, "AttributeStatement") {
		for _, el := range children(statement, nsAssertion, "Attribute") {
			out.attributes = append(out.attributes, d.attribute(el))
		}
	}
	return out, d.err
}

func (d *decoder) nameID(el *etree.Element) idp.NameID {
	return idp.NameID{
		Value: d.plain(el), Format: attr(el, "Format"), NameQualifier: attr(el, "NameQualifier"), SPNameQualifier: attr(el, "SPNameQualifier"),
	}
}

func (d *decoder) confirmation(el *etree.Element) confirmation {
	data := d.most(el, nsAssertion, "SubjectConfirmationData")
	d.known(data, "NotBefore", "NotOnOrAfter", "Recipient", "InResponseTo", "Address")
	_, early := lookup(data, "NotBefore")
	return confirmation{
		method: attr(el, "Method"), recipient: attr(data, "Recipient"), inResponseTo: attr(data, "InResponseTo"),
		notBefore: early, notOnOrAfter: d.instant(data, "NotOnOrAfter"),
	}
}

func (d *decoder) conditions(el *etree.Element) conditions {
	d.known(el, "NotBefore", "NotOnOrAfter")
	out := conditions{notBefore: d.instant(el, "NotBefore"), notOnOrAfter: d.instant(el, "NotOnOrAfter")}
	if el == nil {
		return out
	}
	for c := range el.ChildElementsSeq() {
		switch {
		case is(c, nsAssertion, "AudienceRestriction"):
			var names []string
			for _, a := range children(c, nsAssertion, "Audience") {
				names = append(names, d.plain(a))
			}
			out.audiences = append(out.audiences, names)
		case is(c, nsAssertion, "OneTimeUse"), is(c, nsAssertion, "ProxyRestriction"):
		default:
			out.others++
		}
	}
	return out
}

func (d *decoder) authn(el *etree.Element) authn {
	context := d.one(el, nsAssertion, "AuthnContext")
	return authn{
		instant: d.instant(el, "AuthnInstant"), sessionIndex: attr(el, "SessionIndex"), sessionEnds: d.instant(el, "SessionNotOnOrAfter"),
		class: d.plain(d.most(context, nsAssertion, "AuthnContextClassRef")),
	}
}

func (d *decoder) attribute(el *etree.Element) attribute {
	out := attribute{name: attr(el, "Name")}
	for _, v := range children(el, nsAssertion, "AttributeValue") {
		out.values = append(out.values, value{text: trimmed(v), tree: !leaf(v)})
	}
	return out
}
