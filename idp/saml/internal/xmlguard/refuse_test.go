package xmlguard_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
)

// bad is a good document spoilt in one place.
type bad struct {
	name string
	from string // the document in testdata
	old  string // what is replaced, the first time it occurs
	new  string
	rule string
}

const (
	success   = "urn:oasis:names:tc:SAML:2.0:status:Success"
	assertNS  = "urn:oasis:names:tc:SAML:2.0:assertion"
	wsuNS     = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	signer    = `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">`
	enveloped = `<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>`
	excC14N   = `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">`
	listXS    = `<ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="xs"/>`
	value     = `<saml2:AttributeValue xmlns:xs`
	typed     = `xsi:type="xs:string">`
)

func badXML() []bad {
	return []bad{
		{"a byte order mark", "response-okta", "<?xml", "\uFEFF<?xml", "bom"},
		{"Latin-1", "response-okta", "Analysts", "Analyst\xFC", "utf8"},
		{"an overlong slash", "response-okta", "Analysts", "Analyst\xC0\xAF", "utf8"},
		{"half of a surrogate pair in UTF-8", "response-okta", "Analysts", "\xED\xA0\x80", "utf8"},
		{"NUL", "response-okta", "Analysts", "Analyst\x00s", "control-character"},
		{"vertical tab", "response-okta", "Analysts", "Analyst\vs", "control-character"},
		{"U+FFFE", "response-okta", "Analysts", "\uFFFE", "non-character"},
		{"U+FFFF", "response-okta", "Analysts", "\uFFFF", "non-character"},
		{"a document type", "response-okta", "<saml2p:Response", "<!DOCTYPE x><saml2p:Response", "doctype"},
		{"a document type in lower case", "response-okta", "<saml2p:Response", "<!doctype x><saml2p:Response", "doctype"},
		{"a comment in a NameID", "response-okta", "ada@acme", "ada<!---->@acme", "comment"},
		{"a comment between elements", "response-okta", "<saml2p:Status>", "<!-- x --><saml2p:Status>", "comment"},
		{"CDATA", "response-okta", "ada@acme", "<![CDATA[ada]]>@acme", "cdata"},
		{"an entity declaration", "response-okta", "<saml2p:Status>", "<!ENTITY x 'y'><saml2p:Status>", "directive"},
		{"a processing instruction in a NameID", "response-okta", "ada@acme", "ada<?x?>@acme", "processing-instruction"},
		{"a processing instruction first", "response-okta", `<?xml version="1.0" encoding="UTF-8"?>`, "<?xml-stylesheet x?>", "processing-instruction"},
		{"white space before the declaration", "response-okta", "<?xml", " <?xml", "processing-instruction"},
		{"two declarations", "response-okta", "?>", `?><?xml version="1.0"?>`, "processing-instruction"},
		{"XML 1.1", "response-okta", `"1.0"`, `"1.1"`, "xml-declaration"},
		{"another encoding", "response-okta", "UTF-8", "ISO-8859-1", "xml-declaration"},
		{"UTF-16 declared", "response-okta", "UTF-8", "UTF-16", "xml-declaration"},
		{"no version", "response-okta", ` version="1.0"`, "", "xml-declaration"},
		{"encoding before version", "response-okta", ` version="1.0" encoding="UTF-8"`, ` encoding="UTF-8" version="1.0"`, "xml-declaration"},
		{"an unknown standalone", "metadata-plain", `standalone="no"`, `standalone="NO"`, "xml-declaration"},
		{"two attributes without space", "response-okta", `ID="id1" `, `ID="id1"`, "syntax"},
		{"a document that ends with <", "response-okta", `</saml2p:Response>`, `</saml2p:Response><`, "syntax"},
		{"an attribute without quotes", "response-okta", `ID="id1"`, `ID=id1`, "syntax"},
		{"an attribute without value", "response-okta", `ID="id1"`, `ID`, "syntax"},
		{"a < in an attribute", "response-okta", `ID="id1"`, `ID="id<1"`, "syntax"},
		{"an attribute that does not end", "assertion-okta", `</saml2:Assertion>`, `<x y="`, "syntax"},
		{"a slash in a tag", "response-okta", `ID="id1" `, `ID="id1" / `, "syntax"},
		{"a name that begins with a colon", "response-okta", `</saml2:AttributeValue>`, `<:a/></saml2:AttributeValue>`, "name"},
		{"a name that ends with a colon", "response-okta", `</saml2:AttributeValue>`, `<a:/></saml2:AttributeValue>`, "name"},
		{"a name of two colons", "response-okta", `</saml2:AttributeValue>`, `<a:b:c/></saml2:AttributeValue>`, "name"},
		{"a name that begins with a digit", "response-okta", `</saml2:AttributeValue>`, `<1/></saml2:AttributeValue>`, "name"},
		{"a name beyond ASCII", "response-okta", `</saml2:AttributeValue>`, `<aé/></saml2:AttributeValue>`, "name"},
		{"a name of 257 bytes", "response-okta", `</saml2:AttributeValue>`, "<" + strings.Repeat("a", 257) + "/></saml2:AttributeValue>", "name"},
		{"an end tag that closes another", "response-okta", `</saml2:NameID>`, `</saml2:NameId>`, "end-tag"},
		{"an end tag that is a beginning", "response-okta", `</saml2:NameID>`, `</saml2:NameIDs>`, "end-tag"},
		{"an end tag by another prefix", "response-okta", `</saml2:NameID>`, `</NameID>`, "end-tag"},
		{"an end tag with attributes", "response-okta", `</saml2:NameID>`, `</saml2:NameID x="y">`, "end-tag"},
		{"an end without a start", "response-okta", `</saml2p:Response>`, `</saml2p:Response></saml2p:Response>`, "end-tag"},
		{"a root that does not end", "response-okta", `</saml2p:Response>`, ``, "end-tag"},
		{"a second root", "response-okta", `</saml2p:Response>`, `</saml2p:Response><x/>`, "second-root"},
		{"text after the root", "response-okta", `</saml2p:Response>`, `</saml2p:Response>x`, "text-outside-root"},
		{"text before the root", "response-okta", `<saml2p:Response`, `x<saml2p:Response`, "text-outside-root"},
		{"a no-break space after the root", "response-okta", `</saml2p:Response>`, "</saml2p:Response>\u00A0", "text-outside-root"},
		{"a referred space after the root", "response-okta", `</saml2p:Response>`, "</saml2p:Response>&#32;", "text-outside-root"},
		{"an HTML entity", "response-okta", "&amp;", "&nbsp;", "reference"},
		{"a lone ampersand", "response-okta", "&amp;", "&", "reference"},
		{"a number that is NUL", "response-okta", "&amp;", "&#0;", "reference"},
		{"a number that is a control character", "response-okta", "&amp;", "&#x1;", "reference"},
		{"a number that is half a pair", "response-okta", "&amp;", "&#xD800;", "reference"},
		{"a number that is U+FFFF", "response-okta", "&amp;", "&#xFFFF;", "reference"},
		{"a number beyond Unicode", "response-okta", "&amp;", "&#x110000;", "reference"},
		{"a number with a capital X", "response-okta", "&amp;", "&#X41;", "reference"},
		{"a number with a sign", "response-okta", "&amp;", "&#+65;", "reference"},
		{"a number of many zeros", "response-okta", "&amp;", "&#x" + strings.Repeat("0", 30) + "41;", "reference"},
		{"a bad number in an attribute", "response-okta", `SessionIndex="_r"`, `SessionIndex="&#xDFFF;"`, "reference"},
		{"the end of CDATA", "response-okta", "&amp;", "]]>", "cdata-end"},
		{"a tab in an attribute", "response-okta", `SessionIndex="_r"`, "SessionIndex=\"_\tr\"", "attribute-whitespace"},
		{"a line end in an attribute", "response-okta", `SessionIndex="_r"`, "SessionIndex=\"_\nr\"", "attribute-whitespace"},
		{"one attribute twice", "response-okta", `ID="id1"`, `ID="id1" ID="id1"`, "duplicate-attribute"},
		{"one attribute by two prefixes", "response-okta", typed, `xmlns:a="urn:x" xmlns:b="urn:x" a:t="1" b:t="2" ` + typed, "duplicate-attribute"},
		{"one prefix declared twice", "response-okta", value, `<saml2:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xs`, "duplicate-attribute"},
		{"a default namespace declared twice", "response-entra", `<Issuer xmlns=`, `<Issuer xmlns="` + assertNS + `" xmlns=`, "duplicate-attribute"},
		{"attributes whose order is in doubt", "response-okta", typed, `xmlns:a="urn:a" a:type="1" ` + typed, "attribute-order"},
		{"attributes in the other order", "response-okta", typed, `xmlns:a="zzz:a" a:s="1" ` + typed, "attribute-order"},
		{"attributes of nine namespaces", "response-okta", `</saml2:AttributeValue>`, nineNamespaces() + `</saml2:AttributeValue>`, "attribute-order"},
		{"a prefix nobody declared", "response-okta", `</saml2:AttributeValue>`, `<x:a/></saml2:AttributeValue>`, "undeclared-prefix"},
		{"a prefix out of scope", "response-okta", `<saml2p:Status>`, `<saml2:x/><saml2p:Status>`, "undeclared-prefix"},
		{"an attribute's prefix nobody declared", "response-okta", typed, `x:a="1" ` + typed, "undeclared-prefix"},
		{"an element called xmlns", "response-okta", `</saml2:AttributeValue>`, `<xmlns:a/></saml2:AttributeValue>`, "undeclared-prefix"},
		{"an element of xml", "response-okta", `</saml2:AttributeValue>`, `<xml:a/></saml2:AttributeValue>`, "undeclared-prefix"},
		{"xml:base", "response-okta", typed, `xml:base="http://x" ` + typed, "xml-attribute"},
		{"xml:space", "response-okta", typed, `xml:space="preserve" ` + typed, "xml-attribute"},
		{"xml:id", "response-okta", typed, `xml:id="x" ` + typed, "xml-attribute"},
		{"a default namespace undeclared", "response-entra", `<AttributeValue>`, `<AttributeValue xmlns="">`, "xmlns-empty"},
		{"a prefix undeclared", "response-okta", value, `<saml2:AttributeValue xmlns:q="" xmlns:xs`, "xmlns-empty"},
		{"a relative namespace", "response-okta", value, `<saml2:AttributeValue xmlns:q="x" xmlns:xs`, "xmlns-uri"},
		{"a namespace with an ampersand", "response-okta", value, `<saml2:AttributeValue xmlns:q="http://x/?a&amp;b" xmlns:xs`, "xmlns-uri"},
		{"a namespace with a reference", "response-okta", value, `<saml2:AttributeValue xmlns:q="urn:&#120;" xmlns:xs`, "xmlns-uri"},
		{"a namespace of spaces", "response-okta", value, `<saml2:AttributeValue xmlns:q=" urn:x" xmlns:xs`, "xmlns-uri"},
		{"a namespace of 1,025 bytes", "response-okta", value, `<saml2:AttributeValue xmlns:q="urn:` + strings.Repeat("x", 1021) + `" xmlns:xs`, "xmlns-uri"},
		{"xml bound again", "response-okta", value, `<saml2:AttributeValue xmlns:xml="urn:x" xmlns:xs`, "xmlns-reserved"},
		{"xmlns bound", "response-okta", value, `<saml2:AttributeValue xmlns:xmlns="urn:x" xmlns:xs`, "xmlns-reserved"},
		{"a prefix for xml's namespace", "response-okta", value, `<saml2:AttributeValue xmlns:q="http://www.w3.org/XML/1998/namespace" xmlns:xs`, "xmlns-reserved"},
		{"xmlns's namespace as default", "response-okta", value, `<saml2:AttributeValue xmlns="http://www.w3.org/2000/xmlns/" xmlns:xs`, "xmlns-reserved"},
		{"a SAML prefix bound to another", "response-okta", value, `<saml2:AttributeValue xmlns:saml2p="urn:x" xmlns:xs`, "prefix-rebound"},
		{"another prefix bound to SAML later", "response-okta", value, `<saml2:AttributeValue xmlns:xs="` + assertNS + `" xmlns:y`, "prefix-rebound"},
		{"a signature's prefix bound to SAML", "response-okta", value, `<saml2:AttributeValue xmlns:ds="` + assertNS + `" xmlns:xs`, "prefix-rebound"},
		{"a default namespace for the prefix's sake", "response-entra", `<AttributeValue>`, `<AttributeValue xmlns:samlp="urn:x">`, "prefix-rebound"},
		{"an ID of spaces", "response-okta", `ID="id1"`, `ID=" id1"`, "id"},
		{"an ID that begins with a digit", "response-okta", `ID="id1"`, `ID="1"`, "id"},
		{"an ID with a colon", "response-okta", `ID="id1"`, `ID="a:b"`, "id"},
		{"an empty ID", "response-okta", `ID="id1"`, `ID=""`, "id"},
		{"an ID of 257 characters", "response-okta", `ID="id1"`, `ID="` + strings.Repeat("a", 257) + `"`, "id"},
		{"a prefixed ID", "response-okta", typed, `xmlns:wsu="` + wsuNS + `" wsu:Id="x" ` + typed, "id-prefix"},
		{"one ID twice", "response-okta", `ID="id2"`, `ID="id1"`, "duplicate-id"},
		{"one ID in two spellings", "response-okta", `</saml2:AttributeValue>`, `<x Id="id1"/></saml2:AttributeValue>`, "duplicate-id"},
		{"one ID behind a reference", "response-okta", `</saml2:AttributeValue>`, `<x id="i&#100;1"/></saml2:AttributeValue>`, "duplicate-id"},
		{"a signature with the ID of its assertion", "response-okta", signer, `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Id="id1">`, "duplicate-id"},
		{"an Id on a response", "response-okta", `ID="id1"`, `ID="id1" Id="x"`, "id-attribute"},
		{"an AssertionID on an assertion", "response-okta", `ID="id2"`, `ID="id2" AssertionID="x"`, "id-attribute"},
		{"an ID on a signature", "response-okta", signer, `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#" ID="x">`, "id-attribute"},
		{"a comment that splits a certificate", "metadata-plain", `</ds:X509Certificate>`, `<!-- x -->A</ds:X509Certificate>`, "comment-in-text"},
		{"a comment before a certificate", "metadata-plain", `<ds:X509Certificate>`, `<ds:X509Certificate><!-- x -->`, "comment-in-text"},
		{"a comment with two hyphens", "metadata-plain", `<!-- sample`, `<!-- -- sample`, "comment-in-text"},
		{"a comment that does not end", "metadata-plain", "</md:EntityDescriptor>", "</md:EntityDescriptor><!-- ", "comment-in-text"},
		{"a document type in metadata", "metadata-plain", `<md:EntityDescriptor`, `<!DOCTYPE x><md:EntityDescriptor`, "doctype"},
		{"CDATA in metadata", "metadata-plain", `Acme`, `<![CDATA[Acme]]>`, "cdata"},
		{"a SAML prefix bound to another in metadata", "metadata-plain", `<md:Organization>`, `<md:Organization xmlns:ds="urn:x">`, "prefix-rebound"},
	}
}

