-- The prompt of a call, where policy lets the record keep it: sealed under the key of its month, so that destroying the
-- key is the deletion, and covered by the hash as it stands here, so that the chain goes on without it.
ALTER TABLE ideogate.audit_event ADD COLUMN prompt_sealed text;

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
    EXECUTE format('ALTER TABLE %s ADD COLUMN prompt_sealed text', apart);
  END LOOP;
END
$$;
