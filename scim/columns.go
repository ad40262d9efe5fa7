package scim

import (
	"time"

	"github.com/tracio-ai/ssogate/scim/internal/filter"
	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// valueRows is where the store keeps the values of a user's attribute that are looked up by themselves.
func valueRows(attr string) string {
	return "u.seq IN (SELECT v.user_seq FROM user_values v WHERE v.tenant = $1 AND v.attr = '" + attr + "' AND {})"
}

// Ids are lower case: they are their own fold.
const (
	groupsOfUser = "u.seq IN (SELECT m.user_seq FROM memberships m JOIN user_groups g ON g.tenant = m.tenant AND g.seq = m.group_seq WHERE m.tenant = $1 AND {})"
	membersOf    = "g.seq IN (SELECT m.group_seq FROM memberships m JOIN users u ON u.tenant = m.tenant AND u.seq = m.user_seq WHERE m.tenant = $1 AND {})"
)

// userColumns are the attributes of a user that a filter finds by SQL.
var userColumns = map[string]filter.Column{
	"id":                {Value: "u.id", Indexed: true},
	"externalId":        {Value: "u.external_id", Indexed: true},
	"userName":          {Value: "u.user_name_ci", Fold: true, Indexed: true},
	"active":            {Value: "u.active", Kind: filter.Flag},
	"meta.created":      {Value: "u.created", Kind: filter.Ticks, Unit: time.Microsecond},
	"meta.lastModified": {Value: "u.modified", Kind: filter.Ticks, Unit: time.Microsecond},
	"emails.value":      {Value: "v.val", Fold: true, Indexed: true, Rows: valueRows("emails.value")},
	schema.EnterpriseUserURN + ":manager.value": {Value: "v.val", Fold: true, Indexed: true, Rows: valueRows("manager.value")},
	"groups.value":   {Value: "g.id", Fold: true, Indexed: true, Rows: groupsOfUser},
	"groups.display": {Value: "g.display_ci", Fold: true, Indexed: true, Rows: groupsOfUser},
	"groups.type":    {Value: "'direct'", Fold: true, Rows: groupsOfUser},
}

// groupColumns are the attributes of a group that a filter finds by SQL.
var groupColumns = map[string]filter.Column{
	"id":                {Value: "g.id", Indexed: true},
	"externalId":        {Value: "g.external_id", Indexed: true},
	"displayName":       {Value: "g.display_ci", Fold: true, Indexed: true},
	"meta.created":      {Value: "g.created", Kind: filter.Ticks, Unit: time.Microsecond},
	"meta.lastModified": {Value: "g.modified", Kind: filter.Ticks, Unit: time.Microsecond},
	"members.value":     {Value: "u.id", Fold: true, Indexed: true, Rows: membersOf},
	"members.type":      {Value: "'user'", Fold: true, Rows: membersOf},
}
