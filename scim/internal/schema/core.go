package schema

// common are the attributes every resource has (RFC 7643 §3.1). No schema lists them.
var common = []*Attribute{
	{Name: "schemas", Description: "URNs of the schemas the resource has data of", Type: Reference, MultiValued: true,
		Required: true, CaseExact: true, Returned: Always, References: []string{"uri"}},
	{Name: "id", Description: "Identifier given by the service provider", CaseExact: true, Mutability: ReadOnly,
		Returned: Always, Uniqueness: Server},
	{Name: "externalId", Description: "Identifier given by the provisioning client", CaseExact: true},
	{Name: "meta", Description: "Data about the resource", Type: Complex, Mutability: ReadOnly, Sub: []*Attribute{
		{Name: "resourceType", Description: "Name of the resource type", CaseExact: true, Mutability: ReadOnly},
		{Name: "created", Description: "When the resource was added", Type: DateTime, Mutability: ReadOnly},
		{Name: "lastModified", Description: "When the resource last changed", Type: DateTime, Mutability: ReadOnly},
		{Name: "location", Description: "URI of the resource", Type: Reference, CaseExact: true, Mutability: ReadOnly,
			References: []string{"uri"}},
		{Name: "version", Description: "Version of the resource, as in its ETag", CaseExact: true, Mutability: ReadOnly},
	}},
}

// Common are the attributes every resource has though no schema lists them: schemas, id, externalId, meta.
func Common() []*Attribute { return common }

var userSchema = &Schema{
	URN:         UserURN,
	Name:        "User",
	Description: "A person (RFC 7643 §4.1)",
	Attributes: []*Attribute{
		{Name: "userName", Description: "Name the person is known by; unique within the tenant", Required: true,
			Uniqueness: Server},
		{Name: "name", Description: "Components of the person's name", Type: Complex, Sub: []*Attribute{
			{Name: "formatted", Description: "Full name, formatted for display"},
			{Name: "familyName", Description: "Family name, or last name"},
			{Name: "givenName", Description: "Given name, or first name"},
			{Name: "middleName", Description: "Middle names"},
			{Name: "honorificPrefix", Description: "Title before the name, such as Ms."},
			{Name: "honorificSuffix", Description: "Suffix after the name, such as III"},
		}},
		{Name: "displayName", Description: "Name suitable for display"},
		{Name: "nickName", Description: "Casual name"},
		{Name: "profileUrl", Description: "URL of the person's profile", Type: Reference, CaseExact: true,
			References: []string{"external"}},
		{Name: "title", Description: "Job title"},
		{Name: "userType", Description: "Relationship to the organisation, such as Employee"},
		{Name: "preferredLanguage", Description: "Preferred written or spoken language"},
		{Name: "locale", Description: "Locale for formatting dates, numbers and currency"},
		{Name: "timezone", Description: "Time zone in the IANA database's form"},
		{Name: "active", Description: "Whether the person may sign in", Type: Boolean},
		{Name: "password", Description: "Accepted and thrown away: people sign in at their identity provider",
			Mutability: WriteOnly, Returned: Never, Dropped: true},
		plural("emails", "E-mail addresses", "E-mail address", "work", "home", "other"),
		plural("phoneNumbers", "Telephone numbers", "Telephone number", "work", "home", "mobile", "fax", "pager", "other"),
		plural("ims", "Instant messaging addresses", "Instant messaging address",
			"aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"),
		photos,
		addresses,
		groupsOfUser,
		plural("entitlements", "Entitlements; kept as data, they grant nothing", "Entitlement"),
		plural("roles", "Roles; kept as data, they grant nothing", "Role"),
		certificates,
	},
}

// plural is a multi-valued attribute with the sub-attributes of RFC 7643 §2.4.
func plural(name, description, value string, types ...string) *Attribute {
	return &Attribute{Name: name, Description: description, Type: Complex, MultiValued: true,
		Sub: append([]*Attribute{{Name: "value", Description: value}}, labels(types...)...)}
}

