//! Selects the faults of the log's next responses, for tests.
//!
//! This module only selects a fault. `answer.rs` and the endpoint of each protocol apply it to a response.

use parking_lot::Mutex;
use std::time::Duration;
use tokio::sync::watch;

/// A fault in a response of the log.
///
/// A fault that cannot apply to a response (such as [`Short`](Fault::Short) to a tree head) does not change
/// it and is not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Status 429 with a Retry-After header of this many seconds.
    TooManyRequests { retry_after_s: u64 },
    /// This status, from 200 to 599, with a short text body. Any other value becomes 500.
    Status(u16),
    /// No response until [`clear_faults`](super::DemoLog::clear_faults) or until the log stops, and then the
    /// normal one. Other requests get responses meanwhile. If the client gives up, the log does not notice:
    /// the request counts as in flight until then.
    Hang,
    /// The normal response after this delay.
    Delay(Duration),
    /// Half of the body with a matching length: a well-framed response with broken JSON, or with a tile that
    /// ends too early.
    Truncate,
    /// The full length is declared, but the connection is closed after half of the body.
    Cut,
    /// A page of at most this many entries (at least one). Every log may do this at any time.
    Short(u64),
    /// A page or a data tile without entries.
    Empty,
    /// A body of the same length that is neither JSON nor any other expected format.
    Garbage,
    /// A small gzip body that decompresses to 258 MiB of zeros. It is sent as gzip even if the client does
    /// not accept it.
    GzipBomb,
    /// A page whose first entry has a leaf_input that is not valid base64.
    GarbageEntry,
    /// A head with a different root and a valid signature.
    WrongRoot,
    /// A head with an invalid signature.
    BadSignature,
    /// A head with a valid signature over this many entries fewer, at least none.
    Shrink(u64),
    /// The previous head, as an outdated front end would serve it. This is not misbehaviour.
    Lag,
    /// A consistency proof whose middle hash is changed, or a proof with a hash instead of an empty one. A
    /// hash tile in which every hash is changed, so that the fault affects any hash that the client needs.
    WrongProof,
    /// A page or data tile whose middle entry has a different timestamp than in the tree. It is well-formed
    /// but not what the log signed.
    WrongEntry,
    /// A data tile with one entry more than its name says. The additional entry is the next one, or a copy of
    /// the last one if there is no next one yet.
    WiderTile,
    /// A data tile with one entry fewer than its name says.
    NarrowerTile,
    /// Status 404 for a partial data tile. Every log may do this once it has the full tile.
    MissingPartial,
    /// A data tile whose middle entry has the undefined LogEntryType 9.
    UnknownEntryType,
    /// A data tile whose middle entry has the leaf_index of its neighbour. Does not apply to a
    /// [hybrid](super::DemoProtocol::Hybrid) log, whose entries have no leaf_index.
    WrongLeafIndex,
    /// A different issuer's certificate than the requested one.
    WrongIssuer,
}

/// The responses that a fault applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultOn {
    /// Signed tree heads and checkpoints.
    Heads,
    /// Pages of entries and data tiles.
    Entries,
    /// Issuers' certificates of static-ct and hybrid logs.
    Issuers,
    /// Responses to get-sth-consistency and hash tiles.
    Proofs,
    /// All responses, including get-roots.
    All,
}

/// The class of a response, for faults and counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerClass {
    Head,
    /// A get-entries response.
    Page,
    DataTile {
        partial: bool,
        /// Whether its entries have the leaf_index extension.
        leaf_index: bool,
    },
    Generator,
    /// A names tile.
    Names,
    /// A get-sth-consistency response, or a hash tile.
    Proof,
    /// Any other response: roots, unknown paths.
    Other,
}

/// The active faults.
pub(super) struct FaultBoard {
    slots: Mutex<FaultSlots>,
    /// Its value changes when hanging responses are released.
    release: watch::Sender<u64>,
}

#[derive(Default)]
struct FaultSlots {
    heads: Option<Active>,
    entries: Option<Active>,
    issuers: Option<Active>,
    proofs: Option<Active>,
    all: Option<Active>,
    shown: u64,
}

struct Active {
    fault: Fault,
    /// Number of responses that will still have the fault. `None` means until it is cleared.
    left: Option<u64>,
}

/// A fault to apply now.
pub(super) struct Taken {
    pub fault: Fault,
    /// Changes when a hanging response is released.
    pub released: watch::Receiver<u64>,
}

impl FaultBoard {
    pub(super) fn new() -> Self {
        Self { slots: Mutex::default(), release: watch::Sender::new(0) }
    }

    /// Sets a fault. Replaces the previous one for the same `on`.
    pub(super) fn set(&self, fault: Fault, on: FaultOn, count: Option<u64>) {
        let mut slots = self.slots.lock();
        let slot = match on {
            FaultOn::Heads => &mut slots.heads,
            FaultOn::Entries => &mut slots.entries,
            FaultOn::Issuers => &mut slots.issuers,
            FaultOn::Proofs => &mut slots.proofs,
            FaultOn::All => &mut slots.all,
        };
        *slot = Some(Active { fault, left: count });
    }

    /// Removes all faults and releases hanging responses.
    pub(super) fn clear(&self) {
        let mut slots = self.slots.lock();
        *slots = FaultSlots { shown: slots.shown, ..FaultSlots::default() };
        self.release.send_modify(|generation| *generation += 1);
    }

