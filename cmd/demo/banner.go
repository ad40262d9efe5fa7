package main

import "fmt"

// banner says what is there and what to try.
func (d *demo) banner() {
	ssogate := func(command string) string {
		return fmt.Sprintf("%s %s -c %s --tenant %s", short(d.binary()), command, short(d.file("ssogate.yaml")), tenantID)
	}
	say(d.out, `
  Open  %s   and give an address of one of two companies:
          vic@acme.example    OpenID Connect, people pushed over SCIM
          vic@globex.example  SAML 2.0, people made as they sign in
  and   %s   where you are Acme's admin
  and   %s   Globex's page of applications

People, the same at both (the demo identity providers ask for no password):`, d.url(), d.panelURL(), d.samlURL())
	for _, p := range people() {
		role := p.Role
		if role == "" {
			role = "no role"
		}
		say(d.out, "  %-12s %-17s %-8s %s", p.Name, p.Email, role, p.Can)
	}
	say(d.out, `
Four things to try:
  1. Sign in as vic@acme.example and press the buttons: reading works, writing is refused with a reason and a
     decision id, which is a line of %s. Then "Switch account" to Ann Analyst.
  2. In the provider's panel (the second address) move Vic to "analysts", then deactivate him, then delete him: it sends
     SCIM to the gate through Envoy, and his very next click in the dashboard knows. The panel shows each request.
       %s
       %s
  3. Edit the policy while it runs: in policies/rego/data.json give Viewer "events:write" and save. This terminal
     says that the tests beside it object, and the last good policy stays in force. Agree in authz_test.rego
     (POST and PATCH of events: first false becomes true), save, and Vic may write. git checkout policies undoes it.
  4. In another browser window sign in as ada@globex.example, over SAML: another company, with its own people. Its page
     of applications has a tile that begins a sign-in from there, and "Sign out everywhere" ends the dashboard's session
     too. What an assertion says, and the role it gives, shows
       %s connection test --connection %s -c %s --tenant %s`,
		short(d.file("decisions.log")), ssogate("user list"), ssogate("scim log"),
		short(d.binary()), samlConnectionID, short(d.file("ssogate.yaml")), samlTenantID)
	say(d.out, `
Ports: dashboard %d (Envoy), identity provider %d; inside: dashboard %d, gate %d check, %d http, %d ops.
Logs: %s/{gate,decisions,envoy,idp,dashboard}.log
Start afresh: rm -r %s
Ctrl-C ends everything.
`, d.ports.public.port, d.ports.idp.port, d.ports.dashboard.port, d.ports.check.port, d.ports.http.port, d.ports.ops.port,
		short(d.dir), short(d.dir))
}

// panelURL is the provider's page for admins.
func (d *demo) panelURL() string { return d.issuer() + panelPath }

// samlURL is the page of applications of the second company's provider.
func (d *demo) samlURL() string { return d.issuer() + samlPath + "/" }
