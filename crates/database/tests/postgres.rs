//! The ledger, accounts and the queue in a real PostgreSQL.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use praxis_database::{
    Cancelled, DatabaseError, DatabaseUrl, Diary, End, EndState, Kept, Known, Lease, MOST_ATTEMPTS, Queue,
    SharedBooks, Told, Worker, migrate, work,
};
use praxis_ledger::{Books, Entry, Kind, Ledger, read_export, verify_records, write_export};
use praxis_testkit::{RealPostgres, TestDatabase};
use serde_json::json;

/// The id of a build's record.
const ID: &str = "0123456789abcdef";
/// A lease that lasts longer than a test.
const LEASE: Duration = Duration::from_secs(30);
/// A lease that has run out as soon as it is given.
const NONE: Duration = Duration::ZERO;

fn url(text: &str) -> DatabaseUrl {
    DatabaseUrl::parse(text).unwrap()
}

fn migrated() -> TestDatabase {
    let database = RealPostgres::shared().database();
    migrate(&url(&database.owner_url()), Some(&database.serving_role())).unwrap();
    database
}

fn books(database: &TestDatabase) -> SharedBooks {
    SharedBooks::open(url(&database.serving_url())).unwrap()
}

fn ledger(database: &TestDatabase) -> Ledger {
    books(database).read().unwrap().unwrap()
}

fn queue(database: &TestDatabase) -> Queue {
    Queue::open(url(&database.serving_url())).unwrap()
}

fn entry(summary: &str) -> Entry {
    Entry {
        time: "2026-11-26T12:00:00Z".into(),
        kind: Kind::Build,
        subject: None,
        success: true,
        summary: summary.into(),
        body: json!({"text": "ünïcode \u{0} and 1.0 stay as they are"}),
    }
}

fn end(state: EndState, result: &str) -> End {
    let kept = Kept {
        entry: entry(result),
        account: Some(json!({"id": result}).to_string()),
    };
    End {
        state,
        result: result.into(),
        kept: vec![kept],
    }
}

#[test]
fn the_ledger_is_the_same_as_in_a_file() {
    let database = migrated();
    let shared = books(&database);
    let place = tempfile::tempdir().unwrap();
    let mut file = Ledger::open(&place.path().join("ledger")).unwrap();
    for summary in ["one", "two", "three"] {
        shared.write(entry(summary)).unwrap();
        file.append(entry(summary)).unwrap();
    }
    let ledger = shared.read().unwrap().unwrap();
    assert_eq!(ledger.records().unwrap(), file.records().unwrap());
    assert_eq!(ledger.checkpoint().unwrap().root, file.checkpoint().unwrap().root);
    assert_eq!(ledger.record(2).unwrap().entry.summary, "two");
    assert!(ledger.record(4).unwrap_err().to_string().contains("it has 3"));
    assert_eq!(ledger.latest(2, |_| true).unwrap()[0].number, 3);
    let checkpoint = ledger.checkpoint().unwrap();
    assert_eq!(
        ledger.verify(std::slice::from_ref(&checkpoint)).unwrap().faults,
        []
    );
    let mut text = Vec::new();
    write_export(&ledger.records().unwrap(), &checkpoint, &mut text).unwrap();
    let (origin, records, own) = read_export(&mut text.as_slice()).unwrap();
    assert_eq!(verify_records(&origin, &records, &[own]).faults, []);
}

#[test]
fn many_servers_write_one_chain() {
    let database = migrated();
    std::thread::scope(|scope| {
        for server in 0..8 {
            let database = &database;
            scope.spawn(move || {
                for number in 0..10 {
                    books(database)
                        .write(entry(&format!("{server}-{number}")))
                        .unwrap();
                }
            });
        }
    });
    let found = ledger(&database).verify(&[]).unwrap();
    assert_eq!((found.faults, found.checkpoint.size), (vec![], 80));
}

