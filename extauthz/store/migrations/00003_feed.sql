-- How far a replica has come is a snapshot on PostgreSQL: transactions there commit in another order than they begin.
-- Lines that begin with the word in braces are PostgreSQL's alone.

{{postgres}} CREATE INDEX changes_xid ON changes (xid);
{{postgres}} ALTER TABLE replicas ADD COLUMN applied_snapshot PG_SNAPSHOT;
