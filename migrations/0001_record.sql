-- The record: one append-only table of events, partitioned by month. Partitions are made by the owner role
-- ahead of time (packages/audit/src/partitions.ts); there is never a DEFAULT one, which would forbid detaching
-- a month while events are being written.
--
-- The schema exists already: the list of applied migrations lives in it.

REVOKE ALL ON SCHEMA ideogate FROM PUBLIC;

-- Roles belong to the whole cluster, so another database's migration may be making the same ones just now.
DO $$
DECLARE
  group_role text;
BEGIN
  FOREACH group_role IN ARRAY ARRAY['ideogate_append', 'ideogate_read'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = group_role) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', group_role);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
      END;
    END IF;
  END LOOP;
END
$$;

CREATE TABLE ideogate.audit_event (
  writer          uuid            NOT NULL,
  seq             bigint          NOT NULL CHECK (seq > 0),
  at              timestamptz(6)  NOT NULL,
  kind            text            NOT NULL CHECK (kind IN ('decision', 'outcome')),
  call_id         uuid            NOT NULL,
  environment     text            NOT NULL,
  issuer          text,
  subject         text,
  client_id       text,
  token_id        text,
  address         text,
  method          text,
  resource        text,
  operation       text,
  scope_needed    text,
  scope_held      text,
  level           text,
  rule            text,
  release         text,
  key_id          text,
  trace_id        text,
  result          text            NOT NULL,
  problem         text,
  reason          text,
  status          integer,
  upstream_status integer,
  bytes_sent      bigint,
  bytes_received  bigint,
  first_byte_ms   integer,
  duration_ms     integer,
  images          integer,
  cost_usd_micros bigint,
  safe            boolean,
  made            text[],
  prompt_digest   text,
  prompt_length   integer,
  prev_hash       bytea           NOT NULL CHECK (octet_length(prev_hash) = 32),
  hash            bytea           NOT NULL CHECK (octet_length(hash) = 32),
  -- A unique key of a partitioned table must hold the partition key; a resent row carries the same `at`.
  UNIQUE (writer, seq, at)
) PARTITION BY RANGE (at);

-- Every stored text is at most 2,048 bytes, which fits an index entry.
CREATE INDEX audit_event_call_id ON ideogate.audit_event (call_id, at);
CREATE INDEX audit_event_at ON ideogate.audit_event (at, call_id);
CREATE INDEX audit_event_subject_at ON ideogate.audit_event (subject, at);
CREATE INDEX audit_event_operation_at ON ideogate.audit_event (operation, at);

REVOKE ALL ON ideogate.audit_event FROM PUBLIC;
GRANT USAGE ON SCHEMA ideogate TO ideogate_append, ideogate_read;
GRANT INSERT ON ideogate.audit_event TO ideogate_append;
GRANT SELECT ON ideogate.audit_event TO ideogate_read;
