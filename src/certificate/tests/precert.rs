//! Tests of precertificates and of the TBSCertificates that logs sign for them.

use openssl::sha::sha256;
use proptest::prelude::*;
use std::sync::Arc;

use super::super::precert::{self, Field, Mismatch, Signer, Structure};
use super::super::{Certificate, Issuer, LeafKind};
use super::{SAN, attribute, dns, extension, oid, seq, tlv};

fn issuers(chain: &[impl AsRef<[u8]>]) -> Vec<Arc<Issuer>> {
    chain.iter().map(|der| Issuer::unshared(der.as_ref())).collect()
}

fn check(
    tbs: &[u8],
    issuer_key_hash: &[u8; 32],
    precertificate: &[u8],
    chain: &[impl AsRef<[u8]>],
) -> Result<(), Mismatch> {
    let chain = issuers(chain);
    let signer = precert::check(tbs, issuer_key_hash, precertificate, &chain)?;
    let own = Certificate::parse(precertificate).tbs_sha256(LeafKind::Precert);
    if signer == Signer::Ca {
        assert_eq!(own, Some(sha256(tbs)), "the precertificate's own is the signed one");
    } else {
        assert_ne!(own, Some(sha256(tbs)), "the signed one has another issuer");
    }
    Ok(())
}

fn check_tbs(tbs: &[u8], precertificate: &[u8], chain: &[impl AsRef<[u8]>]) -> Result<(), Mismatch> {
    precert::check_tbs(tbs, precertificate, &issuers(chain))
}

fn check_issuer_key(issuer_key_hash: &[u8; 32], chain: &[impl AsRef<[u8]>]) -> Result<(), Mismatch> {
    precert::check_issuer_key(issuer_key_hash, &issuers(chain))
}

const AUTHORITY_KEY: &str = "2.5.29.35";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const PRECERT_SIGNING: &str = "1.3.6.1.4.1.11129.2.4.4";

/// The fields of a TBSCertificate, in order, before its extensions.
const FIELDS: [Field; 9] = [
    Field::Version,
    Field::SerialNumber,
    Field::SignatureAlgorithm,
    Field::Issuer,
    Field::Validity,
    Field::Subject,
    Field::PublicKey,
    Field::IssuerUniqueId,
    Field::SubjectUniqueId,
];

#[derive(Clone)]
struct Tbs {
    fields: [Vec<u8>; 9],
    extensions: Vec<Vec<u8>>,
}

impl Tbs {
    fn der(&self) -> Vec<u8> {
        seq(&[self.fields.concat(), tlv(0xA3, seq(&self.extensions))])
    }

    fn certificate(&self) -> Vec<u8> {
        certificate(&self.der())
    }

    /// Sets the issuer to the CA with this name and key.
    fn issued_by(mut self, name: &str, key: u8) -> Self {
        self.fields[3] = seq(&[attribute("2.5.4.3", 0x0C, name)]);
        self.extensions.iter_mut().filter(|it| is_authority_key(it)).for_each(|it| *it = authority_key(key));
        self
    }

    fn without_authority_key(mut self) -> Self {
        self.extensions.retain(|extension| !is_authority_key(extension));
        self
    }

    fn with_last(mut self, extension: Vec<u8>) -> Self {
        self.extensions.push(extension);
        self
    }

    /// Adds the poison between the other extensions.
    fn poisoned(mut self) -> Self {
        self.extensions.insert(1, poison());
        self
    }
}

fn certificate(tbs: &[u8]) -> Vec<u8> {
    seq(&[tbs.to_vec(), algorithm(), tlv(0x03, [0, 1, 2])])
}

fn algorithm() -> Vec<u8> {
    seq(&[oid("1.2.840.10045.4.3.2")])
}

fn poison() -> Vec<u8> {
    seq(&[oid("1.3.6.1.4.1.11129.2.4.3"), tlv(0x01, [0xFF]), tlv(0x04, [5, 0])])
}

fn authority_key(key: u8) -> Vec<u8> {
    extension(AUTHORITY_KEY, seq(&[tlv(0x80, [key; 20])]))
}

fn is_authority_key(extension: &[u8]) -> bool {
    extension.windows(5).any(|window| window == [6, 3, 0x55, 0x1D, 0x23])
}

fn public_key(key: u8) -> Vec<u8> {
    seq(&[seq(&[oid("1.2.840.10045.2.1")]), tlv(0x03, [0, 4, key])])
}

