package saml

import (
	"fmt"
	"maps"
	"strings"
)

// dice are random numbers that come out the same in every run, so that a document that fails can be made again.
type dice uint64

// roll is SplitMix64.
func (d *dice) roll(n int) int {
	*d += 0x9E3779B97F4A7C15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return int((z ^ z>>31) % uint64(n))
}

func (d *dice) maybe(percent int) bool { return d.roll(100) < percent }

func anyOf[T any](d *dice, of ...T) T { return of[d.roll(len(of))] }

// speller spells one response at random: prefixes, declarations, attribute order, quotes, references, white space. What it
// says is plain SAML all the same.
type speller struct {
	*dice
	out    strings.Builder
	prefix map[string]string // of a namespace; "" is the default one
	scope  []map[string]string
	nl     string
}

// xmlAttr has its value as it is meant.
type xmlAttr struct{ name, value string }

func newSpeller(d *dice) *speller {
	return &speller{
		dice: d,
		nl:   anyOf(d, "", "", "\n", "\r\n", "\n  ", "\t", "&#13;\n"),
		prefix: map[string]string{
			nsProtocol:  anyOf(d, "samlp", "saml2p", "p", ""),
			nsAssertion: anyOf(d, "saml", "saml2", "a", ""),
			nsDSig:      anyOf(d, "ds", "dsig", ""),
			nsExcC14N:   anyOf(d, "ec", "inc", ""),
			"urn:q":     anyOf(d, "q", "zz", "A", ""),
			"urn:w":     anyOf(d, "w", "b"),
		},
		scope: []map[string]string{{}},
	}
}

// element writes one element and what inside writes; the namespace is declared where it is not in force, and sometimes
// where it is.
func (w *speller) element(ns, local string, attrs []xmlAttr, inside func()) {
	outer := w.scope[len(w.scope)-1]
	scope := map[string]string{}
	maps.Copy(scope, outer)
	need := map[string]string{}
	want := func(p, uri string) {
		if scope[p] != uri || w.maybe(5) {
			need[p], scope[p] = uri, uri
		}
	}
	want(w.prefix[ns], ns)
	for _, a := range attrs {
		switch p, _, _ := strings.Cut(a.name, ":"); p {
		case "xsi":
			want("xsi", "http://www.w3.org/2001/XMLSchema-instance")
		case "w":
			want("w", "urn:w")
		case "xs": // a declaration for its own sake
			want("xs", "http://www.w3.org/2001/XMLSchema")
		}
	}
	for i := range w.roll(3) * w.roll(2) {
		want(fmt.Sprintf("u%d", i), anyOf(w.dice, "urn:u", "http://u.example/?a=1#%20", "urn:v"))
	}
	var all []string
	for p, uri := range need {
		name := "xmlns"
		if p != "" {
			name += ":" + p
		}
		all = append(all, name+w.equals()+w.quoted(uri, false))
	}
	for _, a := range attrs {
		if !strings.HasPrefix(a.name, "xs:") {
			all = append(all, a.name+w.equals()+w.quoted(a.value, !strings.Contains("ID URI Algorithm Value Version PrefixList", a.name)))
		}
	}
	for i := range all {
		j := w.roll(i + 1)
		all[i], all[j] = all[j], all[i]
	}
	name := local
	if w.prefix[ns] != "" {
		name = w.prefix[ns] + ":" + local
	}
	w.out.WriteString("<" + name)
	for _, a := range all {
		w.out.WriteString(anyOf(w.dice, " ", " ", " ", "  ", "\n", "\t ") + a)
	}
	w.out.WriteString(anyOf(w.dice, "", "", "", " "))
	if inside == nil {
		w.out.WriteString(anyOf(w.dice, "/>", "></"+name+">", "></"+name+"\n>"))
		return
	}
	w.out.WriteString(">")
	w.scope = append(w.scope, scope)
	inside()
	w.scope = w.scope[:len(w.scope)-1]
	w.out.WriteString("</" + name + anyOf(w.dice, "", "", "", " ") + ">")
}

func (w *speller) equals() string { return anyOf(w.dice, "=", "=", "=", "=", " = ") }

