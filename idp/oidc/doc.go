// Package oidc signs people in with OpenID Connect: it is the relying party of OpenID Connect Core 1.0 with the
// authorization code flow, PKCE (RFC 7636) and issuer identification (RFC 9207), for any number of connections.
//
// It promises that an identity it returns was asserted by the connection's own issuer, to the connection's own client,
// for the one attempt it was asked about, in a token with a single reading; that a code is sent once; that a
// provider cannot make the gate send requests faster than its own sign-ins do; and that no error holds a byte the
// provider wrote beyond the standard's error codes and, quoted and cut, a token's key id, algorithm and claim names.
//
// It never keeps a session, never follows a link in a token, never retries a POST, never discovers an issuer from a
// token, and never looks at a directory: who may do what is decided elsewhere.
//
// Why go-oidc is only asked for a second opinion: it decodes claims into a struct, where encoding/json ignores case
// and lets the last of two names win; its remote key set neither ages nor limits requests; its checks of nonce,
// subject, issue time and authorised party are left to the caller. The rules are run here on claims with one
// reading, and go-oidc has to agree with them on the same bytes.
//
// # Departures from the specification
//
//   - Core §2, sub: at most 255 characters of ASCII. We take 1 to 255 bytes of any text, since providers send names in
//     other scripts. TestHostileProviderIsRefusedWithItsOwnCode/long-sub.
//   - Core §3.1.3.7 (2), iss: exact. Google may leave the scheme out, as its documentation says.
//     TestGoogleMayLeaveTheSchemeOut.
//   - Core §3.1.3.7 (4, 5), azp: should be checked. We require it with several audiences and refuse any that is not our
//     client id; audiences beside ours must be listed in the connection. TestHostileProviderIsRefusedWithItsOwnCode/extra-aud.
//   - Core §3.1.3.7 (9–10), exp and iat: 60 seconds of skew, and iat not before the sign-in began.
//   - Core §3.1.3.8, at_hash: optional and checked when present; Entra ID leaves it out. TestFaultsThatAreNone/no-at-hash.
//   - Core §4, start by a third party: by GET only, and it lives in extauthz/login.
//   - Core §5.1.2, aggregated and distributed claims: never fetched. Entra ID's link in place of groups reads as
//     "unknown". TestGroupsCutOffAreNotNone.
//   - Core §5.3.2, userinfo: asked for only where a mapped claim is missing from the ID token, and never followed to
//     another host.
//   - Core §6, request objects: not sent. Core §3.2, §3.3, implicit and hybrid flows, form_post, WebFinger and
//     dynamic registration: not spoken. Encrypted ID tokens are refused with a hint.
//   - Core §10.1.1, key rotation: a token with an unknown key id leads to at most one fetch in 30 seconds.
//     TestJunkKeyIDsCostOneFetch.
//   - Discovery §3: an endpoint whose query brings protocol parameters is refused, as is one that is not https.
//   - RFC 9207 §2.4: an iss parameter that metadata does not announce is compared as well.
//   - RFC 9126: the request is pushed where metadata requires it, and not otherwise.
//   - RFC 6749 §5.1: token_type is not looked at; the access token is used as a bearer token for userinfo alone.
package oidc
