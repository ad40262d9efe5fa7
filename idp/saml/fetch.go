package saml

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/internal/egress"
)

const (
	fetchTime = 10 * time.Second
	fetchHint = "The identity provider's metadata could not be fetched. Open its address in a browser; if that needs a sign-in or a private network, upload the file instead."
)

// Fetch reads a provider's metadata from the address an admin gave. Client keeps it away from private addresses and
// other hosts than that one; an answer is at most 1 MiB and has to come within ten seconds.
func (c *Connector) Fetch(ctx context.Context, address string) ([]byte, error) {
	if err := checkURL(address, c.Insecure); err != nil {
		return nil, wrapped(idp.CodeSAMLConfig, "metadata-url", fetchHint, fmt.Errorf("address of metadata: %w", err))
	}
	within, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	r, err := http.NewRequestWithContext(within, http.MethodGet, address, nil)
	if err != nil {
		return nil, fault(idp.CodeSAMLConfig, "metadata-url", fetchHint, "address of metadata is not a URL")
	}
	r.Header.Set("Accept", "application/samlmetadata+xml, application/xml, text/xml;q=0.9, */*;q=0.1")
	resp, err := c.Client.Do(r)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or thrown away
	if resp.StatusCode != http.StatusOK {
		return nil, wrapped(idp.CodeMetadata, "status", fetchHint, fmt.Errorf("fetch metadata: status %d", resp.StatusCode))
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxMetadata+1))
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	if len(b) > maxMetadata {
		return nil, unusable("too-large", "Metadata is at most 1 MiB. Of a federation's list, give the one identity provider's own document.", errors.New("fetch metadata: more than 1 MiB"))
	}
	return b, nil
}

// unreachable says why there is no answer. net/http quotes what the other side sent, which would read an internal service
// out to a log, so its errors are reduced to their kind; Client's own are in words of ours.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("fetch metadata: %w", context.Cause(ctx))
	}
	own, ok := errors.AsType[*egress.Error](err)
	if !ok {
		return wrapped(idp.CodeUnavailable, "fetch", fetchHint, errors.New("fetch metadata: request failed"))
	}
	code := idp.CodeUnavailable
	switch own.Code {
	case egress.CodeURL, egress.CodeScheme, egress.CodeAddress, egress.CodeRedirect, egress.CodeSize:
		code = idp.CodeMetadata
	case egress.CodeTLS, egress.CodeTimeout, egress.CodeCanceled, egress.CodeDNS, egress.CodeConnect, egress.CodeProtocol:
	}
	return wrapped(code, "fetch", fetchHint, fmt.Errorf("fetch metadata: %w", own))
}
