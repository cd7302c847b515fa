//! Smoke tests: what an image must show before it is worth publishing.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use praxis_check::{HttpProbe, SmokeTest};
use praxis_dockerfile::parse_size;
use praxis_image::OpenedImage;
use praxis_ledger::{Entry, Kind};
use praxis_oci::{Digest, Platform};
use praxis_sandbox::{Input, Inside, Limits};
use praxis_store::Store;
use rustix::fs::MemfdFlags;
use serde::Serialize;
use serde_json::json;

use crate::container::{RunEnd, RunRequest};
use crate::inspect::identity;
use crate::ledger::record_time;
use crate::{Engine, EngineError};

/// Seconds a test may take unless it says.
const PATIENCE: u64 = 30;
/// How long a command that is only to start is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Processes and threads a test may have unless it says.
const PROCESSES: u64 = 512;
/// Memory a test may have unless it says.
const MEMORY: u64 = 1 << 30;
/// Output that is kept of each stream.
const KEPT: usize = 64 << 10;

/// What `praxis test` asks for.
#[derive(Clone, Debug, Default)]
pub struct SmokeRequest {
    /// The image, as for `praxis inspect`.
    pub image: String,
    /// Its platform, of an index.
    pub platform: Option<Platform>,
    /// The tests. Without any the image's own command must start.
    pub tests: Vec<SmokeTest>,
    /// The user and group that the image was declared to run as, such as `10001:10001`.
    pub user: Option<String>,
    /// The variant of the image that this is.
    pub variant: Option<String>,
    /// With a root that can be written to.
    pub writable: bool,
}

/// What came of the tests of an image.
#[derive(Clone, Debug, Serialize)]
pub struct SmokeReport {
    /// Digest of the manifest, or of the configuration where there is none.
    pub digest: Digest,
    /// Whether everything holds.
    pub passed: bool,
    /// The tests.
    pub tests: Vec<SmokeResult>,
}

/// What came of one test.
#[derive(Clone, Debug, Serialize)]
pub struct SmokeResult {
    /// Its name.
    pub name: String,
    /// Whether everything holds.
    pub passed: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What was asserted.
    pub assertions: Vec<Assertion>,
    /// The beginning of what it wrote to standard output.
    pub stdout: String,
    /// The beginning of what it wrote to standard error.
    pub stderr: String,
    /// Limits that this machine cannot enforce.
    pub unenforced: Vec<String>,
}

/// Something that must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Assertion {
    /// What.
    pub what: String,
    /// Whether it does.
    pub holds: bool,
    /// What is so instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
}

impl Assertion {
    fn new(what: impl Into<String>, holds: bool, instead: impl FnOnce() -> String) -> Assertion {
        Assertion {
            what: what.into(),
            holds,
            instead: (!holds).then(instead),
        }
    }
}

impl Engine {
    /// Runs the smoke tests of an image under a restricted profile, and writes the outcome into the ledger.
    ///
    /// # Errors
    /// If the image cannot be read, a test cannot be run, or the outcome cannot be written down. A test that fails is no
    /// error.
    pub fn smoke_test(
        &self,
        request: &SmokeRequest,
        cancel: &AtomicBool,
    ) -> Result<SmokeReport, EngineError> {
        let store = self.store()?;
        let opened = self.image(&request.image, request.platform.as_ref(), &store)?;
        let results = self.smoke_results(&store, &opened, request, cancel)?;
        let report = SmokeReport {
            digest: identity(&opened),
            passed: results.iter().all(|result| result.passed),
            tests: results,
        };
        self.record(entry(request, &report))?;
        Ok(report)
    }

    /// Runs them and writes nothing down.
    pub(crate) fn smoke_results(
        &self,
        store: &Arc<Store>,
        opened: &OpenedImage,
        request: &SmokeRequest,
        cancel: &AtomicBool,
    ) -> Result<Vec<SmokeResult>, EngineError> {
        let mut tests = request.tests.clone();
        if tests.is_empty() {
            tests.push(SmokeTest::default());
        }
        let fits = |test: &&SmokeTest| {
            let variant = request.variant.as_ref();
            test.variants.is_empty() || variant.is_some_and(|variant| test.variants.contains(variant))
        };
        let mut results = Vec::new();
        for (number, test) in tests.iter().filter(fits).enumerate() {
            let default = request.tests.is_empty();
            results.push(self.smoke(store, opened, request, test, (number, default), cancel)?);
            if cancel.load(Ordering::Relaxed) {
                return Err(praxis_solve::SolveError::cancelled().into());
            }
        }
        if results.is_empty() {
            return Err(EngineError::user(format!(
                "{}: no smoke test is for {}",
                request.image,
                request.variant.as_deref().unwrap_or("an image without a variant")
            ))
            .with_hint("--variant says which variant of the image this is"));
        }
        Ok(results)
    }