// labels are what describes a value of a multi-valued attribute.
func labels(types ...string) []*Attribute {
	return []*Attribute{
		{Name: "display", Description: "Readable form, for display"},
		{Name: "type", Description: "What the value is used for", Canonical: types},
		{Name: "primary", Description: "Whether this is the preferred value; at most one is", Type: Boolean},
	}
}

var photos = &Attribute{Name: "photos", Description: "URLs of photos", Type: Complex, MultiValued: true,
	Sub: append([]*Attribute{{Name: "value", Description: "URL of a photo", Type: Reference, CaseExact: true,
		References: []string{"external"}}}, labels("photo", "thumbnail")...)}

var addresses = &Attribute{Name: "addresses", Description: "Postal addresses", Type: Complex, MultiValued: true,
	Sub: []*Attribute{
		{Name: "formatted", Description: "Full address, formatted for display"},
		{Name: "streetAddress", Description: "Street, house number, further lines"},
		{Name: "locality", Description: "City"},
		{Name: "region", Description: "State or region"},
		{Name: "postalCode", Description: "Postal code"},
		{Name: "country", Description: "Country"},
		{Name: "type", Description: "What the address is used for", Canonical: []string{"work", "home", "other"}},
		{Name: "primary", Description: "Whether this is the preferred address; at most one is", Type: Boolean},
	}}

var groupsOfUser = &Attribute{Name: "groups", Description: "Groups the person is a member of; change the group instead",
	Type: Complex, MultiValued: true, Mutability: ReadOnly, Sub: []*Attribute{
		{Name: "value", Description: "Id of the group", Mutability: ReadOnly},
		{Name: "$ref", Description: "URI of the group", Type: Reference, CaseExact: true, Mutability: ReadOnly,
			References: []string{"User", "Group"}},
		{Name: "display", Description: "Name of the group", Mutability: ReadOnly},
		{Name: "type", Description: "How the membership came about", Mutability: ReadOnly,
			Canonical: []string{"direct", "indirect"}},
	}}

var certificates = &Attribute{Name: "x509Certificates", Description: "Certificates of the person; kept as data",
	Type: Complex, MultiValued: true,
	Sub: append([]*Attribute{{Name: "value", Description: "Certificate, DER in base64", Type: Binary, CaseExact: true}},
		labels()...)}

var groupSchema = &Schema{
	URN:         GroupURN,
	Name:        "Group",
	Description: "A group of people (RFC 7643 §4.2)",
	Attributes: []*Attribute{
		{Name: "displayName", Description: "Name of the group; unique within the tenant", Required: true,
			Uniqueness: Server},
		{Name: "members", Description: "People in the group", Type: Complex, MultiValued: true, Sub: []*Attribute{
			{Name: "value", Description: "Id of the person", Mutability: Immutable},
			{Name: "$ref", Description: "URI of the person", Type: Reference, CaseExact: true, Mutability: Immutable,
				References: []string{"User"}},
			{Name: "type", Description: "Kind of member: groups in groups are not expanded", Mutability: Immutable,
				Canonical: []string{"User"}},
			{Name: "display", Description: "Accepted and thrown away", Mutability: Immutable, Dropped: true},
		}},
	},
}

var enterpriseSchema = &Schema{
	URN:         EnterpriseUserURN,
	Name:        "EnterpriseUser",
	Description: "A person's place in an organisation (RFC 7643 §4.3)",
	Attributes: []*Attribute{
		{Name: "employeeNumber", Description: "Number or name the organisation gave the person"},
		{Name: "costCenter", Description: "Cost centre"},
		{Name: "organization", Description: "Organisation"},
		{Name: "division", Description: "Division"},
		{Name: "department", Description: "Department"},
		{Name: "manager", Description: "The person's manager", Type: Complex, Sub: []*Attribute{
			{Name: "value", Description: "Id of the manager"},
			{Name: "$ref", Description: "URI of the manager", Type: Reference, CaseExact: true,
				References: []string{"User"}},
			{Name: "displayName", Description: "Accepted and thrown away", Mutability: ReadOnly, Dropped: true},
		}},
	},
}
