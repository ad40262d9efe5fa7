package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

type connectionCmd struct {
	Create  connectionCreateCmd  `cmd:"" help:"Trust an identity provider."`
	List    connectionListCmd    `cmd:"" help:"List a tenant's connections."`
	Show    connectionShowCmd    `cmd:"" help:"All settings of one connection, its keys, and what to enter at the provider."`
	Update  connectionUpdateCmd  `cmd:"" help:"Change a connection's settings."`
	Test    connectionTestCmd    `cmd:"" help:"Try a connection: sign in once, and see what the provider said and which role that gives."`
	Join    connectionJoinCmd    `cmd:"" help:"Say how people who sign in meet those whom SCIM made."`
	Enable  connectionEnableCmd  `cmd:"" help:"Let people sign in over a connection again."`
	Disable connectionDisableCmd `cmd:"" help:"Stop a connection; its sessions end at once."`
	Delete  connectionDeleteCmd  `cmd:"" help:"Remove a connection; its sessions end at once."`
}

// connectionRow is a connection as commands print it: without the client secret.
type connectionRow struct {
	ID       idp.ConnectionID `json:"id"`
	Tenant   tenant.ID        `json:"tenant"`
	Name     string           `json:"name"`
	Protocol idp.Protocol     `json:"protocol"`
	Provider idp.Provider     `json:"provider"`
	Issuer   string           `json:"issuer"`
	ClientID string           `json:"client_id,omitempty"`
	Join     idp.Join         `json:"join"`
	Enabled  bool             `json:"enabled"`
	Declared bool             `json:"declared"`
	Created  *time.Time       `json:"created,omitempty"`
	SAML     *samlRow         `json:"saml,omitempty"`
}

func connectionRowOf(c idp.Connection, now time.Time) connectionRow {
	row := connectionRow{
		ID: c.ID, Tenant: c.Tenant, Name: c.Name, Protocol: c.Protocol, Provider: c.Provider, Issuer: issuerOf(c),
		ClientID: c.Settings.ClientID, Join: c.Join, Enabled: c.Enabled, Declared: c.Declared, Created: stamp(c.Created),
	}
	if c.Protocol == idp.SAML {
		row.SAML = samlRowOf(c.SAML, now)
	}
	return row
}

// issuerOf is what the provider calls itself: OIDC's issuer, SAML's entity id.
func issuerOf(c idp.Connection) string {
	if c.Protocol == idp.SAML {
		return c.SAML.IdP.EntityID
	}
	return c.Settings.Issuer
}

type connectionCreateCmd struct {
	Tenant           string          `required:"" help:"The tenant." placeholder:"ID"`
	Provider         string          `enum:",okta,auth0,entra,adfs,google,keycloak,generic" default:"" help:"okta, auth0, entra, adfs, google, keycloak or generic. Default with --saml-metadata: as the metadata looks." placeholder:"NAME"`
	Protocol         string          `enum:",oidc,saml" default:"" help:"oidc or saml. Default: saml with --saml-metadata, else oidc." placeholder:"NAME"`
	Domain           string          `help:"Okta, Auth0: your domain there, such as acme.okta.com. Google: your Workspace domain." placeholder:"HOST"`
	TenantID         string          `name:"tenant-id" help:"Entra ID: Directory (tenant) ID, on the app's Overview page." placeholder:"UUID"`
	Issuer           string          `help:"Keycloak, generic: the issuer exactly as its metadata spells it." placeholder:"URL"`
	ClientID         string          `name:"client-id" help:"OIDC: client id of the application made for the gate." placeholder:"ID"`
	ClientSecretFile string          `name:"client-secret-file" xor:"secret" help:"File with the client secret." placeholder:"FILE"`
	ClientSecretEnv  string          `name:"client-secret-env" xor:"secret" help:"Environment variable with the client secret." placeholder:"NAME"`
	Public           bool            `xor:"secret" help:"The client has no secret (client_auth none)."`
	ID               string          `help:"2 to 40 of a-z, 0-9 and -. It becomes part of the redirect URI. Default: ten random letters." placeholder:"ID"`
	Name             string          `help:"What the sign-in page calls it." placeholder:"TEXT"`
	GroupsClaim      string          `name:"groups-claim" help:"Claim or attribute that lists a person's groups. Default: the provider's usual one." placeholder:"CLAIM"`
	Join             string          `enum:",external_id,user_name,none" default:"" help:"How people who sign in meet those whom SCIM made: external_id, user_name or none. Default: as the provider does for a tenant's first connection, none for further ones." placeholder:"RULE"`
	JoinClaim        string          `name:"join-claim" help:"With --join external_id: the claim or attribute that carries what SCIM sends as externalId. Default: sub (Okta over OIDC), oid or objectidentifier (Entra)." placeholder:"CLAIM"`
	Scope            []string        `help:"Scopes to ask for, in place of the provider's usual ones; repeat for more." placeholder:"SCOPE"`
	Source           samlSourceFlags `embed:""`
	SAML             samlFlags       `embed:""`
	Probe            bool            `negatable:"" default:"true" help:"Fetch the provider's metadata once before saving. --no-probe for one that is not there yet."`
	ProbeTimeout     time.Duration   `name:"probe-timeout" default:"15s" hidden:""`
}

