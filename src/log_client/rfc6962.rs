//! The client of an RFC 6962 log (section 4), on awc.

use super::{FetchError, FetchSettings};
use crate::ct::get_entries::{self, NotBase64, RawEntry};
use crate::ct::sth::SignedTreeHead;
use awc::error::{PayloadError, SendRequestError};
use awc::http::StatusCode;
use awc::http::header::{CONTENT_LENGTH, HeaderMap, RETRY_AFTER};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use openssl::ssl::{SslConnector, SslMethod};
use std::time::Duration;

/// A tree head is some 300 bytes of JSON; the rest is room for what logs add.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// A page of 1,000 entries has about 6 MB; ten times as much is still an honest, if odd, log.
const MAX_PAGE_BYTES: usize = 64 * 1024 * 1024;
/// How much of an error's body is worth a log line.
const MAX_DETAIL_CHARS: usize = 120;
/// Time to connect, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks one log; keeps its connections alive.
pub struct Rfc6962Client {
    http: awc::Client,
    base: String,
    timeout: Duration,
}

impl Rfc6962Client {
    /// A client of the log at `url` (scheme and prefix, without `/ct/v1`).
    pub fn new(url: &str, settings: &FetchSettings) -> Self {
        let connector = awc::Connector::new().timeout(CONNECT_TIMEOUT).openssl(settings.tls.clone());
        let http = awc::Client::builder()
            .connector(connector)
            .timeout(settings.timeout)
            .disable_redirects()
            .add_default_header(("User-Agent", settings.user_agent.as_str()))
            .finish();
        Rfc6962Client {
            http,
            base: format!("{}/ct/v1", url.trim_end_matches('/')),
            timeout: settings.timeout,
        }
    }

    /// get-sth, RFC 6962 section 4.3.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn head(&self) -> Result<SignedTreeHead, FetchError> {
        let body = self.get(&format!("{}/get-sth", self.base), MAX_HEAD_BYTES).await?;
        Ok(SignedTreeHead::from_json(&body)?)
    }

    /// get-entries, RFC 6962 section 4.6: the entries from `start` on, at least one and at most up to
    /// `end_exclusive`; a log may return fewer than asked for.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn entries(
        &self,
        start: u64,
        end_exclusive: u64,
    ) -> Result<Vec<Result<RawEntry, NotBase64>>, FetchError> {
        let url = format!("{}/get-entries?start={start}&end={}", self.base, end_exclusive.saturating_sub(1));
        let body = self.get(&url, MAX_PAGE_BYTES).await?;
        let mut page = get_entries::parse(&body)?;
        page.truncate(usize::try_from(end_exclusive - start).unwrap_or(usize::MAX));
        if page.is_empty() { Err(FetchError::EmptyPage) } else { Ok(page) }
    }

    async fn get(&self, url: &str, limit: usize) -> Result<Bytes, FetchError> {
        // awc's own time-out ends with the headers; a body that trickles must not hold us either.
        tokio::time::timeout(self.timeout, self.get_unbounded(url, limit))
            .await
            .unwrap_or(Err(FetchError::Timeout(self.timeout)))
    }

    async fn get_unbounded(&self, url: &str, limit: usize) -> Result<Bytes, FetchError> {
        let mut response =
            self.http.get(url).no_decompress().send().await.map_err(|e| self.send_error(&e))?;
        if response.status() != StatusCode::OK {
            let detail = response.body().limit(MAX_HEAD_BYTES).await.unwrap_or_default();
            return Err(FetchError::Status {
                status: response.status().as_u16(),
                retry_after: retry_after(response.headers(), Utc::now()),
                detail: String::from_utf8_lossy(&detail).trim().chars().take(MAX_DETAIL_CHARS).collect(),
            });
        }
        let declared = content_length(response.headers());
        let body = response.body().limit(limit).await.map_err(|error| match error {
            PayloadError::Overflow => FetchError::TooLarge { limit },
            other => FetchError::Body(other.to_string()),
        })?;
        // awc takes a body that ends early for a whole one.
        match declared {
            Some(declared) if declared != body.len() as u64 => {
                Err(FetchError::Body(format!("{} of {declared} bytes came", body.len())))
            }
            _ => Ok(body),
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

fn content_length(headers: &HeaderMap) -> Option<u64> {
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
