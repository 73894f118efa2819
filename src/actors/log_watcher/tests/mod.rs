//! Tests of the stages, each alone, with a log of the tests' own and on a clock that they control: `tokio::time::pause`
//! lets time pass only when everybody waits for it.

mod fetcher;
mod head_tracker;
mod pipeline;
mod publisher;
mod reconciler;
mod retriever;
mod verifier;

use super::LogStatus;
use super::head_board::HeadBoard;
use super::log_requests::LogRequests;
use super::missing_board::MissingBoard;
use super::publisher::Publisher;
use super::report::Reporter;
use super::retriever::Recovered;
use super::unverified::DecodedEntry;
use crate::actors::broker::Broker;
use crate::actors::outlet::Outlet;
use crate::config::{Start, Verification, WatchSettings};
use crate::ct::entry::Content;
use crate::ct::head::Head;
use crate::ct::merkle::{CompactTree, Hash, leaf_hash};
use crate::ct::names_tile::NamesEntry;
use crate::ct::source::{Protocol, Source};
use crate::evidence::{LogIdentity, Proof};
use crate::journal::{Store, StoreLimits, Writer};
use crate::log_client::{AnswerMemory, FetchError, FetchedEntry, Issuers, ProofFailure, Proven, Range};
use crate::message::CertEntry;
use crate::state::{EvidenceFolder, Positions, SkippedFolder, UndecodableFolder};
use actix::{Actor, Addr};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Time that the log takes for each answer.
pub(super) const ANSWER_TIME: Duration = Duration::from_millis(10);

/// Why a proof between two sizes is not served.
type RefusesProof = dyn Fn(u64, u64) -> Option<FetchError>;

/// A log whose misbehaviour a test determines. Entry `i` has the leaf `i`.
pub(super) struct FakeLog {
    begin: Instant,
    /// The answers to the next requests for a head. Afterwards, the head of `size` entries.
    pub(super) heads: RefCell<VecDeque<Result<Option<Head>, FetchError>>>,
    pub(super) size: Cell<u64>,
    /// Why a range is not served.
    pub(super) refuses_entries: RefCell<Box<dyn Fn(Range) -> Option<FetchError>>>,
    /// Why a proof from a tree of the first size to a head of the second is not served.
    pub(super) refuses_proof: RefCell<Box<RefusesProof>>,
    /// An index whose entry is not the one in the tree.
    pub(super) altered: Cell<Option<u64>>,
    /// An index whose entry is no base64.
    pub(super) unhashable: Cell<Option<u64>>,
    pub(super) alignment: Cell<u64>,
    /// The requested ranges, with the time since the beginning.
    pub(super) ranges: RefCell<Vec<(u64, u64, Duration)>>,
    /// When heads were requested.
    pub(super) polls: RefCell<Vec<Duration>>,
    /// The sizes of trees and heads between which proofs were requested, with the time.
    pub(super) proofs: RefCell<Vec<(u64, u64, Duration)>>,
}

impl FakeLog {
    pub(super) fn of(size: u64) -> Rc<Self> {
        Rc::new(FakeLog {
            begin: Instant::now(),
            heads: RefCell::default(),
            size: Cell::new(size),
            refuses_entries: RefCell::new(Box::new(|_| None)),
            refuses_proof: RefCell::new(Box::new(|_, _| None)),
            altered: Cell::new(None),
            unhashable: Cell::new(None),
            alignment: Cell::new(1),
            ranges: RefCell::default(),
            polls: RefCell::default(),
            proofs: RefCell::default(),
        })
    }
}

impl LogRequests for FakeLog {
    async fn head(&self) -> Result<Option<Head>, FetchError> {
        self.polls.borrow_mut().push(self.begin.elapsed());
        sleep(ANSWER_TIME).await;
        let scripted = self.heads.borrow_mut().pop_front();
        scripted.unwrap_or_else(|| Ok(Some(head(self.size.get()))))
    }

