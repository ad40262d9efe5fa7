// Package saml signs people in with SAML 2.0: it is the service provider of the Web Browser SSO profile (SAML 2.0
// Profiles §4.1) and of single logout (§4.4), for any number of connections.
package saml
