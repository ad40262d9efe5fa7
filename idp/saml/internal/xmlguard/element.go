package xmlguard

import (
	"bytes"
	"hash/maphash"
)

// guard is one run over one document.
type guard struct {
	scanner
	names
	kind         Kind
	comments     bool
	elementLimit int
	elements     int
	declarations int // and attributes, of the document

	frames [maxDepth]frame
	depth  int

	attributes [maxAttributes]attribute
	hashes     [maxAttributes]uint64 // of their local names
	count      int                   // of attributes of the element being read
	seed       maphash.Seed

	ids map[string]struct{}
	signed
}

// frame is an element that is open.
type frame struct {
	name     []byte // as written, for the end tag
	role     role
	step     uint8 // how far along its content it is
	counts   [maxParts]uint16
	id       []byte
	offset   int // of the start tag
	content  int // where the content begins
	elements int // elements of the document when it began
	undo     int
	words    bool // text that is not white space
	split    bool // a comment stands in it
	children bool
}

func (g *guard) init() {
	g.names.init()
	g.ids = map[string]struct{}{}
	g.seed = maphash.MakeSeed()
}

func (g *guard) innermost() *frame { return &g.frames[g.depth-1] }
func (g *guard) parent() *frame    { return &g.frames[g.depth-2] }

// document reads all of it: a declaration, one root, white space.
func (g *guard) document() error {
	g.at = 0
	if err := g.declaration(); err != nil {
		return err
	}
	for g.more() {
		if g.b[g.at] != '<' {
			if err := g.characters(); err != nil {
				return err
			}
			continue
		}
		if err := g.tag(); err != nil {
			return err
		}
	}
	switch {
	case g.depth > 0:
		return g.xml("end-tag")
	case g.elements == 0:
		return g.xml("empty")
	}
	return g.finish()
}

// characters reads what stands between two tags.
func (g *guard) characters() error {
	start := g.at
	if g.depth == 0 {
		g.spaces()
		if g.more() && g.b[g.at] != '<' {
			return g.xml("text-outside-root")
		}
		return nil
	}
	blank, err := g.text()
	if err != nil || blank {
		return err
	}
	f := g.innermost()
	f.words = true
	if f.split {
		return &Error{Rule: "comment-in-text", Offset: start}
	}
	if grammar[f.role].text == structure {
		return &Error{Rule: "text-in-structure", Shape: true, Offset: start}
	}
	return nil
}

func (g *guard) tag() error {
	if g.at+1 >= len(g.b) {
		return g.xml("syntax")
	}
	switch g.b[g.at+1] {
	case '?':
		return g.xml("processing-instruction")
	case '!':
		return g.comment()
	case '/':
		return g.end()
	default:
		return g.start()
	}
}

// comment reads one between elements; only metadata comes this far with any.
func (g *guard) comment() error {
	body := g.b[g.at+len("<!--"):]
	end := bytes.Index(body, []byte("--"))
	if end < 0 || end+2 >= len(body) || body[end+2] != '>' {
		return g.xml("comment-in-text")
	}
	if g.depth > 0 {
		f := g.innermost()
		f.split = true
		if f.words {
			return g.xml("comment-in-text")
		}
	}
	g.at += len("<!--") + end + len("-->")
	return nil
}

// start reads a start tag, or the tag of an empty element.
func (g *guard) start() error {
	offset := g.at
	switch {
	case g.depth == 0 && g.elements > 0:
		return g.xml("second-root")
	case g.depth == maxDepth:
		return g.xml("too-deep")
	case g.elements == g.elementLimit:
		return g.xml("too-many-elements")
	}
	g.at++
	nameAt := g.at
	prefix, local, err := g.name()
	if err != nil {
		return err
	}
	f := &g.frames[g.depth]
	*f = frame{name: g.b[nameAt:g.at], offset: offset, elements: g.elements, undo: len(g.undo)}
	g.depth++
	g.elements++
	empty, err := g.inside()
	if err != nil {
		return err
	}
	after := g.at
	g.at = offset // what is found wrong from here on is wrong with this tag
	ns, err := g.expand(prefix)
	if err != nil {
		return err
	}
	if err := g.uniqueIDs(f); err != nil {
		return err
	}
	if err := g.place(ns, local); err != nil {
		return err
	}
	if err := g.size(prefix); err != nil {
		return err
	}
	g.at = after
	f.content = after
	if empty {
		g.grown += len(f.name) + 2
		return g.leaveElement(after)
	}
	return nil
}

// size adds up what exclusive canonicalisation will declare on this element (Exclusive XML Canonicalization §3). A long
// namespace name on the root that a thousand children use is repeated a thousand times.
func (g *guard) size(prefix []byte) error {
	if g.kind == Metadata {
		return nil
	}
	used := g.use(prefix)
	for i := range g.count {
		if a := &g.attributes[i]; len(a.prefix) > 0 {
			used += g.use(a.prefix)
		}
	}
	if used > maxUsedPrefixes {
		return g.xml("too-many-xmlns")
	}
	if len(g.b)+g.grown > MaxBytes {
		return g.xml("canonical-size")
	}
	return nil
}

// use counts one prefix that the canonical form has to declare here.
func (g *guard) use(prefix []byte) int {
	p, ns, ok := g.resolve(prefix)
	if !ok || ns == noNamespace {
		return 0
	}
	length := g.render(p, prefix)
	g.grown += length
	return min(length, 1)
}

// end reads an end tag.
func (g *guard) end() error {
	offset := g.at
	g.at += len("</")
	if g.depth == 0 {
		return g.xml("end-tag")
	}
	name := g.frames[g.depth-1].name
	if !bytes.HasPrefix(g.b[g.at:], name) {
		return &Error{Rule: "end-tag", Offset: offset}
	}
	g.at += len(name)
	g.spaces()
	if !g.next('>') {
		return &Error{Rule: "end-tag", Offset: offset}
	}
	return g.leaveElement(offset)
}

// leaveElement closes the innermost element, whose content ends at end.
func (g *guard) leaveElement(end int) error {
	f := g.innermost()
	if err := g.complete(f, g.b[f.content:end]); err != nil {
		return err
	}
	g.leave(f.undo)
	g.depth--
	return nil
}