    async fn entries(&self, range: Range) -> Result<Vec<FetchedEntry>, FetchError> {
        self.ranges.borrow_mut().push((range.start, range.end_exclusive, self.begin.elapsed()));
        sleep(ANSWER_TIME).await;
        assert!(range.end_exclusive <= self.size.get(), "{range:?} is beyond the tree");
        let refused = (self.refuses_entries.borrow())(range);
        let entry = |index| {
            let leaf = if self.altered.get() == Some(index) { u64::MAX } else { index };
            let names = NamesEntry { timestamp_ms: 1, names: vec!["example.com".into()] };
            let broken = crate::log_client::DecodeFailure { reason: "no base64".into(), texts: None };
            let (leaf_hash, content) = match self.unhashable.get() == Some(index) {
                true => (None, Err(broken)),
                false => (Some(hash_of(leaf)), Ok(Content::Names(names))),
            };
            FetchedEntry { leaf_hash, content, evidence: None }
        };
        refused.map_or_else(|| Ok((range.start..range.end_exclusive).map(entry).collect()), Err)
    }

    async fn prove(&self, tree: &CompactTree, head: &Head) -> Proven<()> {
        self.proofs.borrow_mut().push((tree.size(), head.tree_size, self.begin.elapsed()));
        sleep(ANSWER_TIME).await;
        if let Some(refused) = (self.refuses_proof.borrow())(tree.size(), head.tree_size) {
            return Err(refused);
        }
        let leads = tree.root() == tree_of(tree.size()).root();
        Ok(if leads { Ok(()) } else { Err(contradiction()) })
    }

    async fn prove_head(&self, old: &Head, new: &Head) -> Proven<()> {
        self.proofs.borrow_mut().push((old.tree_size, new.tree_size, self.begin.elapsed()));
        sleep(ANSWER_TIME).await;
        if let Some(refused) = (self.refuses_proof.borrow())(old.tree_size, new.tree_size) {
            return Err(refused);
        }
        let are_true = [old, new].iter().all(|each| each.root_hash == head(each.tree_size).root_hash);
        Ok(if are_true { Ok(()) } else { Err(contradiction()) })
    }

    async fn tree_at(&self, size: u64, root: Option<&Hash>, head: &Head) -> Proven<CompactTree> {
        self.proofs.borrow_mut().push((size, head.tree_size, self.begin.elapsed()));
        sleep(ANSWER_TIME).await;
        if let Some(refused) = (self.refuses_proof.borrow())(size, head.tree_size) {
            return Err(refused);
        }
        let tree = tree_of(size);
        let leads = root.is_none_or(|root| *root == tree.root());
        Ok(if leads { Ok(tree) } else { Err(contradiction()) })
    }

    fn forget(&self) {}

    fn alignment(&self) -> u64 {
        self.alignment.get()
    }

    fn prefers_full_tiles(&self) -> bool {
        self.alignment.get() > 1
    }

    fn serves_any_range(&self) -> bool {
        self.alignment.get() == 1
    }
}

fn contradiction() -> ProofFailure {
    ProofFailure { reason: "it does not lead there".into(), proof: Proof::Consistency(Vec::new()) }
}

fn hash_of(leaf: u64) -> Hash {
    leaf_hash(&leaf.to_be_bytes())
}

pub(super) fn tree_of(size: u64) -> CompactTree {
    let mut tree = CompactTree::new();
    (0..size).for_each(|index| tree.push(hash_of(index)));
    tree
}

/// The head of the first `tree_size` entries, signed a second for each entry after 1970.
pub(super) fn head(tree_size: u64) -> Head {
    Head {
        tree_size,
        timestamp_ms: tree_size * 1000,
        root_hash: tree_of(tree_size).root(),
        signed: true,
        bytes: format!("head {tree_size}").into_bytes().into(),
    }
}

pub(super) fn refused(status: u16) -> FetchError {
    FetchError::Status { status, retry_after: None, detail: String::new() }
}

