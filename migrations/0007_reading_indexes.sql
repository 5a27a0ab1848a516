-- Indexes for what people ask every day: a caller over time, an operation, refusals, one key, one token. Each costs
-- every insert, so each holds only the rows it is asked for. Who acts and what is done stands in the decision and
-- again in the outcome: calls are found by their decision, and the outcome by its call.
DROP INDEX ideogate.audit_event_subject_at;
DROP INDEX ideogate.audit_event_operation_at;
CREATE INDEX audit_event_subject_at ON ideogate.audit_event (subject, at) WHERE kind = 'decision';
CREATE INDEX audit_event_operation_at ON ideogate.audit_event (operation, at) WHERE kind = 'decision';
CREATE INDEX audit_event_refused_at ON ideogate.audit_event (at) WHERE kind = 'decision' AND result = 'refused';
-- A key serves calls and is spoken of in notices; an outcome has none.
CREATE INDEX audit_event_key_at ON ideogate.audit_event (key_id, at) WHERE key_id IS NOT NULL;
-- Without the time: the calls of one token share one entry, and are few enough to sort.
CREATE INDEX audit_event_token ON ideogate.audit_event (token_id) WHERE kind = 'decision';
-- Notices are few; without an index of their own they would be looked for among all calls.
CREATE INDEX audit_event_notice_at ON ideogate.audit_event (result, at) WHERE kind = 'notice';