// created is what creating a connection reports: what to paste at the identity provider.
type created struct {
	connectionRow
	RedirectURI string   `json:"redirect_uri"`
	SignOutURI  string   `json:"sign_out_uri"`
	Warnings    []string `json:"warnings,omitempty"`
}

// Run saves a connection that works as far as can be known before somebody signs in.
func (cmd connectionCreateCmd) Run(a *app) error {
	switch saml := cmd.Protocol == string(idp.SAML) || cmd.Source.given(); {
	case saml && cmd.Protocol == string(idp.OIDC):
		return misused("leave --protocol out, or the flags of SAML", "--saml-metadata is not for protocol oidc")
	case saml:
		return cmd.runSAML(a)
	}
	if err := cmd.onlyOIDC(); err != nil {
		return err
	}
	conn, err := cmd.connection(a)
	if err != nil {
		return err
	}
	return a.withStore(func(s *store.Store, c Config) error {
		if _, err := a.realm(s, c, conn.Tenant); err != nil {
			return err
		}
		var warnings []string
		if cmd.Probe {
			if warnings, err = a.probe(c, &conn, cmd.ProbeTimeout); err != nil {
				return err
			}
		}
		made, err := a.createConnection(s, conn)
		if err != nil {
			return err
		}
		out := created{connectionRowOf(made, a.now()), c.redirectURI(made), c.signOutURI(), warnings}
		if a.json() {
			return a.printJSON(out)
		}
		a.printf("connection %s created\n\nAt %s:\n%s", made.ID, providerName(made.Provider), guide(made.Provider, out.RedirectURI, out.SignOutURI))
		a.notes(warnings)
		a.printf("\nThen say who gets which role:\n  ssogate mapping create --tenant %s --role Viewer --group GROUP", made.Tenant)
		return nil
	})
}

// createConnection saves a connection under an id that nobody has.
func (a *app) createConnection(s *store.Store, conn idp.Connection) (idp.Connection, error) {
	made, err := s.CreateConnection(a.ctx, conn, actor)
	if errors.Is(err, store.ErrTaken) {
		return made, hinted("choose another --id", "connection %s is taken", conn.ID)
	}
	if err != nil {
		return made, fmt.Errorf("create connection %s: %w", conn.ID, err)
	}
	return made, nil
}

// notes prints what could be better about something that was done.
func (a *app) notes(warnings []string) {
	for _, w := range warnings {
		a.printf("\nNote: %s", w)
	}
}

// redirectURI is where the provider sends people back to.
func (c Config) redirectURI(conn idp.Connection) string {
	uri := c.PublicURL.String() + "/auth/callback/oidc"
	if conn.Settings.SharedCallback {
		return uri
	}
	return uri + "/" + string(conn.ID)
}

