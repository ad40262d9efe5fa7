package main

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tracio-ai/ssogate/envoy"
)

const storeHint = "try sqlite:PATH or postgres://USER@HOST/DB"

func (c *Config) readPublicURL(r *reader, path string, n ast.Node) {
	s, ok := r.text(path, n)
	if !ok {
		return
	}
	u, hint := parsePublicURL(s)
	if u == nil {
		r.problem(n, hint, "%s: %s cannot be the address people open", path, quote(s))
		return
	}
	c.PublicURL = u
}

// parsePublicURL accepts the one spelling of scheme and host that browsers send: what it returns is compared with
// every request's Host line and sealed into cookies.
func parsePublicURL(s string) (u *url.URL, hint string) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Opaque != "" || len(s) > 300 {
		return nil, "want https://HOST, such as https://dashboard.example.com"
	}
	host, port := u.Hostname(), u.Port()
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, "it begins with https://"
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#"):
		return nil, "leave out all but scheme and host: https://" + quoteHost(u)
	case u.Path != "":
		return nil, fmt.Sprintf("leave out the path: %s://%s", u.Scheme, quoteHost(u))
	case !goodHost(host) || strings.HasSuffix(u.Host, ":"):
		return nil, "want a host name in small letters (xn-- form if not ASCII) or an IP address"
	case port != "" && !goodPort(port):
		return nil, "the port is a number from 1 to 65535"
	case u.Scheme == "https" && port == "443", u.Scheme == "http" && port == "80":
		return nil, "leave out the port: browsers do not send it"
	case u.Scheme == "http" && !loopback(host):
		return nil, "use https; plain http is for localhost alone, with --insecure"
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, ""
}

func quoteHost(u *url.URL) string { return fmt.Sprintf("%.120s", u.Host) }

func goodHost(h string) bool {
	if _, err := netip.ParseAddr(h); err == nil {
		return !strings.Contains(h, "%")
	}
	if h == "" || len(h) > 253 {
		return false
	}
	for label := range strings.SplitSeq(h, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	last := h[strings.LastIndexByte(h, '.')+1:]
	return last[0] < '0' || last[0] > '9' // 1.2.3 and 0x7f.1 are addresses to some parsers
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func goodPort(p string) bool {
	n, err := strconv.ParseUint(p, 10, 16)
	return err == nil && n > 0 && p[0] != '0'
}

func (c *Config) readStore(r *reader, path string, n ast.Node) {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		r.secret(c.Folder, &c.Store.From)(path, n)
		return
	}
	s, ok := r.text(path, n)
	if !ok {
		return
	}
	if hasPassword(s) {
		r.problem(n, "put the whole address in a variable: store: {env: NAME}", "%s: a password does not stand in this file", path)
		return
	}
	dsn, ok := parseDSN(s, c.DataDir)
	if !ok {
		r.problem(n, storeHint, "%s: %s is not a store", path, quote(s))
		return
	}
	c.Store.DSN = dsn
}

// parseDSN checks the form of a store's address and makes a database file's path absolute.
func parseDSN(s, dataDir string) (string, bool) {
	if file, ok := strings.CutPrefix(s, "sqlite:"); ok {
		if file == "" || strings.HasPrefix(file, "//") || strings.HasPrefix(file, ":") || strings.ContainsAny(file, "?#\x00") {
			return "", false
		}
		return "sqlite:" + below(dataDir, file), true
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Opaque != "" || u.Path == "" && u.Host == "" {
		return "", false
	}
	return s, true
}

// hasPassword looks for user:password@ whatever the scheme, and for password= among the parameters.
func hasPassword(s string) bool {
	_, rest, ok := strings.Cut(s, "://")
	if !ok {
		return false
	}
	authority, _, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(rest, '@'); at > len(authority) {
		authority = rest[:at+1]
	}
	user, ok := upTo(authority, "@")
	return ok && strings.Contains(user, ":") || strings.Contains(strings.ToLower(rest), "password=")
}

// upTo returns what stands before the last sep; all of s where there is none.
func upTo(s, sep string) (before string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], true
	}
	return s, false
}

