package xmlguard

import (
	"bytes"
	"slices"
)

// signed is what the parts of one Signature or EncryptedAssertion say about each other.
type signed struct {
	success         bool   // the Status of a Response
	rootSigned      bool   // SignedMetadata: the root's signature was met
	signedID        []byte // the ID of the element that the Signature stands in
	signatureMethod string
	digestMethod    string
	dataMethod      string
	transformsSeen  int
	encryptedKeys   int
	listed          []string // prefixes of the InclusiveNamespaces so far
	listedAt        int
}

// The algorithms whose lengths are known, and the only ones for transforms and encryption (XML Signature §6, RFC 9231,
// XML Encryption 1.1 §5). Which signatures are believed is for the verifier.
const (
	algorithmSuccess   = "urn:oasis:names:tc:SAML:2.0:status:Success"
	algorithmEnveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	algorithmExcC14N   = "http://www.w3.org/2001/10/xml-exc-c14n#"
	algorithmSHA1      = "http://www.w3.org/2000/09/xmldsig#sha1"
	algorithmSHA256    = "http://www.w3.org/2001/04/xmlenc#sha256"
	algorithmSHA384    = "http://www.w3.org/2001/04/xmldsig-more#sha384"
	algorithmSHA512    = "http://www.w3.org/2001/04/xmlenc#sha512"
	typeElement        = "http://www.w3.org/2001/04/xmlenc#Element"
	moreDSig           = "http://www.w3.org/2001/04/xmldsig-more#"
)

// versioned holds a message or assertion to its version, and to an ID by which it can be signed and burnt.
func (g *guard) versioned() error {
	if version, _ := g.find("Version"); string(version) != "2.0" {
		return g.shape("version")
	}
	return g.identified()
}

func (g *guard) identified() error {
	if g.innermost().id == nil {
		return g.shape("no-id")
	}
	return nil
}

func (g *guard) assertion() error {
	g.forget()
	return g.versioned()
}

// entity wants an ID of the root that a signature has to refer to.
func (g *guard) entity() error {
	if g.kind != SignedMetadata || g.depth > 1 {
		return nil
	}
	return g.identified()
}

func (g *guard) statusCode() error {
	value, ok := g.find("Value")
	if !ok {
		return g.shape("no-status-code")
	}
	if g.parent().role == status { // the top one; a code within it says more of it
		g.success = string(value) == algorithmSuccess
	}
	return nil
}

func (g *guard) signature() error {
	g.signedID, g.transformsSeen = g.parent().id, 0
	return nil
}

func (g *guard) algorithmName() string {
	name, _ := g.find("Algorithm")
	return string(name)
}

// algorithm makes the check that an element names one of the algorithms.
func algorithm(rule string, allowed ...string) func(*guard) error {
	return func(g *guard) error {
		if !slices.Contains(allowed, g.algorithmName()) {
			return g.shape(rule)
		}
		return nil
	}
}

func (g *guard) signing() error {
	g.signatureMethod = g.algorithmName()
	return nil
}

func (g *guard) digesting() error {
	g.digestMethod = g.algorithmName()
	return nil
}

// referenceURI holds a Reference to the element that its Signature stands in (SAML 2.0 Core §5.4.2).
func (g *guard) referenceURI() error {
	uri, _ := g.find("URI")
	switch {
	case len(uri) == 0:
		return g.shape("reference-empty")
	case len(g.signedID) == 0 || uri[0] != '#' || !bytes.Equal(uri[1:], g.signedID):
		return g.shape("reference-uri")
	}
	return nil
}

// transform holds the transforms to SAML 2.0 Core §5.4.4, in the one order that works.
func (g *guard) transform() error {
	g.transformsSeen++
	want := algorithmExcC14N
	if g.transformsSeen == 1 {
		want = algorithmEnveloped
	}
	return algorithm("transforms", want)(g)
}

// prefixList reads an InclusiveNamespaces (Exclusive XML Canonicalization §2). #default is refused: goxmldsig does not
// know it. So are empty items, for which xmlsec declares the default namespace. That each prefix means something somewhere is looked at when the document has been read.
func (g *guard) prefixList() error {
	if g.parent().role == transform && g.transformsSeen != 2 {
		return g.shape("prefix-list") // the enveloped-signature transform takes none
	}
	list, ok := g.find("PrefixList")
	if !ok {
		return g.shape("prefix-list")
	}
	if len(list) == 0 {
		return nil
	}
	listed := 0
	for prefix := range bytes.SplitSeq(list, []byte{' '}) {
		listed++
		if listed > maxListed || !isNCName(prefix) || string(prefix) == "xmlns" || string(prefix) == "xml" {
			return g.shape("prefix-list")
		}
		g.listed, g.listedAt = append(g.listed, string(prefix)), g.at
	}
	return nil
}

// responseContent holds Status and content against each other (SAML 2.0 Core §3.2.2.1, Profiles §4.1.4.2).
func (g *guard) responseContent(f *frame, _ []byte) string {
	const plain, encrypted = 4, 5 // places in the grammar of response
	switch held := f.counts[plain] + f.counts[encrypted]; {
	case held > 1:
		return "two-assertions"
	case g.success && held == 0:
		return "no-assertion"
	case !g.success && held > 0:
		return "assertion-with-failure"
	}
	return ""
}

// finish looks at what only the whole document can tell.
func (g *guard) finish() error {
	if g.kind == SignedMetadata && !g.rootSigned {
		return g.shape("no-signature")
	}
	for _, prefix := range g.listed {
		if _, ok := g.prefixes[prefix]; !ok {
			return &Error{Rule: "prefix-list", Shape: true, Offset: g.listedAt}
		}
	}
	return nil
}
