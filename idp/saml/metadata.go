package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
)

const (
	maxMetadata = 1 << 20
	maxKeys     = 16 // signing keys of one provider

	nsMetadata = "urn:oasis:names:tc:SAML:2.0:metadata"

	uriRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	uriPOST     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
)

// The sources of a key.
const (
	sourceMetadata = "metadata"
	sourceUpload   = "upload"
)

const metadataHint = "Give the XML file that the identity provider offers as SAML or federation metadata of this application, or its address."

// byteOrderMark begins Microsoft's documents. It is no part of the XML, and of a signature over it.
var byteOrderMark = []byte("\xef\xbb\xbf")

// ParseMetadata reads the metadata document of an identity provider (SAML 2.0 Metadata §2.4.3). All its signing keys
// are active: whoever calls it vouches for the document; see Merge for one that nobody vouches for. With an entityID the
// document must describe that entity, among others or alone; without one it must describe a single entity.
//
// Warnings are sentences for an admin about what is usable and should not stay. The error is an *[idp.Error].
func ParseMetadata(b []byte, entityID string, now time.Time) (idp.SAMLIdP, []string, error) {
	b = bytes.TrimPrefix(b, byteOrderMark)
	if err := misread(b); err != nil {
		return idp.SAMLIdP{}, nil, err
	}
	doc, err := xmlguard.Check(b, xmlguard.Metadata, maxMetadata)
	if err != nil {
		return idp.SAMLIdP{}, nil, unusable(ruleOf(err), metadataHint, err)
	}
	return readMetadata(doc, entityID, now)
}

// readMetadata is ParseMetadata for bytes that have passed the guard.
func readMetadata(doc xmlguard.Document, entityID string, now time.Time) (idp.SAMLIdP, []string, error) {
	found, err := findEntity(doc.Bytes(), entityID)
	if err != nil {
		return idp.SAMLIdP{}, nil, err
	}
	role, err := found.role()
	if err != nil {
		return idp.SAMLIdP{}, nil, err
	}
	until, err := earliest(append(found.until, bareAttr(role.Attrs, "validUntil")))
	if err != nil {
		return idp.SAMLIdP{}, nil, err
	}
	if !until.IsZero() && !now.Before(until.Add(Skew)) {
		return idp.SAMLIdP{}, nil, unusable("expired", "The metadata says that it is no longer valid. Download it again; if it is still old, have the identity provider renew it.", errors.New("validUntil has passed"))
	}
	p := idp.SAMLIdP{EntityID: found.id, WantsSigned: boolean(bareAttr(role.Attrs, "WantAuthnRequestsSigned")), ValidUntil: until}
	var warnings, more []string
	if p.Endpoints, warnings, err = role.endpoints(); err != nil {
		return idp.SAMLIdP{}, nil, err
	}
	if p.Keys, more, err = role.keys(now); err != nil {
		return idp.SAMLIdP{}, nil, err
	}
	return p, append(warnings, more...), nil
}

// misread recognises what people give instead of metadata, before a parser says something unhelpful about it.
func misread(b []byte) error {
	head := strings.ToLower(string(bytes.TrimSpace(b[:min(len(b), 512)])))
	switch {
	case len(b) > maxMetadata:
		return unusable("too-large", "Metadata is at most 1 MiB. Of a federation's list, give the one identity provider's own document.", errors.New("more than 1 MiB"))
	case head == "":
		return unusable("empty", metadataHint, errors.New("document is empty"))
	case strings.HasPrefix(head, "-----begin"), certificateText(b):
		return unusable("certificate", "This is a certificate, not metadata. Upload it as a certificate, or give the metadata, which holds it.", errors.New("a certificate instead of metadata"))
	case strings.HasPrefix(head, "<!doctype html"), strings.HasPrefix(head, "<html"):
		return unusable("html", "This is a web page, perhaps a sign-in page. Copy the link that downloads the metadata, not the page it is on.", errors.New("an HTML page instead of metadata"))
	case strings.HasPrefix(head, "{"):
		return unusable("json", "This is JSON, perhaps OpenID Connect's discovery document. "+metadataHint, errors.New("JSON instead of metadata"))
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")), bytes.Contains(b[:min(len(b), 8)], []byte{0}):
		return unusable("encoding", "Save the metadata as UTF-8.", errors.New("not in UTF-8"))
	}
	return nil
}

