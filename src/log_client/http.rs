//! One GET request to a log. Every response is limited in time and size.
//!
//! The client uses HTTP/1.1 only. HTTP/2 has no advantage here: only a few requests to a log run at the same
//! time, each response is large, and the log's own limits determine the speed. HTTP/2 would add a state
//! machine that a hostile log controls, and connections that are still read after a request on them was
//! cancelled. In HTTP/1.1, cancelling a request closes its socket.

use super::limits::OperatorLimits;
use super::memory::Part;
use super::traffic::{Outcome, Traffic};
use super::{AnswerMemory, FetchError, FetchSettings, NotPublic};
use awc::ClientResponse;
use awc::error::{ConnectError, PayloadError, SendRequestError};
use awc::http::StatusCode;
use awc::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderMap, IF_NONE_MATCH, RETRY_AFTER};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt};
use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Maximum number of bytes that are read from the body of an error response.
pub(crate) const MAX_ERROR_BYTES: usize = 64 * 1024;
/// Maximum number of characters of it that are logged.
pub(crate) const MAX_DETAIL_CHARS: usize = 120;
/// Timeout for connecting to a log, including TLS.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A log's bodies are read in parallel up to this many bytes each. Only one larger body is read at a time.
pub(crate) const MAX_BESIDE_BYTES: usize = 4 * 1024 * 1024;
/// Maximum length of a validator (ETag) that is stored, in bytes. Normal ones have about 30.
pub(crate) const MAX_ETAG_BYTES: usize = 1024;
/// The protocols that are offered to logs (RFC 7301 section 3.1).
const ALPN: &[u8] = b"\x08http/1.1";
/// Maximum number of connections to one log at the same time.
pub(crate) const MAX_CONNECTIONS: usize = 16;

/// Sends requests to one log and keeps its connections alive.
pub(super) struct Http {
    client: awc::Client,
    timeout: Duration,
    limits: Arc<OperatorLimits>,
    traffic: Arc<Traffic>,
    memory: Arc<AnswerMemory>,
    /// Permit for reading a body of more than [`MAX_BESIDE_BYTES`].
    large: Semaphore,
}

/// The parameters of a request.
#[derive(Debug, Default)]
pub(super) struct Ask<'a> {
    /// Maximum size of the body in bytes, after decompression.
    pub limit: usize,
    /// Whether to accept gzip.
    pub gzip: bool,
    /// The validator of the local copy.
    pub etag: Option<&'a str>,
}

/// The response to a request.
#[derive(Debug)]
pub(super) enum Response {
    /// A complete body, with its validator.
    Body { bytes: Bytes, etag: Option<String> },
    /// The local copy is still current (304).
    NotModified,
}

impl Http {
    pub(super) fn new(settings: &FetchSettings) -> Self {
        let connector = awc::Connector::new().connector(settings.proxies.connector(settings.reach));
        let connector =
            connector.timeout(CONNECT_TIMEOUT).limit(MAX_CONNECTIONS).openssl(settings.tls.clone());
        let client = awc::Client::builder()
            .connector(connector)
            .timeout(settings.timeout)
            .disable_redirects()
            .add_default_header(("User-Agent", settings.user_agent.as_str()))
            .finish();
        let (limits, traffic, memory) =
            (settings.limits.clone(), settings.traffic.clone(), settings.memory.clone());
        Http { client, timeout: settings.timeout, limits, traffic, memory, large: Semaphore::new(1) }
    }

    /// Timeout for a complete response.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A counter for the bytes of a response that waits for other responses.
    pub(super) fn counted(&self) -> Part {
        self.memory.part()
    }

    /// Fetches the body at `url`, at most `limit` bytes.
    pub(super) async fn body(&self, url: &str, limit: usize) -> Result<Bytes, FetchError> {
        match self.get(url, Ask { limit, ..Ask::default() }).await? {
            Response::Body { bytes, .. } => Ok(bytes),
            Response::NotModified => Err(FetchError::unexpected(StatusCode::NOT_MODIFIED.as_u16())),
        }
    }

    pub(super) async fn get(&self, url: &str, ask: Ask<'_>) -> Result<Response, FetchError> {
        let _turn = self.limits.turn().await;
        // awc's own timeout ends with the headers. A slow body must not exceed the timeout either.
        let answer = tokio::time::timeout(self.timeout, self.get_unbounded(url, ask))
            .await
            .unwrap_or(Err(FetchError::Timeout(self.timeout)));
        match &answer {
            Ok(Response::Body { bytes, .. }) => self.traffic.body(bytes.len()),
            Ok(Response::NotModified) => self.traffic.count(Outcome::NotModified),
            Err(error) => self.traffic.failed(error),
        }
        answer
    }