    fn smoke(
        &self,
        store: &Arc<Store>,
        opened: &OpenedImage,
        request: &SmokeRequest,
        test: &SmokeTest,
        (number, default): (usize, bool),
        cancel: &AtomicBool,
    ) -> Result<SmokeResult, EngineError> {
        let began = Instant::now();
        let mut output = [Vec::new(), Vec::new()];
        let (stop, answer) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None)));
        let over = AtomicBool::new(false);
        let limit = Duration::from_secs(test.timeout.unwrap_or(PATIENCE));
        let end = std::thread::scope(|scope| {
            let mut ready = |inside: Inside| {
                let (stop, answer, over) = (stop.clone(), answer.clone(), &over);
                let probe = test.http.clone();
                scope.spawn(move || {
                    let found = watch(probe.as_ref(), default, &inside, limit, &|| {
                        over.load(Ordering::Acquire) || cancel.load(Ordering::Relaxed)
                    });
                    *answer.lock().unwrap_or_else(PoisonError::into_inner) = found;
                    if probe.is_some() || default || cancel.load(Ordering::Relaxed) {
                        stop.store(true, Ordering::Release);
                    }
                });
            };
            let mut keep = |stream: u8, bytes: &[u8]| {
                let kept = &mut output[usize::from(stream == 2)];
                let room = KEPT.saturating_sub(kept.len());
                kept.extend(&bytes[..bytes.len().min(room)]);
            };
            let asked = run_request(request, test, limit);
            let asked =
                asked.map(|asked| self.run_opened(store, opened, asked, &mut keep, &mut ready, &stop));
            over.store(true, Ordering::Release);
            asked
        })??;
        let [stdout, stderr] = output.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut assertions = vec![user_assertion(opened, request.user.as_deref(), &end)];
        match (&test.http, default) {
            (Some(probe), _) => assertions.push(answer_assertion(probe, answer.as_deref(), &end)),
            (None, true) => assertions.push(start_assertion(&end)),
            (None, false) => assertions.push(exit_assertion(test, &end, limit)),
        }
        assertions.extend(output_assertions(test, &stdout, &stderr));
        assertions.push(Assertion::new(
            "nothing is written but where it is declared",
            end.written.is_empty(),
            || format!("written: {}", end.written.join(" ")),
        ));
        Ok(SmokeResult {
            name: test
                .name
                .clone()
                .unwrap_or_else(|| format!("smoke {}", number + 1)),
            passed: assertions.iter().all(|assertion| assertion.holds),
            seconds: began.elapsed().as_secs_f64(),
            assertions,
            stdout,
            stderr,
            unenforced: end.exit.unenforced,
        })
    }
}

fn run_request(request: &SmokeRequest, test: &SmokeTest, limit: Duration) -> Result<RunRequest, EngineError> {
    let pair = |line: &String| {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        (name.to_string(), value.to_string())
    };
    Ok(RunRequest {
        image: request.image.clone(),
        command: test.command.clone(),
        arguments: test.args.clone(),
        environment: test.env.iter().map(pair).collect(),
        tmpfs: test.tmpfs.iter().map(|path| (path.clone(), None)).collect(),
        network: test.network,
        writable: request.writable,
        limits: Limits {
            pids: Some(test.pids.unwrap_or(PROCESSES)),
            memory: Some(test.memory.as_deref().and_then(parse_size).unwrap_or(MEMORY)),
            wall_clock: Some(limit),
            ..Limits::default()
        },
        input: Input::Stream(memory_file(&test.stdin)?),
        ..RunRequest::default()
    })
}

/// A file in memory that is read from its beginning.
fn memory_file(text: &str) -> Result<OwnedFd, EngineError> {
    let made = || {
        let mut file = File::from(rustix::fs::memfd_create("stdin", MemfdFlags::CLOEXEC)?);
        file.write_all(text.as_bytes())?;
        file.rewind()?;
        Ok::<_, std::io::Error>(file.into())
    };
    made().map_err(|error| EngineError::environment(format!("the input of the test cannot be made: {error}")))
}

