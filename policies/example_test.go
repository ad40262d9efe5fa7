package policies_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tracio-ai/ssogate/policies"
)

func ExampleEngine() {
	ctx := context.Background()
	engine := &policies.Engine{Now: time.Now, Timeout: time.Second}
	if err := engine.Load(ctx, policies.Default()); err != nil {
		fmt.Println(err)
		return
	}

	in := engine.Input()
	in.Subject = policies.Subject{ID: "2819c223", Active: true, Source: "scim", Groups: []string{"Security"}}
	in.Tenant = policies.Tenant{ID: "acme", RoleMappings: []policies.RoleMapping{
		{ID: "m1", Kind: "group", Value: "Security", Role: "Analyst"},
	}}
	roles, err := engine.Roles(ctx, in)
	if err != nil {
		fmt.Println(err)
		return
	}
	in.Subject.Roles = roles
	in.Action.Method = "POST"
	for _, resource := range []policies.Resource{
		{Path: "/api/v1/rules", Segments: []string{"api", "v1", "rules"}},
		{Path: "/api/v1/billing", Segments: []string{"api", "v1", "billing"}},
	} {
		in.Resource = resource
		decision, err := engine.Decide(ctx, in)
		fmt.Println(resource.Path, decision.Allowed, decision.Reason, err)
	}
	// Output:
	// /api/v1/rules true granted by role <nil>
	// /api/v1/billing false this needs billing:manage, which none of your roles carries <nil>
}