#[test]
fn the_serving_role_cannot_change_or_remove_what_is_written() {
    let database = migrated();
    books(&database).write_build(entry("kept"), "{}").unwrap();
    let mut queue = queue(&database);
    queue.add("{}", "me", ID).unwrap();
    let lease = queue.take("worker", LEASE).unwrap().unwrap();
    queue.end(&lease, &end(EndState::Done, "done")).unwrap();
    for (sql, said) in [
        ("UPDATE praxis.records SET text = 'x'", "permission denied"),
        ("DELETE FROM praxis.records", "permission denied"),
        ("TRUNCATE praxis.records CASCADE", "permission denied"),
        ("DELETE FROM praxis.accounts", "permission denied"),
        ("UPDATE praxis.ledger SET origin = 'x'", "permission denied"),
        ("DELETE FROM praxis.builds", "permission denied"),
        ("TRUNCATE praxis.builds", "permission denied"),
        ("UPDATE praxis.builds SET request = 'x'", "permission denied"),
        ("UPDATE praxis.builds SET id = 'x'", "permission denied"),
        ("UPDATE praxis.events SET text = 'x'", "permission denied"),
        ("UPDATE praxis.builds SET state = 'waiting'", "has ended"),
        ("UPDATE praxis.builds SET result = 'x'", "has ended"),
        (
            "INSERT INTO praxis.builds (request, asked_by, state) VALUES ('', '', 'done')",
            "permission denied",
        ),
        ("INSERT INTO praxis.migrations VALUES (9)", "permission denied"),
        ("DROP TABLE praxis.records", "must be owner"),
        ("ALTER TABLE praxis.records DISABLE TRIGGER ALL", "must be owner"),
        ("CREATE TABLE praxis.more ()", "permission denied"),
        ("SET session_replication_role = replica", "permission denied"),
        (
            "INSERT INTO praxis.records VALUES (9, '{}', sha256('x'))",
            "follow each other",
        ),
        (
            "INSERT INTO praxis.records VALUES (3, '{\"previous\": null}', sha256('x'))",
            "does not have the hashes",
        ),
    ] {
        let answer = database.refused_to_serving_role(sql);
        assert!(answer.contains(said), "{sql}: {answer}");
    }
    assert_eq!(ledger(&database).verify(&[]).unwrap().faults, []);
}

#[test]
fn the_triggers_hold_the_owner_too_and_what_a_superuser_forges_shows() {
    let database = migrated();
    for summary in ["one", "two", "three"] {
        books(&database).write(entry(summary)).unwrap();
    }
    let checkpoint = ledger(&database).checkpoint().unwrap();
    let mut owner = postgres::Client::connect(&database.owner_url(), postgres::NoTls).unwrap();
    for sql in [
        "UPDATE praxis.records SET text = text",
        "DELETE FROM praxis.records",
        "TRUNCATE praxis.records CASCADE",
        "DELETE FROM praxis.builds",
    ] {
        let said = owner.batch_execute(sql).unwrap_err();
        let said = said.as_db_error().unwrap().message().to_string();
        assert!(said.contains("are not changed or removed"), "{sql}: {said}");
    }
    database.sql(
        "SET session_replication_role = replica;
         UPDATE praxis.records SET text = replace(text, 'two', 'TWO') WHERE number = 2;",
    );
    let faults = ledger(&database).verify(&[]).unwrap().faults;
    assert_eq!(faults[0].number, Some(2), "{faults:?}");
    assert!(faults[0].reason.contains("hash differs"), "{faults:?}");
    database.sql("SET session_replication_role = replica; DELETE FROM praxis.records WHERE number > 1;");
    let faults = ledger(&database).verify(&[checkpoint]).unwrap().faults;
    assert!(faults[0].reason.contains("removed from its end"), "{faults:?}");
    database.sql("ALTER TABLE praxis.records DISABLE TRIGGER stay");
    let faults = ledger(&database).verify(&[]).unwrap().faults;
    assert!(faults[0].reason.contains("records.stay"), "{faults:?}");
}

