//! Builds of contexts that the client sends: the list, the files that are lacking, the build, its image (decision 49).

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, FromRequestParts, Path, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use praxis_engine::{Event, Events, SentContext};
use praxis_oci::{Descriptor, Digest};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use super::{Asker, apart, problem};
use crate::contexts::{Held, permit};
use crate::http::gate::refusal;
use crate::http::{Shared, body};
use crate::mcp::StopOnDrop;
use crate::{Call, Caller, ToolError, ToolErrorKind, Tools};

/// Bytes of the list of a context.
const LARGEST_LIST: usize = 32 << 20;
/// The time for it to come.
const LIST_TIME: Duration = Duration::from_secs(300);
/// Bytes of events that wait for a slow client; what steps print beyond that is left out.
const MOST_WAITING: usize = 16 << 20;
/// How often something is sent when nothing happens.
const PULSE: Duration = Duration::from_secs(15);

/// A context that is known now.
#[derive(Serialize, JsonSchema)]
pub(super) struct Known {
    /// Its id.
    context: String,
    /// Digests of the files that are lacking, in the order in which they are to be sent.
    lacking: Vec<String>,
    /// How many bytes they are.
    bytes: u64,
}

/// A context of who asks, by the id in the address.
pub(super) struct Own {
    held: Arc<Held>,
    caller: Caller,
}

impl FromRequestParts<Shared> for Own {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Own, Response> {
        let Extension(client) = Asker::from_request_parts(parts, shared)
            .await
            .map_err(IntoResponse::into_response)?;
        let Path(named) = Path::<BTreeMap<String, String>>::from_request_parts(parts, shared)
            .await
            .map_err(IntoResponse::into_response)?;
        let caller = client.caller();
        let id = named.get("id").map(String::as_str).unwrap_or_default();
        let permitted = permit(&shared.toolbox, &caller);
        let found = permitted.and_then(|()| shared.toolbox.contexts.find(&caller, id));
        found
            .map(|held| Own { held, caller })
            .map_err(|error| problem(&error))
    }
}

/// Takes the list of a context.
pub(super) async fn add(
    State(shared): State<Shared>,
    Extension(client): Asker,
    request: Request,
) -> Response {
    let caller = client.caller();
    if let Err(error) = permit(&shared.toolbox, &caller) {
        return problem(&error);
    }
    let mut limits = shared.limits;
    (limits.message, limits.body) = (LARGEST_LIST, LIST_TIME);
    let bytes = match body::json(&limits, request).await {
        Ok((_, bytes)) => bytes,
        Err(response) => return response,
    };
    let added = apart(&shared, move |shared, _| {
        let wrong = |why: String| ToolError::arguments(format!("the body is no list of a context: {why}"));
        // A list would be taken for the fields in their order.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(wrong("it has to be a JSON object".into()));
        }
        let context: SentContext =
            serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        shared.toolbox.contexts.add(&shared.toolbox, &caller, context)
    });
    match added.await {
        Ok(Ok(held)) => {
            let lacking = held.lacking();
            let known = Known {
                context: held.id.clone(),
                bytes: lacking.iter().map(|(_, size)| size).sum(),
                lacking: lacking.iter().map(|(digest, _)| digest.to_string()).collect(),
            };
            (StatusCode::CREATED, axum::Json(known)).into_response()
        }
        Ok(Err(error)) => problem(&error),
        Err(response) => response,
    }
}

/// Forgets a context.
pub(super) async fn forget(State(shared): State<Shared>, own: Own) -> StatusCode {
    shared.toolbox.contexts.forget(&own.held);
    StatusCode::NO_CONTENT
}

/// Takes the files that are lacking, as one body: their contents one after the other.
pub(super) async fn files(State(shared): State<Shared>, Own { held, .. }: Own, request: Request) -> Response {
    let expected: u64 = held.lacking().iter().map(|(_, size)| size).sum();
    if let Err((status, why)) = fits(request.headers(), expected) {
        return refusal(status, &why);
    }
    let (sender, receiver) = mpsc::channel(8);
    let patience = shared.limits.body;
    let took = apart(&shared, move |shared, _| {
        held.take(&shared.toolbox, &mut Arriving::new(receiver))
    });
    let (came, took) = tokio::join!(pass_on(request.into_body(), sender, patience), took);
    match (came, took) {
        (_, Err(response)) => response,
        (false, _) => refusal(StatusCode::REQUEST_TIMEOUT, "the files did not come in time"),
        (true, Ok(Err(error))) => problem(&error),
        (true, Ok(Ok(()))) => StatusCode::NO_CONTENT.into_response(),
    }
}

fn fits(headers: &HeaderMap, expected: u64) -> Result<(), (StatusCode, String)> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind != Some("application/octet-stream") {
        let why = "the Content-Type has to be application/octet-stream";
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why.into()));
    }
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match length == Some(expected) {
        true => Ok(()),
        false => Err((
            StatusCode::BAD_REQUEST,
            format!("the files that are lacking are {expected} bytes"),
        )),
    }
}

/// Gives a body to who reads it, and reads it to its end also when nobody does: the answer is not seen before. False:
/// it stopped coming.
async fn pass_on(mut body: Body, sender: mpsc::Sender<Bytes>, patience: Duration) -> bool {
    loop {
        match tokio::time::timeout(patience, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    let _ = sender.send(data).await;
                }
            }
            Ok(None) => return true,
            Ok(Some(Err(_))) | Err(_) => return false,
        }
    }
}

