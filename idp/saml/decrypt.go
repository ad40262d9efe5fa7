package saml

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"slices"

	"github.com/beevik/etree"

	"github.com/tracio-ai/ssogate/idp"
)

const (
	nsXMLEnc11 = "http://www.w3.org/2009/xmlenc11#"

	gcmNonce = 12
	gcmTag   = 16
)

// content is a way to encrypt an assertion (XML Encryption 1.1 §5.2). CBC is not authenticated: whoever can send us
// changed ciphertexts learns the plaintext from how we refuse them.
type content struct {
	size int // of the key, in bytes
	cbc  bool
}

var contents = map[string]content{
	nsXMLEnc11 + "aes128-gcm": {size: 16},
	nsXMLEnc11 + "aes192-gcm": {size: 24},
	nsXMLEnc11 + "aes256-gcm": {size: 32},
	nsXMLEnc + "aes128-cbc":   {size: 16, cbc: true},
	nsXMLEnc + "aes192-cbc":   {size: 24, cbc: true},
	nsXMLEnc + "aes256-cbc":   {size: 32, cbc: true},
}

// oaepDigests are the hashes of RSA-OAEP, where SHA-1 does no harm: nothing rests on its collisions.
var oaepDigests = map[string]crypto.Hash{
	"":         crypto.SHA1,
	digestSHA1: crypto.SHA1,
	"http://www.w3.org/2001/04/xmlenc#sha256":       crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
}

var oaepMasks = map[string]crypto.Hash{
	"":                        crypto.SHA1,
	nsXMLEnc11 + "mgf1sha1":   crypto.SHA1,
	nsXMLEnc11 + "mgf1sha256": crypto.SHA256,
	nsXMLEnc11 + "mgf1sha384": crypto.SHA384,
	nsXMLEnc11 + "mgf1sha512": crypto.SHA512,
}

// envelope is an EncryptedAssertion taken apart.
type envelope struct {
	content content
	oaep    rsa.OAEPOptions
	key     []byte // encrypted
	data    []byte // encrypted
	plain   bool   // OAEP with SHA-1 throughout, the only kind gosaml2 reads as the standard does
	cert    []byte // DER of the certificate the key is said to be for
	chain   bool   // several of them, of which gosaml2 reads the last
	spaced  bool   // base64 with blanks, which gosaml2 does not read
	by      decryptionKey
}

// decryptionKey is a private key of ours and its certificate.
type decryptionKey struct {
	private *rsa.PrivateKey
	cert    []byte // DER
}

// decryptionKeys are our private keys for decryption: what the provider has, and what it may have by now.
func decryptionKeys(s idp.SAMLSettings) ([]decryptionKey, error) {
	var keys []decryptionKey
	for _, k := range s.SPKeys {
		if k.Use != idp.UseEncryption {
			continue
		}
		parsed, err := x509.ParsePKCS8PrivateKey([]byte(k.Key.Reveal()))
		if err != nil {
			return nil, errors.New("parse own decryption key: it is not PKCS #8")
		}
		private, ok := parsed.(*rsa.PrivateKey)
		if !ok {
			return nil, errors.New("parse own decryption key: it is not RSA")
		}
		keys = append(keys, decryptionKey{private, k.Certificate})
	}
	return keys, nil
}

// decrypt opens an EncryptedAssertion (SAML 2.0 Core §2.3.4). signed reports that the Response around it is signed and
// verified, and so that nobody can have chosen the ciphertext.
func decrypt(el *etree.Element, conn idp.Connection, signed bool) ([]byte, envelope, error) {
	env, err := readEnvelope(el)
	if err != nil {
		return nil, env, err
	}
	if env.content.cbc && !signed {
		return nil, env, fault(idp.CodeSAMLDecrypt, "cbc", hintCBC(conn.Provider), "AES-CBC outside a signed response")
	}
	keys, err := decryptionKeys(conn.SAML)
	if err != nil {
		return nil, env, err
	}
	if len(keys) == 0 {
		return nil, env, fault(idp.CodeSAMLDecrypt, "no-key", "The identity provider encrypts assertions and this connection has no key for that. Give it the gate's metadata again, or switch encryption off.", "connection has no decryption key")
	}
	for _, k := range keys {
		if out, ok := env.open(k.private); ok {
			env.by = k
			return out, env, nil
		}
	}
	return nil, env, sealed("content", "assertion cannot be decrypted")
}

