// Package policies answers two questions in Rego: which roles does this person hold, and may they
// do this to that route. It is the policy decision point; extauthz enforces what it says.
//
// A [Revision] is one policy: its modules compiled, its data, its two prepared queries. [Load] builds
// it from a file tree and refuses anything it can prove wrong beforehand: misspelt input fields and
// data paths, result fields nobody reads, roles that depend on the request, failing tests. An [Engine]
// serves one revision behind an atomic pointer, so a reload never blocks or splits a check, and
// [Engine.Watch] keeps the last good revision when an edit is broken.
//
// It promises that a decision is a function of revision and input alone, that whatever goes wrong
// comes out as a refusal, and that no evaluation outlives its time budget. The zero [Decision] denies
// and the zero [Engine] refuses everything with [ErrNoPolicy].
//
// It never reads the network, the directory or the clock while it decides, never lets an OPA type
// out, and imports nothing else of the gate: a logged decision can be replayed by this package alone.
//
// Why the roles are a question of their own: they depend on the person, the tenant and the connection
// only, so they can be kept until one of those changes, while the decision runs for every request.
package policies
