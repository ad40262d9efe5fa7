package xmlguard

// place finds the role of the element just read from where it stands, and holds it to what the role asks of a start tag.
func (g *guard) place(ns namespace, local []byte) error {
	f := g.innermost()
	if g.depth == 1 {
		f.role = rootRole(g.kind)
		if !isRoot(g.kind, ns, local) {
			return g.shape("root")
		}
	} else {
		r, err := g.child(g.parent(), ns, local)
		if err != nil {
			return err
		}
		f.role = r
	}
	if err := g.foreign(ns, f.role); err != nil {
		return err
	}
	if start := grammar[f.role].start; start != nil {
		return start(g)
	}
	return nil
}

// complete holds an element that ends to what must have been in it. inner is its content as written.
func (g *guard) complete(f *frame, inner []byte) error {
	bad := lacking(f, lastStep)
	if end := grammar[f.role].end; bad == "" && end != nil {
		bad = end(g, f, inner)
	}
	if bad != "" {
		return &Error{Rule: bad, Shape: true, Offset: f.offset}
	}
	return nil
}

// lacking is the rule broken by the first part that should have come before a step and has not.
func lacking(f *frame, step uint8) string {
	parts := grammar[f.role].parts
	for i := range parts {
		if p := &parts[i]; p.step < step && int(f.counts[i]) < p.least {
			return p.none
		}
	}
	return ""
}

func isRoot(k Kind, ns namespace, local []byte) bool {
	name := string(local)
	switch k {
	case Response:
		return ns == nsProtocol && name == "Response"
	case Assertion:
		return ns == nsAssertion && name == "Assertion"
	case LogoutRequest:
		return ns == nsProtocol && name == "LogoutRequest"
	case LogoutResponse:
		return ns == nsProtocol && name == "LogoutResponse"
	case Metadata, SignedMetadata:
		return ns == nsMetadata && (name == "EntityDescriptor" || name == "EntitiesDescriptor")
	default:
		return false
	}
}

// child finds the role of an element by its parent's content.
func (g *guard) child(parent *frame, ns namespace, local []byte) (role, error) {
	parent.children = true
	c := &grammar[parent.role]
	if parent.role == entity {
		return g.metadataChild(ns, local), nil
	}
	for i := range c.parts {
		p := &c.parts[i]
		if p.ns != ns || p.local != string(local) {
			continue
		}
		parent.counts[i]++
		if int(parent.counts[i]) > p.most {
			return nothing, g.shape(p.many)
		}
		if p.step < parent.step {
			return nothing, g.shape("element-order")
		}
		if p.step > parent.step {
			if none := lacking(parent, p.step); none != "" {
				return nothing, g.shape(none)
			}
			parent.step = p.step
		}
		return p.role, nil
	}
	if err := g.reserved(ns, local); err != nil {
		return nothing, err
	}
	if c.rest == nothing {
		return nothing, g.shape(unexpected(c.text, ns, local))
	}
	return c.rest, g.free(c.rest, ns, local)
}

// metadataChild lets everything pass but holds the root's own signature to its form where that is asked for.
func (g *guard) metadataChild(ns namespace, local []byte) role {
	if g.kind == SignedMetadata && g.depth == 2 && ns == nsDSig && string(local) == "Signature" && !g.rootSigned {
		g.rootSigned = true
		return signature
	}
	return entity
}

// reserved refuses the names that verifiers and decrypters look for wherever the grammar does not place them, in whatever
// namespace: a library that searches by local name finds no second one.
func (g *guard) reserved(ns namespace, local []byte) error {
	var home namespace
	switch string(local) {
	case "Response":
		home = nsProtocol
	case "Assertion", "EncryptedAssertion":
		home = nsAssertion
	case "Signature", "SignedInfo", "Reference":
		home = nsDSig
	case "EncryptedKey":
		home = nsXEnc
	default:
		return nil
	}
	if ns == home {
		return g.shape("misplaced-" + kebab(local))
	}
	return g.shape("reserved-name")
}