// quoted spells an attribute's value. odd lets characters be referred to that an identifier would not have.
func (w *speller) quoted(s string, odd bool) string {
	q := anyOf(w.dice, `"`, `"`, `'`)
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '"' && q == `"`:
			b.WriteString(anyOf(w.dice, "&quot;", "&#34;"))
		case r == '\'' && q == `'`:
			b.WriteString("&apos;")
		case r < ' ', odd && w.maybe(3):
			fmt.Fprintf(&b, anyOf(w.dice, "&#%d;", "&#x%x;", "&#x0%X;"), r)
		default:
			b.WriteRune(r)
		}
	}
	return q + b.String() + q
}

func (w *speller) text(s string) {
	for _, r := range s {
		switch {
		case r == '&':
			w.out.WriteString("&amp;")
		case r == '<':
			w.out.WriteString("&lt;")
		case r == '\r', w.maybe(3):
			fmt.Fprintf(&w.out, anyOf(w.dice, "&#%d;", "&#x%x;"), r)
		case r == '\n':
			w.out.WriteString(anyOf(w.dice, "\n", "\r\n", "\r"))
		case r == '>':
			w.out.WriteString(anyOf(w.dice, ">", "&gt;"))
		default:
			w.out.WriteRune(r)
		}
	}
}

func (w *speller) leaf(local, s string, attrs ...xmlAttr) {
	w.element(nsAssertion, local, attrs, func() { w.text(s) })
	w.out.WriteString(w.nl)
}

func (w *speller) group(ns, local string, attrs []xmlAttr, inside func()) {
	w.element(ns, local, attrs, func() {
		w.out.WriteString(w.nl)
		inside()
	})
	w.out.WriteString(w.nl)
}

// words are texts in which canonicalisers have differed.
func (w *speller) words() string {
	return anyOf(w.dice, "Analysts", "a > b && c < d", "\"quoted\" 'twice'", "Ärger & Söhne", "漢字", "😀", "e\u0301", "\u00A0x\u2028y\u0085z",
		" padded ", "two\nlines", "tab\there", "carriage\rreturn", "]] >", "]]", "", " ", "\uFFFD", "{}[]|\\^`%")
}

// oracleSigning is how one signature of a document is to be made.
type oracleSigning struct {
	method, digest string
	list, infoList string // prefixes of the two InclusiveNamespaces
}

// signature writes one that is empty but for marks of its number.
func (w *speller) signature(id string, s oracleSigning, number int) {
	inclusive := func(list string) func() {
		if list == "" {
			return nil
		}
		return func() { w.element(nsExcC14N, "InclusiveNamespaces", []xmlAttr{{"PrefixList", list}}, nil) }
	}
	w.group(nsDSig, "Signature", nil, func() {
		w.group(nsDSig, "SignedInfo", nil, func() {
			w.element(nsDSig, "CanonicalizationMethod", []xmlAttr{{"Algorithm", excC14N}}, inclusive(s.infoList))
			w.out.WriteString(w.nl)
			w.element(nsDSig, "SignatureMethod", []xmlAttr{{"Algorithm", s.method}}, nil)
			w.group(nsDSig, "Reference", []xmlAttr{{"URI", "#" + id}}, func() {
				w.group(nsDSig, "Transforms", nil, func() {
					w.element(nsDSig, "Transform", []xmlAttr{{"Algorithm", enveloped}}, nil)
					w.element(nsDSig, "Transform", []xmlAttr{{"Algorithm", excC14N}}, inclusive(s.list))
				})
				w.element(nsDSig, "DigestMethod", []xmlAttr{{"Algorithm", s.digest}}, nil)
				w.element(nsDSig, "DigestValue", nil, func() { fmt.Fprintf(&w.out, "@digest%d@", number) })
			})
		})
		w.element(nsDSig, "SignatureValue", nil, func() { fmt.Fprintf(&w.out, "@value%d@", number) })
	})
}