// nineNamespaces is an element whose attributes stand in the same order by namespace and by name.
func nineNamespaces() string {
	var declared, used strings.Builder
	for i := range 9 {
		fmt.Fprintf(&declared, ` xmlns:n%d="urn:%d"`, i, i)
		fmt.Fprintf(&used, ` n%d:a%d=""`, i, i)
	}
	return "<x" + declared.String() + used.String() + "/>"
}

func badShape() []bad {
	status := `<saml2p:Status><saml2p:StatusCode Value="` + success + `"/></saml2p:Status>`
	subject := `<saml2:Subject>`
	return []bad{
		{"another message", "logoutrequest-keycloak", "", "", "root"},
		{"a response of another namespace", "response-okta", `xmlns:saml2p="urn:oasis:names:tc:SAML:2.0:protocol"`, `xmlns:saml2p="urn:oasis:names:tc:SAML:1.0:protocol"`, "root"},
		{"SAML 1.1's version", "response-okta", `Version="2.0"`, `Version="1.1"`, "version"},
		{"no version", "response-okta", ` Version="2.0"`, ``, "version"},
		{"no ID", "response-okta", ` ID="id1"`, ``, "no-id"},
		{"a prefixed version", "response-okta", ` Version="2.0"`, ` xmlns:q="urn:q" q:Version="2.0"`, "foreign-attribute"},
		{"a foreign Destination", "response-okta", ` Version="2.0"`, ` Version="2.0" xmlns:q="urn:q" q:Destination="x"`, "foreign-attribute"},
		{"a Destination of XML Schema", "response-okta", ` Version="2.0"`, ` Version="2.0" xmlns:q="http://www.w3.org/2001/XMLSchema-instance" q:Destination="x"`, "foreign-attribute"},
		{"a foreign Recipient", "response-okta", `<saml2:SubjectConfirmationData `, `<saml2:SubjectConfirmationData xmlns:q="urn:q" q:Recipient="x" `, "foreign-attribute"},
		{"a foreign Name", "response-okta", `<saml2:Attribute `, `<saml2:Attribute xmlns:q="urn:q" q:Name="x" `, "foreign-attribute"},
		{"an unknown attribute in a signature", "response-okta", `<ds:SignedInfo>`, `<ds:SignedInfo x="y">`, "unknown-attribute"},
		{"text in a response", "response-okta", status, "x" + status, "text-in-structure"},
		{"referred text in a subject", "response-okta", subject, subject + "&#65;", "text-in-structure"},
		{"a no-break space in a subject", "response-okta", subject, subject + "\u00A0", "text-in-structure"},
		{"text in an attribute", "response-okta", value, "x" + value, "text-in-structure"},
		{"text in a status code", "response-okta", `/></saml2p:Status>`, `>x</saml2p:StatusCode></saml2p:Status>`, "text-in-structure"},
		{"an element in a NameID", "response-okta", "ada@", "<b/>ada@", "element-in-text"},
		{"an element in an issuer", "response-okta", "http://www.okta.com", "<saml2:Issuer>x</saml2:Issuer>http://www.okta.com", "element-in-text"},
		{"an assertion in an issuer", "response-okta", "http://www.okta.com", "<saml2:Assertion/>http://www.okta.com", "misplaced-assertion"},
		{"an unknown child", "response-okta", status, `<x/>` + status, "unexpected-element"},
		{"a status after the assertion", "response-okta", `</saml2:Assertion>`, `</saml2:Assertion>` + status, "two-statuses"},
		{"an issuer after the signature", "response-okta", status, `<saml2:Issuer xmlns:saml2="` + assertNS + `">x</saml2:Issuer>` + status, "two-issuers"},
		{"extensions after the status", "response-okta", status, status + `<saml2p:Extensions/>`, "element-order"},
		{"conditions before the subject", "assertion-okta", subject, `<saml2:Conditions/>` + subject, "no-subject"},
		{"no status", "response-okta", status, "", "no-status"},
		{"a status without a code", "response-okta", status, "<saml2p:Status/>", "no-status-code"},
		{"a status code without a value", "response-okta", ` Value="` + success + `"`, "", "no-status-code"},
		{"a failure with an assertion", "response-okta", success, "urn:oasis:names:tc:SAML:2.0:status:Responder", "assertion-with-failure"},
		{"success within a failure", "response-okta", status, `<saml2p:Status><saml2p:StatusCode Value="urn:x"><saml2p:StatusCode Value="` + success + `"/></saml2p:StatusCode></saml2p:Status>`, "assertion-with-failure"},
		{"success without an assertion", "response-failure", "urn:oasis:names:tc:SAML:2.0:status:Responder", success, "no-assertion"},
		{"an assertion in extensions", "response-okta", status, `<saml2p:Extensions><saml2:Assertion xmlns:saml2="` + assertNS + `"/></saml2p:Extensions>` + status, "misplaced-assertion"},
		{"an assertion of no namespace", "response-okta", `</saml2:AttributeValue>`, `<Assertion/></saml2:AttributeValue>`, "reserved-name"},
		{"an assertion of SAML 1.1", "response-okta", `</saml2:AttributeValue>`, `<Assertion xmlns="urn:oasis:names:tc:SAML:1.0:assertion"/></saml2:AttributeValue>`, "reserved-name"},
		{"a response in an attribute", "response-okta", `</saml2:AttributeValue>`, `<saml2p:Response/></saml2:AttributeValue>`, "misplaced-response"},
		{"an encrypted assertion in an attribute", "response-okta", `</saml2:AttributeValue>`, `<saml2:EncryptedAssertion/></saml2:AttributeValue>`, "misplaced-encrypted-assertion"},
		{"a signature in an attribute", "response-okta", `</saml2:AttributeValue>`, signer + `</ds:Signature></saml2:AttributeValue>`, "misplaced-signature"},
		{"a signed info in a key info", "response-okta", `<ds:X509Data>`, `<ds:SignedInfo/><ds:X509Data>`, "misplaced-signed-info"},
		{"a reference in a key info", "response-okta", `<ds:X509Data>`, `<ds:Reference/><ds:X509Data>`, "misplaced-reference"},
		{"an encrypted key in a signature's key info", "response-okta", `<ds:X509Data>`, `<x:EncryptedKey xmlns:x="http://www.w3.org/2001/04/xmlenc#"/><ds:X509Data>`, "misplaced-encrypted-key"},
		{"a subject in an attribute", "response-okta", `</saml2:AttributeValue>`, `<saml2:Subject/></saml2:AttributeValue>`, "saml-elsewhere"},
		{"a name in extensions", "response-okta", status, `<saml2p:Extensions><saml2:NameID xmlns:saml2="` + assertNS + `">x</saml2:NameID></saml2p:Extensions>` + status, "saml-elsewhere"},
		{"a key info in an attribute", "response-okta", `</saml2:AttributeValue>`, `<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/></saml2:AttributeValue>`, "crypto-elsewhere"},
		{"an object in a key info", "response-okta", `<ds:X509Data>`, `<ds:Object/><ds:X509Data>`, "crypto-elsewhere"},
		{"encrypted data in extensions", "response-okta", status, `<saml2p:Extensions><x:EncryptedData xmlns:x="http://www.w3.org/2001/04/xmlenc#"/></saml2p:Extensions>` + status, "crypto-elsewhere"},
		{"no subject", "assertion-okta", "", "", "no-subject"},
		{"two subjects", "assertion-okta", `<saml2:Conditions `, subject + `<saml2:NameID>x</saml2:NameID><saml2:SubjectConfirmation/></saml2:Subject><saml2:Conditions `, "two-subjects"},
		{"two names", "assertion-okta", `<saml2:SubjectConfirmation `, `<saml2:NameID>x</saml2:NameID><saml2:SubjectConfirmation `, "two-name-ids"},
		{"a name after the confirmation", "assertion-okta", `</saml2:Subject>`, `<saml2:NameID>x</saml2:NameID></saml2:Subject>`, "two-name-ids"},
		{"a BaseID", "assertion-okta", subject, subject + `<saml2:BaseID/>`, "base-id"},
		{"an EncryptedID", "assertion-okta", subject, subject + `<saml2:EncryptedID/>`, "encrypted-id"},
		{"no confirmation", "assertion-okta", `<saml2:Subject>`, `<saml2:Subject><saml2:NameID>x</saml2:NameID></saml2:Subject><saml2:Subject>`, "no-confirmation"},
		{"five confirmations", "assertion-okta", `</saml2:Subject>`, strings.Repeat(`<saml2:SubjectConfirmation/>`, 4) + `</saml2:Subject>`, "too-many-confirmations"},
		{"two conditions", "assertion-okta", `<saml2:AuthnStatement `, `<saml2:Conditions/><saml2:AuthnStatement `, "two-conditions"},
		{"two sign-ins", "assertion-okta", `<saml2:AuthnStatement `, `<saml2:AuthnStatement><saml2:AuthnContext/></saml2:AuthnStatement><saml2:AuthnStatement `, "two-authn-statements"},
		{"advice", "assertion-okta", `<saml2:AuthnStatement `, `<saml2:Advice/><saml2:AuthnStatement `, "advice"},
		{"an authorisation", "assertion-okta", `<saml2:AuthnStatement `, `<saml2:AuthzDecisionStatement/><saml2:AuthnStatement `, "statement"},
		{"any statement", "assertion-okta", `<saml2:AuthnStatement `, `<saml2:Statement/><saml2:AuthnStatement `, "statement"},
		{"an encrypted attribute", "assertion-okta", `<saml2:Attribute `, `<saml2:EncryptedAttribute/><saml2:Attribute `, "encrypted-attribute"},
		{"an unknown condition", "assertion-okta", `<saml2:AudienceRestriction>`, `<x/><saml2:AudienceRestriction>`, "unexpected-element"},
		{"content of OneTimeUse", "response-keycloak", `<saml:OneTimeUse/>`, `<saml:OneTimeUse><x/></saml:OneTimeUse>`, "unexpected-element"},
		{"two assertions", "response-okta", `</saml2:Assertion>`, `</saml2:Assertion><saml2:Assertion xmlns:saml2="` + assertNS + `" ID="x" Version="2.0"/>`, "two-assertions"},
		{"a plain and an encrypted assertion", "response-okta", `</saml2:Assertion></saml2p`, `</saml2:Assertion><saml2:EncryptedAssertion xmlns:saml2="` + assertNS + `"/></saml2p`, "no-encrypted-data"},
		{"two signatures", "assertion-okta", subject, signer + `</ds:Signature>` + subject, "two-signatures"},
		{"a signature of another place", "assertion-okta", `</saml2:Subject>`, signer + `</ds:Signature></saml2:Subject>`, "misplaced-signature"},
		{"an object", "response-okta", `</ds:Signature>`, `<ds:Object/></ds:Signature>`, "signature-object"},
		{"an assertion in an object", "response-okta", `</ds:Signature>`, `<ds:Object><saml2:Assertion xmlns:saml2="` + assertNS + `"/></ds:Object></ds:Signature>`, "signature-object"},
		{"two references", "response-okta", `</ds:Reference>`, `</ds:Reference><ds:Reference URI="#id2"/>`, "two-references"},
		{"a reference to another", "response-okta", `URI="#id1"`, `URI="#id2"`, "reference-uri"},
		{"a reference to the root", "response-okta", `URI="#id1"`, `URI=""`, "reference-empty"},
		{"a reference to nothing", "response-okta", ` URI="#id1"`, ``, "reference-empty"},
		{"a reference by XPointer", "response-okta", `URI="#id1"`, `URI="#xpointer(id('id1'))"`, "reference-uri"},
		{"a reference outwards", "response-okta", `URI="#id1"`, `URI="https://x.example/#id1"`, "reference-uri"},
		{"inclusive canonical XML", "response-okta", `Method Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"`, `Method Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"`, "c14n-algorithm"},
		{"canonical XML with comments", "response-okta", `Method Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"`, `Method Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#WithComments"`, "c14n-algorithm"},
		{"a transform with comments", "response-okta", excC14N, `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#WithComments">`, "transforms"},
		{"an XPath transform", "response-okta", enveloped, `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"/>`, "transforms"},
		{"transforms in the other order", "response-okta", enveloped, `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>`, "transforms"},
		{"one transform", "response-okta", enveloped, ``, "transforms"},
		{"three transforms", "response-okta", enveloped, enveloped + enveloped, "transforms"},
		{"no transforms", "response-entra", "", "", "transforms"},
		{"a prefix list on the wrong transform", "response-okta", enveloped, strings.Replace(enveloped, "/>", ">", 1) + listXS + "</ds:Transform>", "prefix-list"},
		{"a prefix list without its list", "response-okta", ` PrefixList="xs"`, ``, "prefix-list"},
		{"two prefix lists", "response-okta", listXS, listXS + listXS, "prefix-list"},
		{"#default in a prefix list", "response-okta", `PrefixList="xs"`, `PrefixList="xs #default"`, "prefix-list"},
		{"a prefix list that begins with a space", "response-okta", `PrefixList="xs"`, `PrefixList=" xs"`, "prefix-list"},
		{"a prefix list with two spaces", "response-okta", `PrefixList="xs"`, `PrefixList="xs  ds"`, "prefix-list"},
		{"a prefix list with a tab", "response-okta", `PrefixList="xs"`, `PrefixList="xs&#9;ds"`, "prefix-list"},
		{"nine prefixes listed", "response-okta", `PrefixList="xs"`, `PrefixList="xs xs xs xs xs xs xs xs xs"`, "prefix-list"},
		{"a prefix listed that nobody declares", "response-okta", `PrefixList="xs"`, `PrefixList="nobody"`, "prefix-list"},
		{"xml listed", "response-okta", `PrefixList="xs"`, `PrefixList="xml"`, "prefix-list"},
		{"a short digest", "response-okta", `AAAAAAA=</ds:DigestValue>`, `</ds:DigestValue>`, "digest-length"},
		{"a digest of another algorithm's length", "response-okta", `2001/04/xmlenc#sha256`, `2001/04/xmlenc#sha512`, "digest-length"},
		{"a digest without padding", "response-okta", `=</ds:DigestValue>`, `</ds:DigestValue>`, "base64"},
		{"a digest with stray bits", "response-okta", `A=</ds:DigestValue>`, `B=</ds:DigestValue>`, "base64"},
		{"a digest in URL-safe base64", "response-okta", `AAAAAAAA`, `AAAA-_AA`, "base64"},
		{"no digest", "response-okta", `<ds:DigestValue>`, `<ds:DigestValue/><ds:DigestValue>`, "base64"},
		{"an ECDSA signature in ASN.1", "response-nameid-value", `<ds:SignatureValue>`, `<ds:SignatureValue>AAAA`, "signature-length"},
		{"a long RSA signature", "response-okta", `<ds:SignatureValue>`, `<ds:SignatureValue>` + strings.Repeat("AAAA", 300), "signature-length"},
		{"a large key info", "response-okta", `<ds:X509Data>`, `<ds:KeyName>` + strings.Repeat("x", 64<<10) + `</ds:KeyName><ds:X509Data>`, "key-info"},
		{"a key info of many parts", "response-okta", `<ds:X509Data>`, strings.Repeat(`<ds:KeyName/>`, 64) + `<ds:X509Data>`, "key-info"},
		{"no encrypted key", "response-encrypted-beside", "", "", "no-encrypted-key"},
		{"two encrypted keys", "response-encrypted", `</saml2:EncryptedAssertion>`, `<x:EncryptedKey xmlns:x="http://www.w3.org/2001/04/xmlenc#"/></saml2:EncryptedAssertion>`, "two-encrypted-keys"},
		{"RSA with PKCS #1 v1.5", "response-encrypted", "rsa-oaep-mgf1p", "rsa-1_5", "encryption-algorithm"},
		{"triple DES", "response-encrypted", "http://www.w3.org/2009/xmlenc11#aes256-gcm", "http://www.w3.org/2001/04/xmlenc#tripledes-cbc", "encryption-algorithm"},
		{"GCM of the wrong namespace", "response-encrypted", "http://www.w3.org/2009/xmlenc11#aes256-gcm", "http://www.w3.org/2001/04/xmlenc#aes256-gcm", "encryption-algorithm"},
		{"an unknown digest for OAEP", "response-encrypted", `Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"`, `Algorithm="urn:x"`, "encryption-algorithm"},
		{"a label for OAEP", "response-encrypted", `</xenc:EncryptionMethod>`, `<xenc:OAEPparams>x</xenc:OAEPparams></xenc:EncryptionMethod>`, "oaep-params"},
		{"encrypted content", "response-encrypted", `xmlenc#Element"`, `xmlenc#Content"`, "encrypted-type"},
		{"a ciphertext elsewhere", "response-encrypted", `<xenc:CipherValue>`, `<xenc:CipherReference URI="http://x"/><xenc:CipherValue>`, "cipher-reference"},
		{"a short key", "response-encrypted", "", "", "key-length"},
		{"a short ciphertext", "response-encrypted", "", "", "ciphertext-length"},
		{"half a block of CBC", "response-encrypted", "http://www.w3.org/2009/xmlenc11#aes256-gcm", "http://www.w3.org/2001/04/xmlenc#aes256-cbc", "ciphertext-length"},
		{"a logout with an assertion", "logoutrequest-keycloak", `<samlp:SessionIndex>`, `<saml:Assertion/><samlp:SessionIndex>`, "misplaced-assertion"},
		{"a logout of two people", "logoutrequest-keycloak", `<samlp:SessionIndex>`, `<saml:NameID>x</saml:NameID><samlp:SessionIndex>`, "two-name-ids"},
		{"a logout of nobody", "logoutrequest-keycloak", "", "", "no-name-id"},
		{"a logout by an encrypted name", "logoutrequest-keycloak", `<saml:NameID`, `<saml:EncryptedID/><saml:NameID`, "encrypted-id"},
		{"a logout of no issuer", "logoutrequest-keycloak", `<saml:Issuer>https://kc.example/realms/acme</saml:Issuer>`, ``, "no-issuer"},
		{"an answer with a name", "logoutresponse-okta", `<saml2p:Status>`, `<saml2:NameID xmlns:saml2="` + assertNS + `">x</saml2:NameID><saml2p:Status>`, "unexpected-element"},
		{"metadata without a signature", "signedmetadata-plain", "", "", "no-signature"},
		{"metadata whose signature is of another", "signedmetadata-plain", `URI="#_m"`, `URI="#_x"`, "reference-uri"},
		{"metadata without an ID", "signedmetadata-plain", ` ID="_m"`, ``, "no-id"},
		{"metadata with an object", "signedmetadata-plain", `</ds:Signature>`, `<ds:Object/></ds:Signature>`, "signature-object"},
	}
}

