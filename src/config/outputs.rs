//! Outputs: where the server itself delivers messages.

use super::values::{PlainSecret, Size, Span};
use crate::choice::Choice;
use crate::message::Stream;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The kinds of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputType {
    /// Files with one message a line.
    File,
    /// Requests to a URL.
    Webhook,
    /// Lines on the standard output.
    Stdout,
}

impl OutputType {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            OutputType::File => "file",
            OutputType::Webhook => "webhook",
            OutputType::Stdout => "stdout",
        }
    }
}

/// Where a new output begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Begin {
    /// With what is logged from then on.
    #[default]
    Now,
    /// With the oldest entry of the journal.
    Oldest,
}

/// What the requests of a webhook look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Template {
    /// The messages themselves.
    #[default]
    Json,
    /// A text for Slack, Mattermost or Rocket.Chat.
    Slack,
    /// A text for Discord.
    Discord,
    /// A card for Microsoft Teams.
    Teams,
}

/// What happens to messages that a webhook refuses (status 4xx).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientErrors {
    /// What is refused for its content (400, 413, 422) goes to the dead-letter file; all else is tried again.
    #[default]
    Content,
    /// It is tried again until it is accepted.
    Retry,
    /// It goes to the dead-letter file.
    DeadLetter,
}

/// One of `[[outputs]]`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenOutput {
    /// Its name.
    pub name: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: OutputType,
    /// The stream that it delivers.
    #[serde(default = "lite")]
    pub stream: Stream,
    /// A query string that says which messages.
    #[serde(default)]
    pub filter: String,
    /// Where it begins when it is new.
    #[serde(default)]
    pub begin: Begin,
    /// Whether it begins anew with each start of the server. It is no key.
    #[serde(skip)]
    pub is_transient: bool,
    /// Maximum number of messages that are delivered together.
    pub batch_messages: Option<usize>,
    /// How long messages are collected before they are delivered together.
    pub batch_wait: Option<Span>,
    /// File: the folder.
    pub dir: Option<String>,
    /// File: whether files are compressed with zstd.
    pub compress: Option<bool>,
    /// File: size from which on a new file begins, in bytes.
    pub rotate_bytes: Option<Size>,
    /// File: age from which on a new file begins.
    pub rotate_after: Option<Span>,
    /// File: how long whole files are kept.
    pub keep_for: Option<Span>,
    /// File: maximum size of the whole files, in bytes.
    pub keep_bytes: Option<Size>,
    /// Webhook: the URL.
    pub url: Option<PlainSecret>,
    /// Webhook: a file with the URL.
    pub url_file: Option<String>,
    /// Webhook: the key that requests are signed with.
    pub secret: Option<PlainSecret>,
    /// Webhook: a file with that key.
    pub secret_file: Option<String>,
    /// Webhook: further headers.
    pub headers: Option<BTreeMap<String, PlainSecret>>,
    /// Webhook: what requests look like.
    pub template: Option<Template>,
    /// Webhook: what happens to what is refused.
    pub client_errors: Option<ClientErrors>,
    /// Webhook: whether its URL may lead to the own network.
    pub allow_internal: Option<bool>,
    /// Webhook: timeout of a request.
    pub timeout: Option<Span>,
}

impl WrittenOutput {
    /// An output of `stream` to the standard output that begins anew with each start of the server.
    pub(super) fn stdout(stream: Stream) -> Self {
        WrittenOutput {
            name: "stdout".into(),
            kind: OutputType::Stdout,
            stream,
            filter: String::new(),
            begin: Begin::Now,
            is_transient: true,
            batch_messages: None,
            batch_wait: None,
            dir: None,
            compress: None,
            rotate_bytes: None,
            rotate_after: None,
            keep_for: None,
            keep_bytes: None,
            url: None,
            url_file: None,
            secret: None,
            secret_file: None,
            headers: None,
            template: None,
            client_errors: None,
            allow_internal: None,
            timeout: None,
        }
    }
}

fn lite() -> Stream {
    Stream::Lite
}

/// An output.
#[derive(Debug, Clone)]
pub struct OutputConfig {
    /// Its name, which is unique.
    pub name: String,
    /// The stream that it delivers.
    pub stream: Stream,
    /// Which messages of the stream.
    pub(crate) choice: Choice,
    /// The same as written.
    pub filter: String,
    /// Where it begins when it is new.
    pub begin: Begin,
    /// Whether it begins anew with each start of the server.
    pub is_transient: bool,
    /// What is delivered together.
    pub batch: BatchLimits,
    /// Where it delivers to.
    pub target: TargetConfig,
}

/// What an output delivers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Maximum number of messages, at least 1.
    pub messages: usize,
    /// Maximum size in bytes, unless a single message is larger.
    pub bytes: usize,
    /// How long messages are collected.
    pub wait: Duration,
}

/// Where an output delivers to.
#[derive(Debug, Clone)]
pub enum TargetConfig {
    /// Files with one message a line.
    File(FileConfig),
    /// Requests to a URL.
    Webhook(WebhookConfig),
    /// Lines on the standard output.
    Stdout,
}

impl TargetConfig {
    /// The kind of the output.
    pub fn kind(&self) -> OutputType {
        match self {
            TargetConfig::File(_) => OutputType::File,
            TargetConfig::Webhook(_) => OutputType::Webhook,
            TargetConfig::Stdout => OutputType::Stdout,
        }
    }
}

/// An output to files.
#[derive(Debug, Clone)]
pub struct FileConfig {
    /// The folder.
    pub dir: PathBuf,
    /// Whether they are compressed with zstd.
    pub compress: bool,
    /// Size from which on a new file begins, in bytes.
    pub rotate_bytes: u64,
    /// Age from which on a new file begins.
    pub rotate_after: Duration,
    /// How long whole files are kept. `None`: for ever.
    pub keep_for: Option<Duration>,
    /// Maximum size of the whole files, in bytes. `None`: no limit.
    pub keep_bytes: Option<u64>,
}

/// An output to a URL.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// The URL, which may contain a secret.
    pub url: PlainSecret,
    /// The key that requests are signed with.
    pub secret: Option<PlainSecret>,
    /// Further headers.
    pub headers: Vec<(String, PlainSecret)>,
    /// What requests look like.
    pub template: Template,
    /// What happens to what is refused.
    pub client_errors: ClientErrors,
    /// Whether it may lead to the own network.
    pub allow_internal: bool,
    /// Timeout of a request.
    pub timeout: Duration,
    /// The file for what is refused.
    pub dead_letters: PathBuf,
}
