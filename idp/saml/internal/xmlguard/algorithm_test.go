package xmlguard_test

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
)

var signatureText = regexp.MustCompile(`(<ds:SignatureValue>)[^<]*`)

func TestEachAlgorithmHasItsLengths(t *testing.T) {
	const was = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
	document := string(shapes(t)["response-nameid-value"])
	for algorithm, long := range map[string]int{
		"http://www.w3.org/2000/09/xmldsig#rsa-sha1":        256,
		"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256": 256, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384": 256,
		"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512": 512, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256": 64,
		"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384": 96, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512": 132,
	} {
		for n, want := range map[int]string{long: "", 63: "signature-length"} {
			text := strings.Replace(document, was, algorithm, 1)
			text = signatureText.ReplaceAllString(text, "${1}"+base64.StdEncoding.EncodeToString(make([]byte, n)))
			if got := rule(t, []byte(text), xmlguard.Response); got != want {
				t.Errorf("%s with %d bytes: got %q, want %q", algorithm, n, got, want)
			}
		}
	}
}

func TestEachContentCipherIsTaken(t *testing.T) {
	document := string(shapes(t)["response-encrypted"])
	at := strings.LastIndex(document, "<xenc:CipherValue>")
	document = document[:at] + "<xenc:CipherValue>" + base64.StdEncoding.EncodeToString(make([]byte, 48)) + document[strings.LastIndex(document, "</xenc:CipherValue>"):]
	for _, algorithm := range []string{
		"http://www.w3.org/2009/xmlenc11#aes128-gcm", "http://www.w3.org/2009/xmlenc11#aes192-gcm", "http://www.w3.org/2009/xmlenc11#aes256-gcm",
		"http://www.w3.org/2001/04/xmlenc#aes128-cbc", "http://www.w3.org/2001/04/xmlenc#aes192-cbc", "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
	} {
		if got := rule(t, []byte(strings.Replace(document, "http://www.w3.org/2009/xmlenc11#aes256-gcm", algorithm, 1)), xmlguard.Response); got != "" {
			t.Errorf("%s is refused: %s", algorithm, got)
		}
	}
}
