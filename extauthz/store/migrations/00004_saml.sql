-- What connections over SAML 2.0 need kept.

-- The gate's own keys of a connection, sealed. What settings of protocol saml held before was never read.
ALTER TABLE connections ADD COLUMN sp_keys {{bytes}};
UPDATE connections SET settings = '{}' WHERE protocol = 'saml';

-- Single logout names a person by their NameID: sessions are found by its hash, and it is kept whole and sealed.
ALTER TABLE sessions ADD COLUMN idp_subject_hash {{text}} NOT NULL DEFAULT '';
CREATE INDEX sessions_idp_subject ON sessions (tenant, connection, idp_subject_hash) WHERE idp_subject_hash <> '';

CREATE TABLE session_name_ids (
  id_hash {{text}} NOT NULL PRIMARY KEY REFERENCES sessions (id_hash) ON DELETE CASCADE,
  tenant  {{text}} NOT NULL,
  name_id {{bytes}} NOT NULL
) {{strict}};

-- Tests of a connection that an admin began: what the provider asserted waits here, sealed, for whoever asked.
CREATE TABLE connection_tests (
  tenant     {{text}} NOT NULL,
  connection {{text}} NOT NULL,
  id         {{text}} NOT NULL,
  begun      {{int}} NOT NULL,
  expires    {{int}} NOT NULL,
  result     {{bytes}},
  PRIMARY KEY (tenant, connection, id),
  FOREIGN KEY (tenant, connection) REFERENCES connections (tenant, id)
) {{strict}};
CREATE INDEX connection_tests_expires ON connection_tests (expires);