#[test]
fn serving_refuses_a_database_that_is_not_migrated_or_too_new_and_its_owner() {
    let database = RealPostgres::shared().database();
    let said = |url_text: &str| SharedBooks::open(url(url_text)).unwrap_err().to_string();
    let empty = said(&database.serving_url());
    assert!(
        empty.contains("has no tables of praxis: its owner runs praxis database migrate"),
        "{empty}"
    );
    assert_eq!(migrate(&url(&database.owner_url()), None).unwrap().from, 0);
    let unknown = said(&database.serving_url());
    assert!(unknown.contains("no rights to serve"), "{unknown}");
    let owner = url(&database.owner_url());
    let wrong = migrate(&owner, Some("nobody-there")).unwrap_err().to_string();
    assert!(wrong.contains("there is no role"), "{wrong}");
    let wrong = migrate(&owner, Some("super")).unwrap_err().to_string();
    assert!(wrong.contains("superuser or the owner"), "{wrong}");
    let again = migrate(&owner, Some(&database.serving_role())).unwrap();
    assert_eq!((again.from, again.to), (2, 2));
    SharedBooks::open(url(&database.serving_url())).unwrap();
    for powerful in [database.owner_url(), database.super_url()] {
        let refused = said(&powerful);
        assert!(refused.contains("owns the tables or is a superuser"), "{refused}");
    }
    database.sql("INSERT INTO praxis.migrations (version) VALUES (99)");
    for said in [
        said(&database.serving_url()),
        migrate(&owner, None).unwrap_err().to_string(),
    ] {
        assert!(
            said.contains("of version 99, this praxis knows version 2: use a later praxis"),
            "{said}"
        );
        assert!(!said.contains("pass-word"), "{said}");
    }
}

#[test]
fn two_migrations_at_once_make_one_schema() {
    let database = RealPostgres::shared().database();
    let owner = url(&database.owner_url());
    let role = database.serving_role();
    std::thread::scope(|scope| {
        let both = [0, 1].map(|_| scope.spawn(|| migrate(&owner, Some(&role)).unwrap().from));
        let mut from = both.map(|it| it.join().unwrap());
        from.sort_unstable();
        assert_eq!(from, [0, 2]);
    });
}

#[test]
fn a_wrong_password_is_refused_and_not_told() {
    let database = migrated();
    let wrong = database
        .serving_url()
        .replace("serve-pass-word", "wrong-pass-word");
    let said = SharedBooks::open(url(&wrong)).unwrap_err();
    assert!(
        said.to_string().contains("password authentication failed"),
        "{said}"
    );
    assert!(!format!("{said} {said:?}").contains("wrong-pass-word"), "{said}");
    SharedBooks::open(url(&database.serving_url())).unwrap();
    assert!(!database.server().log().contains("pass-word"));
}

#[test]
fn tls_is_verified_against_the_authority_and_the_name() {
    let database = migrated();
    let directory = database.server().directory();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        // The server only takes a key of its own.
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(directory).unwrap());
        std::os::unix::fs::chown(&path, Some(owner), None).unwrap();
        path.display().to_string()
    };
    let certificate = write("server.pem", &made.cert.pem());
    let key = write("server.key", &made.signing_key.serialize_pem());
    let stranger = write("other.pem", &other.cert.pem());
    let query = |host: &str, authority: &str| {
        let base = database.serving_url().replace("127.0.0.1", host);
        let url = url(&format!("{base}?sslmode=require&sslrootcert={authority}"));
        SharedBooks::open(url)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let off = query("localhost", &certificate).unwrap_err();
    assert!(off.contains("server does not support TLS"), "{off}");
    database.sql(&format!("ALTER SYSTEM SET ssl_cert_file = '{certificate}'"));
    database.sql(&format!("ALTER SYSTEM SET ssl_key_file = '{key}'"));
    database.sql("ALTER SYSTEM SET ssl = on");
    database.sql("SELECT pg_reload_conf()");
    let begun = std::time::Instant::now();
    while database.sql("SHOW ssl") != "on" {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{}",
            database.server().log()
        );
    }
    query("localhost", &certificate).unwrap();
    let said = query("localhost", &stranger).unwrap_err();
    assert!(said.contains("invalid peer certificate"), "{said}");
    let said = query("127.0.0.1", &certificate).unwrap_err();
    assert!(said.contains("invalid peer certificate"), "{said}");
    let said = query("localhost", "/nothing/here.pem").unwrap_err();
    assert!(said.contains("sslrootcert=/nothing/here.pem"), "{said}");
}

