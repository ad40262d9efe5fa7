package saml_test

import (
	"encoding/base64"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

// FuzzVerify changes signed responses: each is refused, or says the same as before.
func FuzzVerify(f *testing.F) {
	type start struct {
		r    *rp
		want idp.Identity
		xml  string
	}
	var starts []start
	for i, p := range append(idptest.SAMLProfiles(), idptest.SAMLPlain) {
		r := newRP(f, idptest.SAMLOptions{Profile: p})
		response := r.respond(nil)
		want, err := r.complete(response)
		if err != nil {
			f.Fatal(err)
		}
		xml := decode(f, response)
		starts = append(starts, start{r, want, xml})
		for _, at := range []int{0, 20, len(xml) / 4, len(xml) / 2, len(xml) - 40} {
			f.Add(uint8(i), uint16(at), uint16(1), "x")
			f.Add(uint8(i), uint16(at), uint16(0), "<!--x-->")
			f.Add(uint8(i), uint16(at), uint16(30), "")
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, at, length uint16, insert string) {
		s := starts[int(which)%len(starts)]
		from := int(at) % len(s.xml)
		to := min(from+int(length), len(s.xml))
		changed := s.xml[:from] + insert + s.xml[to:]
		id, err := s.r.complete(base64.StdEncoding.EncodeToString([]byte(changed)))
		if err != nil {
			if idp.CodeOf(err) == "" {
				t.Fatalf("an answer is blamed on us: %v", err)
			}
			if idp.CodeOf(err) == idp.CodeSAMLDisagreement {
				t.Fatalf("disagreement: %s over %q", reason(err), changed)
			}
			return
		}
		if !reflect.DeepEqual(id, s.want) {
			t.Fatalf("changed answer says\n%+v, not\n%+v", id, s.want)
		}
	})
}

var cipherValues = regexp.MustCompile(`CipherValue>[^<]+<`)

// FuzzDecrypt sends ciphertexts and keys that nobody encrypted.
func FuzzDecrypt(f *testing.F) {
	r := newRP(f, idptest.SAMLOptions{})
	r.encrypt(newSPKey(f))
	response := r.respond(func(o *idptest.RespondOptions) { o.Sign = idptest.SignAssertion })
	want, err := r.complete(response)
	if err != nil {
		f.Fatal(err)
	}
	xml := decode(f, response)
	f.Add([]byte{}, []byte{}, uint8(0))
	f.Add([]byte("0123456789ab"), []byte("0123456789abcdef0123456789ab"), uint8(2))
	algorithms := []string{idptest.AlgAES128GCM, idptest.AlgAES192GCM, idptest.AlgAES256GCM, idptest.AlgAES128CBC, idptest.AlgAES256CBC, "urn:x"}
	f.Fuzz(func(t *testing.T, key, data []byte, alg uint8) {
		values := [][]byte{key, data} // in this order they stand
		changed := cipherValues.ReplaceAllStringFunc(xml, func(was string) string {
			b := values[0]
			values = values[1:]
			if len(b) == 0 {
				return was
			}
			return "CipherValue>" + base64.StdEncoding.EncodeToString(b) + "<"
		})
		changed = strings.Replace(changed, idptest.AlgAES256GCM, algorithms[int(alg)%len(algorithms)], 1)
		id, err := r.complete(base64.StdEncoding.EncodeToString([]byte(changed)))
		if err == nil && !reflect.DeepEqual(id, want) {
			t.Fatalf("admitted %+v", id)
		}
		if err != nil && idp.CodeOf(err) == "" {
			t.Fatalf("an answer is blamed on us: %v", err)
		}
	})
}