// cuts are the spoilt documents that lack a whole element: everything from the first text to the end of the second.
func cuts() map[string][3]string {
	return map[string][3]string{
		"no subject":                   {"<saml2:Subject>", "</saml2:Subject>", ""},
		"no transforms":                {"<Transforms>", "</Transforms>", ""},
		"no encrypted key":             {"<xenc:EncryptedKey", "</xenc:EncryptedKey>", ""},
		"a short key":                  {"<xenc:CipherValue>", "</xenc:CipherValue>", "<xenc:CipherValue>AAAA</xenc:CipherValue>"},
		"a logout of nobody":           {"<saml:NameID", "</saml:NameID>", ""},
		"metadata without a signature": {"<ds:Signature", "</ds:Signature>", ""},
	}
}

func spoil(t *testing.T, b bad, document string) []byte {
	t.Helper()
	if b.name == "a short ciphertext" { // 28 bytes: a nonce and a tag, and nothing in between
		at := strings.LastIndex(document, "<xenc:CipherValue>")
		end := strings.LastIndex(document, "</xenc:CipherValue>")
		return []byte(document[:at] + "<xenc:CipherValue>" + strings.Repeat("A", 38) + "==" + document[end:])
	}
	if b.name == "another message" {
		return []byte(strings.ReplaceAll(document, "LogoutRequest", "ManageNameIDRequest"))
	}
	if c, ok := cuts()[b.name]; ok {
		before, rest, found := strings.Cut(document, c[0])
		_, after, ends := strings.Cut(rest, c[1])
		if !found || !ends {
			t.Fatalf("%s has no %s", b.from, c[0])
		}
		return []byte(before + c[2] + after)
	}
	if !strings.Contains(document, b.old) {
		t.Fatalf("%s has no %s", b.from, b.old)
	}
	return []byte(strings.Replace(document, b.old, b.new, 1))
}

