-- Webhooks that were verified, and are kept until their subscriber has them. No part of the record: a login of its own,
-- which has no right there, and the record's logins have none here.

-- Roles belong to the whole cluster, so another database's migration may be making the same one just now.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ideogate_webhook') THEN
    BEGIN
      CREATE ROLE ideogate_webhook NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
  END IF;
END
$$;

CREATE SCHEMA ideogate_webhook;
REVOKE ALL ON SCHEMA ideogate_webhook FROM PUBLIC;
GRANT USAGE ON SCHEMA ideogate_webhook TO ideogate_webhook;

CREATE TABLE ideogate_webhook.event (
  -- Ours, in the order of arrival; the subscriber knows a repetition by it.
  id           uuid        PRIMARY KEY,
  endpoint     text        NOT NULL,
  -- The sender's. That the two are unique is the guard against replays, and it never forgets.
  event_id     text        NOT NULL CHECK (octet_length(event_id) <= 256),
  received_at  timestamptz NOT NULL,
  -- When the sender says to have sent it; null where nothing signed says so.
  sent_at      timestamptz,
  content_type text,
  -- The raw bytes. Null some days after they were delivered.
  body         bytea       CHECK (octet_length(body) <= 1048576),
  body_sha256  bytea       NOT NULL CHECK (octet_length(body_sha256) = 32),
  delivered_at timestamptz,
  UNIQUE (endpoint, event_id),
  CHECK (body IS NOT NULL OR delivered_at IS NOT NULL)
);
REVOKE ALL ON ideogate_webhook.event FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE (body, delivered_at) ON ideogate_webhook.event TO ideogate_webhook;
-- What is still to be delivered is looked for often, and is a small part.
CREATE INDEX ON ideogate_webhook.event (id) WHERE delivered_at IS NULL;

-- What graphile-worker keeps of deliveries. Its own migrations make the rest, as this group and not as the owner: they
-- begin with this table where it is there, and with CREATE SCHEMA, for which the group has no right, where it is not.
CREATE SCHEMA ideogate_webhook_jobs;
REVOKE ALL ON SCHEMA ideogate_webhook_jobs FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA ideogate_webhook_jobs TO ideogate_webhook;
CREATE TABLE ideogate_webhook_jobs.migrations (
  id       int         PRIMARY KEY,
  ts       timestamptz NOT NULL DEFAULT now(),
  breaking boolean     NOT NULL DEFAULT false
);
REVOKE ALL ON ideogate_webhook_jobs.migrations FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON ideogate_webhook_jobs.migrations TO ideogate_webhook;
