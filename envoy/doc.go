// Package envoy is the gate's contract with the proxy in front of it: the header names, the metadata keys and
// the limits both sides must agree on, and the Envoy bootstrap rendered from one small [Config].
//
// It promises that what it renders fails closed on every supported Envoy version, that the same Config always
// renders the same bytes, and that a name the gate and the proxy share is written in one place, contract.go.
// It never speaks to a running Envoy and serves no xDS: a fault in the gate must not be able to reprogram the
// data plane, so the proxy reads a static file and rotates its certificates itself.
//
// Why typed protos and not a text template: a misspelt field is a compile error here, and a dropped line in a
// security-relevant config is a value missing from a struct, where a test can see it.
package envoy
