package xmlguard_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"testing"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
)

var kinds = []xmlguard.Kind{
	xmlguard.Response, xmlguard.Assertion, xmlguard.LogoutRequest, xmlguard.LogoutResponse, xmlguard.Metadata,
	xmlguard.SignedMetadata,
}

// FuzzGuard holds whatever the guard accepts to what it promises: the two parsers behind it read the same document, and
// its canonical form is accepted as well, unless it is metadata, which may hold more than canonicalisers agree on.
func FuzzGuard(f *testing.F) {
	for _, b := range shapes(f) {
		f.Add(b)
	}
	for _, table := range [][]bad{badXML(), badShape()} {
		for _, b := range table {
			if d := string(shapes(f)[b.from]); strings.Contains(d, b.old) && len(b.new) < 2000 {
				f.Add([]byte(strings.Replace(d, b.old, b.new, 1)))
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, k := range kinds {
			if d, err := xmlguard.Check(b, k, 0); err == nil {
				accepted(t, d)
			}
		}
	})
}

func TestTwoParsersReadTheSameDocument(t *testing.T) {
	for name, b := range shapes(t) {
		d, err := xmlguard.Check(b, kindOf(t, name), 0)
		if err != nil {
			t.Fatal(err)
		}
		accepted(t, d)
	}
}

func accepted(t *testing.T, d xmlguard.Document) {
	t.Helper()
	decoded, err := decoderView(d.Bytes())
	if err != nil {
		t.Fatalf("encoding/xml refuses what the guard accepted: %v\n%s", err, d.Bytes())
	}
	tree := etree.NewDocument()
	if err := tree.ReadFromBytes(d.Bytes()); err != nil {
		t.Fatalf("etree refuses what the guard accepted: %v\n%s", err, d.Bytes())
	}
	if n := strings.Count(decoded, "\n<"); n != d.Elements() {
		t.Fatalf("the guard counts %d elements, encoding/xml %d", d.Elements(), n)
	}
	var treed strings.Builder
	etreeView(&treed, tree.Root())
	if treed.String() != decoded {
		t.Fatalf("two readings of one document\n%s\netree:%s\nencoding/xml:%s", d.Bytes(), treed.String(), decoded)
	}
	if d.Kind() == xmlguard.Metadata {
		return
	}
	canonical, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(listedPrefixes(tree.Root())).Canonicalize(tree.Root().Copy())
	if err != nil {
		t.Fatalf("the accepted document has no canonical form: %v\n%s", err, d.Bytes())
	}
	again, err := xmlguard.Check(canonical, d.Kind(), xmlguard.MaxBytes)
	if err != nil {
		t.Fatalf("the canonical form is refused: %v\n%s\n%s", err, d.Bytes(), canonical)
	}
	if again.Elements() != d.Elements() {
		t.Fatalf("the canonical form has %d elements, the document %d", again.Elements(), d.Elements())
	}
}

// listedPrefixes are those of every PrefixList of the document: a signature over it has to keep what the signatures
// within it name.
func listedPrefixes(root *etree.Element) string {
	var all []string
	for _, e := range append(root.FindElements("//InclusiveNamespaces"), root.FindElements("//*")...) {
		if e.Tag == "InclusiveNamespaces" {
			all = append(all, e.SelectAttrValue("PrefixList", ""))
		}
	}
	return strings.Join(all, " ")
}

// The views are one line an element (namespace, local name, sorted attributes) and one a text, white space trimmed: what
// is left of a document when its spelling is taken away.

func decoderView(b []byte) (string, error) {
	var out, text strings.Builder
	flush := func() {
		if s := strings.TrimSpace(text.String()); s != "" {
			fmt.Fprintf(&out, "\n%q", s)
		}
		text.Reset()
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out.String(), nil
		}
		if err != nil {
			return "", err
		}
		switch v := token.(type) {
		case xml.StartElement:
			flush()
			var attrs []string
			for _, a := range v.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					attrs = append(attrs, fmt.Sprintf("{%s}%s=%q", xmlSpace(a.Name.Space), a.Name.Local, a.Value))
				}
			}
			writeElement(&out, v.Name.Space, v.Name.Local, attrs)
		case xml.EndElement:
			flush()
			out.WriteString("\n/")
		case xml.CharData:
			text.Write(v)
		}
	}
}

// xmlSpace is what the prefix xml stands for: Decoder leaves it as it is.
func xmlSpace(space string) string {
	if space == "xml" {
		return "http://www.w3.org/XML/1998/namespace"
	}
	return space
}

func writeElement(out *strings.Builder, space, local string, attrs []string) {
	sort.Strings(attrs)
	fmt.Fprintf(out, "\n<{%s}%s %s", space, local, strings.Join(attrs, " "))
}

func etreeView(out *strings.Builder, e *etree.Element) {
	var attrs []string
	for _, a := range e.Attr {
		if a.Space == "xmlns" || a.Space == "" && a.Key == "xmlns" {
			continue
		}
		space := ""
		if a.Space != "" {
			space = namespaceOf(e, a.Space)
		}
		attrs = append(attrs, fmt.Sprintf("{%s}%s=%q", space, a.Key, a.Value))
	}
	writeElement(out, namespaceOf(e, e.Space), e.Tag, attrs)
	var text strings.Builder
	flush := func() {
		if s := strings.TrimSpace(text.String()); s != "" {
			fmt.Fprintf(out, "\n%q", s)
		}
		text.Reset()
	}
	for _, child := range e.Child {
		switch v := child.(type) {
		case *etree.CharData:
			text.WriteString(v.Data)
		case *etree.Element:
			flush()
			etreeView(out, v)
		}
	}
	flush()
	out.WriteString("\n/")
}

// namespaceOf looks a prefix up from e outwards.
func namespaceOf(e *etree.Element, prefix string) string {
	for ; e != nil; e = e.Parent() {
		for _, a := range e.Attr {
			if a.Space == "xmlns" && a.Key == prefix || prefix == "" && a.Space == "" && a.Key == "xmlns" {
				return a.Value
			}
		}
	}
	return xmlSpace(prefix)
}
