// Package scim is the SCIM 2.0 service provider (RFC 7643, RFC 7644, RFC 9865): the address that a tenant's identity
// provider pushes its people and groups to.
//
// It is the protocol and nothing else: it reads requests strictly, turns each write into one transaction of a
// directory.Store, and renders what is there. It promises that a request it does not understand is refused with the
// reason, that the tenant of a call comes from its bearer token alone, and that a fault of ours is a 503, because
// providers repeat that and give up on anything else. It never sees a session or a policy, never logs a value of an
// attribute, and never reads the members of a group in order to change them.
package scim
