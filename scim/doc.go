// Package scim is the SCIM 2.0 service provider (RFC 7643, RFC 7644, RFC 9865): the address that a tenant's identity
// provider pushes its people and groups to.
//
// It is the protocol and nothing else: it reads requests strictly, turns each write into one transaction of a
// directory.Store, and renders what is there. It promises that a request it does not understand is refused with the
// reason, that the tenant of a call comes from its bearer token alone, and that a fault of ours is a 503, because
// providers repeat that and give up on anything else. It never sees a session or a policy, never logs a value of an
// attribute, and never reads the members of a group in order to change them.
//
// Why a protocol layer of our own: libraries read the resource, apply the change and write it back. Providers add the
// members of a group in parallel, and the last writer then wins over all others.
//
//	request ── token ─▶ turnstile ─▶ route ─▶ body ─▶ prepare ─▶ Store.Update ─▶ 2xx: refused on the next check
//	                                            └──▶ list: filter ─▶ SQL and the rest in Go ─▶ page
//
// # Departures from the specification
//
// RFC 7643, what resources hold:
//   - §2.3.2: Booleans are also accepted as "True" and "False" in any case, for Entra ID (scimtest: entra-default).
//   - §2.5: null as the members of a PATCH is refused where the RFC reads it as none: emptying a group takes an explicit
//     [] or remove. Null as the members of a PUT keeps them, for Okta sends back what it read (okta-aiw).
//   - §3.1: externalId is not unique. meta.version does not move when a user's groups do: groups lie outside a user's
//     ETag.
//   - §4.1: password is accepted, thrown away and not advertised; so are members.display and manager.displayName
//     (TestProvisioningLogHasNamesAndNoValues, okta-oin).
//   - §4.1.1: active that a PUT leaves out is kept; null or removed is unassigned, left out of answers, and inactive
//     (TestInactiveWhereActiveIsNotTrue).
//   - §4.2: groups in groups are recorded and never expanded. Members that are not known do not fail a request; they wait
//     and count for nothing, for Okta does not repeat a push that was refused (entra-default). Nothing grants a member
//     who waits.
//   - §4.3: the $ref of a manager is answered while the manager is a user of the tenant; it is computed and cannot be
//     written.
//
// RFC 7644, the protocol:
//   - §3.1: what Accept asks for is ignored: every answer is application/scim+json.
//   - §3.3, §3.5.1: attributes that no schema of ours has are dropped and written to the provisioning log. In a PATCH they
//     are invalidPath, but under a schema we do not know at all they are dropped there too: a custom mapping must not hold
//     back an active:false.
//   - §3.4.2: an attribute that the resource type lacks is invalidFilter; across resource types it is not there. An empty
//     filter is refused. Names of query parameters are read in any case: a Filter that is not read would list everybody.
//     Filters of more than 4 KB, 32 levels or 200 terms are invalidFilter.
//   - §3.4.2.1: a GET of the base URL without filter is tooMany. A search there without one is answered while everything
//     fits on one page. Users come before groups, each sorted by itself.
//   - §3.4.2.2: see package filter for what else is read: values without quotes, a sub-attribute behind a value path,
//     "True", and what a comparison with null means. Members and groups are compared by eq, or asked for by pr.
//   - §3.4.2.2, §3.4.2.3: in a directory of more than 20,000, a filter that no index narrows and an order other than by
//     id, userName, externalId, displayName or meta are tooMany.
//   - §3.4.2.3: resources without the sort attribute come last in ascending order and first in descending order.
//   - §3.5.1: PUT makes nothing: an unknown id is 404. Attributes of a group that are left out are cleared; its members are
//     not.
//   - §3.5.2: a PATCH of a group is answered by 204 unless attributes or excludedAttributes is given: Entra ID expects it,
//     and the body may be megabytes (TestProjectionsShowWhatIsAskedFor). The Location and ETag are sent with it.
//   - §3.5.2: shapes of PATCH beyond the RFC's and those of the RFC that are refused: package patch lists them.
//     members[…] takes value eq, or-ed at most. An element that attr[filter].sub does not find is made by replace as well
//     as by add, if the filter is made of eq and and (microsoft-validator). A path that is the URN of an extension alone
//     means the extension. schemas inside an extension's object is ignored, for scim2-client sends it.
//   - §3.7: an operation runs after those whose bulkId it names, wherever they stand; otherwise in order. Each is a
//     transaction of its own; operations that name each other in a circle share one. An operation that names one that
//     failed is 409 (TestBulkIdsInACircleAreResolved, TestBulkOperationsSucceedAndFailOneByOne). A string that begins
//     with bulkId: is a reference wherever it stands.
//   - §3.9: attributes and excludedAttributes together are refused; names that mean nothing have no effect.
//   - §3.11: /Me is 501: a token is a tenant's, not a person's.
//   - §3.12: a wrong media type is 415 and a wrong method 405 with Allow, both with the error body. An unknown or ended
//     token is 401; a store that cannot be reached is 503 and never 401 or 404 (TestOurFaultsAreNeverTheClients).
//   - §3.14: entity tags are weak and compared weakly, in If-Match too: a strong comparison would never match.
//   - §4: discovery needs the token as everything else does.
//
// RFC 8259, JSON: names that differ in case alone, invalid UTF-8, lone surrogates, U+0000 and bytes after the document
// are invalidSyntax (TestEveryRefusalHasItsStatusAndAnErrorBody).
//
// RFC 9865, cursors: a page also ends after 100,000 members of groups. startIndex is answered beside a cursor, counted
// from the first page. There is no previousCursor.
package scim
