// Package schema is the attribute table of SCIM: what RFC 7643 calls the core User and Group, the enterprise
// extension and the three schemas that describe a service provider. Filters, PATCH, projection and /Schemas all read
// this one table, so what is advertised is what is accepted.
//
// It promises that a name has one meaning: lookups ignore case (RFC 7643 §2.1), answer with the canonical spelling,
// and refuse what they do not know. It never sees a value: it says how values of an attribute compare, not what they
// are. The tables are shared by everyone who asks and are read only.
//
// Why a table in Go and not the JSON of the RFC: the RFC's listing contradicts its own text in places (§2.3.6 and
// §2.3.7 make binaries and references case exact, §8.7.1 lists them as not), and a misspelt characteristic in Go does
// not compile.
package schema

// The schema URNs of RFC 7643 that this service provider speaks.
const (
	UserURN                  = "urn:ietf:params:scim:schemas:core:2.0:User"
	GroupURN                 = "urn:ietf:params:scim:schemas:core:2.0:Group"
	EnterpriseUserURN        = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	ServiceProviderConfigURN = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	ResourceTypeURN          = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	SchemaURN                = "urn:ietf:params:scim:schemas:core:2.0:Schema"
)

// Type is the kind of value an attribute holds (RFC 7643 §2.3).
type Type uint8

// The types of RFC 7643 §2.3.
const (
	String Type = iota
	Boolean
	Decimal
	Integer
	DateTime
	Reference
	Binary
	Complex
)

// String is the type's name in /Schemas.
func (t Type) String() string {
	return [...]string{"string", "boolean", "decimal", "integer", "dateTime", "reference", "binary", "complex"}[t]
}

// Mutability says who may write an attribute (RFC 7643 §7).
type Mutability uint8

// The mutabilities of RFC 7643 §7.
const (
	ReadWrite Mutability = iota
	ReadOnly
	Immutable
	WriteOnly
)

// String is the mutability's name in /Schemas.
func (m Mutability) String() string {
	return [...]string{"readWrite", "readOnly", "immutable", "writeOnly"}[m]
}

// Returned says when an attribute is part of an answer (RFC 7643 §7).
type Returned uint8

// The ways of returning an attribute of RFC 7643 §7.
const (
	Default Returned = iota
	Always
	Never
	Request
)

// String is the word of /Schemas.
func (r Returned) String() string { return [...]string{"default", "always", "never", "request"}[r] }

// Uniqueness says among whom a value must be unique (RFC 7643 §7).
type Uniqueness uint8

// The kinds of uniqueness of RFC 7643 §7. Server means: within the tenant.
const (
	None Uniqueness = iota
	Server
	Global
)

// String is the word of /Schemas.
func (u Uniqueness) String() string { return [...]string{"none", "server", "global"}[u] }

// Attribute is one attribute or sub-attribute with its characteristics (RFC 7643 §7). The zero value of each
// characteristic is the default that RFC 7643 §2.2 gives it.
type Attribute struct {
	Name        string // canonical spelling
	Description string
	Type        Type
	MultiValued bool
	Required    bool
	CaseExact   bool
	Mutability  Mutability
	Returned    Returned
	Uniqueness  Uniqueness
	Canonical   []string // suggested values; others are accepted
	References  []string // what a reference may point at

	// Dropped attributes are accepted and thrown away: not kept, not answered, not advertised, not searchable.
	Dropped bool

	Sub []*Attribute // sub-attributes of a complex attribute
}

// SubAttribute finds a sub-attribute by name, in any case; nil if there is none.
func (a *Attribute) SubAttribute(name string) *Attribute { return find(a.Sub, name) }

// Value is the sub-attribute that stands for the whole where a path stops at a complex attribute: `emails eq "x"` is
// about emails.value, `manager eq "x"` about manager.value. Nil if there is none.
func (a *Attribute) Value() *Attribute { return find(a.Sub, "value") }

// Schema is one schema of RFC 7643 §7.
type Schema struct {
	URN         string
	Name        string
	Description string
	Attributes  []*Attribute
}

// Attribute finds a top-level attribute by name, in any case; nil if there is none.
func (s *Schema) Attribute(name string) *Attribute { return find(s.Attributes, name) }

// ResourceType is one kind of resource (RFC 7643 §6).
type ResourceType struct {
	Name        string // also its id
	Endpoint    string
	Description string
	Schema      *Schema
	Extensions  []*Schema // none of them is required
}

// Users is the resource type of people.
func Users() *ResourceType { return users }

// Groups is the resource type of groups.
func Groups() *ResourceType { return groups }

// ResourceTypes are the resource types in the order /ResourceTypes lists them.
func ResourceTypes() []*ResourceType { return []*ResourceType{users, groups} }

// Schemas are the schemas in the order /Schemas lists them.
func Schemas() []*Schema {
	return []*Schema{userSchema, groupSchema, enterpriseSchema, providerSchema, resourceTypeSchema, schemaSchema}
}

var users = &ResourceType{
	Name:        "User",
	Endpoint:    "/Users",
	Description: "People of the tenant",
	Schema:      userSchema,
	Extensions:  []*Schema{enterpriseSchema},
}

var groups = &ResourceType{
	Name:        "Group",
	Endpoint:    "/Groups",
	Description: "Groups of people",
	Schema:      groupSchema,
}