// unexpected is the rule that an element breaks which its parent does not take.
func unexpected(text textRule, ns namespace, local []byte) string {
	if text == words {
		return "element-in-text"
	}
	if rule, known := untaken[name{ns, string(local)}]; known {
		return rule
	}
	return "unexpected-element"
}

type name struct {
	ns    namespace
	local string
}

// untaken are the parts of the schemas that are left out, each with its own rule.
var untaken = map[name]string{
	{nsAssertion, "Advice"}:                 "advice",
	{nsAssertion, "Statement"}:              "statement",
	{nsAssertion, "AuthzDecisionStatement"}: "statement",
	{nsAssertion, "BaseID"}:                 "base-id",
	{nsAssertion, "EncryptedID"}:            "encrypted-id",
	{nsAssertion, "EncryptedAttribute"}:     "encrypted-attribute",
	{nsDSig, "Object"}:                      "signature-object",
	{nsXEnc, "OAEPparams"}:                  "oaep-params",
	{nsXEnc, "CipherReference"}:             "cipher-reference",
}

// free holds free content to the namespaces that may occur in it.
func (g *guard) free(r role, ns namespace, local []byte) error {
	switch {
	case ns == nsAssertion && r == attributeValue && string(local) == "NameID":
		return nil // eduPersonTargetedID is such a value
	case ns == nsAssertion, ns == nsProtocol, ns == nsMetadata:
		return g.shape("saml-elsewhere")
	case ns == nsDSig && r == keyMaterial && string(local) != "Object":
		return nil
	case ns == nsDSig, ns == nsXEnc:
		return g.shape("crypto-elsewhere")
	default:
		return nil
	}
}

// foreign refuses attributes that a reader going by local names could take for the element's own. SAML lets attributes of
// other namespaces onto Attribute and SubjectConfirmationData alone (SAML 2.0 Core §2.4.1.2, §2.7.3.1).
func (g *guard) foreign(ns namespace, r role) error {
	if r == entity || !isCore(ns) {
		return nil
	}
	for i := range g.count {
		a := &g.attributes[i]
		switch {
		case len(a.prefix) == 0:
			if isIDName(a.local) && !ownID(ns, a.local) {
				return &Error{Rule: "id-attribute", Offset: a.offset}
			}
			if (ns == nsDSig || ns == nsXEnc) && !isCryptoAttribute(a.local) && r != keyMaterial {
				return &Error{Rule: "unknown-attribute", Shape: true, Offset: a.offset}
			}
		case a.ns == nsXSI && isInstanceAttribute(a.local), a.ns == nsXML:
		case (r == samlAttribute || r == attributeValue || r == keyMaterial) && !isSAMLAttribute(a.local):
		default:
			return &Error{Rule: "foreign-attribute", Shape: true, Offset: a.offset}
		}
	}
	return nil
}

// ownID tells the one spelling of the ID attribute that the element's schema has.
func ownID(ns namespace, local []byte) bool {
	if ns == nsDSig || ns == nsXEnc {
		return string(local) == "Id"
	}
	return string(local) == "ID"
}

func isCryptoAttribute(local []byte) bool {
	switch string(local) {
	case "Id", "Algorithm", "URI", "Type", "MimeType", "Encoding", "Recipient":
		return true
	}
	return false
}

// isInstanceAttribute tells the attributes of XML Schema Part 1 §2.6.
func isInstanceAttribute(local []byte) bool {
	switch string(local) {
	case "type", "nil", "schemaLocation", "noNamespaceSchemaLocation":
		return true
	}
	return false
}

// isSAMLAttribute tells the names that mean something on Attribute, AttributeValue and SubjectConfirmationData.
func isSAMLAttribute(local []byte) bool {
	switch string(local) {
	case "Name", "NameFormat", "FriendlyName", "NotBefore", "NotOnOrAfter", "Recipient", "InResponseTo", "Address",
		"Format", "NameQualifier", "SPNameQualifier", "SPProvidedID":
		return true
	}
	return false
}
