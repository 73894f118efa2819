//! Misbehaviour on demand: which fault the log's next answers show.
//!
//! Owns the choice only; what a fault does to an answer is `answer.rs`'s and the protocol face's.

use parking_lot::Mutex;
use std::time::Duration;
use tokio::sync::watch;

/// A way in which an answer of the log can be wrong.
///
/// Faults that cannot show on an answer (a [`Short`](Fault::Short) tree head) leave it as it is and
/// are not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Status 429 with a Retry-After of this many seconds.
    TooManyRequests { retry_after_s: u64 },
    /// This status, from 200 to 599, with a short text body; 500 in place of any other.
    Status(u16),
    /// No answer until [`clear_faults`](super::DemoLog::clear_faults) or the log's end; then the
    /// proper one. Other requests are answered meanwhile. A reader that gives up is not noticed:
    /// its request counts as in flight until then.
    Hang,
    /// The proper answer, this much later.
    Delay(Duration),
    /// Half of the body, its length declared accordingly: a well-framed answer of broken JSON, or of
    /// a tile that ends too early.
    Truncate,
    /// The whole length declared, half of the body sent, then the connection dropped.
    Cut,
    /// A page of at most this many entries (but one at least): what every log may do at any time.
    Short(u64),
    /// A page or a data tile without entries.
    Empty,
    /// A body of the same length that is no JSON, nor anything else that was asked for.
    Garbage,
    /// A small gzip body, sent as such whatever the reader accepts, that unpacks to 258 MiB of
    /// zeros.
    GzipBomb,
    /// The page's first entry with a leaf_input that is no base64.
    GarbageEntry,
    /// A head with another root, properly signed.
    WrongRoot,
    /// A head with a signature that does not match.
    BadSignature,
    /// A properly signed head over this many entries fewer, none at the least.
    Shrink(u64),
    /// The head before the newest one, as a front end serves it that lags behind: no misbehaviour at all.
    Lag,
    /// A consistency proof with its middle hash changed, or with a hash if there should be none; a tile
    /// of hashes with every one changed, so that it shows whichever of them the reader needs.
    WrongProof,
    /// The middle entry of a page or data tile with another timestamp than the one in the tree: well-formed,
    /// but not what was signed.
    WrongEntry,
    /// A data tile with one entry more than its name says: the next one, or, where there is none
    /// yet, its last one again.
    WiderTile,
    /// A data tile with one entry fewer than its name says.
    NarrowerTile,
    /// Status 404 for a partial data tile: what every log may do once it has the full one.
    MissingPartial,
    /// The middle entry of a data tile with the LogEntryType 9, which nobody has defined.
    UnknownEntryType,
    /// The middle entry of a data tile with the leaf_index of its neighbour. Cannot show on a
    /// [hybrid](super::DemoProtocol::Hybrid) log, whose entries have none.
    WrongLeafIndex,
    /// Another issuer's certificate than the one that was asked for.
    WrongIssuer,
}

/// Which answers show a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultOn {
    /// Signed tree heads and checkpoints.
    Heads,
    /// Pages of entries and data tiles.
    Entries,
    /// Issuers' certificates of static-ct and hybrid logs.
    Issuers,
    /// Answers to get-sth-consistency and tiles of hashes.
    Proofs,
    /// Every answer, get-roots among them.
    All,
}

/// What an answer is, as far as faults and counters are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerClass {
    Head,
    /// Of get-entries.
    Page,
    DataTile {
        partial: bool,
        /// Whether its entries carry the leaf_index extension.
        leaf_index: bool,
    },
    Generator,
    /// A names tile.
    Names,
    /// Of get-sth-consistency, or a tile of hashes.
    Proof,
    /// Whatever is none of these: roots, addresses that mean nothing.
    Other,
}

/// The faults that are switched on.
pub struct FaultBoard {
    slots: Mutex<FaultSlots>,
    /// Its value changes when hanging answers are let go.
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
    /// Answers left to show it on; `None`: until it is cleared.
    left: Option<u64>,
}

/// A fault that is to be shown now.
pub struct Taken {
    pub fault: Fault,
    /// Changes when a hanging answer is let go.
    pub released: watch::Receiver<u64>,
}

impl FaultBoard {
    pub fn new() -> Self {
        Self { slots: Mutex::default(), release: watch::Sender::new(0) }
    }

    /// Replaces the fault that was set for the same `on`.
    pub fn set(&self, fault: Fault, on: FaultOn, count: Option<u64>) {
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

    /// Removes all faults and lets hanging answers go.
    pub fn clear(&self) {
        let mut slots = self.slots.lock();
        *slots = FaultSlots { shown: slots.shown, ..FaultSlots::default() };
        self.release.send_modify(|generation| *generation += 1);
    }

    /// The fault that an answer of this class is to show; counts as shown.
    pub fn take(&self, class: AnswerClass) -> Option<Taken> {
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
        // Subscribed under the lock: a release after this is seen.
        Some(Taken { fault, released: self.release.subscribe() })
    }

    /// How many answers showed a fault.
    pub fn shown(&self) -> u64 {
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
    /// Whether an answer of this class can show the fault.
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

    /// Whether what an answer that shows the fault holds is as it should be.
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
