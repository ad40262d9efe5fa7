package scim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Base is where the service provider lives, below the public URL. No tenant is in it: the tenant of a call comes from
// its credential alone.
const Base = "/scim/v2"

// endpoint is one of the service's addresses (RFC 7644 §3.2).
type endpoint int

const (
	atNowhere endpoint = iota
	atRoot
	atUsers
	atUser
	atUsersSearch
	atGroups
	atGroup
	atGroupsSearch
	atSearch
	atBulk
	atMe
	atProviderConfig
	atResourceTypes
	atResourceType
	atSchemas
	atSchemaByID
)

// place is a parsed path.
type place struct {
	endpoint endpoint
	id       string // of the user, group, resource type or schema
}

// template is the path with its id taken out, for logs.
func (p place) template() string { return Base + templates[p.endpoint] }

var templates = map[endpoint]string{
	atNowhere: "/…", atRoot: "", atUsers: "/Users", atUser: "/Users/{id}", atUsersSearch: "/Users/.search", atGroups: "/Groups",
	atGroup: "/Groups/{id}", atGroupsSearch: "/Groups/.search", atSearch: "/.search", atBulk: "/Bulk", atMe: "/Me",
	atProviderConfig: "/ServiceProviderConfig", atResourceTypes: "/ResourceTypes", atResourceType: "/ResourceTypes/{id}",
	atSchemas: "/Schemas", atSchemaByID: "/Schemas/{id}",
}

// methods are what each address answers. HEAD is GET without its body.
var methods = map[endpoint][]string{
	atRoot:        {http.MethodGet},
	atUsers:       {http.MethodGet, http.MethodPost},
	atGroups:      {http.MethodGet, http.MethodPost},
	atUser:        {http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete},
	atGroup:       {http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete},
	atUsersSearch: {http.MethodPost}, atGroupsSearch: {http.MethodPost}, atSearch: {http.MethodPost}, atBulk: {http.MethodPost},
	atProviderConfig: {http.MethodGet}, atResourceTypes: {http.MethodGet}, atResourceType: {http.MethodGet},
	atSchemas: {http.MethodGet}, atSchemaByID: {http.MethodGet},
}

var single = map[string]endpoint{
	"Users": atUsers, "Groups": atGroups, ".search": atSearch, "Bulk": atBulk, "Me": atMe,
	"ServiceProviderConfig": atProviderConfig, "ResourceTypes": atResourceTypes, "Schemas": atSchemas,
}

var inner = map[endpoint]endpoint{atUsers: atUser, atGroups: atGroup, atResourceTypes: atResourceType, atSchemas: atSchemaByID}

var searches = map[endpoint]endpoint{atUsers: atUsersSearch, atGroups: atGroupsSearch}

// route finds the place of an escaped path. One slash at the end is allowed; an empty segment anywhere else is not, nor
// is a segment that holds an escaped slash: another reader of the path would see two.
func route(escaped string) place {
	rest, ok := strings.CutPrefix(escaped, Base)
	if !ok || rest != "" && rest[0] != '/' {
		return place{}
	}
	rest = strings.TrimSuffix(strings.TrimPrefix(rest, "/"), "/")
	if rest == "" {
		return place{endpoint: atRoot}
	}
	first, id, deeper := strings.Cut(rest, "/")
	e, ok := single[first]
	if !ok {
		return place{}
	}
	if !deeper {
		return place{endpoint: e}
	}
	if id == ".search" && searches[e] != atNowhere {
		return place{endpoint: searches[e]}
	}
	if e == atMe {
		return place{endpoint: atMe}
	}
	id, err := url.PathUnescape(id)
	if err != nil || id == "" || strings.ContainsAny(id, "/\\\x00") || inner[e] == atNowhere {
		return place{}
	}
	return place{endpoint: inner[e], id: id}
}

// writable reports whether users or groups are made or changed there.
func (p place) writable() bool {
	return slices.Contains([]endpoint{atUsers, atUser, atGroups, atGroup}, p.endpoint)
}

// admit answers what a place cannot do.
func (p place) admit(method string) *Error {
	if p.endpoint == atNowhere {
		return &Error{Status: http.StatusNotFound, Detail: "There is no such address here. The SCIM base URL ends in " + Base + "."}
	}
	if p.endpoint == atMe {
		return &Error{Status: http.StatusNotImplemented, Detail: "A SCIM token belongs to a tenant, not to a person: there is no /Me."}
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	allowed := methods[p.endpoint]
	if slices.Contains(allowed, method) {
		return nil
	}
	return &Error{Status: http.StatusMethodNotAllowed, Detail: "This address answers " + strings.Join(allowed, ", ") + " only.", Allow: strings.Join(allowed, ", ")}
}
