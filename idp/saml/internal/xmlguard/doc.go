// Package xmlguard decides, on the bytes alone and before any parser builds a tree, whether a SAML message is one that
// every XML parser reads alike.
//
// It promises that a [Document] is well-formed XML 1.0 with namespaces, free of everything two readers take differently
// (document types, comments, CDATA, processing instructions, duplicate attributes, rebound prefixes, ambiguous IDs),
// within limits that keep canonicalisation linear, and of exactly the shape its [Kind] names: which elements, where, how
// often (SAML 2.0 Core §2, §3; XML Signature §4; XML Encryption §3). Whatever is not understood is refused, never
// repaired. It never looks at keys, digests, times or names, so it says nothing about whether a signature is true or
// present: that is for its caller. Its errors never quote the document.
//
// Why a scanner of its own: encoding/xml matches no end tags in RawToken, takes <:a/>, duplicate attributes, a second root
// and surrogate references, and loses the difference between text and CDATA. The language accepted here is small enough
// to read in one pass, without recursion, in time linear in the bytes.
//
// # The XML rules
//
//	empty too-large                             no bytes, more than the limit
//	kind                                        asked for no kind of document
//	utf8 bom control-character non-character    not UTF-8 text of XML 1.0 characters, or a byte order mark
//	doctype comment cdata directive             the four things that begin with <! (Metadata takes comments between elements)
//	comment-in-text                             Metadata: a comment that splits a text, or is no well-formed comment
//	processing-instruction xml-declaration      <? elsewhere than at byte 0; another version or encoding
//	syntax                                      a tag, attribute or end that is not XML
//	name                                        not NCName or NCName:NCName of ASCII characters, or over 256 bytes
//	end-tag second-root text-outside-root       wrong nesting
//	reference                                   an entity beyond the five, or a number that is no character
//	cdata-end                                   ]]> in text
//	attribute-whitespace                        a literal tab or line end in an attribute value
//	too-deep too-many-elements too-many-attributes too-many-xmlns too-many-prefixes too-many-namespaces
//	                                            more than the package's limits
//	duplicate-attribute                         by name, or by namespace and local name
//	attribute-order                             attributes of two namespaces that canonicalisers sort differently
//	undeclared-prefix xml-attribute             no binding in scope; xml:* other than xml:lang
//	xmlns-empty xmlns-uri xmlns-reserved        xmlns="", not an absolute URI, xml or xmlns bound
//	prefix-rebound                              a prefix of the SAML, XML Signature or XML Encryption namespaces means two things
//	canonical-size                              the exclusive canonical form would pass 1 MiB
//	id id-prefix duplicate-id id-attribute      ID, Id, id, AssertionID: not an NCName of 256, prefixed, repeated, of the wrong spelling
//
// # The shape rules
//
//	root                                        another element than the kind's
//	unexpected-element element-order            does not belong there; belongs earlier
//	misplaced-response misplaced-assertion misplaced-encrypted-assertion misplaced-signature misplaced-signed-info
//	misplaced-reference misplaced-encrypted-key reserved-name
//	                                            one of these names elsewhere; one of these names in another namespace
//	saml-elsewhere crypto-elsewhere             a SAML, or signature or encryption, element inside free content
//	element-in-text text-in-structure           text where only elements belong, and the reverse
//	foreign-attribute unknown-attribute         an attribute of another namespace that could pass for SAML's; not the schema's
//	version no-id                               Version is not "2.0"; the signed or root element has no ID
//	no-issuer no-status no-status-code no-subject no-name-id no-confirmation no-conditions no-authn-statement
//	no-authn-context no-signature no-signed-info no-signature-method no-signature-value no-reference no-digest-method
//	no-digest-value no-encrypted-data no-cipher-data no-cipher-value
//	                                            an element that must be there is not
//	two-issuers two-signatures two-extensions two-statuses two-status-codes two-status-messages two-status-details
//	two-assertions two-subjects two-name-ids two-confirmation-data two-conditions two-authn-statements
//	two-subject-localities two-authn-contexts two-authn-context-classes two-authn-context-declarations
//	two-signed-infos two-signature-methods two-signature-values two-key-infos two-digest-methods two-digest-values
//	two-encrypted-data two-cipher-data two-cipher-values two-reference-lists two-carried-key-names
//	                                            an element that may be there once is there twice
//	too-many-confirmations                      more than four
//	no-assertion assertion-with-failure         Status and content contradict each other
//	advice statement base-id encrypted-id encrypted-attribute
//	                                            parts of SAML that the gate does not take
//	signature-object two-references reference-uri reference-empty c14n-algorithm transforms prefix-list
//	digest-length signature-length base64       the Signature is not of the one form that is verified
//	key-info                                    more than 64 elements or 64 KiB
//	no-encrypted-key two-encrypted-keys encryption-algorithm encrypted-type oaep-params cipher-reference
//	ciphertext-length key-length                the EncryptedAssertion is not of the one form that is decrypted
package xmlguard
