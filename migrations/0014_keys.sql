-- Ideogram's keys, sealed: whoever may put a key cannot open one, and neither the record's logins see keys nor the logins
-- of keys the record. A schema and logins of their own. Every change goes through a function below: one transaction,
-- under one lock, from a state that is checked.
CREATE SCHEMA ideogate_keys;
REVOKE ALL ON SCHEMA ideogate_keys FROM PUBLIC;

-- Roles belong to the whole cluster, so another database's migration may be making the same ones just now.
DO $$
DECLARE
  group_role text;
BEGIN
  FOREACH group_role IN ARRAY ARRAY['ideogate_keys_put', 'ideogate_keys_open'] LOOP
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

CREATE TABLE ideogate_keys.upstream_key (
  id          text        NOT NULL CHECK (id ~ '^key_[0-9a-f]{16}$'),
  slot        text        NOT NULL CHECK (slot IN ('read', 'write')),
  state       text        NOT NULL DEFAULT 'pending'
              CHECK (state IN ('pending', 'verified', 'active', 'draining', 'revoked')),
  -- Of a hundred calls, how many go out with a verified key before it is active.
  share       integer     NOT NULL DEFAULT 0 CHECK (share BETWEEN 0 AND 99 AND (share = 0 OR state = 'verified')),
  -- A revoked key is not kept, only that there was one.
  sealed      bytea       CHECK ((sealed IS NULL) = (state = 'revoked')),
  -- Since when it is known here: its age.
  added_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Since when it is in its state.
  since       timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- A draining key that no gateway uses any more: nothing goes back to it from here on, since it may be revoked at
  -- Ideogram at any moment.
  idle_at     timestamptz CHECK (idle_at IS NULL OR state IN ('draining', 'revoked')),
  PRIMARY KEY (slot, id),
  -- Two keys in a slot while it changes, never more: one that comes or one that goes, beside the active one.
  CONSTRAINT one_active EXCLUDE (slot WITH =) WHERE (state = 'active') DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT one_changing EXCLUDE (slot WITH =) WHERE (state IN ('pending', 'verified', 'draining')) DEFERRABLE INITIALLY DEFERRED
);

-- What happened to which key, by whom. Its number says how far a gateway follows.
CREATE TABLE ideogate_keys.history (
  n      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  id     text        NOT NULL,
  slot   text        NOT NULL,
  was    text,
  became text        NOT NULL,
  share  integer     NOT NULL DEFAULT 0,
  who    text        NOT NULL,
  why    text
);

CREATE FUNCTION ideogate_keys.keep_history() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'the history of keys is only added to';
END
$$;
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON ideogate_keys.history
  FOR EACH STATEMENT EXECUTE FUNCTION ideogate_keys.keep_history();

-- Asked by a person, answered by a gateway: does Ideogram take this key?
CREATE TABLE ideogate_keys.key_check (
  n           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id          text        NOT NULL,
  slot        text        NOT NULL,
  asked_by    text        NOT NULL,
  asked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  taken_at    timestamptz,
  answered_at timestamptz,
  answer      text        CHECK (answer IN ('accepted', 'refused', 'unclear')),
  -- Status that Ideogram answered, or why it did not.
  detail      text,
  CHECK ((answered_at IS NULL) = (answer IS NULL))
);