// open decrypts with one of our keys. Where the key inside cannot be had it goes on with a random one: whether key or
// content was at fault must not show, in an answer or in the time it takes.
func (e envelope) open(private *rsa.PrivateKey) ([]byte, bool) {
	instead := make([]byte, e.content.size)
	rand.Read(instead) // never fails: the process ends instead
	inside, err := private.Decrypt(rand.Reader, e.key, &e.oaep)
	if err != nil || len(inside) != e.content.size {
		inside = instead
	}
	block, err := aes.NewCipher(inside)
	if err != nil {
		return nil, false
	}
	if e.content.cbc {
		return openCBC(block, e.data)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil || len(e.data) <= gcmNonce+gcmTag {
		return nil, false
	}
	out, err := gcm.Open(nil, e.data[:gcmNonce], e.data[gcmNonce:], nil)
	return out, err == nil
}

// openCBC takes the padding of XML Encryption §5.2.1: its last byte counts it, the others are anything.
func openCBC(block cipher.Block, data []byte) ([]byte, bool) {
	const size = aes.BlockSize
	if len(data) < 2*size || len(data)%size != 0 {
		return nil, false
	}
	out := make([]byte, len(data)-size)
	cipher.NewCBCDecrypter(block, data[:size]).CryptBlocks(out, data[size:])
	pad := int(out[len(out)-1])
	if pad < 1 || pad > size {
		return nil, false
	}
	return out[:len(out)-pad], true
}

func readEnvelope(el *etree.Element) (envelope, error) {
	data := child(el, nsXMLEnc, "EncryptedData")
	encrypted, err := encryptedKey(el, data)
	if err != nil {
		return envelope{}, err
	}
	var e envelope
	var ok bool
	if e.content, ok = contents[algorithm(child(data, nsXMLEnc, "EncryptionMethod"))]; !ok {
		return e, sealed("algorithm", "content is encrypted in a way that is not accepted")
	}
	if err := e.readTransport(child(encrypted, nsXMLEnc, "EncryptionMethod")); err != nil {
		return e, err
	}
	if e.key, err = cipherValue(encrypted); err != nil {
		return e, err
	}
	if e.data, err = cipherValue(data); err != nil {
		return e, err
	}
	_, e.cert = readKeyInfo(encrypted)
	named := certificateTexts(encrypted)
	e.chain = len(named) > 1
	e.spaced = slices.ContainsFunc(append(named, cipherText(encrypted), cipherText(data)), blanks)
	return e, nil
}

// encryptedKey finds the one key, within EncryptedData or beside it. With two of them it would be a matter of taste
// which one counts.
func encryptedKey(el, data *etree.Element) (*etree.Element, error) {
	if data == nil {
		return nil, sealed("shape", "no encrypted data")
	}
	all := children(el, nsXMLEnc, "EncryptedKey")
	for _, info := range children(data, nsDSig, "KeyInfo") {
		all = append(all, children(info, nsXMLEnc, "EncryptedKey")...)
	}
	if len(all) != 1 {
		return nil, sealed("shape", "not exactly one encrypted key")
	}
	return all[0], nil
}

// readTransport reads how the key is encrypted: RSA-OAEP alone (XML Encryption 1.1 §5.5.2), since RSA 1.5 answers
// Bleichenbacher's questions.
func (e *envelope) readTransport(method *etree.Element) error {
	refuse := sealed("algorithm", "key is encrypted in a way that is not accepted")
	if method == nil || len(children(method, nsXMLEnc, "OAEPparams")) > 0 {
		return refuse
	}
	digest, mask := algorithm(child(method, nsDSig, "DigestMethod")), algorithm(child(method, nsXMLEnc11, "MGF"))
	switch algorithm(method) {
	case nsXMLEnc + "rsa-oaep-mgf1p":
		mask = "" // SHA-1 whatever the digest
	case nsXMLEnc11 + "rsa-oaep":
	default:
		return refuse
	}
	hash, known := oaepDigests[digest]
	mgf, usable := oaepMasks[mask]
	if !known || !usable {
		return refuse
	}
	e.oaep = rsa.OAEPOptions{Hash: hash, MGFHash: mgf}
	e.plain = hash == crypto.SHA1 && mgf == crypto.SHA1
	return nil
}

func cipherText(el *etree.Element) string {
	return text(child(child(el, nsXMLEnc, "CipherData"), nsXMLEnc, "CipherValue"))
}

func cipherValue(el *etree.Element) ([]byte, error) {
	b, err := decodeBase64(cipherText(el))
	if err != nil || len(b) == 0 {
		return nil, sealed("shape", "no cipher value")
	}
	return b, nil
}

// sealed makes the one refusal of everything that keeps an assertion closed. The page shows the code alone.
func sealed(detail, what string) error {
	return fault(idp.CodeSAMLDecrypt, detail, "The encrypted assertion cannot be opened. Give the identity provider the gate's metadata again, and let it encrypt with AES-GCM and RSA-OAEP.", what)
}