/// A certificate whose extensions are longer than 127 bytes and, with the poison, longer than 255 bytes.
fn site() -> Tbs {
    Tbs {
        fields: [
            tlv(0xA0, tlv(0x02, [2])),
            tlv(0x02, [0x10, 0x01]),
            algorithm(),
            seq(&[attribute("2.5.4.3", 0x0C, "Issuing CA")]),
            seq(&[tlv(0x17, "240102030405Z"), tlv(0x17, "240402030405Z")]),
            seq(&[attribute("2.5.4.3", 0x0C, "a.example")]),
            public_key(9),
            tlv(0x81, [0, 1]),
            tlv(0x82, [0, 2]),
        ],
        extensions: vec![
            extension(BASIC_CONSTRAINTS, seq(&[])),
            authority_key(1),
            extension(SAN, seq(&vec![dns("some-long-name.example"); 7])),
        ],
    }
}

/// A certificate of the CA with this name and key, with further extensions.
fn authority(name: &str, key: u8, further: &[Vec<u8>]) -> Tbs {
    let mut tbs = site().issued_by("Root CA", 3);
    tbs.fields[5] = seq(&[attribute("2.5.4.3", 0x0C, name)]);
    tbs.fields[6] = public_key(key);
    tbs.extensions.extend_from_slice(further);
    tbs
}

/// The chain of a precertificate that `Issuing CA` signed itself.
fn chain() -> Vec<Vec<u8>> {
    vec![authority("Issuing CA", 1, &[]).certificate(), authority("Root CA", 3, &[]).certificate()]
}

/// A Precertificate Signing Certificate, issued by `Issuing CA`, whose key is 1.
fn signer() -> Tbs {
    let usage = seq(&[oid("1.3.6.1.5.5.7.3.1"), oid(PRECERT_SIGNING)]);
    authority("Precert signer", 2, &[extension(EXTENDED_KEY_USAGE, usage)]).issued_by("Issuing CA", 1)
}

/// The chain of a precertificate that `signer` signed for `Issuing CA`.
fn chain_of(signer: &Tbs) -> Vec<Vec<u8>> {
    [vec![signer.certificate()], chain()].concat()
}

fn differs(field: Field) -> Result<(), Mismatch> {
    Err(Mismatch::Differs { field })
}

#[test]
fn what_the_log_signed_is_the_precertificate_without_its_poison() {
    let hash = sha256(&public_key(1));
    let first = Tbs { extensions: [vec![poison()], site().extensions].concat(), ..site() };
    for precertificate in [site().poisoned(), first, site().with_last(poison())] {
        assert_eq!(check(&site().der(), &hash, &precertificate.certificate(), &chain()), Ok(()));
    }
    let mut plain = site();
    plain.fields[7..].fill(Vec::new());
    let certificate = plain.clone().poisoned().certificate();
    assert_eq!(check(&plain.der(), &hash, &certificate, &chain()), Ok(()), "unique IDs are optional");
}

#[test]
fn each_field_that_differs_is_named() {
    let precertificate = site().poisoned().certificate();
    for (place, field) in FIELDS.into_iter().enumerate() {
        let mut other = site();
        *other.fields[place].last_mut().unwrap() ^= 1;
        assert_eq!(check_tbs(&other.der(), &precertificate, &chain()), differs(field));
        other.fields[place].clear();
        assert_eq!(check_tbs(&other.der(), &precertificate, &chain()), differs(field), "left out");
    }
    for place in 0..site().extensions.len() {
        let mut other = site();
        *other.extensions[place].last_mut().unwrap() ^= 1;
        assert_eq!(check_tbs(&other.der(), &precertificate, &chain()), differs(Field::Extensions));
        other.extensions.remove(place);
        assert_eq!(check_tbs(&other.der(), &precertificate, &chain()), differs(Field::Extensions));
    }
    let mut swapped = site();
    swapped.extensions.swap(0, 2);
    assert_eq!(check_tbs(&swapped.der(), &precertificate, &chain()), differs(Field::Extensions));
    let longer = site().with_last(extension("2.5.29.14", vec![]));
    assert_eq!(check_tbs(&longer.der(), &precertificate, &chain()), differs(Field::Extensions));
    assert_eq!(check_tbs(&site().poisoned().der(), &precertificate, &chain()), differs(Field::Extensions));
    let none = seq(&[site().fields.concat()]);
    assert_eq!(check_tbs(&none, &precertificate, &chain()), differs(Field::Extensions));
    assert_eq!(differs(Field::SerialNumber).unwrap_err().to_string(), "another serial number");
}

#[test]
fn there_is_one_poison() {
    let check = |precertificate: &Tbs| check_tbs(&site().der(), &precertificate.certificate(), &chain());
    assert_eq!(check(&site()), Err(Mismatch::NoPoison));
    assert_eq!(check(&site().poisoned().poisoned()), Err(Mismatch::ManyPoisons));
    let with_scts = site().with_last(extension("1.3.6.1.4.1.11129.2.4.2", vec![4, 0]));
    assert_eq!(
        check(&with_scts),
        Err(Mismatch::NoPoison),
        "a final certificate in place of its precertificate"
    );
    let talkative = extension("1.3.6.1.4.1.11129.2.4.3", tlv(0x0C, "not signed"));
    assert_eq!(check(&site().with_last(talkative)), Err(Mismatch::OddPoison));
    let bare = certificate(&seq(&[site().fields.concat()]));
    assert_eq!(check_tbs(&seq(&[site().fields.concat()]), &bare, &chain()), Err(Mismatch::NoPoison));
}

