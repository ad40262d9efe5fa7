package scim

import (
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// params are what a list or search asks for (RFC 7644 §3.4.2, RFC 9865 §2).
type params struct {
	filter     *string
	start      int // from 1
	hasStart   bool
	count      int
	cursor     *string // "" starts a walk
	sortBy     string
	descending bool
	attributes []string
	excluded   []string
}

// The parameters' names, as a query string and a search request spell them.
var paramNames = map[string]string{
	"filter": "filter", "startindex": "startIndex", "count": "count", "cursor": "cursor", "sortby": "sortBy",
	"sortorder": "sortOrder", "attributes": "attributes", "excludedattributes": "excludedAttributes",
}

// queryValues reads a raw query string. A reader that skips what it cannot read, as url.URL.Query does with a raw
// semicolon, would turn a filtered list into a list of everybody.
func queryValues(raw string) (map[string]string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badRequest(typeInvalidValue, "The query string cannot be read. Percent-encode its values, a semicolon as %3B.")
	}
	out := map[string]string{}
	for key, list := range values {
		name, ours := paramNames[strings.ToLower(key)]
		if !ours {
			continue // Entra's flags ride on the tenant URL
		}
		if _, twice := out[name]; twice || len(list) != 1 {
			return nil, badRequest(typeInvalidValue, "The query parameter "+name+" is given more than once.")
		}
		if !utf8.ValidString(list[0]) || strings.ContainsRune(list[0], 0) {
			return nil, badRequest(invalidTypeOf(name), "The query parameter "+name+" is not valid UTF-8 text.")
		}
		out[name] = list[0]
	}
	return out, nil
}

func invalidTypeOf(param string) string {
	switch param {
	case "filter":
		return typeInvalidFilter
	case "cursor":
		return typeInvalidCursor
	default:
		return typeInvalidValue
	}
}

// queryParams reads the parameters of a GET.
func queryParams(raw string) (params, error) {
	values, err := queryValues(raw)
	if err != nil {
		return params{}, err
	}
	return paramsOf(values)
}

func paramsOf(values map[string]string) (p params, err error) {
	p = params{start: 1, count: defaultPage}
	if text, ok := values["filter"]; ok {
		if strings.TrimSpace(text) == "" {
			return p, badRequest(typeInvalidFilter, "The filter is empty. Leave the parameter out to list everything.")
		}
		p.filter = &text
	}
	if text, ok := values["startIndex"]; ok {
		if p.start, err = integer("startIndex", text); err != nil {
			return p, err
		}
		p.start, p.hasStart = max(p.start, 1), true
	}
	if text, ok := values["count"]; ok {
		if p.count, err = integer("count", text); err != nil {
			return p, err
		}
		p.count = min(max(p.count, 0), maxPage)
	}
	if text, ok := values["cursor"]; ok {
		if p.hasStart {
			return p, badRequest(typeInvalidValue, "cursor and startIndex cannot be used together: choose one way of paging.")
		}
		p.cursor = &text
	}
	p.sortBy = values["sortBy"]
	switch strings.ToLower(values["sortOrder"]) {
	case "", "ascending":
	case "descending":
		p.descending = true
	default:
		return p, badRequest(typeInvalidValue, "sortOrder is ascending or descending.")
	}
	p.attributes, p.excluded = split(values["attributes"]), split(values["excludedAttributes"])
	if len(p.attributes) > 0 && len(p.excluded) > 0 {
		return p, badRequest(typeInvalidValue, "attributes and excludedAttributes cannot be used together.")
	}
	return p, nil
}

// integer reads a whole number; one that does not fit is as good as the largest.
func integer(name, text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		err = nil // ParseInt gives the nearest number it has
	}
	if err != nil {
		return 0, badRequest(typeInvalidValue, name+" is a whole number.")
	}
	return int(min(max(n, math.MinInt32), math.MaxInt32)), nil
}

func split(list string) []string {
	var out []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}

const searchSchema = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

// searchParams reads the body of a search (RFC 7644 §3.4.3): the query parameters by name.
func searchParams(body map[string]any) (params, error) {
	if !hasSchema(body, searchSchema) {
		return params{}, badRequest(typeInvalidSyntax, "The body of a search names "+searchSchema+" in its schemas.")
	}
	values := map[string]string{}
	for key, value := range body {
		name, ours := paramNames[strings.ToLower(key)]
		if !ours || value == nil {
			continue
		}
		text, ok := searchValue(name, value)
		if !ok {
			return params{}, badRequest(typeInvalidValue, name+" has a value of the wrong type.")
		}
		values[name] = text
	}
	return paramsOf(values)
}

func searchValue(name string, value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, name != "count" && name != "startIndex"
	case json.Number:
		return v.String(), name == "count" || name == "startIndex"
	case []any:
		if name != "attributes" && name != "excludedAttributes" {
			return "", false
		}
		var list []string
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				return "", false
			}
			list = append(list, text)
		}
		return strings.Join(list, ","), true
	default:
		return "", false
	}
}

// hasSchema reports whether a message's schemas name urn, in whatever case.
func hasSchema(body map[string]any, urn string) bool {
	for key, value := range body {
		if !strings.EqualFold(key, "schemas") {
			continue
		}
		list, ok := value.([]any)
		if !ok {
			return false
		}
		for _, item := range list {
			if text, ok := item.(string); ok && strings.EqualFold(text, urn) {
				return true
			}
		}
	}
	return false
}
