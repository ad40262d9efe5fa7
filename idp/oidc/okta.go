package oidc

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

// oktaGroupCap is where Okta cuts a groups claim without saying so: a list of this length may be part of a longer one.
const oktaGroupCap = 100

// oktaIssuer makes the issuer of an Okta organisation, or of one of its custom authorization servers, from what an
// admin copies out of the address bar.
func oktaIssuer(domain string) (string, error) {
	host, path, err := splitDomain(domain)
	if err != nil {
		return "", err
	}
	if org, suffix, _ := strings.Cut(host, "."); strings.HasSuffix(org, "-admin") {
		return "", fmt.Errorf("%s is the address of the admin console: try %s.%s", host, strings.TrimSuffix(org, "-admin"), suffix)
	}
	segments := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case segments[0] == "":
		return "https://" + host, nil
	case len(segments) == 2 && segments[0] == "oauth2" && plainSegment(segments[1]) && segments[1] != "v1":
		return "https://" + host + "/oauth2/" + segments[1], nil
	default:
		return "", fmt.Errorf("%s/%s is no issuer: give the Okta domain alone, or with /oauth2/{id} for a custom authorization server", host, strings.Join(segments, "/"))
	}
}

func plainSegment(s string) bool { return s != "" && url.PathEscape(s) == s && s != "." && s != ".." }

// splitDomain takes a host, perhaps with https:// in front and a path behind.
func splitDomain(s string) (host, path string, err error) {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(strings.ToLower(s), "http://"); ok {
		return "", "", fmt.Errorf("%.100q is not https: try https://%.100s", s, rest)
	}
	if i := strings.Index(s, "://"); i >= 0 {
		if !strings.EqualFold(s[:i], "https") {
			return "", "", errors.New("want a domain such as acme.okta.com")
		}
		s = s[i+3:]
	}
	u, err := url.Parse("https://" + s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || strings.Contains(s, "#") || !hostName(u.Hostname()) || u.Port() != "" {
		return "", "", errors.New("want a domain such as acme.okta.com, without query, port or user name")
	}
	return strings.ToLower(u.Host), u.Path, nil
}

// hostName wants letters, digits, hyphens and at least one dot.
func hostName(s string) bool {
	for _, c := range []byte(strings.ToLower(s)) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return strings.Contains(s, ".") && !strings.Contains(s, "..") && !strings.HasPrefix(s, ".") && !strings.HasSuffix(s, ".")
}

func okta(issuer string) idp.OIDCSettings {
	s := standard(issuer, "openid", "profile", "email", "groups")
	s.Claims.Groups = "groups"
	s.UserInfo = true // a thin ID token leaves claims to userinfo
	return s
}
