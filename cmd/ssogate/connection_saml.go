package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml"
)

// samlSourceFlags say who the provider is: by its metadata, or by hand.
type samlSourceFlags struct {
	Metadata    string   `name:"saml-metadata" group:"saml" help:"SAML: the identity provider's metadata: an address, which is read again every day, or a file." placeholder:"URL|FILE"`
	EntityID    string   `name:"idp-entity-id" group:"saml" help:"SAML: the provider's entity id (issuer); with metadata of several, which one." placeholder:"ID"`
	SSOURL      string   `name:"sso-url" group:"saml" help:"SAML without metadata: where the provider takes requests." placeholder:"URL"`
	SLOURL      string   `name:"slo-url" group:"saml" help:"SAML without metadata: where it takes sign-outs." placeholder:"URL"`
	Certificate []string `name:"certificate" sep:"none" group:"saml" help:"SAML without metadata: the provider's signing certificate; repeat for more." placeholder:"FILE"`
}

func (f samlSourceFlags) given() bool {
	return f.Metadata != "" || f.EntityID != "" || f.byHand()
}

func (f samlSourceFlags) byHand() bool {
	return f.SSOURL != "" || f.SLOURL != "" || len(f.Certificate) > 0
}

// samlAddresses are the gate's own addresses of a connection over SAML, as an admin enters them at the provider.
type samlAddresses struct {
	EntityID string `json:"entity_id"`
	ACS      string `json:"acs_url"`
	SLO      string `json:"sp_slo_url"`
	Metadata string `json:"sp_metadata_url"`
}

func (c Config) samlAddresses(id idp.ConnectionID) samlAddresses {
	metadata := c.PublicURL.JoinPath("auth", "saml", string(id), "metadata").String()
	return samlAddresses{
		EntityID: metadata, Metadata: metadata,
		ACS: c.PublicURL.JoinPath("auth", "callback", "saml", string(id)).String(),
		SLO: c.PublicURL.JoinPath("auth", "saml", string(id), "slo").String(),
	}
}

// samlConnector speaks to providers as the gate would.
func (a *app) samlConnector(c Config) (*saml.Connector, error) {
	client, err := idp.Egress{Allow: c.Egress.Allow, CAFile: c.Egress.CAFile, Insecure: c.Insecure()}.Client()
	if err != nil {
		return nil, err
	}
	return &saml.Connector{PublicURL: c.PublicURL, Insecure: c.Insecure(), Client: client, Now: a.now}, nil
}

