//! The folder of an output to files: names, renaming, and which files are kept.

use chrono::{DateTime, NaiveDateTime};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// How the time in a name is written.
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// What the name of a file ends with that is being written.
const PARTIAL: &str = ".partial";

/// What the name of a whole file ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suffix {
    /// Lines of JSON.
    Plain,
    /// Compressed with zstd.
    Compressed,
}

impl Suffix {
    fn text(self) -> &'static str {
        match self {
            Suffix::Plain => ".ndjson",
            Suffix::Compressed => ".ndjson.zst",
        }
    }
}

/// What the name of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileName {
    /// When the file was begun, unix microseconds, in whole seconds.
    pub(super) begun_us: u64,
    /// The number of its first entry.
    pub(super) seq: u64,
    /// What it ends with.
    pub(super) suffix: Suffix,
}

/// The folder, and the files in it that belong to one output.
#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    /// The name of the output, and a hyphen.
    prefix: String,
    /// Of the files that are written now.
    pub(super) suffix: Suffix,
    /// Held while the files may be written. The operating system releases it whenever the program ends.
    _lock: File,
}

impl Folder {
    /// Creates the folder `dir` if needed, for the output `name`, which no other server may write there.
    pub(super) fn open(dir: &Path, name: &str, suffix: Suffix) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join(format!(".{name}.lock")))?;
        match lock.try_lock() {
            Ok(()) => Ok(Folder { dir: dir.into(), prefix: format!("{name}-"), suffix, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::other(format!("another server writes the files of an output {name} here")))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The name of a file that begins at `now_us`, unix microseconds, with the entry `seq` or one behind it. The order of the
    /// names is that of the numbers, whatever the clock says.
    pub(super) fn name(&self, seq: u64, now_us: u64) -> String {
        let time = i64::try_from(now_us).ok().and_then(DateTime::from_timestamp_micros).unwrap_or_default();
        format!("{}{seq:016}-{}{}", self.prefix, time.format(TIME), self.suffix.text())
    }

    /// What the name of a file of the output says. `None` if `name` is no such name.
    pub(super) fn parse(&self, name: &str) -> Option<FileName> {
        // The name of another output may begin with that of this one.
        let rest = name.strip_prefix(&self.prefix)?;
        let suffix =
            [Suffix::Plain, Suffix::Compressed].into_iter().find(|suffix| rest.ends_with(suffix.text()))?;
        let (seq, time) = rest.strip_suffix(suffix.text())?.split_once('-')?;
        let time = NaiveDateTime::parse_from_str(time, TIME).ok()?;
        let begun_us = u64::try_from(time.and_utc().timestamp_micros()).ok()?;
        Some(FileName { begun_us, seq: seq.parse().ok()?, suffix })
    }

    /// The path of the file `name` while it is being written.
    pub(super) fn partial(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}{PARTIAL}"))
    }

    /// Whether the file `name` is whole.
    pub(super) fn is_complete(&self, name: &str) -> bool {
        self.dir.join(name).exists()
    }

    /// Waits until the names of the folder are on disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    /// Renames the file `name`, which is whole.
    pub(super) fn complete(&self, name: &str) -> io::Result<()> {
        fs::rename(self.partial(name), self.dir.join(name))?;
        self.sync()
    }

    /// Renames all files that are not whole, except `current`, and removes those that are empty. Returns the names of those
    /// that were renamed.
    pub(super) fn complete_others(&self, current: Option<&str>) -> io::Result<Vec<String>> {
        let mut completed = Vec::new();
        for partial in self.names()? {
            let Some(name) = partial.strip_suffix(PARTIAL) else { continue };
            if Some(name) == current || !self.is_own(name) {
                continue;
            }
            if self.partial(name).metadata()?.len() == 0 {
                fs::remove_file(self.partial(name))?;
            } else {
                self.complete(name)?;
                completed.push(name.into());
            }
        }
        Ok(completed)
    }

    /// Removes whole files that are older than `age`, and the oldest ones until the others have at most `bytes` bytes.
    pub(super) fn keep(&self, age: Option<Duration>, bytes: Option<u64>, now_us: u64) -> io::Result<()> {
        let own = self.names()?.into_iter().filter_map(|name| Some((self.parse(&name)?, name)));
        let mut own: Vec<_> = own.collect();
        own.sort_unstable_by_key(|(parsed, _)| std::cmp::Reverse(parsed.seq));
        let mut total = 0;
        for (_, name) in own {
            let path = self.dir.join(&name);
            let metadata = path.metadata()?;
            total += metadata.len();
            let written = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let is_old = age.is_some_and(|age| Duration::from_micros(now_us).saturating_sub(written) > age);
            if is_old || bytes.is_some_and(|bytes| total > bytes) {
                log::info!("removing {}", path.display());
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn is_own(&self, name: &str) -> bool {
        self.parse(name).is_some()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let names =
            fs::read_dir(&self.dir)?.map(|file| Ok(file?.file_name().into_string().unwrap_or_default()));
        names.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 1_795_460_507_123_456;

    fn folder(dir: &Path) -> Folder {
        Folder::open(dir, "a", Suffix::Plain).expect("a folder")
    }

    #[test]
    fn a_name_says_when_the_file_was_begun_and_with_what() {
        let dir = tempfile::tempdir().unwrap();
        let name = folder(dir.path()).name(1_795_460_507_000_001, NOW_US);
        assert_eq!(name, "a-1795460507000001-20261123T190147Z.ndjson");
        let parsed = folder(dir.path()).parse(&name).unwrap();
        assert_eq!(parsed.begun_us, NOW_US / 1_000_000 * 1_000_000);
        assert_eq!((parsed.seq, parsed.suffix), (1_795_460_507_000_001, Suffix::Plain));
        for other in [
            "b-1-20261123T190147Z.ndjson",
            "a-2-1-20261123T190147Z.ndjson",
            "a-1-x.ndjson",
            "a-1-20261123T190147Z.txt",
        ] {
            assert_eq!(folder(dir.path()).parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_oldest_files_go_first_and_those_of_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| std::fs::write(dir.path().join(name), [0; 100]).unwrap();
        let names: Vec<_> = (0..5).map(|i| folder(dir.path()).name(i, NOW_US - i * 1_000_000)).collect();
        names.iter().for_each(|name| write(name));
        write("other.txt");
        write("a-2-1-20261123T190147Z.ndjson");
        folder(dir.path()).keep(None, Some(250), NOW_US).unwrap();
        let left: Vec<_> = names.iter().map(|name| folder(dir.path()).is_complete(name)).collect();
        assert_eq!(left, [false, false, false, true, true]);
        let year = Duration::from_secs(365 * 24 * 3600);
        let later_us = clock_us() + 2 * year.as_micros() as u64;
        folder(dir.path()).keep(Some(3 * year), None, later_us).unwrap();
        assert!(folder(dir.path()).is_complete(&names[3]));
        folder(dir.path()).keep(Some(year), None, later_us).unwrap();
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            3,
            "those that are not its own, and its lock"
        );
    }

    fn clock_us() -> u64 {
        crate::clock::unix_us()
    }
}
