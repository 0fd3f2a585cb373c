-- +goose Up
-- What the figures about the database are read from, so that they stay cheap at millions of rows.
CREATE INDEX registrations_status ON registrations (status); -- counted from the index alone
CREATE INDEX stripe_events_disputes ON stripe_events ((detail ->> 'dispute'), kind) WHERE kind IN ('disputed', 'dispute_closed');
CREATE INDEX events_dated ON events (starts_at) WHERE starts_at IS NOT NULL;
CREATE INDEX events_undated ON events (created_at) WHERE starts_at IS NULL;

-- Where the trace of an event goes on, for the mails that come of it; set only while traces are recorded.
ALTER TABLE stripe_events ADD COLUMN traceparent text;

-- +goose Down
SELECT 'migrations only grow';
