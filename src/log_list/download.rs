//! One GET request: conditional, and limited in size, time and redirects.

use super::error::ListError;
use crate::log_client::{Proxies, Reach};
use awc::error::{PayloadError, SendRequestError};
use awc::http::StatusCode;
use awc::http::header::{
    CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, LOCATION,
};
use bytes::Bytes;
use openssl::ssl::SslConnector;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Timeout for connecting to a list's server, including TLS.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of redirects that are followed. Lists have moved before, but never in circles.
pub(crate) const MAX_REDIRECTS: usize = 3;
/// Maximum length of a validator (ETag, Last-Modified) that is stored, in bytes. Normal ones have about 30.
pub(crate) const MAX_VALIDATOR_BYTES: usize = 1024;

/// The settings of requests for lists.
#[derive(Clone)]
pub(crate) struct HttpSettings {
    /// TLS settings and trusted certificates.
    pub tls: SslConnector,
    /// The HTTP proxies.
    pub proxies: Proxies,
    /// Timeout from a request to the last byte of its response, including redirects.
    pub timeout: Duration,
    /// The User-Agent header.
    pub user_agent: String,
}

/// The validators of the local copy (RFC 9110 section 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Validators {
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Validators {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| {
            let value = headers.get(name)?.to_str().ok()?;
            (value.len() <= MAX_VALIDATOR_BYTES).then(|| value.to_string())
        };
        Validators { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
    }

    /// The request headers for these validators. A server that supports both evaluates only If-None-Match.
    fn conditions(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        [(IF_NONE_MATCH, &self.etag), (IF_MODIFIED_SINCE, &self.last_modified)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, HeaderValue::from_str(value.as_deref()?).ok()?)))
    }

    fn is_empty(&self) -> bool {
        self.conditions().next().is_none()
    }
}

/// The redirects that are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redirects {
    /// Redirects to any server, except from https to http.
    Followed,
    /// Redirects on the same host and port, and from http to https there.
    SameHost,
}

/// The response to a request.
pub(super) enum ListResponse {
    /// The local copy is still current.
    NotModified,
    /// A complete body with its validators.
    Body(Bytes, Validators),
}

/// The HTTP client for lists.
pub(super) struct Download {
    http: awc::Client,
    timeout: Duration,
}

impl Download {
    pub(super) fn new(settings: &HttpSettings) -> Self {
        let connector = awc::Connector::new().connector(settings.proxies.connector(Reach::Anywhere));
        let connector = connector.timeout(CONNECT_TIMEOUT).openssl(settings.tls.clone());
        let http = awc::Client::builder()
            .connector(connector)
            .timeout(settings.timeout)
            // awc's redirects may lead from https to http, so they are handled here.
            .disable_redirects()
            .add_default_header(("User-Agent", settings.user_agent.as_str()))
            .finish();
        Download { http, timeout: settings.timeout }
    }

    /// Fetches the body at `url`, at most `limit` bytes, unless `validators` show that the local copy is
    /// current.
    pub(super) async fn get(
        &self,
        url: &str,
        redirects: Redirects,
        validators: &Validators,
        limit: usize,
    ) -> Result<ListResponse, ListError> {
        // awc's own timeout ends with the headers. A slow body must not exceed the timeout either.
        tokio::time::timeout(self.timeout, self.get_unbounded(url, redirects, validators, limit))
            .await
            .unwrap_or_else(|_| Err(ListError::Timeout { url: url.into(), timeout: self.timeout }))
    }

    async fn get_unbounded(
        &self,
        url: &str,
        redirects: Redirects,
        validators: &Validators,
        limit: usize,
    ) -> Result<ListResponse, ListError> {
        let mut url = url.to_string();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.http.get(&url).no_decompress();
            for condition in validators.conditions() {
                request = request.insert_header(condition);
            }
            let mut response = request.send().await.map_err(|error| self.send_error(&url, &error))?;
            match response.status() {
                StatusCode::OK => {
                    let validators = Validators::of(response.headers());
                    let declared = content_length(response.headers());
                    let body = response.body().limit(limit).await.map_err(|e| body_error(&url, limit, &e))?;
                    return whole(body, declared, &url).map(|body| ListResponse::Body(body, validators));
                }
                StatusCode::NOT_MODIFIED if !validators.is_empty() => return Ok(ListResponse::NotModified),
                status if status.is_redirection() && response.headers().contains_key(LOCATION) => {
                    url = redirected(&url, redirects, response.headers())?;
                }
                status => return Err(ListError::Status { url, status: status.as_u16() }),
            }
        }
        Err(ListError::Redirect { location: url.clone(), url, reason: "there were too many before it" })
    }

    fn send_error(&self, url: &str, error: &SendRequestError) -> ListError {
        match error {
            SendRequestError::Timeout => ListError::Timeout { url: url.into(), timeout: self.timeout },
            other => ListError::Send { url: url.into(), reason: other.to_string() },
        }
    }
}

