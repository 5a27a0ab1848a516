-- Which environment this database belongs to: one row, set at the first start. No two environments share a record.
CREATE TABLE ideogate.deployment (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  environment text NOT NULL CHECK (environment IN ('development', 'staging', 'production'))
);
REVOKE ALL ON ideogate.deployment FROM PUBLIC;
GRANT SELECT ON ideogate.deployment TO ideogate_read;
