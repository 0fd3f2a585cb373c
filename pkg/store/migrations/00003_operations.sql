-- +goose Up
-- What people did with the tool: one row a command that changes something, written before it begins.
CREATE TABLE operations (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    command     text NOT NULL, -- such as "replay"
    by_whom     text NOT NULL,
    detail      jsonb NOT NULL DEFAULT '{}', -- its arguments; no personal data
    started_at  timestamptz NOT NULL,
    finished_at timestamptz, -- NULL: under way, or cut off
    result      jsonb,
    error       text
);

CREATE INDEX operations_command ON operations (command, id);

-- A suppressed mail was wanted by a state that a person brought about with mails off: its slot is taken, so
-- that nobody is mailed later either, unless a person asks for it.
ALTER TABLE notifications DROP CONSTRAINT notifications_status_check;
ALTER TABLE notifications ADD CONSTRAINT notifications_status_check
    CHECK (status IN ('pending', 'sent', 'dropped', 'failed', 'suppressed'));

CREATE INDEX notifications_failed ON notifications (id) WHERE status = 'failed';

-- When Stripe was last asked about the session of a row that stays pending.
ALTER TABLE registrations ADD COLUMN asked_at timestamptz;

-- +goose Down
SELECT 'migrations only grow';
