// Package saml signs people in with SAML 2.0: it is the service provider of the Web Browser SSO profile (SAML 2.0
// Profiles §4.1) and of single logout (§4.4), for any number of connections.
//
// It promises that an identity it returns is what the connection's own provider, with a key that is pinned to the
// connection, signed about a person, for this service provider, in answer to the one attempt it was asked about, a short
// while ago; that what it reads are the bytes the key has signed and no others; that a document with two readings is
// refused, not read; and that no error holds a word the provider wrote.
//
// It never keeps a session, never takes a key, an issuer or an address from a message, never accepts an answer nobody
// asked for, and never looks at a directory: who may do what is decided elsewhere.
//
// # Order of defence
//
// Complete goes through these steps. Each takes what the one before it made, so none can be left out or passed by.
//
//	form       one message in one form, in strict base64, uncompressed                        form.go
//	guard      plain XML of the one shape SAML has, before a tree is built                     internal/xmlguard
//	verify     each signature, over canonical bytes, with pinned keys; decryption              verify.go, trust.go, decrypt.go
//	decode     the signed bytes alone, guarded once more                                       response.go
//	semantics  status, issuer, destination, confirmation, audience, time, authentication       semantics.go
//	opinion    gosaml2 reads the original, where it can, and has to find the same person       opinion.go
//	replay     the assertion's ID is burnt in the transaction that makes the session           extauthz/store
//
// Why gosaml2 is only asked for a second opinion: it takes whichever Signature refers to the root, wherever it stands;
// passes wrong audiences, empty NameIDs and answers to nobody; reads the last of repeated attributes; and cannot verify
// ECDSA or more than some 400 groups. Its canonicalization is used, on trees that xmlguard has bounded.
//
// # Departures from the specification
//
//   - Core §2.2.4, EncryptedID: refused; assertions are encrypted whole. TestShapesThatAreNotSpokenAreRefused.
//   - Core §2.2.2, a NameID without Format is compared as unspecified, as the clause says, and repeated as it came.
//     TestFormatUnspecifiedIsTheAbsentOne.
//   - Core §2.3.3, an assertion has one subject, one AuthnStatement, and no statement but attributes besides.
//   - Core §2.4.1.2, Address of a confirmation: not compared, since people move between networks.
//   - Core §2.5.1, Conditions with both times and an audience are required, although each is optional.
//     TestRulesRefuseByTheirOwnName.
//   - Core §2.5.1.5, OneTimeUse: every assertion counts once. §2.5.1.6, ProxyRestriction: passed over, for the gate issues
//     none. TestConditionsThatChangeNothing.
//   - Core §2.7.3.1, FriendlyName and NameFormat: passed over; attributes are told apart by Name.
//   - Core §3.2.2, Consent and Extensions: passed over. Destination is required of a signed Response.
//   - Core §5.4.2–5.4.4, signatures: of the Response, the Assertion or both, by reference to the ID, with enveloped
//     signature and exclusive canonicalization without comments. Inclusive canonicalization is refused, although allowed.
//   - Core §6, encryption: RSA-OAEP and AES-GCM; AES-CBC within a verified signed Response alone. RSA 1.5 and Triple DES
//     are refused, although the 2005 text demands them. TestBlockCiphersNeedASignedResponse.
//   - Bindings §3.6 artifact, §3.2 SOAP and §3.5.4 compressed POST: not spoken.
//   - Core §3.7, Bindings §3.4.5.2, sign-out: both messages must be signed on every binding, name their Destination and be
//     five minutes old at most; Reason is passed over, BaseID and EncryptedID are refused. TestSignOutThatIsNotTheProvidersIsRefused.
//   - Metadata §2.3.1, cacheDuration: passed over, for metadata is fetched daily. An overdue validUntil keeps the last good
//     document in use. TestBadDocumentLeavesTheLastGoodOne.
//   - Metadata §2.4.1.1, KeyDescriptor: of several certificates the first is the key; its issuers are none.
//     TestOnlySigningKeysOfTheProviderCount.
//   - Metadata §3, a key or host that is new, and that no active key has signed, waits for an admin.
//     TestNewKeyIsUsedOnlyIfAnActiveOneVouchesForIt.
//   - Profiles §4.1.5, unsolicited responses: never accepted. A connection may have them begin a sign-in of their own.
//   - Profiles §4.1.4.2, an assertion is good for 90 minutes at most, and 90 seconds of skew are allowed throughout.
//   - XML Signature §4.5, KeyInfo: selects nothing. Certificates are containers of keys, without chain or revocation.
//     TestKeyInfoSelectsNothing.
//   - Two AttributeStatements, or two Attributes of one Name, are one: Keycloak sends an Attribute for each role.
//     TestRepeatedAttributesMerge.
package saml
