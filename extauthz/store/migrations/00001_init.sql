-- The words in double braces are the differences between SQLite and PostgreSQL; dialect.go replaces them.
-- Instants are microseconds since 1970 in UTC, 0 for none. Booleans are 0 and 1. Text is compared byte by byte.
-- A row number (seq, id) is never given twice: whatever remembers one must not meet the next person under it.

CREATE TABLE tenants (
  id             {{text}} NOT NULL PRIMARY KEY,
  slug           {{text}} NOT NULL UNIQUE,
  scim           {{int}} NOT NULL,
  group_key      {{text}} NOT NULL,
  idle_limit     {{int}} NOT NULL,
  absolute_limit {{int}} NOT NULL,
  epoch          {{int}} NOT NULL,
  declared       {{int}} NOT NULL,
  created        {{int}} NOT NULL
) {{strict}};

CREATE TABLE tenant_domains (
  domain {{text}} NOT NULL PRIMARY KEY,
  tenant {{text}} NOT NULL REFERENCES tenants (id)
) {{strict}};
CREATE INDEX tenant_domains_tenant ON tenant_domains (tenant);

CREATE TABLE connections (
  id            {{text}} NOT NULL PRIMARY KEY,
  tenant        {{text}} NOT NULL REFERENCES tenants (id),
  protocol      {{text}} NOT NULL,
  provider      {{text}} NOT NULL,
  name          {{text}} NOT NULL,
  enabled       {{int}} NOT NULL,
  version       {{int}} NOT NULL,
  epoch         {{int}} NOT NULL,
  declared      {{int}} NOT NULL,
  created       {{int}} NOT NULL,
  settings      {{text}} NOT NULL,
  client_secret {{bytes}},
  UNIQUE (tenant, id)
) {{strict}};

CREATE TABLE role_mappings (
  tenant     {{text}} NOT NULL REFERENCES tenants (id),
  id         {{text}} NOT NULL,
  connection {{text}},
  kind       {{text}} NOT NULL,
  claim      {{text}} NOT NULL,
  value      {{text}} NOT NULL,
  role       {{text}} NOT NULL,
  declared   {{int}} NOT NULL,
  PRIMARY KEY (tenant, id),
  FOREIGN KEY (tenant, connection) REFERENCES connections (tenant, id)
) {{strict}};

CREATE TABLE users (
  seq          {{seq}},
  tenant       {{text}} NOT NULL REFERENCES tenants (id),
  id           {{text}} NOT NULL,
  source       {{text}} NOT NULL,
  user_name    {{text}} NOT NULL,
  user_name_ci {{text}} NOT NULL,
  external_id  {{text}} NOT NULL,
  active       {{int}},
  epoch        {{int}} NOT NULL,
  version      {{int}} NOT NULL,
  created      {{int}} NOT NULL,
  modified     {{int}} NOT NULL,
  last_sign_in {{int}} NOT NULL,
  doc          {{text}} NOT NULL,
  UNIQUE (tenant, id),
  UNIQUE (tenant, seq)
) {{strict}};
CREATE UNIQUE INDEX users_scim_name ON users (tenant, user_name_ci) WHERE source = 'scim';
CREATE INDEX users_name ON users (tenant, user_name_ci);
CREATE INDEX users_external ON users (tenant, external_id);
CREATE INDEX users_scim ON users (tenant, seq) WHERE source = 'scim';

CREATE TABLE user_groups (
  seq          {{seq}},
  tenant       {{text}} NOT NULL REFERENCES tenants (id),
  id           {{text}} NOT NULL,
  display_name {{text}} NOT NULL,
  display_ci   {{text}} NOT NULL,
  external_id  {{text}} NOT NULL,
  version      {{int}} NOT NULL,
  created      {{int}} NOT NULL,
  modified     {{int}} NOT NULL,
  UNIQUE (tenant, id),
  UNIQUE (tenant, seq),
  UNIQUE (tenant, display_ci)
) {{strict}};
CREATE INDEX user_groups_external ON user_groups (tenant, external_id);

-- Both sides name the tenant: a membership across two tenants cannot be stored.
CREATE TABLE memberships (
  tenant    {{text}} NOT NULL,
  group_seq {{int}} NOT NULL,
  user_seq  {{int}} NOT NULL,
  PRIMARY KEY (tenant, group_seq, user_seq),
  FOREIGN KEY (tenant, group_seq) REFERENCES user_groups (tenant, seq) ON DELETE CASCADE,
  FOREIGN KEY (tenant, user_seq) REFERENCES users (tenant, seq) ON DELETE CASCADE
) {{keyed}};
CREATE INDEX memberships_user ON memberships (tenant, user_seq, group_seq);

-- Who signs in as whom, and what was asserted at the last sign-in.
CREATE TABLE links (
  tenant      {{text}} NOT NULL,
  connection  {{text}} NOT NULL,
  iss         {{text}} NOT NULL,
  sub         {{text}} NOT NULL,
  user_seq    {{int}} NOT NULL,
  join_value  {{text}} NOT NULL,
  group_state {{int}} NOT NULL,
  group_names {{text}} NOT NULL,
  claims      {{text}} NOT NULL,
  seen        {{int}} NOT NULL,
  PRIMARY KEY (tenant, connection, iss, sub),
  UNIQUE (tenant, connection, user_seq),
  FOREIGN KEY (tenant, user_seq) REFERENCES users (tenant, seq) ON DELETE CASCADE,
  FOREIGN KEY (tenant, connection) REFERENCES connections (tenant, id)
) {{keyed}};
CREATE INDEX links_user ON links (tenant, user_seq);

