//! The numbers of messages that the engine has lost. They must not be given again: clients that have received the lost
//! messages would not receive the new ones.
//!
//! An engine that acknowledges messages before they are on its disk can lose the newest ones to a power failure. Then its next
//! message gets the number of one that was lost. So the stream is filled with empty messages up to the newest number that is
//! known, and all messages with old numbers are removed. To readers, the lost messages are missing, and their entries follow once
//! more.

use super::engine::Engine;
use super::error::ClusterError;
use super::stream;
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use bytes::Bytes;
use futures_util::future::try_join_all;

/// Number of empty messages that are published at once.
const AT_ONCE: u64 = 256;
/// Maximum number of messages that are skipped. The engine writes to its disk at least every two minutes.
const MAX_LOST: u64 = 1_000_000;

/// Removes the message `given`, whose number was given before, and makes the stream go on above the message `newest`. A
/// stream that does not exist is left alone.
///
/// # Errors
/// If the engine does not answer, or the stream ends so far before `newest` that another one must have taken its place.
pub(super) async fn skip(engine: &Engine, given: u64, newest: u64) -> Result<(), ClusterError> {
    let Some(stream) = stream::find(engine).await? else { return Ok(()) };
    let mut last = stream.cached_info().state.last_sequence;
    if newest.saturating_sub(last) > MAX_LOST {
        return Err(ClusterError::Stream(format!(
            "the stream {} ends at {last}, and {newest} was given already; delete the stream, and another one is made",
            engine.names.stream()
        )));
    }
    remove(&stream, given).await?;
    while last < newest {
        let messages = (last..newest.min(last + AT_ONCE)).map(|_| append_empty(engine));
        last = try_join_all(messages).await?.into_iter().max().unwrap_or(last);
    }
    stream.purge().filter(engine.names.empty()).await.map_err(ClusterError::engine)?;
    Ok(())
}

/// Removes a message, unless it is gone already.
async fn remove(stream: &Stream, sequence: u64) -> Result<(), ClusterError> {
    let Err(error) = stream.delete_message(sequence).await else { return Ok(()) };
    match stream.get_raw_message(sequence).await {
        Err(found) if found.kind() == RawMessageErrorKind::NoMessageFound => Ok(()),
        _ => Err(ClusterError::engine(error)),
    }
}

async fn append_empty(engine: &Engine) -> Result<u64, ClusterError> {
    let sent = engine.context.publish(engine.names.empty(), Bytes::new()).await;
    let acknowledged = sent.map_err(ClusterError::engine)?.await.map_err(ClusterError::engine)?;
    Ok(acknowledged.sequence)
}
