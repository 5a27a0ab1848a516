-- How far each reader that follows the chains has come: who closes gaps, who sends the record out. A position is the
-- last event that is done with. A writer's lower `seq` never commits after a higher one, so nothing is skipped.
CREATE TABLE ideogate.chain_position (
  reader text           NOT NULL,
  writer uuid           NOT NULL,
  seq    bigint         NOT NULL CHECK (seq > 0),
  -- The time of that event, or one before it: earlier months need not be looked at.
  at     timestamptz(6) NOT NULL,
  PRIMARY KEY (reader, writer)
);
REVOKE ALL ON ideogate.chain_position FROM PUBLIC;
GRANT SELECT ON ideogate.chain_position TO ideogate_read;

-- Positions only go on. The append login may call this and has no other right on them.
CREATE FUNCTION ideogate.advance_positions(who text, writers uuid[], seqs bigint[], at_micros bigint[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO ideogate.chain_position AS p (reader, writer, seq, at)
  SELECT who, n.writer, n.seq, 'epoch'::timestamptz + n.at_micros * interval '1 microsecond'
  FROM unnest(writers, seqs, at_micros) AS n (writer, seq, at_micros)
  ON CONFLICT (reader, writer) DO UPDATE SET seq = excluded.seq, at = excluded.at WHERE excluded.seq > p.seq
$$;
REVOKE ALL ON FUNCTION ideogate.advance_positions(text, uuid[], bigint[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ideogate.advance_positions(text, uuid[], bigint[], bigint[]) TO ideogate_append;
