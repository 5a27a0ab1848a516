-- Orders that stop calls at once, and their undoing. An order is never changed: a revival names the order that it undoes,
-- so that what gateways, files and this table know can be put together in any sequence, and comes out the same.
CREATE TABLE ideogate_keys.kill_entry (
  n      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Of the order; a revival carries the id of the order that it undoes.
  id     uuid        NOT NULL,
  what   text        NOT NULL CHECK (what IN ('kill', 'revive')),
  kind   text        NOT NULL CHECK (kind IN ('key', 'caller', 'environment')),
  target text        NOT NULL CHECK (length(target) BETWEEN 1 AND 255),
  reason text        NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  who    text        NOT NULL,
  at     timestamptz NOT NULL,
  UNIQUE (id, what)
);
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON ideogate_keys.kill_entry
  FOR EACH STATEMENT EXECUTE FUNCTION ideogate_keys.keep_history();

-- Gateways that obey, and how far they know the entries. Each has them on its disk by then.
CREATE TABLE ideogate_keys.obeying_gateway (
  writer   uuid        PRIMARY KEY,
  instance text        NOT NULL,
  followed bigint      NOT NULL,
  seen_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Adds an entry, or finds it there already.
CREATE FUNCTION ideogate_keys.put_kill_entry(
  p_id uuid, p_what text, p_kind text, p_target text, p_reason text, p_who text, p_at timestamptz)
RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  put bigint;
BEGIN
  PERFORM ideogate_keys.one_at_a_time();
  INSERT INTO ideogate_keys.kill_entry (id, what, kind, target, reason, who, at)
    VALUES (p_id, p_what, p_kind, p_target, p_reason, p_who, p_at) ON CONFLICT DO NOTHING;
  SELECT n INTO put FROM ideogate_keys.kill_entry WHERE id = p_id AND what = p_what;
  PERFORM pg_notify('ideogate_kills', put::text);
  RETURN put;
END
$$;

-- A gateway says how far it obeys; the answer is how far there is to follow, and who else obeys.
CREATE FUNCTION ideogate_keys.obey(p_writer uuid, p_instance text, p_followed bigint)
RETURNS TABLE (newest bigint, instances text[])
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO ideogate_keys.obeying_gateway AS g (writer, instance, followed) VALUES (p_writer, p_instance, p_followed)
    ON CONFLICT (writer) DO UPDATE SET followed = excluded.followed, seen_at = clock_timestamp()
    WHERE g.followed <> excluded.followed OR g.seen_at < clock_timestamp() - interval '2 seconds';
  DELETE FROM ideogate_keys.obeying_gateway g WHERE g.seen_at < clock_timestamp() - interval '1 day';
  RETURN QUERY SELECT coalesce((SELECT max(k.n) FROM ideogate_keys.kill_entry k), 0),
    ARRAY(SELECT g.instance FROM ideogate_keys.obeying_gateway g WHERE g.seen_at > clock_timestamp() - interval '10 seconds');
END
$$;

CREATE FUNCTION ideogate_keys.stop_obeying(p_writer uuid)
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM ideogate_keys.obeying_gateway WHERE writer = p_writer
$$;

REVOKE ALL ON ideogate_keys.kill_entry, ideogate_keys.obeying_gateway FROM PUBLIC;
REVOKE ALL ON FUNCTION
  ideogate_keys.put_kill_entry(uuid, text, text, text, text, text, timestamptz),
  ideogate_keys.obey(uuid, text, bigint), ideogate_keys.stop_obeying(uuid) FROM PUBLIC;
GRANT SELECT ON ideogate_keys.kill_entry TO ideogate_keys_put, ideogate_keys_open;
GRANT SELECT ON ideogate_keys.obeying_gateway TO ideogate_keys_put;
GRANT EXECUTE ON FUNCTION ideogate_keys.put_kill_entry(uuid, text, text, text, text, text, timestamptz)
  TO ideogate_keys_put, ideogate_keys_open;
GRANT EXECUTE ON FUNCTION ideogate_keys.obey(uuid, text, bigint), ideogate_keys.stop_obeying(uuid) TO ideogate_keys_open;