// isAddress tells an address from a file.
func isAddress(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

// read finds out who the provider is and writes it into settings, replacing who it was. Probe says whether an address
// is asked now; else the gate does, when it next looks.
func (f samlSourceFlags) read(a *app, c Config, s *idp.SAMLSettings, probe bool) ([]string, error) {
	if f.Metadata != "" && f.byHand() {
		return nil, misused("leave --sso-url, --slo-url and --certificate out: the metadata says all of them", "--saml-metadata and settings by hand")
	}
	switch {
	case f.Metadata == "":
		return f.hand(a, s)
	case !isAddress(f.Metadata):
		given, warnings, err := readMetadataFile(f.Metadata, f.EntityID, a.now())
		if err != nil {
			return nil, placed(problem{Message: "--saml-metadata"}, err)
		}
		s.MetadataURL, s.IdP = "", given
		return warnings, nil
	case !probe:
		s.MetadataURL, s.IdP = f.Metadata, idp.SAMLIdP{EntityID: f.EntityID}
		return []string{"The metadata was not read yet: the gate reads it within a minute, and nobody can sign in before."}, nil
	default:
		return f.fetch(a, c, s)
	}
}

func (f samlSourceFlags) fetch(a *app, c Config, s *idp.SAMLSettings) ([]string, error) {
	connector, err := a.samlConnector(c)
	if err != nil {
		return nil, err
	}
	text, err := connector.Fetch(a.ctx, f.Metadata)
	if err != nil {
		return nil, unread(f.Metadata, err)
	}
	given, warnings, err := saml.ParseMetadata(text, f.EntityID, a.now())
	if err != nil {
		return nil, unread(f.Metadata, err)
	}
	given.Fetched, given.FetchAttempted = a.now(), a.now()
	s.MetadataURL, s.IdP = f.Metadata, given
	return warnings, nil
}

// unread says why metadata could not be taken from an address, and what to do.
func unread(from string, err error) error {
	if bad, ok := errors.AsType[*idp.Error](err); ok {
		hint := bad.Hint
		switch {
		case strings.HasPrefix(from, "http://") && bad.Code == idp.CodeSAMLConfig:
			hint = "Write the address with https://."
		case strings.Contains(bad.Error(), "egress-address"):
			hint = "A provider in a private network has to be let through in the configuration: egress: {allow: [10.0.0.0/8]}."
		}
		return hinted(strings.TrimSpace(hint+"\n\tA downloaded file does as well: --saml-metadata FILE."), "read metadata from %s: %s", from, bad)
	}
	return fmt.Errorf("read metadata from %s: %w", from, err)
}

// hand takes what was entered in place of metadata; what was not stays.
func (f samlSourceFlags) hand(a *app, s *idp.SAMLSettings) ([]string, error) {
	var warnings []string
	for _, path := range f.Certificate {
		keys, more, err := readCertificates(path, a.now())
		if err != nil {
			return nil, placed(problem{Message: "--certificate"}, err)
		}
		warnings = append(warnings, more...)
		s.IdP.Keys = withKeys(s.IdP.Keys, keys)
	}
	e := &s.IdP.Endpoints
	s.IdP.EntityID = cmp.Or(f.EntityID, s.IdP.EntityID)
	e.SSOURL, e.SLOURL = cmp.Or(f.SSOURL, e.SSOURL), cmp.Or(f.SLOURL, e.SLOURL)
	*e = withBindings(*e)
	return warnings, nil
}

// withKeys adds keys that an admin gave. One that is there already becomes active, and the admin's: giving it vouches
// for it, and no document takes it away.
func withKeys(have, more []idp.SAMLKey) []idp.SAMLKey {
	have = slices.Clone(have)
	for _, k := range more {
		i := slices.IndexFunc(have, func(h idp.SAMLKey) bool { return h.SHA256 == k.SHA256 })
		if i < 0 {
			have = append(have, k)
			continue
		}
		have[i].State, have[i].Source, have[i].Missing = idp.KeyActive, sourceUpload, 0
	}
	return have
}

// createdSAML is what creating a connection reports: what to enter at the identity provider.
type createdSAML struct {
	connectionRow
	samlAddresses
	Warnings []string `json:"warnings,omitempty"`
}

// runSAML saves a connection over SAML that works as far as can be known before somebody signs in.
func (cmd connectionCreateCmd) runSAML(a *app) error {
	conn, err := cmd.base()
	if err != nil {
		return err
	}
	if !cmd.Source.given() {
		return misused(fmt.Sprintf("add --saml-metadata URL or FILE. A provider that wants our addresses first: ssogate saml guide --tenant %s --provider %s %s",
			conn.Tenant, cmp.Or(string(conn.Provider), "NAME"), conn.ID), "protocol saml wants the identity provider's metadata")
	}
	if err := cmd.onlySAML(); err != nil {
		return err
	}
	return a.withStore(func(s *store.Store, c Config) error {
		if _, err := a.realm(s, c, conn.Tenant); err != nil {
			return err
		}
		warnings, err := cmd.settle(a, c, &conn)
		if err != nil {
			return err
		}
		made, err := a.createConnection(s, conn)
		if err != nil {
			return err
		}
		out := createdSAML{connectionRowOf(made, a.now()), c.samlAddresses(made.ID), warnings}
		if a.json() {
			return a.printJSON(out)
		}
		a.printf("connection %s created\n\nAt %s:\n%s", made.ID, providerName(made.Provider), guideSAML(made, out.samlAddresses))
		a.notes(warnings)
		a.printf("\nThen say who gets which role, and try it:\n  ssogate mapping create --tenant %s --role Viewer --group GROUP\n  ssogate connection test --tenant %s --connection %s", made.Tenant, made.Tenant, made.ID)
		return nil
	})
}

// settle makes the settings from the flags, the provider's metadata and its preset, and returns what could be better.
func (cmd connectionCreateCmd) settle(a *app, c Config, conn *idp.Connection) ([]string, error) {
	var s idp.SAMLSettings
	warnings, err := cmd.Source.read(a, c, &s, cmd.Probe)
	if err != nil {
		return nil, err
	}
	if conn.Provider == "" {
		conn.Provider = guessProvider(s.IdP.EntityID)
	}
	if conn.Name == "" {
		conn.Name = defaultName(conn.Provider)
	}
	s = withPreset(conn.Provider, s)
	if cmd.GroupsClaim != "" {
		s.Attributes.Groups = []string{cmd.GroupsClaim}
	}
	if err := cmd.SAML.apply(&s, a.now()); err != nil {
		return nil, err
	}
	if err := settled(s, c.Insecure()); err != nil {
		return nil, err
	}
	if s.SPKeys, err = saml.NewSPKeys(string(conn.ID), a.now()); err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	conn.SAML = s
	if other := guessProvider(s.IdP.EntityID); other != conn.Provider && other != idp.Generic {
		warnings = append(warnings, fmt.Sprintf("The metadata looks like %s's. If it is, delete this connection and make it with --provider %s, which knows its attribute names and its menus.",
			defaultName(other), other))
	}
	return append(warnings, concerns(conn.Provider, s, a.now())...), nil
}

// onlySAML refuses flags of the other protocol.
func (cmd connectionCreateCmd) onlySAML() error {
	for flag, given := range map[string]bool{
		"--domain": cmd.Domain != "", "--tenant-id": cmd.TenantID != "", "--issuer": cmd.Issuer != "", "--client-id": cmd.ClientID != "",
		"--client-secret-file": cmd.ClientSecretFile != "", "--client-secret-env": cmd.ClientSecretEnv != "", "--public": cmd.Public, "--scope": len(cmd.Scope) > 0,
	} {
		if given {
			return misused("leave it out, or leave --saml-metadata out", "%s is for protocol oidc", flag)
		}
	}
	return nil
}

// onlyOIDC refuses flags of the other protocol.
func (cmd connectionCreateCmd) onlyOIDC() error {
	switch {
	case cmd.SAML.given():
		return misused("add --saml-metadata, or leave the flags of SAML out", "settings of SAML without --saml-metadata")
	case cmd.Provider == string(idp.ADFS):
		return misused("add --saml-metadata URL", "provider adfs is for protocol saml")
	case cmd.Provider == "":
		return misused("choose "+strings.Join(providers(), ", "), "--provider is missing")
	case cmd.ClientID == "":
		return misused("add --client-id ID, or --saml-metadata URL for SAML", "--client-id is missing")
	}
	return nil
}

// guessProvider tells a provider by how it spells its entity id. It chooses the preset and the guide, never trust.
func guessProvider(entityID string) idp.Provider {
	for _, known := range []struct {
		part     string
		provider idp.Provider
	}{
		{"http://www.okta.com/", idp.Okta}, {"https://sts.windows.net/", idp.Entra}, {"https://accounts.google.com/o/saml2", idp.Google},
	} {
		if strings.HasPrefix(entityID, known.part) {
			return known.provider
		}
	}
	switch {
	case strings.HasSuffix(entityID, "/adfs/services/trust"):
		return idp.ADFS
	case strings.Contains(entityID, "/realms/"):
		return idp.Keycloak
	case strings.HasPrefix(entityID, "urn:") && strings.HasSuffix(entityID, ".auth0.com"):
		return idp.Auth0
	}
	return idp.Generic
}

// concerns are what works and could be better, and what will soon work no longer.
func concerns(p idp.Provider, s idp.SAMLSettings, now time.Time) []string {
	out := expiries(s, now)
	if s.IdP.EntityID != "" && s.IdP.Endpoints.SLOURL == "" && p != idp.Google {
		out = append(out, "No single logout address is known of the provider: signing out here leaves people signed in at the provider.")
	}
	active := 0
	for _, k := range s.IdP.Keys {
		if k.State == idp.KeyActive {
			active++
		}
	}
	if active > 1 {
		out = append(out, fmt.Sprintf("%d signing certificates are active: whoever holds any of their keys can sign people in. Remove those the provider no longer uses.", active))
	}
	if s.IdP.EntityID != "" && s.MetadataURL == "" && p != idp.Google { // which has none to give: the guide says so
		out = append(out, "Without a metadata address the gate cannot see a new certificate coming: upload the metadata again before this one expires.")
	}
	if !s.AllowSHA1.IsZero() {
		out = append(out, "SHA-1 signatures pass until "+s.AllowSHA1.Add(-time.Second).Format(time.DateOnly)+": they can be forged.")
	}
	return out
}
