# Which roles a person holds: the role of every mapping of their tenant that fits them.
#
# This is asked once per change of the person, the mappings or the policy, not once per request. So it
# reads input.subject, input.tenant and input.connection only.
package ssogate.roles

# {"kind": "group", "value": "Security", "role": "Analyst"}
granted contains mapping.role if {
	some mapping in applicable
	mapping.kind == "group"
	mapping.value in groups
}

# {"kind": "claim", "claim": "department", "value": "soc", "role": "Analyst"}, where the claim is "soc"
granted contains mapping.role if {
	some mapping in applicable
	mapping.kind == "claim"
	input.subject.claims[mapping.claim] == mapping.value
}

# The same mapping, where the claim is ["soc", "oncall"]. Of an object the values do not count.
granted contains mapping.role if {
	some mapping in applicable
	mapping.kind == "claim"
	claim := input.subject.claims[mapping.claim]
	is_array(claim)
	mapping.value in claim
}

# {"kind": "user", "value": "2819c223-7f76-453a-919d-413861904646", "role": "Admin"}
granted contains mapping.role if {
	some mapping in applicable
	mapping.kind == "user"
	mapping.value == input.subject.id
}

# A set, so that many groups and many mappings do not multiply.
groups contains group if some group in input.subject.groups

# A mapping without a connection counts for everyone in the tenant.
applicable contains mapping if {
	some mapping in input.tenant.role_mappings
	data.roles[mapping.role]
	not mapping.connection
}

# A mapping with one counts for sessions that came through it.
applicable contains mapping if {
	some mapping in input.tenant.role_mappings
	data.roles[mapping.role]
	mapping.connection == input.connection.id
}
