package main

import (
	"fmt"

	"github.com/tracio-ai/ssogate/idp"
)

// providerName is what people call a provider.
func providerName(p idp.Provider) string {
	if p == idp.Generic {
		return "your identity provider"
	}
	return defaultName(p)
}

// guide says in the words of the provider's own menus where the two addresses go and how groups get into tokens.
func guide(p idp.Provider, redirect, signOut string) string {
	switch p {
	case idp.Okta:
		return fmt.Sprintf(`  1. Applications > your app > General > Sign-in redirect URIs:
       %s
  2. the same page > Sign-out redirect URIs:
       %s
  3. Sign On > OpenID Connect ID Token > Group claims filter: groups, Matches regex, .*
  4. Assignments: assign the people or groups who may sign in`, redirect, signOut)
	case idp.Auth0:
		return fmt.Sprintf(`  1. Applications > your app > Settings > Allowed Callback URLs:
       %s
  2. the same page > Allowed Logout URLs:
       %s
  3. Actions > Library > Create Action > Login / Post Login:
       api.idToken.setCustomClaim("https://tracio.ai/groups", event.authorization?.roles ?? [])
     (Auth0 drops a claim called groups without a word.)
  4. Actions > Triggers > post-login: drag the action in`, redirect, signOut)
	case idp.Entra:
		return fmt.Sprintf(`  1. App registrations > your app > Authentication > Web > Redirect URIs:
       %s
  2. the same list, once more for signing out:
       %s
  3. App roles: create Admin, Analyst and Viewer, then assign them in Enterprise applications > Users and groups;
     or Token configuration > Add groups claim > Groups assigned to the application
  4. Token configuration > Add optional claim > ID: auth_time, sid, login_hint, xms_edov`, redirect, signOut)
	case idp.Google:
		return fmt.Sprintf(`  1. Google Auth Platform > Clients > your client > Authorised redirect URIs:
       %s
  2. Google has no sign-out address, and no groups in its tokens: map people with --user,
     or a claim with --claim`, redirect)
	case idp.Keycloak:
		return fmt.Sprintf(`  1. Clients > your client > Settings > Valid redirect URIs:
       %s
  2. the same page > Valid post logout redirect URIs:
       %s
  3. Client scopes > your client's dedicated scope > Add mapper > By configuration > Group Membership:
     Token Claim Name groups, Full group path off`, redirect, signOut)
	case idp.ADFS, idp.Generic:
		fallthrough
	default:
		return fmt.Sprintf(`  1. redirect URI (callback URL), exactly:
       %s
  2. post-logout redirect URI, exactly:
       %s
  3. put a person's groups into the ID token, in a claim that lists them`, redirect, signOut)
	}
}
