//! Zero-copy sending: a pipe passes references to memory pages to the socket.

use super::reader::Chunk;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::pipe::{IoSliceRaw, PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice, vmsplice};
use std::cell::RefCell;
use std::fs::File;
use std::io;

/// Pipe capacity in bytes. It fits a chunk of several messages at any offset within a page, rounded up to a size that
/// the kernel allocates.
const PIPE: usize = 512 * 1024;

thread_local! {
    static WAY: RefCell<SendPath> = const { RefCell::new(SendPath::Unknown) };
}

/// Whether pages can be sent through a pipe.
enum SendPath {
    Unknown,
    /// The pipe; empty between calls.
    Open(PagePipe),
    /// The system does not support it.
    Closed,
}

/// A pipe, with `/dev/null` as the destination of bytes that the socket did not accept.
struct PagePipe {
    read: OwnedFd,
    write: OwnedFd,
    dev_null: File,
}

/// Sends a part of `chunk` and returns the number of bytes. Returns `None` if the chunk is not in its own pages, or on
/// any failure other than a full socket. The caller then copies the bytes, which succeeds or reports the error.
///
/// # Errors
///
/// [`WouldBlock`](io::ErrorKind::WouldBlock) if the socket's buffer is full.
pub(super) fn send(socket: impl AsFd, chunk: &Chunk) -> io::Result<Option<usize>> {
    let Some(bytes) = chunk.in_own_pages() else { return Ok(None) };
    WAY.with_borrow_mut(|way| {
        let Some(pipe) = way.pipe() else { return Ok(None) };
        // SAFETY: memory in its own pages is never written, and these pages are unmapped rather than reused.
        #[allow(unsafe_code)]
        let taken = match unsafe { pipe.take(bytes) } {
            Ok(taken) => taken,
            Err(error) => {
                *way = SendPath::after(error);
                return Ok(None);
            }
        };
        let sent = splice(&pipe.read, None, socket, None, taken, SpliceFlags::NONBLOCK);
        if !pipe.drain(taken - sent.unwrap_or(0)) {
            *way = SendPath::Unknown;
        }
        match sent {
            Ok(sent) => Ok(Some(sent)),
            Err(Errno::AGAIN) => Err(io::ErrorKind::WouldBlock.into()),
            Err(_) => Ok(None),
        }
    })
}

impl SendPath {
    fn pipe(&mut self) -> Option<&PagePipe> {
        if let SendPath::Unknown = self
            && let Ok(pipe) = PagePipe::open()
        {
            *self = SendPath::Open(pipe);
        }
        if let SendPath::Open(pipe) = self { Some(pipe) } else { None }
    }

    /// The state after the pipe failed to take pages.
    fn after(error: Errno) -> Self {
        log::debug!("cannot splice, copying messages for each client: {error}");
        if matches!(error, Errno::NOSYS | Errno::PERM | Errno::INVAL) {
            SendPath::Closed
        } else {
            SendPath::Unknown
        }
    }
}

impl PagePipe {
    fn open() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A smaller pipe only takes fewer bytes at once.
        let _ = fcntl_setpipe_size(&write, PIPE);
        Ok(PagePipe { read, write, dev_null: File::options().write(true).open("/dev/null")? })
    }

    /// Adds references to the pages of `bytes` to the pipe, as many as it has capacity for. Returns the number of
    /// bytes.
    ///
    /// # Safety
    ///
    /// The kernel may read these pages at any later time, even after `bytes` is dropped. They must not be written or
    /// reused.
    #[allow(unsafe_code)]
    unsafe fn take(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let slices = [IoSliceRaw::from_slice(bytes)];
        // SAFETY: this is the pipe's writing end, so the kernel only reads. The caller guarantees the rest.
        unsafe { vmsplice(&self.write, &slices, SpliceFlags::NONBLOCK) }
    }

    /// Discards the `rest` bytes that a socket did not accept. Returns whether the pipe is empty.
    fn drain(&self, rest: usize) -> bool {
        rest == 0 || splice(&self.read, None, &self.dev_null, None, rest, SpliceFlags::NONBLOCK) == Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::reader::tests::chunk;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a client");
        let (server, _) = listener.accept().expect("its connection");
        server.set_nonblocking(true).expect("a socket that does not wait");
        (client, server)
    }

    #[test]
    fn a_socket_takes_pages_until_it_is_full_and_the_next_one_gets_nothing_of_the_rest() {
        let ((mut client, socket), (mut next_client, next_socket)) = (connected(), connected());
        let (ones, twos) = (chunk(b'1', 200_000, 8), chunk(b'2', 200_000, 8));
        let mut sent = 0;
        let full = loop {
            match send(&socket, &ones) {
                Ok(Some(some)) => sent += some,
                full => break full,
            }
        };
        assert_eq!(full.map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
        let next_sent = send(&next_socket, &twos).expect("room").expect("a chunk that is sent so");
        assert!(sent > 200_000 && next_sent > 0, "{sent} and {next_sent}");
        for (client, sent, text) in [(&mut client, sent, b'1'), (&mut next_client, next_sent, b'2')] {
            let mut received = vec![0; sent];
            client.read_exact(&mut received).expect("what was sent");
            let others = received.iter().filter(|byte| ![text, 0x81, 127].contains(byte)).count();
            // Each chunk begins with a header.
            assert!(others <= 10 * (1 + sent / 200_000), "{others} other bytes");
        }
    }

    #[test]
    fn what_does_not_lie_in_pages_of_its_own_is_not_sent_so() {
        let (_client, socket) = connected();
        assert_eq!(send(&socket, &chunk(b'1', 200_000, 7)).expect("no error"), None);
        assert_eq!(send(&socket, &chunk(b'1', 10_000, 8)).expect("no error"), None);
    }

    #[test]
    fn errors_of_the_socket_are_left_to_whoever_copies() {
        let (_client, socket) = connected();
        socket.shutdown(std::net::Shutdown::Write).expect("a connected socket");
        assert_eq!(send(&socket, &chunk(b'1', 200_000, 8)).expect("no error"), None);
    }

    #[test]
    fn what_the_system_refuses_is_not_tried_again() {
        for refused in [Errno::NOSYS, Errno::PERM, Errno::INVAL] {
            assert!(SendPath::after(refused).pipe().is_none(), "{refused}");
        }
        assert!(SendPath::after(Errno::NOMEM).pipe().is_some());
    }
}
