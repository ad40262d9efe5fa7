package saml

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

const (
	maxName    = 256      // characters of a NameID and its parts
	maxValue   = 2048     // bytes of an attribute's value that is kept
	maxSubject = 2048     // bytes
	maxGroups  = 10_000   // values
	maxClaims  = 32 << 10 // of what is kept besides, as JSON
	maxIndex   = 1024     // bytes of a SessionIndex or a context class

	formatEmail      = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
	formatPersistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
)

// readable reports text that can name something: at most 256 characters, none of them a control character.
func readable(s string) bool {
	return utf8.RuneCountInString(s) <= maxName && !strings.ContainsFunc(s, control)
}

// control finds what does not show: control characters, and those that turn the direction of writing, with which one
// name can be made to look like another.
func control(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// identity reduces an answer to what the gate keeps.
func (c *Connector) identity(ctx context.Context, q asked, v verified, ans answer) (idp.Identity, error) {
	a := ans.assertion
	m, err := gather(a.attributes, q.conn.SAML)
	if err != nil {
		return idp.Identity{}, err
	}
	id := idp.Identity{
		Tenant: q.conn.Tenant, Connection: q.conn.ID, Issuer: a.issuer,
		AuthTime: a.authn.instant, ACR: a.authn.class, SID: a.authn.sessionIndex, NameID: a.nameID, SessionEnds: a.authn.sessionEnds,
	}
	if len(id.ACR) > maxIndex || len(id.SID) > maxIndex {
		return idp.Identity{}, fault(idp.CodeSAMLAuthn, "too-long", "", "session index or context class is too long")
	}
	if id.Subject, err = subject(q.conn.SAML, a.nameID, m); err != nil {
		return idp.Identity{}, err
	}
	if err := m.describe(&id, q.conn.SAML.Attributes); err != nil {
		return idp.Identity{}, err
	}
	if err := m.identify(&id, q.conn); err != nil {
		return idp.Identity{}, err
	}
	if id.GroupState, id.Groups, err = m.groups(q.conn.SAML.Attributes.Groups); err != nil {
		return idp.Identity{}, err
	}
	if id.Claims, err = m.claims(); err != nil {
		return idp.Identity{}, err
	}
	if !c.off.has(offReplay) {
		id.Once = []idp.Once{{Kind: OnceAssertion, Value: a.id, Expires: q.forgets(a)}}
	}
	c.note(ctx, q, v)
	return id, nil
}

// OnceAssertion is the kind of Once under which the ID of an assertion is burnt.
const OnceAssertion = "assertion"

// forgets is when a second use could not pass anyway.
func (q asked) forgets(a assertion) (at time.Time) {
	at = q.attempt.Begun.Add(attemptLife)
	for _, end := range a.ends() {
		if end.After(at) {
			at = end
		}
	}
	return at.Add(2 * Skew)
}

// note writes down what vouched for a sign-in.
func (c *Connector) note(ctx context.Context, q asked, v verified) {
	for part, by := range map[string]*proof{"response": v.responseBy, "assertion": v.assertionBy} {
		if by == nil {
			continue
		}
		c.log().DebugContext(ctx, "signature verified", "connection", q.conn.ID, "part", part, "certificate", by.by.sha256)
		if by.sha1 && c.OnSHA1 != nil {
			c.OnSHA1()
		}
	}
}

// subject names the person within the connection, as one JSON array of all that tells two of them apart. The format is
// part of the name: the same text in another one is somebody else (SAML 2.0 Core §8.3).
func subject(s idp.SAMLSettings, n idp.NameID, m gathered) (string, error) {
	parts := []string{format(n.Format), n.NameQualifier, n.SPNameQualifier, n.Value}
	if s.SubjectFrom != "" {
		v, err := m.single(s.SubjectFrom)
		if err != nil {
			return "", err
		}
		if v == "" || !readable(v) {
			hint := "The attribute " + s.SubjectFrom + ", which names the person, is missing, empty or unreadable. Send it for everybody, or choose another one."
			return "", fault(idp.CodeSAMLAttributes, "subject", hint, "subject attribute is not usable")
		}
		parts = []string{s.SubjectFrom, v}
	}
	b, err := json.Marshal(parts)
	if err != nil {
		return "", fmt.Errorf("write subject: %w", err)
	}
	if len(b) > maxSubject {
		return "", fault(idp.CodeSAMLNameID, "text", "The NameID is too long.", "subject is too long")
	}
	return string(b), nil
}

// gathered are an assertion's attributes by exact name; the values of one that repeats follow each other. FriendlyName
// is for people and names nothing.
type gathered struct {
	values map[string][]value
	mapped map[string]bool // names that the connection reads
}

func gather(list []attribute, s idp.SAMLSettings) (gathered, error) {
	m := gathered{values: map[string][]value{}, mapped: map[string]bool{}}
	a := s.Attributes
	for _, names := range [][]string{a.UserName, a.Email, a.GivenName, a.FamilyName, a.DisplayName, a.Groups, {s.SubjectFrom}} {
		for _, n := range names {
			m.mapped[n] = n != ""
		}
	}
	for _, at := range list {
		if at.name == "" {
			return m, fault(idp.CodeSAMLAttributes, "nameless", "", "attribute without a name")
		}
		for _, v := range at.values {
			if m.mapped[at.name] && v.tree {
				return m, fault(idp.CodeSAMLAttributes, "not-text", "A mapped attribute holds XML where text belongs. Send it as text, or map another one.", "mapped attribute has child elements")
			}
			if m.mapped[at.name] && len(v.text) > maxValue {
				return m, fault(idp.CodeSAMLAttributes, "too-long", "A mapped attribute is longer than 2048 bytes. Send a shorter one, or map another one.", "mapped attribute is too long")
			}
		}
		m.values[at.name] = append(m.values[at.name], at.values...)
	}
	return m, nil
}

// single is the one value of an attribute, or "" where it is absent or empty. It can name something.
func (m gathered) single(name string) (string, error) {
	text, err := m.sole(name)
	if err == nil && strings.ContainsFunc(text, control) {
		return "", unreadable()
	}
	return text, err
}

func unreadable() error {
	return fault(idp.CodeSAMLAttributes, "text", "A mapped attribute is too long or has control characters.", "attribute is not readable")
}

// sole is single for any text.
func (m gathered) sole(name string) (string, error) {
	all := m.values[name]
	switch {
	case len(all) == 0:
		return "", nil
	case len(all) > 1:
		return "", fault(idp.CodeSAMLAttributes, "several", "An attribute that should have one value has several. Send one, or map another attribute.", "attribute has several values")
	case all[0].tree:
		return "", fault(idp.CodeSAMLAttributes, "not-text", "A mapped attribute holds XML where text belongs. Send it as text, or map another one.", "mapped attribute has child elements")
	case len(all[0].text) > maxValue:
		return "", unreadable()
	}
	return all[0].text, nil
}

// first is the value of the first of names that has one, and that name.
func (m gathered) first(names []string) (value, name string, err error) {
	for _, n := range names {
		v, err := m.single(n)
		if err != nil || v != "" {
			return v, n, err
		}
	}
	return "", "", nil
}

// shown is first for a name that people read and nothing goes by. What does not show is left out of it: directories are
// full of marks of writing from right to left, and nobody is kept out for one.
func (m gathered) shown(names []string) (string, error) {
	for _, n := range names {
		text, err := m.sole(n)
		if err != nil {
			return "", err
		}
		text = strings.Map(func(r rune) rune {
			switch {
			case r == '\t' || r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029':
				return ' '
			case control(r):
				return -1
			}
			return r
		}, text)
		if text = strings.Join(strings.Fields(text), " "); text != "" {
			return text, nil
		}
	}
	return "", nil
}

// describe reads what is only shown.
func (m gathered) describe(id *idp.Identity, a idp.SAMLAttributes) error {
	var err error
	if id.Email, _, err = m.first(a.Email); err != nil {
		return err
	}
	if id.Email == "" && id.NameID.Format == formatEmail {
		id.Email = id.NameID.Value
	}
	if id.DisplayName, err = m.shown(a.DisplayName); err != nil || id.DisplayName != "" {
		return err
	}
	given, err := m.shown(a.GivenName)
	if err != nil {
		return err
	}
	family, err := m.shown(a.FamilyName)
	id.DisplayName = strings.TrimSpace(given + " " + family)
	return err
}

// identify reads what a person goes by, and what of it may join somebody whom SCIM made. An address is never more than a
// user name, and joins only within the tenant's own domains: providers let people type in any.
func (m gathered) identify(id *idp.Identity, conn idp.Connection) error {
	a := conn.SAML.Attributes
	name, from, err := m.first(a.UserName)
	if err != nil {
		return err
	}
	address := slices.Contains(a.Email, from) && from != ""
	if name == "" && stable(id.NameID.Format) {
		name, address = id.NameID.Value, isAddress(id.NameID)
	}
	id.Joins = idp.Joins{UserName: name, Address: address}
	if external := externalID(conn); external != "" {
		if id.Joins.ExternalID, err = m.single(external); err != nil {
			return err
		}
	}
	if id.UserName = name; name != "" {
		return nil
	}
	own := id.NameID.Value
	if conn.SAML.SubjectFrom != "" {
		own, err = m.single(conn.SAML.SubjectFrom)
	}
	id.UserName = own + "@" + string(conn.ID) // nobody else's, and it joins nobody
	return err
}

// isAddress reports an e-mail address: by its format, or, where that leaves it open, by its looks.
func isAddress(n idp.NameID) bool {
	if format(n.Format) != formatUnspecified {
		return n.Format == formatEmail
	}
	_, err := tenant.EmailDomain(n.Value)
	return err == nil
}

// stable reports a NameID that is a name, not a random word.
func stable(f string) bool { return f != idp.NameIDTransient && f != formatPersistent }

// externalID is the attribute that meets a provisioned externalId.
func externalID(conn idp.Connection) string {
	if conn.JoinClaim == "" && conn.Provider == idp.Entra {
		return entraObjectID
	}
	return conn.JoinClaim
}

// groups tells the three states apart: listed, none, and withheld.
func (m gathered) groups(names []string) (idp.GroupState, []string, error) {
	if slices.Contains(names, entraGroups) && len(m.values[entraGroupsLink]) > 0 {
		return idp.GroupsUnknown, nil, nil
	}
	var out []string
	for _, n := range names {
		for _, v := range m.values[n] {
			if v.text != "" {
				out = append(out, v.text)
			}
		}
	}
	switch {
	case len(out) > maxGroups:
		return idp.GroupsUnknown, nil, fault(idp.CodeSAMLAttributes, "groups", "More than 10,000 groups. Send only those that carry a role.", "too many groups")
	case len(out) == 0:
		return idp.GroupsNone, nil, nil
	}
	return idp.GroupsListed, out, nil
}

// claims are the attributes that nothing else of the identity holds: role mappings and policy may look at them. What is
// too long is refused: without a word about it a rule would find an attribute absent that is there.
func (m gathered) claims() (map[string]any, error) {
	kept := map[string]any{}
	for name, values := range m.values {
		if m.mapped[name] {
			continue
		}
		list := []any{}
		for _, v := range values {
			if !v.tree {
				list = append(list, v.text)
			}
		}
		kept[name] = list
	}
	b, err := json.Marshal(kept)
	if err != nil {
		return nil, fmt.Errorf("measure claims: %w", err)
	}
	if len(b) > maxClaims {
		return nil, fault(idp.CodeSAMLAttributes, "too-many", "The attributes that are not mapped are longer than 32 KiB. Map the one with the groups, or send fewer.", "unmapped attributes are too long")
	}
	return kept, nil
}
