-- A gap is closed once, whoever would close it: a process that stood still between looking and writing may find, when it
-- goes on, that another has closed in its place. The record's own table can't say so: a unique key of a partitioned table
-- must hold the time. So each closing puts its call in here, in the transaction that adds the event.
CREATE TABLE ideogate.closed_gap (
  call_id uuid PRIMARY KEY
);
REVOKE ALL ON ideogate.closed_gap FROM PUBLIC;

INSERT INTO ideogate.closed_gap
SELECT call_id FROM ideogate.audit_event WHERE kind = 'outcome' AND result = 'unknown'
ON CONFLICT DO NOTHING;

-- Takes it on to close these, all or none. Those that were closed before, or have a true outcome, are named in the error,
-- joined by commas. The append login may call this and has no other right on the table.
CREATE FUNCTION ideogate.close_gaps(calls uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  taken uuid[];
  ended uuid[];
BEGIN
  -- In one order for all, so that no two wait for each other.
  WITH mine AS (
    INSERT INTO ideogate.closed_gap SELECT DISTINCT c FROM unnest(calls) AS c ORDER BY c
    ON CONFLICT DO NOTHING RETURNING call_id
  )
  SELECT array_agg(call_id) INTO taken FROM mine;
  SELECT array_agg(c) INTO ended FROM unnest(calls) AS c
  WHERE c <> ALL (coalesce(taken, '{}')) OR EXISTS (
    SELECT FROM ideogate.audit_event o WHERE o.call_id = c AND o.kind = 'outcome' AND o.result <> 'unknown');
  IF ended IS NOT NULL THEN
    RAISE EXCEPTION 'closed already' USING ERRCODE = 'IG001', DETAIL = array_to_string(ended, ',');
  END IF;
END
$$;
REVOKE ALL ON FUNCTION ideogate.close_gaps(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ideogate.close_gaps(uuid[]) TO ideogate_append;
