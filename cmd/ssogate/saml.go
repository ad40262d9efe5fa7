package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml"
)

type samlCmd struct {
	Guide       samlGuideCmd       `cmd:"" help:"Print what to enter at the provider: of a connection, or before there is one."`
	Metadata    samlMetadataCmd    `cmd:"" help:"Print our metadata for a connection, as the provider takes it."`
	Certificate samlCertificateCmd `cmd:"" help:"Print our certificate for a connection, as PEM."`
	Refresh     samlRefreshCmd     `cmd:"" help:"Read the provider's metadata again, now."`
	Confirm     samlConfirmCmd     `cmd:"" help:"Trust a key or an address that waits: it came with the metadata, and no known key vouches for it."`
	Keys        samlKeysCmd        `cmd:"" help:"Our own keys of a connection, and how to change them without anybody noticing."`
}

// withSAML opens the store and finds a connection over SAML, be it declared or not: the file does not hold what is
// fetched, nor our keys.
func (a *app) withSAML(tenantName, name string, work func(*store.Store, Config, idp.Connection) error) error {
	return a.withAnyConnection(tenantName, name, func(s *store.Store, c Config, _ idp.Realm, conn idp.Connection) error {
		if conn.Protocol != idp.SAML {
			return hinted("see: ssogate connection list --tenant "+tenantName, "connection %s is over %s, not SAML", conn.ID, conn.Protocol)
		}
		return work(s, c, conn)
	})
}

// change applies a change of what is fetched, or of our keys.
func (a *app) change(s *store.Store, conn idp.Connection, ch idp.ConnectionChange) error {
	ch.Tenant, ch.Connection, ch.Version, ch.Actor = conn.Tenant, conn.ID, conn.Version, actor
	err := s.ApplySAML(a.ctx, ch)
	if errors.Is(err, store.ErrChanged) {
		return hinted("run the command again", "connection %s was changed by the gate or by somebody else meanwhile", conn.ID)
	}
	if err != nil {
		return fmt.Errorf("change connection %s: %w", conn.ID, err)
	}
	return nil
}

type samlMetadataCmd struct {
	Connection string `arg:"" help:"The connection."`
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
}

// Run prints the document that the gate serves at its metadata address.
func (cmd samlMetadataCmd) Run(a *app) error {
	return a.withSAML(cmd.Tenant, cmd.Connection, func(_ *store.Store, c Config, conn idp.Connection) error {
		connector, err := a.samlConnector(c)
		if err != nil {
			return err
		}
		document, err := connector.Metadata(a.ctx, conn)
		if err != nil {
			return fmt.Errorf("write metadata: %w", err)
		}
		out := struct {
			samlAddresses
			Document string `json:"document"`
		}{c.samlAddresses(conn.ID), string(document)}
		return a.result(out, "%s", strings.TrimRight(out.Document, "\n"))
	})
}

type samlCertificateCmd struct {
	Connection string `arg:"" help:"The connection."`
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
	Use        string `enum:"signing,encryption" default:"signing" help:"signing or encryption." placeholder:"USE"`
	Next       bool   `help:"The one that a rollover brings, in place of the current one."`
}

// Run prints a certificate for providers that take no metadata.
func (cmd samlCertificateCmd) Run(a *app) error {
	return a.withSAML(cmd.Tenant, cmd.Connection, func(_ *store.Store, _ Config, conn idp.Connection) error {
		want := yes(cmd.Next, "next", "current")
		rows := spKeyRows(conn.SAML.SPKeys, a.now())
		i := slices.IndexFunc(rows, func(r certificateRow) bool { return r.Use == cmd.Use && r.State == want })
		if i < 0 {
			return hinted("see: ssogate saml keys list --tenant "+cmd.Tenant+" "+cmd.Connection, "connection %s has no %s key for %s", conn.ID, want, cmd.Use)
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: conn.SAML.SPKeys[i].Certificate})
		out := struct {
			certificateRow
			PEM string `json:"pem"`
		}{rows[i], string(text)}
		return a.result(out, "%s", strings.TrimRight(out.PEM, "\n"))
	})
}

type samlRefreshCmd struct {
	Connection string `arg:"" help:"The connection."`
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
}

// refreshed is what reading metadata again reports.
type refreshed struct {
	Connection idp.ConnectionID `json:"connection"`
	Changes    []string         `json:"changes"`
	Pending    int              `json:"pending"`
	Warnings   []string         `json:"warnings"`
}

