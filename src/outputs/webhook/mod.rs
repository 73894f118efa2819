//! Delivers messages as POST requests.
//!
//! The body is signed (HMAC-SHA256, RFC 2104) if a secret is configured: the header `X-Certstream-Signature` is `sha256=` and
//! the signature in lower-case hex. `X-Certstream-Delivery` has the numbers of the first and the last entry: a receiver that
//! gets the same one again has had the messages.

mod body;

use super::batch::{Batch, Message};
use super::dead_letters::{DeadLetter, DeadLetters};
use super::error::DeliveryError;
use crate::config::{ClientErrors, WebhookConfig};
use crate::http_client::{
    HttpClient, HttpError, HttpPost, HttpSettings, Proxies, Reach, RefusedRequest, TlsClient,
};
use awc::http::Uri;
use awc::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use bytes::Bytes;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

const OUTPUT: HeaderName = HeaderName::from_static("x-certstream-output");
const DELIVERY: HeaderName = HeaderName::from_static("x-certstream-delivery");
const SIGNATURE: HeaderName = HeaderName::from_static("x-certstream-signature");

/// What requests of all webhooks have in common.
#[derive(Clone)]
pub(crate) struct WebhookSettings {
    /// TLS settings and trusted certificates.
    pub(crate) tls: TlsClient,
    /// The HTTP proxies.
    pub(crate) proxies: Proxies,
    /// The User-Agent header.
    pub(crate) user_agent: String,
}

/// A URL that messages are sent to.
pub(crate) struct Webhook {
    name: String,
    config: WebhookConfig,
    http: HttpClient,
    key: Option<PKey<Private>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    dead_letters: DeadLetters,
    /// Maximum number of messages in a request, as the receiver's refusals have shown.
    most: usize,
}

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The same request is sent again later.
    Retry,
    /// The messages are sent in two requests; a single one goes to the dead-letter file.
    Split,
    /// The messages go to the dead-letter file.
    Refused,
}

