//! The issuers of all logs. Each issuer is in memory once, no matter how many entries use it. Issuers of
//! static-ct logs are fetched once by their SHA-256 and stored on disk.
//!
//! An issuer is identified by its hash, which also proves its content. It does not matter which log served
//! it, so logs share issuers.

use super::FetchSettings;
use crate::certificate::Issuer;
use crate::ct::tile::Fingerprint;
use crate::state::{BoundedFolder, FolderLimits};
use crate::system::{Durability, read_file};
use bytes::Bytes;
use hex_simd::AsciiCase;
use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Maximum size of an issuer's certificate, in bytes. RFC 6962 would allow a chain certificate of up to 16
/// MiB; real ones are much smaller.
pub(crate) const MAX_ISSUER_BYTES: usize = 256 * 1024;
/// Maximum size of all issuers in memory with their derived data, in bytes. The issuers of the web need about
/// 20 MiB.
pub(crate) const MAX_BYTES: u64 = 48 * 1024 * 1024;
/// Maximum size of a certificate that entries share, in bytes. Without it, a hostile log could evict all
/// other issuers.
pub(crate) const MAX_SHARED: usize = 16 * 1024;
/// Expected number of issuers.
const EXPECTED: usize = 8192;
/// The limits of the issuers' folder. The web has a few thousand issuers. After a power failure, issuers that were not
/// on disk yet are fetched again.
pub(crate) const DISK_LIMITS: FolderLimits = FolderLimits {
    files: 50_000,
    bytes: 256 * 1024 * 1024,
    file_bytes: MAX_ISSUER_BYTES,
    durability: Durability::Unsynced,
};
/// After a file could not be written, no other is tried for this long.
const WRITE_PAUSE: Duration = Duration::from_secs(10);
/// All files are in one group.
const GROUP: &str = "";

/// The store of issuers. There is one object for each issuer, whichever way it is looked up.
#[derive(Debug)]
pub(crate) struct Issuers {
    by_fingerprint: Cache<Fingerprint, Arc<Issuer>, Size>,
    /// By certificate, for get-entries: comparing is cheaper than hashing.
    by_der: Cache<Bytes, Arc<Issuer>, Size>,
    /// `None` if issuers are not stored on disk.
    folder: Option<BoundedFolder>,
    /// The issuers that are known to be on disk, even after a power failure. Bounded like the folder.
    on_disk: Mutex<HashSet<Fingerprint>>,
    unsynced: Mutex<Unsynced>,
    /// The logs that serve issuers.
    offers: Offers,
}

/// The issuers that will be on disk with the next [`sync`](Issuers::sync).
#[derive(Debug, Default)]
struct Unsynced {
    files: HashMap<Fingerprint, PathBuf>,
    /// When the last file that was written could not be.
    failed_at: Option<Instant>,
}

/// Prefixes of `issuer/`, and the settings of requests to them, by number.
#[derive(Clone, Default)]
struct Offers(Arc<Mutex<BTreeMap<u64, (String, FetchSettings)>>>);

impl fmt::Debug for Offers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.lock().values().map(|(prefix, _)| prefix)).finish()
    }
}

/// A log serves issuers as long as this exists.
pub(super) struct Offer {
    offers: Offers,
    number: u64,
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.offers.0.lock().remove(&self.number);
    }
}

#[derive(Debug, Clone)]
struct Size;

impl<K> Weighter<K, Arc<Issuer>> for Size {
    /// Approximate: an issuer's JSON has three times as many bytes as its certificate.
    fn weight(&self, _: &K, issuer: &Arc<Issuer>) -> u64 {
        5 * issuer.der().len() as u64 + (Issuer::OVERHEAD + 2048) as u64
    }
}

