package patch

import (
	"errors"
	"strings"

	"github.com/tracio-ai/ssogate/scim/internal/filter"
	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// target is what a path names (RFC 7644 §3.5.2).
type target struct {
	schema.Ref
	where *filter.Filter // which values, nil: the path has no filter
	text  string         // the path as it was written, where it has a filter
}

// name is what errors call the target.
func (t target) name() string {
	p := t.Key()
	if t.where != nil && t.Sub == nil {
		return p + "[…]"
	}
	return p
}

// key is the same text for the same target.
func (t target) key() string {
	if t.where == nil {
		return t.Key()
	}
	return t.text
}

// errForeign is a path under a schema that is not ours: some provider's custom mapping.
var errForeign = errors.New("schema of somebody else")

// find looks a path up. Errors are errForeign or *Error.
func find(b filter.Binder, path string) (target, error) {
	head, _, _ := strings.Cut(path, "[")
	if foreign(b.Type, strings.Trim(head, " \t")) {
		return target{}, errForeign
	}
	found, err := b.Path(path)
	if err != nil {
		return target{}, unfound(b.Type, err)
	}
	t := target{Ref: found.Ref}
	if found.Filter == nil {
		return t, nil
	}
	if !t.Attr.MultiValued {
		return target{}, refuse(invalidPath, "%s has one value: no filter chooses from it", t.Attr.Name)
	}
	t.where, t.text = found.Filter, path
	return t, nil
}

// unfound says why there is no such target.
func unfound(t *schema.ResourceType, err error) *Error {
	e, ok := errors.AsType[*filter.Error](err)
	if !ok {
		return refuse(invalidPath, "not a path")
	}
	if errors.Is(e.Err, schema.ErrUnknownSchema) {
		return refuse(invalidPath, "a %s has no such schema", t.Name)
	}
	return refuse(e.Type, "%s", e.Error())
}

// ours is where schemas are that clients mean when they misspell one of ours: nobody defines their own there.
const ours = "urn:ietf:params:scim:schemas:core:"

// foreign reports whether a path's schema is one we never heard of. A schema that we know and this type has not, and
// a misspelt core schema, are not foreign: dropping them could drop an active:false.
func foreign(t *schema.ResourceType, path string) bool {
	lower := strings.ToLower(path)
	if strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://") {
		return true
	}
	_, err := t.Resolve(path)
	if !errors.Is(err, schema.ErrUnknownSchema) || strings.HasPrefix(lower, ours) {
		return false
	}
	for _, s := range schema.Schemas() {
		if urn := strings.ToLower(s.URN); lower == urn || strings.HasPrefix(lower, urn+":") {
			return false
		}
	}
	return true
}

// writable refuses what nobody may write.
func (t target) writable() error {
	switch {
	case t.Attr == nil && !t.Extension:
		return refuse(invalidPath, "name the attribute: %s alone is the whole resource", t.Key())
	case t.Attr == nil:
		return nil
	case t.Leaf().Mutability == schema.ReadOnly || t.Attr.Mutability == schema.ReadOnly ||
		t.Attr.Name == "schemas" || computed(t.Leaf()):
		return refuse(mutability, "%s is read only", t.Key())
	case t.Attr.MultiValued && t.Sub != nil && t.where == nil:
		return refuse(invalidPath, "%s: say which value with a filter, as in %s[type eq \"work\"].%s",
			t.Key(), t.Attr.Name, t.Sub.Name)
	}
	return nil
}
