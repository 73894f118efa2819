//! Delivers lines to the standard output.

use super::batch::Batch;
use super::error::DeliveryError;
use std::io::{self, ErrorKind, Write};

/// The standard output.
#[derive(Debug, Default)]
pub(crate) struct StdoutTarget;

impl StdoutTarget {
    /// Writes the batch. Blocks while nobody reads.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn deliver(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        write(&mut io::stdout().lock(), batch.bytes()).map_err(|error| DeliveryError {
            is_final: error.kind() == ErrorKind::BrokenPipe,
            ..DeliveryError::new(format!("the standard output cannot be written: {error}"))
        })
    }
}

fn write(out: &mut impl Write, lines: &[u8]) -> io::Result<()> {
    out.write_all(lines)?;
    out.flush()
}
