package jwt

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestSignedTokenVerifiesWithThePublishedSet(t *testing.T) {
	for alg, signer := range signers(t) {
		token := sign(t, signer, "ssogate-assertion+jwt", map[string]any{"sub": "alice", "n": 1})
		published, err := json.Marshal(NewSet(signer.Public()))
		if err != nil {
			t.Fatal(err)
		}
		set, err := ParseJWKS(published)
		if err != nil || set.Len() != 1 {
			t.Fatalf("%s: published set %s: %v", alg, published, err)
		}
		payload, key, err := Verify(token, set, []string{alg})
		if err != nil || string(payload) != `{"n":1,"sub":"alice"}` || key.ID != signer.KeyID() {
			t.Fatalf("%s: %s, %s, %v", alg, payload, key.ID, err)
		}
		parsed, err := Parse(token)
		if err != nil || parsed.Header != (Header{Alg: alg, KeyID: signer.KeyID(), Type: "ssogate-assertion+jwt"}) {
			t.Fatalf("%s: header %+v, %v", alg, parsed.Header, err)
		}
	}
}

func TestEveryPublicKeyAlgorithmVerifies(t *testing.T) {
	rsaKey := mustKey(rsa.GenerateKey(rand.Reader, 2048))
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]crypto.Signer{
		RS256: rsaKey, RS384: rsaKey, RS512: rsaKey, PS256: rsaKey, PS384: rsaKey, PS512: rsaKey, EdDSA: edKey,
		ES256: mustKey(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		ES384: mustKey(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		ES512: mustKey(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
	}
	for _, alg := range Algorithms() {
		key, err := NewKey(keys[alg].Public(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		token := foreign(t, alg, keys[alg], `{"sub":"a"}`)
		if _, _, err := Verify(token, NewSet(key), Algorithms()); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		if _, _, err := Verify(token, NewSet(key), nil); !errors.Is(err, ErrAlg) {
			t.Errorf("%s without being allowed: %v", alg, err)
		}
		// alg names the key's type; the header of another algorithm finds no key
		for _, other := range Algorithms() {
			if key.does(other) || other == alg {
				continue
			}
			if _, _, err := Verify(rehead(token, `{"alg":"`+other+`"}`), NewSet(key), Algorithms()); !errors.Is(err, ErrNoKey) {
				t.Errorf("%s key under %s: %v", alg, other, err)
			}
		}
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	signer := mustSigner(t)
	other := mustSigner(t)
	set := NewSet(signer.Public())
	token := sign(t, signer, "JWT", map[string]any{"sub": "alice"})
	parts := strings.Split(token, ".")
	public, err := signer.Public().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, public)
	hs := enc(`{"alg":"HS256","kid":"`+signer.KeyID()+`"}`) + "." + parts[1]
	mac.Write([]byte(hs))
	withJWK := embedJWK(t, other)
	last := token[:len(token)-1] + string(nextSpelling(token[len(token)-1]))
	for _, c := range []struct {
		name, token string
		want        error
	}{
		{"alg none, no signature", enc(`{"alg":"none"}`) + "." + parts[1] + ".", ErrMalformed},
		{"alg none, some signature", enc(`{"alg":"none"}`) + "." + parts[1] + ".AAAA", ErrAlg},
		{"alg None", enc(`{"alg":"None"}`) + "." + parts[1] + ".AAAA", ErrAlg},
		{"HMAC with the public key", hs + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), ErrAlg},
		{"another payload", parts[0] + "." + enc(`{"sub":"bob"}`) + "." + parts[2], ErrSignature},
		{"another key's signature", rekid(t, other, signer.KeyID()), ErrSignature},
		{"another key", sign(t, other, "JWT", map[string]any{"sub": "alice"}), ErrNoKey},
		{"its own key in the header", withJWK, ErrSignature},
		{"DER signature", parts[0] + "." + parts[1] + "." + enc("0\x06\x02\x01\x01\x02\x01\x01"), ErrSignature},
		{"zero signature", parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)), ErrSignature},
		{"empty", "", ErrMalformed},
		{"two parts", parts[0] + "." + parts[1], ErrMalformed},
		{"four parts", token + ".x", ErrMalformed},
		{"encrypted", "a.b.c.d.e", ErrEncrypted},
		{"encrypted is malformed too", "a.b.c.d.e", ErrMalformed},
		{"JSON serialisation", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, ErrMalformed},
		{"space in front", " " + token, ErrMalformed},
		{"newline behind", token + "\n", ErrMalformed},
		{"newline inside", parts[0] + "." + parts[1][:2] + "\n" + parts[1][2:] + "." + parts[2], ErrMalformed},
		{"padding", parts[0] + "." + parts[1] + "." + parts[2] + "==", ErrMalformed},
		{"standard alphabet", parts[0] + "." + parts[1] + ".+/+/", ErrMalformed},
		{"spare bits set", last, ErrMalformed},
		{"no payload", parts[0] + ".." + parts[2], ErrMalformed},
		{"crit", enc(`{"alg":"ES256","crit":["exp"],"exp":1}`) + "." + parts[1] + "." + parts[2], ErrMalformed},
		{"b64 without crit", enc(`{"alg":"ES256","b64":false}`) + "." + parts[1] + "." + parts[2], ErrMalformed},
		{"alg twice", enc(`{"alg":"ES256","alg":"none"}`) + "." + parts[1] + "." + parts[2], ErrMalformed},
		{"ALG beside alg", enc(`{"alg":"ES256","ALG":"none"}`) + "." + parts[1] + "." + parts[2], ErrMalformed},
		{"no alg", enc(`{}`) + "." + parts[1] + "." + parts[2], ErrMalformed},
		{"alg is a list", enc(`{"alg":["ES256"]}`) + "." + parts[1] + "." + parts[2], ErrMalformed},
		{"kid is a number", enc(`{"alg":"ES256","kid":1}`) + "." + parts[1] + "." + parts[2], ErrMalformed},
		{"header is a list", enc(`[]`) + "." + parts[1] + "." + parts[2], ErrMalformed},
		{"huge", token + strings.Repeat("A", MaxToken), ErrMalformed},
		{"huge header", enc(`{"alg":"ES256","x":"`+strings.Repeat("x", maxHeader)+`"}`) + "." + parts[1] + "." + parts[2], ErrMalformed},
	} {
		payload, _, err := Verify(c.token, set, append(Algorithms(), "none", "None", "HS256"))
		if !errors.Is(err, c.want) || payload != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, _, err := Verify(token, set, Algorithms()); err != nil {
		t.Fatalf("the token they were made from: %v", err)
	}
	if _, _, err := Verify(token, Set{}, Algorithms()); !errors.Is(err, ErrNoKey) {
		t.Fatalf("empty set: %v", err)
	}
}

func TestTokenWithoutKeyIDTriesTheFittingKeys(t *testing.T) {
	right := mustKey(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	token := foreign(t, ES256, right, `{"sub":"a"}`)
	var keys []Key
	for range maxTries - 1 {
		keys = append(keys, mustSigner(t).Public())
	}
	keys = append(keys, mustKey(NewKey(right.Public(), "right", "")))
	if _, key, err := Verify(token, NewSet(keys...), Algorithms()); err != nil || key.ID != "right" {
		t.Fatalf("right key as number %d: %v", len(keys), err)
	}
	keys = append([]Key{mustSigner(t).Public()}, keys...)
	if _, _, err := Verify(token, NewSet(keys...), Algorithms()); !errors.Is(err, ErrSignature) {
		t.Fatalf("right key as number %d: %v", len(keys), err)
	}
}

func TestAllowedNeverWidens(t *testing.T) {
	if got := fmt.Sprint(Allowed(nil)); got != "[RS256]" {
		t.Errorf("none listed: %s", got)
	}
	if got := fmt.Sprint(Allowed([]string{"HS256", "none", "ES256", "RS256"})); got != "[RS256 ES256]" {
		t.Errorf("mixed: %s", got)
	}
	if got := Allowed([]string{"HS256"}); len(got) != 0 {
		t.Errorf("only HS256: %s", got)
	}
}

func TestTypeComparesAsMediaType(t *testing.T) {
	for typ, want := range map[string]bool{"logout+jwt": true, "Logout+JWT": true, "application/logout+jwt": true, "": false, "JWT": false, "logout": false} {
		if (Header{Type: typ}).TypeIs("logout+jwt") != want {
			t.Errorf("%q", typ)
		}
	}
}

func TestSignerSurvivesStorage(t *testing.T) {
	for alg, signer := range signers(t) {
		der, err := signer.PKCS8()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseSigner(der, alg, "")
		if err != nil || again.KeyID() != signer.KeyID() || again.Alg() != alg {
			t.Fatalf("%s: %v", alg, err)
		}
		if _, _, err := Verify(sign(t, again, "", map[string]any{}), NewSet(signer.Public()), []string{alg}); err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		named, err := ParseSigner(der, alg, "abcdefgh")
		if err != nil || named.KeyID() != "abcdefgh" || named.Public().ID != "abcdefgh" {
			t.Fatalf("given id: %v", err)
		}
	}
	der, err := mustSigner(t).PKCS8()
	if err != nil {
		t.Fatal(err)
	}
	for _, alg := range []string{RS256, PS256, ES384, EdDSA, "HS256", "none", ""} {
		if _, err := ParseSigner(der, alg, ""); err == nil {
			t.Errorf("a P-256 key signs %q", alg)
		}
	}
	if _, err := ParseSigner([]byte("junk"), ES256, ""); err == nil {
		t.Error("junk is a key")
	}
}

func TestClaimsToSignMustBeAnObject(t *testing.T) {
	for _, claims := range []any{nil, "x", []string{"x"}, 1, make(chan int)} {
		if token, err := mustSigner(t).Sign("JWT", claims); err == nil {
			t.Errorf("%v gives %s", claims, token)
		}
	}
}

func TestSignerNeverPrintsItsPrivateHalf(t *testing.T) {
	signer := mustSigner(t)
	private, ok := signer.private.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatal("not a P-256 key")
	}
	raw, err := private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	holder := struct {
		s *Signer
		S *Signer
		V Signer
	}{signer, signer, *signer}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s %v", holder, holder, holder, signer, *signer)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "s", signer, "h", holder)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", signer, "h", holder)
	for _, secret := range []string{fmt.Sprintf("%x", raw), fmt.Sprintf("%d", raw), base64.StdEncoding.EncodeToString(raw), new(big.Int).SetBytes(raw).String()} {
		if strings.Contains(out.String(), strings.Trim(secret, "[]")) {
			t.Fatalf("printed: %s", out.String())
		}
	}
}

func FuzzParse(f *testing.F) {
	signer, err := NewES256Key()
	if err != nil {
		f.Fatal(err)
	}
	token, err := signer.Sign("JWT", map[string]any{"sub": "a"})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{token, "a.b.c", "a.b.c.d.e", enc(`{"alg":"none"}`) + ".e30.AA", token + "\n"} {
		f.Add(s)
	}
	set := NewSet(signer.Public())
	f.Fuzz(func(t *testing.T, compact string) {
		parsed, err := Parse(compact)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("error is %v", err)
			}
			return
		}
		algs := make([]jose.SignatureAlgorithm, 0, 1)
		algs = append(algs, jose.SignatureAlgorithm(parsed.Header.Alg))
		theirs, err := jose.ParseSignedCompact(compact, algs)
		if err == nil && theirs.Signatures[0].Header.KeyID != parsed.Header.KeyID {
			t.Fatalf("kid is %q to us and %q to go-jose", parsed.Header.KeyID, theirs.Signatures[0].Header.KeyID)
		}
		if _, _, err := Verify(compact, set, Algorithms()); err == nil && compact != token {
			t.Fatalf("%q verifies, and only %q was signed", compact, token)
		}
	})
}