#[test]
fn a_precert_signer_is_replaced_by_the_ca_that_it_signs_for() {
    let chain = chain_of(&signer());
    let precertificate = site().issued_by("Precert signer", 2).poisoned();
    let hash = sha256(&public_key(1));
    assert_eq!(check(&site().der(), &hash, &precertificate.certificate(), &chain), Ok(()));

    let check = |signed: &Tbs| check_tbs(&signed.der(), &precertificate.certificate(), &chain);
    assert_eq!(check(&site().issued_by("Precert signer", 1)), differs(Field::Issuer), "unchanged");
    assert_eq!(check(&site().issued_by("Issuing CA", 2)), differs(Field::Extensions), "unchanged");
    assert_eq!(check(&site().without_authority_key()), differs(Field::Extensions));
    let moved = site().without_authority_key().with_last(authority_key(1));
    assert_eq!(check(&moved), differs(Field::Extensions), "it keeps its place");

    let serverlike =
        authority("Precert signer", 2, &[extension(EXTENDED_KEY_USAGE, seq(&[oid("1.3.6.1.5.5.7.3.1")]))]);
    let chain = chain_of(&serverlike.issued_by("Issuing CA", 1));
    assert_eq!(
        check_tbs(&site().der(), &precertificate.certificate(), &chain),
        differs(Field::Issuer),
        "only who may sign precertificates is replaced"
    );
}

#[test]
fn the_authority_key_is_that_of_the_precert_signer_or_none() {
    let keyless = chain_of(&signer().without_authority_key());
    let precertificate = site().issued_by("Precert signer", 2).poisoned();
    let check = |signed: &Tbs| check_tbs(&signed.der(), &precertificate.certificate(), &keyless);
    assert_eq!(check(&site().without_authority_key()), Ok(()));
    assert_eq!(check(&site()), differs(Field::Extensions));

    let precertificate = precertificate.without_authority_key().certificate();
    let plain = site().without_authority_key();
    assert_eq!(check_tbs(&plain.der(), &precertificate, &keyless), Ok(()), "neither has one");
    let chain = chain_of(&signer());
    assert_eq!(check_tbs(&plain.der(), &precertificate, &chain), Ok(()), "nothing to replace");
    let added = plain.clone().with_last(authority_key(1));
    assert_eq!(check_tbs(&added.der(), &precertificate, &chain), Ok(()), "or to be added");
    let other = plain.clone().with_last(authority_key(2));
    assert_eq!(check_tbs(&other.der(), &precertificate, &chain), differs(Field::Extensions));
    assert_eq!(check_tbs(&added.der(), &precertificate, &keyless), differs(Field::Extensions));
}

#[test]
fn the_issuer_key_is_that_of_the_ca() {
    let key = |key| sha256(&public_key(key));
    assert_eq!(check_issuer_key(&key(1), &chain()), Ok(()));
    assert_eq!(check_issuer_key(&key(3), &chain()), Err(Mismatch::IssuerKey));
    let signed_for = chain_of(&signer());
    assert_eq!(check_issuer_key(&key(1), &signed_for), Ok(()));
    assert_eq!(check_issuer_key(&key(2), &signed_for), Err(Mismatch::IssuerKey), "that of the signer");
    assert_eq!(check_issuer_key(&key(7), &signed_for[..1]), Ok(()), "the chain does not reach the CA");
    assert_eq!(check_issuer_key(&key(7), &[[]; 0]), Ok(()));
    let precertificate = site().poisoned().certificate();
    assert_eq!(check(&site().der(), &key(7), &precertificate, &[[]; 0]), Ok(()));
    assert_eq!(check(&site().der(), &key(7), &precertificate, &chain()), Err(Mismatch::IssuerKey));
}

#[test]
fn what_is_not_der_is_named_with_its_place() {
    let precertificate = site().poisoned().certificate();
    let of = |result: Result<(), Mismatch>| match result {
        Err(Mismatch::NotDer { of, .. }) => of,
        other => panic!("{other:?}"),
    };
    assert_eq!(of(check_tbs(b"tbs", &precertificate, &chain())), Structure::TbsCertificate);
    assert_eq!(
        of(check_tbs(&[site().der(), vec![0]].concat(), &precertificate, &chain())),
        Structure::TbsCertificate
    );
    assert_eq!(of(check_tbs(&site().der(), b"", &chain())), Structure::Precertificate);
    let trailing = [precertificate.clone(), vec![5, 0]].concat();
    assert_eq!(of(check_tbs(&site().der(), &trailing, &chain())), Structure::Precertificate);
    assert_eq!(of(check_tbs(&site().der(), &precertificate, &[b"issuer"])), Structure::Issuer);
    let error = check_tbs(&site().der(), b"\x30\x00", &chain()).unwrap_err();
    assert_eq!(error.to_string(), "the precertificate is not DER at byte 2: no SEQUENCE where one belongs");
}

