-- Signed statements of where every chain stands, so that cutting off events, whole chains or whole days shows. `note`
-- is the whole signed note (packages/audit/src/checkpoints); the number is kept beside it to be found by. The signing
-- key is never in the database.
CREATE TABLE ideogate.checkpoint (
  number bigint PRIMARY KEY CHECK (number > 0),
  note   text   NOT NULL
);
REVOKE ALL ON ideogate.checkpoint FROM PUBLIC;
GRANT INSERT ON ideogate.checkpoint TO ideogate_append;
GRANT SELECT ON ideogate.checkpoint TO ideogate_read;

-- Finds every chain by its first event, without reading the rest.
CREATE INDEX audit_event_first ON ideogate.audit_event (writer) WHERE seq = 1;
