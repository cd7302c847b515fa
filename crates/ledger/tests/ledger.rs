//! Ledgers on disk: what is kept, and what every change of it leads to.

use std::collections::BTreeSet;
use std::path::Path;

use praxis_ledger::{
    Checkpoint, Entry, Kind, Ledger, LedgerError, read_export, verify_records, write_export,
};
use praxis_oci::Digest;
use serde_json::json;

fn entry(number: u64) -> Entry {
    Entry {
        time: "2026-11-25T12:00:00Z".into(),
        kind: Kind::ALL[number as usize % Kind::ALL.len()],
        subject: Some(Digest::of(&number.to_le_bytes())),
        success: !number.is_multiple_of(5),
        summary: format!("thing {number}"),
        body: json!({"number": number, "tags": ["example/app:1"]}),
    }
}

fn filled(path: &Path, count: u64) -> Ledger {
    let mut ledger = Ledger::open(path).unwrap();
    for number in 1..=count {
        assert_eq!(ledger.append(entry(number)).unwrap().number, number);
    }
    ledger
}

/// Changes the file as somebody would who does not care for its rules.
fn tamper(path: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let names = "SELECT group_concat('DROP TRIGGER ' || name, ';') FROM sqlite_schema WHERE type = 'trigger'";
    let drop: String = connection.query_row(names, [], |row| row.get(0)).unwrap();
    connection.execute_batch(&drop).unwrap();
    connection.execute_batch(sql).unwrap();
}

fn faults(path: &Path, checkpoints: &[Checkpoint]) -> Vec<(Option<u64>, String)> {
    let ledger = Ledger::open_to_read(path).unwrap().unwrap();
    let found = ledger.verify(checkpoints).unwrap().faults;
    found
        .into_iter()
        .map(|fault| (fault.number, fault.reason))
        .collect()
}

/// A copy of the ledger as it is when a process is killed that has written a part of the file.
fn cut_short(path: &Path, copy: &Path) {
    let writer = rusqlite::Connection::open(path).unwrap();
    writer
        .execute_batch(
            "PRAGMA cache_size = 1; BEGIN IMMEDIATE; CREATE TABLE half (written);
             WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 500)
             INSERT INTO half SELECT randomblob(2000) FROM many;",
        )
        .unwrap();
    let journal = |path: &Path| format!("{}-journal", path.display());
    std::fs::copy(path, copy).unwrap();
    std::fs::copy(journal(path), journal(copy)).unwrap();
}

#[test]
fn what_a_killed_process_had_half_written_is_taken_back_by_who_only_reads() {
    let place = tempfile::tempdir().unwrap();
    let (path, copy) = (place.path().join("ledger"), place.path().join("copy"));
    filled(&path, 12);
    cut_short(&path, &copy);
    let size = || std::fs::metadata(&copy).unwrap().len();
    assert!(size() > 500_000, "{}", size());
    let ledger = Ledger::open_to_read(&copy).unwrap().unwrap();
    assert_eq!(ledger.records().unwrap().len(), 12);
    assert_eq!(ledger.verify(&[]).unwrap().faults.len(), 0);
    assert!(size() < 500_000, "{}", size());
}

#[test]
fn what_was_written_is_read_again_by_another_process() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("ledger");
    assert!(Ledger::open_to_read(&path).unwrap().is_none());
    let origin = filled(&path, 12).origin().to_string();
    let ledger = Ledger::open_to_read(&path).unwrap().unwrap();
    assert_eq!(ledger.origin(), origin);
    let records = ledger.records().unwrap();
    assert_eq!(records.len(), 12);
    for (record, number) in records.iter().zip(1..) {
        assert_eq!(record.entry, entry(number));
        assert_eq!(*record, ledger.record(number).unwrap());
    }
    assert_eq!(records[0].previous, None);
    assert!(
        records
            .windows(2)
            .all(|pair| pair[1].previous == Some(pair[0].hash))
    );
    let pins = ledger.latest(1, |record| record.entry.kind == Kind::Pin).unwrap();
    assert_eq!(pins.iter().map(|pin| pin.number).collect::<Vec<_>>(), [11]);
    let missing = ledger.record(13).unwrap_err().to_string();
    assert!(missing.contains("no record 13; it has 12"), "{missing}");
    assert!(faults(&path, &[ledger.checkpoint().unwrap()]).is_empty());
}

