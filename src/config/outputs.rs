//! Outputs: where the server itself delivers messages.

mod written;

pub(super) use written::WrittenOutput;
pub use written::{Begin, ClientErrors, Compression, OutputType, RecordKey, SaslMechanism, Template};

use super::nats::NatsConfig;
use super::values::PlainSecret;
use crate::choice::Choice;
use crate::message::Stream;
use std::path::PathBuf;
use std::time::Duration;

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
    /// Messages to a topic of Kafka.
    Kafka(KafkaConfig),
    /// Messages to a stream of NATS JetStream.
    Nats(NatsOutputConfig),
    /// Lines on the standard output.
    Stdout,
}

impl TargetConfig {
    /// The kind of the output.
    pub fn kind(&self) -> OutputType {
        match self {
            TargetConfig::File(_) => OutputType::File,
            TargetConfig::Webhook(_) => OutputType::Webhook,
            TargetConfig::Kafka(_) => OutputType::Kafka,
            TargetConfig::Nats(_) => OutputType::Nats,
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

/// An output to a topic of Kafka.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// The brokers to ask first, at least one: `HOST:PORT`.
    pub brokers: Vec<String>,
    /// The topic.
    pub topic: String,
    /// What decides on the partition.
    pub key: RecordKey,
    /// How the partition follows from the key, as librdkafka calls it.
    pub partitioner: String,
    /// How messages are compressed.
    pub compression: Compression,
    /// Headers of each message.
    pub headers: Vec<(String, PlainSecret)>,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// The certificates that the brokers' certificates are verified with. `None`: the system's.
    pub tls_ca: Option<PathBuf>,
    /// The output's certificate, and its private key.
    pub tls_identity: Option<(PathBuf, PathBuf)>,
    /// How the output shows who it is: the mechanism, the name of the user, and the password.
    pub sasl: Option<(SaslMechanism, String, PlainSecret)>,
    /// Further properties of librdkafka.
    pub properties: Vec<(String, PlainSecret)>,
    /// The file for what is too large.
    pub dead_letters: PathBuf,
}

/// An output to a stream of NATS JetStream.
#[derive(Debug, Clone)]
pub struct NatsOutputConfig {
    /// Where the servers are, and how the output shows who it is.
    pub server: NatsConfig,
    /// The stream of JetStream.
    pub jetstream: String,
    /// The subject, with placeholders.
    pub subject: String,
    /// The file for what is too large.
    pub dead_letters: PathBuf,
}
