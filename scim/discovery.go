package scim

import (
	"net/http"
	"strings"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

const listSchema = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

const (
	maxBulkOperations = 1000
	maxBulkBytes      = 4 << 20
	maxUserBytes      = 1 << 20
	maxGroupBytes     = 16 << 20
	maxSearchBytes    = 64 << 10
)

// providerConfigDoc is RFC 7643 §5, with the pagination of RFC 9865 §4. What stands here is what the service does: a
// client plans by it.
func (h *Handler) providerConfigDoc() map[string]any {
	return map[string]any{
		"schemas":        []any{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"patch":          map[string]any{"supported": true},
		"bulk":           map[string]any{"supported": true, "maxOperations": maxBulkOperations, "maxPayloadSize": maxBulkBytes},
		"filter":         map[string]any{"supported": true, "maxResults": maxPage},
		"changePassword": map[string]any{"supported": false},
		"sort":           map[string]any{"supported": true},
		"etag":           map[string]any{"supported": true},
		"pagination": map[string]any{
			"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": defaultPage,
			"maxPageSize": maxPage, "cursorTimeout": int(cursorLife.Seconds()),
		},
		"authenticationSchemes": []any{map[string]any{
			"type": "oauthbearertoken", "name": "Bearer token", "description": "Token from Settings > Authentication", "primary": true,
		}},
		"meta": map[string]any{"resourceType": "ServiceProviderConfig", "location": h.base() + "/ServiceProviderConfig"},
	}
}

// discover answers the three addresses that describe the service (RFC 7644 §4). They take no filter: a client that
// sends one would take the whole answer for the filtered one.
func (h *Handler) discover(p place, raw string) (any, error) {
	values, err := queryValues(raw)
	if err != nil {
		return nil, err
	}
	if _, ok := values["filter"]; ok {
		return nil, &Error{Status: http.StatusForbidden, Detail: "Discovery takes no filter. Leave it out."}
	}
	read := discoveries[p.endpoint]
	if read == nil {
		return nil, notFound()
	}
	return read(h, p.id)
}

var discoveries = map[endpoint]func(h *Handler, id string) (any, error){
	atProviderConfig: func(h *Handler, _ string) (any, error) { return h.providerConfigDoc(), nil },
	atResourceTypes:  func(h *Handler, _ string) (any, error) { return listOf(h.resourceTypes()), nil },
	atResourceType:   (*Handler).resourceType,
	atSchemas:        func(h *Handler, _ string) (any, error) { return listOf(h.schemas()), nil },
	atSchemaByID:     (*Handler).schema,
}

func listOf[T any](items []T) map[string]any {
	resources := make([]any, 0, len(items))
	for _, item := range items {
		resources = append(resources, item)
	}
	return map[string]any{
		"schemas": []any{listSchema}, "totalResults": len(items), "startIndex": 1, "itemsPerPage": len(items), "Resources": resources,
	}
}

func (h *Handler) resourceTypes() []schema.ResourceTypeDocument {
	var out []schema.ResourceTypeDocument
	for _, t := range schema.ResourceTypes() {
		out = append(out, t.Document(h.base()))
	}
	return out
}

func (h *Handler) schemas() []schema.Document {
	var out []schema.Document
	for _, s := range schema.Schemas() {
		out = append(out, s.Document(h.base()))
	}
	return out
}

func (h *Handler) resourceType(id string) (any, error) {
	for _, d := range h.resourceTypes() {
		if d.ID == id {
			return d, nil
		}
	}
	return nil, notFound()
}

// schema finds one by its URN, which is compared without case like every URN (RFC 8141 §3.1).
func (h *Handler) schema(id string) (any, error) {
	for _, d := range h.schemas() {
		if strings.EqualFold(d.ID, id) {
			return d, nil
		}
	}
	return nil, notFound()
}