func (c *Config) readListen(r *reader, path string, n ast.Node) {
	r.mapping(path, n, fields{
		"check": func(path string, n ast.Node) {
			s, ok := r.text(path, n)
			if socket, unix := strings.CutPrefix(s, "unix:"); ok && unix && socket != "" {
				c.Listen.Check = "unix:" + below(c.DataDir, socket)
				return
			}
			r.listener(&c.Listen.Check)(path, n)
		},
		"http": r.listener(&c.Listen.HTTP),
		"ops":  r.listener(&c.Listen.Ops),
	})
	if c.Listen.Check == c.Listen.HTTP || c.Listen.Check == c.Listen.Ops || c.Listen.HTTP == c.Listen.Ops {
		r.problem(n, "give each listener a port of its own", "%s: two listeners on one address", path)
	}
}

// address makes a reader of host:port.
func (r *reader) address(to *string) func(string, ast.Node) {
	return func(path string, n ast.Node) {
		s, ok := r.text(path, n)
		if !ok {
			return
		}
		host, port, err := net.SplitHostPort(s)
		if err != nil || !goodHost(host) || !goodPort(port) {
			r.problem(n, "want HOST:PORT, such as dashboard.internal:8000", "%s: %s is not an address", path, quote(s))
			return
		}
		*to = s
	}
}

// listener makes a reader of an address to listen on: a name could resolve to another machine's.
func (r *reader) listener(to *string) func(string, ast.Node) {
	return func(path string, n ast.Node) {
		s, ok := r.text(path, n)
		if !ok {
			return
		}
		addr, err := netip.ParseAddrPort(s)
		if err != nil || addr.Port() == 0 {
			r.problem(n, "want IP:PORT, such as 127.0.0.1:9001", "%s: %s is not an address to listen on", path, quote(s))
			return
		}
		*to = s
	}
}

func (c *Config) readSession(r *reader, path string, n ast.Node) {
	r.mapping(path, n, fields{
		"idle":     r.duration(&c.Session.Idle, time.Minute, 30*24*time.Hour),
		"absolute": r.duration(&c.Session.Absolute, time.Minute, 30*24*time.Hour),
		"stale_grace": func(path string, n ast.Node) {
			if s, ok := r.text(path, n); ok && s != "0" && s != "0s" {
				r.later(path, n, "leave it out: an identity provider's fault keeps nobody signed in")
			}
		},
	})
	if c.Session.Idle > c.Session.Absolute {
		r.problem(n, "make idle the shorter of the two", "%s: idle %s is longer than absolute %s",
			path, short(c.Session.Idle), short(c.Session.Absolute))
	}
}

// later reports a key that is known and does nothing yet: to pass over it would let someone believe it is in force.
func (r *reader) later(path string, n ast.Node, hint string) {
	r.problem(n, hint, "%s: not supported by this version", path)
}

func (c *Config) readPolicy(r *reader, path string, n ast.Node) {
	later := func(path string, n ast.Node) { r.later(path, n, "leave it out") }
	tests := "on"
	r.mapping(path, n, fields{
		"path": func(path string, n ast.Node) {
			if s, ok := r.text(path, n); ok && s != "" {
				c.Policy.Path = below(c.Folder, s)
			}
		},
		"query":          r.str(&c.Policy.Query),
		"timeout":        r.duration(&c.Policy.Timeout, time.Millisecond, time.Second),
		"allow_builtins": r.strs(&c.Policy.AllowBuiltins),
		"tests": func(path string, n ast.Node) {
			r.oneOf(&tests, "on", "off")(path, n)
			c.Policy.SkipTests = tests == "off"
		},
		"bundle": later, "shadow": later, "timezone": later, "memo_entries": later,
	})
}

func (c *Config) readDecisionLog(r *reader, path string, n ast.Node) {
	r.mapping(path, n, fields{
		"path": func(path string, n ast.Node) {
			if s, ok := r.text(path, n); ok {
				c.DecisionLog.Path = s
				if s != "-" && s != "" {
					c.DecisionLog.Path = below(c.DataDir, s)
				}
			}
		},
		"input": func(path string, n ast.Node) {
			r.oneOf(&c.DecisionLog.Input, "read", "full")(path, n)
			if c.DecisionLog.Input == "full" {
				r.later(path, n, "set read: what the policy can read")
			}
		},
		"required": r.flag(&c.DecisionLog.Required),
	})
}

