package patch

import (
	"strings"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// maxMemberID is how long the id of a member may be. Ours are UUIDs; others wait for a user that will never come.
const maxMemberID = 1024

func isMembers(t target) bool {
	return t.Attr != nil && t.Schema == schema.Groups().Schema && t.Attr.Name == "members"
}

// memberSet composes member operations in order. Every id is in one state at most: it is to be there or it is not.
type memberSet struct {
	clear bool
	state map[string]memberState
	order []string // ids as they were first named
}

type memberState int

const (
	unnamed memberState = iota
	added
	addedGroup
	removed
)

func newMemberSet() *memberSet { return &memberSet{state: make(map[string]memberState)} }

func (m *memberSet) change() Members {
	out := Members{Clear: m.clear}
	for _, id := range m.order {
		switch m.state[id] {
		case added:
			out.Add = append(out.Add, id)
		case addedGroup:
			out.Nested = append(out.Nested, id)
		case removed:
			if !m.clear {
				out.Remove = append(out.Remove, id)
			}
		case unnamed:
		}
	}
	return out
}

func (m *memberSet) set(id string, s memberState) {
	if m.state[id] == unnamed {
		m.order = append(m.order, id)
	}
	m.state[id] = s
}

// replace forgets what was said: nobody is there, then those in list are.
func (m *memberSet) replace(list []member) {
	*m = memberSet{clear: true, state: make(map[string]memberState, len(list)), order: make([]string, 0, len(list))}
	m.add(list)
}

func (m *memberSet) add(list []member) {
	for _, one := range list {
		if one.group {
			m.set(one.id, addedGroup)
		} else {
			m.set(one.id, added)
		}
	}
}

func (m *memberSet) remove(list []member) {
	for _, one := range list {
		m.set(one.id, removed)
	}
}

// operation composes one operation on members. Every shape that is not listed here is refused: to guess is to empty a
// group or to leave somebody in it.
func (m *memberSet) operation(o operation, t target) error {
	switch {
	case t.Sub != nil:
		return refuse(invalidPath, "change members, not parts of them")
	case t.where != nil:
		return m.selected(o, t)
	case o.op == remove && !o.given:
		m.replace(nil)
		return nil
	}
	list, array := o.value.([]any)
	object, single := o.value.(map[string]any)
	if single && o.op != replace {
		list, array = []any{object}, true
	}
	if !array || o.op == remove && len(list) == 0 {
		return refuse(invalidValue, memberShapes)
	}
	members, err := readMembers(list)
	if err != nil {
		return err
	}
	switch o.op {
	case add:
		m.add(members)
	case replace:
		m.replace(members)
	case remove:
		m.remove(members)
	}
	return nil
}

const memberShapes = `members takes an array of objects that each have a value; to remove some, list them or ` +
	`name them in the path as members[value eq "id"]`

// selected composes the removal of members[value eq "a" or value eq "b"].
func (m *memberSet) selected(o operation, t target) error {
	if o.op != remove || o.value != nil {
		return refuse(invalidPath, "members[…] can only be removed, without a value")
	}
	ids, ok := t.where.Choices("value")
	if !ok {
		return refuse(invalidFilter, `members are named by members[value eq "id"], and several of them with or`)
	}
	list := make([]member, 0, len(ids))
	for _, id := range ids {
		if err := checkMemberID(id); err != nil {
			return err
		}
		list = append(list, member{id: id})
	}
	m.remove(list)
	return nil
}

// member is one element of members.
type member struct {
	id    string
	group bool
}

// readMembers reads elements of members. All but value and type is ignored.
func readMembers(list []any) ([]member, error) {
	out := make([]member, 0, len(list))
	for _, item := range list {
		one, err := readMember(item)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

func readMember(item any) (member, error) {
	object, ok := item.(map[string]any)
	if !ok {
		return member{}, refuse(invalidValue, memberShapes)
	}
	id, _ := field(object, "value").value.(string)
	if err := checkMemberID(id); err != nil {
		return member{}, err
	}
	one := member{id: id}
	label := field(object, "type").value
	kind, _ := label.(string)
	switch {
	case label == nil, strings.EqualFold(kind, "User"):
	case strings.EqualFold(kind, "Group"):
		one.group = true
	default:
		return member{}, refuse(invalidValue, "the type of a member is User or Group")
	}
	return one, nil
}

func checkMemberID(id string) error {
	switch {
	case id == "":
		return refuse(invalidValue, memberShapes)
	case len(id) > maxMemberID:
		return refuse(invalidValue, "the value of a member is longer than %d bytes", maxMemberID)
	}
	return nil
}
