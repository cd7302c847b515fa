//! A TCP proxy that cuts connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Passes bytes on to a server until so many have gone by, then cuts the connection once and passes on again.
pub struct Cutter {
    authority: String,
    left: Arc<AtomicI64>,
    cut: Arc<AtomicBool>,
}

impl Cutter {
    /// A proxy on a free port of loopback for the server at `target`.
    pub fn start(target: &str) -> Cutter {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let authority = format!("127.0.0.1:{}", listener.local_addr().expect("an address").port());
        let (left, cut) = (
            Arc::new(AtomicI64::new(i64::MAX)),
            Arc::new(AtomicBool::new(false)),
        );
        let (budget, done, target) = (left.clone(), cut.clone(), target.to_string());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&target) else {
                    continue;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    if let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) {
                        let (budget, done) = (budget.clone(), done.clone());
                        std::thread::spawn(move || pass(from, to, &budget, &done));
                    }
                }
            }
        });
        Cutter { authority, left, cut }
    }

    /// `HOST:PORT`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Cuts after so many further bytes, in both directions together.
    pub fn cut_after(&self, bytes: u64) {
        self.cut.store(false, Ordering::SeqCst);
        self.left
            .store(bytes.try_into().unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Whether it has cut since.
    pub fn has_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, left: &AtomicI64, cut: &AtomicBool) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 {
            break;
        }
        let before = left.fetch_sub(count as i64, Ordering::SeqCst);
        let part = usize::try_from(before.max(0)).map_or(count, |before| before.min(count));
        if to.write_all(&buffer[..part]).is_err() {
            break;
        }
        if part < count {
            left.store(i64::MAX, Ordering::SeqCst);
            cut.store(true, Ordering::SeqCst);
            let _ = from.shutdown(Shutdown::Both);
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