// signOutURI is where the provider sends people after it has signed them out. The state of a sign-out travels beside
// it, so that one address is registered, exactly as it stands here.
func (c Config) signOutURI() string { return c.PublicURL.String() + "/auth/logout" }

// base makes what connections of all protocols have from the flags.
func (cmd connectionCreateCmd) base() (idp.Connection, error) {
	t, err := tenantID(cmd.Tenant)
	if err != nil {
		return idp.Connection{}, err
	}
	if cmd.ID == "" {
		cmd.ID = tenant.RandomName()
	}
	id, err := tenant.ParseConnectionID(cmd.ID)
	if err != nil {
		return idp.Connection{}, misused("choose another --id", "%s", err)
	}
	if cmd.JoinClaim != "" && cmd.Join != string(idp.JoinExternalID) {
		return idp.Connection{}, misused("add --join external_id, or leave --join-claim out", "--join-claim is for --join external_id")
	}
	conn := idp.Connection{
		ID: id, Tenant: t, Protocol: idp.SAML, Provider: idp.Provider(cmd.Provider), Name: cmd.Name, Enabled: true,
		Join: idp.Join(cmd.Join), JoinClaim: cmd.JoinClaim,
	}
	return conn, nil
}

// connection makes an OpenID Connect connection from the flags.
func (cmd connectionCreateCmd) connection(a *app) (idp.Connection, error) {
	conn, err := cmd.base()
	if err != nil {
		return idp.Connection{}, err
	}
	k := known{Provider: idp.Provider(cmd.Provider), Domain: cmd.Domain, TenantID: cmd.TenantID, Issuer: cmd.Issuer}
	settings, bad := k.settings()
	if bad != nil {
		return idp.Connection{}, misused(flagWords(bad.Hint), "%s", flagWords(bad.Message))
	}
	set := overrides{clientID: cmd.ClientID, scopes: cmd.Scope, claims: idp.ClaimNames{Groups: cmd.GroupsClaim}}
	if cmd.Public {
		set.clientAuth = idp.AuthNone
	}
	set.apply(&settings)
	if settings.ClientSecret, err = cmd.secret(a); err != nil {
		return idp.Connection{}, err
	}
	if bad := validate(settings); len(bad) > 0 {
		return idp.Connection{}, misuse{bad[0]}
	}
	if conn.Name == "" {
		conn.Name = defaultName(k.Provider)
	}
	conn.Protocol, conn.Settings = idp.OIDC, settings
	return conn, nil
}

// flagWords spells the keys of the configuration file as the flags of this command.
func flagWords(s string) string {
	return strings.NewReplacer("tenant_id", "--tenant-id", "domain", "--domain", "issuer", "--issuer").Replace(s)
}

// secret reads the client secret: from a file or the environment, never from the command line, which other people of
// the machine can see and shells remember.
func (cmd connectionCreateCmd) secret(a *app) (secret.Text, error) {
	if cmd.Public {
		return secret.Text{}, nil
	}
	from := source{File: cmd.ClientSecretFile, Env: cmd.ClientSecretEnv, place: problem{Message: "client secret"}}
	if !from.set() {
		return secret.Text{}, misused("add --client-secret-file FILE or --client-secret-env NAME; --public for a client without one", "a client secret is needed")
	}
	return from.read(a.getenv)
}

type connectionListCmd struct {
	Tenant string `required:"" help:"The tenant." placeholder:"ID"`
}

// Run prints a tenant's connections.
func (cmd connectionListCmd) Run(a *app) error {
	return a.withRealm(cmd.Tenant, func(s *store.Store, c Config, realm idp.Realm) error {
		var rows []connectionRow
		for _, conn := range realm.Connections {
			rows = append(rows, connectionRowOf(conn, a.now()))
		}
		return table(a, rows, "no connections yet, so nobody can sign in: ssogate connection create --tenant "+cmd.Tenant+" …",
			[]string{"CONNECTION", "NAME", "PROTOCOL", "PROVIDER", "ISSUER", "CLIENT", "STATE", "FROM"},
			func(r connectionRow) []string {
				return []string{string(r.ID), r.Name, string(r.Protocol), string(r.Provider), r.Issuer, r.ClientID, yes(r.Enabled, "enabled", "disabled"), yes(r.Declared, "file", "database")}
			})
	})
}

