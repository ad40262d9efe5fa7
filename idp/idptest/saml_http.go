package idptest

import (
	"net/http"
	"time"
)

// samlLogin is a browser's session at the SAML provider.
type samlLogin struct {
	sub   string
	index string // SessionIndex, the same for every service provider of the session
	at    time.Time
	sps   []string // entity ids that were told of it
}

func (p *SAMLIdP) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "not yet", http.StatusNotImplemented)
}
func (p *SAMLIdP) serveSSO(w http.ResponseWriter, _ *http.Request)   { http.Error(w, "not yet", 501) }
func (p *SAMLIdP) serveSLO(w http.ResponseWriter, _ *http.Request)   { http.Error(w, "not yet", 501) }
func (p *SAMLIdP) serveStart(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not yet", 501) }
func (p *SAMLIdP) serveTiles(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not yet", 501) }
