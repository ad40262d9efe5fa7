# Who may do what on the dashboard.
#
# Each rule below says which permission one route needs. data.json says which role carries which
# permission. A route that no rule knows is denied, whoever asks.
#
# To open a route: add a rule with an example request above it, give its permission to roles in
# data.json, add its rows to the table in authz_test.rego, run `ssogate policy test`.
package ssogate.authz

default decision := {"allowed": false, "reason": "no rule knows this route"}

decision := {
	"allowed": true,
	"role": holders[0],
	"permission": permission,
	"reason": "granted by role",
} if {
	count(holders) > 0
} else := {
	"allowed": false,
	"permission": permission,
	"reason": sprintf("this needs %s, which none of your roles carries", [permission]),
}

# The subject's roles that carry the permission, least powerful first.
holders := [role |
	some role in data.role_order
	role in input.subject.roles
	permission in data.roles[role].permissions
]

# --- Pages of the dashboard ---

# GET /
permission := "dashboard:read" if {
	input.action.method in {"GET", "HEAD"}
	input.resource.segments == []
}

# GET /assets/app.js
permission := "dashboard:read" if {
	input.action.method in {"GET", "HEAD"}
	input.resource.segments[0] == "assets"
}

# GET /favicon.ico
permission := "dashboard:read" if {
	input.action.method in {"GET", "HEAD"}
	input.resource.segments == ["favicon.ico"]
}

# GET /events/42
permission := "dashboard:read" if {
	input.action.method in {"GET", "HEAD"}
	input.resource.segments[0] == "events"
}

# GET /signals/42
permission := "dashboard:read" if {
	input.action.method in {"GET", "HEAD"}
	input.resource.segments[0] == "signals"
}

# GET /rules/42
permission := "dashboard:read" if {
	input.action.method in {"GET", "HEAD"}
	input.resource.segments[0] == "rules"
}

# --- Events ---

# GET /ws (the live stream of events, a WebSocket)
permission := "events:read" if {
	input.action.method == "GET"
	input.resource.segments == ["ws"]
}

# GET /api/v1/events/42
permission := "events:read" if {
	input.action.method in {"GET", "HEAD"}
	input.resource.segments[0] == "api"
	input.resource.segments[1] == "v1"
	input.resource.segments[2] == "events"
}

# POST /api/v1/events
permission := "events:write" if {
	input.action.method in {"POST", "PUT", "PATCH", "DELETE"}
	input.resource.segments[0] == "api"
	input.resource.segments[1] == "v1"
	input.resource.segments[2] == "events"
}

# --- Signals ---

# GET /api/v1/signals/42
permission := "signals:read" if {
	input.action.method in {"GET", "HEAD"}
	input.resource.segments[0] == "api"
	input.resource.segments[1] == "v1"
	input.resource.segments[2] == "signals"
}

# PUT /api/v1/signals/42
permission := "signals:write" if {
	input.action.method in {"POST", "PUT", "PATCH", "DELETE"}
	input.resource.segments[0] == "api"
	input.resource.segments[1] == "v1"
	input.resource.segments[2] == "signals"
}

# --- Rules ---

# GET /api/v1/rules/42
permission := "rules:read" if {
	input.action.method in {"GET", "HEAD"}
	input.resource.segments[0] == "api"
	input.resource.segments[1] == "v1"
	input.resource.segments[2] == "rules"
}

# DELETE /api/v1/rules/42
permission := "rules:write" if {
	input.action.method in {"POST", "PUT", "PATCH", "DELETE"}
	input.resource.segments[0] == "api"
	input.resource.segments[1] == "v1"
	input.resource.segments[2] == "rules"
}

# --- Administration ---

# POST /api/v1/api-keys
permission := "api-keys:manage" if {
	input.action.method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
	input.resource.segments[0] == "api"
	input.resource.segments[1] == "v1"
	input.resource.segments[2] == "api-keys"
}

# PUT /api/v1/billing/plan
permission := "billing:manage" if {
	input.action.method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
	input.resource.segments[0] == "api"
	input.resource.segments[1] == "v1"
	input.resource.segments[2] == "billing"
}

# GET /settings/authentication
permission := "settings:manage" if {
	input.action.method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
	input.resource.segments[0] == "settings"
}

# PUT /api/v1/settings/authentication
permission := "settings:manage" if {
	input.action.method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
	input.resource.segments[0] == "api"
	input.resource.segments[1] == "v1"
	input.resource.segments[2] == "settings"
}
