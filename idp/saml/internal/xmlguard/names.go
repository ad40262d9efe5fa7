package xmlguard

import (
	"bytes"
	"net/url"
	"strings"
)

// namespace numbers a namespace name within one document. Those that the rules speak of have constants.
type namespace uint8

const (
	noNamespace namespace = iota
	nsAssertion
	nsProtocol
	nsDSig
	nsXEnc
	nsMetadata
	nsXEnc11
	nsExcC14N
	nsXSI
	nsXML
	nsFirstOther
)

// The namespace names (SAML 2.0 Core §1.1, Metadata §1.1; XML Signature §1.1; XML Encryption §1.3).
const (
	uriAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	uriProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	uriDSig      = "http://www.w3.org/2000/09/xmldsig#"
	uriXEnc      = "http://www.w3.org/2001/04/xmlenc#"
	uriMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	uriXEnc11    = "http://www.w3.org/2009/xmlenc11#"
	uriExcC14N   = "http://www.w3.org/2001/10/xml-exc-c14n#"
	uriXSI       = "http://www.w3.org/2001/XMLSchema-instance"
	uriXML       = "http://www.w3.org/XML/1998/namespace"
	uriXMLNS     = "http://www.w3.org/2000/xmlns/"
)

func isCore(ns namespace) bool { return ns >= nsAssertion && ns <= nsXEnc }

// binding is one prefix of the document and what it means where the scanner stands.
type binding struct {
	now      namespace // noNamespace: unbound here
	rendered namespace // what the canonical form has said of the prefix by here
	first    namespace // the first it was ever bound to
	element  int       // the last that bound it, by number
	several  bool      // it was bound to another since
	core     bool      // one of them is the assertion, protocol, dsig or xenc namespace
}

// change is what leaving an element undoes.
type change struct {
	prefix        uint8
	now, rendered namespace
}

// names resolves prefixes. Prefix 0 is the default namespace, 1 is xml.
type names struct {
	prefixes map[string]uint8
	bindings [maxPrefixes + 2]binding
	uris     map[string]namespace
	list     [maxNamespaces + int(nsFirstOther)]string
	undo     []change
}

const (
	prefixDefault uint8 = iota
	prefixXML
)

func (n *names) init() {
	n.prefixes = map[string]uint8{"": prefixDefault, "xml": prefixXML}
	n.uris = map[string]namespace{
		uriAssertion: nsAssertion, uriProtocol: nsProtocol, uriDSig: nsDSig, uriXEnc: nsXEnc, uriMetadata: nsMetadata,
		uriXEnc11: nsXEnc11, uriExcC14N: nsExcC14N, uriXSI: nsXSI, uriXML: nsXML,
	}
	for uri, ns := range n.uris {
		n.list[ns] = uri
	}
	n.bindings[prefixXML] = binding{now: nsXML, rendered: nsXML, first: nsXML}
}

// number interns a namespace name. It returns the rule that a new one breaks.
func (n *names) number(uri []byte) (ns namespace, broken string) {
	if ns, ok := n.uris[string(uri)]; ok {
		return ns, ""
	}
	switch {
	case len(uri) == 0:
		return 0, "xmlns-empty"
	case string(uri) == uriXMLNS:
		return 0, "xmlns-reserved"
	case !isAbsoluteURI(string(uri)):
		return 0, "xmlns-uri"
	case len(n.uris) >= len(n.list)-1:
		return 0, "too-many-namespaces"
	}
	ns = namespace(len(n.uris) + 1) //nolint:gosec // at most len(n.list), which is below 256
	n.uris[string(uri)] = ns
	n.list[ns] = string(uri)
	return ns, ""
}

// isAbsoluteURI holds namespace names to characters of RFC 3986: with relative ones canonicalisation is undefined (Canonical
// XML 1.0 §1.3), and some implementations write nothing for them. An ampersand would have to be written as a reference,
// which libxml2 leaves in the name as it stands.
func isAbsoluteURI(uri string) bool {
	if len(uri) > maxURI {
		return false
	}
	for _, c := range []byte(uri) {
		if c <= ' ' || c >= 0x7F || strings.IndexByte("&<>\"{}|\\^`[]", c) >= 0 {
			return false
		}
	}
	u, err := url.Parse(uri)
	return err == nil && u.Scheme != "" && strings.Count(uri, "#") <= 1
}

// bind declares prefix for the element of that number. It returns the rule this breaks.
func (n *names) bind(prefix, uri []byte, element int) (broken string) {
	if string(prefix) == "xml" || string(prefix) == "xmlns" {
		return "xmlns-reserved"
	}
	p, known := n.prefixes[string(prefix)]
	if !known {
		if len(n.prefixes) == len(n.bindings) {
			return "too-many-prefixes"
		}
		p = uint8(len(n.prefixes)) //nolint:gosec // at most len(n.bindings)
		n.prefixes[string(prefix)] = p
	}
	b := &n.bindings[p]
	if b.element == element {
		return "duplicate-attribute"
	}
	ns := b.first
	if ns == noNamespace || n.list[ns] != string(uri) { // nearly always a prefix means what it meant before
		if ns, broken = n.number(uri); broken != "" {
			return broken
		}
	}
	if ns == nsXML {
		return "xmlns-reserved"
	}
	n.undo = append(n.undo, change{p, b.now, b.rendered})
	if b.first == noNamespace {
		b.first = ns
	}
	b.now, b.element = ns, element
	b.several, b.core = b.several || b.first != ns, b.core || isCore(ns)
	if p != prefixDefault && b.several && b.core {
		return "prefix-rebound"
	}
	return ""
}

// resolve tells which prefix it is and what it means here.
func (n *names) resolve(prefix []byte) (p uint8, ns namespace, ok bool) {
	if len(prefix) == 0 {
		return prefixDefault, n.bindings[prefixDefault].now, true
	}
	p, known := n.prefixes[string(prefix)]
	if !known || n.bindings[p].now == noNamespace {
		return 0, noNamespace, false
	}
	return p, n.bindings[p].now, true
}

// render notes that the canonical form needs the prefix here, and returns the bytes of the declaration, if it is one.
func (n *names) render(p uint8, prefix []byte) int {
	b := &n.bindings[p]
	if b.rendered == b.now {
		return 0
	}
	n.undo = append(n.undo, change{p, b.now, b.rendered})
	b.rendered = b.now
	return len(` xmlns:=""`) + len(prefix) + len(n.list[b.now])
}

// forget makes the canonical form begin anew here: a signed element is canonicalised on its own.
func (n *names) forget() {
	for p := range len(n.prefixes) {
		if p != int(prefixXML) && n.bindings[p].rendered != noNamespace {
			n.undo = append(n.undo, change{uint8(p), n.bindings[p].now, n.bindings[p].rendered})
			n.bindings[p].rendered = noNamespace
		}
	}
}

// leave takes back what was declared since mark. What a prefix has ever been bound to is kept.
func (n *names) leave(mark int) {
	for i := len(n.undo) - 1; i >= mark; i-- {
		c := n.undo[i]
		b := &n.bindings[c.prefix]
		b.now, b.rendered = c.now, c.rendered
	}
	n.undo = n.undo[:mark]
}

// kebab writes a SAML name as part of a rule: EncryptedKey is encrypted-key.
func kebab(local []byte) string {
	var out bytes.Buffer
	for i, c := range local {
		if 'A' <= c && c <= 'Z' {
			if i > 0 {
				out.WriteByte('-')
			}
			c += 'a' - 'A'
		}
		out.WriteByte(c)
	}
	return out.String()
}
