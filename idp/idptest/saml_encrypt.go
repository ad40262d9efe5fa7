package idptest

import (
	"cmp"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" // for an attack that must be refused
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // the hash of rsa-oaep-mgf1p (XML Encryption §5.5.2)
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Algorithms of XML Encryption.
const (
	AlgOAEP       = nsXEnc + "rsa-oaep-mgf1p"
	AlgOAEP11     = nsXEnc11 + "rsa-oaep"
	AlgAES128GCM  = nsXEnc11 + "aes128-gcm"
	AlgAES192GCM  = nsXEnc11 + "aes192-gcm"
	AlgAES256GCM  = nsXEnc11 + "aes256-gcm"
	AlgAES128CBC  = nsXEnc + "aes128-cbc"
	AlgAES192CBC  = nsXEnc + "aes192-cbc"
	AlgAES256CBC  = nsXEnc + "aes256-cbc"
	AlgMGF1SHA1   = nsXEnc11 + "mgf1sha1"
	AlgMGF1SHA256 = nsXEnc11 + "mgf1sha256"

	nsXEnc11  = "http://www.w3.org/2009/xmlenc11#"
	algRSA15  = nsXEnc + "rsa-1_5"
	algTriple = nsXEnc + "tripledes-cbc"
)

// SAMLEncryption says how an assertion is encrypted. The zero value is AES-256-GCM under RSA-OAEP with SHA-1.
type SAMLEncryption struct {
	Data      string // algorithm of the content
	Transport string // algorithm of the key
	Digest    string // of OAEP; empty: SHA-1
	MGF       string // of AlgOAEP11; empty: SHA-1
	Beside    bool   // EncryptedKey stands beside EncryptedData instead of in its KeyInfo
	KeyInfo   bool   // EncryptedKey carries the recipient's certificate

	keySize int                     // other than the algorithm's
	plain   func(string) string     // edits what is encrypted
	cipher  func(b []byte) []byte   // edits the ciphertext
	wrapped func(b []byte) []byte   // edits the encrypted key
	edit    func(encrypted *node)   // edits the element
	keyOf   func(key []byte) []byte // the key that is sent, where it is not the one used
}

var contentKeySizes = map[string]int{
	AlgAES128GCM: 16, AlgAES192GCM: 24, AlgAES256GCM: 32, AlgAES128CBC: 16, AlgAES192CBC: 24, AlgAES256CBC: 32, algTriple: 24,
}

// encryptAssertion makes an EncryptedAssertion (SAML 2.0 Core §2.3.4).
func encryptAssertion(plain, saml string, certificate []byte, e SAMLEncryption) (*node, error) {
	if e.plain != nil {
		plain = e.plain(plain)
	}
	e.Data, e.Transport = cmp.Or(e.Data, AlgAES256GCM), cmp.Or(e.Transport, AlgOAEP)
	key := make([]byte, cmp.Or(e.keySize, contentKeySizes[e.Data]))
	_, _ = rand.Read(key) // never fails: crypto/rand aborts the program instead
	content, err := e.seal(key, []byte(plain))
	if err != nil {
		return nil, err
	}
	if e.keyOf != nil {
		key = e.keyOf(key)
	}
	wrapped, err := e.wrap(certificate, key)
	if err != nil {
		return nil, err
	}
	if e.cipher != nil {
		content = e.cipher(content)
	}
	if e.wrapped != nil {
		wrapped = e.wrapped(wrapped)
	}
	encrypted := e.element(saml, content, wrapped, certificate)
	if e.edit != nil {
		e.edit(encrypted)
	}
	return encrypted, nil
}

func cipherData(b []byte) *node {
	return el("xenc:CipherData", nil, leaf("xenc:CipherValue", base64.StdEncoding.EncodeToString(b)))
}

func (e SAMLEncryption) element(saml string, content, wrapped, certificate []byte) *node {
	var certInfo *node
	if e.KeyInfo {
		certInfo = el("ds:KeyInfo", []attr{{"xmlns:ds", nsDSig}},
			el("ds:X509Data", nil, leaf("ds:X509Certificate", base64.StdEncoding.EncodeToString(certificate))))
	}
	key := el("xenc:EncryptedKey", nil, e.method(), certInfo, cipherData(wrapped))
	data := el("xenc:EncryptedData", []attr{{"xmlns:xenc", nsXEnc}, {"Type", nsXEnc + "Element"}},
		el("xenc:EncryptionMethod", []attr{{"Algorithm", e.Data}}))
	if e.Beside {
		key.insertAttr(attr{"xmlns:xenc", nsXEnc})
		data.Kids = append(data.Kids, cipherData(content))
		return el(qualified(saml, "EncryptedAssertion"), []attr{declaration(saml, nsAssertion)}, data, key)
	}
	data.Kids = append(data.Kids, el("ds:KeyInfo", []attr{{"xmlns:ds", nsDSig}}, key), cipherData(content))
	return el(qualified(saml, "EncryptedAssertion"), []attr{declaration(saml, nsAssertion)}, data)
}

func (e SAMLEncryption) method() *node {
	n := el("xenc:EncryptionMethod", []attr{{"Algorithm", e.Transport}})
	if e.Digest != "" {
		n.Kids = append(n.Kids, el("ds:DigestMethod", []attr{{"xmlns:ds", nsDSig}, {"Algorithm", e.Digest}}))
	}
	if e.MGF != "" {
		n.Kids = append(n.Kids, el("xenc11:MGF", []attr{{"xmlns:xenc11", nsXEnc11}, {"Algorithm", e.MGF}}))
	}
	return n
}

// seal encrypts the content: nonce or IV, then ciphertext (XML Encryption 1.1 §5.2).
func (e SAMLEncryption) seal(key, plain []byte) ([]byte, error) {
	if strings.HasSuffix(e.Data, "-gcm") {
		b, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		g, err := cipher.NewGCMWithRandomNonce(b)
		if err != nil {
			return nil, err
		}
		return g.Seal(nil, nil, plain, nil), nil
	}
	b, err := e.block(key)
	if err != nil {
		return nil, err
	}
	pad := b.BlockSize() - len(plain)%b.BlockSize()
	padded := append([]byte(nil), plain...)
	padded = append(padded, make([]byte, pad)...)
	padded[len(padded)-1] = byte(pad)
	out := make([]byte, b.BlockSize()+len(padded))
	if _, err := io.ReadFull(rand.Reader, out[:b.BlockSize()]); err != nil {
		return nil, err
	}
	cipher.NewCBCEncrypter(b, out[:b.BlockSize()]).CryptBlocks(out[b.BlockSize():], padded)
	return out, nil
}

func (e SAMLEncryption) block(key []byte) (cipher.Block, error) {
	if e.Data == algTriple {
		return des.NewTripleDESCipher(key) // for an attack that must be refused
	}
	return aes.NewCipher(key)
}

func (e SAMLEncryption) wrap(certificate, key []byte) ([]byte, error) {
	cert, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, fmt.Errorf("encryption certificate: %w", err)
	}
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("encryption certificate has no RSA key")
	}
	if e.Transport == algRSA15 {
		return rsa.EncryptPKCS1v15(rand.Reader, public, key) //nolint:staticcheck // for an attack that must be refused
	}
	o := &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}
	if e.Digest != "" {
		o.Hash = samlHashes[e.Digest]
	}
	if e.MGF != "" {
		o.MGFHash = samlHashes[strings.Replace(e.MGF, nsXEnc11+"mgf1", nsXEnc, 1)]
		if e.MGF == AlgMGF1SHA1 {
			o.MGFHash = crypto.SHA1
		}
	}
	return rsa.EncryptOAEPWithOptions(rand.Reader, public, key, o)
}