impl Issuers {
    /// Creates a store with files in `dir`. The folder is created when it is first needed.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Issuers { folder: Some(BoundedFolder::new(dir, DISK_LIMITS)), ..Self::in_memory() }
    }

    /// Creates a store without files.
    pub(crate) fn in_memory() -> Self {
        let by_fingerprint = Cache::with_weighter(EXPECTED, MAX_BYTES, Size);
        let by_der = Cache::with_weighter(EXPECTED, MAX_BYTES, Size);
        Issuers {
            by_fingerprint,
            by_der,
            folder: None,
            on_disk: Mutex::default(),
            unsynced: Mutex::default(),
            offers: Offers::default(),
        }
    }

    /// Registers a log that serves issuers below `prefix`, for other logs that miss one.
    pub(super) fn offer(&self, prefix: &str, settings: &FetchSettings) -> Offer {
        let mut offers = self.offers.0.lock();
        let number = offers.last_key_value().map_or(0, |(last, _)| last + 1);
        offers.insert(number, (prefix.to_string(), settings.clone()));
        Offer { offers: self.offers.clone(), number }
    }

    /// The logs other than the one at `prefix`, those of the same operator first.
    pub(super) fn others(&self, prefix: &str, settings: &FetchSettings) -> Vec<(String, FetchSettings)> {
        let offers = self.offers.0.lock();
        let mut others: Vec<_> = offers.values().filter(|(other, _)| other != prefix).cloned().collect();
        others.sort_by_key(|(_, other)| !Arc::ptr_eq(&other.limits, &settings.limits));
        others
    }

    /// Returns the shared issuer with this certificate. An issuer that is too large is not shared.
    pub(crate) fn interned(&self, der: &[u8]) -> Arc<Issuer> {
        if der.len() > MAX_SHARED {
            return Issuer::unshared(der);
        }
        if let Some(issuer) = self.by_der.get(der) {
            return issuer;
        }
        let issuer = Issuer::unshared(der);
        let issuer = self.by_fingerprint.get(issuer.fingerprint()).unwrap_or(issuer);
        self.by_fingerprint.insert(*issuer.fingerprint(), issuer.clone());
        self.by_der.insert(issuer.der().clone(), issuer.clone());
        issuer
    }

    /// Returns the issuer from memory or disk.
    pub(crate) fn get(&self, fingerprint: &Fingerprint) -> Option<Arc<Issuer>> {
        if let Some(issuer) = self.by_fingerprint.get(fingerprint) {
            return Some(issuer);
        }
        let path = self.folder.as_ref()?.path(GROUP, &file_name(fingerprint));
        let issuer = Issuer::new(read_file(&path, MAX_ISSUER_BYTES).ok()?.into());
        if issuer.fingerprint() != fingerprint {
            log::warn!("{}: the content does not match the file name; fetching it again", path.display());
            return None;
        }
        Some(self.known(issuer))
    }

    /// Stores the issuer on disk, if it is not there yet. Returns whether it is there for good; a new one only is after the
    /// next [`sync`](Self::sync).
    pub(crate) fn keep(&self, issuer: &Issuer) -> bool {
        self.keep_at(issuer, Instant::now())
    }

    fn keep_at(&self, issuer: &Issuer, now: Instant) -> bool {
        let Some(folder) = &self.folder else { return false };
        if self.on_disk.lock().contains(issuer.fingerprint()) {
            return true;
        }
        let Unsynced { files, failed_at } = &mut *self.unsynced.lock();
        let is_paused = failed_at.is_some_and(|at| now.saturating_duration_since(at) < WRITE_PAUSE);
        if let Entry::Vacant(vacant) = files.entry(*issuer.fingerprint())
            && !is_paused
        {
            let name = file_name(issuer.fingerprint());
            let path = folder.path(GROUP, &name);
            // A power failure can leave a file without its content.
            if read_file(&path, MAX_ISSUER_BYTES).is_ok_and(|der| der == *issuer.der()) {
                vacant.insert(path);
                return false;
            }
            match folder.write(GROUP, &name, issuer.der()) {
                Ok(path) => {
                    vacant.insert(path);
                    if failed_at.take().is_some() {
                        log::info!("issuers are stored again");
                    }
                }
                Err(error) => {
                    if failed_at.replace(now).is_none() {
                        log::warn!(
                            "failed to store an issuer: {error}; until that works, each block of the journal contains \
                             its issuers"
                        );
                    }
                }
            }
        }
        false
    }

    /// Makes the issuers durable that were [kept](Self::keep) so far.
    ///
    /// # Errors
    /// The operating system's error. The issuers that are not durable yet are stored again the next time.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let unsynced = std::mem::take(&mut self.unsynced.lock().files);
        for path in unsynced.values() {
            File::open(path)?.sync_all()?;
        }
        if let Some(dir) = unsynced.values().next().and_then(|path| path.parent()) {
            File::open(dir)?.sync_all()?;
        }
        self.on_disk.lock().extend(unsynced.into_keys());
        Ok(())
    }

    /// Adds an issuer to memory.
    fn known(&self, issuer: Issuer) -> Arc<Issuer> {
        let issuer = Arc::new(issuer);
        self.by_fingerprint.insert(*issuer.fingerprint(), issuer.clone());
        if issuer.der().len() <= MAX_SHARED {
            self.by_der.insert(issuer.der().clone(), issuer.clone());
        }
        issuer
    }

    /// Stores the certificate that a log returned for `fingerprint`. Returns `false` if its hash is
    /// different.
    pub(crate) fn insert(&self, fingerprint: &Fingerprint, der: Bytes) -> bool {
        let issuer = Issuer::new(der);
        if issuer.fingerprint() != fingerprint {
            return false;
        }
        if let Some(folder) = &self.folder
            && let Err(error) = folder.write(GROUP, &file_name(fingerprint), issuer.der())
        {
            // The only consequence is another fetch after a restart.
            log::debug!("failed to save issuer {}: {error}", hex(fingerprint));
        }
        self.known(issuer);
        true
    }
}

