//! Talking to a step over its own network, from outside.

use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;
use rustix::thread::LinkNameSpaceType;

/// A way into the network of a running step.
#[derive(Debug)]
pub struct Inside {
    network: OwnedFd,
}

impl Inside {
    /// Of the sandbox process, which is in the network of its step.
    pub(crate) fn of(process: Pid) -> io::Result<Inside> {
        let path = format!("/proc/{}/ns/net", process.as_raw_nonzero());
        let network = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Inside { network })
    }

    /// The TCP ports that the step listens on, on any address.
    ///
    /// # Errors
    /// If the kernel does not tell.
    pub fn listening(&self) -> io::Result<BTreeSet<u16>> {
        self.enter(|| {
            let mut ports = BTreeSet::new();
            for table in ["tcp", "tcp6"] {
                // Without IPv6 there is no second table.
                match std::fs::read_to_string(format!("/proc/thread-self/net/{table}")) {
                    Ok(text) => ports.extend(listeners(&text)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(ports)
        })
    }

    /// Connects to an address of the step's network. The connection stays in it; the caller does not enter.
    ///
    /// # Errors
    /// As of [`TcpStream::connect_timeout`].
    pub fn connect(&self, address: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        self.enter(|| TcpStream::connect_timeout(&address, timeout))
    }

    /// A namespace is entered by a thread, which ends there.
    fn enter<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let kind = Some(LinkNameSpaceType::Network);
                rustix::thread::move_into_link_name_space(self.network.as_fd(), kind)?;
                work()
            });
            inside
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the thread inside failed")))
        })
    }
}

/// The ports in state "listening" of a table such as `/proc/net/tcp`.
fn listeners(table: &str) -> impl Iterator<Item = u16> {
    table.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, state) = (words.next()?, words.nth(1)?);
        let (_, port) = local.rsplit_once(':')?;
        (state == "0A").then(|| u16::from_str_radix(port, 16).ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_name_the_ports_of_listeners() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr\n   \
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00\n   \
            1: 0100007F:1F91 0100007F:9C40 01 00000000:00000000 00\n   \
            2: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0 0\n";
        assert_eq!(listeners(table).collect::<Vec<_>>(), [8080, 80]);
    }
}
