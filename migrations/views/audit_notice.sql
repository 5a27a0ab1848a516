-- edition: 1
-- What the record says beside calls.
CREATE OR REPLACE VIEW ideogate.audit_notice WITH (security_invoker = true) AS
SELECT
  at AS "timestamp",
  result AS notice,
  environment,
  subject,
  operation,
  problem,
  reason,
  release,
  key_id,
  detail::jsonb AS detail,
  writer,
  seq
FROM ideogate.audit_event
WHERE kind = 'notice';

REVOKE ALL ON ideogate.audit_notice FROM PUBLIC;
GRANT SELECT ON ideogate.audit_notice TO ideogate_read;
