package egress

import (
	"fmt"
	"net/netip"
	"strings"
)

// Ranges no provider is reached at (IANA special-purpose registries, RFC 6890), and the addresses where clouds keep credentials that look public,
// are not in a registry, or stand among private ones.
var (
	special4 = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24")
	special6 = prefixes("2001::/23", "2001:db8::/32", "3fff::/20")
	// never holds for a host the operator allows by name as well: nobody's provider lives there, and its DNS may be another's.
	never = prefixes("0.0.0.0/8", "169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32", "224.0.0.0/4", "240.0.0.0/4",
		"::/128", "fd00:ec2::254/128", "fd20:ce::254/128", "fe80::/10", "fec0::/10", "ff00::/8")

	global6 = netip.MustParsePrefix("2000::/3")
	nat64   = netip.MustParsePrefix("64:ff9b::/96")
	sixTo4  = netip.MustParsePrefix("2002::/16")
)

// reach says whose word there is for the host of a request.
type reach int

const (
	reachPublic   reach = iota // a customer's
	reachNamed                 // the operator allows the host by name
	reachLoopback              // plain http: only to this machine
)

// check decides about the address the kernel is about to connect to.
func (a allowList) check(ip netip.Addr, r reach) bool {
	ip = embedded(ip)
	switch r {
	case reachLoopback:
		return ip.IsLoopback()
	case reachNamed:
		return a.covers(ip) || !in(ip, never)
	case reachPublic:
		return a.covers(ip) || public(ip)
	default:
		return false
	}
}

// embedded unwraps the IPv4 address that a mapped, NAT64 (RFC 6052) or 6to4 (RFC 3056) address leads to.
func embedded(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	switch b := ip.As16(); {
	case ip.Is4():
		return ip
	case nat64.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixTo4.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	default:
		return ip
	}
}

func public(ip netip.Addr) bool {
	if !ip.IsValid() || in(ip, never) {
		return false
	}
	if ip.Is4() {
		return !in(ip, special4)
	}
	return global6.Contains(ip) && !in(ip, special6)
}

func in(ip netip.Addr, ranges []netip.Prefix) bool {
	for _, p := range ranges {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(texts))
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

// allowList is what the operator opens beyond public addresses.
type allowList struct {
	hosts  map[string]bool
	ranges []netip.Prefix
}

func parseAllow(entries []string) (allowList, error) {
	list := allowList{hosts: map[string]bool{}}
	for _, entry := range entries {
		if ip, err := netip.ParseAddr(entry); err == nil {
			ip = ip.Unmap().WithZone("")
			list.ranges = append(list.ranges, netip.PrefixFrom(ip, ip.BitLen()))
			continue
		}
		if strings.Contains(entry, "/") {
			p, err := netip.ParsePrefix(entry)
			if err != nil || p.Addr().Is4In6() {
				return allowList{}, fmt.Errorf("%q is not a range of addresses such as 10.20.0.0/16", entry)
			}
			if p.Bits() == 0 {
				return allowList{}, fmt.Errorf("%q allows every address", entry)
			}
			list.ranges = append(list.ranges, p.Masked())
			continue
		}
		host := strings.ToLower(strings.TrimSuffix(entry, "."))
		if !plainHost(host) {
			return allowList{}, fmt.Errorf("%q is neither a host name, an address nor a range; no scheme, port or wildcard", entry)
		}
		list.hosts[host] = true
	}
	return list, nil
}

func (a allowList) covers(ip netip.Addr) bool { return in(ip, a.ranges) }

func (a allowList) names(host string) bool {
	return a.hosts[strings.ToLower(strings.TrimSuffix(host, "."))]
}

func plainHost(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}
