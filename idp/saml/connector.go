package saml

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// Connector speaks SAML 2.0 to any connection. Its zero value misses PublicURL, Client and Now; everything else is
// optional. It is safe for concurrent use and must not be copied.
type Connector struct {
	PublicURL   *url.URL         // the gate as browsers see it; entity id and endpoints hang below it, never below a Host header
	Insecure    bool             // also speaks http to a provider on a loopback host
	Client      *http.Client     // fetches metadata: refuses private addresses and bounds time and size; see idp.Egress
	Now         func() time.Time // the clock of every time rule
	Log         *slog.Logger
	MaxResponse int // bytes of a decoded message; 0 is 640 KiB, and 1 MiB the most

	OnOpinion    func(outcome, why string)                    // counts second opinions: agree, skipped, disagree
	OnVerify     func(code idp.Code, took time.Duration)      // counts completed verifications; code is empty after a success
	OnSHA1       func()                                       // counts SHA-1 signatures that an admin let pass
	OnPanic      func()                                       // counts panics, each of which became a refusal
	OnUnknownKey func(t tenant.ID, connection idp.ConnectionID) // hears that a message is signed by a key the connection does not have

	once  sync.Once
	slots chan struct{} // one for each verification that may run at once
}

// Skew is how far the provider's clock may be from ours.
const Skew = 90 * time.Second

// endpoints are the addresses of one connection at our side.
type endpoints struct {
	EntityID string // where the metadata is as well (SAML 2.0 Metadata §4.1)
	ACS      string
	SLO      string
}

func (c *Connector) endpoints(id idp.ConnectionID) endpoints {
	return endpoints{
		EntityID: c.PublicURL.JoinPath("auth", "saml", string(id), "metadata").String(),
		ACS:      c.PublicURL.JoinPath("auth", "callback", "saml", string(id)).String(),
		SLO:      c.PublicURL.JoinPath("auth", "saml", string(id), "slo").String(),
	}
}

func (c *Connector) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

// fault makes a refusal that is the provider's, the person's, the settings' or an attacker's doing. Neither what nor
// hint may hold a word of theirs.
func fault(code idp.Code, detail, hint, what string) *idp.Error {
	return &idp.Error{Code: code, Detail: detail, Hint: hint, Err: errors.New(what)}
}

// wrapped is fault around a cause that holds none of the provider's words.
func wrapped(code idp.Code, detail, hint string, err error) *idp.Error {
	return &idp.Error{Code: code, Detail: detail, Hint: hint, Err: err}
}
