//! The issuers of all logs: in memory once, however many entries they stand behind. Those of static-ct logs are fetched
//! once, by their SHA-256, and kept on disk.
//!
//! An issuer is the same wherever it came from, so logs share them; the hash that names it proves it.

use crate::ct::tile::Fingerprint;
use crate::state::Usage;
use crate::system::read_file;
use bytes::Bytes;
use openssl::sha::sha256;
use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Largest issuer's certificate, bytes. As much as a chain certificate can have at all in an RFC 6962 log would be
/// 16 MiB; none comes near.
pub(crate) const MAX_ISSUER_BYTES: usize = 256 * 1024;
/// Most bytes of fetched issuers in memory. Those of the web need about 10 MiB.
pub(crate) const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// The same for those that come with the entries themselves.
pub(crate) const MAX_SENT_BYTES: u64 = 16 * 1024 * 1024;
/// Largest certificate that entries share, bytes: a hostile log could otherwise drive all others out.
pub(crate) const MAX_SHARED: usize = 16 * 1024;
/// How many that will be, about.
const EXPECTED: usize = 8192;
/// Most files in the issuers' folder; a hostile log could otherwise fill the disk. The web has some thousand issuers.
pub(crate) const MAX_FILES: usize = 50_000;
/// Most bytes of all of them together.
pub(crate) const MAX_DISK_BYTES: u64 = 256 * 1024 * 1024;

/// Certificates by fingerprint.
#[derive(Debug)]
pub struct Issuers {
    known: Cache<Fingerprint, Bytes, Size>,
    /// Those that came with entries, by themselves.
    sent: Cache<Bytes, Bytes, Size>,
    /// `None`: they are not kept.
    dir: Option<PathBuf>,
    /// What is in the folder; unknown until the first one is written.
    on_disk: Mutex<Option<Usage>>,
}

#[derive(Debug, Clone)]
struct Size;

impl Weighter<Fingerprint, Bytes> for Size {
    fn weight(&self, _: &Fingerprint, der: &Bytes) -> u64 {
        der.len() as u64 + 64
    }
}

impl Weighter<Bytes, Bytes> for Size {
    fn weight(&self, _: &Bytes, der: &Bytes) -> u64 {
        der.len() as u64 + 64
    }
}

impl Issuers {
    /// Keeps issuers in `dir`, which is made when it is first needed.
    pub fn new(dir: PathBuf) -> Self {
        Issuers { dir: Some(dir), ..Self::in_memory() }
    }

    /// Keeps issuers for as long as it lives.
    pub fn in_memory() -> Self {
        let known = Cache::with_weighter(EXPECTED, MAX_BYTES, Size);
        let sent = Cache::with_weighter(EXPECTED, MAX_SENT_BYTES, Size);
        Issuers { known, sent, dir: None, on_disk: Mutex::new(None) }
    }

    /// The same certificate, in the memory that all who sent it share; one that is too large in memory of its own.
    pub fn shared(&self, der: &[u8]) -> Bytes {
        if der.len() > MAX_SHARED {
            return Bytes::copy_from_slice(der);
        }
        if let Some(shared) = self.sent.get(der) {
            return shared;
        }
        let copy = Bytes::copy_from_slice(der);
        self.sent.insert(copy.clone(), copy.clone());
        copy
    }

    /// The issuer, from memory or disk.
    pub fn get(&self, fingerprint: &Fingerprint) -> Option<Bytes> {
        if let Some(der) = self.known.get(fingerprint) {
            return Some(der);
        }
        let path = path(self.dir.as_deref()?, fingerprint);
        let der = read_file(&path, MAX_ISSUER_BYTES).ok().map(Bytes::from)?;
        if sha256(&der) != *fingerprint {
            log::warn!("{}: not what its name says; fetching it again", path.display());
            return None;
        }
        self.known.insert(*fingerprint, der.clone());
        Some(der)
    }

