-- Version 1: the ledger, accounts of builds, the queue. Run by the owner, in one transaction.
CREATE SCHEMA praxis;
REVOKE ALL ON SCHEMA praxis FROM PUBLIC;

CREATE TABLE praxis.migrations (
    version integer PRIMARY KEY,
    applied timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE praxis.ledger (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    origin text NOT NULL
);
INSERT INTO praxis.ledger (origin) VALUES ('praxis/ledger/' || left(replace(gen_random_uuid()::text, '-', ''), 16));

CREATE TABLE praxis.records (
    number bigint PRIMARY KEY CHECK (number > 0),
    text text NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32)
);

-- The account of a build: JSON, and what a list needs. A build that was taken over may have one of each try.
CREATE TABLE praxis.accounts (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record bigint NOT NULL UNIQUE REFERENCES praxis.records,
    account text NOT NULL
);

CREATE TABLE praxis.builds (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    -- Counts who took the build: the fencing token. Only the holder of the latest one may end the build.
    attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    worker text,
    taken_at timestamptz,
    lease_until timestamptz,
    cancel_asked boolean NOT NULL DEFAULT false,
    ended_at timestamptz,
    record bigint REFERENCES praxis.records,
    result text,
    CHECK ((state = 'waiting') = (attempt = 0 AND ended_at IS NULL)),
    CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CHECK ((state IN ('done', 'failed', 'cancelled')) = (ended_at IS NOT NULL)),
    CHECK (state <> 'done' OR record IS NOT NULL)
);
CREATE INDEX builds_open ON praxis.builds (number) WHERE state IN ('waiting', 'running');

CREATE FUNCTION praxis.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'rows of %.% are not changed or removed', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER stay BEFORE UPDATE OR DELETE OR TRUNCATE ON praxis.records EXECUTE FUNCTION praxis.refuse();
CREATE TRIGGER stay BEFORE UPDATE OR DELETE OR TRUNCATE ON praxis.ledger EXECUTE FUNCTION praxis.refuse();
CREATE TRIGGER stay BEFORE UPDATE OR DELETE OR TRUNCATE ON praxis.accounts EXECUTE FUNCTION praxis.refuse();
CREATE TRIGGER remain BEFORE DELETE OR TRUNCATE ON praxis.builds EXECUTE FUNCTION praxis.refuse();

-- A record follows the last one, names its hash, and has the hash of its own text: RFC 6962, section 2.1.
CREATE FUNCTION praxis.follow() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last record;
    previous text;
BEGIN
    PERFORM pg_advisory_xact_lock(x'7072784c'::integer, 1);
    SELECT number, hash INTO last FROM praxis.records ORDER BY number DESC LIMIT 1;
    IF NEW.number <> coalesce(last.number, 0) + 1 THEN
        RAISE EXCEPTION 'records of the ledger follow each other';
    END IF;
    -- Not read as JSON, which PostgreSQL does not take with a \u0000 in it.
    previous := coalesce('"sha256:' || encode(last.hash, 'hex') || '"', 'null');
    IF NOT starts_with(NEW.text, format('{"number":%s,"previous":%s,', NEW.number, previous))
        OR NEW.hash <> sha256('\x00'::bytea || convert_to(NEW.text, 'UTF8')) THEN
        RAISE EXCEPTION 'record % does not have the hashes of its text and of the record before it', NEW.number;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER follow BEFORE INSERT ON praxis.records FOR EACH ROW EXECUTE FUNCTION praxis.follow();

-- What a build was asked to be stays; what ended stays; who took it is counted upwards.
CREATE FUNCTION praxis.advance() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'build % has ended: it is not changed', OLD.number;
    END IF;
    IF (NEW.number, NEW.request, NEW.asked_by, NEW.asked_at) IS DISTINCT FROM
        (OLD.number, OLD.request, OLD.asked_by, OLD.asked_at)
        OR NEW.attempt < OLD.attempt OR (OLD.cancel_asked AND NOT NEW.cancel_asked) THEN
        RAISE EXCEPTION 'what build % was asked to be is not changed', OLD.number;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER advance BEFORE UPDATE ON praxis.builds FOR EACH ROW EXECUTE FUNCTION praxis.advance();

REVOKE ALL ON ALL TABLES IN SCHEMA praxis FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA praxis FROM PUBLIC;
