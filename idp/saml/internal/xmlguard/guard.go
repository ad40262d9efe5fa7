package xmlguard

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Kind is what a document must be. The zero value is no kind and refuses everything.
type Kind int

// The kinds.
const (
	Response       Kind = iota + 1 // samlp:Response, whole or as its verified canonical bytes
	Assertion                      // saml:Assertion on its own: decrypted, or its verified canonical bytes
	LogoutRequest                  // samlp:LogoutRequest
	LogoutResponse                 // samlp:LogoutResponse
	Metadata                       // md:EntityDescriptor or md:EntitiesDescriptor, of any shape; comments between elements pass
	SignedMetadata                 // the same, and a Signature of the root is there and of the form that is verified
)

// The limits on every document.
const (
	DefaultBytes = 640 << 10
	MaxBytes     = 1 << 20 // of a document, and of the canonical form of one

	maxDepth         = 32
	maxElements      = 5_000
	maxMetadata      = 40_000 // elements: a federation lists many entities
	maxAttributes    = 32     // an element
	maxAverage       = 4      // attributes and declarations, a document, for each element it may have
	maxXMLNS         = 16     // an element
	maxUsedPrefixes  = 8      // an element: what exclusive canonicalisation may have to declare on it
	maxPrefixes      = 32     // a document
	maxNamespaces    = 64     // a document
	maxName          = 256
	maxURI           = 1024 // of a namespace
	maxID            = 256
	maxListed        = 8 // prefixes of an InclusiveNamespaces
	maxConfirmations = 4
	maxKeyElements   = 64
	maxKeyInfo       = 64 << 10
)

// Error says which rule a document broke, and where. It is always the sender's fault.
type Error struct {
	Rule   string // from the tables of the package comment
	Shape  bool   // well-formed XML that is not the SAML it should be; false: not XML that two parsers read alike
	Offset int    // in bytes
}

// Error implements error. It quotes nothing of the document.
func (e *Error) Error() string {
	if e.Shape {
		return fmt.Sprintf("saml shape: %s at byte %d", e.Rule, e.Offset)
	}
	return fmt.Sprintf("xml: %s at byte %d", e.Rule, e.Offset)
}

// Document is the proof that bytes passed Check. Its zero value holds none.
type Document struct {
	bytes    []byte
	kind     Kind
	elements int
}

// Bytes returns what was checked. It is the slice that Check was given: nobody may write to it.
func (d Document) Bytes() []byte { return d.bytes }

// Kind returns what the document was checked to be.
func (d Document) Kind() Kind { return d.kind }

// Elements counts the elements.
func (d Document) Elements() int { return d.elements }

// Check reads b once and returns it as a Document, or an *Error that names the first rule it breaks. limit is in bytes:
// 0 is DefaultBytes (MaxBytes for metadata), and more than MaxBytes is MaxBytes.
func Check(b []byte, k Kind, limit int) (Document, error) {
	g := &guard{scanner: scanner{b: b}, kind: k, elementLimit: maxElements}
	if rootRole(k) == nothing {
		return Document{}, g.xml("kind")
	}
	if k == Metadata || k == SignedMetadata {
		g.comments, g.elementLimit = true, maxMetadata
	}
	if err := g.precheck(byteLimit(k, limit)); err != nil {
		return Document{}, err
	}
	g.init()
	if err := g.document(); err != nil {
		return Document{}, err
	}
	return Document{bytes: b, kind: k, elements: g.elements}, nil
}

func byteLimit(k Kind, limit int) int {
	if limit <= 0 {
		limit = DefaultBytes
		if k == Metadata || k == SignedMetadata {
			limit = MaxBytes
		}
	}
	return min(limit, MaxBytes)
}

// The UTF-8 of U+FEFF and of the two characters that XML 1.0 §2.2 excludes by name.
var (
	byteOrderMark = []byte("\xEF\xBB\xBF")
	noCharacterFE = []byte("\xEF\xBF\xBE")
	noCharacterFF = []byte("\xEF\xBF\xBF")
)

// precheck is what can be counted in the bytes without reading them as XML, so that most bombs cost next to nothing.
func (g *guard) precheck(limit int) error {
	b := g.b
	switch {
	case len(b) == 0:
		return g.xml("empty")
	case len(b) > limit:
		g.at = limit
		return g.xml("too-large")
	case bytes.HasPrefix(b, byteOrderMark):
		return g.xml("bom")
	case !utf8.Valid(b): // first: what is compressed, say, holds any two bytes by chance
		return g.xml("utf8")
	}
	if err := g.markup(); err != nil {
		return err
	}
	// Each element has a start tag and, unless it is empty, an end tag; one more < opens the XML declaration.
	if tags := bytes.Count(b, []byte{'<'}); tags > 2*g.elementLimit+1 && !g.comments {
		return g.xml("too-many-elements")
	}
	for _, bad := range [][]byte{noCharacterFE, noCharacterFF} {
		if at := bytes.Index(b, bad); at >= 0 {
			g.at = at
			return g.xml("non-character")
		}
	}
	for at, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			g.at = at
			return g.xml("control-character")
		}
	}
	return nil
}

// markup refuses what begins with <!. A literal < stands in well-formed XML only where markup begins, so the two bytes
// cannot be part of a text or a value.
func (g *guard) markup() error {
	for at := 0; ; {
		next := bytes.Index(g.b[at:], []byte("<!"))
		if next < 0 {
			return nil
		}
		g.at = at + next
		rest := g.b[g.at:]
		switch {
		case bytes.HasPrefix(rest, []byte("<!--")):
			if !g.comments {
				return g.xml("comment")
			}
			at = g.at + len("<!--")
		case bytes.HasPrefix(rest, []byte("<![")):
			return g.xml("cdata")
		case len(rest) >= 9 && bytes.EqualFold(rest[:9], []byte("<!DOCTYPE")):
			return g.xml("doctype")
		default:
			return g.xml("directive")
		}
	}
}
