//! The stream of blocks and the bucket beside it: made by the first server that starts, and checked by all.

use super::engine::Engine;
use super::error::ClusterError;
use super::names::first_sequence;
use super::positions::newest_known_sequence;
use crate::clock;
use crate::config::ClusterConfig;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::kv;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use std::fmt::Display;

/// Messages that the engine should accept, in bytes: a batch of large certificates.
const WANTED_PAYLOAD: usize = 8 << 20;

/// Opens the stream and the bucket of the cluster. Those that do not exist are made.
///
/// # Errors
/// If they have other settings than `config`, or cannot be made.
pub(super) async fn open(engine: &Engine, config: &ClusterConfig) -> Result<Stream, ClusterError> {
    let payload = engine.client.max_payload();
    if payload < WANTED_PAYLOAD {
        log::warn!(
            "cluster: the engine accepts messages of {payload} bytes; a larger block of certificates would hold up its log; \
             set max_payload to 8MB in the engine's configuration"
        );
    }
    open_bucket(engine, config).await?;
    match find(engine).await? {
        Some(stream) => check(&stream.cached_info().config, engine, config).map(|()| stream),
        None => make(engine, config).await,
    }
}

/// The stream with its state. `None` if it does not exist.
///
/// # Errors
/// If the engine does not answer.
pub(super) async fn find(engine: &Engine) -> Result<Option<Stream>, ClusterError> {
    match engine.context.get_stream(engine.names.stream()).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                Ok(None)
            }
            _ => Err(ClusterError::Stream(with_hint(&error))),
        },
    }
}

async fn make(engine: &Engine, config: &ClusterConfig) -> Result<Stream, ClusterError> {
    let known = newest_known_sequence(engine).await?;
    let first = first_sequence(clock::unix_us(), known);
    let wanted = Config { first_sequence: Some(first), ..wanted(engine, config) };
    match engine.context.create_stream(wanted).await {
        Ok(stream) => {
            log::info!("cluster: made the stream {}", engine.names.stream());
            Ok(stream)
        }
        // Another server may have made it meanwhile.
        Err(error) => match engine.context.get_stream(engine.names.stream()).await {
            Ok(stream) => check(&stream.cached_info().config, engine, config).map(|()| stream),
            Err(_) => Err(ClusterError::Stream(format!(
                "the stream {} cannot be made: {error}; the engine needs at least cluster.replicas servers with JetStream, \
                 and room for cluster.max_bytes",
                engine.names.stream()
            ))),
        },
    }
}

/// The settings of the stream.
fn wanted(engine: &Engine, config: &ClusterConfig) -> Config {
    Config {
        name: engine.names.stream().into(),
        subjects: vec![engine.names.subjects()],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::Old,
        num_replicas: config.replicas,
        max_age: config.max_age,
        max_bytes: i64::try_from(config.max_bytes).unwrap_or(i64::MAX),
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        allow_direct: true,
        description: Some("Verified entries of Certificate Transparency logs".into()),
        ..Config::default()
    }
}

/// Compares a stream that exists with the configuration.
fn check(found: &Config, engine: &Engine, config: &ClusterConfig) -> Result<(), ClusterError> {
    let wanted = wanted(engine, config);
    let mut problems = Vec::new();
    let mut compare = |what: &str, found: &dyn Display, wanted: &dyn Display| {
        if found.to_string() != wanted.to_string() {
            problems.push(format!("{what} {found}, expected {wanted}"));
        }
    };
    let seconds = |age: std::time::Duration| format!("{} s", age.as_secs());
    compare("subjects", &found.subjects.join(" "), &wanted.subjects.join(" "));
    compare("replicas (cluster.replicas)", &found.num_replicas, &wanted.num_replicas);
    compare("maximum age (cluster.max_age)", &seconds(found.max_age), &seconds(wanted.max_age));
    compare("maximum size (cluster.max_bytes)", &found.max_bytes, &wanted.max_bytes);
    compare("number of messages", &found.max_messages, &-1);
    compare("number of messages per subject", &found.max_messages_per_subject, &-1);
    compare("allow_direct", &found.allow_direct, &true);
    if found.storage != wanted.storage {
        problems.push("another storage than file".into());
    }
    if found.retention != wanted.retention {
        problems.push("another retention than limits".into());
    }
    if found.discard != wanted.discard {
        problems.push("another discard policy than old".into());
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(ClusterError::Settings(format!(
        "the stream {} of the engine has other settings than this server: {}; change the configuration, or the stream with \
         `nats stream edit`",
        engine.names.stream(),
        problems.join("; ")
    )))
}

async fn open_bucket(engine: &Engine, config: &ClusterConfig) -> Result<(), ClusterError> {
    let name = engine.names.bucket();
    if engine.context.get_key_value(name).await.is_ok() {
        return Ok(());
    }
    let wanted = kv::Config {
        bucket: name.into(),
        description: "Positions, leases and filters of certstream servers".into(),
        history: 1,
        storage: StorageType::File,
        num_replicas: config.replicas,
        ..kv::Config::default()
    };
    match engine.context.create_key_value(wanted).await {
        Ok(_) => Ok(()),
        // Another server may have made it meanwhile.
        Err(error) => match engine.context.get_key_value(name).await {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(ClusterError::Stream(format!("the bucket {name} cannot be made: {}", with_hint(&error))))
            }
        },
    }
}

fn with_hint(error: &dyn Display) -> String {
    format!(
        "{error}; is the engine nats-server 2.11 or later with JetStream, does it have a majority, and may this user use it?"
    )
}