-- Gateways, and how far each follows the changes.
CREATE TABLE ideogate_keys.gateway (
  writer   uuid        PRIMARY KEY,
  instance text        NOT NULL,
  followed bigint      NOT NULL,
  seen_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One change at a time: who reads a number of the history has everything before it.
CREATE FUNCTION ideogate_keys.one_at_a_time() RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  SELECT pg_advisory_xact_lock(1768186213, 1801812339)
$$;

CREATE FUNCTION ideogate_keys.tell(p_id text, p_slot text, p_was text, p_became text, p_share integer, p_who text, p_why text)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  told bigint;
BEGIN
  INSERT INTO ideogate_keys.history (id, slot, was, became, share, who, why)
    VALUES (p_id, p_slot, p_was, p_became, p_share, p_who, p_why) RETURNING n INTO told;
  PERFORM pg_notify('ideogate_keys', told::text);
  RETURN told;
END
$$;

-- Puts a sealed key into a slot, pending. Refused: `environment`, `occupied` (another one is on its way in or out),
-- `known` (this key is in the slot already, or was revoked).
CREATE FUNCTION ideogate_keys.put_key(p_environment text, p_id text, p_slot text, p_sealed bytea, p_who text)
RETURNS text LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM ideogate_keys.one_at_a_time();
  IF NOT EXISTS (SELECT FROM ideogate.deployment WHERE environment = p_environment) THEN RETURN 'environment'; END IF;
  IF EXISTS (SELECT FROM ideogate_keys.upstream_key WHERE slot = p_slot AND id = p_id) THEN RETURN 'known'; END IF;
  IF EXISTS (SELECT FROM ideogate_keys.upstream_key WHERE slot = p_slot AND state IN ('pending', 'verified', 'draining'))
    THEN RETURN 'occupied'; END IF;
  INSERT INTO ideogate_keys.upstream_key (id, slot, sealed) VALUES (p_id, p_slot, p_sealed);
  PERFORM ideogate_keys.tell(p_id, p_slot, NULL, 'pending', 0, p_who, NULL);
  RETURN 'done';
END
$$;

-- Puts a key into a state, without a look: for the functions that have looked.
CREATE FUNCTION ideogate_keys.set_state(p_id text, p_slot text, p_was text, p_became text, p_share integer, p_who text, p_why text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE ideogate_keys.upstream_key
    SET state = p_became, share = p_share,
      sealed = CASE p_became WHEN 'revoked' THEN NULL ELSE sealed END,
      since = CASE state WHEN p_became THEN since ELSE clock_timestamp() END
    WHERE slot = p_slot AND id = p_id;
  PERFORM ideogate_keys.tell(p_id, p_slot, p_was, p_became, p_share, p_who, p_why);
END
$$;

-- One step of a person's. `p_from` is the state that the person saw; when it is another one now, nothing is done.
--   verified to verified   another share of the calls
--   verified to active     the active one becomes draining
--   draining to active     back again: the active one becomes pending
--   draining to draining   it is idle: no way back from here
--   draining to revoked    only once it is idle
--   pending or verified to revoked   given up
-- Refused: `stale`, `idle` (there is no way back), `in use`, `no such step`.
CREATE FUNCTION ideogate_keys.step(p_id text, p_slot text, p_from text, p_to text, p_share integer, p_who text, p_why text)
RETURNS text LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_key ideogate_keys.upstream_key;
  other     text;
BEGIN
  PERFORM ideogate_keys.one_at_a_time();
  SELECT * INTO found_key FROM ideogate_keys.upstream_key WHERE slot = p_slot AND id = p_id;
  IF NOT FOUND OR found_key.state <> p_from THEN RETURN 'stale'; END IF;
  CASE p_from || ' to ' || p_to
    WHEN 'verified to verified', 'pending to revoked', 'verified to revoked' THEN
      NULL;
    WHEN 'draining to draining' THEN
      UPDATE ideogate_keys.upstream_key SET idle_at = coalesce(idle_at, clock_timestamp()) WHERE slot = p_slot AND id = p_id;
    WHEN 'draining to revoked' THEN
      IF found_key.idle_at IS NULL THEN RETURN 'in use'; END IF;
    WHEN 'verified to active', 'draining to active' THEN
      IF found_key.idle_at IS NOT NULL THEN RETURN 'idle'; END IF;
      SELECT id INTO other FROM ideogate_keys.upstream_key WHERE slot = p_slot AND state = 'active';
      IF other IS NOT NULL THEN
        PERFORM ideogate_keys.set_state(other, p_slot, 'active',
          CASE p_from WHEN 'verified' THEN 'draining' ELSE 'pending' END, 0, p_who, p_why);
      END IF;
    ELSE
      RETURN 'no such step';
  END CASE;
  PERFORM ideogate_keys.set_state(p_id, p_slot, p_from, p_to, p_share, p_who, p_why);
  RETURN 'done';
END
$$;

-- The upstream refused a key that had begun to serve: the one before it serves alone again, and this one is pending.
-- False when another gateway did so already, or there is nothing to go back to.
CREATE FUNCTION ideogate_keys.go_back(p_refused text, p_slot text, p_who text)
RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  refused_state text;
  before        text;
BEGIN
  PERFORM ideogate_keys.one_at_a_time();
  SELECT state INTO refused_state FROM ideogate_keys.upstream_key WHERE slot = p_slot AND id = p_refused;
  IF refused_state = 'active' THEN
    SELECT id INTO before FROM ideogate_keys.upstream_key WHERE slot = p_slot AND state = 'draining' AND idle_at IS NULL;
    IF before IS NULL THEN RETURN false; END IF;
    PERFORM ideogate_keys.set_state(before, p_slot, 'draining', 'active', 0, p_who, 'the key after it was refused');
  ELSIF NOT coalesce(refused_state = 'verified' AND EXISTS (
    SELECT FROM ideogate_keys.upstream_key WHERE slot = p_slot AND id = p_refused AND share > 0), false) THEN
    RETURN false;
  END IF;
  PERFORM ideogate_keys.set_state(p_refused, p_slot, refused_state, 'pending', 0, p_who, 'refused by the upstream');
  RETURN true;
END
$$;

CREATE FUNCTION ideogate_keys.ask_check(p_id text, p_slot text, p_who text)
RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  asked bigint;
BEGIN
  INSERT INTO ideogate_keys.key_check (id, slot, asked_by) VALUES (p_id, p_slot, p_who) RETURNING n INTO asked;
  PERFORM pg_notify('ideogate_keys', 'check');
  RETURN asked;
END
$$;

-- A check for one gateway to make. One that a gateway took and did not answer is given again.
CREATE FUNCTION ideogate_keys.take_check()
RETURNS TABLE (n bigint, id text, slot text, sealed bytea)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH next AS (
    SELECT c.n FROM ideogate_keys.key_check c
    WHERE c.answered_at IS NULL AND (c.taken_at IS NULL OR c.taken_at < clock_timestamp() - interval '20 seconds')
      AND c.asked_at > clock_timestamp() - interval '10 minutes'
    ORDER BY c.n LIMIT 1 FOR UPDATE SKIP LOCKED
  ), taken AS (
    UPDATE ideogate_keys.key_check c SET taken_at = clock_timestamp() FROM next WHERE c.n = next.n RETURNING c.n, c.id, c.slot
  )
  SELECT t.n, t.id, t.slot, k.sealed FROM taken t LEFT JOIN ideogate_keys.upstream_key k ON k.id = t.id AND k.slot = t.slot
$$;

-- What Ideogram said. A pending key that it took is verified.
CREATE FUNCTION ideogate_keys.answer_check(p_n bigint, p_answer text, p_detail text)
RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  answered ideogate_keys.key_check;
BEGIN
  PERFORM ideogate_keys.one_at_a_time();
  UPDATE ideogate_keys.key_check SET answered_at = clock_timestamp(), answer = p_answer, detail = p_detail
    WHERE n = p_n AND answered_at IS NULL RETURNING * INTO answered;
  IF answered.answer = 'accepted' AND EXISTS (
    SELECT FROM ideogate_keys.upstream_key WHERE slot = answered.slot AND id = answered.id AND state = 'pending') THEN
    PERFORM ideogate_keys.set_state(answered.id, answered.slot, 'pending', 'verified', 0, answered.asked_by, p_detail);
  END IF;
END
$$;

-- The same key under other recipients: only in place of what was opened for it.
CREATE FUNCTION ideogate_keys.reseal(p_id text, p_slot text, p_before bytea, p_sealed bytea, p_who text)
RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  resealed ideogate_keys.upstream_key;
BEGIN
  PERFORM ideogate_keys.one_at_a_time();
  UPDATE ideogate_keys.upstream_key SET sealed = p_sealed
    WHERE slot = p_slot AND id = p_id AND sealed = p_before RETURNING * INTO resealed;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM ideogate_keys.tell(p_id, p_slot, resealed.state, resealed.state, resealed.share, p_who, 'resealed');
  RETURN true;
END
$$;

-- A gateway says how far it follows; the answer is how far there is to follow, and whether anybody waits for a check.
-- A gateway that has been gone for a day is forgotten.
CREATE FUNCTION ideogate_keys.follow(p_writer uuid, p_instance text, p_followed bigint)
RETURNS TABLE (newest bigint, checks boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO ideogate_keys.gateway AS g (writer, instance, followed) VALUES (p_writer, p_instance, p_followed)
    ON CONFLICT (writer) DO UPDATE SET followed = excluded.followed, seen_at = clock_timestamp()
    WHERE g.followed <> excluded.followed OR g.seen_at < clock_timestamp() - interval '2 seconds';
  DELETE FROM ideogate_keys.gateway g WHERE g.seen_at < clock_timestamp() - interval '1 day';
  RETURN QUERY SELECT coalesce((SELECT max(h.n) FROM ideogate_keys.history h), 0),
    EXISTS (SELECT FROM ideogate_keys.key_check c WHERE c.answered_at IS NULL
      AND (c.taken_at IS NULL OR c.taken_at < clock_timestamp() - interval '20 seconds')
      AND c.asked_at > clock_timestamp() - interval '10 minutes');
END
$$;

CREATE FUNCTION ideogate_keys.leave(p_writer uuid)
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM ideogate_keys.gateway WHERE writer = p_writer
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA ideogate_keys FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ideogate_keys FROM PUBLIC;
GRANT USAGE ON SCHEMA ideogate_keys TO ideogate_keys_put, ideogate_keys_open;
GRANT SELECT ON ideogate_keys.history, ideogate_keys.key_check, ideogate_keys.gateway TO ideogate_keys_put;
-- All but what is sealed.
GRANT SELECT (id, slot, state, share, added_at, since, idle_at) ON ideogate_keys.upstream_key TO ideogate_keys_put;
GRANT SELECT ON ideogate_keys.upstream_key, ideogate_keys.history TO ideogate_keys_open;
GRANT EXECUTE ON FUNCTION
  ideogate_keys.put_key(text, text, text, bytea, text),
  ideogate_keys.step(text, text, text, text, integer, text, text),
  ideogate_keys.ask_check(text, text, text)
  TO ideogate_keys_put;
GRANT EXECUTE ON FUNCTION
  ideogate_keys.go_back(text, text, text),
  ideogate_keys.take_check(),
  ideogate_keys.answer_check(bigint, text, text),
  ideogate_keys.reseal(text, text, bytea, bytea, text),
  ideogate_keys.follow(uuid, text, bigint),
  ideogate_keys.leave(uuid)
  TO ideogate_keys_open;
