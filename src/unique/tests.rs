use super::*;
use crate::ct::entry::{Content, LogEntry, LogEntryType, SignedTbs};
use crate::ct::names_tile::NamesEntry;
use crate::ct::source::{Protocol, Source};
use crate::filter::{Filter, Limits};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use tempfile::TempDir;

const NOW_US: u64 = 1_800_000_000_000_000;
const FIRST: u64 = 1_700_000_000_000_000;
const HOUR_US: u64 = 3_600_000_000;

fn kind(unique: Unique, query: &str) -> Kind {
    let filter = Filter::parse(form_urlencoded::parse(query.as_bytes()), Limits::default()).unwrap();
    Kind::of(unique, std::iter::once(&filter)).unwrap()
}

fn issuance() -> Kind {
    kind(Unique::Issuance, "")
}

fn limits() -> UniqueLimits {
    UniqueLimits { window: Duration::from_secs(24 * 3600), max_bytes: 1 << 20 }
}

/// An entry of the issuance `tbs`, with the number `seq`.
fn entry_of(entry_type: LogEntryType, tbs: u32, seq: u64) -> CertEntry {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&tbs.to_be_bytes());
    let content = Content::Entry(LogEntry {
        timestamp_ms: 1,
        entry_type,
        certificate: format!("{entry_type:?} {tbs}").into_bytes().into(),
        chain: Vec::new(),
        signed_tbs: SignedTbs::Other(hash),
        fault: None,
    });
    with_number(content, seq)
}

fn with_number(content: Content, seq: u64) -> CertEntry {
    let source = Arc::new(Source::new("https://log.example", "", "", None, Protocol::Rfc6962));
    CertEntry { seq: Some(seq), ..CertEntry::new(source, 0, 0, content) }
}

fn precert(tbs: u32, seq: u64) -> CertEntry {
    entry_of(LogEntryType::Precert, tbs, seq)
}

fn x509(tbs: u32, seq: u64) -> CertEntry {
    entry_of(LogEntryType::X509, tbs, seq)
}

fn open(dir: &TempDir) -> Uniques {
    open_until(dir, Some(u64::MAX))
}

fn open_until(dir: &TempDir, end_seq: Option<u64>) -> Uniques {
    Uniques::open(Some(dir.path().join("unique")), limits(), end_seq, NOW_US)
}

fn files(dir: &TempDir) -> Vec<PathBuf> {
    file::list(&dir.path().join("unique")).unwrap().into_iter().map(|(_, path)| path).collect()
}

#[test]
fn the_precert_its_certificate_and_both_in_another_log_are_one_issuance() {
    let uniques = Uniques::default();
    uniques.track(issuance(), || FIRST, NOW_US);
    let certificate = kind(Unique::Certificate, "");
    uniques.track(certificate, || FIRST, NOW_US);
    let entries = [
        precert(1, FIRST),
        precert(1, FIRST + 1),
        x509(1, FIRST + 2),
        x509(1, FIRST + 3),
        x509(2, FIRST + 4),
    ];
    uniques.record(&entries, NOW_US);
    for _ in 0..2 {
        let first = |kind| entries.each_ref().map(|entry| uniques.is_first(kind, entry, NOW_US));
        assert_eq!(first(issuance()), [true, false, false, false, true]);
        assert_eq!(first(certificate), [true, false, true, false, true]);
    }
}

#[test]
fn who_wants_one_type_gets_the_first_of_this_type() {
    let uniques = Uniques::default();
    let finals = kind(Unique::Issuance, "type=x509");
    uniques.track(finals, || FIRST, NOW_US);
    let entries = [precert(1, FIRST), x509(1, FIRST + 1), x509(1, FIRST + 2)];
    uniques.record(&entries, NOW_US);
    assert!(uniques.is_first(finals, &entries[1], NOW_US) && !uniques.is_first(finals, &entries[2], NOW_US));
}

#[test]
fn what_cannot_be_compared_is_sent() {
    let uniques = Uniques::default();
    let names = |seq| with_number(Content::Names(NamesEntry { timestamp_ms: 1, names: Vec::new() }), seq);
    let broken = |seq| {
        let mut entry = x509(1, seq);
        if let Content::Entry(whole) = &mut entry.content {
            whole.signed_tbs = SignedTbs::Unknown;
        }
        entry
    };
    // The log claims that this is the precertificate of the issuance.
    let false_one =
        |seq| CertEntry { recorded_fault: Some("of another certificate".into()), ..precert(2, seq) };
    let entries = [
        names(FIRST),
        names(FIRST + 1),
        broken(FIRST + 2),
        broken(FIRST + 3),
        false_one(FIRST + 4),
        precert(2, FIRST + 5),
        false_one(FIRST + 6),
    ];
    uniques.track(issuance(), || FIRST, NOW_US);
    uniques.record(&entries, NOW_US);
    assert!(entries.iter().all(|entry| uniques.is_first(issuance(), entry, NOW_US)));
}

