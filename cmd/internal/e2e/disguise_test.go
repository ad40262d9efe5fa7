package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// keptSecrets is everything that must never be written down, each with what it is.
type keptSecrets struct {
	mu  sync.Mutex
	all map[string]string
}

func (k *keptSecrets) add(kind, value string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(value) >= 16 {
		k.all[value] = kind
	}
}

// disguises are the ways a text may be written into a log.
var disguises = map[string]func(string) string{
	"as it is":    func(s string) string { return s },
	"in a query":  url.QueryEscape,
	"in a path":   url.PathEscape,
	"in JSON":     func(s string) string { b, _ := json.Marshal(s); return strings.Trim(string(b), `"`) },
	"quoted":      func(s string) string { return strings.Trim(fmt.Sprintf("%q", s), `"`) },
	"in hex":      func(s string) string { return hex.EncodeToString([]byte(s)) },
	"in HEX":      func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
	"base64, 0":   func(s string) string { return base64Of(base64.RawStdEncoding, s, 0) },
	"base64, 1":   func(s string) string { return base64Of(base64.RawStdEncoding, s, 1) },
	"base64, 2":   func(s string) string { return base64Of(base64.RawStdEncoding, s, 2) },
	"base64url":   func(s string) string { return base64Of(base64.RawURLEncoding, s, 0) },
	"base64url,1": func(s string) string { return base64Of(base64.RawURLEncoding, s, 1) },
	"base64url,2": func(s string) string { return base64Of(base64.RawURLEncoding, s, 2) },
	// Cut off by a limit, or with its beginning shortened away: half of a token still tells most of it.
	"its first half": func(s string) string { return s[:(len(s)+1)/2] },
	"its last half":  func(s string) string { return s[len(s)/2:] },
}

// base64Of is the part of the encoding that does not depend on what stands around s, offset bytes into a text.
func base64Of(e *base64.Encoding, s string, offset int) string {
	text := e.EncodeToString(append(make([]byte, offset), s...))
	return text[(offset*8+5)/6 : (offset+len(s))*8/6]
}

// leaks looks for the secrets in every disguise.
func (k *keptSecrets) leaks(where, text string) (found []string) {
	for value, kind := range k.all {
		for name, disguise := range disguises {
			if strings.Contains(text, disguise(value)) {
				found = append(found, fmt.Sprintf("%s holds a secret, %s: %s", where, name, kind))
			}
		}
	}
	return found
}

// finds plants each secret in a copy of the text, in each disguise. A search that does not find them proves nothing.
func (k *keptSecrets) finds(t *testing.T, text string) {
	t.Helper()
	half := len(text) / 2
	for value, kind := range k.all {
		for name, disguise := range disguises {
			alone := keptSecrets{all: map[string]string{value: kind}}
			if got := alone.leaks("planted", text[:half]+disguise(value)+text[half:]); len(got) == 0 {
				t.Errorf("a planted %s is not found %s", kind, name)
			}
		}
		for offset := range 3 {
			alone := keptSecrets{all: map[string]string{value: kind}}
			blob := base64.StdEncoding.EncodeToString([]byte("{::"[:offset] + value + "::}"))
			if got := alone.leaks("planted", text[:half]+blob+text[half:]); len(got) == 0 {
				t.Errorf("a %s planted %d bytes into base64 is not found", kind, offset)
			}
		}
	}
}