func TestEachSpoiltDocumentIsRefusedByItsOwnRule(t *testing.T) {
	good := shapes(t)
	for shape, table := range map[bool][]bad{false: badXML(), true: badShape()} {
		for _, b := range table {
			t.Run(b.name, func(t *testing.T) {
				document := spoil(t, b, string(good[b.from]))
				_, err := xmlguard.Check(document, kindOf(t, b.from), 0)
				if got := rule(t, document, kindOf(t, b.from)); got != b.rule {
					t.Fatalf("got %v, want %s", err, b.rule)
				}
				if e := asError(t, err); e.Shape != shape {
					t.Errorf("Shape is %v for %s", e.Shape, b.rule)
				}
				if strings.Contains(err.Error(), "ada") {
					t.Errorf("the error quotes the document: %v", err)
				}
			})
		}
	}
}

func asError(t *testing.T, err error) *xmlguard.Error {
	t.Helper()
	e, ok := err.(*xmlguard.Error) //nolint:errorlint // Check promises this type itself, unwrapped
	if !ok {
		t.Fatalf("the error is a %T", err)
	}
	return e
}

func TestAPlainAndAnEncryptedAssertionAreTwo(t *testing.T) {
	good := shapes(t)
	plain := string(good["assertion-okta"])
	sealed := string(good["response-encrypted"])
	for _, end := range []string{"</saml2p:Response>", "<saml2:EncryptedAssertion"} {
		both := strings.Replace(sealed, end, plain+end, 1)
		if got := rule(t, []byte(both), xmlguard.Response); got != "two-assertions" {
			t.Errorf("before %s: %q", end, got)
		}
	}
}

