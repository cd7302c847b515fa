//! An image that runs: what it needs, and what it lets in.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use praxis_check::HttpAnswer;
use praxis_image::OpenedImage;
use praxis_sandbox::{Inside, Limits};
use praxis_store::Store;

use crate::smoke::{SmokeResult, http_answer};
use crate::{Engine, EngineError, RunRequest, SmokeRequest};

/// How long a service may take until it listens.
const START: Duration = Duration::from_secs(10);
/// Processes and threads it may have.
const PROCESSES: u64 = 512;
/// Memory it may have.
const MEMORY: u64 = 1 << 30;

impl Engine {
    /// Assertions of the smoke tests that hold with a root that can be written to, and not with one that cannot.
    pub(crate) fn needs_writable_root(
        &self,
        store: &Arc<Store>,
        opened: &OpenedImage,
        request: &SmokeRequest,
        cancel: &AtomicBool,
    ) -> Result<Vec<String>, EngineError> {
        let results = self.smoke_results(store, opened, request, cancel)?;
        if results.iter().all(|result| result.passed) {
            return Ok(Vec::new());
        }
        let request = SmokeRequest {
            writable: true,
            ..request.clone()
        };
        let again = self.smoke_results(store, opened, &request, cancel)?;
        Ok(results
            .iter()
            .zip(&again)
            .flat_map(|(result, again)| mended(result, again))
            .collect())
    }

    /// What answers HTTP when the image runs as it is, in a network of its own.
    pub(crate) fn open_http(
        &self,
        store: &Arc<Store>,
        opened: &OpenedImage,
        image: &str,
        cancel: &AtomicBool,
    ) -> Result<Vec<HttpAnswer>, EngineError> {
        let (stop, over) = (Arc::new(AtomicBool::new(false)), AtomicBool::new(false));
        let found = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let mut ready = |inside: Inside| {
                let (stop, over, found) = (stop.clone(), &over, &found);
                scope.spawn(move || {
                    let ended = || over.load(Ordering::Acquire) || cancel.load(Ordering::Relaxed);
                    *found.lock().unwrap_or_else(PoisonError::into_inner) = answers(&inside, &ended);
                    stop.store(true, Ordering::Release);
                });
            };
            let request = RunRequest {
                image: image.into(),
                limits: Limits {
                    pids: Some(PROCESSES),
                    memory: Some(MEMORY),
                    wall_clock: Some(START * 2),
                    ..Limits::default()
                },
                ..RunRequest::default()
            };
            let ended = self.run_opened(store, opened, request, &mut |_, _| {}, &mut ready, &stop);
            over.store(true, Ordering::Release);
            ended
        })?;
        Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What fails in one run of a test and holds in the other.
fn mended<'a>(result: &'a SmokeResult, again: &'a SmokeResult) -> impl Iterator<Item = String> + 'a {
    let failed = result.assertions.iter().filter(|one| !one.holds);
    let only_here = failed.filter(|one| {
        again
            .assertions
            .iter()
            .any(|other| other.what == one.what && other.holds)
    });
    only_here.map(|one| {
        let instead = one.instead.as_deref().unwrap_or("it does not");
        format!("{}: {}: {instead}", result.name, one.what)
    })
}

/// Asks every port as soon as something listens on it, until one answers or nothing is to be expected any more.
fn answers(inside: &Inside, ended: &dyn Fn() -> bool) -> Vec<HttpAnswer> {
    let until = Instant::now() + START;
    let (mut asked, mut found) = (BTreeSet::new(), Vec::new());
    while found.is_empty() && !ended() && Instant::now() < until {
        for port in inside.listening().unwrap_or_default() {
            if asked.insert(port) {
                found.extend(status(inside, port).map(|status| HttpAnswer { port, status }));
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    found
}

/// The status that a port answers with, if it speaks HTTP.
fn status(inside: &Inside, port: u16) -> Option<u16> {
    let addresses = [
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
    ];
    let mut answers = addresses
        .into_iter()
        .filter_map(|address| http_answer(inside, address, "/").ok());
    let answer = answers.find(|answer| answer.starts_with("HTTP/"))?;
    answer.split_whitespace().nth(1)?.parse().ok()
}
