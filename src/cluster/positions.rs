//! The positions of the logs in the bucket. They do not age, so a log whose blocks have all left the stream is not forgotten.

use super::engine::Engine;
use super::error::ClusterError;
use super::names::position_key;
use crate::ct::source::LogIdentifier;
use async_nats::jetstream::kv;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Interval at which positions that have moved are written.
const INTERVAL: Duration = Duration::from_secs(60);
/// Attempts to write one position. Another server may have written it meanwhile.
const ATTEMPTS: u32 = 3;
/// The beginning of the keys.
const PREFIX: &str = "position.";

/// A position, as it is in the bucket.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct KeptPosition {
    /// The log.
    pub(super) log: String,
    /// The sequence of the newest message that it is not older than.
    pub(super) after: u64,
    /// The position, as in a block.
    pub(super) position: Value,
}

/// A position that has moved.
#[derive(Debug, Clone)]
struct Moved {
    after: u64,
    position: Bytes,
}

/// The positions that have moved and were not written yet.
#[derive(Debug, Default)]
pub(super) struct Positions {
    moved: Mutex<HashMap<LogIdentifier, Moved>>,
}

impl Positions {
    /// Records that the position of `log` is `position` behind the message `after`.
    pub(super) fn note(&self, log: &LogIdentifier, after: u64, position: Bytes) {
        self.moved.lock().insert(log.clone(), Moved { after, position });
    }

    /// Writes what has moved, from time to time.
    pub(super) async fn keep_writing(self: Arc<Self>, engine: Arc<Engine>) {
        let mut is_failing = false;
        loop {
            sleep(INTERVAL).await;
            let result = self.write(&engine).await;
            match &result {
                Err(error) if !is_failing => log::warn!(
                    "cluster: positions cannot be written: {error}; the stream has those of the newest blocks"
                ),
                Ok(()) if is_failing => log::info!("cluster: positions can be written again"),
                _ => {}
            }
            is_failing = result.is_err();
        }
    }

    /// Writes what has moved. What could not be written stays recorded.
    pub(super) async fn write(&self, engine: &Engine) -> Result<(), ClusterError> {
        let moved = std::mem::take(&mut *self.moved.lock());
        if moved.is_empty() {
            return Ok(());
        }
        let mut moved = moved.into_iter();
        let result = async {
            let bucket = engine.bucket().await?;
            for (log, newest) in moved.by_ref() {
                if let Err(error) = write_one(bucket, &log, &newest).await {
                    self.keep_if_newest(log, newest);
                    return Err(error);
                }
            }
            Ok(())
        }
        .await;
        moved.for_each(|(log, newest)| self.keep_if_newest(log, newest));
        result
    }

    /// Records it again, unless the position has moved meanwhile.
    fn keep_if_newest(&self, log: LogIdentifier, moved: Moved) {
        self.moved.lock().entry(log).or_insert(moved);
    }
}

async fn write_one(bucket: &kv::Store, log: &LogIdentifier, moved: &Moved) -> Result<(), ClusterError> {
    let key = position_key(log);
    let position = serde_json::from_slice(&moved.position).map_err(ClusterError::engine)?;
    let value = KeptPosition { log: log.to_string(), after: moved.after, position };
    let value = Bytes::from(serde_json::to_vec(&value).map_err(ClusterError::engine)?);
    let mut last = Ok(());
    for _ in 0..ATTEMPTS {
        let entry = bucket.entry(key.clone()).await.map_err(ClusterError::engine)?;
        let known = entry.as_ref().and_then(|entry| parse(&entry.value));
        // Another server fetches the log since.
        if known.is_some_and(|known| known.after > moved.after) {
            return Ok(());
        }
        let revision = entry.map_or(0, |entry| entry.revision);
        match bucket.update(&key, value.clone(), revision).await {
            Ok(_) => return Ok(()),
            Err(error) => last = Err(ClusterError::engine(error)),
        }
    }
    last
}

fn parse(value: &[u8]) -> Option<KeptPosition> {
    serde_json::from_slice(value).ok()
}

/// The position of `log` in the bucket.
///
/// # Errors
/// If the engine does not answer, or another version of this program has written it.
pub(super) async fn read(engine: &Engine, log: &LogIdentifier) -> Result<Option<KeptPosition>, ClusterError> {
    let bucket = engine.bucket().await?;
    let subject = format!("$KV.{}.{}", engine.names.bucket(), position_key(log));
    // From the leader: a replica may not have the newest one yet.
    let value = match bucket.stream.get_last_raw_message_by_subject(&subject).await {
        Ok(message) => message.payload,
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(None),
        Err(error) => return Err(ClusterError::engine(error)),
    };
    let kept = parse(&value);
    kept.map(Some).ok_or_else(|| ClusterError::Engine(format!("the kept position of {log} is invalid")))
}

/// All positions in the bucket.
///
/// # Errors
/// If the engine does not answer.
pub(super) async fn read_all(engine: &Engine) -> Result<Vec<KeptPosition>, ClusterError> {
    let bucket = engine.bucket().await?;
    let keys = bucket.keys().await.map_err(ClusterError::engine)?;
    let keys: Vec<String> = keys.try_collect().await.map_err(ClusterError::engine)?;
    let positions = keys.into_iter().filter(|key| key.starts_with(PREFIX));
    let values = futures_util::stream::iter(positions).then(|key| bucket.get(key));
    let values: Vec<Option<Bytes>> = values.try_collect().await.map_err(ClusterError::engine)?;
    Ok(values.into_iter().flatten().filter_map(|value| parse(&value)).collect())
}

/// The newest sequence that positions know of the stream; 0 if there is none.
///
/// # Errors
/// If the engine does not answer.
pub(super) async fn newest_known_sequence(engine: &Engine) -> Result<u64, ClusterError> {
    let positions = read_all(engine).await?;
    Ok(positions.iter().map(|kept| kept.after).max().unwrap_or_default())
}
