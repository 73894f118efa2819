//! How the kernel takes pages of ours as they lie there: by a pipe, which holds references to them, to the socket.

use super::outbox::Piece;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::pipe::{IoSliceRaw, PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice, vmsplice};
use std::cell::RefCell;
use std::fs::File;
use std::io;

/// Bytes that a pipe is to hold: the largest piece, wherever it begins in a page, rounded up to what the kernel gives.
const PIPE: usize = 512 * 1024;

thread_local! {
    /// Empty whenever nobody uses it.
    static KEPT: RefCell<Option<PagePipe>> = const { RefCell::new(None) };
}

/// A pipe, and where that goes which a socket did not take of its content.
struct PagePipe {
    read: OwnedFd,
    write: OwnedFd,
    nowhere: File,
}

/// Sends some of `piece`, and says how many bytes; `None` if it is none to be sent [by pages](Piece::by_pages), or the
/// system does not let us do so. Neither the pipe nor the socket is waited for.
///
/// # Errors
///
/// Those of the socket, "would block" among them.
pub(super) fn send(socket: impl AsFd, piece: &Piece) -> io::Result<Option<usize>> {
    if !piece.by_pages() {
        return Ok(None);
    }
    KEPT.with_borrow_mut(|kept| {
        let Some(pipe) = kept.take().or_else(|| PagePipe::open().ok()) else { return Ok(None) };
        let Ok(taken) = pipe.take(piece) else { return Ok(None) };
        let sent = splice(&pipe.read, None, socket, None, taken, SpliceFlags::NONBLOCK | SpliceFlags::MOVE);
        if pipe.empty(taken - sent.unwrap_or(0)) {
            *kept = Some(pipe);
        }
        Ok(Some(sent?))
    })
}

impl PagePipe {
    fn open() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // One that is smaller takes less at once.
        let _ = fcntl_setpipe_size(&write, PIPE);
        Ok(PagePipe { read, write, nowhere: File::options().write(true).open("/dev/null")? })
    }

    /// Takes references to the pages of as much of `piece`, which is to be sent by pages, as it has room for.
    fn take(&self, piece: &Piece) -> Result<usize, Errno> {
        let slices = [IoSliceRaw::from_slice(piece.bytes())];
        // SAFETY: it is the writing end, so the kernel reads this memory, and only that. It may do so for as long as it
        // likes: what is sent by pages lies in a mapping that is never written, and is unmapped rather than used again.
        #[allow(unsafe_code)]
        unsafe {
            vmsplice(&self.write, &slices, SpliceFlags::NONBLOCK)
        }
    }

    /// Makes it empty again of what a socket did not take. Whether it is.
    fn empty(&self, rest: usize) -> bool {
        rest == 0 || splice(&self.read, None, &self.nowhere, None, rest, SpliceFlags::NONBLOCK) == Ok(rest)
    }
}
