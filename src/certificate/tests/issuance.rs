//! Tests of the hash that the precert and the certificate of one issuance share.

use super::super::{Certificate as Parsed, LeafKind};
use super::{Certificate, SAN, dns, extension, seq};
use openssl::sha::sha256;
use proptest::prelude::*;

const SCT_LIST: &str = "1.3.6.1.4.1.11129.2.4.2";

fn hash(certificate: &Certificate) -> Option<[u8; 32]> {
    Parsed::parse(&certificate.der()).tbs_sha256(LeafKind::X509)
}

fn with(extensions: &[Vec<u8>]) -> Certificate {
    Certificate { extensions: extensions.to_vec(), ..Certificate::default() }
}

fn names(count: usize) -> Vec<u8> {
    let names: Vec<_> = (0..count).map(|n| dns(format!("{n}.example"))).collect();
    extension(SAN, seq(&names))
}

fn scts(length: usize) -> Vec<u8> {
    extension(SCT_LIST, vec![7; length])
}

#[test]
fn the_sct_list_is_left_out_wherever_it_stands() {
    let (a, b) = (names(3), extension("2.5.29.19", seq(&[])));
    let expected = Some(sha256(&with(&[a.clone(), b.clone()]).tbs()));
    for extensions in [
        vec![a.clone(), b.clone()],
        vec![scts(200), a.clone(), b.clone()],
        vec![a.clone(), scts(5), b.clone()],
        vec![a.clone(), b.clone(), scts(70_000)],
    ] {
        assert_eq!(hash(&with(&extensions)), expected);
    }
    assert_ne!(hash(&with(&[b, a])), expected, "the order counts");
}

#[test]
fn without_other_extensions_there_is_no_list() {
    assert_eq!(hash(&with(&[scts(10)])), Some(sha256(&Certificate::default().tbs())));
}

#[test]
fn what_cannot_be_read_or_has_two_lists_has_no_hash() {
    assert_eq!(hash(&with(&[scts(1), names(1), scts(2)])), None);
    let der = with(&[names(1), scts(2)]).der();
    for end in 0..der.len() {
        assert_eq!(Parsed::parse(&der[..end]).tbs_sha256(LeafKind::X509), None, "{end}");
    }
    assert_eq!(Parsed::parse(&[der, vec![0]].concat()).tbs_sha256(LeafKind::X509), None);
}

#[test]
fn the_key_is_hashed_with_its_tag_and_length() {
    let certificate = Certificate::default();
    let key = certificate.public_key();
    assert_eq!(Parsed::parse(&certificate.der()).spki_sha256(), Some(sha256(&key)));
    assert_eq!(Parsed::parse(b"\x30\x03\x30\x01\x00").spki_sha256(), None);
}

proptest! {
    /// Lengths are encoded again in DER, whatever number of bytes they take.
    #[test]
    fn lengths_are_those_of_der(before in 0usize..30, behind in 0usize..3000, list in 0usize..300) {
        let (before, behind) = (names(before), names(behind));
        let expected = Some(sha256(&with(&[before.clone(), behind.clone()]).tbs()));
        prop_assert_eq!(hash(&with(&[before, scts(list), behind])), expected);
    }
}