func TestADocumentWithoutAnElementIsEmpty(t *testing.T) {
	for _, b := range []string{"", " ", "\n", `<?xml version="1.0"?>`, `<?xml version="1.0"?>` + "\r\n"} {
		for _, k := range kinds {
			if got := rule(t, []byte(b), k); got != "empty" {
				t.Errorf("%q: %q", b, got)
			}
		}
	}
}

func TestNoKindRefusesEverything(t *testing.T) {
	for name, b := range shapes(t) {
		for _, k := range []xmlguard.Kind{0, -1, 7} {
			if got := rule(t, b, k); got != "kind" {
				t.Errorf("%s as kind %d: %q", name, k, got)
			}
		}
	}
}

func TestOneKindIsNoOther(t *testing.T) {
	kinds := []xmlguard.Kind{xmlguard.Response, xmlguard.Assertion, xmlguard.LogoutRequest, xmlguard.LogoutResponse, xmlguard.Metadata}
	for name, b := range shapes(t) {
		for _, k := range kinds {
			own := kindOf(t, name)
			if k == own || k == xmlguard.Metadata && own == xmlguard.SignedMetadata {
				continue
			}
			if got := rule(t, b, k); got == "" {
				t.Errorf("%s is accepted as kind %d", name, k)
			}
		}
	}
}

