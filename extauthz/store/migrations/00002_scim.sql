-- What a provider writes over SCIM, and how the people it makes meet those who sign in.

-- Values of a user that filters look up: folded where case does not matter.
CREATE TABLE user_values (
  tenant   {{text}} NOT NULL,
  attr     {{text}} NOT NULL,
  val      {{text}} NOT NULL,
  user_seq {{int}} NOT NULL,
  PRIMARY KEY (tenant, attr, val, user_seq),
  FOREIGN KEY (tenant, user_seq) REFERENCES users (tenant, seq) ON DELETE CASCADE
) {{keyed}};
CREATE INDEX user_values_user ON user_values (tenant, user_seq);

ALTER TABLE users ADD COLUMN display_ci {{text}} NOT NULL DEFAULT '';

-- Members that were asked for and are not there. They grant nothing.
CREATE TABLE pending_memberships (
  tenant    {{text}} NOT NULL,
  group_seq {{int}} NOT NULL,
  value     {{text}} NOT NULL,
  kind      {{text}} NOT NULL,
  at        {{int}} NOT NULL,
  PRIMARY KEY (tenant, group_seq, value),
  FOREIGN KEY (tenant, group_seq) REFERENCES user_groups (tenant, seq) ON DELETE CASCADE
) {{keyed}};
CREATE INDEX pending_memberships_value ON pending_memberships (tenant, value);
CREATE INDEX pending_memberships_at ON pending_memberships (at);

-- How many rows of SCIM's a tenant has: a list's total costs no count.
CREATE TABLE directory_stats (
  tenant {{text}} NOT NULL PRIMARY KEY REFERENCES tenants (id),
  users  {{int}} NOT NULL,
  groups {{int}} NOT NULL
) {{keyed}};
INSERT INTO directory_stats (tenant, users, groups)
  SELECT t.id, (SELECT COUNT(*) FROM users u WHERE u.tenant = t.id AND u.source = 'scim'), (SELECT COUNT(*) FROM user_groups g WHERE g.tenant = t.id)
  FROM tenants t;

CREATE TABLE scim_tokens (
  tenant    {{text}} NOT NULL REFERENCES tenants (id),
  id        {{text}} NOT NULL,
  hash      {{text}} NOT NULL,
  label     {{text}} NOT NULL,
  created   {{int}} NOT NULL,
  expires   {{int}} NOT NULL,
  last_used {{int}} NOT NULL,
  revoked   {{int}} NOT NULL,
  PRIMARY KEY (tenant, id)
) {{keyed}};

CREATE TABLE scim_log (
  id         {{seq}},
  tenant     {{text}} NOT NULL,
  at         {{int}} NOT NULL,
  token      {{text}} NOT NULL,
  user_agent {{text}} NOT NULL,
  method     {{text}} NOT NULL,
  path       {{text}} NOT NULL,
  target     {{text}} NOT NULL,
  shape      {{text}} NOT NULL,
  status     {{int}} NOT NULL,
  scim_type  {{text}} NOT NULL,
  detail     {{text}} NOT NULL,
  hint       {{text}} NOT NULL,
  request_id {{text}} NOT NULL
) {{strict}};
CREATE INDEX scim_log_tenant ON scim_log (tenant, id);
CREATE INDEX scim_log_at ON scim_log (at);

-- Since when the directory is SCIM's, 0 while it is not; whether unknown members are refused.
ALTER TABLE tenants ADD COLUMN scim_since {{int}} NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN strict_members {{int}} NOT NULL DEFAULT 0;
UPDATE tenants SET scim_since = created WHERE scim = 1;

-- How an identity finds the person that SCIM made: a tenant's first connection by its provider's manner, others not
-- until somebody says so.
ALTER TABLE connections ADD COLUMN join_rule {{text}} NOT NULL DEFAULT 'none';
ALTER TABLE connections ADD COLUMN join_claim {{text}} NOT NULL DEFAULT '';
UPDATE connections SET join_rule = CASE WHEN provider IN ('okta', 'entra') THEN 'external_id' ELSE 'user_name' END
  WHERE NOT EXISTS (SELECT 1 FROM connections o WHERE o.tenant = connections.tenant
    AND (o.created < connections.created OR o.created = connections.created AND o.id < connections.id));

-- What the last sign-in asserted of that kind, and what made the link: a link that joined goes when that changes.
ALTER TABLE links ADD COLUMN join_external {{text}} NOT NULL DEFAULT '';
ALTER TABLE links ADD COLUMN join_name {{text}} NOT NULL DEFAULT '';
ALTER TABLE links ADD COLUMN joined {{text}} NOT NULL DEFAULT '';
CREATE INDEX links_external ON links (tenant, join_external);
CREATE INDEX links_name ON links (tenant, join_name);