    /// The fault to apply to a response of this class. It counts as shown.
    pub(super) fn take(&self, class: AnswerClass) -> Option<Taken> {
        let mut slots = self.slots.lock();
        let FaultSlots { heads, entries, issuers, proofs, all, shown } = &mut *slots;
        let of_class = match class {
            AnswerClass::Head => Some(heads),
            AnswerClass::Page | AnswerClass::DataTile { .. } => Some(entries),
            AnswerClass::Generator => Some(issuers),
            AnswerClass::Proof => Some(proofs),
            AnswerClass::Names | AnswerClass::Other => None,
        };
        let fault = of_class.into_iter().chain([all]).find_map(|slot| take_from(slot, class))?;
        *shown += 1;
        // Subscribes while the lock is held, so a later release is not missed.
        Some(Taken { fault, released: self.release.subscribe() })
    }

    /// Number of responses with a fault.
    pub(super) fn shown(&self) -> u64 {
        self.slots.lock().shown
    }
}

fn take_from(slot: &mut Option<Active>, class: AnswerClass) -> Option<Fault> {
    let active = slot.as_mut().filter(|active| active.fault.fits(class))?;
    if let Some(left) = &mut active.left {
        *left = left.checked_sub(1)?;
    }
    Some(active.fault.clone())
}

impl Fault {
    /// Whether the fault can apply to a response of this class.
    fn fits(&self, class: AnswerClass) -> bool {
        use AnswerClass::{DataTile, Generator, Head, Page, Proof};
        match self {
            Fault::Short(_) | Fault::GarbageEntry => class == Page,
            Fault::Empty | Fault::WrongEntry => matches!(class, Page | DataTile { .. }),
            Fault::WrongRoot | Fault::BadSignature | Fault::Shrink(_) | Fault::Lag => class == Head,
            Fault::WiderTile | Fault::NarrowerTile | Fault::UnknownEntryType => {
                matches!(class, DataTile { .. })
            }
            Fault::MissingPartial => matches!(class, DataTile { partial: true, .. }),
            Fault::WrongLeafIndex => matches!(class, DataTile { leaf_index: true, .. }),
            Fault::WrongIssuer => class == Generator,
            Fault::WrongProof => class == Proof,
            Fault::TooManyRequests { .. }
            | Fault::Status(_)
            | Fault::Hang
            | Fault::Delay(_)
            | Fault::Truncate
            | Fault::Cut
            | Fault::Garbage
            | Fault::GzipBomb => true,
        }
    }

    /// Whether a response with this fault still has the correct content.
    pub fn leaves_content_whole(&self) -> bool {
        matches!(self, Fault::Hang | Fault::Delay(_) | Fault::Short(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(board: &FaultBoard, class: AnswerClass) -> Option<Fault> {
        board.take(class).map(|taken| taken.fault)
    }

    #[test]
    fn a_fault_ends_with_its_count() {
        let board = FaultBoard::new();
        board.set(Fault::Cut, FaultOn::Entries, Some(2));
        assert_eq!(taken(&board, AnswerClass::Head), None);
        assert_eq!(taken(&board, AnswerClass::Page), Some(Fault::Cut));
        assert_eq!(taken(&board, AnswerClass::Page), Some(Fault::Cut));
        assert_eq!(taken(&board, AnswerClass::Page), None);
        assert_eq!(board.shown(), 2);
    }

    #[test]
    fn a_fault_of_one_class_goes_before_the_fault_of_all() {
        let board = FaultBoard::new();
        board.set(Fault::Status(503), FaultOn::All, None);
        board.set(Fault::BadSignature, FaultOn::Heads, Some(1));
        assert_eq!(taken(&board, AnswerClass::Head), Some(Fault::BadSignature));
        assert_eq!(taken(&board, AnswerClass::Head), Some(Fault::Status(503)));
        assert_eq!(taken(&board, AnswerClass::Page), Some(Fault::Status(503)));
        assert_eq!(taken(&board, AnswerClass::Other), Some(Fault::Status(503)));
        board.clear();
        assert_eq!(taken(&board, AnswerClass::Other), None);
    }

    #[test]
    fn a_fault_of_tiles_waits_for_a_tile_that_can_show_it() {
        let board = FaultBoard::new();
        let tile = |partial, leaf_index| AnswerClass::DataTile { partial, leaf_index };
        board.set(Fault::MissingPartial, FaultOn::Entries, Some(1));
        assert_eq!(taken(&board, tile(false, true)), None);
        assert_eq!(taken(&board, AnswerClass::Page), None);
        assert_eq!(taken(&board, tile(true, true)), Some(Fault::MissingPartial));
        board.set(Fault::WrongLeafIndex, FaultOn::Entries, Some(1));
        assert_eq!(taken(&board, tile(false, false)), None);
        assert_eq!(taken(&board, tile(false, true)), Some(Fault::WrongLeafIndex));
        assert_eq!(board.shown(), 2);
    }

    #[test]
    fn a_fault_that_cannot_show_is_not_used_up() {
        let board = FaultBoard::new();
        board.set(Fault::Short(3), FaultOn::All, Some(1));
        assert_eq!(taken(&board, AnswerClass::Head), None);
        assert_eq!(taken(&board, AnswerClass::Page), Some(Fault::Short(3)));
        assert_eq!(taken(&board, AnswerClass::Page), None);
    }
}
