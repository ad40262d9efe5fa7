package xmlguard

import (
	"bytes"
	"hash/maphash"
)

type attribute struct {
	prefix, local []byte
	value         []byte // as written
	ns            namespace
	offset        int
}

// inside reads the attributes up to the > and reports whether the element is empty.
func (g *guard) inside() (empty bool, err error) {
	declared := 0
	for g.count = 0; ; {
		spaced := g.spaces()
		if g.next('>') {
			return false, nil
		}
		if g.next('/') {
			if !g.next('>') {
				return false, g.xml("syntax")
			}
			return true, nil
		}
		if !spaced || !g.more() {
			return false, g.xml("syntax")
		}
		a, err := g.attribute()
		if err != nil {
			return false, err
		}
		g.declarations++
		if g.declarations > maxAverage*g.elementLimit {
			return false, g.xml("too-many-attributes")
		}
		if prefix, is := declares(a); is {
			declared++
			if declared > maxXMLNS {
				return false, g.xml("too-many-xmlns")
			}
			if broken := g.bind(prefix, a.value, g.elements); broken != "" {
				return false, &Error{Rule: broken, Offset: a.offset}
			}
			continue
		}
		if g.count == maxAttributes {
			return false, g.xml("too-many-attributes")
		}
		g.attributes[g.count] = a
		g.count++
	}
}

func (g *guard) attribute() (attribute, error) {
	a := attribute{offset: g.at}
	var err error
	if a.prefix, a.local, err = g.name(); err != nil {
		return a, err
	}
	g.spaces()
	if !g.next('=') {
		return a, g.xml("syntax")
	}
	g.spaces()
	a.value, err = g.value()
	return a, err
}

// declares tells a namespace declaration and the prefix it is for.
func declares(a attribute) (prefix []byte, is bool) {
	if len(a.prefix) == 0 {
		return nil, string(a.local) == "xmlns"
	}
	return a.local, string(a.prefix) == "xmlns"
}

// expand resolves the prefixes of the element and its attributes (Namespaces in XML 1.0 §6).
func (g *guard) expand(prefix []byte) (namespace, error) {
	_, ns, ok := g.resolve(prefix)
	if !ok || ns == nsXML {
		return 0, g.xml("undeclared-prefix")
	}
	for i := range g.count {
		a := &g.attributes[i]
		if len(a.prefix) == 0 {
			continue // no namespace, whatever the default one is
		}
		if _, a.ns, ok = g.resolve(a.prefix); !ok {
			return 0, &Error{Rule: "undeclared-prefix", Offset: a.offset}
		}
		if a.ns == nsXML && string(a.local) != "lang" {
			return 0, &Error{Rule: "xml-attribute", Offset: a.offset}
		}
	}
	return ns, g.distinct()
}

// distinct refuses a name that stands twice. Hashes under a seed of the document's own keep it linear, whoever chose the
// names.
func (g *guard) distinct() error {
	for i := range g.count {
		a := &g.attributes[i]
		h := maphash.Bytes(g.seed, a.local)
		for j, other := range g.hashes[:i] {
			if b := &g.attributes[j]; other == h && a.ns == b.ns && bytes.Equal(a.local, b.local) {
				return &Error{Rule: "duplicate-attribute", Offset: a.offset}
			}
		}
		g.hashes[i] = h
	}
	if g.kind == Metadata {
		return nil
	}
	return g.sortable()
}

// extent is the first and last local name of an element's attributes of one namespace.
type extent struct {
	ns          namespace
	first, last []byte
}

// sortable refuses attributes of several namespaces whose order is in doubt. Canonical XML orders them by namespace name,
// then by local name (Canonical XML 1.0 §2.2), goxmldsig by local name alone: where the two differ, a signature that is
// true for one is false for the other.
func (g *guard) sortable() error {
	var extents [maxUsedPrefixes]extent
	n := 0
	for i := range g.count {
		a := &g.attributes[i]
		if a.ns == noNamespace {
			continue
		}
		at := 0
		for at < n && extents[at].ns != a.ns {
			at++
		}
		if at == len(extents) {
			return &Error{Rule: "attribute-order", Offset: a.offset}
		}
		e := &extents[at]
		if at == n {
			n++
			*e = extent{a.ns, a.local, a.local}
			continue
		}
		if bytes.Compare(a.local, e.first) < 0 {
			e.first = a.local
		}
		if bytes.Compare(a.local, e.last) > 0 {
			e.last = a.local
		}
	}
	for i := range n {
		for j := range n {
			if g.list[extents[i].ns] < g.list[extents[j].ns] && bytes.Compare(extents[i].last, extents[j].first) >= 0 {
				return g.xml("attribute-order")
			}
		}
	}
	return nil
}

// uniqueIDs holds the attributes that some parser may take for an ID. A reference must find one element, whichever of
// them a library goes by.
func (g *guard) uniqueIDs(f *frame) error {
	for i := range g.count {
		a := &g.attributes[i]
		if !isIDName(a.local) {
			continue
		}
		if g.kind == Metadata || g.kind == SignedMetadata {
			if len(a.prefix) > 0 || string(a.local) != "ID" {
				continue
			}
		}
		if len(a.prefix) > 0 {
			return &Error{Rule: "id-prefix", Offset: a.offset}
		}
		value := g.decoded(a.value)
		if len(value) > maxID || !isNCName(value) {
			return &Error{Rule: "id", Offset: a.offset}
		}
		if _, twice := g.ids[string(value)]; twice {
			return &Error{Rule: "duplicate-id", Offset: a.offset}
		}
		g.ids[string(value)] = struct{}{}
		if string(a.local) == "ID" {
			f.id = bytes.Clone(value)
		}
	}
	return nil
}

func isIDName(local []byte) bool {
	switch string(local) {
	case "ID", "Id", "id", "AssertionID":
		return true
	}
	return false
}

// find returns the value of an attribute without a prefix.
func (g *guard) find(local string) (value []byte, ok bool) {
	for i := range g.count {
		if a := &g.attributes[i]; len(a.prefix) == 0 && string(a.local) == local {
			return g.decoded(a.value), true
		}
	}
	return nil, false
}