#[test]
fn nothing_is_recorded_until_somebody_asks_or_when_nobody_has_for_long() {
    let dir = tempfile::tempdir().unwrap();
    let uniques = open(&dir);
    uniques.record(&[x509(1, FIRST)], NOW_US);
    assert_eq!((uniques.bytes(), files(&dir).len()), (0, 0));
    uniques.track(issuance(), || FIRST, NOW_US);
    uniques.record(&[x509(1, FIRST + 1)], NOW_US);
    assert!(uniques.bytes() > 0 && files(&dir).len() == 1);
    for hours in 1..=23 {
        uniques.record(&[x509(1, FIRST + 1 + hours)], NOW_US + hours * HOUR_US);
    }
    assert!(uniques.bytes() > 0);
    uniques.record(&[x509(1, FIRST + 50)], NOW_US + 25 * HOUR_US);
    assert_eq!((uniques.bytes(), files(&dir).len()), (0, 0));
    // And again, as if nothing had been.
    uniques.track(issuance(), || FIRST + 51, NOW_US + 25 * HOUR_US);
    uniques.record(&[x509(1, FIRST + 51)], NOW_US + 25 * HOUR_US);
    assert!(uniques.is_first(issuance(), &x509(1, FIRST + 51), NOW_US + 25 * HOUR_US));
    assert_eq!(files(&dir).len(), 1);
}

#[test]
fn beyond_the_window_it_is_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let uniques = open(&dir);
    for hours in 0..100 {
        let (seq, now_us) = (FIRST + hours, NOW_US + hours * HOUR_US);
        uniques.track(issuance(), || FIRST, now_us);
        uniques.record(&[x509(7, seq)], now_us);
        // The window is up to a sixteenth shorter: it has 23 or 24 hours here.
        let is_first = uniques.is_first(issuance(), &x509(7, seq), now_us);
        assert_eq!(is_first, hours % 24 == 0, "after {hours} h");
        assert!(files(&dir).len() <= 17, "{:?}", files(&dir));
    }
}

#[test]
fn more_than_fits_forgets_the_oldest() {
    const KEYS: u32 = (1 << 20) / 16;
    let dir = tempfile::tempdir().unwrap();
    let uniques = open(&dir);
    uniques.track(issuance(), || FIRST, NOW_US);
    for batch in 0..4 * KEYS / 256 {
        let entries: Vec<_> =
            (256 * batch..256 * (batch + 1)).map(|i| x509(i, FIRST + u64::from(i))).collect();
        uniques.record(&entries, NOW_US);
    }
    let size: u64 = files(&dir).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(size < (1 << 20) + 50_000, "{size}");
    let again = |i: u32| uniques.is_first(issuance(), &x509(i, FIRST + (1 << 40) + u64::from(i)), NOW_US);
    assert!(!again(4 * KEYS - 1) && !again(3 * KEYS + KEYS / 8));
    assert!(again(0) && again(3 * KEYS - 1000));
}

#[test]
fn a_restart_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let uniques = open(&dir);
    uniques.track(issuance(), || FIRST, NOW_US);
    uniques.record(&[precert(1, FIRST), precert(2, FIRST + 1)], NOW_US);
    uniques.record(&[precert(3, FIRST + 2)], NOW_US);
    drop(uniques);
    let uniques = open(&dir);
    // Before any client has come back.
    let entries = [x509(1, FIRST + 3), x509(4, FIRST + 4), x509(3, FIRST + 5)];
    uniques.record(&entries, NOW_US);
    drop(uniques);
    let uniques = open(&dir);
    let first = |entry: &CertEntry| uniques.is_first(issuance(), entry, NOW_US);
    assert_eq!(entries.each_ref().map(first), [false, true, false]);
    assert!(first(&precert(1, FIRST)) && first(&precert(3, FIRST + 2)));
}

