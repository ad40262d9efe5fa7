package schema

// Document is a schema as /Schemas shows it (RFC 7643 §7). Marshalled, it is the same bytes every time.
type Document struct {
	Schemas     []string    `json:"schemas"`
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	Description string      `json:"description"`
	Attributes  []attribute `json:"attributes"`
	Meta        Meta        `json:"meta"`
}

// Meta says what a discovery document is and where it lies.
type Meta struct {
	ResourceType string `json:"resourceType"`
	Location     string `json:"location"`
}

// attribute has its keys in the RFC's order. Characteristics that an attribute's type gives no meaning are left out,
// never null.
type attribute struct {
	Name            string      `json:"name"`
	Type            string      `json:"type"`
	MultiValued     bool        `json:"multiValued"`
	Description     string      `json:"description"`
	Required        bool        `json:"required"`
	CaseExact       *bool       `json:"caseExact,omitempty"`
	CanonicalValues []string    `json:"canonicalValues,omitempty"`
	Mutability      string      `json:"mutability"`
	Returned        string      `json:"returned"`
	Uniqueness      string      `json:"uniqueness,omitempty"`
	ReferenceTypes  []string    `json:"referenceTypes,omitempty"`
	SubAttributes   []attribute `json:"subAttributes,omitempty"`
}

// Document renders the schema; base is the URL that ends in /scim/v2.
func (s *Schema) Document(base string) Document {
	return Document{
		Schemas:     []string{SchemaURN},
		ID:          s.URN,
		Name:        s.Name,
		Description: s.Description,
		Attributes:  advertised(s.Attributes),
		Meta:        Meta{ResourceType: "Schema", Location: base + "/Schemas/" + s.URN},
	}
}

func advertised(list []*Attribute) []attribute {
	shown := make([]attribute, 0, len(list))
	for _, a := range list {
		if !a.Dropped {
			shown = append(shown, advertise(a))
		}
	}
	return shown
}

func advertise(a *Attribute) attribute {
	shown := attribute{
		Name:            a.Name,
		Type:            a.Type.String(),
		MultiValued:     a.MultiValued,
		Description:     a.Description,
		Required:        a.Required,
		CanonicalValues: a.Canonical,
		Mutability:      a.Mutability.String(),
		Returned:        a.Returned.String(),
		ReferenceTypes:  a.References,
	}
	switch a.Type {
	case String, Reference, Binary:
		shown.CaseExact = new(a.CaseExact)
		shown.Uniqueness = a.Uniqueness.String()
	case Complex:
		shown.SubAttributes = advertised(a.Sub)
	case Boolean, Decimal, Integer, DateTime:
	}
	return shown
}

// ResourceTypeDocument is a resource type as /ResourceTypes shows it (RFC 7643 §6).
type ResourceTypeDocument struct {
	Schemas          []string          `json:"schemas"`
	ID               string            `json:"id"`
	Name             string            `json:"name"`
	Endpoint         string            `json:"endpoint"`
	Description      string            `json:"description"`
	Schema           string            `json:"schema"`
	SchemaExtensions []schemaExtension `json:"schemaExtensions,omitempty"`
	Meta             Meta              `json:"meta"`
}

type schemaExtension struct {
	Schema   string `json:"schema"`
	Required bool   `json:"required"`
}

// Document renders the resource type; base is the URL that ends in /scim/v2.
func (t *ResourceType) Document(base string) ResourceTypeDocument {
	d := ResourceTypeDocument{
		Schemas:     []string{ResourceTypeURN},
		ID:          t.Name,
		Name:        t.Name,
		Endpoint:    t.Endpoint,
		Description: t.Description,
		Schema:      t.Schema.URN,
		Meta:        Meta{ResourceType: "ResourceType", Location: base + "/ResourceTypes/" + t.Name},
	}
	for _, s := range t.Extensions {
		d.SchemaExtensions = append(d.SchemaExtensions, schemaExtension{Schema: s.URN})
	}
	return d
}
