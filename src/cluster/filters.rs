//! Filters that clients put at one edge, for all edges: in the bucket.

use super::engine::Engine;
use super::error::ClusterError;
use crate::named_filters::SharedFilters;
use async_nats::jetstream::kv;
use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The beginning of the keys.
const PREFIX: &str = "filter.";
/// A filter is written again when it is used and was written longer ago.
const REFRESHED_AFTER: Duration = Duration::from_secs(24 * 3600);
/// A filter that was not written for so long has not been used for 30 days.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(31 * 24 * 3600);
/// Interval at which filters are forgotten.
const INTERVAL: Duration = Duration::from_secs(6 * 3600);
/// Time for the engine's answer while a client waits.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The filters of clients of all edges.
#[derive(Debug)]
pub(super) struct BucketFilters {
    pub(super) engine: Arc<Engine>,
}

impl BucketFilters {
    async fn find(&self, name: &str) -> Result<Option<Bytes>, ClusterError> {
        let (bucket, key) = (self.engine.bucket().await?, format!("{PREFIX}{name}"));
        let Some(entry) = bucket.entry(&key).await.map_err(ClusterError::engine)? else { return Ok(None) };
        if entry.operation != kv::Operation::Put {
            return Ok(None);
        }
        if is_older(&entry, REFRESHED_AFTER) {
            bucket.put(&key, entry.value.clone()).await.map_err(ClusterError::engine)?;
        }
        Ok(Some(entry.value))
    }

    async fn keep(&self, name: &str, text: Bytes) -> Result<(), ClusterError> {
        let bucket = self.engine.bucket().await?;
        bucket.put(format!("{PREFIX}{name}"), text).await.map(drop).map_err(ClusterError::engine)
    }

    /// Forgets filters that were not used for long, from time to time.
    pub(super) async fn keep_forgetting(self: Arc<Self>) {
        loop {
            sleep(INTERVAL.mul_f64(0.5 + rand::random::<f64>())).await;
            if let Err(error) = self.forget().await {
                log::debug!("cluster: old filters cannot be removed: {error}");
            }
        }
    }

    async fn forget(&self) -> Result<(), ClusterError> {
        let bucket = self.engine.bucket().await?;
        let keys = bucket.keys().await.map_err(ClusterError::engine)?;
        let keys: Vec<String> = keys.try_collect().await.map_err(ClusterError::engine)?;
        for key in keys.iter().filter(|key| key.starts_with(PREFIX)) {
            if let Some(entry) = bucket.entry(key).await.map_err(ClusterError::engine)?
                && is_older(&entry, FORGOTTEN_AFTER)
            {
                // Another edge may have written it meanwhile.
                let _ = bucket.purge_expect_revision(key, Some(entry.revision)).await;
            }
        }
        Ok(())
    }
}

fn is_older(entry: &kv::Entry, age: Duration) -> bool {
    let written = chrono::Utc::now().signed_duration_since(entry.created);
    written.to_std().is_ok_and(|written| written >= age)
}

/// The result within the time that a client waits.
async fn in_time<T>(result: impl Future<Output = Result<T, ClusterError>>) -> io::Result<T> {
    match timeout(TIMEOUT, result).await {
        Ok(result) => result.map_err(io::Error::other),
        Err(_) => Err(io::Error::other("the engine of the cluster does not answer")),
    }
}

impl SharedFilters for BucketFilters {
    fn put(&self, name: &str, text: Vec<u8>) -> BoxFuture<'_, io::Result<()>> {
        let name = name.to_string();
        Box::pin(async move { in_time(self.keep(&name, text.into())).await })
    }

    fn get(&self, name: &str) -> BoxFuture<'_, io::Result<Option<Bytes>>> {
        let name = name.to_string();
        Box::pin(async move { in_time(self.find(&name)).await })
    }
}
