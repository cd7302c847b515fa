-- Version 2: a build has the id of its record from the beginning, and what happens in it can be followed while it runs.
ALTER TABLE praxis.builds ADD COLUMN id text CHECK (id ~ '^[0-9a-f]{16}$');

-- What happened: JSON, some events at once. It stays until some time after the end; then the account has all of it.
CREATE TABLE praxis.events (
    build bigint NOT NULL REFERENCES praxis.builds,
    attempt integer NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    text text NOT NULL CHECK (octet_length(text) <= 1048576),
    PRIMARY KEY (build, attempt, number)
);

CREATE OR REPLACE FUNCTION praxis.advance() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'build % has ended: it is not changed', OLD.number;
    END IF;
    IF (NEW.number, NEW.id, NEW.request, NEW.asked_by, NEW.asked_at) IS DISTINCT FROM
        (OLD.number, OLD.id, OLD.request, OLD.asked_by, OLD.asked_at)
        OR NEW.attempt < OLD.attempt OR (OLD.cancel_asked AND NOT NEW.cancel_asked) THEN
        RAISE EXCEPTION 'what build % was asked to be is not changed', OLD.number;
    END IF;
    RETURN NEW;
END $$;

REVOKE ALL ON praxis.events FROM PUBLIC;
