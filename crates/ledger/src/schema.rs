//! The tables. Records are only ever added: SQLite itself refuses everything else.

/// Marks the file as a ledger of praxis ("prxL").
pub(crate) const APPLICATION: i32 = 0x7072_784c;
/// Version of the tables.
pub(crate) const VERSION: i32 = 1;

pub(crate) const TABLES: &str = "
CREATE TABLE ledger (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    origin TEXT NOT NULL
) STRICT;
CREATE TABLE records (
    number INTEGER PRIMARY KEY CHECK (number > 0),
    text TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TRIGGER records_stay BEFORE UPDATE ON records
    BEGIN SELECT RAISE(ABORT, 'records of the ledger are not changed'); END;
CREATE TRIGGER records_remain BEFORE DELETE ON records
    BEGIN SELECT RAISE(ABORT, 'records of the ledger are not removed'); END;
CREATE TRIGGER records_follow BEFORE INSERT ON records
    WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM records)
    BEGIN SELECT RAISE(ABORT, 'records of the ledger follow each other'); END;
CREATE TRIGGER ledger_stays BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the origin of a ledger is not changed'); END;
CREATE TRIGGER ledger_remains BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the origin of a ledger is not removed'); END;
";
