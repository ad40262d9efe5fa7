package directory

// The conditions of a Query speak of users as u and of user_groups as g, and these are all the columns they may name.

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
