package audit

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// Decision is one check, as its line in the decision log tells it. The event names are OPA's, so that tools that read
// OPA decision logs read these. There is no field for a cookie, a token, a body or a query value: what is not here
// cannot be logged.
type Decision struct {
	ID          string
	At          time.Time
	Path        string // ssogate/authz/decision; empty where no policy was asked
	Revision    string
	RequestedBy string
	TraceID     string

	Method     string
	RawPath    string // without its query
	Segments   []string
	Host       string
	QueryNames []string
	IP         string
	UserAgent  string

	Tenant     string
	TenantSlug string
	Connection string
	Protocol   string
	Provider   string
	User       string
	UserName   string
	Source     string
	Roles      []string

	Decided    bool
	Allowed    bool
	Role       string
	Permission string

	ErrorCode string
	Error     string // the operator's text; holds no secret because no error of ours does

	Outcome  string
	Reason   string
	Status   int
	Took     time.Duration
	EvalTook time.Duration
}

// maxLine bounds a line, so that a hostile request cannot fill the disk by itself.
const maxLine = 16 << 10

// maxText and maxList bound what one field adds to a line.
const (
	maxText = 1024
	maxList = 64
)

// erased names what policy was asked with and the line leaves out, in OPA's words.
const erased = `["/input/subject/email","/input/subject/display_name","/input/subject/groups","/input/subject/claims","/input/tenant/role_mappings","/input/resource/query"]`

// appendLine appends the decision as one JSON line.
func (l *Log) appendLine(b []byte, d Decision) []byte {
	start := len(b)
	b = append(b, `{"labels":{"app":"ssogate","id":`...)
	b = appendString(b, l.Instance)
	b = append(b, `,"version":`...)
	b = appendString(b, l.Version)
	b = append(b, `},"decision_id":`...)
	b = appendString(b, d.ID)
	b = append(b, `,"timestamp":"`...)
	b = d.At.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	if d.Decided {
		b = appendField(b, "path", d.Path)
		b = append(b, `,"bundles":{"policy":{"revision":`...)
		b = appendString(b, d.Revision)
		b = append(b, `}}`...)
	}
	b = appendField(b, "requested_by", d.RequestedBy)
	if d.TraceID != "" {
		b = appendField(b, "trace_id", d.TraceID)
	}
	b = appendInput(b, d)
	if d.Decided {
		b = append(b, `,"result":{"allowed":`...)
		b = strconv.AppendBool(b, d.Allowed)
		b = appendField(b, "role", d.Role)
		b = appendField(b, "permission", d.Permission)
		b = append(b, '}')
	}
	b = append(b, `,"erased":`...)
	b = append(b, erased...)
	b = append(b, `,"metrics":{"timer_rego_query_eval_ns":`...)
	b = strconv.AppendInt(b, d.EvalTook.Nanoseconds(), 10)
	b = append(b, `,"timer_server_handler_ns":`...)
	b = strconv.AppendInt(b, d.Took.Nanoseconds(), 10)
	b = append(b, '}')
	if d.Error != "" || d.ErrorCode != "" {
		b = append(b, `,"error":{"code":`...)
		b = appendString(b, d.ErrorCode)
		b = appendField(b, "message", d.Error)
		b = append(b, '}')
	}
	b = append(b, `,"custom":{"tenant":`...)
	b = appendString(b, d.Tenant)
	b = appendField(b, "connection", d.Connection)
	b = appendField(b, "outcome", d.Outcome)
	b = appendField(b, "reason", d.Reason)
	b = append(b, `,"http_status":`...)
	b = strconv.AppendInt(b, int64(d.Status), 10)
	b = append(b, `,"memo":"off"}}`...)
	if len(b)-start > maxLine {
		return append(b[:start], l.shortLine(d)...)
	}
	return append(b, '\n')
}

// shortLine keeps what identifies a decision whose line would be too long. Every field is cut so far that the line
// fits even where each byte is escaped.
func (l *Log) shortLine(d Decision) []byte {
	const most = 96
	short := Decision{At: d.At, Decided: d.Decided, Allowed: d.Allowed, Status: d.Status, Took: d.Took, EvalTook: d.EvalTook}
	for to, from := range map[*string]string{
		&short.ID: d.ID, &short.Path: d.Path, &short.Revision: d.Revision, &short.RequestedBy: d.RequestedBy,
		&short.Method: d.Method, &short.RawPath: d.RawPath, &short.IP: d.IP, &short.Tenant: d.Tenant,
		&short.Connection: d.Connection, &short.User: d.User, &short.Source: d.Source, &short.Role: d.Role,
		&short.Permission: d.Permission, &short.Outcome: d.Outcome, &short.Reason: d.Reason, &short.ErrorCode: d.ErrorCode,
	} {
		*to = cut(from, most)
	}
	return l.appendLine(nil, short)
}

func appendInput(b []byte, d Decision) []byte {
	b = append(b, `,"input":{"subject":{"id":`...)
	b = appendString(b, d.User)
	b = appendField(b, "user_name", d.UserName)
	b = appendField(b, "source", d.Source)
	b = append(b, `,"roles":`...)
	b = appendList(b, d.Roles)
	b = append(b, `},"tenant":{"id":`...)
	b = appendString(b, d.Tenant)
	b = appendField(b, "slug", d.TenantSlug)
	b = append(b, `},"connection":{"id":`...)
	b = appendString(b, d.Connection)
	b = appendField(b, "protocol", d.Protocol)
	b = appendField(b, "provider", d.Provider)
	b = append(b, `},"action":{"method":`...)
	b = appendString(b, d.Method)
	b = append(b, `},"resource":{"path":`...)
	b = appendString(b, d.RawPath)
	b = append(b, `,"segments":`...)
	b = appendList(b, d.Segments)
	b = appendField(b, "host", d.Host)
	b = append(b, `,"query_names":`...)
	b = appendList(b, d.QueryNames)
	b = append(b, `},"context":{"ip":`...)
	b = appendString(b, d.IP)
	b = appendField(b, "user_agent", d.UserAgent)
	return append(b, `}}`...)
}

func appendField(b []byte, name, value string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return appendString(b, value)
}

func appendList(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, v := range list[:min(len(list), maxList)] {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, v)
	}
	return append(b, ']')
}

const hexDigits = "0123456789abcdef"

// appendString writes a JSON string (RFC 8259 §7). strconv.AppendQuote is not one: it writes \x7f and \U0001f600.
// Invalid UTF-8 becomes U+FFFD; U+2028, U+2029 and DEL are escaped for readers that treat them as line ends.
func appendString(b []byte, s string) []byte {
	s = cut(s, maxText)
	b = append(b, '"')
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			b = appendByte(b, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, `\ufffd`...)
		case r == '\u2028' || r == '\u2029':
			b = append(b, `\u202`...)
			b = append(b, hexDigits[r&0xf])
		default:
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return append(b, '"')
}

func appendByte(b []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(b, '\\', c)
	case c < ' ' || c == 0x7f:
		return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
	default:
		return append(b, c)
	}
}

// cut shortens s to n bytes at most, at a rune's border.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
