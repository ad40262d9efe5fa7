package scim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/scim/directory"
	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// base is the service provider's own URL. It comes from the configuration: a Host header is the client's word.
func (h *Handler) base() string {
	return strings.TrimSuffix(h.PublicURL.String(), "/") + Base
}

func (h *Handler) userURL(id directory.UserID) string {
	return h.base() + "/Users/" + url.PathEscape(string(id))
}

func (h *Handler) groupURL(id directory.GroupID) string {
	return h.base() + "/Groups/" + url.PathEscape(string(id))
}

func (h *Handler) locationOf(p place) string {
	if p.endpoint == atGroup || p.endpoint == atGroups {
		return h.groupURL(directory.GroupID(p.id))
	}
	return h.userURL(directory.UserID(p.id))
}

const timestamp = "2006-01-02T15:04:05.000000Z"

func meta(kind, location string, version int64, created, modified time.Time) map[string]any {
	return map[string]any{
		"resourceType": kind, "location": location, "version": etag(version),
		"created": created.UTC().Format(timestamp), "lastModified": modified.UTC().Format(timestamp),
	}
}

// writable is a user's attributes that a client may write, under their canonical names: what PATCH edits.
func writable(u directory.User) (map[string]any, error) {
	doc := map[string]any{}
	if len(u.Doc) > 0 {
		dec := json.NewDecoder(bytes.NewReader(u.Doc))
		dec.UseNumber()
		if err := dec.Decode(&doc); err != nil {
			return nil, fmt.Errorf("read document of user %s: %w", u.ID, err)
		}
	}
	doc["userName"] = u.UserName
	if u.ExternalID != "" {
		doc["externalId"] = u.ExternalID
	}
	if !u.ActiveUnset {
		doc["active"] = u.Active
	}
	return doc, nil
}

// withDoc returns u with the attributes of doc, which is used up.
func withDoc(u directory.User, doc map[string]any) (directory.User, error) {
	u.UserName, _ = doc["userName"].(string)     // required and typed by the table of attributes
	u.ExternalID, _ = doc["externalId"].(string) // absent is none
	active, set := doc["active"].(bool)
	u.Active, u.ActiveUnset = active, !set
	for _, name := range []string{"id", "schemas", "meta", "groups", "userName", "externalId", "active", "password"} {
		delete(doc, name)
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return u, fmt.Errorf("write document of user %s: %w", u.ID, err)
	}
	u.Doc = text
	return u, nil
}

// userDoc is a user as it is answered. known says which managers are users of the tenant.
func (h *Handler) userDoc(u directory.User, known map[directory.UserID]bool) (map[string]any, error) {
	doc, err := writable(u)
	if err != nil {
		return nil, err
	}
	doc["id"] = string(u.ID)
	doc["schemas"] = schemasOf(schema.Users(), doc)
	doc["meta"] = meta("User", h.userURL(u.ID), u.Version, u.Created, u.Modified)
	list := make([]any, 0, len(u.Groups))
	for _, g := range u.Groups {
		list = append(list, map[string]any{"value": string(g.ID), "$ref": h.groupURL(g.ID), "display": g.DisplayName, "type": "direct"})
	}
	doc["groups"] = list
	if id := managerOf(doc); known[id] {
		enterprise, _ := doc[schema.EnterpriseUserURN].(map[string]any) // managerOf found one in it
		object(enterprise, "manager")["$ref"] = h.userURL(id)
	}
	return doc, nil
}

func managerOf(doc map[string]any) directory.UserID {
	enterprise, _ := doc[schema.EnterpriseUserURN].(map[string]any) // a nil map answers nothing
	manager, _ := enterprise["manager"].(map[string]any)            // a nil map answers nothing
	value, _ := manager["value"].(string)                           // the empty id is nobody's
	return directory.UserID(value)
}

