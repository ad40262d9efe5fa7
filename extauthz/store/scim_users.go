package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// User implements directory.Tx.
func (d *directoryTx) User(id directory.UserID) (directory.User, error) {
	u, _, err := d.provisioned(id)
	return u, err
}

// provisioned locks a user that SCIM made. Others are not there for it.
func (d *directoryTx) provisioned(id directory.UserID) (directory.User, int64, error) {
	u, seq, err := d.lockUser(d.ctx, d.tenant, id)
	if err == nil && u.Source != directory.SCIM {
		err = directory.ErrNotFound
	}
	if err != nil {
		return directory.User{}, 0, fmt.Errorf("user: %w", err)
	}
	return u, seq, nil
}

// PutUser implements directory.Tx.
func (d *directoryTx) PutUser(u directory.User) (directory.User, error) {
	u, err := d.prepareUser(u)
	if err != nil {
		return directory.User{}, err
	}
	if u.ID == "" {
		return d.createUser(u)
	}
	have, seq, err := d.provisioned(u.ID)
	if err != nil {
		return directory.User{}, err
	}
	return d.changeUser(have, seq, u)
}

// maxName bounds what stands in an index: PostgreSQL refuses longer entries, and by then it is too late to say which.
const maxName = 1024

func indexable(what, text string) error {
	if !storable(text) || len(text) > maxName || len(directory.Fold(text)) > maxName {
		return fmt.Errorf("%s: %w of at most %d bytes", what, directory.ErrInvalid, maxName)
	}
	return nil
}

// prepareUser refuses what cannot be stored and takes from u only what the caller decides.
func (d *directoryTx) prepareUser(u directory.User) (directory.User, error) {
	if u.UserName == "" {
		return u, fmt.Errorf("user without a user name: %w", directory.ErrInvalid)
	}
	if err := errors.Join(indexable("userName", u.UserName), indexable("externalId", u.ExternalID)); err != nil {
		return u, err
	}
	if len(u.Doc) == 0 {
		u.Doc = json.RawMessage("{}")
	}
	if !storable(string(u.Doc)) {
		return u, fmt.Errorf("attributes: %w", directory.ErrInvalid)
	}
	doc, err := readDocument(string(u.Doc))
	if err != nil {
		return u, err
	}
	for _, v := range directory.Values(u.Doc) {
		if err := indexable(v.Attribute, v.Value); err != nil {
			return u, err
		}
	}
	u.Active = u.Active && !u.ActiveUnset
	u.Tenant, u.Source, u.DisplayName, u.Emails = d.tenant, directory.SCIM, doc.DisplayName, doc.Emails
	u.Groups = nil
	return u, nil
}

// activeColumn is null for a user whose active was taken away.
func activeColumn(u directory.User) any {
	if u.ActiveUnset {
		return nil
	}
	return number(u.Active)
}

// changeUser writes what differs, and nothing where nothing does.
func (d *directoryTx) changeUser(have directory.User, seq int64, u directory.User) (directory.User, error) {
	names := differences(have, u)
	if len(names) == 0 {
		return have, nil
	}
	u.ID, u.Epoch, u.Version, u.Created, u.LastSignIn = have.ID, have.Epoch, have.Version+1, have.Created, have.LastSignIn
	u.Modified = truncated(d.at)
	what := audit.UserChanged
	switch {
	case have.Active && !u.Active:
		u.Epoch++
		what = audit.UserDeactivated
	case !have.Active && u.Active:
		what = audit.UserActivated
	}
	if err := d.writeUser(u, seq); err != nil {
		return directory.User{}, err
	}
	if err := d.writeValues(seq, directory.Values(have.Doc), directory.Values(u.Doc)); err != nil {
		return directory.User{}, err
	}
	if err := d.unlinkJoined(have, u, seq); err != nil {
		return directory.User{}, err
	}
	d.touch(u.ID)
	d.event(what, string(u.ID), strings.Join(names, ", "))
	return u, nil
}

func (d *directoryTx) writeUser(u directory.User, seq int64) error {
	_, err := d.exec(d.ctx, `UPDATE users SET source = 'scim', user_name = $1, user_name_ci = $2, external_id = $3, active = $4, epoch = $5, version = $6,
		created = $7, modified = $8, doc = $9, display_ci = $10 WHERE tenant = $11 AND seq = $12`,
		u.UserName, directory.Fold(u.UserName), u.ExternalID, activeColumn(u), u.Epoch, u.Version,
		micros(u.Created), micros(u.Modified), string(u.Doc), directory.Fold(u.DisplayName), d.tenant, seq)
	if duplicate(err) {
		return fmt.Errorf("user name: %w", directory.ErrTaken)
	}
	if err != nil {
		return fmt.Errorf("write user: %w", err)
	}
	return nil
}

