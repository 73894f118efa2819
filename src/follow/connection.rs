//! One WebSocket connection: its frames become messages, pings are answered, and silence ends it.

use super::handshake::{MAX_MESSAGE_BYTES, WebSocket};
use actix_http::ws::{CloseCode, CloseReason, Frame, Item, Message};
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// Timeout for sending the answer to a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// The server closed it, with code 1000.
    Normally,
    /// Any other way.
    Lost(String),
}

/// A connection.
pub(super) struct Connection {
    socket: WebSocket,
    /// It ends when nothing has come for this time.
    idle_timeout: Duration,
    /// The frames of a message that is not complete yet.
    partial: BytesMut,
}

impl Connection {
    pub(super) fn new(socket: WebSocket, idle_timeout: Duration) -> Self {
        Connection { socket, idle_timeout, partial: BytesMut::new() }
    }

    /// The next message. Can be cancelled without losing one.
    pub(super) async fn next(&mut self) -> Result<Bytes, Ended> {
        loop {
            match self.frame().await? {
                Frame::Text(text) | Frame::Binary(text) => return Ok(text),
                Frame::Continuation(part) => {
                    if let Some(message) = self.join(part)? {
                        return Ok(message);
                    }
                }
                Frame::Ping(payload) => self.push(Message::Pong(payload))?,
                Frame::Pong(_) => {}
                Frame::Close(reason) => return Err(self.close(reason).await),
            }
        }
    }

    /// The next frame, whatever it is. After half of the idle timeout without any, it pings the server.
    async fn frame(&mut self) -> Result<Frame, Ended> {
        let begin = Instant::now();
        if let Some(frame) = self.frame_until(begin + self.idle_timeout / 2).await? {
            return Ok(frame);
        }
        self.push(Message::Ping(Bytes::new()))?;
        match self.frame_until(begin + self.idle_timeout).await? {
            Some(frame) => Ok(frame),
            None => {
                let time = humantime::format_duration(self.idle_timeout);
                Err(Ended::Lost(format!("nothing has come for {time}")))
            }
        }
    }

    /// The next frame. `None` if none has come at the `deadline`.
    async fn frame_until(&mut self, deadline: Instant) -> Result<Option<Frame>, Ended> {
        let socket = &mut self.socket;
        // Answers are sent while it waits: a server that does not read them must not stop it.
        let next = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = Pin::new(&mut *socket).flush::<Message>(cx) {
                return Poll::Ready(Some(Err(error)));
            }
            socket.poll_next_unpin(cx)
        });
        tokio::select! {
            biased;
            frame = next => match frame {
                Some(Ok(frame)) => Ok(Some(frame)),
                Some(Err(error)) => Err(Ended::Lost(error.to_string())),
                None => Err(Ended::Lost("the server closed the connection".into())),
            },
            () = sleep_until(deadline) => Ok(None),
        }
    }

    /// Puts a frame in the buffer of those to send.
    fn push(&mut self, message: Message) -> Result<(), Ended> {
        if self.socket.is_write_buf_full() {
            return Err(Ended::Lost("the server sends pings, but does not read the answers".into()));
        }
        Pin::new(&mut self.socket).write(message).map_err(|error| Ended::Lost(error.to_string()))
    }

    /// Adds a part of a message. Returns it when it is complete.
    fn join(&mut self, part: Item) -> Result<Option<Bytes>, Ended> {
        let (part, is_last) = match part {
            Item::FirstText(part) | Item::FirstBinary(part) | Item::Continue(part) => (part, false),
            Item::Last(part) => (part, true),
        };
        if self.partial.len() + part.len() > MAX_MESSAGE_BYTES {
            return Err(Ended::Lost(format!("a message is larger than {MAX_MESSAGE_BYTES} bytes")));
        }
        self.partial.extend_from_slice(&part);
        Ok(is_last.then(|| std::mem::take(&mut self.partial).freeze()))
    }

    /// Answers a close frame.
    async fn close(&mut self, reason: Option<CloseReason>) -> Ended {
        let answer = Message::Close(reason.clone());
        // The connection ends in any case.
        let _ = timeout(CLOSE_TIMEOUT, self.socket.send(answer)).await;
        match reason {
            Some(CloseReason { code: CloseCode::Normal, .. }) => Ended::Normally,
            Some(CloseReason { code, description }) => {
                let description = description.filter(|text| !text.is_empty());
                let description = description.map_or(String::new(), |text| format!(" ({text})"));
                Ended::Lost(format!(
                    "the server closed the connection with code {}{description}",
                    u16::from(code)
                ))
            }
            None => Ended::Lost("the server closed the connection".into()),
        }
    }
}
