-- The roles of the database, each with the rights it needs and no more:
--   guichet_owner     owns the schema; guichet setup is it
--   guichet_worker    reads, adds and changes rows; the worker, and the guichet tool, are it
--   guichet_platform  inserts events and registrations, changes its own columns, and reads; never writes a status
-- Run it with psql, in Guichet's database, as a user who may make roles: once before the first guichet setup, and once
-- after it, for the rights on the tables that are there by then. It may be run at any time.
--
--   psql "$ADMIN_URL" -v secrets=/run/secrets -v schema=public -f deploy/postgres/roles.sql
--
-- The folder of secrets holds guichet_owner_password, guichet_worker_password and guichet_platform_password.
\set ON_ERROR_STOP on
\if :{?secrets} \else \set secrets /run/secrets \endif
\if :{?schema} \else \set schema public \endif
\set owner `cat :'secrets'/guichet_owner_password`
\set worker `cat :'secrets'/guichet_worker_password`
\set platform `cat :'secrets'/guichet_platform_password`

BEGIN;
SET LOCAL client_min_messages = warning;

SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY ['guichet_owner', 'guichet_worker', 'guichet_platform']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
ALTER ROLE guichet_owner LOGIN PASSWORD :'owner';
ALTER ROLE guichet_worker LOGIN PASSWORD :'worker';
ALTER ROLE guichet_platform LOGIN PASSWORD :'platform';

-- Who is no superuser needs to be a member of the owner, to set the owner's defaults below.
SELECT format('GRANT guichet_owner TO %I', current_user)
WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
\gexec

SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()),
       format('GRANT CONNECT ON DATABASE %I TO guichet_owner, guichet_worker, guichet_platform', current_database())
\gexec
CREATE SCHEMA IF NOT EXISTS :"schema" AUTHORIZATION guichet_owner;
REVOKE CREATE ON SCHEMA :"schema" FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA :"schema" TO guichet_owner;
GRANT USAGE ON SCHEMA :"schema" TO guichet_worker, guichet_platform;

-- The worker: rows of every table, those of later releases too.
ALTER DEFAULT PRIVILEGES FOR ROLE guichet_owner IN SCHEMA :"schema"
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO guichet_worker;

-- What is not the worker's after all, and the platform's own columns, where the tables are there.
SET LOCAL search_path = :"schema";
SELECT statement
FROM (VALUES
    ('guichet_schema', 'REVOKE INSERT, UPDATE, DELETE ON guichet_schema FROM guichet_worker'),
    ('events', 'REVOKE INSERT, DELETE ON events FROM guichet_worker'),
    ('registrations', 'REVOKE INSERT, DELETE ON registrations FROM guichet_worker'),
    ('stripe_events', 'REVOKE DELETE ON stripe_events FROM guichet_worker'),
    ('registration_history', 'REVOKE DELETE ON registration_history FROM guichet_worker'),
    ('events', 'GRANT SELECT, DELETE ON events TO guichet_platform'),
    ('events', 'GRANT INSERT (id, title, starts_at, capacity), UPDATE (title, starts_at, capacity) ON events TO guichet_platform'),
    ('registrations', 'GRANT SELECT, DELETE ON registrations TO guichet_platform'),
    ('registrations', 'GRANT INSERT (id, event_id, email, name, locale, amount_due, currency, checkout_session_id,'
        || ' checkout_created_at, checkout_expires_at, created_at),'
        || ' UPDATE (event_id, email, name, locale, amount_due, currency, checkout_session_id, checkout_created_at,'
        || ' checkout_expires_at) ON registrations TO guichet_platform'),
    ('event_availability', 'GRANT SELECT ON event_availability TO guichet_platform'),
    ('active_registrations', 'GRANT SELECT ON active_registrations TO guichet_platform')
) AS rights (object, statement)
WHERE to_regclass(object) IS NOT NULL
\gexec
COMMIT;
