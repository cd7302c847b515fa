//! Traces for a collector that speaks OTLP over HTTP, in JSON: a span for each request, one below it for each tool that it
//! calls. They hold names, times, statuses and who asked; no token, no argument, no result.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::ServeError;

/// Spans that wait to be sent; more are dropped, and counted.
const WAITING: usize = 4096;
/// Spans of one message.
const BATCH: usize = 256;
/// How long a span waits for others.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where spans are sent. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Traces {
    spans: SyncSender<Value>,
    dropped: Arc<AtomicU64>,
}

/// What a span is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext {
    trace: u128,
    span: u64,
}

/// A span that has begun.
pub(crate) struct Span {
    context: TraceContext,
    parent: Option<u64>,
    /// A server's (2) or an internal one (1), as the protocol counts.
    kind: u8,
    name: String,
    began: SystemTime,
    clock: Instant,
}

impl TraceContext {
    /// Reads a `traceparent` header of the first version.
    pub fn read(header: &str) -> Option<TraceContext> {
        let mut parts = header.split('-');
        let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        if version != "00" || !hex(trace, 32) || !hex(span, 16) {
            return None;
        }
        let context = TraceContext {
            trace: u128::from_str_radix(trace, 16).ok()?,
            span: u64::from_str_radix(span, 16).ok()?,
        };
        (context.trace != 0 && context.span != 0).then_some(context)
    }
}

impl Span {
    /// Begins a span of a request, below what the client said it is part of.
    pub fn of_request(name: String, parent: Option<TraceContext>) -> Span {
        Span::begin(name, parent, 2)
    }

    /// Begins a span of something inside.
    pub fn inside(name: String, parent: Option<TraceContext>) -> Span {
        Span::begin(name, parent, 1)
    }

    fn begin(name: String, parent: Option<TraceContext>, kind: u8) -> Span {
        let trace = parent.map_or_else(
            || u128::from(random()) << 64 | u128::from(random()),
            |parent| parent.trace,
        );
        Span {
            context: TraceContext {
                trace,
                span: random(),
            },
            parent: parent.map(|parent| parent.span),
            kind,
            name,
            began: SystemTime::now(),
            clock: Instant::now(),
        }
    }

    /// What spans below it are part of.
    pub fn context(&self) -> TraceContext {
        self.context
    }

    fn end(self, failed: bool, attributes: &[(&str, Value)]) -> Value {
        let began = self.began.duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanoseconds = |time: Duration| time.as_nanos().to_string();
        let attribute = |(name, value): &(&str, Value)| {
            let kind = if value.is_u64() { "intValue" } else { "stringValue" };
            // Whole numbers are texts in this JSON.
            let value = value
                .as_u64()
                .map_or_else(|| value.clone(), |number| number.to_string().into());
            json!({"key": name, "value": {kind: value}})
        };
        json!({
            "traceId": format!("{:032x}", self.context.trace),
            "spanId": format!("{:016x}", self.context.span),
            "parentSpanId": self.parent.map(|parent| format!("{parent:016x}")).unwrap_or_default(),
            "name": self.name,
            "kind": self.kind,
            "startTimeUnixNano": nanoseconds(began),
            "endTimeUnixNano": nanoseconds(began + self.clock.elapsed()),
            "attributes": attributes.iter().map(attribute).collect::<Vec<_>>(),
            "status": {"code": if failed { 2 } else { 0 }},
        })
    }
}

/// Never zero, and not to be guessed from others; nothing depends on that.
fn random() -> u64 {
    RandomState::new().hash_one(0).max(1)
}

impl Traces {
    /// Begins to send to `endpoint`, such as `http://127.0.0.1:4318`. What cannot be sent is dropped: nobody waits for it.
    ///
    /// # Errors
    /// If it is no address, or no thread can be had.
    pub fn start(endpoint: &str) -> Result<Traces, ServeError> {
        let address = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let parsed = address.parse::<ureq::http::Uri>();
        if !parsed.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https"))) {
            return Err(ServeError::Refused(format!(
                "--otlp {endpoint}: write the address of a collector, such as http://127.0.0.1:4318"
            )));
        }
        let (spans, waiting) = sync_channel(WAITING);
        let dropped = Arc::<AtomicU64>::default();
        let count = dropped.clone();
        let sending = move || send(&address, &waiting, &count);
        std::thread::Builder::new()
            .name("traces".into())
            .spawn(sending)
            .map_err(|error| ServeError::machine("cannot start a thread", error))?;
        Ok(Traces { spans, dropped })
    }

    /// Ends a span.
    pub fn end(&self, span: Span, failed: bool, attributes: &[(&str, Value)]) {
        if self.spans.try_send(span.end(failed, attributes)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many spans could not be sent.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

fn send(address: &str, waiting: &Receiver<Value>, dropped: &AtomicU64) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(10)))
        .max_redirects(0)
        .build()
        .into();
    while let Ok(first) = waiting.recv() {
        let mut spans = vec![first];
        let until = Instant::now() + PATIENCE;
        while spans.len() < BATCH {
            match waiting.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(span) => spans.push(span),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        let count = spans.len() as u64;
        let message = message(spans).to_string();
        let sent = agent
            .post(address)
            .header("content-type", "application/json")
            .send(message);
        if sent.is_err() {
            dropped.fetch_add(count, Ordering::Relaxed);
        }
    }
}

fn message(spans: Vec<Value>) -> Value {
    let service = json!([
        {"key": "service.name", "value": {"stringValue": "praxis"}},
        {"key": "service.version", "value": {"stringValue": env!("CARGO_PKG_VERSION")}},
    ]);
    json!({"resourceSpans": [{
        "resource": {"attributes": service},
        "scopeSpans": [{"scope": {"name": "praxis-serve"}, "spans": spans}],
    }]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_part_of_what_the_client_says() {
        let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parent = TraceContext::read(header);
        let span = Span::of_request("POST /mcp".into(), parent);
        let inner = Span::inside("tool build".into(), Some(span.context()));
        let (outer_id, written) = (
            span.context().span,
            inner.end(true, &[("praxis.tool", "build".into())]),
        );
        assert_eq!(written["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(written["parentSpanId"], format!("{outer_id:016x}"));
        assert_eq!(
            (&written["kind"], &written["status"]["code"]),
            (&json!(1), &json!(2))
        );
        let written = span.end(false, &[("http.response.status_code", 200.into())]);
        assert_eq!(written["parentSpanId"], "b7ad6b7169203331");
        assert_eq!(written["attributes"][0]["value"]["intValue"], "200");
        for wrong in [
            "",
            "00-x-y-01",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::read(wrong), None, "{wrong}");
        }
        assert_ne!(random(), random());
    }

    #[test]
    fn what_is_no_collector_is_refused() {
        for wrong in ["", "collector", "ftp://x", "http://"] {
            assert!(Traces::start(wrong).is_err(), "{wrong}");
        }
    }
}
