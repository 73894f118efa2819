//! Bodies of requests, which are limited each and all together.

use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Largest body, in bytes.
pub(crate) const MAX_BODY: usize = 4 << 20;
/// Memory of all bodies that are being received or used, in bytes.
pub(crate) const MAX_BODIES: usize = 32 << 20;

/// The memory of all bodies, in bytes.
#[derive(Debug, Default)]
pub(super) struct Bodies(Arc<AtomicUsize>);

/// Why a body was not received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is larger than any may be.
    TooLarge,
    /// It has not come completely, or not in time.
    Incomplete,
    /// All bodies together take as much memory as they may.
    Busy,
}

/// A body in memory.
#[derive(Debug)]
pub(super) struct Body {
    bytes: BytesMut,
    claim: Claim,
}

/// A part of the memory of all bodies.
#[derive(Debug)]
struct Claim {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl Bodies {
    /// Receives a body.
    pub(super) async fn receive(&self, mut payload: Payload) -> Result<Body, BodyError> {
        let claim = Claim { all: self.0.clone(), bytes: 0 };
        let mut body = Body { bytes: BytesMut::new(), claim };
        while let Some(part) = payload.next().await {
            let part = part.map_err(|_| BodyError::Incomplete)?;
            body.add(&part)?;
        }
        Ok(body)
    }
}

impl Body {
    fn add(&mut self, part: &[u8]) -> Result<(), BodyError> {
        if self.bytes.len() + part.len() > MAX_BODY {
            return Err(BodyError::TooLarge);
        }
        self.claim.grow(part.len())?;
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Claim {
    fn grow(&mut self, bytes: usize) -> Result<(), BodyError> {
        self.bytes += bytes;
        let before = self.all.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > MAX_BODIES { Err(BodyError::Busy) } else { Ok(()) }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty(bodies: &Bodies) -> Body {
        Body { bytes: BytesMut::new(), claim: Claim { all: bodies.0.clone(), bytes: 0 } }
    }

    #[test]
    fn bodies_are_limited_each_and_all_together() {
        let bodies = Bodies::default();
        let part = vec![b'x'; MAX_BODY];
        let mut all: Vec<_> = (0..MAX_BODIES / MAX_BODY).map(|_| empty(&bodies)).collect();
        assert!(all.iter_mut().all(|body| body.add(&part).is_ok()));
        assert_eq!(all[0].add(b"x"), Err(BodyError::TooLarge));
        assert_eq!(all[0].bytes().len(), MAX_BODY);
        assert_eq!(empty(&bodies).add(b"x"), Err(BodyError::Busy));
        all.pop();
        assert_eq!(empty(&bodies).add(&part), Ok(()));
        drop(all);
        assert_eq!(bodies.0.load(Ordering::Relaxed), 0);
    }
}
