package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/tracio-ai/ssogate/idp/tenant"
)

// Store is a tenant's directory as SCIM reads and writes it. It sees only what came over SCIM: a person made by a
// sign-in is not there, in no list, under no id, until a provider makes them and they are adopted.
type Store interface {
	Reader
	// Users lists users. ErrTooMany: the query would look at more rows than a request may cost.
	Users(ctx context.Context, t tenant.ID, q Query[User]) (Page[User], error)
	// Groups lists groups.
	Groups(ctx context.Context, t tenant.ID, q Query[Group]) (Page[Group], error)
	// Members hands a group's members to each, in order, some at a time: a group may have more than fit into memory.
	// The slice is each's only until it returns. ErrNotFound: no such group.
	Members(ctx context.Context, t tenant.ID, id GroupID, each func([]UserID) error) error
	// Update runs fn in one transaction together with its audit rows and its rows of the change feed. When it returns
	// nil, no replica answers from before it; when fn or Update returns an error, nothing has changed. fn may run
	// several times and must not call the Store. Who acts is WithActor's.
	Update(ctx context.Context, t tenant.ID, fn func(Tx) error) error
}

// Tx is one transaction on one tenant's directory. What it reads is locked until the end, so a decision made on it holds.
type Tx interface {
	// User reads a user with its document, without its groups.
	User(id UserID) (User, error)
	// PutUser stores a user and returns what is stored. An empty ID makes a new one, or adopts the person whom a
	// sign-in had made; another ID must exist. Where nothing differs the version stays. ErrTaken: another user has the
	// user name. ID, Source, Epoch, Version, Created, Modified, DisplayName and Emails are the store's: Doc decides.
	PutUser(u User) (User, error)
	// Group reads a group without its members.
	Group(id GroupID) (Group, error)
	// PutGroup stores a group without touching its members; otherwise as PutUser. ErrTaken: another group has the name.
	PutGroup(g Group) (Group, error)
	// Members changes a group's members and touches no others. ErrNotFound: no such group. *UnknownMembers: the tenant
	// is strict and knows some of those added not.
	Members(id GroupID, d Delta) (Result, error)
	// Delete removes a user or a group. ErrNotFound: it is not there, or no longer.
	Delete(r Ref) error
}

// ErrTaken reports a user name or a group name that another one of the tenant has.
var ErrTaken = errors.New("taken by another one")

// ErrTooMany reports a query that no index narrows to an amount of rows that one request may cost.
var ErrTooMany = errors.New("too many rows to look at")

// ErrInvalid reports text that cannot be stored as it is: U+0000, invalid UTF-8, or a value longer than is indexed.
var ErrInvalid = errors.New("not storable text")

// MaxRows is how many rows a query may look at when its condition is not one that an index answers.
const MaxRows = 20_000

// Query says which users or groups, in which order, and which of them. The zero value wants only the number of all.
type Query[T any] struct {
	// ID asks for the one with this id; empty: all.
	ID string
	// Where is an SQL condition over the columns that this package publishes, made of constants only: a ? stands for
	// each of Args in turn, and $1 for the tenant. Empty: all.
	Where string
	Args  []any
	// Indexed says that an index answers Where; otherwise a tenant with more than MaxRows is refused.
	Indexed bool
	// Match is the rest of the filter, called for what Where leaves; nil: all of it.
	Match func(T) bool
	Sort  Sort[T]

	// Start is the number of the first one wanted, from 1. After is used instead where it is set: the zero Position is
	// the place before the first.
	Start int
	After *Position
	Count int // how many at most; 0: only the total

	// Related also reads a user's groups or a group's members. By After, a page then ends after MaxRelated of them.
	Related bool
}

// MaxRelated is how many members a page by cursor holds before it ends.
const MaxRelated = 100_000

// Sort is an order. The zero value is that in which they were made, which never changes.
type Sort[T any] struct {
	// Column is one of UserOrder or GroupOrder. Empty: Key decides, and a tenant with more than MaxRows is refused.
	Column     string
	Key        func(T) (key string, ok bool) // not ok: has no value
	Descending bool
}

// Position is a place in an order: after this row. It can be sealed into a cursor as JSON and survives that the row is
// deleted.
type Position struct {
	Seq  int64  `json:"q,omitempty"`
	Key  string `json:"k,omitempty"`
	None bool   `json:"n,omitempty"` // the row has no value to sort by
	ID   string `json:"i,omitempty"`
}

// Page is what a query found.
type Page[T any] struct {
	Items []T
	Total int       // how many fit the query in all
	Next  *Position // where the next page begins; nil: there is nothing more
}

// Delta is a change of a group's members: first Clear, then Remove, then Add.
type Delta struct {
	Clear  bool // all of them go, but for those in Add
	Remove []UserID
	Add    []UserID
	Nested []string // ids that the caller knows to be groups: kept as pending, never expanded
}

// Result is what a Delta did.
type Result struct {
	Changed bool     // members were added or removed: the version is another
	Pending []UserID // asked for and not known: they count for nothing, and are remembered
	Dropped int      // not even remembered: the group waits for too many already
}

// UnknownMembers is a refusal to add members that the tenant does not have.
type UnknownMembers struct{ IDs []UserID }

// Error implements error.
func (e *UnknownMembers) Error() string { return fmt.Sprintf("%d members are not users", len(e.IDs)) }

// Ref names a user or a group: exactly one of the two is set.
type Ref struct {
	User  UserID
	Group GroupID
}

// Actor is who changes the directory, for the audit log.
type Actor struct {
	Name      string // scim: and the token's id, cli, gate
	RequestID string
	IP        string
}

type actorKey struct{}

// WithActor notes who acts.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf returns who acts, or the gate itself.
func ActorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return Actor{Name: "gate"}
}
