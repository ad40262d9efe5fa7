package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/internal/egress"
)

const downHint = "The identity provider does not answer as it should. Look at its status page; signed-in people are not affected."

// errStatus is an answer that is not 200; the body that came with it is never read.
type errStatus int

// Error names the number alone: the reason phrase is the other side's text.
func (e errStatus) Error() string { return fmt.Sprintf("status %d", int(e)) }

// temporary tells a provider that is down or busy from an address that is wrong.
func (e errStatus) temporary() bool {
	return e >= 500 || e == http.StatusTooManyRequests || e == http.StatusRequestTimeout
}

var errTooLong = errors.New("answer is longer than allowed")

// fetch reads one document. kind is for counters and errors.
func (c *Connector) fetch(ctx context.Context, kind, address string, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fault(idp.CodeMetadata, "Check the connection's issuer.", "fetch "+kind+": address is not a URL")
	}
	r.Header.Set("Accept", "application/json")
	body, _, err := c.do(c.Client, r, kind, limit)
	if err != nil {
		return nil, transportFault(ctx, "fetch "+kind, err)
	}
	return body, nil
}

// do sends r once and returns the body of a 200 and its media type.
func (c *Connector) do(client *http.Client, r *http.Request, kind string, limit int64) (body []byte, media string, err error) {
	defer func() { c.count(kind, err) }()
	resp, err := client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, "", errStatus(resp.StatusCode)
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, "", err
	}
	if int64(len(body)) > limit {
		return nil, "", errTooLong
	}
	media, _, err = mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	return body, media, nil
}

func (c *Connector) count(kind string, err error) {
	if c.OnRequest == nil {
		return
	}
	if err != nil {
		c.OnRequest(kind, "error")
		return
	}
	c.OnRequest(kind, "ok")
}

// transportFault says why a request got no usable answer. A caller that went away is no fault of the provider.
func transportFault(ctx context.Context, what string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w", what, context.Canceled)
	}
	code, hint := idp.CodeUnavailable, downHint
	if refused, ok := errors.AsType[*egress.Error](err); ok {
		code, hint = egressFault(refused.Code)
	}
	status, answered := errors.AsType[errStatus](err)
	if errors.Is(err, errTooLong) || answered && !status.temporary() {
		code, hint = idp.CodeMetadata, metadataHint
	}
	return wrapped(code, hint, fmt.Errorf("%s: %w", what, plain(err)))
}

// egressFault tells an address the gate will not talk to from a provider that is down.
func egressFault(code egress.Code) (idp.Code, string) {
	switch code {
	case egress.CodeURL, egress.CodeScheme, egress.CodeAddress:
		return idp.CodeMetadata, "The identity provider must be reached by https at a public address. For one inside the operator's network, the operator adds its host to egress.allow."
	case egress.CodeRedirect, egress.CodeSize:
		return idp.CodeMetadata, metadataHint
	case egress.CodeTLS:
		return idp.CodeUnavailable, "No secure connection to the identity provider: check its certificate. An authority of your own goes into egress.ca_file."
	case egress.CodeTimeout, egress.CodeCanceled, egress.CodeDNS, egress.CodeConnect, egress.CodeProtocol:
	}
	return idp.CodeUnavailable, downHint
}

// plain reduces an error of net/http to its kind. Their texts quote what the other side sent: the first line of a
// foreign protocol, a Location, the names in a certificate. That would read an internal service out to a log. The
// gate's own client reports in words of its own.
func plain(err error) error {
	if own, ok := errors.AsType[*egress.Error](err); ok {
		return own
	}
	if status, ok := errors.AsType[errStatus](err); ok {
		return status
	}
	if errors.Is(err, errTooLong) {
		return errTooLong
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return errors.New("timed out")
	}
	return errors.New("request failed")
}
