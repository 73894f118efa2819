//! Why a request has no complete response.

use super::reach::NotPublic;
use super::tls::{TlsClient, reason_in};
use awc::error::{ConnectError, SendRequestError};
use awc::http::Uri;
use std::io;
use std::time::Duration;

/// A request without a complete response. It can be retried later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The response was not complete within the timeout.
    #[error("no complete response within {0:?}")]
    Timeout(Duration),
    /// The connection failed, or no response arrived on it.
    #[error("{0}")]
    Send(String),
    /// The TLS handshake failed.
    #[error("TLS: {0}")]
    Tls(String),
    /// An unsigned list names the server, and its address is not public.
    #[error("{0}")]
    NotPublic(#[from] NotPublic),
    /// The response body ended early.
    #[error("the response ended early: {0}")]
    Body(String),
    /// The response is larger than any valid response.
    #[error("the response is larger than {limit} bytes")]
    TooLarge {
        /// The limit that was exceeded, in bytes.
        limit: usize,
    },
    /// The [`BodyBudget`](super::BodyBudget) did not allow the response to grow.
    #[error("no memory left for this log's responses")]
    NoRoom,
}

impl HttpError {
    /// The kind of the failure, without any text from the server.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            HttpError::Timeout(_) => "no complete response in time",
            HttpError::Send(_) => "no connection",
            HttpError::Tls(_) => "the TLS handshake failed",
            HttpError::NotPublic(_) => "not on the public internet",
            HttpError::Body(_) => "the response ended early",
            HttpError::TooLarge { .. } => "the response is too large",
            HttpError::NoRoom => "no memory left for the response",
        }
    }

    /// The error of a request to `url` that `timeout` applies to.
    pub(super) fn of_request(
        error: &SendRequestError,
        url: &str,
        tls: &TlsClient,
        timeout: Duration,
    ) -> Self {
        match error {
            SendRequestError::Timeout => HttpError::Timeout(timeout),
            SendRequestError::Connect(ConnectError::Disconnected) => {
                HttpError::Send("the server closed the connection without an answer".into())
            }
            SendRequestError::Connect(error) => {
                if let ConnectError::Io(error) = error
                    && let Some(refused) = not_public(error)
                {
                    return HttpError::NotPublic(refused.clone());
                }
                let text = error.to_string();
                match reason_in(&text) {
                    Some(reason) => {
                        let uri: Option<Uri> = url.parse().ok();
                        let host = uri.as_ref().and_then(Uri::host);
                        let failure = host.and_then(|host| tls.take_failure(host));
                        HttpError::Tls(failure.unwrap_or_else(|| reason.into()))
                    }
                    None => HttpError::Send(text),
                }
            }
            other => HttpError::Send(other.to_string()),
        }
    }
}

fn not_public(error: &io::Error) -> Option<&NotPublic> {
    error.get_ref()?.downcast_ref()
}
