package jwt

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"
)

func TestKeySetKeepsOnlyWhatCanVerify(t *testing.T) {
	ec := jwk(t, mustSigner(t).Public())
	rsaJWK := jwk(t, mustKey(NewRSAKey(RS256)).Public())
	weak := mustKey(rsa.GenerateKey(rand.Reader, 1024))
	weakJWK := map[string]any{"kty": "RSA", "n": b64(weak.N.Bytes()), "e": "AQAB"}
	short := shortPoint(t)
	for _, c := range []struct {
		name string
		key  any
		kept int
	}{
		{"EC", ec, 1},
		{"RSA", rsaJWK, 1},
		{"no use, no alg, no kid", without(ec, "use", "alg", "kid"), 1},
		{"unknown members", with(ec, "x5c", []string{"junk"}, "vendor", 1), 1},
		{"key_ops verify", with(ec, "key_ops", []string{"verify"}), 1},
		{"RFC 8037 Ed25519", map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "ed"}, 1},
		{"coordinate without its leading zero", map[string]any{"kty": "EC", "crv": "P-256", "x": short.x, "y": short.y}, 1},
		{"oct", map[string]any{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}, 0},
		{"oct posing as EC", with(ec, "k", "c2VjcmV0"), 0},
		{"private EC", with(ec, "d", "AAAA"), 0},
		{"private RSA", with(rsaJWK, "d", "AAAA", "p", "AAAA"), 0},
		{"for encryption", with(ec, "use", "enc"), 0},
		{"use in another case", with(ec, "use", "SIG"), 0},
		{"key_ops sign only", with(ec, "key_ops", []string{"sign"}), 0},
		{"key_ops empty", with(ec, "key_ops", []string{}), 0},
		{"RSA of 1024 bits", weakJWK, 0},
		{"RSA of 16384 bits", with(rsaJWK, "n", b64(new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 16384), big.NewInt(1)).Bytes())), 0},
		{"RSA exponent 1", with(rsaJWK, "e", "AQ"), 0},
		{"RSA exponent even", with(rsaJWK, "e", "BA"), 0},
		{"RSA exponent huge", with(rsaJWK, "e", b64(make([]byte, 8))+"AAAB"), 0},
		{"RSA exponent over 31 bits", with(rsaJWK, "e", "AQAAAAE"), 0},
		{"RSA modulus even", with(rsaJWK, "n", b64(new(big.Int).Lsh(big.NewInt(3), 2047).Bytes())), 0},
		{"RSA without n", without(rsaJWK, "n"), 0},
		{"RSA padded", with(rsaJWK, "e", "AQAB=="), 0},
		{"RSA for encryption by alg", with(rsaJWK, "alg", "RSA-OAEP"), 0},
		{"RSA with alg HS256", with(rsaJWK, "alg", "HS256"), 0},
		{"EC with alg ES384", with(ec, "alg", "ES384"), 0},
		{"EC with alg none", with(ec, "alg", "none"), 0},
		{"EC off the curve", with(ec, "x", "AAAA"), 0},
		{"EC at infinity", with(ec, "x", b64(make([]byte, 32)), "y", b64(make([]byte, 32))), 0},
		{"EC on another curve's name", with(without(ec, "alg"), "crv", "P-384"), 0},
		{"EC secp256k1", with(ec, "crv", "secp256k1"), 0},
		{"EC coordinate too long", with(ec, "x", b64(make([]byte, 33))), 0},
		{"OKP X25519", map[string]any{"kty": "OKP", "crv": "X25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}, 0},
		{"OKP short", map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}, 0},
		{"kty in another case", with(ec, "kty", "ec"), 0},
		{"kid a number", with(ec, "kid", 7), 0},
		{"no object", "key", 0},
		{"null", nil, 0},
	} {
		set, err := ParseJWKS(document(t, c.key, ec))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if set.Len() != c.kept+1 {
			t.Errorf("%s: kept %d, want %d and the good one beside it", c.name, set.Len()-1, c.kept)
		}
	}
}

