-- Adds a column to the record: to its months, to a month on its way to a file, and to months read back from files. Run by
-- the owner, from a migration; `type` is SQL, as after ADD COLUMN.
CREATE FUNCTION ideogate.add_record_column(column_name name, type text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  part regclass;
BEGIN
  FOR part IN
    SELECT c.oid
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    -- A month that is part of the record gets it from there.
    WHERE NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) AND (
      n.nspname IN ('ideogate', 'ideogate_imported') AND c.relkind IN ('r', 'p') AND c.relname = 'audit_event'
      OR n.nspname = 'ideogate' AND c.relkind = 'r' AND c.relname ~ '^audit_event_[0-9]{4}_[0-9]{2}$')
  LOOP
    EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', part, column_name, type);
  END LOOP;
END
$$;
REVOKE ALL ON FUNCTION ideogate.add_record_column(name, text) FROM PUBLIC;
