//! Opens the segments of an earlier run, and repairs the newest.

use super::error::FileError;
use super::record::{FILE_HEADER, FileHeader, HeaderError, Salt, VERSION};
use super::scan::{self, Check, Damage, Walk};
use super::segment::Segment;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Maximum number of problems that are reported.
const MAX_PROBLEMS: usize = 1000;
const SUFFIX: &str = ".segment";

/// Why the journal was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// A later program wrote it.
    #[error("{}: it has format version {version}, this program can only read version {VERSION}", path.display())]
    UnknownVersion {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] FileError),
}

/// How the last run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastStop {
    /// There was none: the journal is new.
    None,
    /// With an end marker: nothing is missing.
    Orderly,
    /// Blocks may have been lost.
    Unclean,
}

/// What was wrong with the journal when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The end of the newest segment was not valid and has been removed.
    Truncated {
        /// The segment.
        path: PathBuf,
        /// Number of bytes removed.
        bytes: u64,
    },
    /// A part of a segment is not valid and is skipped.
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Size of the part.
        bytes: u64,
        /// The numbers that it may have contained.
        missing: Range<u64>,
    },
    /// The file is not one of ours and is ignored.
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Truncated { path, bytes } => {
                write!(f, "{}: removed an incomplete end of {bytes} bytes", path.display())
            }
            Problem::Damaged { path, bytes, missing } => {
                write!(f, "{}: {bytes} bytes are damaged", path.display())?;
                let Range { start, end } = missing;
                if missing.is_empty() { Ok(()) } else { write!(f, "; missing: {start}..{end}") }
            }
            Problem::Foreign { path } => write!(f, "{}: it is not a segment, ignored", path.display()),
        }
    }
}

/// What was found in a folder.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) next_seq: u64,
    /// The number behind the last block that was found.
    pub(super) end_seq: u64,
    pub(super) last_stop: LastStop,
    /// Whether the newest segment can be appended to.
    pub(super) can_go_on: bool,
    pub(super) problems: Vec<Problem>,
}

/// The path of a segment in `dir`. A segment without entries ends with the number that it begins with: those that
/// follow are told apart by `copy`.
pub(super) fn segment_path(dir: &Path, first_seq: u64, copy: u32) -> PathBuf {
    dir.join(match copy {
        0 => format!("{first_seq:020}{SUFFIX}"),
        _ => format!("{first_seq:020}-{copy}{SUFFIX}"),
    })
}

/// The `first_seq` and `copy` of a segment's path.
pub(super) fn parse_path(dir: &Path, path: &Path) -> Option<(u64, u32)> {
    let stem = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
    let (first_seq, copy) = stem.split_once('-').unwrap_or((stem, "0"));
    let (first_seq, copy) = (first_seq.parse().ok()?, copy.parse().ok()?);
    (segment_path(dir, first_seq, copy) == path).then_some((first_seq, copy))
}

/// Opens all segments in `dir`, which is created if it does not exist.
pub(super) fn recover(dir: &Path, now_us: u64) -> Result<Recovered, OpenError> {
    fs::create_dir_all(dir).map_err(FileError::at(dir))?;
    let mut recovery = Recovered::empty(0);
    let mut names = recovery.names(dir).map_err(FileError::at(dir))?;
    names.sort_unstable();
    let is_new = names.is_empty();
    let newest = names.pop();
    for (first_seq, copy) in names {
        recovery.add(segment_path(dir, first_seq, copy), first_seq)?;
    }
    if let Some((first_seq, copy)) = newest {
        recovery.add_newest(segment_path(dir, first_seq, copy), first_seq)?;
    }
    let end_seq = recovery.end_of_blocks();
    if recovery.last_stop != LastStop::Orderly {
        recovery.report_missing_end(now_us);
        // Clients may have seen numbers of blocks that were lost. The clock is ahead of all of them.
        recovery.next_seq = recovery.next_seq.max(now_us);
    }
    // A cursor from before a journal that is new belongs to another one.
    recovery.end_seq = if is_new { recovery.next_seq } else { end_seq };
    Ok(recovery)
}

/// Deletes everything in the journal `dir` behind `offset` of the segment `path`. It must not be open. If this is
/// interrupted, the journal ends later.
///
/// # Errors
/// The operating system's error.
pub(crate) fn cut_behind(dir: &Path, path: &Path, offset: u64) -> Result<(), FileError> {
    let mut later = Vec::new();
    for entry in fs::read_dir(dir).map_err(FileError::at(dir))? {
        let name = entry.map_err(FileError::at(dir))?.path();
        later.extend(parse_path(dir, &name).filter(|name| Some(*name) > parse_path(dir, path)));
    }
    later.sort_unstable();
    for (first_seq, copy) in later.into_iter().rev() {
        let later = segment_path(dir, first_seq, copy);
        fs::remove_file(&later).map_err(FileError::at(&later))?;
    }
    let cut = OpenOptions::new().write(true).open(path).and_then(|file| {
        file.set_len(offset)?;
        file.sync_all()
    });
    cut.map_err(FileError::at(path))
}

/// A segment whose file header has been read.
struct Found {
    segment: Segment,
    /// `None` if its records cannot be read.
    walk: Option<Walk>,
}

