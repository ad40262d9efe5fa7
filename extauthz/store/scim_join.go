package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// joins leaves of what an identity asserts what its connection may join by, folded as it is compared. A connection that
// joins nobody has nothing left: it cannot speak of the people that another provider made.
func (t *tx) joins(ctx context.Context, r rules, i idp.Identity) (idp.Joins, error) {
	var left idp.Joins
	switch r.join {
	case idp.JoinExternalID:
		left.ExternalID = i.Joins.ExternalID
		if r.provider == idp.Okta || r.provider == idp.Entra { // they may provision another externalId than they assert
			left.UserName = directory.Fold(i.Joins.UserName)
		}
	case idp.JoinUserName:
		left.UserName = directory.Fold(i.Joins.UserName)
	case idp.JoinNone:
		return left, nil
	default:
		return left, nil
	}
	if left.UserName == "" || !i.Joins.Address {
		return left, nil
	}
	// Anybody can have an address at a provider of addresses; only in the tenant's own domains does one name a colleague.
	domain, err := tenant.EmailDomain(i.Joins.UserName)
	if err != nil {
		left.UserName = ""
		return left, nil //nolint:nilerr // not an address: it joins nobody, that is the answer
	}
	var n int
	if err := t.QueryRowContext(ctx, "SELECT COUNT(*) FROM tenant_domains WHERE domain = $1 AND tenant = $2", domain, i.Tenant).Scan(&n); err != nil {
		return left, fmt.Errorf("read domains: %w", err)
	}
	if n == 0 {
		left.UserName = ""
	}
	return left, nil
}

// join finds the provisioned person whom an identity means and links them. have is whom the identity was linked to so
// far, somebody made by a sign-in; its row number is 0 where there is nobody. It returns row number 0 when it joins nobody.
func (t *tx) join(ctx context.Context, i idp.Identity, have directory.User, from int64) (directory.User, int64, error) {
	seq, by, err := t.joinable(ctx, i)
	if err != nil || seq == 0 {
		return directory.User{}, 0, err
	}
	user, seq, err := scanUser(t.QueryRowContext(ctx, "SELECT "+userColumns+" FROM users WHERE tenant = $1 AND seq = $2 FOR UPDATE", i.Tenant, seq).Scan)
	if errors.Is(err, directory.ErrNotFound) {
		return user, 0, errAgain // deleted between the two reads
	}
	if err != nil {
		return user, 0, err
	}
	if !user.Active {
		return user, seq, nil // refused by the caller, and so not linked
	}
	if from != 0 {
		if err := t.leave(ctx, i, have, from); err != nil {
			return user, 0, err
		}
	}
	n, err := t.writeLink(ctx, seq, i, by, "DO NOTHING")
	if err != nil {
		return user, 0, err
	}
	if n == 0 {
		return user, 0, &idp.Error{
			Code: idp.CodeLinked, Err: fmt.Errorf("user %s is linked to another subject of this connection", user.ID),
			Hint: "Somebody else signed in as this person before, or their account at the identity provider was made anew. Check who it is, then remove the link.",
		}
	}
	return user, seq, t.record(ctx, audit.Event{
		Tenant: i.Tenant, Actor: "gate", Action: audit.UserLinked, Target: string(user.ID), Connection: i.Connection, Subject: i.Subject,
		Outcome: "ok", Reason: string(by),
	})
}

// joinable finds the one provisioned user that an identity meets, and by which attribute.
func (t *tx) joinable(ctx context.Context, i idp.Identity) (int64, idp.Join, error) {
	for _, by := range []struct {
		rule          idp.Join
		value, column string
	}{{idp.JoinExternalID, i.Joins.ExternalID, "external_id"}, {idp.JoinUserName, i.Joins.UserName, "user_name_ci"}} {
		if by.value == "" {
			continue
		}
		var found []int64
		err := t.scan(ctx, func(scan func(...any) error) error {
			var seq int64
			err := scan(&seq)
			found = append(found, seq)
			return err
		}, "SELECT seq FROM users WHERE tenant = $1 AND source = 'scim' AND "+by.column+" = $2 LIMIT 2", i.Tenant, by.value)
		switch {
		case err != nil:
			return 0, "", fmt.Errorf("find person to join: %w", err)
		case len(found) == 1:
			return found[0], by.rule, nil
		case len(found) > 1:
			return 0, "", &idp.Error{
				Code: idp.CodeAmbiguous, Err: fmt.Errorf("two users have the %s that was asserted", by.rule),
				Hint: "Two provisioned people have this externalId. Make it unique at the identity provider.",
			}
		}
	}
	return 0, "", nil
}

// leave takes the link away from the person made by a sign-in, and removes them when it was their last.
func (t *tx) leave(ctx context.Context, i idp.Identity, u directory.User, seq int64) error {
	_, err := t.exec(ctx, "DELETE FROM links WHERE tenant = $1 AND connection = $2 AND iss = $3 AND sub = $4", i.Tenant, i.Connection, i.Issuer, i.Subject)
	if err != nil {
		return fmt.Errorf("move link: %w", err)
	}
	var left int
	if err := t.QueryRowContext(ctx, "SELECT COUNT(*) FROM links WHERE tenant = $1 AND user_seq = $2", i.Tenant, seq).Scan(&left); err != nil {
		return fmt.Errorf("move link: %w", err)
	}
	if left > 0 {
		t.changed(userChanged, i.Tenant, string(u.ID))
		return nil
	}
	return t.forgetPerson(ctx, u)
}