// unusable is a document that cannot be used as metadata.
func unusable(detail, hint string, err error) *idp.Error {
	return wrapped(idp.CodeMetadata, detail, hint, err)
}

// ruleOf names the guard's rule that refused.
func ruleOf(err error) string {
	if g, ok := errors.AsType[*xmlguard.Error](err); ok {
		return g.Rule
	}
	return "xml"
}

// The structures below hold what we read of a document, everything repeatable in a slice: encoding/xml would merge a
// repeated single element into one without a word. Attributes are looked up by bareAttr, for a struct tag without
// namespace also takes a foreign attribute of the same local name.
type (
	entitiesXML struct {
		Attrs    []xml.Attr    `xml:",any,attr"`
		Entities []entityXML   `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
		Nested   []entitiesXML `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntitiesDescriptor"`
	}
	entityXML struct {
		Attrs []xml.Attr `xml:",any,attr"`
		IdPs  []roleXML  `xml:"urn:oasis:names:tc:SAML:2.0:metadata IDPSSODescriptor"`
		SPs   []struct{} `xml:"urn:oasis:names:tc:SAML:2.0:metadata SPSSODescriptor"`
	}
	roleXML struct {
		Attrs []xml.Attr    `xml:",any,attr"`
		Keys  []keyXML      `xml:"urn:oasis:names:tc:SAML:2.0:metadata KeyDescriptor"`
		SSO   []endpointXML `xml:"urn:oasis:names:tc:SAML:2.0:metadata SingleSignOnService"`
		SLO   []endpointXML `xml:"urn:oasis:names:tc:SAML:2.0:metadata SingleLogoutService"`
	}
	keyXML struct {
		Attrs []xml.Attr `xml:",any,attr"`
		Info  []struct {
			Data []struct {
				Certificates []string `xml:"http://www.w3.org/2000/09/xmldsig# X509Certificate"`
			} `xml:"http://www.w3.org/2000/09/xmldsig# X509Data"`
		} `xml:"http://www.w3.org/2000/09/xmldsig# KeyInfo"`
	}
	endpointXML struct {
		Attrs []xml.Attr `xml:",any,attr"`
	}
)

// entity is the description of one entity, and every validUntil that bounds it from outside.
type entity struct {
	entityXML
	id    string
	until []string
}

func findEntity(b []byte, entityID string) (entity, error) {
	all, err := decodeEntities(b)
	if err != nil {
		return entity{}, err
	}
	found := all.collect(nil)
	if entityID != "" {
		found = slices.DeleteFunc(found, func(e entity) bool { return e.id != entityID })
	}
	switch {
	case len(found) == 0 && entityID != "":
		return entity{}, unusable("entity-id", "The metadata describes another entity than the connection's. Compare the entity ID (issuer) with the one in the document.", errors.New("wanted entity is not in the metadata"))
	case len(found) == 0:
		return entity{}, unusable("no-entity", metadataHint, errors.New("metadata describes no entity"))
	case len(found) > 1 && entityID == "":
		return entity{}, unusable("entities", "The metadata describes several entities. Say which one by its entity ID.", errors.New("metadata describes several entities"))
	case len(found) > 1:
		return entity{}, unusable("entity-twice", metadataHint, errors.New("metadata describes the entity more than once"))
	}
	if err := checkText(found[0].id, maxEntityID); err != nil {
		return entity{}, unusable("entity-id", metadataHint, fmt.Errorf("entityID %w", err))
	}
	return found[0], nil
}

// decodeEntities reads either root that metadata may have; a lone entity becomes a list of one.
func decodeEntities(b []byte) (entitiesXML, error) {
	var all entitiesXML
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		token, err := d.Token()
		if err != nil {
			return all, unusable("xml", metadataHint, errors.New("document has no root element"))
		}
		root, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch root.Name {
		case xml.Name{Space: nsMetadata, Local: "EntityDescriptor"}:
			all.Entities = make([]entityXML, 1)
			err = d.DecodeElement(&all.Entities[0], &root)
		case xml.Name{Space: nsMetadata, Local: "EntitiesDescriptor"}:
			err = d.DecodeElement(&all, &root)
		default:
			return all, unusable("root", metadataHint, errors.New("root element is not EntityDescriptor"))
		}
		if err != nil {
			return all, unusable("xml", metadataHint, errors.New("document does not decode"))
		}
		return all, nil
	}
}

