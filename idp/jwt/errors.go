package jwt

import "errors"

// What can be wrong with a token. Callers branch on these with errors.Is; the text around them is for the log.
var (
	ErrMalformed = errors.New("malformed token")                 // not a compact JWS we read
	ErrEncrypted = errors.New("encrypted token")                 // a JWE; also ErrMalformed
	ErrAlg       = errors.New("signature algorithm not allowed") // alg is outside the caller's list, none and HMAC always are
	ErrNoKey     = errors.New("no key fits the token")           // a refreshed key set may help
	ErrSignature = errors.New("signature does not verify")       // a refreshed key set does not help
	ErrClaims    = errors.New("claims not acceptable")           // a *ClaimsError says why
	ErrKeySet    = errors.New("malformed key set")
)

// The words a [ClaimsError] may carry.
const (
	ReasonSize      = "size"
	ReasonUTF8      = "utf8"
	ReasonJSON      = "json"
	ReasonObject    = "not-an-object"
	ReasonDepth     = "depth"
	ReasonDuplicate = "duplicate-key"
	ReasonFold      = "folded-key"
	ReasonSurrogate = "lone-surrogate"
	ReasonNUL       = "nul"
	ReasonType      = "wrong-type"
	ReasonTime      = "time-out-of-range"
)

// ClaimsError says which rule a payload breaks. It never holds a claim's value.
type ClaimsError struct {
	Reason string // one of the Reason constants
	Claim  string // the key at fault, where one is; quoted and cut to 64 bytes in the text
}

// Error is the reason and the key.
func (e *ClaimsError) Error() string {
	if e.Claim == "" {
		return ErrClaims.Error() + ": " + e.Reason
	}
	return ErrClaims.Error() + ": " + e.Reason + " " + quoteShort(e.Claim)
}

// Is makes every ClaimsError an [ErrClaims].
func (e *ClaimsError) Is(target error) bool { return target == ErrClaims }