fn file_name(fingerprint: &Fingerprint) -> String {
    format!("{}.der", hex(fingerprint))
}

/// Lower-case hexadecimal, as in `/issuer/` paths.
pub(super) fn hex(fingerprint: &Fingerprint) -> String {
    hex_simd::encode_to_string(fingerprint, AsciiCase::Lower)
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::sha::sha256;
    use std::fs;

    #[test]
    fn an_issuer_is_one_object_however_it_came() {
        let issuers = Issuers::in_memory();
        for (length, shares) in [(0, true), (MAX_SHARED, true), (MAX_SHARED + 1, false)] {
            let der = vec![7; length];
            let (first, second) = (issuers.interned(&der), issuers.interned(&der));
            assert_eq!((first.der(), second.der()), (&Bytes::from(der.clone()), &Bytes::from(der)));
            assert_eq!(Arc::ptr_eq(&first, &second), shares, "{length} bytes");
        }
        let fetched = Bytes::from_static(b"fetched");
        let fingerprint = sha256(&fetched);
        assert!(issuers.insert(&fingerprint, fetched.clone()));
        let known = issuers.get(&fingerprint).unwrap();
        assert!(Arc::ptr_eq(&known, &issuers.interned(&fetched)));
        let sent = issuers.interned(b"sent");
        assert!(Arc::ptr_eq(&sent, &issuers.get(&sha256(b"sent")).unwrap()));
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
        assert_eq!(issuers.get(&fingerprint).unwrap().der(), &der);

        let again = Issuers::new(dir.path().join("issuers"));
        assert_eq!(again.get(&fingerprint).unwrap().der(), &der);
        fs::write(dir.path().join("issuers").join(file_name(&fingerprint)), b"damaged").unwrap();
        assert_eq!(Issuers::new(dir.path().join("issuers")).get(&fingerprint), None);
    }

    #[test]
    fn an_issuer_counts_as_kept_once_it_is_durable() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, issuer) = (dir.path().join("issuers"), Issuer::unshared(b"certificate"));
        let path = folder.join(file_name(issuer.fingerprint()));
        let issuers = Issuers::new(folder.clone());
        assert!(!issuers.keep(&issuer) && !issuers.keep(&issuer));
        assert_eq!(fs::read(&path).unwrap(), b"certificate");
        issuers.sync().unwrap();
        assert!(issuers.keep(&issuer));

        let again = Issuers::new(folder.clone());
        assert!(!again.keep(&issuer), "the file may not have been synced");
        fs::remove_file(&path).unwrap();
        again.sync().unwrap_err();
        assert!(!again.keep(&issuer) && path.exists(), "it is stored again");
        again.sync().unwrap();
        assert!(again.keep(&issuer));

        fs::write(&path, b"").unwrap();
        let after_power_failure = Issuers::new(folder);
        assert!(!after_power_failure.keep(&issuer));
        assert_eq!(fs::read(&path).unwrap(), b"certificate");
        assert!(!Issuers::in_memory().keep(&issuer));
    }

    #[test]
    fn after_a_failure_no_issuer_is_stored_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("issuers");
        fs::write(&folder, b"a file in its place").unwrap();
        let issuers = Issuers::new(folder.clone());
        let (now, issuer) = (Instant::now(), Issuer::unshared(b"certificate"));
        let path = folder.join(file_name(issuer.fingerprint()));
        assert!(!issuers.keep_at(&issuer, now));
        fs::remove_file(&folder).unwrap();
        assert!(!issuers.keep_at(&issuer, now + WRITE_PAUSE / 2) && !path.exists());
        assert!(!issuers.keep_at(&issuer, now + WRITE_PAUSE) && path.exists());
        issuers.sync().unwrap();
        assert!(issuers.keep_at(&issuer, now + WRITE_PAUSE));
    }

    #[test]
    fn an_issuer_that_has_no_room_on_disk_is_kept_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        let full = fs::File::create(dir.path().join("0.der")).unwrap();
        full.set_len(DISK_LIMITS.bytes).unwrap();
        let issuers = Issuers::new(dir.path().into());
        let der = Bytes::from_static(b"certificate");
        let fingerprint = sha256(&der);
        assert!(issuers.insert(&fingerprint, der.clone()));
        assert_eq!(issuers.get(&fingerprint).unwrap().der(), &der);
        assert!(!dir.path().join(file_name(&fingerprint)).exists());
    }
}