// differences names the attributes in which two users differ, as RFC 7643 spells them.
func differences(a, b directory.User) []string {
	var names []string
	for name, same := range map[string]bool{
		"userName": a.UserName == b.UserName, "externalId": a.ExternalID == b.ExternalID,
		"active": a.Active == b.Active && a.ActiveUnset == b.ActiveUnset,
	} {
		if !same {
			names = append(names, name)
		}
	}
	if !bytes.Equal(a.Doc, b.Doc) {
		names = append(names, docDifferences(a.Doc, b.Doc)...)
	}
	slices.Sort(names)
	return names
}

// docDifferences compares values, not spelling: another order of keys changes nothing.
func docDifferences(a, b json.RawMessage) []string {
	var before, after map[string]any
	if decode("attributes", string(a), &before) != nil || decode("attributes", string(b), &after) != nil {
		return []string{"attributes"}
	}
	names := map[string]struct{}{}
	for name, v := range after {
		if was, ok := before[name]; !ok || !reflect.DeepEqual(was, v) {
			names[name] = struct{}{}
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			names[name] = struct{}{}
		}
	}
	return slices.Collect(maps.Keys(names))
}

// writeValues makes user_values hold what the document says.
func (d *directoryTx) writeValues(seq int64, have, want []directory.Value) error {
	for _, v := range have {
		if slices.Contains(want, v) {
			continue
		}
		_, err := d.exec(d.ctx, "DELETE FROM user_values WHERE tenant = $1 AND attr = $2 AND val = $3 AND user_seq = $4", d.tenant, v.Attribute, v.Value, seq)
		if err != nil {
			return fmt.Errorf("write values: %w", err)
		}
	}
	for _, v := range want {
		if slices.Contains(have, v) {
			continue
		}
		_, err := d.exec(d.ctx, "INSERT INTO user_values (tenant, attr, val, user_seq) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", d.tenant, v.Attribute, v.Value, seq)
		if err != nil {
			return fmt.Errorf("write values: %w", err)
		}
	}
	return nil
}

// unlinkJoined takes away the links that an attribute made which is now another: who signed in by it before may not be
// this person any more.
func (d *directoryTx) unlinkJoined(have, u directory.User, seq int64) error {
	for rule, same := range map[idp.Join]bool{
		idp.JoinExternalID: have.ExternalID == u.ExternalID,
		idp.JoinUserName:   directory.Fold(have.UserName) == directory.Fold(u.UserName),
	} {
		if same {
			continue
		}
		n, err := d.exec(d.ctx, "DELETE FROM links WHERE tenant = $1 AND user_seq = $2 AND joined = $3", d.tenant, seq, rule)
		if err != nil {
			return fmt.Errorf("unlink user: %w", err)
		}
		if n > 0 {
			d.event(audit.UserUnlinked, string(u.ID), "the attribute that linked a sign-in changed")
		}
	}
	return nil
}

// createUser makes a user, or takes over the person whom a sign-in had made.
func (d *directoryTx) createUser(u directory.User) (directory.User, error) {
	if err := d.lift(u); err != nil {
		return directory.User{}, err
	}
	seq, err := d.adoptable(u)
	if err != nil {
		return directory.User{}, err
	}
	now := truncated(d.at)
	u.Created, u.Modified = now, now
	if seq != 0 {
		return d.adopt(u, seq)
	}
	u.ID, u.Epoch, u.Version = directory.NewUserID(), 1, 1
	err = d.QueryRowContext(d.ctx, `INSERT INTO users (tenant, id, source, user_name, user_name_ci, external_id, active, epoch, version, created, modified, last_sign_in, doc, display_ci)
		VALUES ($1, $2, 'scim', $3, $4, $5, $6, 1, 1, $7, $7, 0, $8, $9) RETURNING seq`,
		d.tenant, u.ID, u.UserName, directory.Fold(u.UserName), u.ExternalID, activeColumn(u), micros(now), string(u.Doc), directory.Fold(u.DisplayName)).Scan(&seq)
	if duplicate(err) {
		return directory.User{}, fmt.Errorf("user name: %w", directory.ErrTaken)
	}
	if err != nil {
		return directory.User{}, fmt.Errorf("create user: %w", err)
	}
	if err := d.writeValues(seq, nil, directory.Values(u.Doc)); err != nil {
		return directory.User{}, err
	}
	d.users++
	d.touch(u.ID)
	d.event(audit.UserCreated, string(u.ID), "")
	return u, nil
}

// lift removes the tombstones of the person who is provisioned again. They get a new id: nothing of the old one comes
// back.
func (d *directoryTx) lift(u directory.User) error {
	n, err := d.exec(d.ctx, "DELETE FROM tombstones WHERE tenant = $1 AND (user_name_ci = $2 OR external_id = $3 AND external_id <> '')",
		d.tenant, directory.Fold(u.UserName), u.ExternalID)
	if err != nil {
		return fmt.Errorf("lift tombstone: %w", err)
	}
	if n > 0 {
		d.event(audit.TombstoneLifted, directory.Fold(u.UserName), "provisioned again")
	}
	return nil
}

