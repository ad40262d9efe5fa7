package egress

import (
	"net/netip"
	"testing"
)

func TestOnlyPublicAddressesAreReached(t *testing.T) {
	for _, text := range []string{"8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.0.1.1", "198.17.0.1", "198.20.0.1", "223.255.255.255",
		"2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"} {
		if !(allowList{}).check(netip.MustParseAddr(text), reachPublic) {
			t.Errorf("%s is refused", text)
		}
	}
	for _, text := range insideAddresses {
		if (allowList{}).check(netip.MustParseAddr(text), reachPublic) {
			t.Errorf("%s is reached", text)
		}
	}
	if (allowList{}).check(netip.Addr{}, reachPublic) || (allowList{}).check(netip.MustParseAddr("8.8.8.8"), reach(99)) {
		t.Error("no address, or an unknown reach, is reached")
	}
}

// insideAddresses are one or more of every range that belongs to nobody's provider.
var insideAddresses = []string{
	"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.1", "169.254.169.254", "168.63.129.16",
	"172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
	"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1", "::ffff:0:127.0.0.1",
	"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:a00:1::", "2002:c0a8:1::1",
	"2001::1", "2001:0:7f00:1::", "2001:10::1", "2001:db8::1", "3fff::1", "100::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "5f00::1",
}

func TestOperatorsWordOpensWhatItNames(t *testing.T) {
	list, err := parseAllow([]string{"10.20.0.0/16", "192.168.1.1", "fd00::/8", "IdP.corp.example."})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ip    string
		reach reach
		want  bool
	}{
		{"10.20.1.1", reachPublic, true},
		{"::ffff:10.20.1.1", reachPublic, true},
		{"64:ff9b::a14:101", reachPublic, true},
		{"10.21.1.1", reachPublic, false},
		{"192.168.1.1", reachPublic, true},
		{"192.168.1.2", reachPublic, false},
		{"fd12::1", reachPublic, true},
		{"127.0.0.1", reachPublic, false},
		{"10.21.1.1", reachNamed, true},
		{"127.0.0.1", reachNamed, true},
		{"::1", reachNamed, true},
		{"8.8.8.8", reachNamed, true},
		{"169.254.169.254", reachNamed, false},
		{"::ffff:169.254.169.254", reachNamed, false},
		{"64:ff9b::a9fe:a9fe", reachNamed, false},
		{"168.63.129.16", reachNamed, false},
		{"fe80::1", reachNamed, false},
		{"0.0.0.0", reachNamed, false},
		{"127.0.0.1", reachLoopback, true},
		{"::1", reachLoopback, true},
		{"10.20.1.1", reachLoopback, false},
		{"8.8.8.8", reachLoopback, false},
	} {
		if got := list.check(netip.MustParseAddr(c.ip), c.reach); got != c.want {
			t.Errorf("%s, reach %d: %v", c.ip, c.reach, got)
		}
	}
	for host, want := range map[string]bool{"idp.corp.example": true, "IDP.corp.example": true, "idp.corp.example.": true, "x.idp.corp.example": false, "corp.example": false, "": false} {
		if list.names(host) != want {
			t.Errorf("names(%q) = %v", host, !want)
		}
	}
}

// TestHostAllowedByNameLeadsToNoCloudsCredentials: whoever answers for the name's DNS would have the gate fetch them.
func TestHostAllowedByNameLeadsToNoCloudsCredentials(t *testing.T) {
	for _, text := range []string{"169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"} {
		if (allowList{}).check(netip.MustParseAddr(text), reachNamed) {
			t.Errorf("%s is reached", text)
		}
	}
}

func TestAllowEntriesThatSayTooMuchOrNothingAreRefused(t *testing.T) {
	for _, entry := range []string{"", "https://idp", "idp:443", "*.corp.example", "10.0.0.0/33", "10.0.0.0/", "0.0.0.0/0", "::/0", "::ffff:10.0.0.0/104", "a b", "idp/x", "[::1]"} {
		if list, err := parseAllow([]string{entry}); err == nil {
			t.Errorf("%q gives %+v", entry, list)
		}
	}
	if _, err := New(Options{Allow: []string{"*"}}); err == nil {
		t.Error("New takes *")
	}
}

func FuzzAddress(f *testing.F) {
	for _, text := range insideAddresses {
		ip := netip.MustParseAddr(text).As16()
		f.Add(ip[:])
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		ip, ok := netip.AddrFromSlice(raw)
		if !ok || !(allowList{}).check(ip, reachPublic) {
			return
		}
		b := ip.As16()
		for _, hidden := range []netip.Addr{ip, ip.Unmap(), maybe(nat64.Contains(ip), b[12:16]), maybe(sixTo4.Contains(ip), b[2:6])} {
			if !hidden.IsGlobalUnicast() && !nat64.Contains(hidden) || hidden.IsPrivate() || hidden.IsLoopback() || hidden.IsLinkLocalUnicast() {
				t.Fatalf("%s is reached and leads to %s", ip, hidden)
			}
		}
	})
}

// maybe is the IPv4 address in b, or a harmless one.
func maybe(yes bool, b []byte) netip.Addr {
	if !yes {
		return netip.MustParseAddr("8.8.8.8")
	}
	return netip.AddrFrom4([4]byte(b))
}

func FuzzParseAllow(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8", "idp.corp.example", "::1", "0.0.0.0/0", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		list, err := parseAllow([]string{entry})
		if err != nil {
			return
		}
		if len(list.hosts)+len(list.ranges) != 1 {
			t.Fatalf("%q gives %+v", entry, list)
		}
		if list.covers(netip.MustParseAddr("8.8.8.8")) && list.covers(netip.MustParseAddr("240.0.0.1")) {
			t.Fatalf("%q covers everything", entry)
		}
	})
}