// response writes a whole one with an empty signature over the Response, the Assertion or both; nil is none.
func (w *speller) response(number int, response, assertion *oracleSigning) string {
	id, aid := fmt.Sprintf("_r%d", number), fmt.Sprintf("_a%d", number)
	w.out.WriteString(anyOf(w.dice, "", "", `<?xml version="1.0"?>`, "<?xml version='1.0' encoding='utf-8'?>\r\n", `<?xml version="1.0" encoding="UTF-8" standalone="no"?>`))
	w.element(nsProtocol, "Response", []xmlAttr{
		{"ID", id}, {"Version", "2.0"}, {"IssueInstant", "2026-05-04T12:00:00Z"}, {"Consent", w.words()}, {"xs:", ""}, {"xsi:schemaLocation", "urn:x x.xsd"},
	}[:anyOf(w.dice, 3, 4, 5, 6)], func() {
		w.out.WriteString(w.nl)
		w.leaf("Issuer", "https://idp.example/?a=1&b=2")
		if response != nil {
			w.signature(id, *response, 0)
		}
		if w.maybe(20) {
			w.group(nsProtocol, "Extensions", nil, func() { w.foreign(3) })
		}
		w.group(nsProtocol, "Status", nil, func() {
			w.element(nsProtocol, "StatusCode", []xmlAttr{{"Value", "urn:oasis:names:tc:SAML:2.0:status:Success"}}, nil)
		})
		w.assertion(aid, assertion)
	})
	w.out.WriteString(anyOf(w.dice, "", "\n", " \r\n"))
	return w.out.String()
}

func (w *speller) assertion(id string, s *oracleSigning) {
	w.group(nsAssertion, "Assertion", []xmlAttr{{"ID", id}, {"Version", "2.0"}, {"IssueInstant", "2026-05-04T12:00:00Z"}, {"xs:", ""}}, func() {
		w.leaf("Issuer", "https://idp.example/?a=1&b=2")
		if s != nil {
			w.signature(id, *s, 1)
		}
		w.group(nsAssertion, "Subject", nil, func() {
			w.leaf("NameID", w.words(), xmlAttr{"NameQualifier", w.words()}, xmlAttr{"Format", "urn:x"})
			w.group(nsAssertion, "SubjectConfirmation", []xmlAttr{{"Method", "urn:x"}}, func() {
				w.element(nsAssertion, "SubjectConfirmationData", []xmlAttr{{"Recipient", "https://gate.example/?a&b"}, {"InResponseTo", "_q"}, {"w:note", w.words()}}[:1+w.roll(3)], nil)
			})
		})
		w.group(nsAssertion, "Conditions", []xmlAttr{{"NotBefore", "2026-05-04T12:00:00Z"}}, func() {
			w.group(nsAssertion, "AudienceRestriction", nil, func() { w.leaf("Audience", "https://gate.example") })
		})
		w.group(nsAssertion, "AuthnStatement", []xmlAttr{{"SessionIndex", w.words()}, {"AuthnInstant", "2026-05-04T12:00:00Z"}}, func() {
			w.group(nsAssertion, "AuthnContext", nil, func() { w.leaf("AuthnContextClassRef", "urn:x") })
		})
		w.group(nsAssertion, "AttributeStatement", nil, func() {
			for range 1 + w.roll(4) {
				w.attribute()
			}
		})
	})
}

func (w *speller) attribute() {
	w.group(nsAssertion, "Attribute", []xmlAttr{{"Name", "groups"}, {"FriendlyName", w.words()}, {"w:origin", w.words()}}[:1+w.roll(3)], func() {
		for range w.roll(4) {
			attrs := []xmlAttr{{"xsi:type", "xs:string"}, {"xs:", ""}, {"xml:lang", "de"}}
			w.element(nsAssertion, "AttributeValue", anyOf(w.dice, nil, attrs[:2], attrs[2:], attrs[:1]), func() {
				w.text(w.words())
				if w.maybe(25) {
					w.foreign(4)
				}
			})
			w.out.WriteString(w.nl)
		}
	})
}

// foreign writes elements of other namespaces, some of them with the default one or in none where there is no default.
func (w *speller) foreign(depth int) {
	w.element(anyOf(w.dice, "urn:q", "urn:w"), anyOf(w.dice, "x", "y", "Z"), anyOf(w.dice,
		[]xmlAttr{{"b", w.words()}, {"a", "1"}, {"w:c", w.words()}, {"w:a", "2"}}[:w.roll(5)],
		[]xmlAttr{{"w:z", w.words()}, {"xsi:type", "x"}}, // two namespaces, in an order that all agree on
	), func() {
		w.text(w.words())
		for range w.roll(3) {
			if depth > 0 {
				w.foreign(depth - 1)
			}
		}
	})
}