// adoptable finds the one person made by a sign-in whom this user is: by what their link would join on, first the
// externalId, then the user name. Two candidates are none.
func (d *directoryTx) adoptable(u directory.User) (int64, error) {
	for _, by := range []struct{ value, column, rule string }{
		{u.ExternalID, "join_external", "c.join_rule = 'external_id'"},
		{directory.Fold(u.UserName), "join_name", "(c.join_rule = 'user_name' OR c.join_rule = 'external_id' AND c.provider IN ('okta', 'entra'))"},
	} {
		if by.value == "" {
			continue
		}
		var found []int64
		err := d.scan(d.ctx, func(scan func(...any) error) error {
			var seq int64
			err := scan(&seq)
			found = append(found, seq)
			return err
		}, "SELECT DISTINCT l.user_seq FROM links l JOIN connections c ON c.tenant = l.tenant AND c.id = l.connection JOIN users u ON u.tenant = l.tenant AND u.seq = l.user_seq WHERE l.tenant = $1 AND l."+
			by.column+" = $2 AND u.source = 'jit' AND "+by.rule+" LIMIT 2", d.tenant, by.value)
		if err != nil {
			return 0, fmt.Errorf("find person to adopt: %w", err)
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return 0, nil
		}
	}
	return 0, nil
}

// adopt turns a person made by a sign-in into SCIM's. The id stays, and the links with it.
func (d *directoryTx) adopt(u directory.User, seq int64) (directory.User, error) {
	have, _, err := scanUser(d.QueryRowContext(d.ctx, "SELECT "+userColumns+" FROM users WHERE tenant = $1 AND seq = $2 FOR UPDATE", d.tenant, seq).Scan)
	if errors.Is(err, directory.ErrNotFound) || err == nil && have.Source != directory.JIT {
		return directory.User{}, errAgain
	}
	if err != nil {
		return directory.User{}, fmt.Errorf("adopt user: %w", err)
	}
	u.ID, u.Epoch, u.Version, u.LastSignIn = have.ID, have.Epoch, have.Version+1, have.LastSignIn
	if have.Active && !u.Active {
		u.Epoch++
	}
	if err := d.writeUser(u, seq); err != nil {
		return directory.User{}, err
	}
	if err := d.writeValues(seq, nil, directory.Values(u.Doc)); err != nil {
		return directory.User{}, err
	}
	_, err = d.exec(d.ctx, `UPDATE links SET joined = CASE WHEN join_external = $1 AND join_external <> '' THEN 'external_id'
		WHEN join_name = $2 AND join_name <> '' THEN 'user_name' ELSE joined END WHERE tenant = $3 AND user_seq = $4`,
		u.ExternalID, directory.Fold(u.UserName), d.tenant, seq)
	if err != nil {
		return directory.User{}, fmt.Errorf("adopt user: %w", err)
	}
	d.users++
	d.touch(u.ID)
	d.event(audit.UserAdopted, string(u.ID), "")
	return u, d.bind(u.ID, seq)
}

// bind makes memberships of those that waited for exactly this id.
func (d *directoryTx) bind(id directory.UserID, seq int64) error {
	n, err := d.exec(d.ctx, `UPDATE user_groups SET version = version + 1, modified = $1 WHERE tenant = $2 AND seq IN
		(SELECT group_seq FROM pending_memberships WHERE tenant = $2 AND value = $3)`, micros(d.at), d.tenant, id)
	if err != nil || n == 0 {
		return err
	}
	_, err = d.exec(d.ctx, `INSERT INTO memberships (tenant, group_seq, user_seq) SELECT tenant, group_seq, CAST($3 AS BIGINT) FROM pending_memberships
		WHERE tenant = $1 AND value = $2 ON CONFLICT DO NOTHING`, d.tenant, id, seq)
	if err != nil {
		return fmt.Errorf("bind pending memberships: %w", err)
	}
	_, err = d.exec(d.ctx, "DELETE FROM pending_memberships WHERE tenant = $1 AND value = $2", d.tenant, id)
	return err
}

// Delete implements directory.Tx.
func (d *directoryTx) Delete(r directory.Ref) error {
	switch {
	case r.User != "" && r.Group == "":
		return d.deleteUser(r.User)
	case r.Group != "" && r.User == "":
		return d.deleteGroup(r.Group)
	}
	return fmt.Errorf("neither a user nor a group: %w", directory.ErrNotFound)
}

func (d *directoryTx) deleteUser(id directory.UserID) error {
	// Groups before members, as everywhere: two writers that want the same rows in another order wait for each other.
	if err := d.lockGroupsOf(d.ctx, d.tenant, id); err != nil {
		return err
	}
	u, seq, err := d.provisioned(id)
	if err != nil {
		return err
	}
	if err := d.removeUser(d.ctx, u, seq); err != nil {
		return err
	}
	d.users--
	d.touch(id)
	d.event(audit.UserDeleted, string(id), "")
	return nil
}