func TestLimitsHoldAtTheirEdge(t *testing.T) {
	okta := string(shapes(t)["response-okta"])
	within := func(inner string) []byte {
		return []byte(strings.Replace(okta, "</saml2:AttributeValue>", inner+"</saml2:AttributeValue>", 1))
	}
	elements := strings.Count(okta, "<") - strings.Count(okta, "</") - 1
	depth := 6 // of an AttributeValue: Response, Assertion, AttributeStatement, Attribute, AttributeValue, and one below it
	attributes := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, ` a%d=""`, i)
		}
		return "<x" + b.String() + "/>"
	}
	namespaces := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, limit := range []struct {
		rule string
		make func(over int) []byte
	}{
		{"too-many-elements", func(over int) []byte { return within(strings.Repeat("<x/>", 5000-elements+over)) }},
		{"too-deep", func(over int) []byte {
			n := 32 - depth + 1 + over
			return within(strings.Repeat("<x>", n) + strings.Repeat("</x>", n))
		}},
		{"too-many-attributes", func(over int) []byte { return within(attributes(32 + over)) }},
		{"too-many-attributes", func(over int) []byte {
			have := strings.Count(okta, `="`) - 2 // without the XML declaration's
			n := (20_000 - have) / 20
			return within(strings.Repeat(attributes(20), n) + attributes(20_000-have-20*n+over))
		}},
		{"too-many-xmlns", func(over int) []byte { return within("<x" + namespaces(16+over, ` xmlns:a%d="urn:x"`) + "/>") }},
		// saml2p, xs, saml2, xsi, ds and ec are there.
		{"too-many-xmlns", func(over int) []byte { // in the canonical form
			name := fmt.Sprintf("n%d:x", 7+over)
			return within("<x" + namespaces(9, ` xmlns:n%[1]d="urn:%[1]d"`) + "><" + name + namespaces(8, ` n%[1]d:a%[1]d=""`) + "/></x>")
		}},
		{"too-many-prefixes", func(over int) []byte { return within(namespaces(32-6+over, `<x xmlns:a%d="urn:x"/>`)) }},
		{"too-many-namespaces", func(over int) []byte { return within(namespaces(63+over, `<x xmlns="urn:x%d"/>`)) }},
		{"too-large", func(over int) []byte {
			return within(strings.Repeat("x", xmlguard.DefaultBytes-len(okta)+over))
		}},
		// > takes four bytes in canonical form.
		{"canonical-size", func(over int) []byte {
			return within(strings.Repeat(">", (130+10*over)<<10) + strings.Repeat("x", 480<<10) + "<x/>")
		}},
	} {
		if got := rule(t, limit.make(0), xmlguard.Response); got != "" {
			t.Errorf("%s: refused within the limit: %s", limit.rule, got)
		}
		if got := rule(t, limit.make(1), xmlguard.Response); got != limit.rule {
			t.Errorf("%s: got %q above the limit", limit.rule, got)
		}
	}
}

