package scim

import (
	"net/http"
	"strconv"
	"strings"
)

// etag is a resource's entity tag and its meta.version (RFC 7644 §3.14). It is weak: two answers of one version may
// differ in the attributes shown.
func etag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

// preconditions are the two headers of RFC 9110 §13.1 that are honoured.
type preconditions struct {
	match     string // If-Match, or a bulk operation's version
	noneMatch string // If-None-Match
}

func preconditionsOf(h http.Header) preconditions {
	return preconditions{match: strings.Join(h.Values("If-Match"), ","), noneMatch: strings.Join(h.Values("If-None-Match"), ",")}
}

// check is called with the row locked, so that nothing comes between it and the write.
func (p preconditions) check(version int64) error {
	if p.match == "" || listed(p.match, version) {
		return nil
	}
	return &Error{Status: http.StatusPreconditionFailed, Detail: "The resource has changed since the version in If-Match. Read it again."}
}

// fresh reports whether the client already has this version.
func (p preconditions) fresh(version int64) bool {
	return p.noneMatch != "" && listed(p.noneMatch, version)
}

// listed reports whether a list of entity tags names version. Tags are compared weakly: ours are all weak, and a
// strong comparison would make If-Match useless.
func listed(list string, version int64) bool {
	want := `"` + strconv.FormatInt(version, 10) + `"`
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == want {
			return true
		}
	}
	return false
}
