//! Resolves outputs to a URL.

use super::Resolver;
use crate::config::ConfigError;
use crate::config::outputs::WebhookConfig;
use crate::config::resolve::checks::positive;
use crate::config::values::Span;
use crate::http_client::is_internal_url;

/// Headers that belong to the request as such.
const OWN_HEADERS: [&str; 6] =
    ["connection", "content-encoding", "content-length", "content-type", "host", "transfer-encoding"];
/// Smallest `secret`, in bytes. A short one is found by trying, from a delivery and its signature.
const LEAST_SECRET: usize = 16;

impl Resolver<'_> {
    pub(super) fn webhook(&self) -> Result<WebhookConfig, ConfigError> {
        let w = self.written;
        let url = self.secret("url", w.url.as_ref(), w.url_file.as_deref())?;
        let url = url.ok_or_else(|| self.error("url", "expected the URL that messages are sent to"))?;
        let parsed = url.reveal().parse::<awc::http::Uri>().ok();
        let has_host = |uri: &awc::http::Uri| uri.host().is_some_and(|host| !host.is_empty());
        let scheme = parsed.as_ref().filter(|uri| has_host(uri)).and_then(awc::http::Uri::scheme_str);
        if !matches!(scheme, Some("http" | "https")) {
            return Err(self.error("url", "expected a URL that begins with https:// or http://"));
        }
        let allow_internal = w.allow_internal.unwrap_or(false);
        if scheme == Some("http") && !allow_internal {
            let problem = "expected https://, because names are sent; for an address in your own network, set allow_internal = true";
            return Err(self.error("url", problem));
        }
        if is_internal_url(url.reveal()) && !allow_internal {
            let problem = "its address is not on the public internet; to allow it, set allow_internal = true";
            return Err(self.error("url", problem));
        }
        let headers = w.headers.clone().unwrap_or_default();
        for (name, value) in &headers {
            let is_name = awc::http::header::HeaderName::try_from(name.as_str()).is_ok();
            let is_own = OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own));
            if is_own || name.to_ascii_lowercase().starts_with("x-certstream-") {
                return Err(self.error("headers", format!("the output sets {name} itself")));
            }
            if !is_name || awc::http::header::HeaderValue::from_str(value.reveal()).is_err() {
                return Err(self.error("headers", format!("{name:?} is no header, or has no valid value")));
            }
        }
        let secret = self.secret("secret", w.secret.as_ref(), w.secret_file.as_deref())?;
        if secret.as_ref().is_some_and(|secret| secret.reveal().len() < LEAST_SECRET) {
            let key = if w.secret.is_some() { "secret" } else { "secret_file" };
            let problem = "expected at least 16 characters, which nobody can guess, such as `openssl rand -hex 32` prints";
            return Err(self.error(key, problem));
        }
        let timeout = w.timeout.unwrap_or(Span::seconds(30));
        Ok(WebhookConfig {
            url,
            secret,
            headers: headers.into_iter().collect(),
            template: w.template.unwrap_or_default(),
            client_errors: w.client_errors.unwrap_or_default(),
            allow_internal,
            timeout: positive(self.sources, &self.key("timeout"), timeout)?,
            dead_letters: self.dead_letters(),
        })
    }
}
