package jwt

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// MaxToken is the longest token read, in bytes.
const MaxToken = 256 << 10

// maxHeader bounds the decoded header: it names an algorithm and a key and needs no more.
const maxHeader = 16 << 10

// knownHeaders are the header parameters this package acts on or refuses.
var knownHeaders = foldedNames("alg", "kid", "typ", "cty", "crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256")

// Header is what a token says about itself. It is the sender's word until the signature is verified.
type Header struct {
	Alg   string // signature algorithm
	KeyID string // kid, "" when absent
	Type  string // typ as sent, "" when absent
}

// TypeIs compares the token's type as a media type (RFC 7515 §4.1.9): without regard to case, "application/" may be left out.
func (h Header) TypeIs(want string) bool {
	const prefix = "application/"
	got := strings.ToLower(h.Type)
	return strings.TrimPrefix(got, prefix) == strings.TrimPrefix(strings.ToLower(want), prefix)
}

// Token is a compact JWS taken apart and not verified.
type Token struct {
	Header     Header
	Unverified []byte // the payload; only to choose whose keys to verify with

	compact string
}

// Parse takes a compact JWS apart. It verifies nothing.
func Parse(compact string) (Token, error) {
	if len(compact) > MaxToken {
		return Token{}, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxToken)
	}
	parts := strings.Count(compact, ".") + 1
	if parts == 5 {
		return Token{}, fmt.Errorf("%w: %w: five parts make a JWE, and only signed tokens are read", ErrMalformed, ErrEncrypted)
	}
	if parts != 3 {
		return Token{}, fmt.Errorf("%w: %d parts, a compact JWS has three", ErrMalformed, parts)
	}
	protected, rest, _ := strings.Cut(compact, ".")
	body, signature, _ := strings.Cut(rest, ".")
	header, err := parseHeader(protected)
	if err != nil {
		return Token{}, fmt.Errorf("%w: header: %w", ErrMalformed, err)
	}
	payload, err := decodePart(body)
	if err != nil {
		return Token{}, fmt.Errorf("%w: payload: %w", ErrMalformed, err)
	}
	if _, err := decodePart(signature); err != nil {
		return Token{}, fmt.Errorf("%w: signature: %w", ErrMalformed, err)
	}
	return Token{Header: header, Unverified: payload, compact: compact}, nil
}

// decodePart takes base64url in its one spelling: the decoder of encoding/base64 skips newlines and ignores spare bits unless told not to, so that
// one token would have many spellings and a list of those already used would not know it again.
func decodePart(part string) ([]byte, error) {
	if part == "" {
		return nil, errors.New("empty")
	}
	if strings.ContainsAny(part, "\r\n") {
		return nil, errors.New("not base64url")
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, errors.New("not base64url")
	}
	return data, nil
}

func parseHeader(part string) (Header, error) {
	data, err := decodePart(part)
	if err != nil {
		return Header{}, err
	}
	if len(data) > maxHeader {
		return Header{}, errors.New("too large")
	}
	object, err := strictObject(data)
	if err != nil {
		return Header{}, err
	}
	if err := refuseFolded(object, knownHeaders); err != nil {
		return Header{}, err
	}
	for _, name := range []string{"crit", "b64", "zip", "enc"} {
		if _, ok := object[name]; ok {
			return Header{}, fmt.Errorf("parameter %q is not supported", name)
		}
	}
	return headerOf(Claims{object: object})
}

func headerOf(c Claims) (Header, error) {
	alg, err := c.String("alg")
	if err != nil {
		return Header{}, err
	}
	if alg == "" {
		return Header{}, errors.New("no alg")
	}
	kid, err := c.String("kid")
	if err != nil {
		return Header{}, err
	}
	typ, err := c.String("typ")
	if err != nil {
		return Header{}, err
	}
	return Header{Alg: alg, KeyID: kid, Type: typ}, nil
}
