//! Talking to a step over its own network, from outside.

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

    /// Connects to an address of the step's network. The connection stays in it; the caller does not enter.
    ///
    /// # Errors
    /// As of [`TcpStream::connect_timeout`].
    pub fn connect(&self, address: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        // A namespace is entered by a thread, which ends there.
        std::thread::scope(|scope| {
            let connecting = scope.spawn(|| {
                let kind = Some(LinkNameSpaceType::Network);
                rustix::thread::move_into_link_name_space(self.network.as_fd(), kind)?;
                TcpStream::connect_timeout(&address, timeout)
            });
            connecting
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the connecting thread failed")))
        })
    }
}
