//! A small HTTP/1.1 server that answers as a test says, also with lies, and remembers everything it was sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct WebRequest {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, as far as it came.
    pub body: Vec<u8>,
}

impl WebRequest {
    /// A header's first value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct WebAnswer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    cut: Option<usize>,
}

impl WebAnswer {
    /// An answer without a body.
    pub fn status(status: u16) -> WebAnswer {
        WebAnswer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            cut: None,
        }
    }

    /// 200 with a body.
    pub fn body(bytes: impl Into<Vec<u8>>) -> WebAnswer {
        WebAnswer {
            body: bytes.into(),
            ..WebAnswer::status(200)
        }
    }

    /// The same with a header. A `content-length` of the test's own replaces the true one.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl std::fmt::Display) -> WebAnswer {
        self.headers.push((name.into(), value.to_string()));
        self
    }

    /// The same with a body.
    #[must_use]
    pub fn and_body(mut self, bytes: impl Into<Vec<u8>>) -> WebAnswer {
        self.body = bytes.into();
        self
    }

    /// The same, but the connection ends after so many bytes of the body.
    #[must_use]
    pub fn cut_after(mut self, bytes: usize) -> WebAnswer {
        self.cut = Some(bytes);
        self
    }
}

/// The server. It ends when dropped.
pub struct WebServer {
    authority: String,
    requests: Arc<Mutex<Vec<WebRequest>>>,
    stop: Arc<AtomicBool>,
}

impl WebServer {
    /// A server on a free port of loopback that answers with `answer`.
    pub fn start(answer: impl Fn(&WebRequest) -> WebAnswer + Send + Sync + 'static) -> WebServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (requests, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, stopped, answer) = (requests.clone(), stop.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (seen, answer) = (seen.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &seen, &*answer));
            }
        });
        WebServer {
            authority: format!("127.0.0.1:{port}"),
            requests,
            stop,
        }
    }

    /// `HOST:PORT`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Everything that came so far.
    pub fn requests(&self) -> Vec<WebRequest> {
        self.requests.lock().expect("no panic while held").clone()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.authority);
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<WebRequest>>, answer: &dyn Fn(&WebRequest) -> WebAnswer) {
    let Ok(mut out) = stream.try_clone() else {
        return;
    };
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let reply = answer(&request);
        let head = request.method == "HEAD";
        seen.lock().expect("no panic while held").push(request);
        if write_answer(&mut out, &reply, head).is_err() || reply.cut.is_some() {
            let _ = out.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<WebRequest> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_string(), words.next()?.to_string());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_string())),
            None => break,
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body).ok()?;
    Some(WebRequest {
        method,
        path,
        headers,
        body,
    })
}

fn write_answer(out: &mut TcpStream, answer: &WebAnswer, head: bool) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {} x\r\n", answer.status);
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let own = |name: &str| {
        answer
            .headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    if !own("content-length") && answer.status != 204 {
        text.push_str(&format!("content-length: {}\r\n", answer.body.len()));
    }
    out.write_all(format!("{text}\r\n").as_bytes())?;
    if !head {
        let end = answer.cut.unwrap_or(answer.body.len()).min(answer.body.len());
        out.write_all(&answer.body[..end])?;
    }
    out.flush()
}