#[test]
fn no_build_is_taken_twice() {
    let database = migrated();
    let mut queue = queue(&database);
    let added: Vec<i64> = (0..40).map(|_| queue.add("{}", "me", ID).unwrap()).collect();
    let taken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let (database, taken) = (&database, &taken);
            scope.spawn(move || {
                let mut queue = Queue::open(url(&database.serving_url())).unwrap();
                while let Some(lease) = queue.take(&format!("worker {worker}"), LEASE).unwrap() {
                    taken.lock().unwrap().push(lease.number);
                }
            });
        }
    });
    let mut taken = taken.into_inner().unwrap();
    taken.sort_unstable();
    assert_eq!(taken, added);
}

#[test]
fn a_dead_workers_build_is_taken_over_and_the_dead_one_cannot_end_it() {
    let database = migrated();
    let mut queue = queue(&database);
    let number = queue.add("{\"context\": \"/x\"}", "me", ID).unwrap();
    let dead = queue.take("dead", NONE).unwrap().unwrap();
    let alive = queue.take("alive", LEASE).unwrap().unwrap();
    assert_eq!((alive.number, dead.attempt, alive.attempt), (number, 1, 2));
    assert!(queue.take("third", LEASE).unwrap().is_none());
    for lost in [
        queue.end(&dead, &end(EndState::Done, "dead")).unwrap_err(),
        queue.renew(&dead, LEASE).unwrap_err(),
    ] {
        assert!(
            matches!(lost, DatabaseError::Lost { number: lost } if lost == number),
            "{lost}"
        );
    }
    assert_eq!(
        ledger(&database).count().unwrap(),
        0,
        "what the dead worker did is not written"
    );
    queue.end(&alive, &end(EndState::Done, "alive")).unwrap();
    // The answer was lost, and it is ended once more.
    queue.end(&alive, &end(EndState::Done, "alive")).unwrap();
    let lost = queue.end(&dead, &end(EndState::Done, "dead")).unwrap_err();
    assert!(matches!(lost, DatabaseError::Lost { .. }), "{lost}");
    let build = queue.build(number).unwrap();
    assert_eq!((build.state.as_str(), build.record), ("done", Some(1)));
    assert_eq!(
        (build.worker.as_deref(), build.result.as_deref()),
        (Some("alive"), Some("alive"))
    );
    let records = ledger(&database).records().unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].entry.summary, "alive");
    assert_eq!(
        books(&database).builds().unwrap().unwrap(),
        ["{\"id\":\"alive\"}"]
    );
}

#[test]
fn a_build_that_ends_its_workers_does_not_go_round_for_ever() {
    let database = migrated();
    let mut queue = queue(&database);
    let number = queue.add("{}", "me", ID).unwrap();
    for attempt in 1..=MOST_ATTEMPTS {
        assert_eq!(queue.take("dies", NONE).unwrap().unwrap().attempt, attempt);
    }
    assert!(queue.take("other", LEASE).unwrap().is_none());
    let build = queue.build(number).unwrap();
    assert_eq!(build.state, "failed");
    assert!(build.result.unwrap().contains("stopped answering, 3 times"));
    let record = ledger(&database).record(1).unwrap();
    assert!(!record.entry.success);
    assert_eq!(record.entry.body["queue"], number);
}

