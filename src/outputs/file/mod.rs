//! Delivers lines to files, which are renamed when they are whole.
//!
//! ```text
//! archive-20261129T181848Z-1795460507875404.ndjson.zst.partial    is being written
//! archive-20261129T181848Z-1795460507875404.ndjson.zst            is whole, and never written again
//! ```
//!
//! The position of the output says how many bytes of the file were delivered. Whatever is behind them when the program
//! starts is cut off and delivered again, so that nothing is in the files twice. A compressed file is a sequence of zstd
//! frames (RFC 8878 section 3), one for each batch.

mod folder;

use super::batch::Batch;
use super::error::DeliveryError;
use crate::clock;
use crate::config::FileConfig;
use crate::state::FilePlace;
use folder::{Folder, Suffix};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::time::Duration;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

/// Compression level. See docs/outputs.md for what others cost.
const LEVEL: i32 = 1;

/// Files of one output.
pub(crate) struct FileTarget {
    config: FileConfig,
    folder: Folder,
    compressor: Option<Compressor<'static>>,
    writing: Option<Writing>,
}

/// The file that is being written.
struct Writing {
    file: File,
    place: FilePlace,
    begun_us: u64,
}

impl FileTarget {
    /// Goes on at `place` for the output `name`. Blocks.
    ///
    /// # Errors
    /// If the folder or the file cannot be used.
    pub(crate) fn open(
        name: &str,
        config: &FileConfig,
        place: Option<&FilePlace>,
    ) -> Result<Self, DeliveryError> {
        let suffix = if config.compress { Suffix::Compressed } else { Suffix::Plain };
        let folder = Folder::open(&config.dir, name, suffix)
            .map_err(|error| DeliveryError::of_path(&config.dir, &error))?;
        let compressor = config.compress.then(compressor).transpose();
        let compressor = compressor.map_err(|error| DeliveryError::new(format!("zstd: {error}")))?;
        let mut target = FileTarget { config: config.clone(), folder, compressor, writing: None };
        target.go_on_at(place)?;
        Ok(target)
    }

    /// Appends the batch. It is on disk when this returns. Blocks.
    ///
    /// # Errors
    /// If it cannot be written. The file has to be opened again then: it may end with a part of the batch.
    pub(crate) fn deliver(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        let now_us = clock::unix_us();
        self.rotate_if_due(now_us)?;
        if self.writing.is_none() {
            self.begin(batch, now_us)?;
        }
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let path = self.folder.partial(&writing.place.name);
        let written = write(&mut writing.file, self.compressor.as_mut(), batch.bytes());
        let bytes = written.map_err(|error| DeliveryError::of_path(&path, &error))?;
        writing.place.bytes += bytes;
        Ok(())
    }

    /// The end of what was delivered.
    pub(crate) fn place(&self) -> Option<&FilePlace> {
        self.writing.as_ref().map(|writing| &writing.place)
    }

    /// Ends the file if it is large or old enough, also if nothing is delivered. Everything in it has to be delivered. Blocks.
    ///
    /// # Errors
    /// If it cannot be renamed.
    pub(crate) fn rotate_if_due(&mut self, now_us: u64) -> Result<(), DeliveryError> {
        let (most, oldest) = (self.config.rotate_bytes, self.config.rotate_after);
        let is_due = |writing: &Writing| {
            let age = Duration::from_micros(now_us.saturating_sub(writing.begun_us));
            writing.place.bytes >= most || age >= oldest
        };
        if !self.writing.as_ref().is_some_and(is_due) {
            return Ok(());
        }
        if let Some(writing) = self.writing.take() {
            let name = &writing.place.name;
            self.folder
                .complete(name)
                .map_err(|error| DeliveryError::of_path(&self.folder.partial(name), &error))?;
        }
        let keeping = self.folder.keep(self.config.keep_for, self.config.keep_bytes, now_us);
        if let Err(error) = keeping {
            log::warn!("old files of {} cannot be removed: {error}", self.config.dir.display());
        }
        Ok(())
    }

    fn begin(&mut self, batch: &Batch, now_us: u64) -> Result<(), DeliveryError> {
        let name = self.folder.name(batch.first_seq().unwrap_or(now_us), now_us);
        let path = self.folder.partial(&name);
        // A crash may have left it behind with what is delivered again now.
        let opened = File::create(&path).and_then(|file| self.folder.sync().map(|()| file));
        let file = opened.map_err(|error| DeliveryError::of_path(&path, &error))?;
        self.writing = Some(Writing { file, place: FilePlace { name, bytes: 0 }, begun_us: now_us });
        Ok(())
    }

    fn go_on_at(&mut self, place: Option<&FilePlace>) -> Result<(), DeliveryError> {
        let of_folder = |error| DeliveryError::of_path(&self.config.dir, &error);
        let left = self.folder.complete_others(place.map(|place| place.name.as_str())).map_err(of_folder)?;
        for name in left {
            log::warn!("{name} was not whole and was not being written; it may repeat what another file has");
        }
        let Some(place) = place else { return Ok(()) };
        let path = self.folder.partial(&place.name);
        let file = match OpenOptions::new().write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !self.folder.is_complete(&place.name) {
                    log::warn!("{} is gone; going on with a new file", path.display());
                }
                return Ok(());
            }
            file => file.map_err(|error| DeliveryError::of_path(&path, &error))?,
        };
        let end = cut(&file, place.bytes).map_err(|error| DeliveryError::of_path(&path, &error))?;
        let name = self.folder.parse(&place.name);
        if name.is_none_or(|name| name.suffix != self.folder.suffix) {
            // Compression was switched on or off.
            return self.folder.complete(&place.name).map_err(|error| DeliveryError::of_path(&path, &error));
        }
        if end < place.bytes {
            log::error!(
                "{} has {end} bytes, and had {}: something else has shortened it",
                path.display(),
                place.bytes
            );
        }
        let place = FilePlace { bytes: end, ..place.clone() };
        let begun_us = name.map_or_else(clock::unix_us, |name| name.begun_us);
        self.writing = Some(Writing { file, place, begun_us });
        Ok(())
    }
}

/// Cuts off what is behind the first `bytes` bytes, and goes to the end. Returns where it is.
fn cut(mut file: &File, bytes: u64) -> io::Result<u64> {
    if file.metadata()?.len() > bytes {
        file.set_len(bytes)?;
    }
    file.seek(SeekFrom::End(0))
}

/// Appends `lines`, compressed if there is a compressor, and waits until they are on disk. Returns the number of bytes.
fn write(file: &mut File, compressor: Option<&mut Compressor<'static>>, lines: &[u8]) -> io::Result<u64> {
    let compressed = compressor.map(|compressor| compressor.compress(lines)).transpose()?;
    let bytes = compressed.as_deref().unwrap_or(lines);
    file.write_all(bytes)?;
    file.sync_data()?;
    Ok(bytes.len() as u64)
}

fn compressor() -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(compressor)
}

#[cfg(test)]
mod tests;
