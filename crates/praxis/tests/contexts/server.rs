//! An HTTP server: fixed files, and git repositories below `/git/`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

pub struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Option<String>>>>,
}

/// What is at a path: further headers and the content.
pub type Files = BTreeMap<&'static str, (&'static str, Vec<u8>)>;

struct Request {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Server {
    /// Serves `files`, and repositories in the directory `repositories`, until the test ends.
    pub fn start(files: Files, repositories: PathBuf) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
        let kept = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let request = read(&stream);
                kept.lock()
                    .unwrap()
                    .push(request.headers.get("authorization").cloned());
                let answer = match request.target.starts_with("/git/") {
                    true => git(&request, &repositories),
                    false => file(&request, &files),
                };
                let _ = (&stream).write_all(&answer);
            }
        });
        Server { address, asked }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The Authorization header of each request so far.
    pub fn asked(&self) -> Vec<Option<String>> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    let _ = reader.read_line(&mut line);
    let mut words = line.split_whitespace().map(String::from);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        let _ = reader.read_line(&mut line);
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_string());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    let _ = reader.read_exact(&mut body);
    Request {
        method,
        target,
        headers,
        body,
    }
}

fn file(request: &Request, files: &Files) -> Vec<u8> {
    match files.get(request.target.as_str()) {
        Some((headers, content)) => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
                content.len()
            );
            [head.as_bytes(), content].concat()
        }
        None => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
    }
}

/// Has git's own CGI program answer.
fn git(request: &Request, repositories: &PathBuf) -> Vec<u8> {
    let path = request.target.trim_start_matches("/git");
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", repositories)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(&request.body);
    let answer = child.wait_with_output().unwrap().stdout;
    let status = match answer.strip_prefix(b"Status: ") {
        Some(rest) => String::from_utf8_lossy(&rest[..rest.len().min(3)]).into_owned(),
        None => "200".into(),
    };
    let head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\n");
    [head.as_bytes(), &answer].concat()
}