func TestTheLimitIsTheCallersUpToOneMebibyte(t *testing.T) {
	okta := shapes(t)["response-okta"]
	if _, err := xmlguard.Check(okta, xmlguard.Response, len(okta)); err != nil {
		t.Errorf("refused at the limit: %v", err)
	}
	if _, err := xmlguard.Check(okta, xmlguard.Response, len(okta)-1); err == nil {
		t.Error("accepted above the limit")
	}
	long := bytes.Replace(okta, []byte("Analysts"), bytes.Repeat([]byte("x"), xmlguard.MaxBytes), 1)
	if _, err := xmlguard.Check(long, xmlguard.Response, 1<<30); err == nil || asError(t, err).Rule != "too-large" {
		t.Errorf("above one mebibyte: %v", err)
	}
}

func TestANamespaceRepeatedByCanonicalisationIsRefused(t *testing.T) {
	okta := string(shapes(t)["response-okta"])
	// The root declares a prefix of 1,000 bytes, unused there; each of 3,000 children has to repeat it.
	long := strings.Replace(okta, `xmlns:xs=`, `xmlns:q="urn:`+strings.Repeat("x", 990)+`" xmlns:xs=`, 1)
	long = strings.Replace(long, `</saml2:AttributeValue>`, strings.Repeat(`<q:x/>`, 3000)+`</saml2:AttributeValue>`, 1)
	if got := rule(t, []byte(long), xmlguard.Response); got != "canonical-size" {
		t.Errorf("%d bytes that canonicalise to three million: %q", len(long), got)
	}
}

