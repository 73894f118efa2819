//! A disk that becomes full at a chosen byte, may then refuse everything, and syncs as slowly as a test wants.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::sync::mpsc::Receiver;

thread_local! {
    static ROOM: Cell<Option<usize>> = const { Cell::new(None) };
    static REFUSES_CUTS: Cell<bool> = const { Cell::new(false) };
    static SYNCS: RefCell<Option<Receiver<io::Result<()>>>> = const { RefCell::new(None) };
}

/// Lets this thread write `room` more bytes to segments. `None` removes the limit.
pub(super) fn set_room(room: Option<usize>) {
    ROOM.set(room);
}

/// Whether this thread cannot make segments shorter.
pub(super) fn refuse_cuts(refuses: bool) {
    REFUSES_CUTS.set(refuses);
}

/// Each sync of this thread waits for its result from `results`.
pub(super) fn wait_at_sync(results: Receiver<io::Result<()>>) {
    SYNCS.set(Some(results));
}

pub(in crate::journal) fn check_sync() -> io::Result<()> {
    SYNCS.with_borrow(|syncs| syncs.as_ref().map_or(Ok(()), |results| results.recv().expect("a result")))
}

pub(in crate::journal) fn check_cut() -> io::Result<()> {
    if REFUSES_CUTS.get() { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
}

/// Writes until the disk is full, and a part of what is left at the end.
pub(in crate::journal) struct Limited<'a>(pub(in crate::journal) &'a File);

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(room) = ROOM.get() else { return self.0.write_vectored(slices) };
        let bytes = slices.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<u8>>();
        let part = &bytes[..bytes.len().min(room)];
        if part.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        ROOM.set(Some(room - part.len()));
        self.0.write(part)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