/// A body as it comes, for a thread that waits for it.
struct Arriving {
    receiver: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

impl Arriving {
    fn new(receiver: mpsc::Receiver<Bytes>) -> Arriving {
        Arriving {
            receiver,
            rest: Bytes::new(),
        }
    }
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                Some(bytes) => self.rest = bytes,
                None => return Ok(0),
            }
        }
        let count = self.rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}

/// Builds, and tells what happens as it happens. When nobody listens any more, the build is stopped.
pub(super) async fn build(
    State(shared): State<Shared>,
    Own { held, caller }: Own,
    request: Request,
) -> Response {
    let arguments = match super::arguments(&shared, request).await {
        Ok(arguments) => arguments,
        Err(response) => return response,
    };
    let cancel = shared.toolbox.flag();
    let stop = StopOnDrop(cancel.clone());
    let line = Arc::new(Line::default());
    let (told, of) = (line.clone(), held.clone());
    let begun = apart(&shared, move |shared, _| {
        let call = Call {
            caller: &caller,
            events: &*told,
            cancel,
        };
        shared.tools.begin_sent(&shared.toolbox, &of, arguments, &call)
    });
    let begun = match begun.await {
        Ok(Ok(begun)) => begun,
        Ok(Err(error)) => return problem(&error),
        Err(response) => return response,
    };
    line.say(&json!({"event": "begun", "build": begun.id()}), true);
    let (told, toolbox) = (line.clone(), shared.toolbox.clone());
    std::thread::spawn(move || {
        let ending = Hang(&told);
        let done = Tools::finish(begun, &toolbox, &*told);
        let last = match done {
            Ok(output) => {
                let image = output.root.clone();
                let parts = image.as_ref().map(|image| toolbox.engine.parts_of(image));
                match parts.transpose() {
                    Ok(parts) => held.add_parts(parts.unwrap_or_default()),
                    Err(error) => return ending.with(&failed(&error.into())),
                }
                json!({"event": "ended", "result": output, "image": image})
            }
            Err(error) => failed(&error),
        };
        ending.with(&last);
    });
    let (mut sender, body) = Channel::<Bytes, ToolError>::new(8);
    tokio::spawn(async move {
        loop {
            let (lines, ended) = line.take();
            for text in lines {
                if sender.send_data(text.into()).await.is_err() {
                    return;
                }
            }
            if ended {
                return;
            }
            if tokio::time::timeout(PULSE, line.news.notified()).await.is_err()
                && sender.send_data(": \n\n".into()).await.is_err()
            {
                return;
            }
        }
    });
    let body = body.map_frame(move |frame| {
        let _until_nobody_listens = &stop;
        frame
    });
    ([(CONTENT_TYPE, "text/event-stream")], Body::new(body)).into_response()
}

fn failed(error: &ToolError) -> Value {
    let said = crate::Untrusted::text(&error.message);
    json!({"event": "ended", "result": {"status": "failed", "untrusted": {"error": said}}})
}

/// The end is said whatever happens.
struct Hang<'a>(&'a Line);

impl Hang<'_> {
    fn with(self, last: &Value) {
        self.0.say(last, true);
    }
}

impl Drop for Hang<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Events on their way to one client.
#[derive(Default)]
struct Line {
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<String>,
    bytes: usize,
    left_out: usize,
    ended: bool,
}

impl Line {
    fn say(&self, value: &impl Serialize, important: bool) {
        let text = format!("data: {}\n\n", json!(value));
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.bytes > MOST_WAITING && !important {
            true => waiting.left_out += text.len(),
            false => {
                waiting.bytes += text.len();
                waiting.lines.push_back(text);
            }
        }
        self.news.notify_one();
    }

    fn end(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        self.news.notify_one();
    }

    fn take(&self) -> (VecDeque<String>, bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.bytes = 0;
        let mut lines = std::mem::take(&mut waiting.lines);
        if std::mem::take(&mut waiting.left_out) > 0 {
            let message = "the client was too slow: some output of steps is in the server's log alone";
            let said = json!({"event": "note", "message": message});
            lines.push_front(format!("data: {said}\n\n"));
        }
        (lines, waiting.ended)
    }
}

impl Events for Line {
    fn event(&self, event: Event) {
        let important = !matches!(event, Event::Output { .. } | Event::Progress { .. });
        self.say(&event, important);
    }
}

/// A part of an image that was built of the context.
pub(super) async fn part(
    State(shared): State<Shared>,
    Own { held, .. }: Own,
    Path((_, digest)): Path<(String, String)>,
) -> Response {
    let opened = apart(&shared, move |shared, _| {
        let digest: Digest = digest
            .parse()
            .map_err(|error| ToolError::arguments(format!("{digest:?}: {error}")))?;
        let part = held.part(&digest)?;
        let file = shared.toolbox.engine.open_part(&part).map_err(|error| {
            ToolError::new(ToolErrorKind::Missing, error.message).with_hint("build it again")
        })?;
        Ok::<_, ToolError>((part, file))
    });
    match opened.await {
        Ok(Ok((part, file))) => whole(&part, file),
        Ok(Err(error)) => problem(&error),
        Err(response) => response,
    }
}

fn whole(part: &Descriptor, mut file: impl Read + Send + 'static) -> Response {
    let (mut sender, body) = Channel::<Bytes, ToolError>::new(4);
    let handle = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut buffer = vec![0; 128 << 10];
        while let Ok(count @ 1..) = file.read(&mut buffer) {
            let data = Bytes::copy_from_slice(&buffer[..count]);
            if handle.block_on(sender.send_data(data)).is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(part.size));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}