/// awc does not detect a body that ends early, so the declared length is checked here.
fn whole(body: Bytes, declared: Option<u64>, url: &str) -> Result<Bytes, ListError> {
    match declared {
        Some(declared) if declared != body.len() as u64 => {
            let reason = format!("{} of {declared} bytes came", body.len());
            Err(ListError::BrokeOff { url: url.into(), reason })
        }
        _ => Ok(body),
    }
}

fn body_error(url: &str, limit: usize, error: &PayloadError) -> ListError {
    match error {
        PayloadError::Overflow => ListError::TooLarge { url: url.into(), limit },
        other => ListError::BrokeOff { url: url.into(), reason: other.to_string() },
    }
}

/// The target of a redirect: a URL, or a path on the same server.
fn redirected(url: &str, redirects: Redirects, headers: &HeaderMap) -> Result<String, ListError> {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let refused = |reason| ListError::Redirect {
        url: url.into(),
        location: location.chars().take(200).collect(),
        reason,
    };
    if location.starts_with('/') && !location.starts_with("//") {
        let authority = url.find("://").map_or(0, |scheme| scheme + 3);
        let path = url.get(authority..).and_then(|rest| rest.find('/'));
        let server = path.and_then(|path| url.get(..authority + path)).unwrap_or(url);
        return Ok(format!("{server}{location}"));
    }
    if redirects == Redirects::SameHost && authority(location) != authority(url) {
        return Err(refused("the list is not signed, and it leaves the host"));
    }
    match (location.starts_with("https://"), location.starts_with("http://")) {
        (true, _) => Ok(location.into()),
        // TLS is the only protection of an unsigned list.
        (_, true) if url.starts_with("https://") => Err(refused("it leaves https")),
        (_, true) => Ok(location.into()),
        _ => Err(refused("it is neither an http or https URL nor an absolute path")),
    }
}

/// The host of a URL, with its port if the URL contains one.
fn authority(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    Some(rest.split(['/', '?', '#', '\\']).next()?.to_ascii_lowercase())
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_never_leave_https() {
        let from = |url: &str, location: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, HeaderValue::from_static(location));
            redirected(url, Redirects::Followed, &headers).map_err(|error| error.to_string())
        };
        let list = "https://ct.example.com/v3/list.json";
        assert_eq!(from(list, "https://ct.example.org/l").unwrap(), "https://ct.example.org/l");
        assert_eq!(from(list, "/v4/list.json").unwrap(), "https://ct.example.com/v4/list.json");
        assert_eq!(from("http://ct.example.com", "/l").unwrap(), "http://ct.example.com/l");
        assert_eq!(
            from("http://ct.example.com/", "https://ct.example.com/").unwrap(),
            "https://ct.example.com/"
        );
        assert_eq!(
            from(list, "http://ct.example.com/l").unwrap_err(),
            "failed to fetch https://ct.example.com/v3/list.json: not following its redirect to \
             \"http://ct.example.com/l\": it leaves https"
        );
        for location in ["//ct.example.org/l", "list.json", "ftp://ct.example.com/l", ""] {
            assert!(from(list, location).unwrap_err().contains("neither an http or https URL"), "{location}");
        }
    }

    #[test]
    fn redirects_of_an_unsigned_list_never_leave_its_host() {
        let from = |url: &str, location: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, HeaderValue::from_static(location));
            redirected(url, Redirects::SameHost, &headers).map_err(|error| error.to_string())
        };
        let list = "https://ct.example.com/v3/list.json";
        for location in ["/l", "https://ct.example.com/l", "https://CT.example.com?l"] {
            assert!(from(list, location).is_ok(), "{location}");
        }
        assert!(from("http://ct.example.com/l", "https://ct.example.com/l").is_ok());
        for location in [
            "https://ct.example.org/l",
            "https://169.254.169.254/latest/meta-data",
            "https://ct.example.com:8443/l",
            "https://ct.example.com@127.0.0.1/l",
            "https://ct.example.com.evil.example/l",
            "https://evil.example\\ct.example.com/l",
            "//evil.example/l",
        ] {
            assert!(from(list, location).is_err(), "{location}");
        }
    }
}
