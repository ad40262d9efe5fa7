package jwt

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxDepth = 32

// strictObject decodes one JSON object that has a single reading. Numbers stay as they are spelt, as json.Number.
func strictObject(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) {
		return nil, &ClaimsError{Reason: ReasonUTF8}
	}
	if !json.Valid(data) { // trailing bytes as well
		return nil, &ClaimsError{Reason: ReasonJSON}
	}
	if reason := badEscape(data); reason != "" {
		return nil, &ClaimsError{Reason: reason}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := strictValue(dec, 1)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, &ClaimsError{Reason: ReasonObject}
	}
	return object, nil
}

func strictValue(dec *json.Decoder, depth int) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, &ClaimsError{Reason: ReasonJSON}
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth > maxDepth {
		return nil, &ClaimsError{Reason: ReasonDepth}
	}
	if delim == '[' {
		return strictArray(dec, depth)
	}
	return strictMembers(dec, depth)
}

func strictArray(dec *json.Decoder, depth int) (any, error) {
	array := []any{}
	for dec.More() {
		v, err := strictValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	return array, closing(dec)
}

func strictMembers(dec *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for dec.More() {
		token, err := dec.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return nil, &ClaimsError{Reason: ReasonJSON}
		}
		if _, twice := object[key]; twice {
			return nil, &ClaimsError{Reason: ReasonDuplicate, Claim: key}
		}
		v, err := strictValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		object[key] = v
	}
	return object, closing(dec)
}

func closing(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return &ClaimsError{Reason: ReasonJSON}
	}
	return nil
}

// badEscape finds escapes in valid JSON that readers decode differently: half a surrogate pair becomes U+FFFD for some, so that two subjects are one; NUL
// ends the text for others, and PostgreSQL stores none.
func badEscape(data []byte) string {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		i++ // the escaped byte, so that `\\u0000` is two characters and no escape
		if data[i] != 'u' {
			continue
		}
		switch r := hex4(data[i+1:]); {
		case r == 0:
			return ReasonNUL
		case r >= 0xdc00 && r <= 0xdfff:
			return ReasonSurrogate
		case r >= 0xd800 && r <= 0xdbff:
			low := data[i+5:]
			if len(low) < 6 || low[0] != '\\' || low[1] != 'u' || hex4(low[2:]) < 0xdc00 || hex4(low[2:]) > 0xdfff {
				return ReasonSurrogate
			}
			i += 10
		}
	}
	return ""
}

// hex4 reads the four digits that json.Valid has already seen.
func hex4(b []byte) uint64 {
	r, err := strconv.ParseUint(string(b[:4]), 16, 16)
	if err != nil {
		return 0xd800
	}
	return r
}

// refuseFolded holds the keys of object against the known names: a key equal to one but for case folding would fill the struct field of another
// reader.
func refuseFolded(object map[string]any, known map[string]string) error {
	for key := range object {
		if name, ok := known[fold(key)]; ok && name != key {
			return &ClaimsError{Reason: ReasonFold, Claim: key}
		}
	}
	return nil
}

func foldedNames(names ...string) map[string]string {
	m := make(map[string]string, len(names))
	for _, name := range names {
		m[fold(name)] = name
	}
	return m
}

// fold maps each rune to the smallest of those it is equal to under Unicode simple folding, as encoding/json does to match field names.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, s)
}

// quoteShort makes somebody else's text safe for a log line.
func quoteShort(s string) string {
	if len(s) > 64 {
		s = strings.ToValidUTF8(s[:64], "") + "…"
	}
	return strconv.QuoteToASCII(s)
}