func (c *Config) readCheck(r *reader, path string, n ast.Node) {
	codec := "stock"
	r.mapping(path, n, fields{"codec": func(path string, n ast.Node) {
		r.oneOf(&codec, "stock", "lean")(path, n)
		if codec == "lean" {
			r.later(path, n, "set stock")
		}
	}})
}

func (c *Config) readEgress(r *reader, path string, n ast.Node) {
	r.mapping(path, n, fields{
		"allow": func(path string, n ast.Node) {
			r.list(path, n, func(path string, n ast.Node) {
				s, ok := r.text(path, n)
				if !ok {
					return
				}
				if _, err := netip.ParsePrefix(s); err != nil && !goodHost(s) {
					r.problem(n, "want a host such as idp.corp.example or a network such as 10.1.0.0/16", "%s: %s is neither", path, quote(s))
					return
				}
				c.Egress.Allow = append(c.Egress.Allow, s)
			})
		},
		"ca_file": func(path string, n ast.Node) {
			if s, ok := r.text(path, n); ok && s != "" {
				c.Egress.CAFile = below(c.Folder, s)
			}
		},
	})
}

// The bounds of saml.max_response_kib. Two thirds of the body that Envoy sends along are the response.
const (
	leastResponse = envoy.MaxBody / 1536
	mostResponse  = envoy.LargestBody / 1536
)

func (c *Config) readSAML(r *reader, path string, n ast.Node) {
	r.mapping(path, n, fields{"max_response_kib": func(path string, n ast.Node) {
		s, ok := r.text(path, n)
		if !ok {
			return
		}
		kib, err := strconv.Atoi(s)
		if err != nil || kib < leastResponse || kib > mostResponse {
			r.problem(n, fmt.Sprintf("want a number from %d, the default, to %d", leastResponse, mostResponse), "%s: %s is out of bounds", path, quote(s))
			return
		}
		c.SAML.MaxResponse = kib
	}})
}

func (c *Config) readProxy(r *reader, path string, n ast.Node) {
	p := &c.Proxy
	file := func(to *string) func(string, ast.Node) {
		return func(path string, n ast.Node) {
			if s, ok := r.text(path, n); ok && s != "" {
				*to = below(c.Folder, s)
			}
		}
	}
	r.mapping(path, n, fields{
		"listen": r.listener(&p.Listen),
		"tls": func(path string, n ast.Node) {
			r.mapping(path, n, fields{"cert": file(&p.Cert), "key": file(&p.Key)})
			if (p.Cert == "") != (p.Key == "") {
				r.problem(n, "write tls: {cert: PATH, key: PATH}", "%s: want both cert and key", path)
			}
		},
		"dashboard": r.address(&p.Dashboard),
		"streams": func(path string, n ast.Node) {
			r.list(path, n, func(path string, n ast.Node) {
				if s, ok := r.text(path, n); ok && r.stream(path, n, s) {
					p.Streams = append(p.Streams, s)
				}
			})
		},
		"auth_bodies": r.oneOf(&p.AuthBodies, "check", "http"),
		"policy_headers": func(path string, n ast.Node) {
			r.list(path, n, func(path string, n ast.Node) {
				if s, ok := r.text(path, n); ok && r.policyHeader(path, n, s) {
					p.PolicyHeaders = append(p.PolicyHeaders, s)
				}
			})
		},
	})
}

// stream checks a path prefix below which connections stay open.
func (r *reader) stream(path string, n ast.Node, s string) bool {
	if len(s) < 2 || s[0] != '/' || s != filepath.Clean(s) || strings.ContainsAny(s, "%;?#\\* ") {
		r.problem(n, "want a path such as /ws", "%s: %s is not a path prefix", path, quote(s))
		return false
	}
	for _, own := range []string{envoy.PathAuth, envoy.PathSCIM, envoy.PathSettings, envoy.PathHealth} {
		if envoy.Under(s, own) || envoy.Under(own, s) {
			r.problem(n, "name a path of the dashboard", "%s: %s is the gate's own", path, own)
			return false
		}
	}
	return true
}

func (r *reader) policyHeader(path string, n ast.Node, s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			r.problem(n, "want a header's name in small letters", "%s: %s is not a header", path, quote(s))
			return false
		}
	}
	if envoy.RefusedPolicyHeader(s) {
		r.problem(n, "leave it out: identity and framing headers are never a policy's to set", "%s: %s is refused", path, quote(s))
		return false
	}
	return true
}
