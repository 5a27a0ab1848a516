-- Gaps that were closed are found by when they were, among all the outcomes that tell how a call ended.
CREATE INDEX audit_event_gap ON ideogate.audit_event (at, call_id) WHERE kind = 'outcome' AND result = 'unknown';
