-- edition: 1
-- One row a call in the plain shape for the security team.
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

REVOKE ALL ON ideogate.audit_entry FROM PUBLIC;
GRANT SELECT ON ideogate.audit_entry TO ideogate_read;
