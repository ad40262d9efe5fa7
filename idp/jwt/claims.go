package jwt

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// MaxClaims is the largest payload read, in bytes.
const MaxClaims = MaxToken

// knownClaims are the names that decide something here or in go-oidc. A top-level key that folds to one of them must be it.
var knownClaims = foldedNames("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "azp", "sid", "at_hash", "auth_time", "acr", "amr", "events",
	"tid", "oid", "hd", "email", "email_verified", "roles", "groups", "scp", "scope", "cid", "_claim_names", "_claim_sources")

// Claims is a payload with one reading. Names are looked up by their exact bytes and never as a path: Auth0 puts dots and slashes into them. A claim
// that is null counts as absent, one of another type than asked for is an error, so that a check on an optional claim cannot be skipped by
// sending it in another shape. The zero value has no claims.
type Claims struct {
	object map[string]any
}

// StrictClaims reads the payload of a verified token, or a userinfo answer. It refuses with a [*ClaimsError] whatever two JSON readers could read
// differently.
func StrictClaims(payload []byte) (Claims, error) {
	if len(payload) > MaxClaims {
		return Claims{}, &ClaimsError{Reason: ReasonSize}
	}
	object, err := strictObject(payload)
	if err != nil {
		return Claims{}, err
	}
	if err := refuseFolded(object, knownClaims); err != nil {
		return Claims{}, err
	}
	return Claims{object: object}, nil
}

// Has reports whether the claim is there and not null.
func (c Claims) Has(name string) bool { return c.object[name] != nil }

// Raw returns the claims as decoded; numbers are json.Number. The map is the Claims' own: do not change it.
func (c Claims) Raw() map[string]any { return c.object }

// String returns a claim that is text, "" when absent.
func (c Claims) String(name string) (string, error) {
	switch v := c.object[name].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	default:
		return "", &ClaimsError{Reason: ReasonType, Claim: name}
	}
}

// Strings returns a claim that is text or a list of texts, as aud is (RFC 7519 §4.1.3), nil when absent.
func (c Claims) Strings(name string) ([]string, error) {
	switch v := c.object[name].(type) {
	case nil:
		return nil, nil
	case string:
		return []string{v}, nil
	case []any:
		texts := make([]string, 0, len(v))
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				return nil, &ClaimsError{Reason: ReasonType, Claim: name}
			}
			texts = append(texts, text)
		}
		return texts, nil
	default:
		return nil, &ClaimsError{Reason: ReasonType, Claim: name}
	}
}

// Bool returns a claim that is true or false, false when absent. The text "true" is an error.
func (c Claims) Bool(name string) (bool, error) {
	switch v := c.object[name].(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	default:
		return false, &ClaimsError{Reason: ReasonType, Claim: name}
	}
}

// maxNumericDate is the end of year 9999, past which times no longer print or compare as people expect.
const maxNumericDate = 253402300799

// Time returns a NumericDate (RFC 7519 §2), whole seconds or a fraction cut to them, the zero time when absent. A time before 1970 or after 9999 is an
// error.
func (c Claims) Time(name string) (time.Time, error) {
	switch v := c.object[name].(type) {
	case nil:
		return time.Time{}, nil
	case json.Number:
		seconds, ok := wholeSeconds(v.String())
		if !ok {
			return time.Time{}, &ClaimsError{Reason: ReasonTime, Claim: name}
		}
		return time.Unix(seconds, 0), nil
	default:
		return time.Time{}, &ClaimsError{Reason: ReasonType, Claim: name}
	}
}

func wholeSeconds(number string) (int64, bool) {
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		return n, n >= 0 && n <= maxNumericDate
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f < 0 || f > maxNumericDate {
		return 0, false
	}
	return int64(math.Floor(f)), true
}
