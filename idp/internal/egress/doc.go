// Package egress makes the one HTTP client for addresses that a customer typed, or that a document at such an address named: discovery, key sets, token
// endpoints, metadata.
//
// It promises that such an address cannot be used to look around inside our network or to exhaust us. It is https; the address is checked after
// DNS, at the moment of connecting, so that a name which answers differently the second time gains nothing; the time, the headers, the body and the
// number of concurrent requests to a host are bounded. Its errors are *[Error], hold a stable code and never a byte of what the other side sent: a
// "malformed response" that quotes the response would read internal services aloud.
//
// It never follows a redirect to another host, never follows one for a POST, never sends a POST twice, never uses a proxy from the environment and never
// keeps cookies. A caller that prints the body of an answer it did get can still leak it; that is the caller's to avoid.
//
// Why HTTP/1.1 only, and a fresh connection for each POST: net/http sends a request again when the connection it had kept turns out to be closed, and
// HTTP/2 adds cases of its own. An authorization code or refresh token sent twice is a replay to the provider, which revokes the whole grant (RFC
// 9700 §4.14.2). On a connection without a past nothing is ever sent again, and no POST fails because an idle one had gone stale.
package egress
