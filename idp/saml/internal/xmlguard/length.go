package xmlguard

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
//
//nolint:gochecknoglobals // a table of constants, written once at start and never again
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
	return func(n int) bool {
		for _, l := range lengths {
			if n == l {
				return true
			}
		}
		return false
	}
}

func between(least, most int) func(int) bool {
	return func(n int) bool { return n >= least && n <= most }
}

// digestLength is how long a digest is. One of another algorithm is bounded here and refused by the verifier.
func digestLength(algorithm string) func(int) bool {
	switch algorithm {
	case algorithmSHA1:
		return exactly(20)
	case algorithmSHA256:
		return exactly(32)
	case algorithmSHA384:
		return exactly(48)
	case algorithmSHA512:
		return exactly(64)
	default:
		return between(1, 64)
	}
}

// signatureLength is how long a signature may be: for RSA the length of some modulus (the verifier knows which), for ECDSA
// r and s in full for one of the curves (RFC 9231 §2.3.6).
func signatureLength(algorithm string) func(int) bool {
	switch algorithm {
	case uriDSig + "rsa-sha1", moreDSig + "rsa-sha256", moreDSig + "rsa-sha384", moreDSig + "rsa-sha512":
		return between(128, 1024)
	case moreDSig + "ecdsa-sha256", moreDSig + "ecdsa-sha384", moreDSig + "ecdsa-sha512":
		return exactly(64, 96, 132)
	default:
		return between(1, 1024)
	}
}

// nonceAndTag is what an algorithm adds to a plaintext; 0 is an algorithm that is not taken.
func nonceAndTag(algorithm string) int {
	switch algorithm {
	case uriXEnc11 + "aes128-gcm", uriXEnc11 + "aes192-gcm", uriXEnc11 + "aes256-gcm":
		return 12 + 16
	case uriXEnc + "aes128-cbc", uriXEnc + "aes192-cbc", uriXEnc + "aes256-cbc":
		return 16
	default:
		return 0
	}
}

// cipherLength wants at least one byte beside nonce and tag, and of CBC whole blocks.
func cipherLength(algorithm string) func(int) bool {
	over := nonceAndTag(algorithm)
	if over == 16 {
		return func(n int) bool { return n >= 32 && n%16 == 0 }
	}
	return func(n int) bool { return n > over }
}
