package policies

import "time"

// Input is everything a policy may look at for one check. Start from [Engine.Input], which pins the
// revision, and fill in the rest. The JSON names are the ones Rego sees.
type Input struct {
	Subject    Subject    `json:"subject"`
	Tenant     Tenant     `json:"tenant"`
	Connection Connection `json:"connection"`
	Session    Session    `json:"session"`
	Action     Action     `json:"action"`
	Resource   Resource   `json:"resource"`
	Context    Context    `json:"context"`

	// SubjectVersion and TenantVersion are stamps: equal stamps mean equal Subject and Tenant.
	// Zero (a bearer token) promises nothing. Policies do not see them.
	SubjectVersion uint64 `json:"-"`
	TenantVersion  uint64 `json:"-"`

	// Now is the instant of the check: Rego's clock and context.time. It is required, because a
	// decision must be repeatable from its log line.
	Now time.Time `json:"-"`

	pinned *Revision
}

// Subject is the person (or machine) who asks, as policy sees them.
type Subject struct {
	ID          string         `json:"id"`
	UserName    string         `json:"user_name"`
	Email       string         `json:"email"`
	DisplayName string         `json:"display_name"`
	Groups      []string       `json:"groups"`
	Claims      map[string]any `json:"claims"` // read-only from here on
	Active      bool           `json:"active"`
	Source      string         `json:"source"` // "scim", "jit" or "bearer"

	// Roles is the answer of [Engine.Roles]. The roles question itself never sees it.
	Roles []string `json:"roles"`
}

// Tenant is the customer organisation the subject belongs to.
type Tenant struct {
	ID           string        `json:"id"`
	Slug         string        `json:"slug"`
	RoleMappings []RoleMapping `json:"role_mappings"`
}

// RoleMapping gives a role to a group, to a claim or to one user. Values are compared byte for byte.
type RoleMapping struct {
	ID         string `json:"id"`
	Connection string `json:"connection,omitempty"` // empty: sessions of every connection
	Kind       string `json:"kind"`                 // "group", "claim" or "user"
	Claim      string `json:"claim,omitempty"`      // kind claim: the claim's name
	Value      string `json:"value"`
	Role       string `json:"role"`
}

// Connection is the tenant's trust in one identity provider, the one this session came through.
type Connection struct {
	ID       string `json:"id"`
	Protocol string `json:"protocol"`
	Provider string `json:"provider"`
}

// Session says when and how the person signed in. The zero value (bearer tokens) is {} in Rego.
type Session struct {
	AuthTime time.Time `json:"auth_time"` // in Rego: seconds since 1970
	ACR      string    `json:"acr"`
	AMR      []string  `json:"amr"`
}

// Action is what is being done.
type Action struct {
	Method string `json:"method"`
}

// Resource is what it is done to. Path must be canonical already: this package compares, it does not
// clean up.
type Resource struct {
	Path string `json:"path"` // keeps a trailing slash

	// Segments are the path's parts, without an empty last one: "/" is [] and "/a/" is ["a"].
	Segments []string            `json:"segments"`
	Host     string              `json:"host"`
	Query    map[string][]string `json:"query"`
}

// Context is where the request came from. Rego also finds time{hour, weekday, date} here, which is
// Input.Now in UTC.
type Context struct {
	IP        string `json:"ip"`
	UserAgent string `json:"user_agent"`
}