func signers(t *testing.T) map[string]*Signer {
	t.Helper()
	rs, err := NewRSAKey(RS256)
	if err != nil {
		t.Fatal(err)
	}
	ps, err := NewRSAKey(PS256)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*Signer{ES256: mustSigner(t), RS256: rs, PS256: ps}
}

func mustSigner(t *testing.T) *Signer {
	t.Helper()
	s, err := NewES256Key()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustKey[K any](k K, err error) K {
	if err != nil {
		panic(err)
	}
	return k
}

func sign(t *testing.T, s *Signer, typ string, claims any) string {
	t.Helper()
	token, err := s.Sign(typ, claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// foreign signs as another library's user would, without a kid.
func foreign(t *testing.T, alg string, key crypto.Signer, payload string) string {
	t.Helper()
	return joseSign(t, jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: key}, nil, payload)
}

func joseSign(t *testing.T, key jose.SigningKey, opts *jose.SignerOptions, payload string) string {
	t.Helper()
	signer, err := jose.NewSigner(key, opts)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func embedJWK(t *testing.T, s *Signer) string {
	t.Helper()
	return joseSign(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.private, KeyID: s.KeyID()}}, &jose.SignerOptions{EmbedJWK: true}, `{"sub":"alice"}`)
}

// rekid signs with s under another key's id.
func rekid(t *testing.T, s *Signer, kid string) string {
	t.Helper()
	return joseSign(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.private, KeyID: kid}}, nil, `{"sub":"alice"}`)
}

func rehead(token, header string) string {
	_, rest, _ := strings.Cut(token, ".")
	return enc(header) + "." + rest
}

func enc(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// nextSpelling is another last character for the same bytes: the last of 86 carries two of 512 bits, and lenient decoders drop the other four.
func nextSpelling(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)^1]
}

func BenchmarkSign(b *testing.B) {
	s := mustKey(NewES256Key())
	claims := map[string]any{"iss": "https://dashboard.example", "sub": "alice", "exp": 1700000000}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Sign("ssogate-assertion+jwt", claims); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, s := range []*Signer{mustKey(NewES256Key()), mustKey(NewRSAKey(RS256))} {
		token := mustKey(s.Sign("JWT", map[string]any{"iss": "https://idp.example", "sub": "alice", "exp": 1700000000}))
		set := NewSet(s.Public())
		b.Run(s.Alg(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Verify(token, set, Algorithms()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
