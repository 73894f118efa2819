//! How the kernel takes pages of ours as they lie there: by a pipe, which holds references to them, to the socket.

use super::send_queue::Chunk;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::pipe::{IoSliceRaw, PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice, vmsplice};
use std::cell::RefCell;
use std::fs::File;
use std::io;

/// Bytes that a pipe is to hold: a chunk of many messages, wherever it begins in a page, rounded up to what the kernel
/// gives.
const PIPE: usize = 512 * 1024;

thread_local! {
    static WAY: RefCell<SendPath> = const { RefCell::new(SendPath::Unknown) };
}

/// Whether pages can be sent so.
enum SendPath {
    Unknown,
    /// Empty whenever nobody uses it.
    Open(PagePipe),
    /// The system does not let us.
    Closed,
}

/// A pipe, and where that goes which a socket did not take of its content.
struct PagePipe {
    read: OwnedFd,
    write: OwnedFd,
    dev_null: File,
}

/// Sends some of `chunk`, and says how many bytes; `None` if it is none to be sent so, or if it cannot be for whatever
/// reason but that the socket has no room: copied, it goes, or the error shows.
///
/// # Errors
///
/// [`WouldBlock`](io::ErrorKind::WouldBlock), if the socket has no room.
pub(super) fn send(socket: impl AsFd, chunk: &Chunk) -> io::Result<Option<usize>> {
    let Some(bytes) = chunk.in_own_pages() else { return Ok(None) };
    WAY.with_borrow_mut(|way| {
        let Some(pipe) = way.pipe() else { return Ok(None) };
        // SAFETY: nobody writes what lies in pages of its own, and these are unmapped rather than used again.
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

    /// When pages could not be taken.
    fn after(error: Errno) -> Self {
        log::debug!("messages are copied for each client: {error}");
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
        // One that is smaller takes less at once.
        let _ = fcntl_setpipe_size(&write, PIPE);
        Ok(PagePipe { read, write, dev_null: File::options().write(true).open("/dev/null")? })
    }

    /// Takes references to the pages of as many of `bytes` as it has room for.
    ///
    /// # Safety
    ///
    /// The kernel reads these pages for as long as it likes, even when `bytes` are gone: they must not be written, nor be
    /// used for anything else.
    #[allow(unsafe_code)]
    unsafe fn take(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let slices = [IoSliceRaw::from_slice(bytes)];
        // SAFETY: it is the writing end, so the kernel only reads; the rest is promised.
        unsafe { vmsplice(&self.write, &slices, SpliceFlags::NONBLOCK) }
    }

    /// Empties it of what a socket did not take. Whether it is empty.
    fn drain(&self, rest: usize) -> bool {
        rest == 0 || splice(&self.read, None, &self.dev_null, None, rest, SpliceFlags::NONBLOCK) == Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::send_queue::tests::chunk;
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
