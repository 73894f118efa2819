//! A block as a message of the stream: compressed, with headers that say what it is.

use crate::journal::block::{self, BlockError};
use async_nats::HeaderMap;
use bytes::Bytes;
use std::cell::RefCell;
use zstd::bulk::Compressor;

/// The level of zstd. Level 1 saves 10% more, and takes three times as long.
const LEVEL: i32 = -7;
/// Largest block, in bytes. A batch has at most some 20 MB of certificates.
const MAX_BLOCK: u64 = 64 << 20;

/// Header: the index of the first entry in the log.
pub(super) const FIRST: &str = "Ct-First";
/// Header: the next index of the log behind the block.
pub(super) const NEXT: &str = "Ct-Next";
/// Header: the number of entries.
pub(super) const COUNT: &str = "Ct-Count";
/// Header: the sequence of the log's message before this one; 0 if there was none.
pub(super) const PREVIOUS: &str = "Ct-Previous";
/// Header: the server that has appended it.
pub(super) const NODE: &str = "Ct-Node";

/// Why a message is no block.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    /// It cannot be decompressed.
    #[error("it cannot be decompressed: {0}")]
    Compression(String),
    /// It is larger than blocks are.
    #[error("it is too large")]
    TooLarge,
    /// The block cannot be decoded.
    #[error(transparent)]
    Block(#[from] BlockError),
}

thread_local! {
    /// Making one for each block would cost as much as compressing a small block.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// Compresses a block.
///
/// # Errors
/// If zstd fails, which means that there is no memory.
pub(super) fn compress(block: &[u8]) -> std::io::Result<Bytes> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(Compressor::new(LEVEL)?),
        };
        compressor.compress(block).map(Bytes::from)
    })
}

/// The block in the payload of a message.
///
/// # Errors
/// See [`MessageError`].
pub(super) fn decompress(payload: &[u8]) -> Result<Bytes, MessageError> {
    let size = zstd::zstd_safe::get_frame_content_size(payload)
        .map_err(|error| MessageError::Compression(error.to_string()))?
        .ok_or_else(|| MessageError::Compression("its size is not known".into()))?;
    if size > MAX_BLOCK {
        return Err(MessageError::TooLarge);
    }
    let block = zstd::bulk::decompress(payload, size as usize);
    block.map(Bytes::from).map_err(|error| MessageError::Compression(error.to_string()))
}

/// The position in the payload of a message, as it was encoded.
///
/// # Errors
/// See [`MessageError`].
pub(super) fn position(payload: &[u8]) -> Result<Bytes, MessageError> {
    Ok(block::position(&decompress(payload)?)?.1)
}

/// A header that is a number. `None` if it is missing or something else.
pub(super) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bomb_is_refused_before_it_is_decompressed() {
        let bomb = zstd::bulk::compress(&vec![0; MAX_BLOCK as usize + 1], LEVEL).unwrap();
        assert!(bomb.len() < 10_000);
        assert!(matches!(decompress(&bomb), Err(MessageError::TooLarge)));
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(block in proptest::collection::vec(any::<u8>(), 0..5000)) {
            prop_assert_eq!(decompress(&compress(&block).unwrap()).unwrap(), block);
        }

        #[test]
        fn anything_else_is_refused(payload in proptest::collection::vec(any::<u8>(), 0..500)) {
            prop_assert!(decompress(&payload).is_err());
            prop_assert!(position(&payload).is_err());
        }
    }
}
