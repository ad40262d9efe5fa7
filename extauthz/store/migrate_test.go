package store

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/tracio-ai/ssogate/idp"
)

// upTo makes a database of an older program, with a tenant, two connections, a person and a session in it.
func upTo(t *testing.T, d *database, version int) {
	t.Helper()
	driver, source, dia := "sqlite", d.dsn[len("sqlite:"):], sqliteDialect()
	if d.dsn[:4] == "post" {
		driver, source, dia = "pgx", d.dsn, postgresDialect()
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	steps, err := readMigrations(dia)
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(dia.goose, db, nil, goose.WithGoMigrations(steps[:version]...), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	// What every version has; columns that came later have their defaults.
	for _, q := range []string{
		`INSERT INTO tenants (id, slug, scim, group_key, idle_limit, absolute_limit, epoch, declared, created) VALUES ('acme', 'acme', 0, 'displayName', 0, 0, 1, 0, 1)`,
		`INSERT INTO connections (id, tenant, protocol, provider, name, enabled, version, epoch, declared, created, settings)
			VALUES ('acme-okta', 'acme', 'oidc', 'okta', 'n', 1, 1, 1, 0, 1, '{"issuer":"https://acme.okta.com","claims":{}}')`,
		`INSERT INTO connections (id, tenant, protocol, provider, name, enabled, version, epoch, declared, created, settings)
			VALUES ('acme-saml', 'acme', 'saml', 'okta', 'n', 0, 1, 1, 0, 2, '{"issuer":"x","claims":{}}')`,
		`INSERT INTO users (tenant, id, source, user_name, user_name_ci, external_id, active, epoch, version, created, modified, last_sign_in, doc)
			VALUES ('acme', 'u1', 'jit', 'alice', 'alice', '', 1, 1, 1, 1, 1, 1, '{}')`,
		`INSERT INTO sessions (id_hash, tenant, connection, user_id, iss, sub, idp_sid, auth_time, acr, amr, created, abs_expiry, last_seen, tenant_epoch,
			connection_epoch, user_epoch, ip, user_agent, revoked_at, revoked_reason)
			VALUES ('` + fmt.Sprintf("%064x", 7) + `', 'acme', 'acme-okta', 'u1', 'i', 'alice', 'sid', 1, '', '[]', 1, 9000000000000000, 1, 1, 1, 1, '', '', 0, '')`,
	} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
	}
}

// TestDatabaseOfEveryOlderProgramOpensAndKeepsWhatItHeld: the schema is brought up to date before the new program runs.
func TestDatabaseOfEveryOlderProgramOpensAndKeepsWhatItHeld(t *testing.T) {
	all, err := readMigrations(sqliteDialect())
	if err != nil {
		t.Fatal(err)
	}
	for version := 1; version < len(all); version++ {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			each(t, func(t *testing.T, d *database) {
				upTo(t, d, version)
				s := d.open(t)
				r := realm(t, s, acme)
				if len(r.Connections) != 2 || r.Connections[0].Settings.Issuer != "https://acme.okta.com" || r.Connections[1].Protocol != idp.SAML {
					t.Fatalf("connections %+v", r.Connections)
				}
				hash := [32]byte{31: 7}
				got, err := s.Get(t.Context(), acme, hash)
				if err != nil || got.Subject != "alice" {
					t.Errorf("session %+v, %v", got, err)
				}
				if tokens, err := s.Tokens(t.Context(), acme, hash); err != nil || tokens.NameID != (idp.NameID{}) {
					t.Errorf("tokens %+v, %v", tokens, err)
				}
				want := r.Connections[1]
				want.SAML = wholeSAML()
				if _, err := s.UpdateConnection(t.Context(), want, "cli"); err != nil {
					t.Fatal(err)
				}
				if err := s.SetConnectionEnabled(t.Context(), acme, want.ID, true, "cli"); err != nil {
					t.Fatal(err)
				}
				mustSignIn(t, s, samlIdentity(want, "bob"))
			})
		})
	}
}
