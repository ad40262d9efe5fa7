// Package httpreq reads the parts of a request that a verdict hangs on: method, target, host, cookies, bearer token and return path.
//
// It promises that whatever it accepts has one meaning. Everything that two readers of the same bytes could take for different requests is a
// *Refusal: dot segments, empty segments, encoded separators, path parameters, a parameter of a sign-in callback given twice. The reader behind
// the gate may decode before it splits, strip what follows a semicolon, or merge slashes; for an accepted path all of them arrive at the same
// segments, and the fuzz targets hold that.
//
// It never repairs. A cleaned path would be a path nobody sent, while the proxy forwards the bytes that were sent: the gate would decide about one
// resource and the upstream would serve another. Nothing here rewrites; [Target.Path] and [Target.RawQuery] are the caller's own bytes.
//
// Why not net/url: url.Parse takes a leading "//" for an authority, url.URL.String turns a decoded "?" back into "%3F", url.ParseQuery refuses a
// semicolon but keeps the rest, and http.Request.Cookie takes the first of two cookies and drops a malformed one without a word. Each of these has been
// a bypass somewhere.
//
// Syntax is RFC 3986 §3.3 and §3.4, RFC 9110 §7.2 and §11.6.2, RFC 6265 §5.4. No function here logs, blocks or keeps state.
package httpreq