    async fn get_unbounded(&self, url: &str, ask: Ask<'_>) -> Result<Response, FetchError> {
        let mut request = self.client.get(url);
        if !ask.gzip {
            request = request.no_decompress();
        }
        if let Some(etag) = ask.etag {
            request = request.insert_header((IF_NONE_MATCH, etag));
        }
        let mut response = request.send().await.map_err(|e| self.send_error(&e))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if ask.etag.is_some() => return Ok(Response::NotModified),
            status => {
                return Err(FetchError::Status {
                    status: status.as_u16(),
                    retry_after: retry_after(response.headers(), Utc::now()),
                    detail: detail(&mut response).await,
                });
            }
        }
        let etag = response.headers().get(ETAG).and_then(|v| v.to_str().ok());
        let etag = etag.filter(|etag| etag.len() <= MAX_ETAG_BYTES).map(String::from);
        let bytes = self.whole_body(&mut response, ask.limit).await?;
        Ok(Response::Body { bytes, etag })
    }

    /// Reads the body of `response`, at most `limit` bytes. Memory grows with the bytes that arrive, not with
    /// the declared length.
    async fn whole_body<S: Body>(
        &self,
        response: &mut ClientResponse<S>,
        limit: usize,
    ) -> Result<Bytes, FetchError> {
        let declared = content_length(response.headers());
        if declared.is_some_and(|declared| declared > limit as u64) {
            return Err(FetchError::TooLarge { limit });
        }
        let (mut body, mut counted, mut turn) = (Vec::new(), self.memory.part(), None);
        while let Some(chunk) = response.next().await {
            let chunk = chunk.map_err(|error| FetchError::Body(error.to_string()))?;
            if body.len() + chunk.len() > limit {
                return Err(FetchError::TooLarge { limit });
            }
            // Counted before waiting, because a decompressed chunk may have megabytes.
            counted.set(body.len() + chunk.len());
            if !self.memory.may_grow() {
                return Err(FetchError::NoRoom);
            }
            if body.len() + chunk.len() > MAX_BESIDE_BYTES && turn.is_none() {
                // The semaphore is never closed.
                turn = self.large.acquire().await.ok();
            }
            body.extend_from_slice(&chunk);
        }
        // awc does not detect a body that ends early, so the declared length is checked here.
        match declared {
            Some(declared) if declared != body.len() as u64 => {
                Err(FetchError::Body(format!("{} of {declared} bytes came", body.len())))
            }
            _ => Ok(body.into()),
        }
    }

    fn send_error(&self, error: &SendRequestError) -> FetchError {
        match error {
            SendRequestError::Timeout => FetchError::Timeout(self.timeout),
            SendRequestError::Connect(ConnectError::Io(error)) => match not_public(error) {
                Some(refused) => FetchError::NotPublic(refused.clone()),
                None => FetchError::Send(error.to_string()),
            },
            other => FetchError::Send(other.to_string()),
        }
    }
}

fn not_public(error: &io::Error) -> Option<&NotPublic> {
    error.get_ref()?.downcast_ref()
}

/// A response body as awc provides it.
trait Body: Stream<Item = Result<Bytes, PayloadError>> + Unpin {}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Body for S {}

/// The first part of an error response's body, for people to read.
async fn detail<S: Body>(response: &mut ClientResponse<S>) -> String {
    let mut detail = Vec::new();
    while let Some(Ok(chunk)) = response.next().await
        && detail.len() < MAX_ERROR_BYTES
    {
        detail.extend_from_slice(chunk.get(..chunk.len().min(MAX_ERROR_BYTES)).unwrap_or_default());
    }
    String::from_utf8_lossy(&detail).trim().chars().take(MAX_DETAIL_CHARS).collect()
}

/// The TLS settings: HTTP/1.1 only, with the system's trusted certificates. They are located explicitly,
/// because an OpenSSL that was built from source does not know where they are.
///
/// # Errors
/// If OpenSSL cannot be set up, or the system's certificates cannot be read.
pub(crate) fn tls_connector() -> Result<SslConnector, ErrorStack> {
    let mut builder = tls_builder()?;
    if let Some(file) = openssl_probe::probe().cert_file {
        builder.set_ca_file(file)?;
    }
    Ok(builder.build())
}

fn tls_builder() -> Result<SslConnectorBuilder, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_alpn_protos(ALPN)?;
    Ok(builder)
}

/// The declared length of the body. `None` for a compressed body, since the length would not be that of the
/// decompressed bytes.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Parses Retry-After in both its forms (RFC 9110 section 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    Some((date.with_timezone(&Utc) - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod hostile;

#[cfg(test)]
mod tests {
    use super::*;
    use awc::http::header::HeaderValue;
    use chrono::TimeZone;

    #[test]
    fn retry_after_is_understood_as_seconds_and_as_a_date() {
        let now = Utc.with_ymd_and_hms(2026, 5, 20, 12, 0, 0).unwrap();
        let parsed = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            retry_after(&headers, now)
        };
        assert_eq!(parsed("120"), Some(Duration::from_secs(120)));
        assert_eq!(parsed("Wed, 20 May 2026 12:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(parsed("Wed, 20 May 2026 11:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(parsed("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
