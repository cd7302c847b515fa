//! Plain HTTP through a forwarding proxy. The HTTP client asks proxies for tunnels only, which many refuse for
//! anything but TLS; apt and curl ask them to forward, and so does this.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::error::FetchErrorKind;

/// Longest head of an answer.
const LARGEST_HEAD: u64 = 64 << 10;
const REDIRECTS: usize = 5;

/// A proxy that forwards, at `http://HOST[:PORT]`.
#[derive(Debug)]
pub(crate) struct Forwarder {
    address: String,
}

/// An answer: its status and the rest of it.
struct Answer {
    status: u16,
    location: Option<String>,
    body: Box<dyn Read + Send>,
}

impl Forwarder {
    /// `None` if `proxy` is of another kind, or wants a password.
    pub(crate) fn new(proxy: &str) -> Option<Forwarder> {
        let authority = proxy
            .strip_prefix("http://")
            .unwrap_or(proxy)
            .trim_end_matches('/');
        if authority.is_empty() || authority.contains(['/', '@']) {
            return None;
        }
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        let address = if has_port {
            authority.to_string()
        } else {
            format!("{authority}:80")
        };
        Some(Forwarder { address })
    }

    /// The body at the `http:` URL.
    pub(crate) fn get(&self, url: &str) -> Result<Box<dyn Read + Send>, FetchErrorKind> {
        let mut url = url.to_string();
        for _ in 0..=REDIRECTS {
            let answer = self
                .ask(&url)
                .map_err(|error| FetchErrorKind::Unreachable(error.to_string()))?;
            match (answer.status, answer.location) {
                (200, _) => return Ok(answer.body),
                (404 | 410, _) => return Err(FetchErrorKind::NotFound),
                (301 | 302 | 303 | 307 | 308, Some(location)) if location.starts_with("http://") => {
                    url = location
                }
                (status, _) => return Err(FetchErrorKind::Status(status)),
            }
        }
        Err(FetchErrorKind::Unusable("it redirects too often".into()))
    }

    fn ask(&self, url: &str) -> std::io::Result<Answer> {
        let invalid = |reason: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, reason.to_string());
        if url.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(invalid("the URL has spaces or control characters"));
        }
        let host = url
            .trim_start_matches("http://")
            .split('/')
            .next()
            .unwrap_or_default();
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        // Version 1.0 has no chunks: the length is given, or the body ends with the connection.
        write!(
            stream,
            "GET {url} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: praxis\r\nAccept: */*\r\n\r\n"
        )?;
        let mut reader = BufReader::new(stream);
        let mut head = Vec::new();
        let mut limited = reader.by_ref().take(LARGEST_HEAD);
        while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
            if limited.read_until(b'\n', &mut head)? == 0 {
                return Err(invalid("the proxy's answer has no end of its head"));
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| invalid("the proxy's answer is not HTTP"))?;
        let field = |name: &str| {
            let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
            fields
                .filter(|(field, _)| field.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_string())
                .next()
        };
        let length = field("content-length").and_then(|length| length.parse::<u64>().ok());
        let body: Box<dyn Read + Send> = match length {
            Some(length) => Box::new(Whole { reader, left: length }),
            None => Box::new(reader),
        };
        Ok(Answer {
            status,
            location: field("location"),
            body,
        })
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the proxy's name has no address");
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, Duration::from_secs(20)) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// A body of known length: ending earlier is an error.
struct Whole<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let wanted = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let length = self.reader.read(&mut out[..wanted])?;
        if length == 0 && wanted > 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= length as u64;
        Ok(length)
    }
}
