//! Outputs as written: the keys of `[[outputs]]`.

use crate::config::values::{PlainSecret, Size, Span};
use crate::message::Stream;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The kinds of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputType {
    /// Files with one message a line.
    File,
    /// Requests to a URL.
    Webhook,
    /// Messages to a topic of Kafka.
    Kafka,
    /// Messages to a stream of NATS JetStream.
    Nats,
    /// Lines on the standard output.
    Stdout,
}

impl OutputType {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            OutputType::File => "file",
            OutputType::Webhook => "webhook",
            OutputType::Kafka => "kafka",
            OutputType::Nats => "nats",
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

/// What decides on the partition of a message to Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKey {
    /// The id of the log, or its URL if the id is not known: so the entries of a log are in one partition.
    Log,
    /// The hash of the signed content, so the precert and the certificate of an issuance are in one partition.
    TbsSha256,
    /// Nothing: messages have no key.
    None,
}

/// How messages to Kafka are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// LZ4.
    Lz4,
    /// Snappy.
    Snappy,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// Its name in the configuration of librdkafka.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Lz4 => "lz4",
            Compression::Snappy => "snappy",
            Compression::Zstd => "zstd",
        }
    }
}

/// How the output shows to Kafka who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum SaslMechanism {
    /// The password itself (RFC 4616).
    #[serde(rename = "PLAIN")]
    Plain,
    /// RFC 7677.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl SaslMechanism {
    /// Its name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            SaslMechanism::Plain => "PLAIN",
            SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
            SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
        }
    }
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
    /// Webhook and Kafka: further headers.
    pub headers: Option<BTreeMap<String, PlainSecret>>,
    /// Webhook: what requests look like.
    pub template: Option<Template>,
    /// Webhook: what happens to what is refused.
    pub client_errors: Option<ClientErrors>,
    /// Webhook: whether its URL may lead to the own network.
    pub allow_internal: Option<bool>,
    /// Webhook: timeout of a request.
    pub timeout: Option<Span>,
    /// Kafka: the brokers to ask first.
    pub brokers: Option<Vec<String>>,
    /// Kafka: the topic.
    pub topic: Option<String>,
    /// Kafka: what decides on the partition.
    pub key: Option<RecordKey>,
    /// Kafka: how the partition follows from the key.
    pub partitioner: Option<String>,
    /// Kafka: how messages are compressed.
    pub compression: Option<Compression>,
    /// Kafka: whether connections are encrypted.
    pub tls: Option<bool>,
    /// Kafka: how the output shows who it is.
    pub sasl: Option<SaslMechanism>,
    /// Kafka: further properties of librdkafka.
    pub properties: Option<BTreeMap<String, PlainSecret>>,
    /// NATS: the servers to ask first.
    pub servers: Option<Vec<String>>,
    /// NATS: the stream of JetStream.
    pub jetstream: Option<String>,
    /// NATS: the subject.
    pub subject: Option<String>,
    /// NATS: path of a credentials file.
    pub credentials: Option<String>,
    /// Kafka and NATS: the name of the user.
    pub username: Option<String>,
    /// Kafka and NATS: the user's password.
    pub password: Option<PlainSecret>,
    /// Kafka and NATS: a file with that password.
    pub password_file: Option<String>,
    /// Kafka and NATS: path of a PEM file with the certificates that the server's certificate is verified with.
    pub tls_ca: Option<String>,
    /// Kafka and NATS: path of a PEM file with the output's certificate.
    pub tls_certificate: Option<String>,
    /// Kafka and NATS: path of a PEM file with its private key.
    pub tls_key: Option<String>,
}

impl WrittenOutput {
    /// An output of `stream` to the standard output that begins anew with each start of the server.
    pub(in crate::config) fn stdout(stream: Stream) -> Self {
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
            brokers: None,
            topic: None,
            key: None,
            partitioner: None,
            compression: None,
            tls: None,
            sasl: None,
            properties: None,
            servers: None,
            jetstream: None,
            subject: None,
            credentials: None,
            username: None,
            password: None,
            password_file: None,
            tls_ca: None,
            tls_certificate: None,
            tls_key: None,
        }
    }
}

fn lite() -> Stream {
    Stream::Lite
}