    /// Takes in what a log gave for `fingerprint`; `false` when it is something else.
    pub fn insert(&self, fingerprint: &Fingerprint, der: Bytes) -> bool {
        if sha256(&der) != *fingerprint {
            return false;
        }
        if let Err(error) = self.save(fingerprint, &der) {
            // It is only to be fetched again after a restart.
            log::debug!("issuer {} is not saved: {error}", hex(fingerprint));
        }
        self.known.insert(*fingerprint, der);
        true
    }

    fn save(&self, fingerprint: &Fingerprint, der: &[u8]) -> io::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let mut on_disk = self.on_disk.lock();
        let usage = match *on_disk {
            Some(usage) => usage,
            None => *on_disk.insert(Usage::of(dir)?),
        };
        let path = path(dir, fingerprint);
        // One that was damaged is replaced.
        let usage = if let Ok(old) = path.metadata() { usage.without(old.len()) } else { usage };
        let with_it = usage.with(der.len() as u64);
        if with_it.files > MAX_FILES || with_it.bytes > MAX_DISK_BYTES {
            return Err(io::Error::other("there are too many"));
        }
        let unfinished = path.with_extension("new");
        fs::write(&unfinished, der)?;
        fs::rename(unfinished, path)?;
        *on_disk = Some(with_it);
        Ok(())
    }
}

fn path(dir: &Path, fingerprint: &Fingerprint) -> PathBuf {
    dir.join(format!("{}.der", hex(fingerprint)))
}

/// Lower-case hexadecimal, as it stands in `/issuer/` paths.
pub(super) fn hex(fingerprint: &Fingerprint) -> String {
    fingerprint.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_that_comes_again_takes_no_more_memory() {
        let issuers = Issuers::in_memory();
        for (length, shares) in [(0, true), (MAX_SHARED, true), (MAX_SHARED + 1, false)] {
            let der = vec![7; length];
            let (first, second) = (issuers.shared(&der), issuers.shared(&der));
            assert_eq!((&first, &second), (&Bytes::from(der.clone()), &Bytes::from(der)));
            assert_eq!(first.as_ptr() == second.as_ptr(), shares, "{length} bytes");
        }
    }

    #[test]
    fn an_issuer_is_kept_over_restarts_and_believed_only_under_its_own_hash() {
        let dir = tempfile::tempdir().unwrap();
        let der = Bytes::from_static(b"certificate");
        let fingerprint = sha256(&der);
        let issuers = Issuers::new(dir.path().join("issuers"));
        assert_eq!(issuers.get(&fingerprint), None);
        assert!(!issuers.insert(&fingerprint, Bytes::from_static(b"another")));
        assert!(issuers.insert(&fingerprint, der.clone()));
        assert_eq!(issuers.get(&fingerprint), Some(der.clone()));

        let again = Issuers::new(dir.path().join("issuers"));
        assert_eq!(again.get(&fingerprint), Some(der));
        fs::write(path(&dir.path().join("issuers"), &fingerprint), b"damaged").unwrap();
        assert_eq!(Issuers::new(dir.path().join("issuers")).get(&fingerprint), None);
    }

    #[test]
    fn the_folder_is_bounded_also_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let insert = |issuers: &Issuers, n: u32| {
            let der = Bytes::from(n.to_be_bytes().to_vec());
            let fingerprint = sha256(&der);
            assert!(issuers.insert(&fingerprint, der));
            path(dir.path(), &fingerprint).exists()
        };
        // As if earlier runs had filled it, but for one.
        let large = fs::File::create(dir.path().join("0.der")).unwrap();
        large.set_len(MAX_DISK_BYTES - 6).unwrap();
        let issuers = Issuers::new(dir.path().into());
        assert!(insert(&issuers, 1));
        assert!(!insert(&issuers, 2), "its bytes are too many");
        assert!(insert(&issuers, 1), "it is there already");
        assert!(!insert(&Issuers::new(dir.path().into()), 3), "a restart does not count anew");

        large.set_len(0).unwrap();
        for i in 3..MAX_FILES {
            fs::File::create(dir.path().join(format!("{i}.der"))).unwrap();
        }
        let again = Issuers::new(dir.path().into());
        assert!(insert(&again, 4));
        assert!(!insert(&again, 5), "there are {MAX_FILES} files");
    }
}
