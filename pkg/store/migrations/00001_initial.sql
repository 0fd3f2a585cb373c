-- +goose Up
-- Lock order everywhere: stripe_events, registrations, events, each by id.

-- The functions below keep the search path they are made with. pg_temp comes last in it, else a temporary
-- table of the platform's named "events" would take the place of ours.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

CREATE TABLE events (
    id         text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 255),
    title      text NOT NULL,
    starts_at  timestamptz CHECK (starts_at BETWEEN '1970-01-01Z' AND '3000-01-01Z'),
    capacity   integer CHECK (capacity >= 0), -- NULL: unlimited
    seats_held integer NOT NULL DEFAULT 0,    -- kept by the triggers on registrations
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT events_never_oversold CHECK (seats_held >= 0 AND (capacity IS NULL OR seats_held <= capacity))
);

CREATE TABLE registrations (
    -- The platform's columns.
    id                  text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 255),
    event_id            text NOT NULL REFERENCES events (id),
    email               text NOT NULL,
    name                text,
    locale              text NOT NULL DEFAULT 'fr',
    amount_due          bigint, -- minor units; NULL leaves the amount unchecked
    currency            text,
    checkout_session_id text CHECK (length(checkout_session_id) BETWEEN 1 AND 255),
    -- The bounds keep out infinity and times before Christ, which Go's time has no text for.
    checkout_created_at timestamptz CHECK (checkout_created_at BETWEEN '1970-01-01Z' AND '3000-01-01Z'),
    checkout_expires_at timestamptz CHECK (checkout_expires_at BETWEEN '1970-01-01Z' AND '3000-01-01Z'),
    created_at          timestamptz NOT NULL DEFAULT now() CHECK (created_at BETWEEN '1970-01-01Z' AND '3000-01-01Z'),
    -- Guichet's columns.
    checkout_set_at     timestamptz, -- when the session last changed
    status              text NOT NULL DEFAULT 'PENDING'
        CHECK (status IN ('PENDING', 'PAID', 'FAILED', 'CANCELED', 'EXPIRED', 'REFUNDED')),
    cause               text NOT NULL DEFAULT '' CHECK (cause IN ('', 'payment', 'dispute')),
    seat_wished         boolean NOT NULL DEFAULT true,
    seat_held           boolean NOT NULL DEFAULT true,
    attention           text[] NOT NULL DEFAULT '{}',
    deadline            timestamptz,
    paid_at             timestamptz,
    removed_at          timestamptz,
    due_at              timestamptz DEFAULT now()
);

