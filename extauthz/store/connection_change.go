package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp"
)

// ErrChanged reports a change that was made from a version of the connection which is no longer there: read it again.
var ErrChanged = errors.New("changed meanwhile")

// UpdateConnection writes a connection's settings over those of version c.Version (ErrChanged: it has another by now).
// Own keys that c does not have stay. Where another provider, or another name for people, takes the place of the old,
// the connection's sessions end, and its people are recognised anew. ErrDeclared: the configuration file has it.
func (s *Store) UpdateConnection(ctx context.Context, c idp.Connection, actor string) (idp.Connection, error) {
	c.Declared = false
	c, err := prepareConnection(c)
	if err != nil {
		return idp.Connection{}, err
	}
	var out idp.Connection
	err = s.write(ctx, "change connection", func(ctx context.Context, t *tx) error {
		have, err := t.lockConnection(ctx, c.Tenant, c.ID)
		switch {
		case err != nil:
			return err
		case have.Declared:
			return fmt.Errorf("connection %s is %w", c.ID, ErrDeclared)
		case have.Version != c.Version:
			return fmt.Errorf("connection %s: %w", c.ID, ErrChanged)
		}
		want := c
		if len(want.SAML.SPKeys) == 0 && want.Protocol == idp.SAML {
			want.SAML.SPKeys = have.SAML.SPKeys
		}
		out, err = t.updateConnection(ctx, have, want, actor, because("settings changed", have.SAML, want.SAML))
		return err
	})
	if err != nil {
		return idp.Connection{}, err
	}
	return out, nil
}

// ApplySAML writes what was read about a provider, or own keys, over a connection of the version the change was made
// from (ErrChanged: it has another by now, perhaps because another replica was faster). The version rises unless only
// instants of fetching changed. Declared connections change too: the file does not hold what is fetched.
func (s *Store) ApplySAML(ctx context.Context, ch idp.ConnectionChange) error {
	return s.write(ctx, "apply metadata", func(ctx context.Context, t *tx) error {
		have, err := t.lockConnection(ctx, ch.Tenant, ch.Connection)
		if err != nil {
			return err
		}
		if have.Protocol != idp.SAML || have.Version != ch.Version {
			return fmt.Errorf("connection %s: %w", ch.Connection, ErrChanged)
		}
		want := have
		if ch.IdP != nil {
			want.SAML.IdP = *ch.IdP
		}
		if ch.SPKeys != nil {
			want.SAML.SPKeys = ch.SPKeys
		}
		if want, err = prepareConnection(want); err != nil {
			return err
		}
		reason := ch.Reason
		if reason == "" {
			reason = "metadata changed"
		}
		_, err = t.updateConnection(ctx, have, want, ch.Actor, reason)
		return err
	})
}

// SAMLConnections reads the enabled connections of protocol saml of all tenants, for whoever keeps their metadata
// fresh; from the database, not from a copy. Those that cannot be read are left out, and the error says so.
func (s *Store) SAMLConnections(ctx context.Context) ([]idp.Connection, error) {
	var all []idp.Connection
	var unreadable []error
	err := s.read(ctx, "list connections over SAML", func(ctx context.Context, q querier) error {
		all, unreadable = nil, nil
		return q.scan(ctx, func(scan func(...any) error) error {
			c, err := s.scanConnection(scan)
			switch {
			case err == nil:
				all = append(all, c)
			case c.ID != "": // the row was there, and something in it does not open
				unreadable = append(unreadable, err)
			default:
				return err
			}
			return nil
		}, "SELECT "+connectionColumns+" FROM connections WHERE protocol = $1 AND enabled = 1 ORDER BY tenant, id", idp.SAML)
	})
	return all, errors.Join(err, errors.Join(unreadable...))
}

// updateConnection writes want over have, which is locked; both are prepared. What is the same is not touched.
func (t *tx) updateConnection(ctx context.Context, have, want idp.Connection, actor, reason string) (idp.Connection, error) {
	want.Version, want.Epoch, want.Created, want.Declared = have.Version, have.Epoch, have.Created, have.Declared
	if want.Join == "" {
		want.Join = have.Join
	}
	if sameConnection(have, want) {
		return have, nil
	}
	quiet := sameConnection(withFetchOf(have, want), want)
	if !quiet {
		want.Version++
	}
	other := otherProvider(have, want)
	names := otherNames(have, want)
	if other || names || have.Enabled != want.Enabled {
		want.Epoch++ // whoever the old provider vouched for signs in at the new one
	}
	sealed, err := t.s.sealConnection(want)
	if err != nil {
		return want, err
	}
	_, err = t.exec(ctx, `UPDATE connections SET protocol = $1, provider = $2, name = $3, enabled = $4, version = $5, epoch = $6, settings = $7, client_secret = $8,
		join_rule = $9, join_claim = $10, sp_keys = $11 WHERE tenant = $12 AND id = $13`,
		want.Protocol, want.Provider, want.Name, number(want.Enabled), want.Version, want.Epoch, sealed.settings, sealed.clientSecret,
		want.Join, want.JoinClaim, sealed.spKeys, want.Tenant, want.ID)
	if err != nil {
		return want, err
	}
	if other {
		if _, err := t.exec(ctx, "DELETE FROM idp_documents WHERE tenant = $1 AND connection = $2", want.Tenant, want.ID); err != nil {
			return want, err
		}
	}
	if quiet {
		t.changed(realmChanged, want.Tenant, "")
		return want, nil
	}
	cleared, err := t.clearLinks(ctx, have, want, names)
	if err != nil {
		return want, err
	}
	return want, t.connectionChanged(ctx, want, audit.ConnectionChanged, reason+consequence(other || names, cleared), actor)
}

