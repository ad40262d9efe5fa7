package httpreq

import (
	"strings"
	"unicode/utf8"
)

// MaxQueryPairs bounds the parameters of one query.
const MaxQueryPairs = 256

// Param is one decoded name=value of a query. A name without "=" has an empty value.
type Param struct {
	Name, Value string
}

// Query is a decoded query in the order it was sent. Pairs are separated by "&" alone; an empty pair is no pair.
type Query []Param

// Get returns the first value of name, and whether there is one.
func (q Query) Get(name string) (string, bool) {
	for _, p := range q {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

// Values returns all values of name in order.
func (q Query) Values(name string) []string {
	var values []string
	for _, p := range q {
		if p.Name == name {
			values = append(values, p.Value)
		}
	}
	return values
}

// Map returns the query as name to values, in order. It is never nil.
func (q Query) Map() map[string][]string {
	m := make(map[string][]string, len(q))
	for _, p := range q {
		m[p.Name] = append(m[p.Name], p.Value)
	}
	return m
}

func parseQuery(raw string) (Query, error) {
	if raw == "" {
		return nil, nil
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return nil, bad(ReasonQueryByte, "the query has a byte that must be percent-encoded")
		}
	}
	pairs := strings.Count(raw, "&") + 1
	if pairs > MaxQueryPairs {
		return nil, bad(ReasonQueryPairs, "the query has too many parameters")
	}
	query := make(Query, 0, pairs)
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		p, err := parseParam(pair)
		if err != nil {
			return nil, err
		}
		if once(p.Name) && has(query, p.Name) {
			return nil, bad(ReasonQueryRepeated, "the query gives a sign-in parameter twice")
		}
		query = append(query, p)
	}
	return query, nil
}

func parseParam(pair string) (Param, error) {
	name, value, _ := strings.Cut(pair, "=")
	name, ok := unescape(name, true)
	if !ok {
		return Param{}, bad(ReasonQueryEscape, "the query has a broken percent-encoding")
	}
	value, ok = unescape(value, true)
	if !ok {
		return Param{}, bad(ReasonQueryEscape, "the query has a broken percent-encoding")
	}
	if !utf8.ValidString(name) || !utf8.ValidString(value) {
		return Param{}, bad(ReasonQueryUTF8, "the query does not decode to UTF-8")
	}
	return Param{Name: name, Value: value}, nil
}

// once names the parameters that decide who signs in or where they land. Given twice, one reader would take the first and another the last. The
// signature of a SAML redirect also covers its raw bytes, so a second copy could ride along unsigned.
func once(name string) bool {
	switch name {
	case "state", "code", "iss", "SAMLRequest", "SAMLResponse", "RelayState", "Signature", "SigAlg", "return_to":
		return true
	default:
		return false
	}
}

func has(q Query, name string) bool {
	_, ok := q.Get(name)
	return ok
}