// Run does now what the gate does every day.
func (cmd samlRefreshCmd) Run(a *app) error {
	return a.withSAML(cmd.Tenant, cmd.Connection, func(s *store.Store, c Config, conn idp.Connection) error {
		if conn.SAML.MetadataURL == "" {
			return hinted(fmt.Sprintf("ssogate connection update --tenant %s %s --saml-metadata URL, or FILE for a new document", cmd.Tenant, conn.ID),
				"connection %s has no metadata address", conn.ID)
		}
		connector, err := a.samlConnector(c)
		if err != nil {
			return err
		}
		next, n, err := refresh(a.ctx, connector, conn, a.now())
		if err != nil {
			return errors.Join(unread(conn.SAML.MetadataURL, err), a.change(s, conn, idp.ConnectionChange{IdP: &next}))
		}
		out := refreshed{Connection: conn.ID, Changes: notNil(n.changes), Pending: pendingOf(next), Warnings: notNil(n.Warnings)}
		if err := a.change(s, conn, idp.ConnectionChange{IdP: &next, Reason: n.Reason()}); err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(out)
		}
		if len(out.Changes) == 0 {
			a.printf("connection %s: nothing new in the metadata", conn.ID)
		}
		for _, one := range out.Changes {
			a.printf("connection %s: %s", conn.ID, one)
		}
		a.notes(out.Warnings)
		if out.Pending > 0 {
			a.printf("\nNo known key vouches for what waits. Compare it with what the provider shows, then:\n  ssogate saml confirm --tenant %s %s", conn.Tenant, conn.ID)
		}
		return nil
	})
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// pendingOf counts what waits for an admin.
func pendingOf(p idp.SAMLIdP) int {
	n := 0
	for _, k := range p.Keys {
		if k.State == idp.KeyPending {
			n++
		}
	}
	if p.Pending != (idp.SAMLEndpoints{}) {
		n++
	}
	return n
}

type samlConfirmCmd struct {
	Connection string   `arg:"" help:"The connection."`
	Tenant     string   `required:"" help:"The tenant." placeholder:"ID"`
	Key        []string `sep:"none" help:"Only this key: 16 or more digits of its fingerprint; repeat for more. Default: all that waits." placeholder:"PRINT"`
	Endpoints  bool     `help:"Only the addresses, or with --key those as well."`
	Yes        bool     `help:"Do not ask. Wants --key or --endpoints."`
}

// confirmed is what a confirmation reports.
type confirmed struct {
	Connection idp.ConnectionID `json:"connection"`
	Keys       []certificateRow `json:"keys"`
	SSOURL     string           `json:"sso_url,omitempty"`
	SLOURL     string           `json:"slo_url,omitempty"`
}

// Run shows what waits and trusts it when told so twice: whoever holds a key signs people in.
func (cmd samlConfirmCmd) Run(a *app) error {
	return a.withSAML(cmd.Tenant, cmd.Connection, func(s *store.Store, _ Config, conn idp.Connection) error {
		next, done, err := cmd.confirm(a, conn)
		if err != nil {
			return err
		}
		if cmd.Yes && len(cmd.Key) == 0 && !cmd.Endpoints {
			return misused("name what you compared: --key PRINT, --endpoints", "--yes without saying to what: another may have come since you looked")
		}
		question := fmt.Sprintf("Trust %s for connection %s? Whoever holds the key signs people in.", done.what(), conn.ID)
		if err := a.confirm(cmd.Yes, question); err != nil {
			return err
		}
		if err := a.change(s, conn, idp.ConnectionChange{IdP: &next, Reason: done.reason()}); err != nil {
			return err
		}
		return a.result(done, "connection %s trusts %s", conn.ID, done.what())
	})
}

// confirm makes what waits count, and tells what that is.
func (cmd samlConfirmCmd) confirm(a *app, conn idp.Connection) (idp.SAMLIdP, confirmed, error) {
	have, done := conn.SAML.IdP, confirmed{Connection: conn.ID, Keys: []certificateRow{}}
	names := slices.Clone(cmd.Key)
	for i, prefix := range names {
		names[i] = strings.ReplaceAll(prefix, ":", "")
	}
	if cmd.Endpoints {
		names = append(names, saml.PendingEndpoints)
	}
	next, err := saml.Confirm(have, names...)
	if err != nil {
		return next, done, hinted("see: ssogate connection show --tenant "+cmd.Tenant+" "+cmd.Connection, "connection %s: %s", conn.ID, err)
	}
	for i, k := range next.Keys {
		if k.State == idp.KeyActive && have.Keys[i].State != idp.KeyActive {
			row := certificateRowOf(k.Certificate, a.now())
			row.State, row.Source, row.FirstSeen = string(k.State), k.Source, stamp(k.FirstSeen)
			done.Keys = append(done.Keys, row)
		}
	}
	if next.Endpoints != have.Endpoints {
		done.SSOURL, done.SLOURL = next.Endpoints.SSOURL, next.Endpoints.SLOURL
	}
	return next, done, nil
}