// schemasOf names the core schema and each extension that has data.
func schemasOf(t *schema.ResourceType, doc map[string]any) []any {
	out := []any{t.Schema.URN}
	for _, x := range t.Extensions {
		if inner, ok := doc[x.URN].(map[string]any); ok && len(inner) > 0 {
			out = append(out, x.URN)
		}
	}
	return out
}

// writableGroup is what of a group PATCH edits; its members are not among it.
func writableGroup(g directory.Group) map[string]any {
	doc := map[string]any{"displayName": g.DisplayName}
	if g.ExternalID != "" {
		doc["externalId"] = g.ExternalID
	}
	return doc
}

func withGroupDoc(g directory.Group, doc map[string]any) directory.Group {
	g.DisplayName, _ = doc["displayName"].(string) // required and typed by the table of attributes
	g.ExternalID, _ = doc["externalId"].(string)   // absent is none
	return g
}

// groupDoc is a group as it is answered, without its members.
func (h *Handler) groupDoc(g directory.Group) map[string]any {
	doc := writableGroup(g)
	doc["id"] = string(g.ID)
	doc["schemas"] = []any{schema.GroupURN}
	doc["meta"] = meta("Group", h.groupURL(g.ID), g.Version, g.Created, g.Modified)
	return doc
}

// writeUser writes one user with what pr shows.
func (h *Handler) writeUser(e *encoder, u directory.User, known map[directory.UserID]bool, pr projection) {
	doc, err := h.userDoc(u, known)
	if err != nil {
		e.fail(err)
		return
	}
	pr.apply(doc)
	e.object(doc, nil)
}

// memberSource hands out a group's members some at a time.
type memberSource func(each func([]directory.UserID) error) error

func loaded(ids []directory.UserID) memberSource {
	return func(each func([]directory.UserID) error) error { return each(ids) }
}

func (c *call) stored(ctx context.Context, id directory.GroupID) memberSource {
	return func(each func([]directory.UserID) error) error { return c.h.Store.Members(ctx, c.tenant, id, each) }
}

// writeGroup writes one group; its members come from a source that is read while it writes. An empty list of members
// is left out, but where empty says otherwise.
func (h *Handler) writeGroup(e *encoder, g directory.Group, members memberSource, empty bool, pr projection) {
	doc := h.groupDoc(g)
	shown := h.memberShape(pr)
	pr.apply(doc)
	if members == nil || shown == nil {
		e.object(doc, nil)
		return
	}
	e.object(doc, func(e *encoder) {
		any := false
		err := members(func(ids []directory.UserID) error {
			for _, id := range ids {
				if any {
					e.raw(",")
				} else {
					e.raw(`,"members":[`)
				}
				any = true
				shown(e, id)
			}
			return e.err
		})
		if err != nil {
			e.fail(err)
		}
		if any {
			e.raw("]")
		} else if empty {
			e.raw(`,"members":[]`)
		}
	})
}

// memberShape returns how a member is written under pr; nil: not at all.
func (h *Handler) memberShape(pr projection) func(*encoder, directory.UserID) {
	if !pr.wants("members") {
		return nil
	}
	probe := map[string]any{"id": "", "members": []any{map[string]any{"value": "", "$ref": "", "type": ""}}}
	pr.apply(probe)
	list, _ := probe["members"].([]any) // absent: checked next
	if len(list) != 1 {
		return nil
	}
	parts, _ := list[0].(map[string]any) // made an object above
	_, value := parts["value"]
	_, ref := parts["$ref"]
	_, kind := parts["type"]
	users := h.base() + "/Users/"
	return func(e *encoder, id directory.UserID) {
		comma := "{"
		if value {
			e.raw(comma + `"value":`)
			e.value(string(id))
			comma = ","
		}
		if ref {
			e.raw(comma + `"$ref":`)
			e.value(users + string(id))
			comma = ","
		}
		if kind {
			e.raw(comma + `"type":"User"`)
			comma = ","
		}
		if comma == "{" {
			e.raw("{")
		}
		e.raw("}")
	}
}