impl Webhook {
    /// Prepares requests of the output `name`. Messages that go to the dead-letter file are counted in `dead`.
    ///
    /// # Errors
    /// If the secret or a header cannot be used.
    pub(crate) fn new(
        name: &str,
        config: &WebhookConfig,
        settings: &WebhookSettings,
        dead: Arc<AtomicU64>,
    ) -> Result<Self, DeliveryError> {
        let reach = if config.allow_internal { Reach::Anywhere } else { Reach::PublicWebhook };
        let WebhookSettings { tls, proxies, user_agent } = settings.clone();
        let http =
            HttpClient::new(&HttpSettings { tls, proxies, reach, timeout: config.timeout, user_agent });
        let key = config.secret.as_ref().map(|secret| PKey::hmac(secret.reveal().as_bytes())).transpose();
        let headers = config.headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value.reveal()).ok();
            HeaderName::try_from(name.as_str()).ok().zip(value)
        });
        Ok(Webhook {
            name: name.into(),
            http,
            key: key.map_err(|error| DeliveryError::new(format!("the secret cannot be used: {error}")))?,
            headers: headers
                .collect::<Option<_>>()
                .ok_or_else(|| DeliveryError::new("a header is not valid"))?,
            dead_letters: DeadLetters::new(name, config.dead_letters.clone(), dead),
            config: config.clone(),
            most: usize::MAX,
        })
    }

    /// Sends the batch. What the receiver refuses for good is in the dead-letter file when this returns.
    ///
    /// # Errors
    /// If a request has to be sent again. The error says how many messages were sent before.
    pub(crate) async fn deliver(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        let messages: Vec<_> = batch.messages().collect();
        let mut refused = Vec::new();
        let (mut sent, mut before_refused) = (0, 0);
        let mut result = Ok(());
        while let Some(rest) = messages.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.send_some(rest, &mut refused).await {
                Ok(count) => {
                    sent += count;
                    if refused.is_empty() {
                        before_refused = sent;
                    }
                }
                Err(error) => {
                    result = Err(DeliveryError { delivered: sent, ..error });
                    break;
                }
            }
        }
        // What was refused counts as sent only when it is on disk.
        self.dead_letters
            .append(&refused)
            .map_err(|error| DeliveryError { delivered: before_refused, ..error })?;
        result
    }

    /// Sends as many of `messages` as one request takes, and adds them to `refused` if they are refused for good. Returns how
    /// many are done; 0 if fewer have to be sent together.
    async fn send_some<'m>(
        &mut self,
        messages: &[Message<'m>],
        refused: &mut Vec<DeadLetter<'m>>,
    ) -> Result<usize, DeliveryError> {
        let part = messages.get(..messages.len().min(self.most)).unwrap_or(messages);
        let texts: Vec<_> = part.iter().map(|message| message.text).collect();
        let (body, count) = body::body(self.config.template, &self.name, &texts);
        let part = part.get(..count).unwrap_or(part);
        let Some(answer) = self.send(part, body).await? else {
            self.most = self.most.saturating_mul(2);
            return Ok(count);
        };
        match verdict(answer.status, self.config.client_errors) {
            Verdict::Split if count > 1 => {
                self.most = count / 2;
                Ok(0)
            }
            Verdict::Split | Verdict::Refused => {
                let why: Arc<str> = error_of(&answer).text.into();
                refused.extend(
                    part.iter().map(|message| DeadLetter { message: message.text, why: why.clone() }),
                );
                Ok(count)
            }
            Verdict::Retry => Err(error_of(&answer)),
        }
    }

    async fn send(
        &self,
        messages: &[Message<'_>],
        body: Vec<u8>,
    ) -> Result<Option<RefusedRequest>, DeliveryError> {
        let headers =
            self.headers_of(messages, &body).map_err(|error| DeliveryError::new(error.to_string()))?;
        let request = HttpPost { url: self.config.url.reveal(), headers: &headers, body: Bytes::from(body) };
        self.http.post(&request).await.map_err(|error| DeliveryError::new(self.explained(&error)))
    }

    /// The error with the receiver's host and port. The rest of a URL may be a secret.
    fn explained(&self, error: &HttpError) -> String {
        let url = self.config.url.reveal().parse::<Uri>();
        match url.as_ref().map(|url| (url.host(), url.port_u16())) {
            _ if matches!(error, HttpError::NotPublic(_)) => error.to_string(),
            Ok((Some(host), Some(port))) => format!("{host}:{port}: {error}"),
            Ok((Some(host), None)) => format!("{host}: {error}"),
            _ => error.to_string(),
        }
    }

    fn headers_of(
        &self,
        messages: &[Message<'_>],
        body: &[u8],
    ) -> Result<Vec<(HeaderName, HeaderValue)>, ErrorStack> {
        let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let mut numbers = messages.iter().filter_map(|message| message.seq);
        let delivery =
            numbers.next().map(|first| format!("{first}-{}", numbers.next_back().unwrap_or(first)));
        let signature = self.key.as_ref().map(|key| signature(key, body)).transpose()?;
        let own = [(OUTPUT, Some(self.name.clone())), (DELIVERY, delivery), (SIGNATURE, signature)];
        // All of them are ASCII.
        headers.extend(own.into_iter().filter_map(|(name, value)| Some((name, value?.parse().ok()?))));
        headers.extend(self.headers.iter().cloned());
        Ok(headers)
    }
}

/// What follows from an answer with `status`, which is not 2xx.
fn verdict(status: u16, client_errors: ClientErrors) -> Verdict {
    match (status, client_errors) {
        // The receiver asks for patience (RFC 9110 section 15.5.9, RFC 8470 section 5.2, RFC 6585 section 4).
        (408 | 425 | 429, _) | (_, ClientErrors::Retry) => Verdict::Retry,
        (400 | 413 | 422, _) => Verdict::Split,
        (400..500, ClientErrors::DeadLetter) => Verdict::Refused,
        _ => Verdict::Retry,
    }
}

fn error_of(refused: &RefusedRequest) -> DeliveryError {
    let hint = match (refused.status, &refused.location) {
        (300..400, Some(location)) => format!(", which redirects to {location:?}; configure the final URL"),
        _ if refused.detail.is_empty() => String::new(),
        _ => format!(": {:?}", refused.detail),
    };
    let text = format!("the receiver answered with status {}{hint}", refused.status);
    DeliveryError { retry_after: refused.retry_after, ..DeliveryError::new(text) }
}

fn signature(key: &PKey<Private>, body: &[u8]) -> Result<String, ErrorStack> {
    let mut signer = Signer::new(MessageDigest::sha256(), key)?;
    let signature = signer.sign_oneshot_to_vec(body)?;
    Ok(format!("sha256={}", hex_simd::encode_to_string(signature, hex_simd::AsciiCase::Lower)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn a_body_is_signed_as_the_rfc_says() {
        let key = PKey::hmac(b"Jefe").unwrap();
        assert_eq!(
            signature(&key, b"what do ya want for nothing?").unwrap(),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn what_is_wrong_with_the_content_is_told_from_what_may_pass() {
        use ClientErrors::{Content, DeadLetter, Retry};
        for (status, verdicts) in [
            (400, [Verdict::Split, Verdict::Retry, Verdict::Split]),
            (413, [Verdict::Split, Verdict::Retry, Verdict::Split]),
            (401, [Verdict::Retry, Verdict::Retry, Verdict::Refused]),
            (404, [Verdict::Retry, Verdict::Retry, Verdict::Refused]),
            (408, [Verdict::Retry; 3]),
            (429, [Verdict::Retry; 3]),
            (301, [Verdict::Retry; 3]),
            (503, [Verdict::Retry; 3]),
        ] {
            assert_eq!(
                [Content, Retry, DeadLetter].map(|errors| verdict(status, errors)),
                verdicts,
                "{status}"
            );
        }
    }
}
