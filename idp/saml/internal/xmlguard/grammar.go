package xmlguard

// role is what an element is by its place: its path from the root, not its name alone.
type role uint8

const (
	nothing role = iota // no element may stand there
	response
	assertion
	logoutRequest
	logoutResponse
	entity // metadata, below the root too

	leaf  // text alone
	blank // nothing at all

	status
	statusCode
	subject
	confirmation
	conditions
	audienceRestriction
	authnStatement
	authnContext
	attributeStatement
	samlAttribute
	attributeValue // free content
	extensions     // free content of others' namespaces alone
	keyMaterial    // free content, XML Signature's key descriptions among it

	signature
	signedInfo
	canonicalizationMethod
	inclusiveNamespaces
	signatureMethod
	reference
	transforms
	transform
	digestMethod
	digestValue
	signatureValue

	encryptedAssertion
	encryptedData
	encryptedKey
	dataMethod
	keyMethod
	keyDigest
	keyMGF
	dataKeyInfo
	dataCipher
	keyCipher
	dataCipherValue
	keyCipherValue
	referenceList
	roles
)

// textRule says what text an element takes.
type textRule uint8

const (
	structure textRule = iota // white space
	words                     // any, and no elements
	mixed                     // any
)

// part is one kind of child. Parts of one step stand in any order among themselves, and steps in theirs.
type part struct {
	ns    namespace
	local string
	role  role
	step  uint8
	least int
	most  int
	none  string // the rule broken by fewer
	many  string // the rule broken by more
}

// content is what an element may hold.
type content struct {
	text  textRule
	parts []part
	rest  role // of children that are none of parts; nothing: there are none

	start func(*guard) error                        // looks at the attributes of the innermost element
	end   func(*guard, *frame, []byte) (bad string) // looks at the content as written; bad is the rule it breaks
}

const (
	maxParts = 6
	lastStep = 255 // behind all of them
	any16    = 1<<16 - 1
)

func one(ns namespace, local string, r role, step uint8, none, many string) part {
	return part{ns, local, r, step, 1, 1, none, many}
}

func maybe(ns namespace, local string, r role, step uint8, many string) part {
	return part{ns, local, r, step, 0, 1, "", many}
}

func several(ns namespace, local string, r role, step uint8) part {
	return part{ns, local, r, step, 0, any16, "", "too-many-elements"}
}

