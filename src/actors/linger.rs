//! The end of a connection: the server closes its side and waits for the client's.

use super::socket::{READ, Socket};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::ReadBuf;
use tokio::time::{Sleep, sleep};

/// Time after the server has closed its side in which the client must read remaining bytes or close its own side.
pub(crate) const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
/// Interval between checks whether a client with unsent bytes makes progress.
pub(crate) const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// The last step of a connection. The server waits for the client's side, because the kernel resets a connection with
/// unread input, and the client might lose the last bytes. The connection counts as open until the client has received
/// everything. A client that makes no progress is disconnected.
pub(crate) struct Linger {
    is_shut: bool,
    unsent: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Linger {
    pub(crate) fn new() -> Self {
        Linger { is_shut: false, unsent: usize::MAX, deadline: Box::pin(sleep(LINGER_TIMEOUT)) }
    }

    /// Ready when the connection can be dropped.
    pub(crate) fn poll<T: Socket>(&mut self, socket: &mut T, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.poll_ended(socket, cx) {
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) if socket.unsent() == 0 => {
                    socket.set_delivered();
                    return Poll::Ready(());
                }
                // A client that has closed its side may still read what was sent.
                Poll::Ready(Ok(())) | Poll::Pending => ready!(self.deadline.as_mut().poll(cx)),
            }
            let unsent = socket.unsent();
            if unsent == 0 && self.is_shut {
                socket.set_delivered();
                return Poll::Ready(());
            }
            if unsent >= self.unsent {
                socket.forget_unsent();
                return Poll::Ready(());
            }
            self.unsent = unsent;
            self.deadline = Box::pin(sleep(PROGRESS_INTERVAL));
        }
    }

    /// Ready when both sides are closed.
    fn poll_ended<T: Socket>(&mut self, socket: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            ready!(Pin::new(&mut *socket).poll_shutdown(cx))?;
            self.is_shut = true;
        }
        loop {
            let mut ignored = [MaybeUninit::uninit(); READ];
            let mut ignored = ReadBuf::uninit(&mut ignored);
            ready!(Pin::new(&mut *socket).poll_read(cx, &mut ignored))?;
            if ignored.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::reader::Chunk;
    use crate::message::Wire;
    use std::future::poll_fn;
    use tokio::io::{AsyncRead, AsyncWrite};

    /// A client that has closed its side and still has unsent bytes.
    struct Left {
        /// The unsent bytes that each check returns; the last element is returned first.
        unsent: std::cell::RefCell<Vec<usize>>,
        forgotten: std::cell::Cell<bool>,
    }

    impl AsyncRead for Left {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Left {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl Socket for Left {
        fn poll_send(&mut self, _: &mut Context<'_>, _: &Chunk) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn bound_unsent(&self, _: Wire) {}

        fn enlarge_send_buffer(&self) {}

        fn hold_rest(&self, _: bool) {}

        fn forget_unsent(&self) {
            self.forgotten.set(true);
        }

        fn unsent(&self) -> usize {
            let mut looks = self.unsent.borrow_mut();
            let now = *looks.last().expect("one");
            if looks.len() > 1 {
                looks.pop();
            }
            now
        }
    }

    /// No bytes may stay in the kernel outside the accounting.
    #[actix_web::test]
    async fn what_is_left_for_a_client_is_waited_for_as_long_as_it_takes_some_and_then_forgotten() {
        for (looks, is_forgotten) in [(vec![0], false), (vec![0, 5, 9, 9], false), (vec![9], true)] {
            let mut left = Left { unsent: looks.into(), forgotten: false.into() };
            let mut linger = Linger::new();
            poll_fn(|cx| linger.poll(&mut left, cx)).await;
            assert_eq!(left.forgotten.get(), is_forgotten);
        }
    }
}