/// The journal has lost the newest entries, with the power. They are fetched again, and get other numbers.
#[test]
fn what_the_journal_has_lost_is_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let uniques = open(&dir);
    uniques.track(issuance(), || FIRST, NOW_US);
    uniques.record(&[precert(1, FIRST), precert(2, FIRST + 1)], NOW_US);
    drop(uniques);
    let uniques = open_until(&dir, Some(FIRST + 1));
    let again = [precert(2, FIRST + 1000), precert(1, FIRST + 1001)];
    uniques.record(&again, NOW_US);
    let first = |uniques: &Uniques| again.each_ref().map(|entry| uniques.is_first(issuance(), entry, NOW_US));
    assert_eq!(first(&uniques), [true, false]);
    drop(uniques);
    // Nor does the run after that know the old number.
    assert_eq!(first(&open_until(&dir, Some(FIRST + 2000))), [true, false]);
}

/// The operator has deleted it, so that everything is sent again.
#[test]
fn with_another_journal_nothing_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let uniques = open(&dir);
    uniques.track(issuance(), || FIRST, NOW_US);
    uniques.record(&[precert(1, FIRST)], NOW_US);
    drop(uniques);
    let uniques = open_until(&dir, None);
    assert_eq!((uniques.bytes(), files(&dir).len()), (0, 0));
    assert!(uniques.is_first(issuance(), &precert(1, FIRST + 1000), NOW_US));
}

#[test]
fn a_folder_that_cannot_be_used_costs_only_what_a_restart_forgets() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("unique"), "a file").unwrap();
    let uniques = open(&dir);
    uniques.track(issuance(), || FIRST, NOW_US);
    for seq in FIRST..FIRST + 3 {
        uniques.record(&[x509(1, seq)], NOW_US);
        assert_eq!(uniques.is_first(issuance(), &x509(1, seq), NOW_US), seq == FIRST);
    }
}

/// What a client reads again, and what comes later but was read first.
#[test]
fn the_smallest_number_is_the_first_in_whatever_order_they_are_read() {
    let uniques = Uniques::default();
    let later = FIRST + 100;
    uniques.track(issuance(), || FIRST, NOW_US);
    uniques.record(&[x509(1, later)], NOW_US);
    let first = |seq| uniques.is_first(issuance(), &x509(1, seq), NOW_US);
    assert!(first(later) && first(FIRST + 5) && !first(later) && !first(FIRST + 6) && first(FIRST + 5));
    assert!(first(FIRST) && !first(FIRST + 5));
}

#[derive(Debug, Clone)]
enum Step {
    Record(Vec<(bool, u32)>),
    Restart,
    /// Restarts after the last bytes of the newest file were lost.
    LosePower(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec((any::<bool>(), 0..20_u32), 1..6).prop_map(Step::Record),
        1 => Just(Step::Restart),
        1 => (0..60_u64).prop_map(Step::LosePower),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Each issuance is first once, and never not at all; after a loss of power it may be first again.
    #[test]
    fn each_is_sent_once(steps in prop::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let (mut uniques, mut seq, mut sent, mut is_exact) = (open(&dir), FIRST, HashMap::new(), true);
        uniques.track(issuance(), || FIRST, NOW_US);
        for step in steps {
            match step {
                Step::Record(entries) => {
                    let of = |(is_final, tbs), seq| if is_final { x509(tbs, seq) } else { precert(tbs, seq) };
                    let all: Vec<_> = entries.iter().zip(seq..).map(|(entry, seq)| of(*entry, seq)).collect();
                    seq += all.len() as u64;
                    uniques.record(&all, NOW_US);
                    for ((_, tbs), entry) in entries.iter().zip(&all) {
                        let times = sent.entry(*tbs).or_insert(0);
                        *times += u32::from(uniques.is_first(issuance(), entry, NOW_US));
                        prop_assert!(*times == 1 || *times > 1 && !is_exact, "{tbs}: {times}");
                    }
                }
                Step::Restart => {
                    uniques = open(&dir);
                    uniques.track(issuance(), || FIRST, NOW_US);
                }
                Step::LosePower(bytes) => {
                    is_exact = false;
                    drop(uniques);
                    if let Some(newest) = files(&dir).last() {
                        let length = newest.metadata().unwrap().len().saturating_sub(bytes);
                        std::fs::File::options().write(true).open(newest).unwrap().set_len(length).unwrap();
                    }
                    uniques = open(&dir);
                    uniques.track(issuance(), || FIRST, NOW_US);
                }
            }
        }
    }
}
