package xmlguard

import "slices"

// lengthRule holds a base64 text to padded base64 (RFC 4648 §4, white space aside) without stray bits, of a length that fits.
// It returns the rule broken.
func lengthRule(text []byte, rule string, fits func(int) bool) string {
	n, ok := base64Length(text)
	switch {
	case !ok:
		return "base64"
	case !fits(n):
		return rule
	}
	return ""
}

// base64Values tells the six bits of a character; 64 is white space, 65 padding, 66 anything else.
var base64Values = func() (table [256]uint8) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range table {
		table[i] = 66
	}
	for i := range uint8(len(alphabet)) {
		table[alphabet[i]] = i
	}
	for _, c := range " \t\r\n" {
		table[c] = 64
	}
	table['='] = 65
	return table
}()

// base64Length counts the bytes that a text stands for.
func base64Length(text []byte) (n int, ok bool) {
	var digits, padding int
	var last uint8
	for _, c := range text {
		switch v := base64Values[c]; {
		case v < 64 && padding == 0:
			digits, last = digits+1, v
		case v == 64:
		case v == 65:
			padding++
		default:
			return 0, false
		}
	}
	if (digits+padding)%4 != 0 || padding > 2 || digits == 0 {
		return 0, false
	}
	// One = leaves two bits of the last character over, two leave four.
	if stray := uint8(1)<<(2*padding) - 1; last&stray != 0 {
		return 0, false
	}
	return digits * 6 / 8, true
}

func exactly(lengths ...int) func(int) bool {
	return func(n int) bool { return slices.Contains(lengths, n) }
}

func between(least, most int) func(int) bool {
	return func(n int) bool { return n >= least && n <= most }
}

// digestLength is that of the algorithm. A digest of another algorithm is bounded here and refused by the verifier.
func (g *guard) digestLength(_ *frame, text []byte) string {
	fits := between(1, 64)
	switch g.digestMethod {
	case algorithmSHA1:
		fits = exactly(20)
	case algorithmSHA256:
		fits = exactly(32)
	case algorithmSHA384:
		fits = exactly(48)
	case algorithmSHA512:
		fits = exactly(64)
	}
	return lengthRule(g.decoded(text), "digest-length", fits)
}

// signatureLength is for RSA the length of some modulus (the verifier knows which), for ECDSA that of r and s in full for
// one of the curves (RFC 9231 §2.3.6).
func (g *guard) signatureLength(_ *frame, text []byte) string {
	fits := between(1, 1024)
	switch g.signatureMethod {
	case uriDSig + "rsa-sha1", moreDSig + "rsa-sha256", moreDSig + "rsa-sha384", moreDSig + "rsa-sha512":
		fits = between(128, 1024)
	case moreDSig + "ecdsa-sha256", moreDSig + "ecdsa-sha384", moreDSig + "ecdsa-sha512":
		fits = exactly(64, 96, 132)
	}
	return lengthRule(g.decoded(text), "signature-length", fits)
}

func (g *guard) keyLength(_ *frame, text []byte) string {
	return lengthRule(g.decoded(text), "key-length", between(128, 1024))
}

// cipherLength wants at least one byte beside nonce and tag, and of CBC an initialisation vector and whole blocks.
func (g *guard) cipherLength(_ *frame, text []byte) string {
	over := overhead(g.dataMethod)
	return lengthRule(g.decoded(text), "ciphertext-length", func(n int) bool {
		return n > over && (over > cbcBlock || n%cbcBlock == 0)
	})
}

const cbcBlock = 16

// overhead is what an algorithm adds to a plaintext; 0 is an algorithm that is not taken.
func overhead(algorithm string) int {
	switch algorithm {
	case uriXEnc11 + "aes128-gcm", uriXEnc11 + "aes192-gcm", uriXEnc11 + "aes256-gcm":
		return 12 + 16
	case uriXEnc + "aes128-cbc", uriXEnc + "aes192-cbc", uriXEnc + "aes256-cbc":
		return cbcBlock
	default:
		return 0
	}
}
