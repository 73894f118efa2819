//! One GET request for a list or its signature. Redirects are followed within limits.

use super::error::ListError;
use crate::http_client::{HttpClient, HttpError, HttpRequest, HttpResponse, HttpSettings, Validators};
use bytes::Bytes;

/// Maximum number of redirects that are followed. Lists have moved before, but never in circles.
pub(crate) const MAX_REDIRECTS: usize = 3;

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

/// Fetches lists.
pub(super) struct Download {
    http: HttpClient,
}

impl Download {
    pub(super) fn new(settings: &HttpSettings) -> Self {
        Download { http: HttpClient::new(settings) }
    }

    /// Fetches the body at `url`, at most `limit` bytes, unless `validators` show that the local copy is
    /// current. The timeout includes redirects.
    pub(super) async fn get(
        &self,
        url: &str,
        redirects: Redirects,
        validators: &Validators,
        limit: usize,
    ) -> Result<ListResponse, ListError> {
        let timeout = self.http.timeout();
        tokio::time::timeout(timeout, self.get_unbounded(url, redirects, validators, limit))
            .await
            .unwrap_or_else(|_| Err(ListError::Http { url: url.into(), error: HttpError::Timeout(timeout) }))
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
            let request = HttpRequest { url: &url, limit, gzip: false, validators };
            let response = self.http.get(request, &mut ()).await;
            match response.map_err(|error| ListError::Http { url: url.clone(), error })? {
                HttpResponse::Body(body, validators) => return Ok(ListResponse::Body(body, validators)),
                HttpResponse::NotModified => return Ok(ListResponse::NotModified),
                HttpResponse::Refused(refused) => match refused.location {
                    Some(location) if (300..400).contains(&refused.status) => {
                        url = redirected(&url, redirects, &location)?;
                    }
                    _ => return Err(ListError::Status { url, status: refused.status }),
                },
            }
        }
        Err(ListError::Redirect { location: url.clone(), url, reason: "there were too many before it" })
    }
}

/// The target of a redirect: a URL, or a path on the same server.
fn redirected(url: &str, redirects: Redirects, location: &str) -> Result<String, ListError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_never_leave_https() {
        let from = |url: &str, location: &str| {
            redirected(url, Redirects::Followed, location).map_err(|error| error.to_string())
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
        let from = |url: &str, location: &str| {
            redirected(url, Redirects::SameHost, location).map_err(|error| error.to_string())
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