CREATE INDEX registrations_event ON registrations (event_id);
CREATE INDEX registrations_session ON registrations (checkout_session_id, id) WHERE checkout_session_id IS NOT NULL;
CREATE INDEX registrations_due ON registrations (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX registrations_deadline ON registrations (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX registrations_without_seat ON registrations (event_id, paid_at, id)
    WHERE status = 'PAID' AND seat_wished AND NOT seat_held;

-- The inbox and the log of facts: one row an event, also for those that are ignored.
CREATE TABLE stripe_events (
    id               text PRIMARY KEY,
    type             text NOT NULL,
    outcome          text NOT NULL CHECK (outcome IN ('settled', 'waiting', 'ignored')),
    reason           text,
    registration_id  text, -- set where the fact is settled
    kind             text, -- of the fact; NULL for an event that tells none
    source           text NOT NULL DEFAULT 'stripe' CHECK (source IN ('stripe', 'clock', 'lookup')),
    created          timestamptz,
    received_at      timestamptz,
    stored_at        timestamptz NOT NULL DEFAULT now(),
    stream_sequence  bigint,
    account          text,
    livemode         boolean NOT NULL DEFAULT false,
    api_version      text,
    registration_ref text, -- metadata.registrationId
    session_id       text,
    intent_id        text,
    charge_id        text,
    detail           jsonb NOT NULL DEFAULT '{}',
    CHECK ((outcome = 'settled') = (registration_id IS NOT NULL)),
    CHECK (outcome = 'ignored' OR kind IS NOT NULL AND created IS NOT NULL)
);

CREATE INDEX stripe_events_registration ON stripe_events (registration_id) WHERE registration_id IS NOT NULL;
-- With the registration in it the least one of a key is the first entry. Else, where a key has many facts,
-- the planner would rather walk all registrations in order.
CREATE INDEX stripe_events_session ON stripe_events (session_id, registration_id) WHERE registration_id IS NOT NULL AND session_id IS NOT NULL;
CREATE INDEX stripe_events_intent ON stripe_events (intent_id, registration_id) WHERE registration_id IS NOT NULL AND intent_id IS NOT NULL;
CREATE INDEX stripe_events_charge ON stripe_events (charge_id, registration_id) WHERE registration_id IS NOT NULL AND charge_id IS NOT NULL;
CREATE INDEX stripe_events_waiting_ref ON stripe_events (registration_ref) WHERE outcome = 'waiting' AND registration_ref IS NOT NULL;
CREATE INDEX stripe_events_waiting_session ON stripe_events (session_id) WHERE outcome = 'waiting' AND session_id IS NOT NULL;
CREATE INDEX stripe_events_waiting_intent ON stripe_events (intent_id) WHERE outcome = 'waiting' AND intent_id IS NOT NULL;
CREATE INDEX stripe_events_waiting_charge ON stripe_events (charge_id) WHERE outcome = 'waiting' AND charge_id IS NOT NULL;
-- The second condition always holds: it keeps this index out of look-ups by a key, where the planner would
-- take it, and read all of it, as long as few facts wait.
CREATE INDEX stripe_events_waiting ON stripe_events (stored_at) WHERE outcome = 'waiting' AND stored_at IS NOT NULL;

CREATE TABLE registration_history (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    registration_id text NOT NULL,
    at              timestamptz NOT NULL DEFAULT now(),
    from_status     text NOT NULL,
    to_status       text NOT NULL,
    cause           text NOT NULL,
    seat_held       boolean NOT NULL, -- after the change
    fact_id         text -- what decided it
);

CREATE INDEX registration_history_registration ON registration_history (registration_id);

-- The outbox. A slot is mailed once for its registration, or once at all without one.
CREATE TABLE notifications (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    registration_id text,
    fact_id         text,
    kind            text NOT NULL,
    slot            text NOT NULL,
    status          text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'sent', 'dropped', 'failed')),
    created_at      timestamptz NOT NULL DEFAULT now(),
    send_after      timestamptz NOT NULL DEFAULT now(),
    leased_until    timestamptz,
    attempts        integer NOT NULL DEFAULT 0,
    last_error      text,
    sent_at         timestamptz
);

CREATE UNIQUE INDEX notifications_slot ON notifications (coalesce(registration_id, ''), slot);
CREATE INDEX notifications_pending ON notifications (send_after) WHERE status = 'pending';

CREATE VIEW event_availability AS
SELECT id AS event_id,
       capacity,
       seats_held AS held,
       capacity - seats_held AS remaining
FROM events;

CREATE VIEW active_registrations AS
SELECT id,
       event_id,
       email,
       name,
       locale,
       amount_due,
       currency,
       checkout_session_id,
       checkout_created_at,
       checkout_expires_at,
       created_at,
       status,
       cause,
       seat_held,
       attention,
       deadline,
       paid_at
FROM registrations
WHERE removed_at IS NULL;