#[test]
fn builds_are_cancelled_before_they_begin_and_while_they_run() {
    let database = migrated();
    let mut queue = queue(&database);
    let (waiting, running) = (
        queue.add("{}", "me", ID).unwrap(),
        queue.add("{}", "me", ID).unwrap(),
    );
    assert_eq!(queue.cancel(waiting).unwrap(), Cancelled::Removed);
    assert_eq!(queue.cancel(waiting).unwrap(), Cancelled::TooLate);
    let lease = queue.take("worker", LEASE).unwrap().unwrap();
    assert_eq!(lease.number, running);
    assert!(!queue.renew(&lease, LEASE).unwrap());
    assert_eq!(queue.cancel(running).unwrap(), Cancelled::Asked);
    assert!(queue.renew(&lease, LEASE).unwrap(), "the worker is told");
    queue.end(&lease, &end(EndState::Cancelled, "stopped")).unwrap();
    assert_eq!(queue.build(running).unwrap().state, "cancelled");
    let missing = queue.cancel(9999).unwrap_err().to_string();
    assert!(missing.contains("no build 9999"), "{missing}");
    // One whose worker is dead is ended by the next that looks.
    let orphan = queue.add("{}", "me", ID).unwrap();
    queue.take("dead", NONE).unwrap().unwrap();
    queue.cancel(orphan).unwrap();
    assert!(queue.take("other", LEASE).unwrap().is_none());
    assert_eq!(queue.build(orphan).unwrap().state, "cancelled");
}

/// Sets the flag when dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn workers_hold_builds_that_outlast_their_lease_and_stop_those_nobody_wants() {
    let database = migrated();
    let mut queue = queue(&database);
    let long = queue.add("long", "me", ID).unwrap();
    let endless = queue.add("endless", "me", ID).unwrap();
    let worker = |name: &str| Worker {
        name: name.into(),
        lease: Duration::from_millis(900),
        pause: Duration::from_millis(20),
        until_empty: false,
    };
    let (stop, runs) = (AtomicBool::new(false), Mutex::new(BTreeMap::new()));
    let begun = std::time::Instant::now();
    let run = |lease: &Lease, cancel: &AtomicBool, diary: &Diary| {
        diary.take(format!("{{\"runs\":\"{}\"}}", lease.request));
        *runs.lock().unwrap().entry(lease.request.clone()).or_insert(0) += 1;
        let until = match lease.request.as_str() {
            "long" => Duration::from_millis(2500),
            _ => Duration::from_secs(60),
        };
        let begun = std::time::Instant::now();
        while begun.elapsed() < until && !cancel.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
        match cancel.load(Ordering::Relaxed) {
            true => end(EndState::Failed, "stopped"),
            false => end(EndState::Done, &lease.request),
        }
    };
    let tell = |told: Told<'_>| assert!(!matches!(told, Told::Lost(..)), "{told:?}");
    let serving = url(&database.serving_url());
    std::thread::scope(|scope| {
        let workers = ["one", "two"].map(|name| {
            let (worker, serving, run, stop, tell) = (worker(name), &serving, &run, &stop, &tell);
            scope.spawn(move || work(serving, &worker, run, stop, tell))
        });
        // Whatever fails below, the workers end.
        let _stop = Stop(&stop);
        // What happens is there to be read while the build runs.
        let known = Known {
            build: long,
            attempt: 1,
            number: 0,
        };
        let news = loop {
            assert!(begun.elapsed() < Duration::from_secs(60));
            let news = queue.news(&[known]).unwrap();
            if !news.is_empty() {
                break news;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let first = Known { number: 1, ..known };
        assert_eq!(news, [(first, r#"[{"runs":"long"}]"#.to_string())]);
        assert_eq!(queue.news(&[first]).unwrap(), []);
        assert_eq!(queue.open_builds().unwrap(), [(long, 1), (endless, 1)]);
        while queue.build(long).unwrap().ended_at.is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(queue.cancel(endless).unwrap(), Cancelled::Asked);
        while queue.build(endless).unwrap().ended_at.is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(50));
        }
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().for_each(|it| it.join().unwrap().unwrap());
    });
    assert_eq!(queue.build(long).unwrap().state, "done");
    assert_eq!(queue.build(endless).unwrap().state, "cancelled");
    let once = BTreeMap::from([("long".to_string(), 1), ("endless".to_string(), 1)]);
    assert_eq!(runs.into_inner().unwrap(), once, "held, so run once");
}