type connectionEnableCmd struct {
	Connection string `arg:"" help:"The connection."`
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
}

// Run lets people sign in over the connection again.
func (cmd connectionEnableCmd) Run(a *app) error {
	return a.withConnection(cmd.Tenant, cmd.Connection, func(s *store.Store, conn idp.Connection) error {
		if err := s.SetConnectionEnabled(a.ctx, conn.Tenant, conn.ID, true, actor); err != nil {
			return fmt.Errorf("enable connection %s: %w", conn.ID, err)
		}
		return a.result(ended{ID: string(conn.ID), State: "enabled"}, "connection %s enabled; people sign in anew", conn.ID)
	})
}

type connectionDisableCmd struct {
	Connection string `arg:"" help:"The connection."`
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
}

// Run stops the connection.
func (cmd connectionDisableCmd) Run(a *app) error {
	return a.withConnection(cmd.Tenant, cmd.Connection, func(s *store.Store, conn idp.Connection) error {
		n, err := a.liveSessions(s, conn.Tenant, session.Query{Connection: conn.ID})
		if err != nil {
			return err
		}
		if err := s.SetConnectionEnabled(a.ctx, conn.Tenant, conn.ID, false, actor); err != nil {
			return fmt.Errorf("disable connection %s: %w", conn.ID, err)
		}
		return a.result(ended{string(conn.ID), "disabled", n}, "connection %s disabled, %s ended", conn.ID, count(n, "session", "sessions"))
	})
}

type connectionDeleteCmd struct {
	Connection string `arg:"" help:"The connection."`
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
	Yes        bool   `help:"Do not ask."`
}

// Run removes the connection.
func (cmd connectionDeleteCmd) Run(a *app) error {
	return a.withConnection(cmd.Tenant, cmd.Connection, func(s *store.Store, conn idp.Connection) error {
		if err := a.confirm(cmd.Yes, fmt.Sprintf("Delete connection %s (%s)? Nobody can sign in over it any more.", conn.ID, issuerOf(conn))); err != nil {
			return err
		}
		n, err := a.liveSessions(s, conn.Tenant, session.Query{Connection: conn.ID})
		if err != nil {
			return err
		}
		if err := s.DeleteConnection(a.ctx, conn.Tenant, conn.ID, actor); err != nil {
			return fmt.Errorf("delete connection %s: %w", conn.ID, err)
		}
		return a.result(ended{string(conn.ID), "deleted", n}, "connection %s deleted, %s ended", conn.ID, count(n, "session", "sessions"))
	})
}

// withConnection opens the store and finds a connection that commands may change.
func (a *app) withConnection(tenantName, name string, work func(*store.Store, idp.Connection) error) error {
	return a.withAnyConnection(tenantName, name, func(s *store.Store, c Config, _ idp.Realm, conn idp.Connection) error {
		if conn.Declared {
			return c.declaredElsewhere("connection", name)
		}
		return work(s, conn)
	})
}

// withAnyConnection opens the store and finds a connection, be it declared or not.
func (a *app) withAnyConnection(tenantName, name string, work func(*store.Store, Config, idp.Realm, idp.Connection) error) error {
	id, err := connectionID(name)
	if err != nil {
		return err
	}
	return a.withRealm(tenantName, func(s *store.Store, c Config, realm idp.Realm) error {
		conn, ok := realm.Connection(id)
		if !ok {
			return hinted("see: ssogate connection list --tenant "+tenantName, "tenant %s has no connection %s", realm.Tenant.ID, id)
		}
		return work(s, c, realm, conn)
	})
}
