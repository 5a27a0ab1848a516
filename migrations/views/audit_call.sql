-- edition: 1
-- One row a call: its decision, and beside it the outcome that counts, if there is one.
--
-- A call whose outcome nobody could write is closed as `unknown`: its state is `gap` until a true outcome follows, which
-- then is the one that counts. Decisions come twice only from sending again, so the first of a day is looked up: as NOT
-- EXISTS, Postgres answered for many calls at once by reading every month of the record.
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

REVOKE ALL ON ideogate.audit_call FROM PUBLIC;
GRANT SELECT ON ideogate.audit_call TO ideogate_read;
