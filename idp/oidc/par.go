package oidc

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

const maxPAR = 16 << 10

// push sends the request ahead (RFC 9126 §2) and returns the two parameters that stand for it.
func (c *Connector) push(ctx context.Context, conn idp.Connection, m metadata, params url.Values) (url.Values, error) {
	r, err := c.pushRequest(ctx, conn, m, params)
	if err != nil {
		return nil, err
	}
	resp, err := c.oneShot().Do(r)
	c.count("par", err)
	if err != nil {
		return nil, transportFault(ctx, "push authorization request", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPAR))
	if err != nil {
		return nil, transportFault(ctx, "push authorization request", err)
	}
	var got struct {
		RequestURI string `json:"request_uri"`
		Error      string `json:"error"`
	}
	malformed := json.Unmarshal(body, &got) != nil
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK {
		return nil, tokenRefusal(conn, resp.StatusCode, got.Error)
	}
	if malformed || got.RequestURI == "" {
		return nil, fault(idp.CodeResponse, metadataHint, "push authorization request: answer has no request_uri")
	}
	return url.Values{"client_id": {conn.Settings.ClientID}, "request_uri": {got.RequestURI}}, nil
}

func (c *Connector) pushRequest(ctx context.Context, conn idp.Connection, m metadata, params url.Values) (*http.Request, error) {
	basic := conn.Settings.ClientAuth == idp.AuthBasic || conn.Settings.ClientAuth == ""
	if secret := clientSecret(conn.Settings); !basic && secret != "" {
		params.Set("client_secret", secret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.PAR, strings.NewReader(params.Encode()))
	if err != nil {
		return nil, fault(idp.CodeMetadata, metadataHint, "push authorization request: address is not a URL")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic { // RFC 6749 §2.3.1: both are form-encoded first
		r.SetBasicAuth(url.QueryEscape(conn.Settings.ClientID), url.QueryEscape(clientSecret(conn.Settings)))
	}
	return r, nil
}
