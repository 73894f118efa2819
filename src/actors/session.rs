//! The session that a [`Connection`](super::connection::Connection) serves after the HTTP response.

use super::client::Client;
use super::event_session::EventSession;
use super::websocket_session::WebSocketControl;
use bytes::Bytes;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A client's session. It is stored in the extensions of the HTTP response until its connection is created.
pub(crate) enum Session {
    /// The session of a WebSocket client.
    WebSocket(WebSocketControl),
    /// The session of an SSE client, which cannot send data.
    Events(EventSession),
}

impl Session {
    pub(super) fn client(&self) -> &Arc<Client> {
        match self {
            Session::WebSocket(control) => &control.client,
            Session::Events(session) => &session.client,
        }
    }

    /// Whether more bytes can be received: the previous ones are processed, and the client has not closed its side.
    pub(super) fn has_room(&self) -> bool {
        match self {
            Session::WebSocket(control) => control.heard.has_room(),
            Session::Events(_) => true,
        }
    }

    /// Delay before the next read. The call resets it to zero.
    pub(super) fn take_pause(&self) -> Duration {
        match self {
            Session::WebSocket(control) => control.heard.take_pause(),
            Session::Events(_) => Duration::ZERO,
        }
    }

    /// Passes on bytes received from the client.
    pub(super) fn receive(&self, bytes: &[u8]) {
        if let Session::WebSocket(control) = self {
            self.client().heard();
            control.heard.put(Bytes::copy_from_slice(bytes));
        }
    }

    /// Records that the client has closed its side. Returns whether the session ends now; if not, it still has an
    /// answer to send.
    pub(super) fn end(&self) -> bool {
        match self {
            Session::WebSocket(control) => {
                control.heard.end();
                false
            }
            Session::Events(_) => true,
        }
    }

    /// The next bytes of the session's answer; `None` when the session has ended.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self {
            Session::WebSocket(control) => control.poll_answer(cx),
            Session::Events(_) => Poll::Pending,
        }
    }

    /// Whether the session ends with a close frame.
    pub(super) fn has_close_frames(&self) -> bool {
        matches!(self, Session::WebSocket(_))
    }

    /// Whether the response uses chunked transfer coding.
    pub(crate) fn is_in_chunks(&self) -> bool {
        matches!(self, Session::Events(session) if session.in_chunks)
    }

    /// Whether the connection cannot carry another request after the session.
    pub(crate) fn ends_connection(&self) -> bool {
        matches!(self, Session::Events(_))
    }
}