#[test]
fn writers_side_by_side_lose_nothing() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("ledger");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for number in 0..10 {
                    Ledger::open(path)
                        .unwrap()
                        .append(entry(writer * 100 + number))
                        .unwrap();
                }
            });
        }
    });
    let ledger = Ledger::open_to_read(&path).unwrap().unwrap();
    let summaries: BTreeSet<String> = ledger
        .records()
        .unwrap()
        .into_iter()
        .map(|it| it.entry.summary)
        .collect();
    assert_eq!(summaries.len(), 40);
    assert!(faults(&path, &[]).is_empty());
}

#[test]
fn the_database_refuses_changes() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("ledger");
    drop(filled(&path, 3));
    let connection = rusqlite::Connection::open(&path).unwrap();
    for (sql, reason) in [
        ("UPDATE records SET text = 'x' WHERE number = 2", "not changed"),
        ("DELETE FROM records WHERE number = 3", "not removed"),
        ("DELETE FROM records", "not removed"),
        (
            "INSERT INTO records VALUES (9, 'x', zeroblob(32))",
            "follow each other",
        ),
        (
            "INSERT OR REPLACE INTO records VALUES (2, 'x', zeroblob(32))",
            "follow each other",
        ),
        ("UPDATE ledger SET origin = 'x'", "not changed"),
        ("DELETE FROM ledger", "not removed"),
    ] {
        let error = connection.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains(reason), "{sql}: {error}");
    }
    assert!(faults(&path, &[]).is_empty());
}

#[test]
fn changes_are_found_where_they_are() {
    let changes = [
        (
            "UPDATE records SET text = replace(text, 'thing 3', 'thing 4') WHERE number = 3",
            Some(3),
            "the hash differs",
        ),
        (
            "UPDATE records SET hash = zeroblob(32) WHERE number = 3",
            Some(3),
            "the hash differs",
        ),
        (
            "UPDATE records SET text = 'x' WHERE number = 3",
            Some(3),
            "no record",
        ),
        (
            "DELETE FROM records WHERE number = 3",
            Some(4),
            "record 3 is missing",
        ),
        (
            "DELETE FROM records WHERE number = 1",
            Some(2),
            "record 1 is missing",
        ),
        (
            "UPDATE records SET number = 33 WHERE number = 3; UPDATE records SET number = 3 WHERE number = 4;
             UPDATE records SET number = 4 WHERE number = 33;",
            Some(3),
            "says that it is record 4",
        ),
    ];
    for (sql, number, reason) in changes {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("ledger");
        drop(filled(&path, 6));
        tamper(&path, sql);
        let found = faults(&path, &[]);
        assert_eq!(found[0].0, number, "{sql}: {found:?}");
        assert!(found[0].1.contains(reason), "{sql}: {found:?}");
    }
}

#[test]
fn a_record_that_is_forged_with_its_hash_is_found_at_the_next() {
    let place = tempfile::tempdir().unwrap();
    let (path, other) = (place.path().join("ledger"), place.path().join("other"));
    drop(filled(&path, 5));
    // A record that is sound in itself, in the same place.
    let mut forger = filled(&other, 2);
    let forged = forger
        .append(Entry {
            summary: "forged".into(),
            ..entry(3)
        })
        .unwrap();
    let hex = forged.hash.hex();
    tamper(
        &path,
        &format!(
            "UPDATE records SET text = '{}', hash = x'{hex}' WHERE number = 3",
            forged.text
        ),
    );
    let found = faults(&path, &[]);
    assert_eq!(
        found,
        [(
            Some(4),
            "it does not follow record 3: that one has another hash".to_string()
        )]
    );
}

