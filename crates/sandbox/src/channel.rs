//! The socket between the caller and the sandbox process.

use std::io::{IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

use crate::wire::{Report, Specification};

/// Descriptors one step can hand over as mount sources.
pub(crate) const MOST_DESCRIPTORS: usize = 64;

/// Sends the specification and the descriptors it refers to.
pub(crate) fn send(
    stream: &UnixStream,
    specification: &Specification,
    descriptors: &[RawFd],
) -> std::io::Result<()> {
    let text = serde_json::to_vec(specification)?;
    let length = (text.len() as u64).to_le_bytes();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    // SAFETY: the step that owns these descriptors is borrowed by the caller for the whole call.
    let borrowed: Vec<BorrowedFd<'_>> = descriptors
        .iter()
        .map(|&number| unsafe { BorrowedFd::borrow_raw(number) })
        .collect();
    if !borrowed.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&borrowed)) {
        return Err(std::io::Error::other(
            "too many mount sources given as descriptors",
        ));
    }
    let sent = rustix::net::sendmsg(
        stream,
        &[IoSlice::new(&length)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    if sent != length.len() {
        return Err(std::io::ErrorKind::WriteZero.into());
    }
    send_all(stream, &text)
}

/// Sends everything; a closed other side is an error and never a signal.
fn send_all(stream: &UnixStream, mut rest: &[u8]) -> std::io::Result<()> {
    while !rest.is_empty() {
        match rustix::net::send(stream, rest, SendFlags::NOSIGNAL) {
            Ok(sent) => rest = &rest[sent..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Receives what [`send`] sent.
pub(crate) fn receive(stream: &UnixStream) -> std::io::Result<(Specification, Vec<OwnedFd>)> {
    let mut length = [0_u8; 8];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
    let received = rustix::net::recvmsg(stream, &mut [IoSliceMut::new(&mut length)], &mut ancillary, flags)?;
    if received.bytes != length.len() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let descriptors = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(list) => Some(list),
            _ => None,
        })
        .flatten()
        .collect();
    let mut text = Vec::new();
    stream.take(u64::from_le_bytes(length)).read_to_end(&mut text)?;
    Ok((serde_json::from_slice(&text)?, descriptors))
}

/// Sends one report; a caller that is gone is not an error worth more than ending.
pub(crate) fn report(stream: &UnixStream, report: &Report) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    send_all(stream, &line)
}
