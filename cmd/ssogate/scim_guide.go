package main

import "fmt"

// provisioningGuide says in the words of the providers' own menus where address and token go. The settings that are
// named are those whose usual value leaves people unmatched or in.
func provisioningGuide(base string) string {
	return fmt.Sprintf(`Okta: Applications > your app
  1. General > App Settings > Edit: Provisioning SCIM, then Save
  2. Provisioning > Integration > Edit:
       SCIM connector base URL            %[1]s
       Unique identifier field for users  userName
       Supported provisioning actions     Push New Users, Push Profile Updates, Push Groups
       Authentication Mode                HTTP Header
       Authorization                      Bearer, and the token
     then Test Connector Configuration, and Save
  3. Provisioning > To App > Edit: Create Users, Update User Attributes, Deactivate Users
  4. Assignments: people and groups. Push Groups: the groups that your role mappings name

Microsoft Entra ID: Enterprise applications > your app > Provisioning
  1. New configuration:
       Tenant URL    %[1]s?aadOptscim062020
       Secret token  the token
     then Test connection, and Create
  2. Attribute mapping > Provision Microsoft Entra ID Users: map objectId to externalId, in place of mailNickname
  3. Users and groups: assign the people and groups who may sign in
  4. Overview > Start provisioning

Another provider: SCIM 2.0 base URL %[1]s, bearer token, userName as the unique identifier`, base)
}