func TestKeySetsThatAreNoDocumentAreRefused(t *testing.T) {
	ec := jwk(t, mustSigner(t).Public())
	many := make([]any, maxKeys+1)
	for i := range many {
		many[i] = ec
	}
	if set, err := ParseJWKS(document(t, many[1:]...)); err != nil || set.Len() != maxKeys {
		t.Fatalf("%d keys: %v", maxKeys, err)
	}
	for name, doc := range map[string]string{
		"empty":          "",
		"list":           "[]",
		"no keys":        "{}",
		"keys no list":   `{"keys":{}}`,
		"keys twice":     `{"keys":[],"keys":[]}`,
		"kid twice":      `{"keys":[{"kid":"a","kid":"b"}]}`,
		"trailing bytes": `{"keys":[]} x`,
		"HTML":           "<html>",
		"too many":       string(document(t, many...)),
		"too large":      `{"keys":[],"x":"` + strings.Repeat("x", MaxKeySet) + `"}`,
	} {
		if _, err := ParseJWKS([]byte(doc)); !errors.Is(err, ErrKeySet) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if set, err := ParseJWKS([]byte(`{"keys":[]}`)); err != nil || set.Len() != 0 {
		t.Errorf("no keys: %v", err)
	}
}

func TestKeysFitByIDTypeAndAlgorithm(t *testing.T) {
	ec := mustKey(NewKey(mustSigner(t).Public().Public(), "one", ""))
	rs := mustKey(NewKey(mustKey(NewRSAKey(RS256)).Public().Public(), "one", ""))
	ps := mustKey(NewKey(rs.Public(), "two", PS256))
	set := NewSet(ec, rs, ps)
	for _, c := range []struct {
		h    Header
		want string
	}{
		{Header{Alg: ES256, KeyID: "one"}, "one/ES"},
		{Header{Alg: RS256, KeyID: "one"}, "one/RSA"},
		{Header{Alg: RS256, KeyID: "two"}, ""},
		{Header{Alg: PS256, KeyID: "two"}, "two/RSA"},
		{Header{Alg: PS256}, "one/RSA two/RSA"},
		{Header{Alg: RS256}, "one/RSA"},
		{Header{Alg: ES384, KeyID: "one"}, ""},
		{Header{Alg: "HS256", KeyID: "one"}, ""},
		{Header{Alg: RS256, KeyID: "three"}, ""},
	} {
		var got []string
		for _, k := range set.Fitting(c.h) {
			kind := "ES"
			if k.does(RS256) {
				kind = "RSA"
			}
			got = append(got, k.ID+"/"+kind)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v fits %v, want %q", c.h, got, c.want)
		}
	}
	if !set.HasID("two") || set.HasID("three") || set.HasID("") {
		t.Error("HasID")
	}
}

func TestThumbprintIsTheOneOfRFC7638(t *testing.T) {
	// RFC 7638 §3.1
	const doc = `{"keys":[{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}]}`
	set, err := ParseJWKS([]byte(doc))
	if err != nil || set.Len() != 1 {
		t.Fatal(set.Len(), err)
	}
	got, err := set.Keys()[0].Thumbprint()
	if err != nil || got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Fatalf("%s, %v", got, err)
	}
}

func FuzzParseJWKS(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"ed"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AAAA","e":"AQAB"}]}`))
	if signer, err := NewES256Key(); err == nil {
		doc, err := json.Marshal(NewSet(signer.Public()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		set, err := ParseJWKS(doc)
		if err != nil {
			return
		}
		printed, err := json.Marshal(set)
		if err != nil {
			t.Fatalf("%q does not print: %v", doc, err)
		}
		again, err := ParseJWKS(printed)
		if err != nil || fmt.Sprint(again.Keys()) == "" || again.Len() != set.Len() {
			t.Fatalf("%q printed as %q reads as %d keys, %v", doc, printed, again.Len(), err)
		}
		for i, k := range set.Keys() {
			one, err1 := k.Thumbprint()
			two, err2 := again.Keys()[i].Thumbprint()
			if one != two || err1 != nil || err2 != nil || k.ID != again.Keys()[i].ID || k.Alg != again.Keys()[i].Alg {
				t.Fatalf("key %d differs after printing: %v %v", i, err1, err2)
			}
		}
	})
}

func ExampleVerify() {
	signer, err := NewES256Key()
	if err != nil {
		return
	}
	token, err := signer.Sign("JWT", map[string]any{"sub": "alice"})
	if err != nil {
		return
	}
	payload, _, err := Verify(token, NewSet(signer.Public()), []string{ES256})
	if err != nil {
		return
	}
	claims, err := StrictClaims(payload)
	if err != nil {
		return
	}
	sub, err := claims.String("sub")
	fmt.Println(sub, err)
	// Output: alice <nil>
}

func jwk(t *testing.T, k Key) map[string]any {
	t.Helper()
	data, err := k.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func with(m map[string]any, pairs ...any) map[string]any {
	out := without(m)
	for i := 0; i < len(pairs); i += 2 {
		out[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return out
}

func without(m map[string]any, names ...string) map[string]any {
	out := map[string]any{}
	maps.Copy(out, m)
	for _, n := range names {
		delete(out, n)
	}
	return out
}

func document(t *testing.T, keys ...any) []byte {
	t.Helper()
	data, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type point struct{ x, y string }

// shortPoint makes keys until a coordinate begins with a zero byte, and drops it as some providers do.
func shortPoint(t *testing.T) point {
	t.Helper()
	for range 10000 {
		m := jwk(t, mustSigner(t).Public())
		x, err := base64.RawURLEncoding.DecodeString(fmt.Sprint(m["x"]))
		if err != nil {
			t.Fatal(err)
		}
		if x[0] == 0 {
			return point{x: b64(x[1:]), y: fmt.Sprint(m["y"])}
		}
	}
	t.Fatal("no coordinate with a leading zero in 10,000 keys")
	return point{}
}
