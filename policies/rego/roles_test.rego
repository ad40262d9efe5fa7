package ssogate.roles_test

import data.ssogate.roles

sam := {
	"id": "2819c223",
	"groups": ["Security", "Everyone"],
	"claims": {
		"department": "soc",
		"teams": ["detect", "respond"],
		"profile": {"team": "respond"},
		"level": 5,
	},
}

# What Sam gets of one mapping.
granted(mapping) := answer if {
	answer := roles.granted with input as {
		"subject": sam,
		"tenant": {"role_mappings": [mapping]},
		"connection": {"id": "acme-okta"},
	}
}

test_nothing_mapped_means_no_role if {
	roles.granted == set() with input as {"subject": sam, "tenant": {"role_mappings": []}, "connection": {"id": "x"}}
}

test_a_group_gives_its_role if {
	granted({"kind": "group", "value": "Security", "role": "Analyst"}) == {"Analyst"}
}

test_groups_are_compared_exactly if {
	every value in ["security", "Security ", "Secur", "*", ""] {
		granted({"kind": "group", "value": value, "role": "Analyst"}) == set()
	}
}

test_a_claim_gives_its_role if {
	granted({"kind": "claim", "claim": "department", "value": "soc", "role": "Viewer"}) == {"Viewer"}
}

test_a_list_claim_gives_its_role if {
	granted({"kind": "claim", "claim": "teams", "value": "respond", "role": "Viewer"}) == {"Viewer"}
}

test_an_object_claim_gives_nothing if {
	granted({"kind": "claim", "claim": "profile", "value": "respond", "role": "Viewer"}) == set()
}

test_a_number_is_not_its_text if {
	granted({"kind": "claim", "claim": "level", "value": "5", "role": "Viewer"}) == set()
}

test_an_absent_claim_gives_nothing if {
	granted({"kind": "claim", "claim": "title", "value": "soc", "role": "Viewer"}) == set()
	granted({"kind": "claim", "value": "soc", "role": "Viewer"}) == set()
}

test_a_user_gets_a_role_of_their_own if {
	granted({"kind": "user", "value": "2819c223", "role": "Admin"}) == {"Admin"}
	granted({"kind": "user", "value": "2819c224", "role": "Admin"}) == set()
}

test_a_connection_limits_a_mapping if {
	mapping := {"kind": "group", "value": "Security", "role": "Admin"}
	granted(object.union(mapping, {"connection": "acme-okta"})) == {"Admin"}
	granted(object.union(mapping, {"connection": "acme-entra"})) == set()
}

test_an_unknown_kind_gives_nothing if {
	granted({"kind": "everyone", "value": "Security", "role": "Admin"}) == set()
}

test_an_unknown_role_gives_nothing if {
	granted({"kind": "group", "value": "Security", "role": "Root"}) == set()
	granted({"kind": "group", "value": "Security", "role": "admin"}) == set()
}

test_every_mapping_that_fits_counts if {
	roles.granted == {"Viewer", "Admin"} with input as {
		"subject": sam,
		"tenant": {"role_mappings": [
			{"kind": "group", "value": "Everyone", "role": "Viewer"},
			{"kind": "user", "value": "2819c223", "role": "Admin"},
			{"kind": "group", "value": "Billing", "role": "Analyst"},
		]},
		"connection": {"id": "acme-okta"},
	}
}
