package xmlguard

import "bytes"

// signed is what the parts of one Signature or EncryptedAssertion say about each other.
type signed struct {
	success         bool // the Status of a Response
	rootSigned      bool // SignedMetadata: the root's signature was met
	parent          []byte
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

// begin holds an element that starts to what its role asks of its attributes.
func (g *guard) begin(f *frame) error {
	switch f.role {
	case response, logoutRequest, logoutResponse, assertion:
		if f.role == assertion {
			g.forget()
		}
		return g.versioned(f)
	case entity:
		if g.kind == SignedMetadata && g.depth == 1 && f.id == nil {
			return g.shape("no-id")
		}
	case statusCode:
		value, ok := g.find("Value")
		if !ok {
			return g.shape("no-status-code")
		}
		if g.frames[g.depth-2].role == status { // the top one; a code within it says more of it
			g.success = g.kind == Response && string(value) == algorithmSuccess
		}
	case signature:
		g.parent, g.transformsSeen = g.frames[g.depth-2].id, 0
	case canonicalizationMethod:
		return g.algorithm("c14n-algorithm", algorithmExcC14N)
	case signatureMethod:
		g.signatureMethod = g.algorithmName()
	case digestMethod:
		g.digestMethod = g.algorithmName()
	case reference:
		return g.referenceURI()
	case transform:
		return g.transform()
	case inclusiveNamespaces:
		return g.prefixList()
	case encryptedAssertion:
		g.encryptedKeys = 0
	case encryptedData:
		if kind, ok := g.find("Type"); ok && string(kind) != typeElement {
			return g.shape("encrypted-type")
		}
	case encryptedKey:
		g.encryptedKeys++
		if g.encryptedKeys > 1 {
			return g.shape("two-encrypted-keys")
		}
	case dataMethod:
		g.dataMethod = g.algorithmName()
		if nonceAndTag(g.dataMethod) == 0 {
			return g.shape("encryption-algorithm")
		}
	case keyMethod:
		return g.algorithm("encryption-algorithm", uriXEnc+"rsa-oaep-mgf1p", uriXEnc11+"rsa-oaep")
	case keyDigest:
		return g.algorithm("encryption-algorithm", algorithmSHA1, algorithmSHA256, algorithmSHA384, algorithmSHA512)
	case keyMGF:
		return g.algorithm("encryption-algorithm", uriXEnc11+"mgf1sha1", uriXEnc11+"mgf1sha256", uriXEnc11+"mgf1sha384",
			uriXEnc11+"mgf1sha512")
	default: // nothing is asked of the attributes of the rest here
	}
	return nil
}

// versioned holds a message or assertion to its version, and to an ID by which it can be signed and burnt.
func (g *guard) versioned(f *frame) error {
	if version, _ := g.find("Version"); string(version) != "2.0" {
		return g.shape("version")
	}
	if f.id == nil {
		return g.shape("no-id")
	}
	return nil
}

func (g *guard) algorithmName() string {
	name, _ := g.find("Algorithm")
	return string(name)
}

func (g *guard) algorithm(rule string, allowed ...string) error {
	name := g.algorithmName()
	for _, a := range allowed {
		if name == a {
			return nil
		}
	}
	return g.shape(rule)
}

// referenceURI holds a Reference to the element that its Signature stands in (SAML 2.0 Core §5.4.2).
func (g *guard) referenceURI() error {
	uri, _ := g.find("URI")
	switch {
	case len(uri) == 0:
		return g.shape("reference-empty")
	case len(g.parent) == 0 || uri[0] != '#' || !bytes.Equal(uri[1:], g.parent):
		return g.shape("reference-uri")
	}
	return nil
}

// transform holds the transforms to SAML 2.0 Core §5.4.4, in the one order that works.
func (g *guard) transform() error {
	g.transformsSeen++
	if g.transformsSeen == 1 {
		return g.algorithm("transforms", algorithmEnveloped)
	}
	return g.algorithm("transforms", algorithmExcC14N)
}

// prefixList reads an InclusiveNamespaces (Exclusive XML Canonicalization §2). #default is refused: goxmldsig does not
// know it. That each prefix means something somewhere is looked at when the document has been read.
func (g *guard) prefixList() error {
	if up := &g.frames[g.depth-2]; up.role == transform && g.transformsSeen != 2 {
		return g.shape("prefix-list") // the enveloped-signature transform takes none
	}
	list, ok := g.find("PrefixList")
	if !ok {
		return g.shape("prefix-list")
	}
	listed := 0
	for prefix := range bytes.FieldsFuncSeq(list, isSpace) {
		listed++
		if listed > maxListed || !isNCName(prefix) || string(prefix) == "xmlns" || string(prefix) == "xml" {
			return g.shape("prefix-list")
		}
		g.listed, g.listedAt = append(g.listed, string(prefix)), g.at
	}
	return nil
}

// complete holds an element that ends to what must have been in it. inner is its content as written.
func (g *guard) complete(f *frame, inner []byte) error {
	c := &grammar[f.role]
	for i := range c.parts {
		if p := &c.parts[i]; int(f.counts[i]) < p.least {
			return &Error{Rule: p.none, Shape: true, Offset: f.offset}
		}
	}
	broken := ""
	switch f.role {
	case response:
		broken = g.responseContent(f)
	case digestValue:
		broken = lengthRule(g.decoded(inner), "digest-length", digestLength(g.digestMethod))
	case signatureValue:
		broken = lengthRule(g.decoded(inner), "signature-length", signatureLength(g.signatureMethod))
	case dataCipherValue:
		broken = lengthRule(g.decoded(inner), "ciphertext-length", cipherLength(g.dataMethod))
	case keyCipherValue:
		broken = lengthRule(g.decoded(inner), "key-length", between(128, 1024))
	case encryptedAssertion:
		if g.encryptedKeys == 0 {
			broken = "no-encrypted-key"
		}
	case keyMaterial, dataKeyInfo:
		if g.elements-f.elements > maxKeyElements || len(inner) > maxKeyInfo {
			broken = "key-info"
		}
	default: // the counts above were all
	}
	if broken != "" {
		return &Error{Rule: broken, Shape: true, Offset: f.offset}
	}
	return nil
}

// responseContent holds Status and content against each other (SAML 2.0 Core §3.2.2.1, Profiles §4.1.4.2).
func (g *guard) responseContent(f *frame) string {
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

func (g *guard) init() {
	g.names.init()
	g.ids = map[string]struct{}{}
}
