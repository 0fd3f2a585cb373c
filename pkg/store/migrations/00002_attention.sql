-- +goose Up
-- The functions below keep the search path they are made with.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Attention, one row an occurrence: of a registration, or of a fact that has none.
CREATE TABLE attention (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    registration_id text,
    fact_id         text,
    flag            text NOT NULL,
    object          text NOT NULL, -- what tells one occurrence from another: an attempt, a refund, a fact
    raised_at       timestamptz NOT NULL,
    cleared_at      timestamptz,   -- when its cause was gone
    acknowledged_at timestamptz,
    acknowledged_by text,
    note            text
);

CREATE UNIQUE INDEX attention_occurrence ON attention (coalesce(registration_id, ''), flag, object);
CREATE INDEX attention_fact ON attention (fact_id) WHERE registration_id IS NULL;
CREATE INDEX attention_open ON attention (raised_at) WHERE cleared_at IS NULL AND acknowledged_at IS NULL;

-- When Stripe was last asked to whom an event belongs.
ALTER TABLE stripe_events ADD COLUMN asked_at timestamptz;

-- A succeeded intent without a payment leaves its registration pending, without a deadline.
CREATE INDEX registrations_processing ON registrations (id) WHERE status = 'PENDING' AND deadline IS NULL;
CREATE INDEX registrations_removed ON registrations (removed_at) WHERE removed_at IS NOT NULL AND (email <> '' OR name IS NOT NULL);

-- +goose StatementBegin
CREATE FUNCTION guichet_attention_forgets() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM attention WHERE registration_id IS NOT NULL;
    ELSE
        DELETE FROM attention WHERE coalesce(registration_id, '') IN (SELECT id FROM old_rows);
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER registrations_attention_forgets AFTER DELETE ON registrations
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION guichet_attention_forgets();
CREATE TRIGGER registrations_attention_truncate AFTER TRUNCATE ON registrations
    FOR EACH STATEMENT EXECUTE FUNCTION guichet_attention_forgets();

-- As before, and whoever is seated needs nobody's attention for it any longer.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION guichet_seat_waiting(ids text[]) RETURNS void
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
    ), cleared AS (
        UPDATE attention a
        SET cleared_at = now()
        FROM next
        WHERE coalesce(a.registration_id, '') = next.id AND a.flag = 'paid_without_seat' AND a.cleared_at IS NULL
    )
    INSERT INTO registration_history (registration_id, from_status, to_status, cause, seat_held)
    SELECT id, status, status, cause, true
    FROM seated
$$;
-- +goose StatementEnd

-- +goose Down
SELECT 'migrations only grow';