// collect lists all entities, those of nested lists too. The guard bounds the depth.
func (x entitiesXML) collect(until []string) []entity {
	until = append(slices.Clip(until), bareAttr(x.Attrs, "validUntil"))
	var out []entity
	for _, e := range x.Entities {
		own := append(slices.Clip(until), bareAttr(e.Attrs, "validUntil"))
		out = append(out, entity{entityXML: e, id: bareAttr(e.Attrs, "entityID"), until: own})
	}
	for _, n := range x.Nested {
		out = append(out, n.collect(until)...)
	}
	return out
}

// role is the entity's one description as an identity provider that speaks SAML 2.0.
func (e entity) role() (roleXML, error) {
	roles := slices.DeleteFunc(slices.Clone(e.IdPs), func(r roleXML) bool {
		return !slices.Contains(strings.Fields(bareAttr(r.Attrs, "protocolSupportEnumeration")), nsProtocol)
	})
	switch {
	case len(roles) == 1:
		return roles[0], nil
	case len(roles) > 1:
		return roleXML{}, unusable("idp-twice", metadataHint, errors.New("metadata has more than one IDPSSODescriptor for SAML 2.0"))
	case len(e.SPs) > 0:
		return roleXML{}, unusable("sp-metadata", "This is the metadata of a service provider, perhaps our own. "+metadataHint, errors.New("service provider's metadata"))
	default:
		return roleXML{}, unusable("no-idp", metadataHint, errors.New("metadata has no IDPSSODescriptor for SAML 2.0"))
	}
}

const noSLO = "The metadata's address for signing out cannot be used, so people are signed out here alone."

// endpoints are where the role takes requests. One that cannot be used is as good as none; of signing on that is a fault.
func (r roleXML) endpoints() (e idp.SAMLEndpoints, warnings []string, err error) {
	sso, fault := preferred(r.SSO)
	if sso.url == "" {
		if fault == nil {
			fault = errors.New("metadata has no SingleSignOnService with the Redirect or POST binding")
		}
		return e, nil, unusable("no-sso", "The metadata names no https address to sign on at, by redirect or POST. "+metadataHint, fault)
	}
	slo, fault := preferred(r.SLO)
	if slo.url == "" && fault != nil {
		warnings = append(warnings, noSLO)
	}
	return idp.SAMLEndpoints{
		SSOURL: sso.url, SSOBinding: sso.binding,
		SLOURL: slo.url, SLOBinding: slo.binding, SLOResponseURL: slo.response,
	}, warnings, nil
}

type service struct {
	url, response string
	binding       idp.SAMLBinding
}

// preferred takes a Redirect endpoint before a POST one, and either of them over https before the other over http. Of
// one kind the first counts. The error is why one was passed over. Whether http will do at all is for whoever knows that
// this is somebody's own machine: Validate, and every use.
func preferred(list []endpointXML) (best service, fault error) {
	rank := 0
	for _, e := range list {
		s := service{url: bareAttr(e.Attrs, "Location"), response: bareAttr(e.Attrs, "ResponseLocation")}
		r := 0
		switch bareAttr(e.Attrs, "Binding") {
		case uriRedirect:
			s.binding, r = idp.BindingRedirect, 2
		case uriPOST:
			s.binding, r = idp.BindingPOST, 1
		default:
			continue
		}
		if err := s.check(); err != nil {
			fault = err
			continue
		}
		if strings.HasPrefix(s.url, "https://") {
			r += 2
		}
		if r > rank {
			best, rank = s, r
		}
	}
	return best, fault
}

func (s service) check() error {
	if err := checkURL(s.url, true); err != nil {
		return fmt.Errorf("endpoint's Location %w", err)
	}
	if s.response == "" {
		return nil
	}
	if err := checkURL(s.response, true); err != nil {
		return fmt.Errorf("endpoint's ResponseLocation %w", err)
	}
	return nil
}

// bareAttr is the value of an attribute without namespace.
func bareAttr(attrs []xml.Attr, name string) string {
	for _, a := range attrs {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func boolean(s string) bool { return s == "true" || s == "1" }

// earliest is the first of the times that are given, zero if none is.
func earliest(texts []string) (time.Time, error) {
	var first time.Time
	for _, text := range texts {
		if text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return time.Time{}, unusable("valid-until", metadataHint, errors.New("validUntil is not a time in UTC"))
		}
		if first.IsZero() || t.Before(first) {
			first = t.UTC()
		}
	}
	return first, nil
}
