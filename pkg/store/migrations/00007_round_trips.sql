-- +goose Up
-- Locks registrations, by id, and returns them and then their facts. Facts are read by a statement of their own after
-- the lock, to see what was committed before it; here that takes no round trip of its own.
-- +goose StatementBegin
CREATE FUNCTION guichet_lock_registrations(ids text[]) RETURNS TABLE (registration registrations, fact stripe_events)
    LANGUAGE plpgsql AS
$$
BEGIN
    RETURN QUERY
    SELECT r, NULL::stripe_events
    FROM registrations r
    WHERE r.id = ANY (ids)
    ORDER BY r.id
    FOR NO KEY UPDATE;
    RETURN QUERY
    SELECT NULL::registrations, f
    FROM stripe_events f
    WHERE f.registration_id = ANY (ids);
END
$$;
-- +goose StatementEnd

-- +goose Down
SELECT 'migrations only grow';
