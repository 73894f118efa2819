//! One request, limited in size and time: GET, which may be conditional, or POST.

use super::error::HttpError;
use super::proxy::Proxies;
use super::reach::Reach;
use super::tls::TlsClient;
use super::validators::Validators;
use crate::spare::Buffer;
use awc::error::{ConnectError, PayloadError, SendRequestError};
use awc::http::StatusCode;
use awc::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};
use awc::{ClientRequest, ClientResponse};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt};
use std::cell::Cell;
use std::time::Duration;

/// Timeout for connecting to a server, including TLS.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of connections to one server at the same time.
pub(crate) const MAX_CONNECTIONS: usize = 16;
/// Maximum number of bytes that are read from the body of an error response.
pub(crate) const MAX_ERROR_BYTES: usize = 64 * 1024;
/// How long the body of an accepted POST request is read.
const END_PATIENCE: Duration = Duration::from_secs(1);
/// Maximum number of characters of it that are logged.
pub(crate) const MAX_DETAIL_CHARS: usize = 120;

/// The settings of all requests.
#[derive(Clone)]
pub(crate) struct HttpSettings {
    /// TLS settings and trusted certificates.
    pub(crate) tls: TlsClient,
    /// The HTTP proxies.
    pub(crate) proxies: Proxies,
    /// The addresses that servers may have.
    pub(crate) reach: Reach,
    /// Timeout from a request to the last byte of its response.
    pub(crate) timeout: Duration,
    /// The User-Agent header.
    pub(crate) user_agent: String,
}

/// Sends requests and keeps connections alive. Redirects are not followed.
pub(crate) struct HttpClient {
    client: awc::Client,
    tls: TlsClient,
    timeout: Duration,
    /// Whether the last POST request was answered, so that its connection is kept.
    has_worked: Cell<bool>,
}

/// The parameters of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HttpRequest<'a> {
    pub(crate) url: &'a str,
    /// Maximum size of the body in bytes, after decompression.
    pub(crate) limit: usize,
    /// Whether to accept gzip.
    pub(crate) gzip: bool,
    /// The validators of the local copy, if there is one.
    pub(crate) validators: &'a Validators,
}

/// A request that sends something.
#[derive(Debug, Clone)]
pub(crate) struct HttpPost<'a> {
    pub(crate) url: &'a str,
    pub(crate) headers: &'a [(HeaderName, HeaderValue)],
    pub(crate) body: Bytes,
}

/// The response to a request.
#[derive(Debug)]
pub(crate) enum HttpResponse {
    /// A complete body (200) with its validators.
    Body(Bytes, Validators),
    /// The local copy is still current (304).
    NotModified,
    /// Any other status.
    Refused(RefusedRequest),
}

/// A response with another status than 200.
#[derive(Debug)]
pub(crate) struct RefusedRequest {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The delay from the Retry-After header.
    pub(crate) retry_after: Option<Duration>,
    /// The target of a redirect.
    pub(crate) location: Option<String>,
    /// The first part of the body, for people to read.
    pub(crate) detail: String,
}

/// Limits the memory of a body, in addition to its maximum size.
pub(crate) trait BodyBudget {
    /// Called before the body grows to `bytes`; may wait. If it returns `false`, the response is cancelled with
    /// [`HttpError::NoRoom`].
    async fn grow(&mut self, bytes: usize) -> bool;
}

/// No limit other than the maximum size.
impl BodyBudget for () {
    async fn grow(&mut self, _bytes: usize) -> bool {
        true
    }
}

impl HttpClient {
    pub(crate) fn new(settings: &HttpSettings) -> Self {
        let connector = awc::Connector::new().connector(settings.proxies.connector(settings.reach));
        let connector =
            connector.timeout(CONNECT_TIMEOUT).limit(MAX_CONNECTIONS).openssl(settings.tls.connector());
        let client = awc::Client::builder()
            .connector(connector)
            .timeout(settings.timeout)
            // awc's redirects may lead from https to http.
            .disable_redirects()
            .add_default_header(("User-Agent", settings.user_agent.as_str()))
            .finish();
        HttpClient {
            client,
            tls: settings.tls.clone(),
            timeout: settings.timeout,
            has_worked: Cell::new(false),
        }
    }

    /// Timeout for a complete response.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a GET request and receives the response. The memory of its body is taken from `budget`.
    pub(crate) async fn get(
        &self,
        request: HttpRequest<'_>,
        budget: &mut impl BodyBudget,
    ) -> Result<HttpResponse, HttpError> {
        // awc's own timeout ends with the headers. A slow body must not exceed the timeout either.
        let response = tokio::time::timeout(self.timeout, self.get_unbounded(request, budget)).await;
        response.unwrap_or(Err(HttpError::Timeout(self.timeout)))
    }

