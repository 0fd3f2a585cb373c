-- +goose Up
-- Events that Stripe could not deliver and that were brought into the stream: one that never comes to the inbox,
-- for it becomes a dead letter each time, is not to be brought in again and again. None of them is a delivery.
CREATE TABLE backfilled (
    event_id     text PRIMARY KEY,
    published_at timestamptz NOT NULL -- the last time
);

CREATE INDEX backfilled_published ON backfilled (published_at);

-- Up to when something was done whole.
CREATE TABLE marks (
    name text PRIMARY KEY,
    at   timestamptz NOT NULL
);

-- Rows that stay pending, those first about whose session Stripe was not asked for longest.
CREATE INDEX registrations_pending ON registrations (asked_at NULLS FIRST, id) WHERE status = 'PENDING';

-- When Stripe's events came, to tell a silence from what is usual.
CREATE INDEX stripe_events_received ON stripe_events (received_at) WHERE received_at IS NOT NULL;

-- +goose Down
SELECT 'migrations only grow';
