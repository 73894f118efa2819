use super::*;
use crate::certificate::sha256;
use crate::ct::entry::{FramingFault, decode as decode_leaf};
use crate::message::Stream;
use proptest::prelude::*;

fn source(log_id: Option<[u8; 32]>) -> Arc<Source> {
    Arc::new(Source::new("https://ct.example/2026", "A log", "An operator", log_id, Protocol::StaticCt))
}

fn whole(certificate: &[u8], chain: &[Arc<Issuer>], precert: bool) -> LogEntry {
    LogEntry {
        timestamp_ms: 1_700_000_000_123,
        entry_type: if precert { LogEntryType::Precert } else { LogEntryType::X509 },
        certificate: Bytes::copy_from_slice(certificate),
        chain: chain.to_vec(),
        signed_tbs: if precert { SignedTbs::Other(sha256(certificate)) } else { SignedTbs::OfCertificate },
        fault: None,
    }
}

fn entry(source: &Arc<Source>, index: u64, content: Content) -> CertEntry {
    CertEntry::new(source.clone(), index, 1_700_000_000_000_000 + index, content)
}

/// All messages of the entries, as clients get them.
fn messages<'a>(entries: impl IntoIterator<Item = &'a CertEntry>) -> Vec<Option<String>> {
    let each = |entry: &CertEntry| {
        Stream::ALL.map(|stream| entry.json(stream).map(|json| String::from_utf8(json).unwrap()))
    };
    entries.into_iter().flat_map(each).collect()
}

fn encoded(entries: &[CertEntry], is_kept: impl FnMut(&Issuer) -> bool) -> Bytes {
    encode(&entries[0].source, b"position", entries, is_kept).into()
}

const FIRST_SEQ: u64 = 1_795_460_507_875_404;

