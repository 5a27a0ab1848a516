-- The listed proxy through which a call came, where `address` is what that proxy said: both are kept. The views get it at
-- their end.
ALTER TABLE ideogate.audit_event ADD COLUMN proxy text;

-- A month on its way to a file, and months read back from files, have the record's columns too.
DO $$
DECLARE
  apart regclass;
BEGIN
  FOR apart IN
    SELECT c.oid
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) AND (
      n.nspname = 'ideogate' AND c.relname ~ '^audit_event_[0-9]{4}_[0-9]{2}$'
      OR n.nspname = 'ideogate_imported' AND c.relname = 'audit_event')
  LOOP
    EXECUTE format('ALTER TABLE %s ADD COLUMN proxy text', apart);
  END LOOP;
END
$$;

CREATE OR REPLACE VIEW ideogate.audit_call WITH (security_invoker = true) AS
SELECT
  d.call_id,
  CASE
    WHEN d.result = 'refused' THEN 'refused'
    WHEN o.writer IS NULL THEN 'open'
    WHEN o.result = 'unknown' THEN 'gap'
    ELSE 'done'
  END AS state,
  -- Success is only what the caller got whole, with a 2xx status, and not judged unsafe.
  CASE
    WHEN d.result = 'allowed'
      AND o.result = 'completed'
      AND o.status BETWEEN 200 AND 299
      AND o.safe IS DISTINCT FROM false
    THEN 'success'
    ELSE 'failure'
  END AS result,
  d.at AS decided_at,
  o.at AS ended_at,
  d.environment,
  d.issuer,
  d.subject,
  d.client_id,
  d.token_id,
  d.address,
  d.method,
  d.resource,
  d.operation,
  d.scope_needed,
  d.scope_held,
  d.level,
  d.rule,
  d.release,
  d.key_id,
  d.trace_id,
  d.result AS decision,
  o.result AS outcome,
  CASE WHEN o.writer IS NULL THEN d.problem ELSE o.problem END AS problem,
  CASE WHEN o.writer IS NULL THEN d.reason ELSE o.reason END AS reason,
  CASE WHEN o.writer IS NULL THEN d.status ELSE o.status END AS status,
  o.upstream_status,
  o.bytes_sent,
  o.bytes_received,
  o.first_byte_ms,
  o.duration_ms,
  o.images,
  o.cost_usd_micros,
  o.safe,
  o.made,
  o.prompt_digest,
  o.prompt_length,
  d.writer AS decision_writer,
  d.seq AS decision_seq,
  o.writer AS outcome_writer,
  o.seq AS outcome_seq,
  d.actor,
  d.proxy
FROM ideogate.audit_event d
LEFT JOIN LATERAL (
  SELECT e.*
  FROM ideogate.audit_event e
  WHERE e.call_id = d.call_id AND e.kind = 'outcome' AND d.result = 'allowed' AND e.at >= d.at
  ORDER BY (e.result = 'unknown'), e.at, e.writer, e.seq
  LIMIT 1
) o ON true
WHERE d.kind = 'decision'
  AND (d.at, d.writer, d.seq) = (
    SELECT e.at, e.writer, e.seq
    FROM ideogate.audit_event e
    WHERE e.call_id = d.call_id AND e.kind = 'decision' AND e.at BETWEEN d.at - interval '1 day' AND d.at
    ORDER BY e.at, e.writer, e.seq
    LIMIT 1
  );

-- The plain shape for the security team.
CREATE OR REPLACE VIEW ideogate.audit_entry WITH (security_invoker = true) AS
SELECT
  c.decided_at AS "timestamp",
  c.operation AS action,
  c.subject AS user_id,
  c.resource,
  c.result,
  jsonb_strip_nulls(
    jsonb_build_object(
      'state', c.state,
      'call_id', c.call_id,
      'environment', c.environment,
      'issuer', c.issuer,
      'client_id', c.client_id,
      'token_id', c.token_id,
      'address', c.address,
      'method', c.method,
      'scope_needed', c.scope_needed,
      'scope_held', c.scope_held,
      'level', c.level,
      'rule', c.rule,
      'release', c.release,
      'key_id', c.key_id,
      'trace_id', c.trace_id,
      'decision', c.decision,
      'outcome', c.outcome,
      'problem', c.problem,
      'reason', c.reason,
      'status', c.status,
      'upstream_status', c.upstream_status,
      'ended_at', c.ended_at,
      'bytes_sent', c.bytes_sent
    )
    -- A function takes at most 100 arguments, so the object is made in two pieces.
    || jsonb_build_object(
      'bytes_received', c.bytes_received,
      'first_byte_ms', c.first_byte_ms,
      'duration_ms', c.duration_ms,
      'images', c.images,
      'cost_usd_micros', c.cost_usd_micros,
      'safe', c.safe,
      'made', c.made,
      'prompt_digest', c.prompt_digest,
      'prompt_length', c.prompt_length,
      'actor', c.actor,
      'proxy', c.proxy
    )
  ) AS metadata
FROM ideogate.audit_call c;