/// The objects that the stages share.
pub(super) struct Shared {
    pub(super) board: Rc<HeadBoard>,
    pub(super) reporter: Rc<Reporter>,
    pub(super) status: Arc<LogStatus>,
    pub(super) memory: Arc<AnswerMemory>,
    pub(super) positions: Arc<Positions>,
    pub(super) missing: Rc<MissingBoard>,
    pub(super) broker: Addr<Broker>,
    pub(super) journal: Arc<Store>,
    pub(super) dir: TempDir,
}

impl Shared {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let source =
            Arc::new(Source::new("https://log.example/", "a log", "", Some([1; 32]), Protocol::Rfc6962));
        let limits = crate::config::load(None, []).expect("the defaults").clients;
        let broker = Broker::new(Arc::default(), Arc::default(), Arc::default(), 1000, limits, 1).start();
        let journal = Store::open(None, StoreLimits { max_bytes: 1 << 30, max_age: Duration::MAX }, 1);
        let journal = journal.expect("a journal in memory").store;
        let status = Arc::new(LogStatus::new(source, Verification::Signed));
        let accused = LogIdentity {
            url: "https://log.example".into(),
            name: "a log".into(),
            protocol: Protocol::Rfc6962,
            key: None,
            origin: None,
        };
        let evidence = Arc::new(EvidenceFolder::new(dir.path().join("evidence")));
        let reporter =
            Reporter::new(accused, status.clone(), evidence, broker.clone().recipient(), Arc::default());
        let positions = Arc::new(Positions::in_memory());
        Shared {
            missing: Rc::new(MissingBoard::new(positions.clone())),
            positions,
            board: Rc::default(),
            reporter: Rc::new(reporter),
            status,
            memory: Arc::default(),
            broker,
            journal,
            dir,
        }
    }

    /// The last stage, which receives what was missing from `recovered`.
    pub(super) fn publisher(&self, recovered: mpsc::Receiver<Recovered>) -> Publisher {
        Publisher {
            reporter: self.reporter.clone(),
            board: self.board.clone(),
            memory: self.memory.clone(),
            settings: SETTINGS,
            undecodable: Arc::new(UndecodableFolder::new(self.dir.path().join("undecodable"))),
            positions: self.positions.clone(),
            skipped: Arc::new(SkippedFolder::new(self.dir.path().join("skipped"))),
            decision: None,
            outlet: Some(Outlet {
                broker: self.broker.clone(),
                demand: Arc::default(),
                uniques: Arc::default(),
            }),
            journal: Arc::new(Writer::start(self.journal.clone(), 1, false).expect("a thread")),
            issuers: Arc::new(Issuers::in_memory()),
            grace_end: Instant::now(),
            stopped: Rc::default(),
            recovered,
            missing: self.missing.clone(),
            announcements: Vec::new(),
            cursor: None,
            began: false,
            is_kept: true,
            is_superseded: false,
        }
    }

    /// The number of reports of misbehaviour of each kind that has any.
    pub(super) fn misbehaviours(&self) -> Vec<(&'static str, u64)> {
        self.status.misbehaviours().filter(|(_, count)| *count > 0).collect()
    }
}

pub(super) const SETTINGS: WatchSettings = WatchSettings {
    start: Start::Index(0),
    poll_interval: Duration::from_millis(100),
    partial_tile_wait: Duration::from_secs(3),
    page_size: 10,
    in_flight: 4,
    verify: true,
    catch_up: None,
};

/// Entry `index` as the Fetcher passes it on.
pub(super) fn decoded(index: u64, reporter: &Reporter) -> DecodedEntry {
    let names = Content::Names(NamesEntry { timestamp_ms: 1, names: vec!["example.com".into()] });
    let entry = CertEntry::new(reporter.status().source().clone(), index, 1, names);
    DecodedEntry { index, leaf_hash: Some(hash_of(index)), content: Ok(entry), evidence: None }
}
