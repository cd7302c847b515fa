//! `praxis serve --http` as its clients meet it.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::agent::Place;

/// A client of the tier readonly.
pub const READER: &str = "reader-0123456789abcdefghijk";
/// A client of the tier guarded.
pub const BUILDER: &str = "builder-0123456789abcdefghijk";
/// Another.
pub const OTHER: &str = "other-0123456789abcdefghijkl";
/// A client of the tier open.
pub const ADMIN: &str = "admin-0123456789abcdefghijkl";

/// A running server.
pub struct Server {
    child: Child,
    stderr: Option<BufReader<std::process::ChildStderr>>,
    /// Where it listens.
    pub address: SocketAddr,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as JSON, if it is.
    pub fn json_or_null(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The messages of a stream of events.
    pub fn events(&self) -> Vec<Value> {
        let text = self.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
        data.filter_map(|data| serde_json::from_str(data).ok()).collect()
    }
}

/// Writes the file of clients.
pub fn tokens(place: &Place) -> String {
    let path = place.path("tokens");
    let digest = praxis_oci::Digest::of(OTHER.as_bytes());
    let lines = format!(
        "# tests\nreader readonly {READER}\nbuilder guarded {BUILDER}\nother guarded {digest}\nadmin open {ADMIN}\n"
    );
    fs::write(&path, lines).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    path.to_str().unwrap().into()
}

/// The command with an address and the file of clients.
pub fn command(place: &Place, options: &[&str]) -> Command {
    let mut command = place.praxis();
    command.args(["serve", "--context-root", "ctx", "--tokens", &tokens(place)]);
    command.args(options);
    command
}

/// What a server says that must not start.
#[track_caller]
pub fn refused(mut command: Command) -> String {
    let Output {
        status,
        stderr,
        stdout,
    } = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(stdout.is_empty());
    said
}

impl Server {
    pub fn start(place: &Place, options: &[&str]) -> Server {
        let mut command = command(place, &["--http", "127.0.0.1:0"]);
        command.args(options);
        Server::run(command)
    }

    #[track_caller]
    pub fn run(mut command: Command) -> Server {
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(
                stderr.read_line(&mut line).unwrap() > 0,
                "it does not start: {said}"
            );
            if let Some((_, address)) = line
                .trim()
                .rsplit_once("listening on http")
                .filter(|(before, _)| before.is_empty())
            {
                break address.rsplit("://").next().unwrap().parse().unwrap();
            }
            said += &line;
        };
        Server {
            child,
            stderr: Some(stderr),
            address,
        }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream
    }

    /// Sends bytes and reads until the server closes.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // It may close before it has read everything.
        let _ = stream.write_all(bytes);
        let mut said = Vec::new();
        match stream.read_to_end(&mut said) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&said)),
        }
        String::from_utf8_lossy(&said).into_owned()
    }

    /// The head of a request for this server.
    pub fn head(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head += &format!("host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let head = self.head(method, path, headers);
        write!(
            stream,
            "{head}connection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .unwrap();
        let _ = stream.write_all(body);
        answer(&mut BufReader::new(stream))
    }

    /// The same with a token.
    #[track_caller]
    pub fn get(&self, token: &str, path: &str) -> Answer {
        self.request("GET", path, &[("authorization", &bearer(token))], b"")
    }

    /// Sends a message of MCP.
    #[track_caller]
    pub fn message(&self, token: &str, session: Option<&str>, message: &Value) -> Answer {
        let bearer = bearer(token);
        let mut headers = vec![
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        headers.extend(session.map(|session| ("mcp-session-id", session)));
        self.request("POST", "/mcp", &headers, message.to_string().as_bytes())
    }

    /// Begins a session; its id.
    #[track_caller]
    pub fn greet(&self, token: &str) -> String {
        let answer = self.message(token, None, &hello());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let session = answer.header("mcp-session-id").unwrap().to_string();
        let done = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(self.message(token, Some(&session), &done).status, 202);
        session
    }

    /// Calls a tool in a session; its result.
    #[track_caller]
    pub fn call(&self, token: &str, session: &str, tool: &str, arguments: Value) -> Value {
        let answer = self.message(token, Some(session), &call(7, tool, arguments));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let events = answer.events();
        let found = events.iter().find(|event| event["id"] == 7);
        found.unwrap_or_else(|| panic!("no answer: {}", answer.text()))["result"].clone()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end: status and standard error.
    pub fn wait(&mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        self.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    }

    /// What `/proc` knows of the server, by the name of the file.
    pub fn proc(&self, name: &str) -> Vec<u8> {
        fs::read(format!("/proc/{}/{name}", self.child.id())).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// The first message of a session.
pub fn hello() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
    }})
}

pub fn call(id: u64, tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

/// Reads one answer.
#[track_caller]
pub fn answer(reader: &mut impl BufRead) -> Answer {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no answer: {line:?}"));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_string())),
            None => break,
        }
    }
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    let length = answer
        .header("content-length")
        .map(|length| length.parse().unwrap());
    match length {
        Some(length) => {
            answer.body = vec![0; length];
            reader.read_exact(&mut answer.body).unwrap();
        }
        None if answer.header("transfer-encoding") == Some("chunked") => answer.body = chunks(reader),
        None => {
            let _ = reader.read_to_end(&mut answer.body);
        }
    }
    answer
}

fn chunks(reader: &mut impl BufRead) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let length = usize::from_str_radix(line.trim(), 16).unwrap_or_else(|_| panic!("no length: {line:?}"));
        let mut chunk = vec![0; length + 2];
        reader.read_exact(&mut chunk).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&chunk[..length]);
    }
}
