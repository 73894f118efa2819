//! What a [`Connection`](super::connection::Connection) carries, once it has left HTTP.

use super::client::Client;
use super::event_session::EventSession;
use super::websocket_session::WebSocketControl;
use bytes::Bytes;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A client's session, in the extensions of the answer to its request until its connection is there.
pub enum Session {
    /// A WebSocket client's.
    WebSocket(WebSocketControl),
    /// One of Server-Sent Events, which cannot say anything.
    Events(EventSession),
}

impl Session {
    pub(super) fn client(&self) -> &Arc<Client> {
        match self {
            Session::WebSocket(control) => &control.client,
            Session::Events(session) => &session.client,
        }
    }

    /// Whether more of what the client says can be taken: what it said before is dealt with, and it has not ended.
    pub(super) fn has_room(&self) -> bool {
        match self {
            Session::WebSocket(control) => control.heard.has_room(),
            Session::Events(_) => true,
        }
    }

    /// How long to wait before more is read, asked for once.
    pub(super) fn take_pause(&self) -> Duration {
        match self {
            Session::WebSocket(control) => control.heard.take_pause(),
            Session::Events(_) => Duration::ZERO,
        }
    }

    /// The client said this.
    pub(super) fn receive(&self, bytes: &[u8]) {
        if let Session::WebSocket(control) = self {
            self.client().heard();
            control.heard.put(Bytes::copy_from_slice(bytes));
        }
    }

    /// The client will say nothing more. Returns whether the session ends with that; otherwise it has an answer.
    pub(super) fn end(&self) -> bool {
        match self {
            Session::WebSocket(control) => {
                control.heard.end();
                false
            }
            Session::Events(_) => true,
        }
    }

    /// What the session answers; `None` when it has ended.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self {
            Session::WebSocket(control) => control.poll_answer(cx),
            Session::Events(_) => Poll::Pending,
        }
    }

    /// Whether the client is told with a frame of its own that the session ends.
    pub(super) fn has_close_frames(&self) -> bool {
        matches!(self, Session::WebSocket(_))
    }

    /// Whether what is sent is in chunks of HTTP.
    pub(crate) fn is_in_chunks(&self) -> bool {
        matches!(self, Session::Events(session) if session.in_chunks)
    }

    /// What the connection can be used for in the end: nothing more.
    pub(crate) fn ends_connection(&self) -> bool {
        matches!(self, Session::Events(_))
    }
}
