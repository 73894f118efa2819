use super::*;

fn u24(data: &[u8]) -> Vec<u8> {
    let mut v = (data.len() as u32).to_be_bytes()[1..].to_vec();
    v.extend(data);
    v
}

fn x509_leaf(certificate: &[u8]) -> Vec<u8> {
    let mut v = vec![0, 0];
    v.extend(1_700_000_000_123u64.to_be_bytes());
    v.extend([0, 0]);
    v.extend(u24(certificate));
    v.extend([0, 0]);
    v
}

fn precert_leaf(tbs: &[u8]) -> Vec<u8> {
    let mut v = vec![0, 0];
    v.extend(7u64.to_be_bytes());
    v.extend([0, 1]);
    v.extend([0xab; 32]);
    v.extend(u24(tbs));
    v.extend([0, 0]);
    v
}

fn chain(certificates: &[&[u8]]) -> Vec<u8> {
    u24(&certificates.iter().flat_map(|c| u24(c)).collect::<Vec<_>>())
}

fn decoded(leaf: Vec<u8>, extra: Vec<u8>) -> Result<LogEntry, EntryError> {
    decode(&leaf, &extra, Issuer::unshared)
}

fn ders(entry: &LogEntry) -> Vec<&Bytes> {
    entry.chain.iter().map(|issuer| issuer.der()).collect()
}

#[test]
fn an_x509_entry_yields_its_certificate_and_chain() {
    let e = decoded(x509_leaf(b"leaf"), chain(&[b"issuer", b"root"])).unwrap();
    assert_eq!(e.timestamp_ms, 1_700_000_000_123);
    assert_eq!(e.entry_type, LogEntryType::X509);
    assert_eq!((&e.certificate[..], e.signed_tbs), (b"leaf".as_slice(), SignedTbs::OfCertificate));
    assert_eq!(ders(&e), ["issuer", "root"]);
    assert_eq!(e.fault, None);
}

#[test]
fn a_precert_entry_yields_the_submitted_precertificate_and_not_its_tbs() {
    let mut extra = u24(b"precertificate");
    extra.extend(chain(&[b"issuer"]));
    let e = decoded(precert_leaf(b"tbs"), extra).unwrap();
    assert_eq!(e.entry_type, LogEntryType::Precert);
    assert_eq!(e.certificate, "precertificate");
    assert_eq!(e.signed_tbs, SignedTbs::Other(sha256(b"tbs")));
    assert_eq!(ders(&e), ["issuer"]);
    assert!(matches!(e.fault, Some(FramingFault::Precert(_))), "and says that this is no proof of that");
}

#[test]
fn of_a_chain_without_end_the_first_certificates_are_read() {
    let of = |count| decoded(x509_leaf(b"leaf"), chain(&vec![b"".as_slice(); count])).unwrap();
    let longest = of(MAX_CHAIN_CERTIFICATES);
    assert_eq!((longest.chain.len(), longest.fault), (MAX_CHAIN_CERTIFICATES, None));
    let longer = of(1_000_000);
    assert_eq!(
        (longer.chain.len(), longer.fault),
        (MAX_CHAIN_CERTIFICATES, Some(FramingFault::ChainTooLong))
    );
}

#[test]
fn an_entry_has_a_largest_size() {
    let of = |bytes: usize| decoded(x509_leaf(&vec![0; bytes - 10]), chain(&[b"12345", b"67890"]));
    assert_eq!(of(MAX_ENTRY_BYTES).unwrap().chain.len(), 2);
    let error = of(MAX_ENTRY_BYTES + 1).unwrap_err();
    assert_eq!(error.to_string(), "certificate and chain have 4194305 bytes, at most 4194304 are sent");
}

#[test]
fn no_chain_at_all_is_an_empty_chain() {
    assert!(decoded(x509_leaf(b"leaf"), chain(&[])).unwrap().chain.is_empty());
}

#[test]
fn an_entry_that_ends_early_is_an_error_that_says_where() {
    let leaf = x509_leaf(b"leaf");
    for end in 0..leaf.len() - 2 {
        let error = decoded(leaf[..end].to_vec(), chain(&[])).unwrap_err();
        assert!(matches!(error, EntryError::LeafInput(_)), "{end}: {error}");
    }
    let error = decoded(precert_leaf(b"tbs"), vec![0, 0, 9, 1]).unwrap_err();
    assert_eq!(error.to_string(), "extra_data: pre_certificate needs 9 bytes at offset 3, 1 are left");
    let error = decoded(x509_leaf(b"leaf"), vec![]).unwrap_err();
    assert_eq!(error.to_string(), "extra_data: certificate_chain needs 3 bytes at offset 0, 0 are left");
}

#[test]
fn an_unknown_entry_type_is_an_error() {
    let mut leaf = x509_leaf(b"leaf");
    leaf[11] = 2;
    assert_eq!(decoded(leaf, chain(&[])), Err(EntryError::UnknownType(2)));
}

#[test]
fn broken_framing_around_a_readable_certificate_is_a_fault_and_not_a_loss() {
    let mut unknown = x509_leaf(b"leaf");
    unknown[0] = 3;
    let e = decoded(unknown, chain(&[])).unwrap();
    assert_eq!(e.fault, Some(FramingFault::UnknownLeaf { version: 3, leaf_type: 0 }));

    let mut long = x509_leaf(b"leaf");
    long.push(1);
    let e = decoded(long, chain(&[])).unwrap();
    assert_eq!(e.fault, Some(FramingFault::Trailing { of: "leaf_input", count: 1 }));
    assert_eq!(e.certificate, "leaf");

    let mut cut = chain(&[b"issuer", b"root"]);
    cut.pop();
    let e = decoded(x509_leaf(b"leaf"), cut).unwrap();
    assert_eq!(ders(&e), ["issuer"], "whole certificates before the cut are kept");
    assert_eq!(e.fault, Some(FramingFault::ChainLength { declared: 16, present: 15 }));

    let mut long = chain(&[b"issuer"]);
    long.extend(u24(b"root"));
    let e = decoded(x509_leaf(b"leaf"), long).unwrap();
    assert_eq!(ders(&e), ["issuer", "root"], "and those behind the declared end");

    for end in [12, 20, 44, 50] {
        let leaf = precert_leaf(b"tbs")[..end].to_vec();
        let e = decoded(leaf, [u24(b"pre"), chain(&[])].concat()).unwrap();
        assert_eq!(e.certificate, "pre");
        assert!(matches!(e.fault, Some(FramingFault::LeafInput(_))), "{end}");
    }
}