// manyGroups is a response of Okta's or Keycloak's shape with n groups of 36 characters.
func manyGroups(t testing.TB, shape string, n int) []byte {
	t.Helper()
	document := string(shapes(t)["response-"+shape])
	start, end := "<saml2:AttributeValue ", "</saml2:AttributeValue>"
	if shape == "keycloak" {
		start, end = "<saml:Attribute ", "</saml:Attribute>"
	}
	at := strings.Index(document, start)
	to := strings.Index(document, end) + len(end)
	one := document[at:to]
	for _, old := range []string{"Analysts &amp; Co", "offline_access"} {
		one = strings.Replace(one, old, "%08d-aaaa-4aaa-8aaa-aaaaaaaaaaaa", 1)
	}
	var b strings.Builder
	b.WriteString(document[:at])
	for i := range n {
		fmt.Fprintf(&b, one, i)
	}
	b.WriteString(document[to:])
	return []byte(b.String())
}

func TestTwoThousandGroupsPassAtTheDefaultLimits(t *testing.T) {
	for _, shape := range []string{"okta", "keycloak"} {
		document := manyGroups(t, shape, 2000)
		if got := rule(t, document, xmlguard.Response); got != "" {
			t.Errorf("%s: %d bytes are refused: %s", shape, len(document), got)
		}
	}
}