impl Recovered {
    /// A new journal.
    pub(super) fn empty(next_seq: u64) -> Self {
        let last_stop = LastStop::None;
        Recovered {
            segments: Vec::new(),
            next_seq,
            end_seq: next_seq,
            last_stop,
            can_go_on: false,
            problems: Vec::new(),
        }
    }

    /// The number behind the last block. A run that ended before it appended one has given no numbers, although its segment
    /// begins with a later one.
    fn end_of_blocks(&self) -> u64 {
        let ends = self.segments.iter().filter_map(|segment| Some(segment.blocks()?.last.end_seq()));
        let first = self.segments.first().map(|segment| segment.header.first_seq);
        ends.max().or(first).unwrap_or(self.next_seq)
    }

    fn report(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }

    fn names(&mut self, dir: &Path) -> io::Result<Vec<(u64, u32)>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let path = entry.path();
            match parse_path(dir, &path) {
                Some(name) if entry.file_type()?.is_file() => names.push(name),
                _ => self.report(Problem::Foreign { path }),
            }
        }
        Ok(names)
    }

    /// Adds a segment that is not the newest.
    fn add(&mut self, path: PathBuf, first_seq: u64) -> Result<(), OpenError> {
        self.report_missing_end(first_seq);
        let Found { segment, walk } = self.open(&path, first_seq, Check::Headers)?;
        if let Some(Walk { tail: bytes @ 1.., next_seq, .. }) = walk {
            // What is missing is known when the next segment is opened.
            self.report(Problem::Damaged { path, bytes, missing: next_seq..next_seq });
        }
        self.segments.push(Arc::new(segment));
        Ok(())
    }

    /// If the last problem is damage up to the end of a segment, all up to `first_seq` is missing, with which the next
    /// one begins.
    fn report_missing_end(&mut self, first_seq: u64) {
        let next_seq = self.next_seq;
        if let Some(Problem::Damaged { missing, .. }) = self.problems.last_mut()
            && missing.end == next_seq
            && missing.is_empty()
        {
            missing.end = missing.end.max(first_seq);
        }
    }

    /// Adds the newest segment, and removes the end marker and what is not valid at its end.
    fn add_newest(&mut self, path: PathBuf, first_seq: u64) -> Result<(), OpenError> {
        self.report_missing_end(first_seq);
        self.last_stop = LastStop::Unclean;
        let Found { segment, walk } = self.open(&path, first_seq, Check::Everything)?;
        if let Some(Walk { end, has_end, tail, given, .. }) = walk {
            self.next_seq = given;
            if has_end {
                self.last_stop = LastStop::Orderly;
            }
            if tail > 0 {
                self.report(Problem::Truncated { path: path.clone(), bytes: tail });
            }
            // If the marker remained, a power failure that loses all that is appended now would look like an orderly
            // stop.
            let cut = segment.cut(end).and_then(|()| segment.sync());
            cut.map_err(FileError::at(&path))?;
            self.can_go_on = tail == 0;
        }
        self.segments.push(Arc::new(segment));
        Ok(())
    }

    fn open(&mut self, path: &Path, first_seq: u64, check: Check) -> Result<Found, OpenError> {
        let file = OpenOptions::new().read(true).write(check == Check::Everything).open(path);
        let file = file.map_err(FileError::at(path))?;
        let mut size = file.metadata().map_err(FileError::at(path))?.len();
        if check == Check::Everything && (1..FILE_HEADER as u64).contains(&size) {
            file.set_len(0).map_err(FileError::at(path))?;
            self.report(Problem::Truncated { path: path.into(), bytes: size });
            size = 0;
        }
        self.next_seq = self.next_seq.max(first_seq);
        let header = match read_header(&file, size).map_err(FileError::at(path))? {
            Ok(header) if header.first_seq == first_seq => header,
            Err(HeaderError::UnknownVersion(version)) => {
                return Err(OpenError::UnknownVersion { path: path.into(), version });
            }
            _ => return Ok(self.unreadable(path, first_seq, file, size)),
        };
        let segment = Segment::existing(header, file, path.into(), size);
        let walk = scan::walk(&segment, self.next_seq, check).map_err(FileError::at(path))?;
        for Damage { bytes, missing } in &walk.damage {
            self.report(Problem::Damaged { path: path.into(), bytes: *bytes, missing: missing.clone() });
        }
        self.next_seq = walk.next_seq;
        Ok(Found { segment, walk: Some(walk) })
    }

    /// A segment with a damaged header counts for the size of the journal until it is deleted.
    fn unreadable(&mut self, path: &Path, first_seq: u64, file: File, size: u64) -> Found {
        // An empty file is what remains if the machine stopped when the segment had just been created.
        if size > 0 {
            let missing = self.next_seq..self.next_seq;
            self.report(Problem::Damaged { path: path.into(), bytes: size, missing });
        }
        let header = FileHeader { first_seq, salt: Salt(0) };
        Found { segment: Segment::existing(header, file, path.into(), size), walk: None }
    }
}

fn read_header(file: &File, size: u64) -> io::Result<Result<FileHeader, HeaderError>> {
    if size < FILE_HEADER as u64 {
        return Ok(Err(HeaderError::Damaged));
    }
    let mut bytes = [0; FILE_HEADER];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(FileHeader::decode(&bytes))
}
