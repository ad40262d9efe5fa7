package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
)

// Code is why a request got no answer. Codes are stable and safe to show to anyone.
type Code string

// The codes.
const (
	CodeURL      Code = "egress-url"      // no host, or credentials in the address
	CodeScheme   Code = "egress-scheme"   // not https
	CodeAddress  Code = "egress-address"  // the host is at an address we do not connect to
	CodeRedirect Code = "egress-redirect" // to another host, too many, or in answer to a POST
	CodeSize     Code = "egress-size"     // headers or body over the limit
	CodeTimeout  Code = "egress-timeout"  // no whole answer in time, or too many requests to the host at once
	CodeCanceled Code = "egress-canceled" // the caller gave up
	CodeDNS      Code = "egress-dns"      // the name has no address
	CodeConnect  Code = "egress-connect"  // nobody listens there
	CodeTLS      Code = "egress-tls"      // no TLS, or a certificate we do not trust
	CodeProtocol Code = "egress-protocol" // not the HTTP we speak, or cut off
)

// Error is every error of the client, under the *url.Error that net/http puts around it. Its text is made of our own words, the host asked for and, for
// [CodeAddress], the address found.
type Error struct {
	Code   Code
	Host   string
	Detail string

	cause error // context.Canceled, context.DeadlineExceeded or nil: what others wrap may quote the answer
}

// Error is the code, the host and the detail.
func (e *Error) Error() string {
	text := string(e.Code)
	if e.Host != "" {
		text += ": " + e.Host
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Unwrap lets errors.Is find a context's end and nothing else.
func (e *Error) Unwrap() error { return e.cause }

// Timeout makes net/http and its callers see a timeout as one.
func (e *Error) Timeout() bool { return e.Code == CodeTimeout }

// explain turns what net, crypto/tls and net/http report into an Error. It takes the kind of their errors and drops their text.
func explain(host string, err error) *Error {
	if own, ok := errors.AsType[*Error](err); ok {
		return &Error{Code: own.Code, Host: host, Detail: own.Detail, cause: own.cause}
	}
	if errors.Is(err, context.Canceled) {
		return &Error{Code: CodeCanceled, Host: host, cause: context.Canceled}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return &Error{Code: CodeTimeout, Host: host, Detail: "no answer in time", cause: context.DeadlineExceeded}
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return &Error{Code: CodeDNS, Host: host, Detail: "the name does not resolve"}
	}
	if detail := tlsDetail(err); detail != "" {
		return &Error{Code: CodeTLS, Host: host, Detail: detail}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return &Error{Code: CodeConnect, Host: host, Detail: "no connection"}
	}
	if strings.Contains(err.Error(), "response headers exceeded") { // net/http has no error value for it
		return &Error{Code: CodeSize, Host: host, Detail: "the headers are too large"}
	}
	return &Error{Code: CodeProtocol, Host: host, Detail: "the answer is not whole or not HTTP"}
}

func tlsDetail(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the certificate is signed by nobody we trust"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is for another host"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return "the certificate has expired or is not valid yet"
		}
		return "the certificate is not valid"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate is not valid"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the other side does not speak TLS"
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return "the other side refused the handshake"
	}
	if strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "remote error: tls") {
		return "the handshake did not succeed"
	}
	return ""
}