    /// Sends a POST request. `None` if it was accepted (2xx). It is sent once more if a connection that has worked before
    /// turns out to be closed, so the server may get it twice.
    pub(crate) async fn post(&self, request: &HttpPost<'_>) -> Result<Option<RefusedRequest>, HttpError> {
        let response = tokio::time::timeout(self.timeout, self.post_unbounded(request)).await;
        response.unwrap_or(Err(HttpError::Timeout(self.timeout)))
    }

    async fn post_unbounded(&self, request: &HttpPost<'_>) -> Result<Option<RefusedRequest>, HttpError> {
        let send = || {
            let prepared = self.client.post(request.url);
            let with_headers = request.headers.iter().cloned();
            let prepared = with_headers.fold(prepared, |prepared, header| prepared.insert_header(header));
            prepared.send_body(request.body.clone())
        };
        let mut response = match send().await {
            Err(error) if is_closed(&error) && self.has_worked.replace(false) => send().await,
            sent => sent,
        }
        .map_err(|error| HttpError::of_request(&error, request.url, &self.tls, self.timeout))?;
        self.has_worked.set(true);
        if response.status().is_success() {
            // If its end comes at once, the connection can be used again.
            let _ = tokio::time::timeout(END_PATIENCE, detail(&mut response)).await;
            return Ok(None);
        }
        Ok(Some(refused(&mut response).await))
    }

    fn prepared(&self, request: &HttpRequest<'_>) -> ClientRequest {
        let mut prepared = self.client.get(request.url);
        if !request.gzip {
            prepared = prepared.no_decompress();
        }
        for condition in request.validators.conditions() {
            prepared = prepared.insert_header(condition);
        }
        prepared
    }

    async fn get_unbounded(
        &self,
        request: HttpRequest<'_>,
        budget: &mut impl BodyBudget,
    ) -> Result<HttpResponse, HttpError> {
        let mut response = match self.prepared(&request).send().await {
            // The server has closed a connection that was idle, perhaps while the request was being sent. A new
            // connection is no failure.
            Err(error) if is_closed(&error) => self.prepared(&request).send().await,
            sent => sent,
        }
        .map_err(|error| HttpError::of_request(&error, request.url, &self.tls, self.timeout))?;
        match response.status() {
            StatusCode::OK => {
                let validators = Validators::from_headers(response.headers());
                let body = whole_body(&mut response, request.limit, budget).await?;
                Ok(HttpResponse::Body(body, validators))
            }
            StatusCode::NOT_MODIFIED if !request.validators.is_empty() => Ok(HttpResponse::NotModified),
            _ => Ok(HttpResponse::Refused(refused(&mut response).await)),
        }
    }
}

async fn refused<S: Body>(response: &mut ClientResponse<S>) -> RefusedRequest {
    RefusedRequest {
        status: response.status().as_u16(),
        retry_after: retry_after(response.headers(), Utc::now()),
        location: location(response.headers()),
        detail: detail(response).await,
    }
}

/// Whether the connection was closed before any part of the response came.
fn is_closed(error: &SendRequestError) -> bool {
    matches!(error, SendRequestError::Send(_) | SendRequestError::Connect(ConnectError::Disconnected))
}

/// A response body as awc provides it.
trait Body: Stream<Item = Result<Bytes, PayloadError>> + Unpin {}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Body for S {}

/// Reads the body of `response`, at most `limit` bytes. Memory grows with the bytes that arrive, not with the declared
/// length.
async fn whole_body<S: Body>(
    response: &mut ClientResponse<S>,
    limit: usize,
    budget: &mut impl BodyBudget,
) -> Result<Bytes, HttpError> {
    let declared = content_length(response.headers());
    if declared.is_some_and(|declared| declared > limit as u64) {
        return Err(HttpError::TooLarge { limit });
    }
    let mut body = Buffer::default();
    while let Some(chunk) = response.next().await {
        let chunk = chunk.map_err(|error| HttpError::Body(error.to_string()))?;
        if body.len() + chunk.len() > limit {
            return Err(HttpError::TooLarge { limit });
        }
        if !budget.grow(body.len() + chunk.len()).await {
            return Err(HttpError::NoRoom);
        }
        body.push(&chunk);
    }
    // awc does not detect a body that ends early, so the declared length is checked here.
    match declared {
        Some(declared) if declared != body.len() as u64 => {
            Err(HttpError::Body(format!("{} of {declared} bytes came", body.len())))
        }
        _ => Ok(body.into_bytes()),
    }
}

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

/// The declared length of the body. `None` for a compressed body, since the length would not be that of the
/// decompressed bytes.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// The target of a redirect; empty if it is not ASCII text.
fn location(headers: &HeaderMap) -> Option<String> {
    headers.get(LOCATION).map(|value| value.to_str().unwrap_or_default().into())
}

/// Parses Retry-After in both its forms (RFC 9110 section 10.2.3): seconds, or a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
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
