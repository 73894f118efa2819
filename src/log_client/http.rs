//! One GET request to a log, with every answer bounded in time and size.

use super::limits::OperatorLimits;
use super::traffic::{Outcome, Traffic};
use super::{FetchError, FetchSettings};
use awc::error::{PayloadError, SendRequestError};
use awc::http::StatusCode;
use awc::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderMap, IF_NONE_MATCH, RETRY_AFTER};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use openssl::ssl::{SslConnector, SslMethod};
use std::sync::Arc;
use std::time::Duration;

/// How much of an error's body is read, and how much of it is worth a log line.
const MAX_ERROR_BYTES: usize = 64 * 1024;
const MAX_DETAIL_CHARS: usize = 120;
/// Time to connect, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks one log; keeps its connections alive.
pub(super) struct Http {
    client: awc::Client,
    timeout: Duration,
    limits: Arc<OperatorLimits>,
    traffic: Arc<Traffic>,
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
pub(super) enum Answer {
    /// A whole body, with its validator.
    Body { bytes: Bytes, etag: Option<String> },
    /// What we have is still what there is.
    NotModified,
}

impl Http {
    pub(super) fn new(settings: &FetchSettings) -> Self {
        let connector = awc::Connector::new().connector(settings.proxies.connector());
        let connector = connector.timeout(CONNECT_TIMEOUT).openssl(settings.tls.clone());
        let client = awc::Client::builder()
            .connector(connector)
            .timeout(settings.timeout)
            .disable_redirects()
            .add_default_header(("User-Agent", settings.user_agent.as_str()))
            .finish();
        let (limits, traffic) = (settings.limits.clone(), settings.traffic.clone());
        Http { client, timeout: settings.timeout, limits, traffic }
    }

    /// The body at `url`, at most `limit` bytes.
    pub(super) async fn body(&self, url: &str, limit: usize) -> Result<Bytes, FetchError> {
        match self.get(url, Ask { limit, ..Ask::default() }).await? {
            Answer::Body { bytes, .. } => Ok(bytes),
            Answer::NotModified => Err(FetchError::unexpected(StatusCode::NOT_MODIFIED.as_u16())),
        }
    }

    pub(super) async fn get(&self, url: &str, ask: Ask<'_>) -> Result<Answer, FetchError> {
        let _turn = self.limits.turn().await;
        // awc's own time-out ends with the headers; a body that trickles must not hold us either.
        let answer = tokio::time::timeout(self.timeout, self.get_unbounded(url, ask))
            .await
            .unwrap_or(Err(FetchError::Timeout(self.timeout)));
        match &answer {
            Ok(Answer::Body { bytes, .. }) => self.traffic.body(bytes.len()),
            Ok(Answer::NotModified) => self.traffic.count(Outcome::NotModified),
            Err(error) => self.traffic.failed(error),
        }
        answer
    }

    async fn get_unbounded(&self, url: &str, ask: Ask<'_>) -> Result<Answer, FetchError> {
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
            StatusCode::NOT_MODIFIED if ask.etag.is_some() => return Ok(Answer::NotModified),
            status => {
                let detail = response.body().limit(MAX_ERROR_BYTES).await.unwrap_or_default();
                return Err(FetchError::Status {
                    status: status.as_u16(),
                    retry_after: retry_after(response.headers(), Utc::now()),
                    detail: String::from_utf8_lossy(&detail).trim().chars().take(MAX_DETAIL_CHARS).collect(),
                });
            }
        }
        let etag = response.headers().get(ETAG).and_then(|v| v.to_str().ok()).map(String::from);
        let declared = content_length(response.headers());
        let bytes = response.body().limit(ask.limit).await.map_err(|error| match error {
            PayloadError::Overflow => FetchError::TooLarge { limit: ask.limit },
            other => FetchError::Body(other.to_string()),
        })?;
        // awc takes a body that ends early for a whole one.
        match declared {
            Some(declared) if declared != bytes.len() as u64 => {
                Err(FetchError::Body(format!("{} of {declared} bytes came", bytes.len())))
            }
            _ => Ok(Answer::Body { bytes, etag }),
        }
    }

    fn send_error(&self, error: &SendRequestError) -> FetchError {
        match error {
            SendRequestError::Timeout => FetchError::Timeout(self.timeout),
            other => FetchError::Send(other.to_string()),
        }
    }
}

/// TLS with the machine's trusted certificates: an OpenSSL built from sources does not know where they are.
///
/// # Errors
/// When OpenSSL cannot be set up, or the machine's certificates cannot be read.
pub fn tls_connector() -> Result<SslConnector, openssl::error::ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    if let Some(file) = openssl_probe::probe().cert_file {
        builder.set_ca_file(file)?;
    }
    builder.set_alpn_protos(b"\x02h2\x08http/1.1")?;
    Ok(builder.build())
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