-- Gives the free places of locked events to those who paid and have none, oldest payment first. Rows that
-- another transaction holds are passed over, so it waits for no lock.
-- +goose StatementBegin
CREATE FUNCTION guichet_seat_waiting(ids text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    WITH free AS (
        SELECT id, capacity - seats_held AS places
        FROM events
        WHERE id = ANY (ids) AND (capacity IS NULL OR seats_held < capacity)
    ), next AS (
        SELECT w.id
        FROM free f
        CROSS JOIN LATERAL (
            SELECT r.id
            FROM registrations r
            WHERE r.event_id = f.id AND r.status = 'PAID' AND r.seat_wished AND NOT r.seat_held
            ORDER BY r.paid_at, r.id
            LIMIT f.places
            FOR NO KEY UPDATE SKIP LOCKED
        ) w
    ), seated AS (
        UPDATE registrations r
        SET seat_held = true,
            attention = array_remove(r.attention, 'paid_without_seat')
        FROM next
        WHERE r.id = next.id
        RETURNING r.id, r.status, r.cause
    )
    INSERT INTO registration_history (registration_id, from_status, to_status, cause, seat_held)
    SELECT id, status, status, cause, true
    FROM seated
$$;
-- +goose StatementEnd

-- Moves the counts of held seats, after locking the events by id.
-- +goose StatementBegin
CREATE FUNCTION guichet_move_seats(ids text[], deltas bigint[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    overfull record;
    freed    text[];
BEGIN
    PERFORM 1 FROM events WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE;
    SELECT e.id, e.capacity
    INTO overfull
    FROM events e
    JOIN unnest(ids, deltas) AS d (id, delta) ON d.id = e.id
    WHERE d.delta > 0 AND e.seats_held + d.delta > e.capacity
    ORDER BY e.id
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'event % is full', overfull.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'events_never_oversold', TABLE = 'events',
                DETAIL = format('All %s places are held.', overfull.capacity),
                HINT = 'Wait until a place comes free, or raise the event''s capacity.';
    END IF;
    UPDATE events e
    SET seats_held = e.seats_held + d.delta
    FROM unnest(ids, deltas) AS d (id, delta)
    WHERE e.id = d.id;
    SELECT array_agg(d.id) INTO freed FROM unnest(ids, deltas) AS d (id, delta) WHERE d.delta < 0;
    IF freed IS NOT NULL THEN
        PERFORM guichet_seat_waiting(freed);
    END IF;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION guichet_move_seats(text[], bigint[]) FROM PUBLIC;

-- +goose StatementBegin
CREATE FUNCTION guichet_count_seats() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    ids    text[];
    deltas bigint[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(m.event_id), array_agg(m.delta)
        INTO ids, deltas
        FROM (SELECT event_id, count(*) AS delta FROM new_rows WHERE seat_held GROUP BY event_id) m;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(m.event_id), array_agg(m.delta)
        INTO ids, deltas
        FROM (SELECT event_id, -count(*) AS delta FROM old_rows WHERE seat_held GROUP BY event_id) m;
    ELSE
        SELECT array_agg(m.event_id), array_agg(m.delta)
        INTO ids, deltas
        FROM (
            SELECT s.event_id, sum(s.delta)::bigint AS delta
            FROM (
                SELECT event_id, 1 AS delta FROM new_rows WHERE seat_held
                UNION ALL
                SELECT event_id, -1 FROM old_rows WHERE seat_held
            ) s
            GROUP BY s.event_id
            HAVING sum(s.delta) <> 0
        ) m;
    END IF;
    IF ids IS NOT NULL THEN
        PERFORM guichet_move_seats(ids, deltas);
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER registrations_seats_insert AFTER INSERT ON registrations
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION guichet_count_seats();
CREATE TRIGGER registrations_seats_update AFTER UPDATE ON registrations
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION guichet_count_seats();
CREATE TRIGGER registrations_seats_delete AFTER DELETE ON registrations
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION guichet_count_seats();

-- What a deleted registration leaves: Stripe's events stay in the inbox, told nobody's. Guichet's own facts
-- go: their ids would keep those of a new row of the same id out.
-- +goose StatementBegin
CREATE FUNCTION guichet_forget_registrations() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    gone text[];
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        UPDATE events SET seats_held = 0 WHERE seats_held <> 0;
        DELETE FROM stripe_events WHERE source <> 'stripe' AND registration_id IS NOT NULL;
        UPDATE stripe_events
        SET registration_id = NULL, outcome = 'ignored', reason = 'registration deleted'
        WHERE registration_id IS NOT NULL;
        DELETE FROM notifications WHERE registration_id IS NOT NULL;
        DELETE FROM registration_history;
        RETURN NULL;
    END IF;
    SELECT array_agg(id) INTO gone FROM old_rows;
    IF gone IS NOT NULL THEN
        DELETE FROM stripe_events WHERE source <> 'stripe' AND registration_id = ANY (gone);
        UPDATE stripe_events
        SET registration_id = NULL, outcome = 'ignored', reason = 'registration deleted'
        WHERE registration_id = ANY (gone);
        DELETE FROM notifications WHERE coalesce(registration_id, '') = ANY (gone);
        DELETE FROM registration_history WHERE registration_id = ANY (gone);
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER registrations_forget AFTER DELETE ON registrations
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION guichet_forget_registrations();
CREATE TRIGGER registrations_truncate AFTER TRUNCATE ON registrations
    FOR EACH STATEMENT EXECUTE FUNCTION guichet_forget_registrations();

-- A row whose columns that Settle reads have changed is due.
-- +goose StatementBegin
CREATE FUNCTION guichet_registration_due() RETURNS trigger
    LANGUAGE plpgsql AS
$$
BEGIN
    NEW.due_at := now();
    IF NEW.checkout_session_id IS DISTINCT FROM OLD.checkout_session_id THEN
        NEW.checkout_set_at := now();
        -- Times that were not given anew are the old session's.
        IF OLD.checkout_session_id IS NOT NULL AND NEW.checkout_created_at IS NOT DISTINCT FROM OLD.checkout_created_at THEN
            NEW.checkout_created_at := NULL;
        END IF;
        IF OLD.checkout_session_id IS NOT NULL AND NEW.checkout_expires_at IS NOT DISTINCT FROM OLD.checkout_expires_at THEN
            NEW.checkout_expires_at := NULL;
        END IF;
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER registrations_due BEFORE UPDATE OF event_id, amount_due, currency, checkout_session_id, checkout_created_at, checkout_expires_at
    ON registrations FOR EACH ROW
    WHEN ((OLD.event_id, OLD.amount_due, OLD.currency, OLD.checkout_session_id, OLD.checkout_created_at, OLD.checkout_expires_at)
        IS DISTINCT FROM
        (NEW.event_id, NEW.amount_due, NEW.currency, NEW.checkout_session_id, NEW.checkout_created_at, NEW.checkout_expires_at))
    EXECUTE FUNCTION guichet_registration_due();

-- Facts name their registration, and Stripe's metadata does: an id is for good.
-- +goose StatementBegin
CREATE FUNCTION guichet_keep_id() RETURNS trigger
    LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION 'registration % keeps its id', OLD.id
        USING ERRCODE = 'check_violation', TABLE = 'registrations';
END
$$;
-- +goose StatementEnd

CREATE TRIGGER registrations_keep_id BEFORE UPDATE OF id ON registrations
    FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION guichet_keep_id();

-- +goose StatementBegin
CREATE FUNCTION guichet_capacity() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
BEGIN
    IF TG_WHEN = 'BEFORE' THEN
        IF NEW.capacity < NEW.seats_held THEN
            RAISE EXCEPTION 'event % holds % places: its capacity cannot be %', NEW.id, NEW.seats_held, NEW.capacity
                USING ERRCODE = 'check_violation', CONSTRAINT = 'events_never_oversold', TABLE = 'events';
        END IF;
        RETURN NEW;
    END IF;
    PERFORM guichet_seat_waiting(ARRAY [NEW.id]);
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER events_capacity_check BEFORE UPDATE OF capacity ON events
    FOR EACH ROW EXECUTE FUNCTION guichet_capacity();
CREATE TRIGGER events_capacity_raised AFTER UPDATE OF capacity ON events
    FOR EACH ROW WHEN (NEW.capacity IS NULL AND OLD.capacity IS NOT NULL OR NEW.capacity > OLD.capacity)
    EXECUTE FUNCTION guichet_capacity();

-- +goose Down
SELECT 'migrations only grow';