// grammar is SAML 2.0 Core §2 and §3, XML Signature §4 and XML Encryption §3, cut down to what is taken.
var grammar = [roles]content{
	response: {start: (*guard).versioned, end: (*guard).responseContent, parts: []part{
		maybe(nsAssertion, "Issuer", leaf, 0, "two-issuers"),
		maybe(nsDSig, "Signature", signature, 1, "two-signatures"),
		maybe(nsProtocol, "Extensions", extensions, 2, "two-extensions"),
		one(nsProtocol, "Status", status, 3, "no-status", "two-statuses"),
		maybe(nsAssertion, "Assertion", assertion, 4, "two-assertions"),
		maybe(nsAssertion, "EncryptedAssertion", encryptedAssertion, 4, "two-assertions"),
	}},
	logoutResponse: {start: (*guard).versioned, parts: []part{
		one(nsAssertion, "Issuer", leaf, 0, "no-issuer", "two-issuers"),
		maybe(nsDSig, "Signature", signature, 1, "two-signatures"),
		maybe(nsProtocol, "Extensions", extensions, 2, "two-extensions"),
		one(nsProtocol, "Status", status, 3, "no-status", "two-statuses"),
	}},
	logoutRequest: {start: (*guard).versioned, parts: []part{
		one(nsAssertion, "Issuer", leaf, 0, "no-issuer", "two-issuers"),
		maybe(nsDSig, "Signature", signature, 1, "two-signatures"),
		maybe(nsProtocol, "Extensions", extensions, 2, "two-extensions"),
		one(nsAssertion, "NameID", leaf, 3, "no-name-id", "two-name-ids"),
		several(nsProtocol, "SessionIndex", leaf, 4),
	}},
	// Metadata is read by name and from the descriptor that is wanted, so its shape is its reader's.
	entity: {start: (*guard).entity, text: mixed, rest: entity},

	leaf:  {text: words},
	blank: {},

	status: {parts: []part{
		one(nsProtocol, "StatusCode", statusCode, 0, "no-status-code", "two-status-codes"),
		maybe(nsProtocol, "StatusMessage", leaf, 1, "two-status-messages"),
		maybe(nsProtocol, "StatusDetail", extensions, 2, "two-status-details"),
	}},
	statusCode: {start: (*guard).statusCode, parts: []part{maybe(nsProtocol, "StatusCode", statusCode, 0, "two-status-codes")}},

	assertion: {start: (*guard).assertion, parts: []part{
		one(nsAssertion, "Issuer", leaf, 0, "no-issuer", "two-issuers"),
		maybe(nsDSig, "Signature", signature, 1, "two-signatures"),
		one(nsAssertion, "Subject", subject, 2, "no-subject", "two-subjects"),
		one(nsAssertion, "Conditions", conditions, 3, "no-conditions", "two-conditions"),
		one(nsAssertion, "AuthnStatement", authnStatement, 4, "no-authn-statement", "two-authn-statements"),
		several(nsAssertion, "AttributeStatement", attributeStatement, 4),
	}},
	subject: {parts: []part{
		one(nsAssertion, "NameID", leaf, 0, "no-name-id", "two-name-ids"),
		{nsAssertion, "SubjectConfirmation", confirmation, 1, 1, maxConfirmations, "no-confirmation", "too-many-confirmations"},
	}},
	confirmation: {parts: []part{
		maybe(nsAssertion, "NameID", leaf, 0, "two-name-ids"),
		maybe(nsAssertion, "SubjectConfirmationData", keyMaterial, 1, "two-confirmation-data"),
	}},
	conditions: {parts: []part{
		several(nsAssertion, "AudienceRestriction", audienceRestriction, 0),
		several(nsAssertion, "ProxyRestriction", audienceRestriction, 0),
		several(nsAssertion, "OneTimeUse", blank, 0),
		several(nsAssertion, "Condition", extensions, 0),
	}},
	audienceRestriction: {parts: []part{several(nsAssertion, "Audience", leaf, 0)}},
	authnStatement: {parts: []part{
		maybe(nsAssertion, "SubjectLocality", blank, 0, "two-subject-localities"),
		one(nsAssertion, "AuthnContext", authnContext, 1, "no-authn-context", "two-authn-contexts"),
	}},
	authnContext: {parts: []part{
		maybe(nsAssertion, "AuthnContextClassRef", leaf, 0, "two-authn-context-classes"),
		maybe(nsAssertion, "AuthnContextDecl", extensions, 1, "two-authn-context-declarations"),
		maybe(nsAssertion, "AuthnContextDeclRef", leaf, 1, "two-authn-context-declarations"),
		several(nsAssertion, "AuthenticatingAuthority", leaf, 2),
	}},
	attributeStatement: {parts: []part{several(nsAssertion, "Attribute", samlAttribute, 0)}},
	samlAttribute:      {parts: []part{several(nsAssertion, "AttributeValue", attributeValue, 0)}},
	attributeValue:     {text: mixed, rest: attributeValue},
	extensions:         {text: mixed, rest: extensions},
	keyMaterial:        {end: (*guard).keyInfo, text: mixed, rest: keyMaterial},

	signature: {start: (*guard).signature, parts: []part{
		one(nsDSig, "SignedInfo", signedInfo, 0, "no-signed-info", "two-signed-infos"),
		one(nsDSig, "SignatureValue", signatureValue, 1, "no-signature-value", "two-signature-values"),
		maybe(nsDSig, "KeyInfo", keyMaterial, 2, "two-key-infos"),
	}},
	signedInfo: {parts: []part{
		one(nsDSig, "CanonicalizationMethod", canonicalizationMethod, 0, "c14n-algorithm", "c14n-algorithm"),
		one(nsDSig, "SignatureMethod", signatureMethod, 1, "no-signature-method", "two-signature-methods"),
		one(nsDSig, "Reference", reference, 2, "no-reference", "two-references"),
	}},
	canonicalizationMethod: {start: algorithm("c14n-algorithm", algorithmExcC14N), parts: []part{maybe(nsExcC14N, "InclusiveNamespaces", inclusiveNamespaces, 0, "prefix-list")}},
	inclusiveNamespaces:    {start: (*guard).prefixList},
	signatureMethod:        {start: (*guard).signing},
	reference: {start: (*guard).referenceURI, parts: []part{
		one(nsDSig, "Transforms", transforms, 0, "transforms", "transforms"),
		one(nsDSig, "DigestMethod", digestMethod, 1, "no-digest-method", "two-digest-methods"),
		one(nsDSig, "DigestValue", digestValue, 2, "no-digest-value", "two-digest-values"),
	}},
	transforms:     {parts: []part{{nsDSig, "Transform", transform, 0, 2, 2, "transforms", "transforms"}}},
	transform:      {start: (*guard).transform, parts: []part{maybe(nsExcC14N, "InclusiveNamespaces", inclusiveNamespaces, 0, "prefix-list")}},
	digestMethod:   {start: (*guard).digesting},
	digestValue:    {end: (*guard).digestLength, text: words},
	signatureValue: {end: (*guard).signatureLength, text: words},

	encryptedAssertion: {start: (*guard).encryptedAssertion, end: (*guard).encryptedKey, parts: []part{
		one(nsXEnc, "EncryptedData", encryptedData, 0, "no-encrypted-data", "two-encrypted-data"),
		maybe(nsXEnc, "EncryptedKey", encryptedKey, 1, "two-encrypted-keys"),
	}},
	encryptedData: {start: (*guard).encryptedData, parts: []part{
		one(nsXEnc, "EncryptionMethod", dataMethod, 0, "encryption-algorithm", "encryption-algorithm"),
		maybe(nsDSig, "KeyInfo", dataKeyInfo, 1, "two-key-infos"),
		one(nsXEnc, "CipherData", dataCipher, 2, "no-cipher-data", "two-cipher-data"),
	}},
	encryptedKey: {start: (*guard).countKey, parts: []part{
		one(nsXEnc, "EncryptionMethod", keyMethod, 0, "encryption-algorithm", "encryption-algorithm"),
		maybe(nsDSig, "KeyInfo", keyMaterial, 1, "two-key-infos"),
		one(nsXEnc, "CipherData", keyCipher, 2, "no-cipher-data", "two-cipher-data"),
		maybe(nsXEnc, "ReferenceList", referenceList, 3, "two-reference-lists"),
		maybe(nsXEnc, "CarriedKeyName", leaf, 4, "two-carried-key-names"),
	}},
	dataMethod: {start: (*guard).encrypting},
	keyMethod: {start: algorithm("encryption-algorithm", uriXEnc+"rsa-oaep-mgf1p", uriXEnc11+"rsa-oaep"), parts: []part{
		maybe(nsDSig, "DigestMethod", keyDigest, 0, "encryption-algorithm"),
		maybe(nsXEnc11, "MGF", keyMGF, 0, "encryption-algorithm"),
	}},
	keyDigest: {start: algorithm("encryption-algorithm", algorithmSHA1, algorithmSHA256, algorithmSHA384, algorithmSHA512)},
	keyMGF: {start: algorithm("encryption-algorithm", uriXEnc11+"mgf1sha1", uriXEnc11+"mgf1sha256", uriXEnc11+"mgf1sha384",
		uriXEnc11+"mgf1sha512")},
	dataKeyInfo:     {end: (*guard).keyInfo, parts: []part{maybe(nsXEnc, "EncryptedKey", encryptedKey, 0, "two-encrypted-keys")}, rest: keyMaterial},
	dataCipher:      {parts: []part{one(nsXEnc, "CipherValue", dataCipherValue, 0, "no-cipher-value", "two-cipher-values")}},
	keyCipher:       {parts: []part{one(nsXEnc, "CipherValue", keyCipherValue, 0, "no-cipher-value", "two-cipher-values")}},
	dataCipherValue: {end: (*guard).cipherLength, text: words},
	keyCipherValue:  {end: (*guard).keyLength, text: words},
	referenceList:   {parts: []part{several(nsXEnc, "DataReference", blank, 0)}},
}

// rootRole is the role of the root of a kind.
func rootRole(k Kind) role {
	switch k {
	case Response:
		return response
	case Assertion:
		return assertion
	case LogoutRequest:
		return logoutRequest
	case LogoutResponse:
		return logoutResponse
	case Metadata, SignedMetadata:
		return entity
	default:
		return nothing
	}
}