-- A deleted person stays out: nobody signs in over a link, or under a name, that stands here.
CREATE TABLE tombstones (
  tenant       {{text}} NOT NULL REFERENCES tenants (id),
  id           {{text}} NOT NULL,
  source       {{text}} NOT NULL,
  user_name_ci {{text}} NOT NULL,
  external_id  {{text}} NOT NULL,
  at           {{int}} NOT NULL,
  PRIMARY KEY (tenant, id)
) {{keyed}};
CREATE INDEX tombstones_name ON tombstones (tenant, user_name_ci);
CREATE INDEX tombstones_external ON tombstones (tenant, external_id);

CREATE TABLE tombstone_links (
  tenant     {{text}} NOT NULL,
  connection {{text}} NOT NULL,
  iss        {{text}} NOT NULL,
  sub        {{text}} NOT NULL,
  join_value {{text}} NOT NULL,
  id         {{text}} NOT NULL,
  PRIMARY KEY (tenant, connection, iss, sub),
  FOREIGN KEY (tenant, id) REFERENCES tombstones (tenant, id) ON DELETE CASCADE
) {{keyed}};
CREATE INDEX tombstone_links_join ON tombstone_links (tenant, connection, join_value);
CREATE INDEX tombstone_links_id ON tombstone_links (tenant, id);

CREATE TABLE sessions (
  id_hash          {{text}} NOT NULL PRIMARY KEY,
  tenant           {{text}} NOT NULL REFERENCES tenants (id),
  connection       {{text}} NOT NULL,
  user_id          {{text}} NOT NULL,
  iss              {{text}} NOT NULL,
  sub              {{text}} NOT NULL,
  idp_sid          {{text}} NOT NULL,
  auth_time        {{int}} NOT NULL,
  acr              {{text}} NOT NULL,
  amr              {{text}} NOT NULL,
  created          {{int}} NOT NULL,
  abs_expiry       {{int}} NOT NULL,
  last_seen        {{int}} NOT NULL,
  tenant_epoch     {{int}} NOT NULL,
  connection_epoch {{int}} NOT NULL,
  user_epoch       {{int}} NOT NULL,
  ip               {{text}} NOT NULL,
  user_agent       {{text}} NOT NULL,
  revoked_at       {{int}} NOT NULL,
  revoked_reason   {{text}} NOT NULL
) {{keyed}};
CREATE INDEX sessions_user ON sessions (tenant, user_id);
CREATE INDEX sessions_sid ON sessions (tenant, connection, idp_sid);
CREATE INDEX sessions_sub ON sessions (tenant, connection, sub);
CREATE INDEX sessions_created ON sessions (tenant, created);
CREATE INDEX sessions_expiry ON sessions (abs_expiry);

CREATE TABLE session_tokens (
  id_hash  {{text}} NOT NULL PRIMARY KEY REFERENCES sessions (id_hash) ON DELETE CASCADE,
  tenant   {{text}} NOT NULL,
  id_token {{bytes}} NOT NULL
) {{strict}};

-- Values that are accepted once, until they are too old to be accepted at all.
CREATE TABLE seen (
  tenant     {{text}} NOT NULL,
  connection {{text}} NOT NULL,
  kind       {{text}} NOT NULL,
  hash       {{text}} NOT NULL,
  expires    {{int}} NOT NULL,
  PRIMARY KEY (tenant, connection, kind, hash)
) {{keyed}};
CREATE INDEX seen_expires ON seen (expires);

-- The change feed: one row for each thing that a cache may hold a copy of.
CREATE TABLE changes (
  id     {{seq}},
  {{xid}}
  kind   {{text}} NOT NULL,
  tenant {{text}} NOT NULL,
  key    {{text}} NOT NULL,
  origin {{text}} NOT NULL,
  at     {{int}} NOT NULL
) {{strict}};
CREATE INDEX changes_at ON changes (at);

CREATE TABLE replicas (
  id          {{text}} NOT NULL PRIMARY KEY,
  applied     {{int}} NOT NULL,
  lease_until {{int}} NOT NULL
) {{strict}};

CREATE TABLE audit (
  id         {{seq}},
  at         {{int}} NOT NULL,
  tenant     {{text}} NOT NULL,
  actor      {{text}} NOT NULL,
  action     {{text}} NOT NULL,
  target     {{text}} NOT NULL,
  connection {{text}} NOT NULL,
  subject    {{text}} NOT NULL,
  outcome    {{text}} NOT NULL,
  reason     {{text}} NOT NULL,
  request_id {{text}} NOT NULL,
  ip         {{text}} NOT NULL
) {{strict}};
CREATE INDEX audit_tenant ON audit (tenant, id);

CREATE TABLE keys (
  id          {{text}} NOT NULL PRIMARY KEY,
  purpose     {{text}} NOT NULL,
  material    {{bytes}} NOT NULL,
  created     {{int}} NOT NULL,
  active_from {{int}} NOT NULL
) {{strict}};

CREATE TABLE idp_documents (
  tenant     {{text}} NOT NULL,
  connection {{text}} NOT NULL,
  kind       {{text}} NOT NULL,
  body       {{bytes}} NOT NULL,
  fetched    {{int}} NOT NULL,
  PRIMARY KEY (tenant, connection, kind)
) {{strict}};
