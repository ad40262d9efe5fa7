package directory

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/tracio-ai/ssogate/scim/internal/filter"
)

// UserColumns are the columns that a condition on users may name, by attribute. Users are u, and $1 is the tenant.
func UserColumns() map[string]filter.Column {
	values := func(attribute string) filter.Column {
		return filter.Column{
			Value: "v.val", Fold: true, Indexed: true,
			Rows: "u.seq IN (SELECT v.user_seq FROM user_values v WHERE v.tenant = $1 AND v.attr = '" + attribute + "' AND {})",
		}
	}
	groups := func(value string, indexed bool) filter.Column {
		return filter.Column{
			Value: value, Fold: true, Indexed: indexed,
			Rows: "u.seq IN (SELECT m.user_seq FROM user_groups g JOIN memberships m ON m.tenant = g.tenant AND m.group_seq = g.seq WHERE g.tenant = $1 AND {})",
		}
	}
	return map[string]filter.Column{
		"id":                              {Value: "u.id", Indexed: true},
		"externalId":                      {Value: "u.external_id", Indexed: true},
		"userName":                        {Value: "u.user_name_ci", Fold: true, Indexed: true},
		"displayName":                     {Value: "u.display_ci", Fold: true},
		"active":                          {Value: "u.active", Kind: filter.Flag},
		"meta.created":                    {Value: "u.created", Kind: filter.Ticks, Unit: time.Microsecond},
		"meta.lastModified":               {Value: "u.modified", Kind: filter.Ticks, Unit: time.Microsecond},
		"emails.value":                    values(valueEmail),
		enterpriseUser + ":manager.value": values(valueManager),
		"groups":                          groups("g.id", false), // whether there are any
		"groups.value":                    groups("g.id", true),
		"groups.display":                  groups("g.display_ci", true),
		"groups.type":                     groups("'direct'", false),
	}
}

// GroupColumns is UserColumns for groups, which are g.
func GroupColumns() map[string]filter.Column {
	members := func(value string, indexed bool) filter.Column {
		return filter.Column{
			Value: value, Fold: true, Indexed: indexed,
			Rows: "g.seq IN (SELECT m.group_seq FROM users u JOIN memberships m ON m.tenant = u.tenant AND m.user_seq = u.seq WHERE u.tenant = $1 AND {})",
		}
	}
	return map[string]filter.Column{
		"id":                {Value: "g.id", Indexed: true},
		"externalId":        {Value: "g.external_id", Indexed: true},
		"displayName":       {Value: "g.display_ci", Fold: true, Indexed: true},
		"meta.created":      {Value: "g.created", Kind: filter.Ticks, Unit: time.Microsecond},
		"meta.lastModified": {Value: "g.modified", Kind: filter.Ticks, Unit: time.Microsecond},
		"members":           members("u.id", false), // whether there are any
		"members.value":     members("u.id", true),
		"members.type":      members("'user'", false),
	}
}

// UserOrder returns the column that sorts users by an attribute, in the attribute's own spelling. Not ok: users are
// sorted by it in memory.
func UserOrder(attribute string) (column string, ok bool) {
	column, ok = map[string]string{
		"id": "u.id", "externalId": "u.external_id", "userName": "u.user_name_ci", "displayName": "u.display_ci",
		"meta.created": "u.created", "meta.lastModified": "u.modified",
	}[attribute]
	return column, ok
}

// GroupOrder is UserOrder for groups.
func GroupOrder(attribute string) (column string, ok bool) {
	column, ok = map[string]string{
		"id": "g.id", "externalId": "g.external_id", "displayName": "g.display_ci",
		"meta.created": "g.created", "meta.lastModified": "g.modified",
	}[attribute]
	return column, ok
}

// Value is one value of a user that filters look up by itself.
type Value struct{ Attribute, Value string }

// The attributes whose values are looked up.
const (
	valueEmail   = "emails.value"
	valueManager = "manager.value"
)

// enterpriseUser is the extension that has a manager (RFC 7643 §4.3).
const enterpriseUser = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// Values returns the values of a document that are looked up, each once, as they are compared.
func Values(doc json.RawMessage) []Value {
	var d struct {
		Emails     []struct{ Value any }
		Enterprise struct{ Manager struct{ Value any } } `json:"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil // what is no document has no values; whoever stores it says so
	}
	var all []Value
	add := func(attribute string, v any) {
		text, ok := v.(string)
		value := Value{attribute, Fold(text)}
		if ok && text != "" && !slices.Contains(all, value) {
			all = append(all, value)
		}
	}
	for _, e := range d.Emails {
		add(valueEmail, e.Value)
	}
	add(valueManager, d.Enterprise.Manager.Value)
	return all
}