#[test]
fn lengths_around_what_changes_are_minimal() {
    let precertificate = site().poisoned().certificate();
    let long = |tag: u8, content: Vec<u8>| {
        [vec![tag, 0x83, 0], (content.len() as u16).to_be_bytes().to_vec(), content].concat()
    };
    let (fields, list) = (site().fields.concat(), site().extensions.concat());
    for tbs in [
        long(0x30, [fields.clone(), tlv(0xA3, tlv(0x30, &list))].concat()),
        seq(&[fields.clone(), long(0xA3, tlv(0x30, &list))]),
        seq(&[fields.clone(), tlv(0xA3, long(0x30, list.clone()))]),
    ] {
        assert!(check_tbs(&tbs, &precertificate, &chain()).is_err());
    }
    let sloppy = long(0x30, [fields, long(0xA3, long(0x30, [list, poison()].concat()))].concat());
    assert_eq!(check_tbs(&site().der(), &certificate(&sloppy), &chain()), Ok(()), "the log wrote them anew");
}

#[test]
fn every_flipped_bit_of_what_was_signed_is_noticed() {
    let by_ca = (site().poisoned().certificate(), chain());
    let by_signer = (site().issued_by("Precert signer", 2).poisoned().certificate(), chain_of(&signer()));
    for (precertificate, chain) in [by_ca, by_signer] {
        let mut tbs = site().der();
        assert_eq!(check_tbs(&tbs, &precertificate, &chain), Ok(()));
        for bit in 0..8 * tbs.len() {
            tbs[bit / 8] ^= 1 << (bit % 8);
            assert!(check_tbs(&tbs, &precertificate, &chain).is_err(), "bit {bit}");
            tbs[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn whatever_ends_early_is_refused() {
    let chain = chain_of(&signer());
    let hash = sha256(&public_key(1));
    let tbs = site().der();
    let precertificate = site().issued_by("Precert signer", 2).poisoned().certificate();
    for end in 0..tbs.len() {
        assert!(check(&tbs[..end], &hash, &precertificate, &chain).is_err());
    }
    for end in 0..precertificate.len() {
        assert!(check(&tbs, &hash, &precertificate[..end], &chain).is_err());
    }
    for end in 0..chain[0].len() {
        assert!(check(&tbs, &hash, &precertificate, &[&chain[0][..end], &chain[1]]).is_err());
    }
}

proptest! {
    /// Damages a few bytes of one of the three inputs and truncates it. The result may be anything, but must
    /// not be a panic.
    #[test]
    fn damage_never_panics(
        which in 0usize..4,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let chain = chain_of(&signer());
        let precertificate = site().issued_by("Precert signer", 2).poisoned().certificate();
        let mut parts = [site().der(), precertificate, chain[0].clone(), chain[1].clone()];
        let part = &mut parts[which];
        for (place, byte) in damage {
            let place = place.index(part.len());
            part[place] = byte;
        }
        part.truncate(cut.index(part.len() + 1));
        let _ = check(&parts[0], &[0; 32], &parts[1], &parts[2..]);
    }

    #[test]
    fn any_bytes_never_panic(
        tbs in prop::collection::vec(any::<u8>(), 0..64),
        precertificate in prop::collection::vec(any::<u8>(), 0..64),
        issuer in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        prop_assert!(check(&tbs, &[0; 32], &precertificate, &[issuer]).is_err());
    }
}

/// RFC 5280 section 4.1: an empty list of extensions is left out.
#[test]
fn a_precertificate_with_nothing_but_the_poison_is_signed_without_extensions() {
    let mut shown = site();
    shown.extensions = vec![poison()];
    let signed = seq(&[shown.fields.concat()]);
    let key = sha256(&shown.fields[6]);
    let none: [&[u8]; 0] = [];
    assert_eq!(check(&signed, &key, &shown.certificate(), &none), Ok(()));
    let with_empty_list = seq(&[shown.fields.concat(), tlv(0xA3, seq(&[]))]);
    let differs = Err(Mismatch::Differs { field: Field::Extensions });
    assert_eq!(check(&with_empty_list, &key, &shown.certificate(), &none), differs);
    shown.extensions.push(authority_key(1));
    assert_eq!(check(&signed, &key, &shown.certificate(), &none), differs);
}