func consequence(ended bool, cleared int64) string {
	if !ended && cleared == 0 {
		return ""
	}
	text := "; its sessions are ended"
	if cleared > 0 {
		text += ", and " + strconv.FormatInt(cleared, 10) + " links to people removed: they are recognised anew"
	}
	return text
}

// otherProvider reports that somebody else vouches for people from now on. A declared connection whose metadata is not
// fetched yet has no provider: that too is another one.
func otherProvider(have, want idp.Connection) bool {
	return have.Protocol != want.Protocol || have.Settings.Issuer != want.Settings.Issuer || have.SAML.IdP.EntityID != want.SAML.IdP.EntityID
}

// otherNames reports that the same provider names the same people differently from now on.
func otherNames(have, want idp.Connection) bool {
	return have.Protocol == idp.SAML && want.Protocol == idp.SAML &&
		(have.SAML.SubjectFrom != want.SAML.SubjectFrom || have.SAML.NameIDFormat != want.SAML.NameIDFormat)
}

// clearLinks removes the links by which nobody can be recognised any more: a person has one link of a connection, so an
// old one would keep them out under their new name. While no provider is known they stay, for it may be the old one.
func (t *tx) clearLinks(ctx context.Context, have, want idp.Connection, names bool) (int64, error) {
	var keep string // the issuer whose links stay
	switch {
	case names:
	case want.Protocol == idp.SAML && want.SAML.IdP.EntityID != "" && want.SAML.IdP.EntityID != have.SAML.IdP.EntityID:
		keep = want.SAML.IdP.EntityID
	default:
		return 0, nil
	}
	n, err := t.exec(ctx, "DELETE FROM links WHERE tenant = $1 AND connection = $2 AND iss <> $3", want.Tenant, want.ID, keep)
	if err != nil {
		return 0, fmt.Errorf("clear links: %w", err)
	}
	if n > 0 {
		t.changed(peopleChanged, want.Tenant, "")
	}
	return n, nil
}

// withFetchOf is have, with the instants and the outcome of want's fetches. Where that is want, nothing else changed.
func withFetchOf(have, want idp.Connection) idp.Connection {
	idpOf := &have.SAML.IdP
	idpOf.Fetched, idpOf.FetchAttempted, idpOf.FetchError = want.SAML.IdP.Fetched, want.SAML.IdP.FetchAttempted, want.SAML.IdP.FetchError
	return have
}

// sameConnection compares as stored: an empty list and none are the same there.
func sameConnection(a, b idp.Connection) bool {
	if !a.Settings.ClientSecret.Equal(b.Settings.ClientSecret) || !sameSPKeys(a.SAML.SPKeys, b.SAML.SPKeys) {
		return false
	}
	textA, errA := settingsText(a)
	textB, errB := settingsText(b)
	a.Settings, b.Settings, a.SAML, b.SAML = idp.OIDCSettings{}, idp.OIDCSettings{}, idp.SAMLSettings{}, idp.SAMLSettings{}
	return errA == nil && errB == nil && textA == textB && reflect.DeepEqual(a, b)
}

func settingsText(c idp.Connection) (string, error) {
	if c.Protocol == idp.SAML {
		return encodeSAML(c.SAML)
	}
	return encodeSettings(c.Settings)
}

// keepFetched gives a connection of the configuration file what the file does not hold: own keys, what was fetched from
// the metadata URL it names, and since when each key of the provider is known.
func keepFetched(have, want idp.Connection) idp.Connection {
	if have.Protocol != idp.SAML || want.Protocol != idp.SAML {
		return want
	}
	old, fresh := have.SAML, &want.SAML
	if len(fresh.SPKeys) == 0 {
		fresh.SPKeys = old.SPKeys
	}
	sameProvider := fresh.IdP.EntityID == "" || fresh.IdP.EntityID == old.IdP.EntityID
	switch {
	case fresh.MetadataURL != "" && fresh.MetadataURL == old.MetadataURL && len(fresh.IdP.Keys) == 0 && sameProvider:
		fresh.IdP = old.IdP
	case sameProvider && len(fresh.IdP.Keys) > 0: // of another URL nothing was fetched yet
		fresh.IdP.Fetched, fresh.IdP.FetchAttempted, fresh.IdP.FetchError = old.IdP.Fetched, old.IdP.FetchAttempted, old.IdP.FetchError
		since := map[string]time.Time{}
		for _, k := range old.IdP.Keys {
			since[k.SHA256] = k.FirstSeen
		}
		for i, k := range fresh.IdP.Keys { // the list is want's own: it was prepared
			if at, ok := since[k.SHA256]; ok {
				fresh.IdP.Keys[i].FirstSeen = at
			}
		}
	}
	return want
}
