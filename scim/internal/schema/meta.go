package schema

// The schemas of the service provider's own description (RFC 7643 §5 to §7, §8.7.2). Nobody can write these resources.

var providerSchema = &Schema{
	URN:         ServiceProviderConfigURN,
	Name:        "ServiceProviderConfig",
	Description: "What the service provider supports (RFC 7643 §5, RFC 9865 §3)",
	Attributes: []*Attribute{
		{Name: "documentationUri", Description: "URL of documentation", Type: Reference, CaseExact: true,
			Mutability: ReadOnly, References: []string{"external"}},
		option("patch", "PATCH"),
		option("bulk", "Bulk", whole("maxOperations", "Most operations in one request"),
			whole("maxPayloadSize", "Most bytes in one request")),
		option("filter", "Filters", whole("maxResults", "Most resources in one answer")),
		option("changePassword", "Changing passwords"),
		option("sort", "Sorting"),
		option("etag", "Versions in ETags"),
		{Name: "pagination", Description: "Paging", Type: Complex, Mutability: ReadOnly, Sub: []*Attribute{
			flag("cursor", "Whether pages are found by cursor"),
			flag("index", "Whether pages are found by index"),
			{Name: "defaultPaginationMethod", Description: "How pages are found when a request does not say",
				Mutability: ReadOnly, Canonical: []string{"cursor", "index"}},
			optional(whole("defaultPageSize", "Resources in a page when a request does not say")),
			optional(whole("maxPageSize", "Most resources in a page")),
			optional(whole("cursorTimeout", "Seconds a cursor is good for")),
		}},
		{Name: "authenticationSchemes", Description: "How clients prove who they are", Type: Complex, MultiValued: true,
			Required: true, Mutability: ReadOnly, Returned: Always, Sub: []*Attribute{
				{Name: "type", Description: "Scheme", Required: true, Mutability: ReadOnly,
					Canonical: []string{"oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest"}},
				text("name", "Name of the scheme"),
				text("description", "Description of the scheme"),
				{Name: "specUri", Description: "URL of the scheme's specification", Type: Reference, CaseExact: true,
					Mutability: ReadOnly, References: []string{"external"}},
				{Name: "documentationUri", Description: "URL of the scheme's documentation", Type: Reference,
					CaseExact: true, Mutability: ReadOnly, References: []string{"external"}},
				optional(flag("primary", "Whether this is the preferred scheme")),
			}},
	},
}

var resourceTypeSchema = &Schema{
	URN:         ResourceTypeURN,
	Name:        "ResourceType",
	Description: "A kind of resource (RFC 7643 §6)",
	Attributes: []*Attribute{
		optional(text("id", "Identifier of the resource type: its name")),
		text("name", "Name of the resource type"),
		optional(text("description", "Description of the resource type")),
		{Name: "endpoint", Description: "Path of the resources, below the base URL", Type: Reference, Required: true,
			CaseExact: true, Mutability: ReadOnly, References: []string{"uri"}},
		{Name: "schema", Description: "URN of the core schema", Type: Reference, Required: true, CaseExact: true,
			Mutability: ReadOnly, References: []string{"uri"}},
		{Name: "schemaExtensions", Description: "Extensions of the core schema", Type: Complex, MultiValued: true,
			Mutability: ReadOnly, Sub: []*Attribute{
				{Name: "schema", Description: "URN of the extension", Type: Reference, Required: true, CaseExact: true,
					Mutability: ReadOnly, References: []string{"uri"}},
				flag("required", "Whether resources must have the extension"),
			}},
	},
}

var schemaSchema = &Schema{
	URN:         SchemaURN,
	Name:        "Schema",
	Description: "A schema (RFC 7643 §7)",
	Attributes: []*Attribute{
		text("id", "URN of the schema"),
		optional(text("name", "Name of the schema")),
		optional(text("description", "Description of the schema")),
		{Name: "attributes", Description: "Attributes of the schema", Type: Complex, MultiValued: true, Required: true,
			Mutability: ReadOnly, Sub: append(characteristics(), &Attribute{
				Name: "subAttributes", Description: "Sub-attributes of a complex attribute", Type: Complex,
				MultiValued: true, Mutability: ReadOnly, Sub: characteristics(),
			})},
	},
}

// characteristics are what /Schemas says about an attribute (RFC 7643 §7).
func characteristics() []*Attribute {
	return []*Attribute{
		exact(text("name", "Name of the attribute")),
		{Name: "type", Description: "Kind of value", Required: true, Mutability: ReadOnly, Canonical: []string{
			"string", "complex", "boolean", "decimal", "integer", "dateTime", "reference", "binary"}},
		flag("multiValued", "Whether there can be several values"),
		optional(text("description", "Description of the attribute")),
		optional(flag("required", "Whether the attribute must be there")),
		{Name: "canonicalValues", Description: "Suggested values", MultiValued: true, CaseExact: true, Mutability: ReadOnly},
		optional(flag("caseExact", "Whether case counts in comparisons")),
		{Name: "mutability", Description: "Who may write the attribute", CaseExact: true, Mutability: ReadOnly,
			Canonical: []string{"readOnly", "readWrite", "immutable", "writeOnly"}},
		{Name: "returned", Description: "When the attribute is answered", CaseExact: true, Mutability: ReadOnly,
			Canonical: []string{"always", "never", "default", "request"}},
		{Name: "uniqueness", Description: "Among whom values are unique", CaseExact: true, Mutability: ReadOnly,
			Canonical: []string{"none", "server", "global"}},
		{Name: "referenceTypes", Description: "What a reference may point at", MultiValued: true, CaseExact: true,
			Mutability: ReadOnly},
	}
}

// option is a feature the service provider has or has not.
func option(name, what string, limits ...*Attribute) *Attribute {
	return &Attribute{Name: name, Description: what + ": whether it is supported, and limits", Type: Complex,
		Required: true, Mutability: ReadOnly,
		Sub: append([]*Attribute{flag("supported", "Whether it is supported")}, limits...)}
}

func flag(name, description string) *Attribute {
	return &Attribute{Name: name, Description: description, Type: Boolean, Required: true, Mutability: ReadOnly}
}

func whole(name, description string) *Attribute {
	return &Attribute{Name: name, Description: description, Type: Integer, Required: true, Mutability: ReadOnly}
}

func text(name, description string) *Attribute {
	return &Attribute{Name: name, Description: description, Required: true, Mutability: ReadOnly}
}

func optional(a *Attribute) *Attribute {
	a.Required = false
	return a
}

func exact(a *Attribute) *Attribute {
	a.CaseExact = true
	return a
}
