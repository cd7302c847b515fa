//! A client that speaks JSON-RPC line by line, and a place to build in.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use praxis_testkit::Base;
use serde_json::{Value, json};

/// A base, a directory of contexts that is the server's root, one beside it, and a store.
pub struct Place {
    place: tempfile::TempDir,
    _base: Base,
}

impl Place {
    pub fn new() -> Place {
        let place = tempfile::tempdir().unwrap();
        for name in ["ctx/app", "ctx-evil"] {
            fs::create_dir_all(place.path().join(name)).unwrap();
        }
        let base = Base::write(&place.path().join("ctx/base"));
        Place { place, _base: base }
    }

    /// The same with a Dockerfile in `ctx/app`.
    pub fn with(dockerfile: &str) -> Place {
        let place = Place::new();
        place.write("ctx/app/Dockerfile", dockerfile);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// `praxis` on the store, with nothing in the environment.
    pub fn praxis(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_praxis"));
        command
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("PRAXIS_ROOT", self.path("store"))
            .current_dir(self.place.path());
        command
    }

    /// A server with `ctx` as its root.
    pub fn serve(&self, options: &[&str]) -> Agent {
        let mut command = self.praxis();
        command.args(["serve", "--context-root", "ctx"]).args(options);
        Agent::start(command)
    }

    /// Names in the store's directory of builds: what is on record.
    pub fn builds(&self) -> usize {
        fs::read_dir(self.path("store/builds")).map_or(0, Iterator::count)
    }
}

/// A client of a running server.
pub struct Agent {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    next: u64,
    /// Notifications that came, in order.
    pub notices: Vec<Value>,
}

impl Agent {
    /// Starts a server without greeting it.
    pub fn start(mut command: Command) -> Agent {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Agent {
            stdin: child.stdin.take(),
            child,
            lines,
            next: 1,
            notices: Vec::new(),
        }
    }

    /// Greets as clients of the revision with a handshake do.
    pub fn greet(&mut self) -> Value {
        let hello = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        let answer = self.request("initialize", hello);
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        answer["result"].clone()
    }

    /// Writes one message.
    pub fn send(&mut self, message: &Value) {
        self.send_raw(&message.to_string());
    }

    pub fn send_raw(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }

    /// Sends a request and gives its id.
    pub fn ask(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next;
        self.next += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    /// The next message.
    #[track_caller]
    pub fn receive(&mut self) -> Value {
        match self.lines.recv_timeout(Duration::from_secs(120)) {
            Ok(line) => serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")),
            Err(_) => panic!("no answer: {}", self.end().1),
        }
    }

    /// The answer to a request; what else comes is kept.
    #[track_caller]
    pub fn answer(&mut self, id: u64) -> Value {
        loop {
            let message = self.receive();
            if message["id"] == id {
                return message;
            }
            self.notices.push(message);
        }
    }

    #[track_caller]
    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params);
        self.answer(id)
    }

    /// Calls a tool; its result, also if that is a failure.
    #[track_caller]
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.request("tools/call", json!({"name": tool, "arguments": arguments}));
        assert!(answer["error"].is_null(), "{tool}: {answer}");
        answer["result"].clone()
    }

    /// Calls a tool, which must succeed; its structure.
    #[track_caller]
    pub fn done(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], false, "{tool}: {result}");
        result["structuredContent"].clone()
    }

    /// Calls a tool, which must refuse or fail without a result: kind and message.
    #[track_caller]
    pub fn fails(&mut self, tool: &str, arguments: Value) -> (String, String) {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], true, "{tool}: {result}");
        assert!(result["structuredContent"].is_null(), "{tool}: {result}");
        let said: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let hint = text(&said["untrusted"]["hint"]);
        (
            text(&said["error"]),
            format!("{} {hint}", text(&said["untrusted"]["message"])),
        )
    }

    /// Calls a tool, which must say no with these words.
    #[track_caller]
    pub fn refused(&mut self, tool: &str, arguments: Value, says: &str) {
        let (kind, message) = self.fails(tool, arguments);
        assert_eq!(kind, "refused", "{message}");
        assert!(message.contains(says), "{says:?} is not said: {message}");
    }

    /// Closes standard input and waits: status and standard error.
    pub fn end(&mut self) -> (Option<i32>, String) {
        self.stdin = None;
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut said).unwrap();
        }
        (status.code(), said)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path as arguments have it.
pub fn shown(path: &Path) -> String {
    path.to_str().unwrap().to_string()
}
