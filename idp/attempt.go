package idp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"

	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// Kind is why an attempt was begun.
type Kind int

// The kinds of attempt.
const (
	KindSignIn Kind = iota + 1
	KindTest
	KindLogout
)

// Ask is what one attempt wants of the provider beyond the connection's settings.
type Ask struct {
	ACR       []string
	MaxAge    *time.Duration
	Prompt    string
	LoginHint string
}

// Attempt is a sign-in that a browser has begun and not finished. Nothing about it is stored: all of it travels in the
// sealed state parameter, bound to the browser by the flow cookie.
type Attempt struct {
	ID         [16]byte
	Kind       Kind
	Tenant     tenant.ID
	Connection ConnectionID
	Version    int64  // the connection's version when the attempt began
	ReturnTo   string // path and query on our own host
	Relay      string // what the provider returns with its answer: OIDC the sealed attempt, SAML the name of the cookie that holds it
	Callback   string // the absolute redirect URI this attempt was begun with
	Ask        Ask
	Begun      time.Time
	Retry      int         // how often the gate restarted this sign-in by itself
	Key        secret.Text // HMAC key known only to the gate and bound to browser and attempt
}

// The purposes of derived values.
const (
	DerivePKCE  = "pkce"
	DeriveNonce = "nonce"
)

// RequestID is the attempt's id as a SAML message carries it: an xs:ID of 128 random bits (SAML 2.0 Core §1.3.4).
func (a Attempt) RequestID() string { return "_" + hex.EncodeToString(a.ID[:]) }

// Derive returns the attempt's own secret for a purpose: 43 characters of base64url, so that it is a valid
// PKCE verifier (RFC 7636 §4.1) and nonce without being stored.
func (a Attempt) Derive(purpose string) string {
	m := hmac.New(sha256.New, []byte(a.Key.Reveal()))
	m.Write([]byte(purpose))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}
