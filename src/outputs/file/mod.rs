//! Delivers lines to files, which are renamed when they are whole.
//!
//! ```text
//! archive-1795460507875404-20261129T181848Z.ndjson.zst.partial    is being written
//! archive-1795460507875404-20261129T181848Z.ndjson.zst            is whole, and never written again
//! ```
//!
//! The position of the output says how many bytes of the file were delivered. Whatever is behind them when the program
//! starts is cut off and delivered again, so that nothing is in the files twice. A compressed file is a sequence of zstd
//! frames (RFC 8878 section 3), one for each batch.

mod folder;

use super::batch::Batch;
use super::error::DeliveryError;
use crate::config::FileConfig;
use crate::state::FilePlace;
use folder::{Folder, Suffix};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

/// Compression level. Level -1 takes a quarter less time and makes files two thirds larger; level 3 takes half as much again
/// and makes them no smaller.
const LEVEL: i32 = 1;
/// Interval at which old files are removed.
const KEEP_INTERVAL_US: u64 = 60_000_000;
/// A clock that is behind the beginning of the file by more than this was set back.
const MOST_SKEW_US: u64 = 60_000_000;

/// Files of one output.
pub(crate) struct FileTarget {
    config: FileConfig,
    folder: Folder,
    compressor: Option<Compressor<'static>>,
    writing: Option<Writing>,
    /// When old files were last removed, unix microseconds.
    kept_at_us: u64,
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
        let mut target =
            FileTarget { config: config.clone(), folder, compressor, writing: None, kept_at_us: 0 };
        target.go_on_at(name, place)?;
        Ok(target)
    }

    /// Ends the file if it is large or old enough, and begins one if there is something to deliver. Blocks.
    ///
    /// # Errors
    /// If the folder or the file cannot be used.
    pub(crate) fn prepare(&mut self, batch: &Batch, next_seq: u64, now_us: u64) -> Result<(), DeliveryError> {
        self.rotate_if_due(now_us)?;
        self.keep_if_due(now_us);
        if self.writing.is_none() && !batch.is_empty() {
            self.begin(next_seq, now_us)?;
        }
        Ok(())
    }

    /// Appends the batch to the file that was begun. It is on disk when this returns. Blocks.
    ///
    /// # Errors
    /// If it cannot be written. The file has to be opened again then: it may end with a part of the batch.
    pub(crate) fn deliver(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        let Some(writing) = &mut self.writing else { return Err(DeliveryError::new("no file was begun")) };
        let path = self.folder.partial(&writing.place.name);
        let of_path = |error: io::Error| DeliveryError::of_path(&path, &error);
        // What is written to a file that was moved or removed would be lost.
        if !is_at(&writing.file, &path).map_err(of_path)? {
            return Err(DeliveryError::new(format!(
                "{}: something else has moved or removed it",
                path.display()
            )));
        }
        let written = write(&mut writing.file, self.compressor.as_mut(), batch.bytes());
        writing.place.bytes += written.map_err(of_path)?;
        Ok(())
    }

    /// Ends the file that is being written. Nobody goes on with it. Blocks.
    ///
    /// # Errors
    /// If it cannot be renamed.
    pub(crate) fn finish(&mut self) -> Result<(), DeliveryError> {
        self.writing.take().map_or(Ok(()), |writing| self.complete(&writing.place.name))
    }

    /// The end of what was delivered.
    pub(crate) fn place(&self) -> Option<&FilePlace> {
        self.writing.as_ref().map(|writing| &writing.place)
    }

    fn rotate_if_due(&mut self, now_us: u64) -> Result<(), DeliveryError> {
        let (most, oldest) = (self.config.rotate_bytes, self.config.rotate_after);
        let is_due = |writing: &Writing| {
            let age = Duration::from_micros(now_us.saturating_sub(writing.begun_us));
            // The clock may have been set back.
            writing.place.bytes >= most || age >= oldest || now_us + MOST_SKEW_US < writing.begun_us
        };
        if let Some(writing) = self.writing.take_if(|writing| is_due(writing)) {
            self.complete(&writing.place.name)?;
            self.kept_at_us = 0;
        }
        Ok(())
    }

    /// Removes old files, at most once a minute and after each rotation.
    fn keep_if_due(&mut self, now_us: u64) {
        if now_us.abs_diff(self.kept_at_us) < KEEP_INTERVAL_US {
            return;
        }
        self.kept_at_us = now_us;
        if let Err(error) = self.folder.keep(self.config.keep_for, self.config.keep_bytes, now_us) {
            log::warn!("old files of {} cannot be removed: {error}", self.config.dir.display());
        }
    }

    fn complete(&self, name: &str) -> Result<(), DeliveryError> {
        self.folder.complete(name).map_err(|error| DeliveryError::of_path(&self.folder.partial(name), &error))
    }

    fn begin(&mut self, next_seq: u64, now_us: u64) -> Result<(), DeliveryError> {
        let name = self.folder.name(next_seq, now_us);
        let path = self.folder.partial(&name);
        let opened = File::create(&path).and_then(|file| self.folder.sync().map(|()| file));
        let file = opened.map_err(|error| DeliveryError::of_path(&path, &error))?;
        self.writing = Some(Writing { file, place: FilePlace { name, bytes: 0 }, begun_us: now_us });
        Ok(())
    }

    fn go_on_at(&mut self, output: &str, place: Option<&FilePlace>) -> Result<(), DeliveryError> {
        let of_folder = |error| DeliveryError::of_path(&self.config.dir, &error);
        let left = self.folder.complete_others(place.map(|place| place.name.as_str())).map_err(of_folder)?;
        for name in left {
            log::warn!(
                "output {output}: {name} was not whole and was not being written; it may repeat what another file has"
            );
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
        if end < place.bytes {
            let (path, bytes) = (path.display(), place.bytes);
            log::error!(
                "{path} has {end} bytes, and had {bytes}: something else has shortened it; going on with a new file"
            );
            return self.complete(&place.name);
        }
        match self.folder.parse(&place.name) {
            Some(name) if name.suffix == self.folder.suffix => {
                self.writing = Some(Writing { file, place: place.clone(), begun_us: name.begun_us });
                Ok(())
            }
            // Compression was switched on or off.
            _ => self.complete(&place.name),
        }
    }
}

/// Whether the file at `path` is still `file`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        there => Ok(identity(there?) == identity(file.metadata()?)),
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
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