#[test]
fn a_checkpoint_shows_what_the_file_alone_cannot() {
    let place = tempfile::tempdir().unwrap();
    let (path, other) = (place.path().join("ledger"), place.path().join("other"));
    let (first, last) = {
        let mut ledger = filled(&path, 4);
        let first = ledger.checkpoint().unwrap();
        ledger.append(entry(5)).unwrap();
        (first, ledger.checkpoint().unwrap())
    };
    let known = [first.clone(), last.clone()];
    assert!(faults(&path, &known).is_empty());
    tamper(&path, "DELETE FROM records WHERE number = 5");
    assert!(
        faults(&path, &[]).is_empty(),
        "a missing end cannot be seen from inside"
    );
    let found = faults(&path, &known);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].1.contains("covers 5 records and the ledger has 4"),
        "{found:?}"
    );
    // Another ledger in its place, with as many records.
    drop(filled(&other, 5));
    assert!(faults(&other, &known)[0].1.contains("another ledger"));
    let origin = Ledger::open_to_read(&other)
        .unwrap()
        .unwrap()
        .origin()
        .to_string();
    let moved = Checkpoint {
        origin,
        root: Digest::of(b"x"),
        ..first
    };
    assert!(
        faults(&other, &[moved])[0]
            .1
            .contains("the first 4 records are not those")
    );
}

/// Every byte of the file: a change of it is found, or changes nothing that is written down.
#[test]
fn no_byte_can_be_changed_unseen() {
    let place = tempfile::tempdir().unwrap();
    let (path, copy) = (place.path().join("ledger"), place.path().join("copy"));
    let checkpoint = filled(&path, 3).checkpoint().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let written = Ledger::open_to_read(&path).unwrap().unwrap().records().unwrap();
    let mut found = 0;
    for at in (0..bytes.len()).filter(|at| bytes[*at] != 0 || at % 97 == 0) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x20;
        std::fs::write(&copy, &changed).unwrap();
        let Ok(Some(ledger)) = Ledger::open_to_read(&copy) else {
            found += 1;
            continue;
        };
        match ledger.verify(std::slice::from_ref(&checkpoint)) {
            Ok(it) if it.faults.is_empty() => assert_eq!(ledger.records().unwrap(), written, "byte {at}"),
            _ => found += 1,
        }
    }
    assert!(found > 1000, "{found}");
}

#[test]
fn other_files_are_refused_and_stay_as_they_are() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("ledger");
    std::fs::write(&path, "no database, but text that is long enough to be one").unwrap();
    assert!(matches!(Ledger::open(&path), Err(LedgerError::Database { .. })));
    let other = place.path().join("other");
    rusqlite::Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE t (a)")
        .unwrap();
    let error = Ledger::open(&other).err().unwrap().to_string();
    assert!(error.contains("no ledger of praxis"), "{error}");
    let later = place.path().join("later");
    drop(filled(&later, 1));
    rusqlite::Connection::open(&later)
        .unwrap()
        .execute_batch("PRAGMA user_version = 9")
        .unwrap();
    let error = Ledger::open(&later).err().unwrap().to_string();
    assert!(error.contains("version 9"), "{error}");
    let link = place.path().join("link");
    std::os::unix::fs::symlink(place.path().join("elsewhere"), &link).unwrap();
    assert!(Ledger::open(&link).is_err());
    assert!(!place.path().join("elsewhere").exists());
}

#[test]
fn an_export_is_proof_without_the_file() {
    let place = tempfile::tempdir().unwrap();
    let ledger = filled(&place.path().join("ledger"), 7);
    let (records, checkpoint) = (ledger.records().unwrap(), ledger.checkpoint().unwrap());
    let mut text = Vec::new();
    write_export(&records, &checkpoint, &mut text).unwrap();
    let (origin, read, kept) = read_export(&mut text.as_slice()).unwrap();
    assert_eq!((&read, &kept), (&records, &checkpoint));
    assert!(verify_records(&origin, &read, &[kept]).faults.is_empty());
    // Without one line in the middle, with a changed one, and cut off.
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let without = [&lines[..3], &lines[4..]].concat().join("\n") + "\n";
    let (origin, read, kept) = read_export(&mut without.as_bytes()).unwrap();
    assert_eq!(
        verify_records(&origin, &read, &[kept]).faults[0].reason,
        "record 3 is missing"
    );
    let changed = text.replace("thing 6", "thing 9");
    let (origin, read, kept) = read_export(&mut changed.as_bytes()).unwrap();
    let found = verify_records(&origin, &read, &[kept]).faults;
    assert_eq!(found[0].number, Some(7));
    let error = read_export(&mut lines[..5].join("\n").as_bytes())
        .unwrap_err()
        .to_string();
    assert!(error.contains("line 5: it is cut off"), "{error}");
    let cut = lines[..5].join("\n") + "\n";
    let error = read_export(&mut cut.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("line 6: the export has no checkpoint"), "{error}");
}
