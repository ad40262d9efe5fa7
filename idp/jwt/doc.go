// Package jwt reads and writes the JSON Web Tokens of signing in: compact JWS, the claims in them, and the key sets that verify them.
//
// It promises one reading of a token. [Parse] takes the compact form alone: three base64url parts in their only spelling, no white space, no JSON
// serialisation (RFC 7515 §7.1). [Verify] chooses keys by what the header names and nothing the token carries itself. [StrictClaims] accepts a payload
// only if every JSON reader finds the same values in it: no key twice, no key that merely folds to a known one, no text that decodes to something else.
//
// It never trusts a key, a URL or a certificate from a token's header, never verifies with a shared secret or without a signature, never
// keeps private material from a published key set, and never fetches. Expiry, issuer and audience are the caller's: they need a clock and a connection.
//
// Why the strict pass exists: encoding/json matches struct fields without regard to case and lets the last of two equal keys win. A verified payload of
// {"sub":"bob","SUB":"alice"} is alice to a struct and bob to a map, so a provider with one loose claim mapping could name any subject. U+017F and
// U+212A fold to s and k, so "ſub" does the same.
//
// This package is the only one that imports go-jose.
package jwt