/// Looks at a command while it runs: asks it over HTTP until it answers, or lets it be for a while. The text is what was
/// wrong with the last answer.
fn watch(
    probe: Option<&HttpProbe>,
    default: bool,
    inside: &Inside,
    limit: Duration,
    over: &dyn Fn() -> bool,
) -> Option<String> {
    let until = Instant::now() + if default { LOOK } else { limit };
    let (mut last, mut answered) = (Some("it did not answer".to_string()), false);
    while !over() && Instant::now() < until {
        if let Some(probe) = probe {
            match ask(probe, inside) {
                Ok(()) => return None,
                // The last question may come when the command is being ended: what it said before tells more.
                Err(reason) => {
                    let silent = reason.starts_with(SILENT);
                    if !silent || !answered {
                        last = Some(reason);
                    }
                    answered |= !silent;
                }
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    last
}

/// What a port of the command's own loopback answers over HTTP.
pub(crate) fn http_answer(inside: &Inside, address: SocketAddr, path: &str) -> std::io::Result<String> {
    let patience = Duration::from_secs(5);
    let mut stream = inside.connect(address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
        address.port()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(1 << 20).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// How the reason begins where nothing was answered.
const SILENT: &str = "no answer";

/// One question, and whether the answer is as it must be.
fn ask(probe: &HttpProbe, inside: &Inside) -> Result<(), String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, probe.port));
    let answer = http_answer(inside, address, &probe.path).map_err(|error| format!("{SILENT}: {error}"))?;
    let status = answer.split_whitespace().nth(1).unwrap_or_default();
    if status.is_empty() {
        return Err(format!("{SILENT}: the connection was closed"));
    }
    if status != probe.status.to_string() {
        return Err(format!("status {status}"));
    }
    match &probe.contains {
        Some(text) if !answer.contains(text.as_str()) => Err(format!("the answer does not hold {text:?}")),
        _ => Ok(()),
    }
}

fn user_assertion(opened: &OpenedImage, declared: Option<&str>, end: &RunEnd) -> Assertion {
    let said = &opened.config.config.user;
    let (uid, gid) = end.user;
    let numeric = said
        .split(':')
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let wanted = declared.map(|text| match text.split_once(':') {
        Some(_) => format!("{uid}:{gid}") == *text,
        None => uid.to_string() == *text,
    });
    let what = match declared {
        Some(declared) => format!("it runs as {declared}, which is declared, by number"),
        None => "it runs as a user by number that is not root".to_string(),
    };
    Assertion::new(
        what,
        uid != 0 && gid != 0 && numeric && wanted.unwrap_or(true),
        || format!("USER is {said:?}: it runs as {uid}:{gid}"),
    )
}

fn how(end: &RunEnd, limit: Duration) -> String {
    let exit = &end.exit;
    match (exit.code, exit.signal) {
        _ if exit.timed_out => format!("it did not end within {} s", limit.as_secs()),
        _ if exit.out_of_memory => "it ran out of memory".into(),
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "no exit code".into(),
    }
}

fn exit_assertion(test: &SmokeTest, end: &RunEnd, limit: Duration) -> Assertion {
    let wanted = test.exit.unwrap_or(0);
    Assertion::new(
        format!("it ends with exit code {wanted}"),
        end.exit.code == Some(wanted),
        || how(end, limit),
    )
}

fn start_assertion(end: &RunEnd) -> Assertion {
    let holds = end.exit.cancelled || end.exit.code == Some(0);
    Assertion::new("it starts, and ends well or goes on", holds, || how(end, LOOK))
}

fn answer_assertion(probe: &HttpProbe, wrong: Option<&str>, end: &RunEnd) -> Assertion {
    let what = format!("port {} answers {} on {}", probe.port, probe.status, probe.path);
    // Without a last wrong answer the right one came, unless the command ended before it was asked.
    let holds = wrong.is_none() && end.exit.cancelled;
    Assertion::new(what, holds, || match end.exit.cancelled || end.exit.timed_out {
        true => wrong.unwrap_or("it did not answer").to_string(),
        false => format!("it ended before: {}", how(end, LOOK)),
    })
}

fn output_assertions(test: &SmokeTest, stdout: &str, stderr: &str) -> Vec<Assertion> {
    let mut assertions = Vec::new();
    if let Some(wanted) = &test.stdout {
        assertions.push(Assertion::new(
            "standard output is as expected",
            stdout == wanted,
            || format!("it is {:?} instead of {wanted:?}", beginning(stdout)),
        ));
    }
    for (name, said, parts) in [
        ("standard output", stdout, &test.stdout_contains),
        ("standard error", stderr, &test.stderr_contains),
    ] {
        for part in parts {
            assertions.push(Assertion::new(
                format!("{name} holds {part:?}"),
                said.contains(part.as_str()),
                || format!("it is {:?}", beginning(said)),
            ));
        }
    }
    assertions
}

fn beginning(text: &str) -> String {
    text.chars().take(200).collect()
}

fn entry(request: &SmokeRequest, report: &SmokeReport) -> Entry {
    let failed: Vec<&str> = report
        .tests
        .iter()
        .filter(|test| !test.passed)
        .map(|test| test.name.as_str())
        .collect();
    let outcome = match failed.len() {
        0 => "passed its tests".to_string(),
        count => format!("failed {count} of {} tests", report.tests.len()),
    };
    Entry {
        time: record_time(),
        kind: Kind::Test,
        subject: Some(report.digest),
        success: report.passed,
        summary: format!("{} {outcome}", request.image),
        body: json!({
            "image": request.image,
            "variant": request.variant,
            "tests": report.tests.iter().map(|test| json!({
                "name": test.name,
                "passed": test.passed,
                "assertions": test.assertions,
                "unenforced": test.unenforced,
            })).collect::<Vec<_>>(),
        }),
    }
}
