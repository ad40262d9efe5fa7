// Package store keeps the gate's durable state in SQLite or PostgreSQL: tenants and what they configure, people and
// their links, sessions, values that are accepted once, keys, audit rows. It implements session.Store, session.Burner,
// directory.Store, audit.Sink and idp.Documents on one type.
//
// It promises:
//   - A change, its rows of the change feed and its audit row are one transaction: all of it or nothing.
//   - When a write returns, no read anywhere answers from before it, neither here nor in another process.
//   - Every statement names the tenant, but for the look-ups that find one.
//   - An error of the database is returned as one. It is never read as "not there", and nothing is answered from memory
//     that has not heard from the database for two seconds.
//   - Client secrets, ID tokens, NameIDs, results of tests and keys are stored sealed, bound to their row: in another
//     row they do not open.
//
// It never decides whether a session is valid or what a person may do, and never logs what it stores.
//
// # Two databases, one text
//
// Each statement is written once, for PostgreSQL; dialect.go holds what SQLite says otherwise, and the words that
// migrations fill in. Migrations go forward only and run before the new code does. SQLite has one connection that
// writes and several that read (https://www.sqlite.org/wal.html); its transactions take the lock at once, so a write
// never fails half-way for another's sake. PostgreSQL runs READ COMMITTED with row locks; a transaction that another
// overtook runs again from its start.
//
// # Caches and the change feed
//
// Sessions, people, realms and the look-ups of a tenant are answered from bounded caches: a hit does no I/O. A write
// forgets what it changed right after its commit, in the same call. A read that was under way meanwhile is not kept
// (see cache). Without Run nothing is answered from a cache.
//
// Others write to the same database: the command line beside a running gate, and on PostgreSQL other gates. Run follows
// the table changes, forgets what its new rows name, and notes in replicas how far it is. A writer waits until every
// handle with a lease has come as far as its own change. A handle that stops following loses its lease after two
// seconds: it reads from the database then, and writers wait for it no longer. So a revoke command returns when it
// bites. Of a handle that lost its lease nobody knows what it missed; it looks twice before it trusts its caches again.
//
// On SQLite, Run looks at PRAGMA data_version ten times a second, and the cursor is the number of the last row: there is
// one writer at a time. On PostgreSQL it waits for a notification, or half a second, on a connection of its own to the
// primary. Notifications only wake: those of a broken connection are lost. The cursor is a snapshot, for a transaction
// may commit behind one that began later; a new connection begins with empty caches, for the server behind it may be
// another one. Leases and the age of rows are told by the server's clock, not by each machine's.
//
// What nobody is told of is when a session was last seen. A replica whose copy looks idle reads it again.
//
// # The directory that SCIM writes
//
// Update runs a function on one tenant's directory; audit rows, rows of the change feed and counters follow from what it
// did. A group's members change by the rows that differ, under the group's lock, so a member costs the same in a group of
// any size and two writers never overwrite each other. On SQLite the updates that wait for the writer share one
// transaction, each within a savepoint of its own. Lists are cut by the database where an index narrows them, else only in
// tenants small enough to look at whole.
//
// Somebody made by a sign-in is not there for SCIM until a POST means them. A sign-in finds the person SCIM made by its
// connection's rule and remembers it as a link; what joined is written down, and the link goes when that changes.
//
// # Connections over SAML
//
// What is fetched from a provider stands beside what an admin chose, in one row, and changes only from the version it was
// read at: of two gates that fetch at once one writes. The gate's own keys stay through all of it. Another entity id, or
// another choice of what names a person, ends the connection's sessions and removes the links that would keep people out
// under their new names.
//
// A sign-out by NameID finds sessions by the hash of its value and compares the rest after opening it. It shares the lock
// of the connection's row with every sign-in, and leaves behind, for as long as an attempt lives, that it was here: an
// assertion made before it and posted after it signs nobody in (SAML 2.0 Core §3.7.3.2). The time that counts is that of
// the attempt, by the gate's own clock, so that whoever signs in anew is let in at once.
//
// # Why epochs
//
// Tenants, connections and users carry a number that a revocation raises; a session copies the three under the locks of
// its sign-in. Which of the two came first is thus never a matter of clocks, and letting someone in again does not
// revive the sessions they had.
package store
