// Package login answers everything under /auth: it sends people to their identity provider, takes them back, and signs
// them out. It is an ordinary http.Handler, so the same code runs inside a check and on a listener of its own.
//
// What happens on which route:
//
//	route                          step                                                  next
//	(any page, no session)         Start: tenant known by the only tenant, the           302 provider, with the flow cookie
//	                               session cookie or the flow cookie                     else 302 /auth/login?return_to=
//	GET /auth/login                loaded by another site's page, not as a page          page, no cookie
//	                               signed in already                                     303 return path
//	    ?email=                    verified domain → connection                          302 provider; several: choose; none: same page
//	    ?connection=               OpenID Connect Core §4; iss equals the connection's   302 provider; another account in use: confirm
//	    ?switch=1                  ask the provider for another account                  302 provider
//	GET /auth/callback/oidc[/id]   1 state opens                                         no: sign-in page
//	                               2 state fresh and of this browser                     no: live session → 303, of another tenant: confirm;
//	                                                                                     else once more; else page
//	                               3 path, connection, version as when it began          no: page
//	                               4 another tab's session is newer than the attempt     303 return path, code unused; another tenant's: confirm
//	                               5 fifth sign-in within a minute                       page
//	                               6 attempt used up                                     used before: as 2
//	                               7 connector verifies the answer                       refused: page; prompt=none: once more
//	                               8 one transaction: person, session, audit row         303 return path, both cookies
//	POST /auth/callback/saml/id    1 connection there and enabled; sender not throttled    no: not found; busy page
//	                               2 attempt: cookie named by RelayState, else by          none asked for: page, or begun in its place;
//	                               the request that the answer names                       gone: /auth/login?again=
//	                               3 connection and provider as when it began              no: page
//	                               4 fresh and of this browser                             no: /auth/login?again=
//	                               5 as 4 and 5 above, by the twin of the flow cookie;     as there
//	                               also a session that the attempt does not name as the
//	                               one it may end                                          confirm
//	                               6 connector verifies the answer                         refused: page; no room: /auth/login?again=&busy=1
//	                               7 one transaction: attempt and assertion used up,       303 return path, cookies; used before: page
//	                               person, session, audit row
//	GET /auth/login?again=         back here from another site, cookies and all: session   303 return path, of another tenant: confirm
//	                               none: an attempt that is over once more; else twice     302 provider; busy=1: page, that comes back once
//	                               a minute
//	GET /auth/login?test=          a test of the connection, whichever its protocol:        302 provider; its callback shows what was said
//	                               its link works once                                     and signs nobody in
//	GET /auth/saml/id/metadata     what the provider is told of us, also while disabled    200, cacheable
//	GET, POST /auth/saml/id/slo    provider's request, verified: sessions end by name       302 provider with the answer
//	                               provider's answer to our request                        signed-out page
//	GET, POST /auth/logout         another site's link, or the provider's answer late    confirm page
//	                               session ends here                                     302 provider's sign-out; none: page says so
//	    ?state=                    back from the provider                                signed-out page
//	GET /auth/session              who is signed in, without sliding the idle limit      200, or 401 JSON
//	GET /auth/jwks.json            keys of x-sso-assertion                               200, cacheable
//	else                                                                                 404, or 405
//
// It promises: nothing is stored for a visitor before a provider has vouched for them but that an attempt was used, until
// it would be too old, and, a bounded number a minute, that one was refused; an attempt is accepted once, in the browser
// that began it, for ten minutes (RFC 6749 §10.12, RFC 9700 §4.7); a code is sent to the provider once; every address the
// browser is sent to is a provider's, made by a connector, or a path on PublicURL; every refusal of an attempt of ours is
// a log line, a page with one calm sentence and, within that bound, an audit row.
//
// It never says whether an account or a company exists, never shows what a provider wrote, never reads X-Forwarded-*,
// and never decides what a person may do.
//
// Why a cookie an attempt over SAML: RelayState holds 80 bytes (SAML 2.0 Bindings §3.4.3), and the answer is a POST from the
// provider's site, with which no SameSite=Lax cookie goes along. So the attempt is sealed into a SameSite=None cookie that
// RelayState names, eight of them at most (or two dozen that began together, as restored tabs do), and a sealed twin of the
// flow cookie says what else the callback must know of the browser. Neither is a credential: what they let a sender do is be refused, or finish what this browser began. Cookies of
// that kind are also set and sent with images and frames of other sites, where nobody sees what happens and the session
// cookie stays behind. So an attempt names the session that was in use when it began, and ends no other one unasked.
//
// Why the state is the record: an attempt that is kept in a table or in a cookie of its own lets anyone fill the one and
// every restored tab grow the other. Sealed into state it costs nothing, and one small cookie ties all tabs to the
// browser.
package login
