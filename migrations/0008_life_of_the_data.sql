-- Months that left the database for a file, what is needed to go on proving the record without them, and the keys
-- whose destruction is the deletion of what was kept under them.

-- One row a month. The row is there before the partition goes, and stays when the file goes.
CREATE TABLE ideogate.archive (
  month        date        PRIMARY KEY CHECK (extract(day FROM month) = 1),
  -- Its name, not where it is: files are moved.
  file         text        NOT NULL,
  -- Over the file as it is.
  sha256       bytea       NOT NULL CHECK (octet_length(sha256) = 32),
  bytes        bigint      NOT NULL,
  events       bigint      NOT NULL,
  checkpoints  bigint      NOT NULL,
  proved_at    timestamptz NOT NULL DEFAULT now(),
  -- When its partition was dropped; null while it is still there.
  dropped_at   timestamptz,
  -- When the file was removed for its age.
  removed_at   timestamptz
);

-- Which part of each writer's chain a month holds. `at` never goes back within a writer, so it is one range.
CREATE TABLE ideogate.archive_chain (
  month           date   NOT NULL REFERENCES ideogate.archive,
  writer          uuid   NOT NULL,
  first_seq       bigint NOT NULL,
  -- What the range hangs on: the hash of the event before it.
  first_prev_hash bytea  NOT NULL CHECK (octet_length(first_prev_hash) = 32),
  last_seq        bigint NOT NULL CHECK (last_seq >= first_seq),
  last_hash       bytea  NOT NULL CHECK (octet_length(last_hash) = 32),
  PRIMARY KEY (month, writer),
  UNIQUE (writer, first_seq)
);

-- One random key a month, wrapped with a secret that is not in the database. A destroyed one leaves its row, so that
-- nobody makes another in its place.
CREATE TABLE ideogate.month_key (
  month        date        PRIMARY KEY CHECK (extract(day FROM month) = 1),
  -- Nonce, ciphertext, tag of AES-256-GCM: 12 + 32 + 16 bytes.
  wrapped      bytea       CHECK (octet_length(wrapped) = 60),
  made_at      timestamptz NOT NULL DEFAULT now(),
  destroyed_at timestamptz,
  CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

REVOKE ALL ON ideogate.archive, ideogate.archive_chain, ideogate.month_key FROM PUBLIC;
GRANT SELECT ON ideogate.archive, ideogate.archive_chain TO ideogate_read;

-- The key that all replicas use for a month: the first one offered. Null when it was destroyed, and when nothing was
-- offered and there is none. The append login may call this and has no other right on keys.
CREATE FUNCTION ideogate.month_key_of(wanted date, offered bytea) RETURNS bytea
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF offered IS NOT NULL THEN
    -- Waits for whoever offers one at this moment.
    INSERT INTO ideogate.month_key (month, wrapped) VALUES (wanted, offered) ON CONFLICT DO NOTHING;
  END IF;
  RETURN (SELECT wrapped FROM ideogate.month_key WHERE month = wanted);
END
$$;
REVOKE ALL ON FUNCTION ideogate.month_key_of(date, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ideogate.month_key_of(date, bytea) TO ideogate_append;