// what names all that is confirmed, so that it can be compared with what the provider shows.
func (c confirmed) what() string {
	var all []string
	for _, k := range c.Keys {
		all = append(all, fmt.Sprintf("key %s (%s, %s)", k.SHA256, k.Kind, k.left()))
	}
	for _, url := range []string{c.SSOURL, c.SLOURL} {
		if url != "" {
			all = append(all, url)
		}
	}
	return strings.Join(all, ", ")
}

// reason is for the audit row: fingerprints, and none of the provider's addresses.
func (c confirmed) reason() string {
	var all []string
	for _, k := range c.Keys {
		all = append(all, "certificate "+shortPrint(k.SHA256))
	}
	if c.SSOURL != "" || c.SLOURL != "" {
		all = append(all, "endpoints")
	}
	return "confirmed: " + strings.Join(all, ", ")
}

type samlKeysCmd struct {
	List    samlKeysListCmd    `cmd:"" help:"List our keys of a connection, without what is secret."`
	Begin   samlKeysBeginCmd   `cmd:"" help:"Make the next keys and publish them in our metadata beside the current ones."`
	Promote samlKeysPromoteCmd `cmd:"" help:"Sign with the next keys: the provider has them."`
	Drop    samlKeysDropCmd    `cmd:"" help:"Forget the old keys: the provider encrypts with the new one."`
}

type samlKeysListCmd struct {
	Connection string `arg:"" help:"The connection."`
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
}

// Run prints our keys.
func (cmd samlKeysListCmd) Run(a *app) error {
	return a.withSAML(cmd.Tenant, cmd.Connection, func(_ *store.Store, _ Config, conn idp.Connection) error {
		return a.spKeyTable(conn.SAML.SPKeys)
	})
}

func (a *app) spKeyTable(keys []idp.SAMLSPKey) error {
	return table(a, spKeyRows(keys, a.now()), "no keys yet: the gate makes them when it starts", []string{"KEY", "FOR", "STATE", "LEFT", "EXPIRES", "MADE"},
		func(r certificateRow) []string {
			return []string{shortPrint(r.SHA256), r.Use, r.State, r.left(), whenP(r.NotAfter), whenP(r.FirstSeen)}
		})
}

type samlKeysBeginCmd struct {
	Connection string `arg:"" help:"The connection."`
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
}

// Run begins a rollover.
func (cmd samlKeysBeginCmd) Run(a *app) error {
	return a.rollover(cmd.Tenant, cmd.Connection, "next keys published", func(have []idp.SAMLSPKey) ([]idp.SAMLSPKey, error) {
		return saml.BeginRollover(have, cmd.Connection, a.now())
	}, "give the provider our metadata again (ssogate saml metadata), then: ssogate saml keys promote")
}

type samlKeysPromoteCmd struct {
	Connection string `arg:"" help:"The connection."`
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
}

// Run signs with the next keys.
func (cmd samlKeysPromoteCmd) Run(a *app) error {
	return a.rollover(cmd.Tenant, cmd.Connection, "next keys in use", saml.Promote, "after a day, when nobody signs in with the old ones any more: ssogate saml keys drop")
}

type samlKeysDropCmd struct {
	Connection string `arg:"" help:"The connection."`
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
}

// Run ends a rollover.
func (cmd samlKeysDropCmd) Run(a *app) error {
	return a.rollover(cmd.Tenant, cmd.Connection, "old keys dropped", saml.DropOld, "")
}

// rollover takes our keys one step further.
func (a *app) rollover(tenantName, name, reason string, step func([]idp.SAMLSPKey) ([]idp.SAMLSPKey, error), then string) error {
	return a.withSAML(tenantName, name, func(s *store.Store, _ Config, conn idp.Connection) error {
		keys, err := step(conn.SAML.SPKeys)
		at := fmt.Sprintf("--tenant %s %s", conn.Tenant, conn.ID)
		switch {
		case errors.Is(err, saml.ErrRollover):
			return hinted(fmt.Sprintf("finish it first: ssogate saml keys promote %s, then ssogate saml keys drop %s", at, at), "connection %s is in the middle of a rollover", conn.ID)
		case errors.Is(err, saml.ErrNoRollover):
			return hinted(fmt.Sprintf("see: ssogate saml keys list %s; a rollover begins with ssogate saml keys begin %s", at, at), "connection %s has no keys for this step", conn.ID)
		case err != nil:
			return fmt.Errorf("change keys of connection %s: %w", conn.ID, err)
		}
		if err := a.change(s, conn, idp.ConnectionChange{SPKeys: keys, Reason: reason}); err != nil {
			return err
		}
		if err := a.spKeyTable(keys); err != nil || a.json() {
			return err
		}
		if then != "" {
			a.printf("\nThen %s %s", then, at)
		}
		return nil
	})
}
