package saml

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

const (
	maxQuery    = 64 << 10
	maxInflated = 64 << 10
	maxLocation = 8 << 10 // what proxies and servers on the way still take of a URL

	uriDeflate   = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"
	uriRSASHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
)

// The names of a message in a query or form.
const (
	fieldRequest  = "SAMLRequest"
	fieldResponse = "SAMLResponse"
)

// redirectURL puts a message into a URL (SAML 2.0 Bindings §3.4.4). What the address brings in its query stays before it,
// octet for octet: some providers tell their customers apart by it. A nil signer signs nothing.
func redirectURL(address, field string, message []byte, relay string, signer crypto.Signer) (string, error) {
	packed, err := deflate(message)
	if err != nil {
		return "", err
	}
	query := field + "=" + url.QueryEscape(base64.StdEncoding.EncodeToString(packed))
	if relay != "" {
		query += "&RelayState=" + url.QueryEscape(relay)
	}
	if signer != nil {
		query += "&SigAlg=" + url.QueryEscape(uriRSASHA256)
		value, err := signOctets(signer, query)
		if err != nil {
			return "", err
		}
		query += "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(value))
	}
	return address + separator(address) + query, nil
}

func separator(address string) string {
	_, query, has := strings.Cut(address, "?")
	switch {
	case !has:
		return "?"
	case query == "" || strings.HasSuffix(query, "&"):
		return ""
	default:
		return "&"
	}
}

func signOctets(signer crypto.Signer, octets string) ([]byte, error) {
	sum := sha256.Sum256([]byte(octets))
	value, err := signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("sign query: %w", err)
	}
	return value, nil
}

func deflate(b []byte) ([]byte, error) {
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.DefaultCompression)
	if err != nil {
		return nil, fmt.Errorf("deflate: %w", err)
	}
	if _, err := w.Write(b); err != nil {
		return nil, fmt.Errorf("deflate: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("deflate: %w", err)
	}
	return buf.Bytes(), nil
}

// inflate unpacks raw DEFLATE data that is nothing else and not too much (RFC 1951).
func inflate(b []byte) ([]byte, error) {
	in := bytes.NewReader(b) // a ByteReader: flate reads none of what follows its last block
	out, err := io.ReadAll(io.LimitReader(flate.NewReader(in), maxInflated+1))
	if err != nil {
		return nil, form("deflate", "message does not inflate")
	}
	if len(out) > maxInflated {
		return nil, form("too-large", fmt.Sprintf("message inflates to more than %d bytes", maxInflated))
	}
	if in.Len() > 0 {
		return nil, form("deflate", "octets follow the deflated message")
	}
	return out, nil
}

// redirected is what one query carried, and the octets its signature is over. Nothing of it is verified.
type redirected struct {
	field     string // fieldRequest or fieldResponse
	xml       []byte
	relay     string
	algorithm string
	signed    string // as received: encoding them again would give other octets where a sender escapes in another way
	value     []byte
}

// readRedirect reads a signed message out of a query as it was received (SAML 2.0 Bindings §3.4.4.1). Parameters of others
// are passed over.
func readRedirect(raw string) (redirected, error) {
	fields, err := rawFields(raw)
	if err != nil {
		return redirected{}, err
	}
	m, err := newRedirected(fields)
	if err != nil {
		return redirected{}, err
	}
	packed, err := base64.StdEncoding.Strict().DecodeString(fields[m.field].value)
	if err != nil {
		return redirected{}, form("base64", "message is not base64")
	}
	m.xml, err = inflate(packed)
	return m, err
}

func newRedirected(fields map[string]rawField) (redirected, error) {
	_, response := fields[fieldResponse]
	_, request := fields[fieldRequest]
	switch {
	case response && request:
		return redirected{}, form("two-messages", "query carries a request and a response")
	case !response && !request:
		return redirected{}, form("missing", "query carries no message")
	}
	if encoding, ok := fields["SAMLEncoding"]; ok && encoding.value != uriDeflate {
		return redirected{}, form("encoding", "message is not DEFLATE encoded")
	}
	relay, hasRelay := fields["RelayState"]
	if len(relay.value) > maxRelay {
		return redirected{}, form("relay-state", "RelayState is longer than 80 bytes")
	}
	alg, value := fields["SigAlg"], fields["Signature"]
	if alg.value == "" || value.value == "" {
		return redirected{}, unsigned("query is not signed")
	}
	m := redirected{field: fieldRequest, relay: relay.value, algorithm: alg.value}
	if response {
		m.field = fieldResponse
	}
	octets := []string{m.field + "=" + fields[m.field].raw}
	if hasRelay {
		octets = append(octets, "RelayState="+relay.raw)
	}
	m.signed = strings.Join(append(octets, "SigAlg="+alg.raw), "&")
	var err error
	if m.value, err = base64.StdEncoding.Strict().DecodeString(value.value); err != nil {
		return redirected{}, form("signature", "signature is not base64")
	}
	return m, nil
}

// rawField is a parameter's value as received, and what it stands for.
type rawField struct{ raw, value string }

// rawFields splits a query and keeps the parameters of the protocol. One that repeats, or whose name is written in a way
// that only some would recognise, is refused: the signature would be over one reading and the use of another.
func rawFields(raw string) (map[string]rawField, error) {
	if len(raw) > maxQuery {
		return nil, form("too-large", fmt.Sprintf("query is longer than %d bytes", maxQuery))
	}
	fields := map[string]rawField{}
	for part := range strings.SplitSeq(raw, "&") {
		if strings.Contains(part, ";") {
			return nil, form("query", "query contains a semicolon")
		}
		name, text, _ := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil {
			return nil, form("query", "a parameter's name does not decode")
		}
		if !protocolField(plain) {
			continue
		}
		if _, again := fields[name]; again {
			return nil, form("repeated", "a parameter repeats")
		}
		value, err := url.QueryUnescape(text)
		if err != nil || !exactField(name) {
			return nil, form("query", "a parameter's name or value is not written plainly")
		}
		fields[name] = rawField{raw: text, value: value}
	}
	return fields, nil
}

func exactField(name string) bool {
	return known(name, fieldRequest, fieldResponse, "RelayState", "SigAlg", "Signature", "SAMLEncoding")
}

// verify holds the signature against the active keys.
func (m redirected) verify(p signaturePolicy) (proof, error) {
	alg, ok := signatures[m.algorithm]
	if !ok {
		return proof{}, signature("algorithm", "signature algorithm is not one of ours")
	}
	var out proof
	if err := p.admitSHA1(alg.hash == crypto.SHA1, &out); err != nil {
		return proof{}, err
	}
	var err error
	out.by, err = p.match(alg, []byte(m.signed), m.value, nil)
	return out, err
}

// unsigned is a message that had to be signed.
func unsigned(what string) error {
	return wrapped(idp.CodeSAMLSignature, "none", "Sign-out messages must be signed. Have the identity provider sign them.", errors.New(what))
}