#[test]
fn the_messages_of_a_read_record_are_those_of_its_entries() {
    let source = source(Some([9; 32]));
    let issuers = [b"issuer".as_slice(), b"root"].map(Issuer::unshared);
    let names = NamesEntry { timestamp_ms: 5, names: vec!["a.example".into(), "b.example".into()] };
    let missing = FramingFault::MissingIssuer { fingerprint: [7; 32], is_proven: true };
    let mut entries = vec![
        entry(&source, 7, Content::Entry(whole(b"one", &issuers, false))),
        entry(&source, 8, Content::Entry(whole(b"two", &issuers[1..], true))),
        entry(&source, 9, Content::Names(names)),
        entry(&source, 10, Content::Entry(LogEntry { fault: Some(missing), ..whole(b"three", &[], true) })),
        entry(
            &source,
            11,
            Content::Entry(LogEntry { signed_tbs: SignedTbs::Unknown, ..whole(b"", &[], true) }),
        ),
    ];
    let kept = *issuers[0].fingerprint();
    let payload = encoded(&entries, |issuer| *issuer.fingerprint() == kept);
    let find = |wanted: &Fingerprint| (*wanted == kept).then(|| issuers[0].clone());
    let read = decode(&payload, FIRST_SEQ, find).unwrap();
    (FIRST_SEQ..).zip(&mut entries).for_each(|(seq, entry)| entry.seq = Some(seq));
    assert_eq!(messages(&read), messages(&entries));
    assert!(messages(&read)[0].as_ref().unwrap().ends_with(r#","seq":1795460507875404}"#));
    let (alone, position) = super::position(&payload).unwrap();
    assert_eq!(
        (alone.identity(), alone.url(), &position[..]),
        (source.identity(), source.url(), &b"position"[..])
    );
}

#[test]
fn an_issuer_that_is_gone_ends_the_chain_and_is_named() {
    let source = source(None);
    let issuers = [b"issuer".as_slice(), b"between", b"root"].map(Issuer::unshared);
    let payload = encoded(&[entry(&source, 7, Content::Entry(whole(b"one", &issuers, false)))], |_| true);
    let gone = *issuers[1].fingerprint();
    let find = |wanted: &Fingerprint| {
        issuers.iter().find(|issuer| issuer.fingerprint() == wanted && *wanted != gone).cloned()
    };
    let read = decode(&payload, FIRST_SEQ, find).unwrap();
    let Content::Entry(first) = &read[0].content else { panic!("an entry") };
    assert_eq!(first.chain.iter().map(|issuer| issuer.der().clone()).collect::<Vec<_>>(), ["issuer"]);
    assert!(read[0].fault().unwrap().contains("lacks an issuer"));
}

#[test]
fn an_unknown_version_is_named() {
    let source = source(None);
    let mut payload =
        encoded(&[entry(&source, 7, Content::Entry(whole(b"one", &[], false)))], |_| true).to_vec();
    payload[0] = 2;
    let error = decode(&payload.into(), FIRST_SEQ, |_| None).unwrap_err();
    assert_eq!(error.to_string(), "unknown block version 2; this program reads version 1");
}

#[test]
fn a_record_that_is_cut_anywhere_or_too_long_is_refused() {
    let source = source(Some([1; 32]));
    let chain = [Issuer::unshared(b"issuer")];
    let names = NamesEntry { timestamp_ms: 5, names: vec!["a.example".into()] };
    let entries = [
        entry(&source, 7, Content::Entry(whole(b"one", &chain, true))),
        entry(&source, 8, Content::Names(names)),
    ];
    let payload = encoded(&entries, |_| false);
    assert_eq!(decode(&payload, FIRST_SEQ, |_| None).unwrap().len(), 2);
    for end in 0..payload.len() {
        let error = decode(&payload.slice(..end), FIRST_SEQ, |_| None).unwrap_err();
        assert!(matches!(error, BlockError::Truncated(_)), "{end}: {error}");
    }
    let longer = Bytes::from([&payload[..], b"x"].concat());
    assert_eq!(decode(&longer, FIRST_SEQ, |_| None).unwrap_err(), BlockError::Invalid("end"));
}

#[test]
fn more_issuers_than_can_be_counted_leave_the_rest_out() {
    let source = source(None);
    let chain: Vec<_> =
        (0..MAX_CHAIN_CERTIFICATES as u32).map(|n| Issuer::unshared(&n.to_be_bytes())).collect();
    let payload = encoded(&[entry(&source, 7, Content::Entry(whole(b"one", &chain, false)))], |_| false);
    let read = decode(&payload, FIRST_SEQ, |_| None).unwrap();
    let Content::Entry(first) = &read[0].content else { panic!("an entry") };
    assert_eq!(first.chain.len(), MAX_CHAIN_CERTIFICATES);
    assert_eq!(read[0].fault(), None);
}

#[test]
fn an_entry_of_a_log_is_read_with_the_hash_that_the_log_signed() {
    let mut leaf_input = vec![0, 0];
    leaf_input.extend(7u64.to_be_bytes());
    leaf_input.extend([0, 1]);
    leaf_input.extend([0xab; 32]);
    leaf_input.extend([0, 0, 3]);
    leaf_input.extend(b"tbs");
    leaf_input.extend([0, 0]);
    let extra_data = [&[0, 0, 3][..], b"pre", &[0, 0, 0]].concat();
    let decoded = decode_leaf(&leaf_input, &extra_data, Issuer::unshared).unwrap();
    let mut original = entry(&source(None), 3, Content::Entry(decoded));
    let payload = encoded(std::slice::from_ref(&original), |_| false);
    let read = decode(&payload, FIRST_SEQ, |_| None).unwrap();
    original.seq = Some(FIRST_SEQ);
    assert_eq!(messages(&read), messages([&original]));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), valid: bool) {
        let payload = Bytes::from(if valid { [&[VERSION][..], &bytes].concat() } else { bytes });
        let _ = decode(&payload, FIRST_SEQ, |_| None);
        let _ = position(&payload);
    }

    #[test]
    fn a_damaged_record_is_read_or_refused(at in 0usize..600, bit in 0u8..8) {
        let source = source(Some([1; 32]));
        let chain = [Issuer::unshared(b"issuer"), Issuer::unshared(b"root")];
        let entries = [
            entry(&source, 7, Content::Entry(whole(b"one", &chain, true))),
            entry(&source, 8, Content::Names(NamesEntry { timestamp_ms: 5, names: vec!["a.example".into()] })),
        ];
        let mut payload = encoded(&entries, |_| false).to_vec();
        let at = at % payload.len();
        payload[at] ^= 1 << bit;
        let _ = decode(&payload.into(), FIRST_SEQ, |_| None);
    }
}
