// Package patch turns the bodies of POST, PUT and PATCH (RFC 7644 §3.3, §3.5) into what they mean: a document in the
// attribute table's own spelling, or a plan of changes.
//
// A [Plan] for a user is a list of edits, made on the document that the directory holds at that moment. A plan for a
// group is its new name and a [Members] change: whether the old members stay, whom to add, whom to remove. The
// operations of one request are put together by set algebra, so a change of one member in a group of a hundred thousand
// is one row, and two clients that add members at the same time do not undo each other. Nothing here reads a member.
//
// It promises that a shape it does not know is refused: it never becomes "nothing to do", which would leave a leaver
// with access, and never "everybody", which would empty a group. It never reads a store, never looks at what a
// password says, and its errors and reports hold names of attributes and never their values.
//
// # Departures from RFC 7643 and RFC 7644
//
// DEPARTURES:
//
//   - RFC 7643 §2.3.2: booleans are also accepted as the strings "True" and "False" in any case, in values and filters.
//   - RFC 7643 §2.5: null as the members of a PATCH "replace" is refused where the RFC reads it as no members; null as
//     the members of a PUT keeps them, as clients send back what they read.
//   - RFC 7643 §3: schemas of a POST or PUT may be missing and may name anything; what counts is what there is data of.
//   - RFC 7643 §4.1: password is accepted and thrown away; so are members.display and manager.displayName.
//   - RFC 7643 §4.1.1: active that a PUT does not name is kept: an omission never lets somebody back in.
//   - RFC 7643 §4.1.2: $ref of a manager and of members is computed. It is ignored in values and refused as a path.
//   - RFC 7644 §3.3, §3.5.1: unknown attributes are dropped and reported, extension attributes that are not in their
//     extension's object included. An attribute may be written with its URN.
//   - RFC 7644 §3.5.2: attributes of an extension may be named without its URN while only one schema has the name;
//     attributes under a schema that is not ours are dropped and reported, those our schemas lack are invalidPath;
//     a name under urn:ietf:params:scim:schemas:core: is never taken for somebody else's.
//   - RFC 7644 §3.5.2: the value of a path-less operation may have dotted names, names with URNs and value paths as
//     keys. Its id has to be the resource's; schemas and meta are ignored; the same target twice is refused.
//   - RFC 7644 §3.5.2: a complex attribute also takes its "value" as a bare string and an array of one object; the
//     empty string and null remove it.
//   - RFC 7644 §3.5.2: a null or absent path means no path. Members of an operation other than op, path, value and name
//     are refused, so that a misspelt value does not turn the removal of one member into the removal of all.
//   - RFC 7644 §3.5.2: a path to a sub-attribute of a multi-valued attribute needs a filter (invalidPath).
//   - RFC 7644 §3.5.2.1: "add" of null or "" to a singular attribute unassigns it, to a multi-valued one adds nothing.
//   - RFC 7644 §3.5.2.1: an element is added once: it is the same as another one when all its sub-attributes are.
//   - RFC 7644 §3.5.2.2: "remove" of a multi-valued attribute may have a value: elements, and those that agree in every
//     sub-attribute given are removed. Null, "", [] and anything else there are refused.
//   - RFC 7644 §3.5.2.2: members are removed by path, by elements in value, or by members[value eq "…"], or-ed at most.
//     No other filter on members is accepted (invalidFilter).
//   - RFC 7644 §3.5.2.3: "replace" with a value path merges into each match and keeps the sub-attributes not given.
//     "add" does the same.
//   - RFC 7644 §3.5.2.3: where nothing matches attr[filter].sub and the filter is made of eq and and alone, "add" and
//     "replace" create the element that the filter describes. Other filters that match nothing are noTarget.
//   - RFC 7644 §3.5.2.4: setting primary on one element sets it to false on the element that had it; two primaries in
//     one value are refused.
//   - Limits beyond which a body is invalidValue: 500 operations on a user, 20,000 on a group, 1,000 elements in an
//     attribute of a user, a document of 1 MiB.
package patch

import "fmt"

// The scimTypes of RFC 7644 §3.12 that bodies can earn.
const (
	invalidSyntax = "invalidSyntax"
	invalidPath   = "invalidPath"
	invalidFilter = "invalidFilter"
	invalidValue  = "invalidValue"
	mutability    = "mutability"
	noTarget      = "noTarget"
)

// Error is a body that means nothing we do. The answer to it is 400 with Type.
type Error struct {
	Type      string // scimType of RFC 7644 §3.12
	Operation int    // number of the PATCH operation, from 1; 0: the body as a whole
	Detail    string // names attributes and the way out, no values
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s", e.Type, e.Says())
}

// Says is the sentence for the client, whose answer names the type beside it.
func (e *Error) Says() string {
	if e.Operation == 0 {
		return e.Detail
	}
	return fmt.Sprintf("operation %d: %s", e.Operation, e.Detail)
}

func refuse(scimType, format string, args ...any) *Error {
	return &Error{Type: scimType, Detail: fmt.Sprintf(format, args...)}
}

const (
	maxUserOperations  = 500
	maxGroupOperations = 20_000
	maxElements        = 1000
	maxDocument        = 1 << 20
	maxMatches         = 200_000 // elements that the filters of one plan may look at
	maxReported        = 50
)
