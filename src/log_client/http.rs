//! One GET request to a log, with every answer bounded in time and size.
//!
//! Logs are spoken to in HTTP/1.1. HTTP/2 would bring nothing: a log is asked for few things at once, each of them
//! large, and what limits us are its limits. It would cost a state machine that a hostile log drives, and connections
//! that go on being read after a request on them was given up; in HTTP/1.1 giving up a request closes its socket.

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

/// How much of the body of an answer with an error's status is read, bytes.
pub(crate) const MAX_ERROR_BYTES: usize = 64 * 1024;
/// How much of it is worth a line in the log file, characters.
pub(crate) const MAX_DETAIL_CHARS: usize = 120;
/// Time to connect to a log, TLS included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a body that are read beside others of the same log; of the bodies that are larger, one is read at a time.
pub(crate) const MAX_BESIDE_BYTES: usize = 4 * 1024 * 1024;
/// Longest validator (ETag) that is kept, bytes; others are some 30.
pub(crate) const MAX_ETAG_BYTES: usize = 1024;
/// The protocols that logs are offered (RFC 7301 section 3.1).
const ALPN: &[u8] = b"\x08http/1.1";
/// Connections to one log at the same time.
pub(crate) const MAX_CONNECTIONS: usize = 16;

/// Asks one log; keeps its connections alive.
pub(super) struct Http {
    client: awc::Client,
    timeout: Duration,
    limits: Arc<OperatorLimits>,
    traffic: Arc<Traffic>,
    memory: Arc<AnswerMemory>,
    /// Whoever reads a body of more than [`MAX_BESIDE_BYTES`] has it.
    large: Semaphore,
}

/// How to ask.
#[derive(Debug, Default)]
pub(super) struct Ask<'a> {
    /// Most bytes of the body, decompressed.
    pub limit: usize,
    /// Take gzip.
    pub gzip: bool,
    /// The validator of what we have.
    pub etag: Option<&'a str>,
}

/// What came.
#[derive(Debug)]
pub(super) enum Response {
    /// A whole body, with its validator.
    Body { bytes: Bytes, etag: Option<String> },
    /// What we have is still what there is.
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

    /// Longest time for a whole answer.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Where bytes of an answer that waits for others are counted.
    pub(super) fn counted(&self) -> Part {
        self.memory.part()
    }

    /// The body at `url`, at most `limit` bytes.
    pub(super) async fn body(&self, url: &str, limit: usize) -> Result<Bytes, FetchError> {
        match self.get(url, Ask { limit, ..Ask::default() }).await? {
            Response::Body { bytes, .. } => Ok(bytes),
            Response::NotModified => Err(FetchError::unexpected(StatusCode::NOT_MODIFIED.as_u16())),
        }
    }

    pub(super) async fn get(&self, url: &str, ask: Ask<'_>) -> Result<Response, FetchError> {
        let _turn = self.limits.turn().await;
        // awc's own time-out ends with the headers; a body that trickles must not hold us either.
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

    /// The body of `response`, at most `limit` bytes. Its memory grows with what comes, not with what was declared.
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
            // Before it is waited for: an unpacked chunk may have megabytes.
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
        // awc takes a body that ends early for a whole one.
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

/// A body as awc gives it.
trait Body: Stream<Item = Result<Bytes, PayloadError>> + Unpin {}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Body for S {}

/// The beginning of an error's body, for people to read.
async fn detail<S: Body>(response: &mut ClientResponse<S>) -> String {
    let mut detail = Vec::new();
    while let Some(Ok(chunk)) = response.next().await
        && detail.len() < MAX_ERROR_BYTES
    {
        detail.extend_from_slice(chunk.get(..chunk.len().min(MAX_ERROR_BYTES)).unwrap_or_default());
    }
    String::from_utf8_lossy(&detail).trim().chars().take(MAX_DETAIL_CHARS).collect()
}

/// TLS with the machine's trusted certificates, for HTTP/1.1 alone: an OpenSSL built from sources does not know where they are.
///
/// # Errors
/// When OpenSSL cannot be set up, or the machine's certificates cannot be read.
pub fn tls_connector() -> Result<SslConnector, ErrorStack> {
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

/// The length of the body as we will see it, if that is declared: not of one that is decompressed.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Retry-After in both its forms (RFC 9110 section 10.2.3): seconds, or a date.
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
