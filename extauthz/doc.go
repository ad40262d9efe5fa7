// Package extauthz is the policy enforcement point: Envoy's external authorization service (ext_authz gRPC v3).
//
// Check walks one request: parse it strictly (request.go), answer what is the gate's own (signin.go), find out who asks
// (subject.go), ask policy, and write the answer (response.go). server.go holds that walk on one screen.
//
// It promises that every request it did not positively allow is refused by the gate itself: an error, a panic, a
// deadline, a missing policy are a 503 of ours, never left to Envoy's failure mode; a request two parsers could read
// differently is a 400 and is never repaired. Only request.go and response.go know Envoy's messages.
//
// Why answers are made by constructors alone: Envoy reads nothing but status.code, so a forgotten status in a
// CheckResponse is an allow. No other file can build one, and the last line of Check turns anything unfinished into a fault.
package extauthz
