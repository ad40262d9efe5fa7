package idptest

import (
	"net/url"
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

// encryptionAttacks are faults of an encrypted assertion. Anybody can encrypt to the key in our metadata, so encryption
// proves nothing about the sender.
func encryptionAttacks() []SAMLAttack {
	sealed := func(what SAMLSign, change func(f SAMLForgery, o *RespondOptions, e *SAMLEncryption)) func(SAMLForgery) url.Values {
		return ask(func(f SAMLForgery, o *RespondOptions) {
			o.Sign, o.EncryptTo = what, f.Encryption
			change(f, o, &o.Encryption)
		})
	}
	enc := func(name, detail, wins string, change func(f SAMLForgery, o *RespondOptions, e *SAMLEncryption)) SAMLAttack {
		return refused(name, idp.CodeSAMLDecrypt, detail, wins, sealed(SignAssertion, change))
	}
	edit := func(name, detail, wins string, change func(n *node)) SAMLAttack {
		return shaped(name, detail, wins, sealed(SignAssertion, func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) { e.edit = change }))
	}
	algorithm := func(name, data, transport, wins string) SAMLAttack {
		return shaped(name, "encryption-algorithm", wins, sealed(SignBoth, func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) {
			e.Data, e.Transport = data, transport
		}))
	}
	flip := func(at func(n int) int) func([]byte) []byte {
		return func(b []byte) []byte { b[at(len(b))] ^= 1; return b }
	}
	plain := func(change func(string) string) func(SAMLForgery, *RespondOptions, *SAMLEncryption) {
		return func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) { e.plain = change }
	}
	const oracle = "the sender learns a plaintext from how its changes are refused"
	const inside = "what the guard refuses in the open comes in under encryption"
	return []SAMLAttack{
		algorithm("encrypted-with-rsa-1.5", AlgAES256GCM, algRSA15, "Bleichenbacher's oracle gives the key of a recorded assertion"),
		algorithm("encrypted-with-3des", algTriple, AlgOAEP, "64-bit blocks repeat"),
		algorithm("encrypted-with-nothing-known", "urn:example:none", AlgOAEP, oracle).forged(sealed(SignBoth, func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) {
			e.edit = func(n *node) { n.find("EncryptionMethod").Attrs = []attr{{"Algorithm", "urn:example:none"}} }
		})),
		enc("cbc-in-an-unsigned-response", "cbc", "a padding oracle decrypts a recorded assertion byte by byte", func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) { e.Data = AlgAES256CBC }),
		unsigned("encrypted-and-not-signed", "missing", anybody, sealed(SignNothing, func(f SAMLForgery, o *RespondOptions, _ *SAMLEncryption) { o.Person = f.Victim })),
		refused("encrypted-under-the-attackers-signature", idp.CodeSAMLKey, "unknown", anybody, sealed(SignAssertion, func(f SAMLForgery, o *RespondOptions, _ *SAMLEncryption) {
			k := attacker(f, "rsa")
			o.Person, o.Key = f.Victim, &k
		})),
		refused("plain-where-encrypted-is-wanted", idp.CodeSAMLDecrypt, "plain", "the person's data travels in the clear though the tenant asked for more", ask(func(SAMLForgery, *RespondOptions) {})).
			set(func(s *idp.SAMLSettings) { s.WantEncrypted = true }),
		enc("ciphertext-changed", "content", oracle, func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) {
			e.cipher = flip(func(n int) int { return n / 2 })
		}),
		enc("nonce-changed", "content", oracle, func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) { e.cipher = flip(func(int) int { return 0 }) }),
		enc("tag-changed", "content", oracle, func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) {
			e.cipher = flip(func(n int) int { return n - 1 })
		}),
		enc("tag-cut", "content", "a short tag is guessed", func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) {
			e.cipher = func(b []byte) []byte { return b[:len(b)-12] }
		}),
		enc("encrypted-key-changed", "content", oracle, func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) {
			e.wrapped = flip(func(n int) int { return n / 2 })
		}),
		enc("encrypted-to-another-key", "content", oracle, func(f SAMLForgery, o *RespondOptions, _ *SAMLEncryption) { o.EncryptTo = f.IdP.Key().Certificate }),
		enc("oaep-digest-confusion", "content", oracle, func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) {
			e.edit = func(n *node) {
				m := n.find("EncryptedKey").child("EncryptionMethod")
				m.Kids = []*node{el("ds:DigestMethod", []attr{{"xmlns:ds", nsDSig}, {"Algorithm", AlgSHA256}})}
			}
		}),
		enc("key-of-16-bytes-under-aes-256", "content", "a weaker cipher than the message says", func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) { e.keySize = 16 }),
		enc("key-of-32-bytes-under-aes-128", "content", "another cipher than the message says", func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) { e.Data, e.keySize = AlgAES128GCM, 32 }),
		enc("key-empty", "content", "a cipher without a key", func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) {
			e.keyOf = func([]byte) []byte { return nil }
		}),
		shaped("ciphertext-short", "ciphertext-length", "a slice beyond the end: the gate falls over before anybody has proved anything", sealed(SignAssertion, func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) {
			e.cipher = func(b []byte) []byte { return b[:10] }
		})),
		shaped("ciphertext-empty", "base64", "a slice beyond the end: the gate falls over", sealed(SignAssertion, func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) {
			e.cipher = func([]byte) []byte { return nil }
		})),
		shaped("cbc-ciphertext-empty", "base64", "a slice beyond the end: the gate falls over", sealed(SignBoth, func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) {
			e.Data, e.cipher = AlgAES128CBC, func([]byte) []byte { return nil }
		})),
		shaped("cbc-ciphertext-not-whole-blocks", "ciphertext-length", "the gate falls over", sealed(SignBoth, func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) {
			e.Data, e.cipher = AlgAES128CBC, func(b []byte) []byte { return b[:len(b)-1] }
		})),
		shaped("encrypted-key-short", "key-length", oracle, sealed(SignAssertion, func(_ SAMLForgery, _ *RespondOptions, e *SAMLEncryption) {
			e.wrapped = func(b []byte) []byte { return b[:16] }
		})),
		edit("two-encrypted-keys", "two-encrypted-keys", "each key is one more guess in one message", func(n *node) {
			k := n.find("EncryptedKey")
			n.find("KeyInfo").Kids = append(n.find("KeyInfo").Kids, k.clone())
		}),
		edit("encrypted-key-missing", "no-encrypted-key", oracle, func(n *node) { n.find("KeyInfo").Kids = nil }),
		edit("encrypted-key-inside-and-beside", "two-encrypted-keys", "two readers take two keys", func(n *node) {
			k := n.find("EncryptedKey").clone()
			k.insertAttr(attr{"xmlns:xenc", nsXEnc})
			n.Kids = append(n.Kids, k)
		}),
		edit("two-encrypted-data", "two-encrypted-data", "the first is verified and the second is read", func(n *node) { n.Kids = append(n.Kids, n.find("EncryptedData").clone()) }),
		edit("cipher-reference", "cipher-reference", "the gate fetches an address of the sender's", func(n *node) {
			n.find("EncryptedData").child("CipherData").Kids = []*node{el("xenc:CipherReference", []attr{{"URI", "http://evil.example/"}})}
		}),
		edit("oaep-params", "oaep-params", "a label that is not read", func(n *node) {
			m := n.find("EncryptedKey").child("EncryptionMethod")
			m.Kids = append(m.Kids, leaf("xenc:OAEPparams", "AAAA"))
		}),
		edit("encrypted-content-type", "encrypted-type", "a fragment is put where an element belongs", func(n *node) { n.find("EncryptedData").set("Type", nsXEnc+"Content") }),
		shaped("encrypted-and-plain", "two-assertions", "one is verified and the other is read", after(SignAssertion, func(f SAMLForgery, m *message) {
			hidden, err := encryptAssertion(f.evil(m).xml(), m.m.saml, f.Encryption, SAMLEncryption{})
			if err != nil {
				panic(err)
			}
			m.root.Kids = append(m.root.Kids, hidden)
		})),
		shaped("two-encrypted-assertions", "two-assertions", "one is verified and the other is read", sealed(SignAssertion, func(_ SAMLForgery, o *RespondOptions, _ *SAMLEncryption) {
			o.hooks.signed = func(m *message) { m.root.Kids = append(m.root.Kids, m.root.child("EncryptedAssertion").clone()) }
		})),
		refused("plaintext-with-doctype", idp.CodeSAMLXML, "doctype", inside, sealed(SignBoth, plain(func(s string) string { return "<!DOCTYPE x>" + s }))),
		refused("plaintext-with-comment", idp.CodeSAMLXML, "comment", inside, sealed(SignBoth, plain(func(s string) string { return strings.Replace(s, "<saml:Subject>", "<!-- x --><saml:Subject>", 1) }))),
		refused("plaintext-of-two-assertions", idp.CodeSAMLXML, "second-root", inside, sealed(SignBoth, plain(func(s string) string { return s + s }))),
		refused("plaintext-of-garbage", idp.CodeSAMLXML, "text-outside-root", inside, sealed(SignBoth, plain(func(string) string { return "garbage" }))),
		refused("plaintext-empty", idp.CodeSAMLShape, "ciphertext-length", inside, sealed(SignResponse, plain(func(string) string { return "" }))),
		shaped("plaintext-of-another-element", "root", inside, sealed(SignBoth, plain(func(string) string { return `<x:y xmlns:x="urn:example:x"></x:y>` }))),
		refused("plaintext-borrows-a-namespace", idp.CodeSAMLXML, "undeclared-prefix", "what is decrypted means what stands around it", sealed(SignBoth, plain(func(s string) string {
			return strings.Replace(s, ` xmlns:saml="`+nsAssertion+`"`, "", 1)
		}))),
		refused("plaintext-bomb", idp.CodeSAMLXML, "too-deep", inside, sealed(SignBoth, plain(func(s string) string {
			const at = "<saml:AttributeValue>"
			return strings.Replace(s, at, at+strings.Repeat("<x>", 1000)+strings.Repeat("</x>", 1000), 1)
		}))),
	}
}

func (a SAMLAttack) forged(f func(SAMLForgery) url.Values) SAMLAttack { a.Forge = f; return a }
