// Package e2e starts the whole thing for tests: the built gate as a process of its own, a real Envoy with the config
// the gate rendered, a pretend identity provider on another site, and an upstream that records the bytes it was sent.
//
// Nothing in the path of a request is a stand-in. A restart ends the process and starts another; a browser is Chromium;
// an attack is written to a socket byte by byte, because a client library would repair it on the way.
package e2e
