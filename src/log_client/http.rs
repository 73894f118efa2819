//! Requests to one log, within the limits of its operator and of all logs' memory.

use super::limits::{AnswersToLog, OperatorLimits};
use super::memory::Part;
use super::pace::LONGEST_PAUSE;
use super::traffic::{Outcome, Traffic};
use super::{AnswerMemory, FetchError, FetchSettings};
use crate::http_client::client::MAX_DETAIL_CHARS;
use crate::http_client::{BodyBudget, HttpClient, HttpRequest, HttpResponse, RefusedRequest, Validators};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// A log's bodies are read in parallel up to this many bytes each. Only one larger body is read at a time.
pub(crate) const MAX_BESIDE_BYTES: usize = 4 * 1024 * 1024;

/// Number of bytes at the beginning of an HTML page in which its title is looked for.
const MAX_HTML_BYTES: usize = 4 * 1024;

/// Sends requests to one log and keeps its connections alive.
pub(super) struct Http {
    client: HttpClient,
    limits: Arc<OperatorLimits>,
    traffic: Arc<Traffic>,
    memory: Arc<AnswerMemory>,
    /// Permit for reading a body of more than [`MAX_BESIDE_BYTES`].
    large: Semaphore,
    answers: AnswersToLog,
}

impl Http {
    pub(super) fn new(settings: &FetchSettings) -> Self {
        let client = HttpClient::new(&settings.http);
        let (limits, traffic, memory) =
            (settings.limits.clone(), settings.traffic.clone(), settings.memory.clone());
        Http { client, limits, traffic, memory, large: Semaphore::new(1), answers: AnswersToLog::default() }
    }

    /// Timeout for a complete response.
    pub(super) fn timeout(&self) -> Duration {
        self.client.timeout()
    }

    /// A counter for the bytes of a response that waits for other responses.
    pub(super) fn counted(&self) -> Part {
        self.memory.part()
    }

    /// Fetches the body at `url`, at most `limit` bytes.
    pub(super) async fn body(&self, url: &str, limit: usize) -> Result<Bytes, FetchError> {
        self.unconditional(url, limit, false).await
    }

    /// Fetches the body at `url`, which may be compressed with gzip. It has at most `limit` bytes when decompressed.
    pub(super) async fn compressed_body(&self, url: &str, limit: usize) -> Result<Bytes, FetchError> {
        self.unconditional(url, limit, true).await
    }

    /// Fetches the body at `url` and its validators. `None` if the local copy with `validators` is still current.
    pub(super) async fn changed_body(
        &self,
        url: &str,
        limit: usize,
        validators: &Validators,
    ) -> Result<Option<(Bytes, Validators)>, FetchError> {
        let body = self.get(HttpRequest { url, limit, gzip: false, validators }).await?;
        Ok(body.map(|(bytes, validators)| (bytes, validators.exact())))
    }

    async fn unconditional(&self, url: &str, limit: usize, gzip: bool) -> Result<Bytes, FetchError> {
        let body = self.get(HttpRequest { url, limit, gzip, validators: &Validators::default() }).await?;
        body.map(|(bytes, _)| bytes).ok_or(FetchError::status(304))
    }

    /// The body and its validators. `None` if the local copy is still current. If the operator asks for fewer requests,
    /// this one is sent once more at the lower rate.
    async fn get(&self, request: HttpRequest<'_>) -> Result<Option<(Bytes, Validators)>, FetchError> {
        match self.get_once(request).await {
            Err(error) if error.is_overload() && error.retry_after().unwrap_or_default() <= LONGEST_PAUSE => {
                self.get_once(request).await
            }
            result => result,
        }
    }

    async fn get_once(&self, request: HttpRequest<'_>) -> Result<Option<(Bytes, Validators)>, FetchError> {
        let turn = self.limits.turn().await;
        let mut budget =
            LogBudget { memory: &self.memory, counted: self.memory.part(), large: &self.large, permit: None };
        let error = match self.client.get(request, &mut budget).await {
            Ok(HttpResponse::Body(bytes, validators)) => match html_title(&bytes) {
                None => {
                    turn.accepted(&self.answers);
                    self.traffic.body(bytes.len());
                    return Ok(Some((bytes, validators)));
                }
                Some(title) => FetchError::Html { title },
            },
            Ok(HttpResponse::NotModified) => {
                turn.accepted(&self.answers);
                self.traffic.count(Outcome::NotModified);
                return Ok(None);
            }
            Ok(HttpResponse::Refused(RefusedRequest { status, retry_after, detail, .. })) => {
                FetchError::Status { status, retry_after, detail }
            }
            Err(error) => error.into(),
        };
        if error.is_overload() {
            turn.refused(&self.answers, error.retry_after());
        }
        self.traffic.failed(&error);
        Err(error)
    }
}

/// The title of an HTML page, such as a proxy or a maintenance service sends with status 200; empty if it has none.
/// `None` if `body` is something else.
fn html_title(body: &[u8]) -> Option<String> {
    let begin = body.get(..body.len().min(MAX_HTML_BYTES)).unwrap_or_default().trim_ascii_start();
    if !begin.starts_with(b"<") {
        return None;
    }
    let text = String::from_utf8_lossy(begin).to_ascii_lowercase();
    if !text.starts_with("<!doctype html") && !text.starts_with("<html") {
        return None;
    }
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    Some(title.map_or(String::new(), |(title, _)| title.trim().chars().take(MAX_DETAIL_CHARS).collect()))
}

/// The memory of one response.
struct LogBudget<'a> {
    memory: &'a AnswerMemory,
    counted: Part,
    large: &'a Semaphore,
    /// Held while the body has more than [`MAX_BESIDE_BYTES`].
    permit: Option<SemaphorePermit<'a>>,
}

impl BodyBudget for LogBudget<'_> {
    async fn grow(&mut self, bytes: usize) -> bool {
        // Counted before waiting, because a decompressed chunk may have megabytes.
        self.counted.set(bytes);
        if !self.memory.may_grow() {
            return false;
        }
        if bytes > MAX_BESIDE_BYTES && self.permit.is_none() {
            // The semaphore is never closed.
            self.permit = self.large.acquire().await.ok();
        }
        true
    }
}

#[cfg(test)]
mod hostile;
