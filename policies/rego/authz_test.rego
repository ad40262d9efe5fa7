package ssogate.authz_test

import data.ssogate.authz

decide(roles, method, segments) := decision if {
	decision := authz.decision with input as {
		"subject": {"roles": roles},
		"action": {"method": method},
		"resource": {"segments": segments},
	}
}

# Written by hand, so that a slip in data.json or in a rule has something to disagree with.
# method, segments, Viewer, Analyst, Admin
table := [
	["GET", [], true, true, true],
	["HEAD", [], true, true, true],
	["POST", [], false, false, false],
	["OPTIONS", [], false, false, false],
	["GET", ["assets", "app.js"], true, true, true],
	["GET", ["assets", "fonts", "a.woff2"], true, true, true],
	["PUT", ["assets", "app.js"], false, false, false],
	["GET", ["favicon.ico"], true, true, true],
	["GET", ["favicon.ico", "x"], false, false, false],
	["GET", ["events"], true, true, true],
	["GET", ["signals", "42"], true, true, true],
	["GET", ["rules", "42", "edit"], true, true, true],
	["POST", ["rules", "42"], false, false, false],
	["GET", ["ws"], true, true, true],
	["POST", ["ws"], false, false, false],
	["GET", ["ws", "x"], false, false, false],
	["GET", ["api", "v1", "events"], true, true, true],
	["HEAD", ["api", "v1", "events", "42"], true, true, true],
	["POST", ["api", "v1", "events"], false, true, true],
	["PATCH", ["api", "v1", "events", "42"], false, true, true],
	["GET", ["api", "v1", "signals", "42"], true, true, true],
	["PUT", ["api", "v1", "signals", "42"], false, true, true],
	["DELETE", ["api", "v1", "signals", "42"], false, true, true],
	["GET", ["api", "v1", "rules"], true, true, true],
	["GET", ["api", "v1", "rules", "42", "versions"], true, true, true],
	["POST", ["api", "v1", "rules"], false, true, true],
	["DELETE", ["api", "v1", "rules", "42"], false, true, true],
	["OPTIONS", ["api", "v1", "rules"], false, false, false],
	["TRACE", ["api", "v1", "rules"], false, false, false],
	["get", ["api", "v1", "rules"], false, false, false],
	["GET", ["api", "v1", "api-keys"], false, false, true],
	["POST", ["api", "v1", "api-keys"], false, false, true],
	["DELETE", ["api", "v1", "api-keys", "42"], false, false, true],
	["GET", ["api", "v1", "billing"], false, false, true],
	["PUT", ["api", "v1", "billing", "plan"], false, false, true],
	["GET", ["api", "v1", "settings"], false, false, true],
	["PUT", ["api", "v1", "settings", "authentication"], false, false, true],
	["GET", ["settings"], false, false, true],
	["POST", ["settings", "authentication"], false, false, true],
	["OPTIONS", ["settings"], false, false, false],
	["GET", ["api"], false, false, false],
	["GET", ["api", "v1"], false, false, false],
	["GET", ["api", "v2", "rules"], false, false, false],
	["GET", ["api", "v1", "rulesx"], false, false, false],
	["GET", ["x", "api", "v1", "rules"], false, false, false],
	["GET", ["API", "v1", "rules"], false, false, false],
	["GET", ["api", "v1", "Rules"], false, false, false],
	["GET", ["api", "", "v1", "rules"], false, false, false],
	["GET", ["Settings"], false, false, false],
	["GET", ["metrics"], false, false, false],
]

column := {"Viewer": 2, "Analyst": 3, "Admin": 4}

disagreements contains [role, row[0], row[1]] if {
	some row in table
	some role, i in column
	decide([role], row[0], row[1]).allowed != row[i]
}

test_each_role_can_do_what_the_table_says if {
	disagreements == set()
}

test_nobody_can_do_anything if {
	every row in table {
		decide([], row[0], row[1]).allowed == false
	}
}

test_an_unknown_role_can_do_nothing if {
	every row in table {
		decide(["admin", "Root"], row[0], row[1]).allowed == false
	}
}

test_the_least_powerful_role_that_suffices_is_named if {
	decide(["Admin", "Viewer", "Analyst"], "GET", ["api", "v1", "rules"]).role == "Viewer"
	decide(["Admin", "Viewer", "Analyst"], "POST", ["api", "v1", "rules"]).role == "Analyst"
	decide(["Admin", "Viewer"], "POST", ["api", "v1", "rules"]).role == "Admin"
}

test_a_denial_says_what_is_missing if {
	decide(["Viewer"], "POST", ["api", "v1", "rules"]) == {
		"allowed": false,
		"permission": "rules:write",
		"reason": "this needs rules:write, which none of your roles carries",
	}
}

test_an_unknown_route_says_so if {
	decide(["Admin"], "GET", ["metrics"]) == {"allowed": false, "reason": "no rule knows this route"}
}
