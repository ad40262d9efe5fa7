// Package tenant names the customer organisations behind one gate. A tenant is the wall between customers:
// every stored row, cache entry and sealed value carries its ID, and no method of the store works across two.
//
// An ID is chosen once and never renamed; the Slug is for people and may change. This package parses and
// compares names. It never decides what a tenant may do.
package tenant

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// ID names a tenant: 2 to 40 of [a-z0-9-], no underscore, because API tokens split on it. The zero value names none.
type ID string

// ConnectionID names one trust between a tenant and an identity provider. It has the shape of an ID and is
// unique over all tenants, because a callback path carries it alone.
type ConnectionID string

// GroupKey says which attribute of a SCIM group role mappings are compared with.
type GroupKey string

// The two group keys. A tenant uses one of them, never both: who may name a group freely could otherwise name
// it like the identifier of another.
const (
	ByDisplayName GroupKey = "displayName"
	ByExternalID  GroupKey = "externalId"
)

// Tenant is one customer organisation and its settings.
type Tenant struct {
	ID       ID
	Slug     string
	Domains  []string      // verified e-mail domains, lower case; each belongs to one tenant
	SCIM     bool          // the directory is filled over SCIM and is the authority for groups and active
	GroupKey GroupKey      // what role mappings of kind group compare with for SCIM groups
	Idle     time.Duration // session idle limit; 0 takes the operator's, a larger value than the operator's is cut to it
	Absolute time.Duration // session absolute limit; likewise
	Epoch    int64         // raised to end every session of the tenant
	Declared bool          // written in the configuration file: read-only elsewhere
	Created  time.Time
}

var idPattern = regexp.MustCompile(`^[a-z0-9-]{2,40}$`)

// ErrID reports a name that is not an ID.
var ErrID = errors.New("want 2 to 40 of a-z, 0-9 and -")

// ParseID accepts exactly the ids this package would make, so that one spelling exists of each.
func ParseID(s string) (ID, error) {
	if !idPattern.MatchString(s) {
		return "", fmt.Errorf("tenant id %.60q: %w", s, ErrID)
	}
	return ID(s), nil
}

// ParseConnectionID is ParseID for connections.
func ParseConnectionID(s string) (ConnectionID, error) {
	if !idPattern.MatchString(s) {
		return "", fmt.Errorf("connection id %.60q: %w", s, ErrID)
	}
	return ConnectionID(s), nil
}

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// RandomName returns ten random base32 letters: the form of every id that nobody chose.
func RandomName() string {
	var b [7]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	return letters.EncodeToString(b[:])[:10]
}

// ParseDomain lower-cases an ASCII domain name such as acme.example and checks its form (RFC 1035 §2.3.1).
// An internationalised name must be given in its xn-- form: two spellings of one domain could reach two tenants.
func ParseDomain(s string) (string, error) {
	d := strings.ToLower(s)
	if len(d) > 253 || !domainPattern.MatchString(d) {
		return "", fmt.Errorf("domain %.80q: want a name such as acme.example, in ASCII (xn-- form for others)", s)
	}
	return d, nil
}

var domainPattern = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$`)

// EmailDomain returns the domain of a work e-mail address. Exactly one @ is allowed: a@evil.example@acme.example
// means one domain to one parser and another to the next.
func EmailDomain(address string) (string, error) {
	local, domain, ok := strings.Cut(strings.TrimSpace(address), "@")
	if !ok || local == "" || len(address) > 320 || strings.ContainsAny(local, " \t\r\n<>,;\"") || strings.Contains(domain, "@") {
		return "", errors.New("want one address such as name@company.example")
	}
	return ParseDomain(domain)
}
