//! Tests that the certificates are valid according to OpenSSL, and that RFC 6962's structs contain them.

use super::*;
use crate::certificate::Issuer;
use crate::ct::entry::{FramingFault, decode};
use crate::ct::merkle::Hash;
use crate::demo::{EntryKind, PublishedEntry};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::Id;
use openssl::sha::sha256;
use openssl::sign::Verifier;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509PurposeId, X509StoreContext};
use std::collections::HashSet;

const SCT_LIST_OID: &[u8] = b"\x06\x0A\x2B\x06\x01\x04\x01\xD6\x79\x02\x04\x02";
const POISON_EXTENSION: &[u8] =
    b"\x30\x13\x06\x0A\x2B\x06\x01\x04\x01\xD6\x79\x02\x04\x03\x01\x01\xFF\x04\x02\x05\x00";

async fn some_entries(count: u64) -> (DemoLog, Vec<PublishedEntry>) {
    let log = log_with(DemoLogOptions { rate: 0.0, initial: count, ..Default::default() }).await;
    let entries = (0..count).map(|index| log.entry(index).unwrap()).collect();
    (log, entries)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Removes a TLS vector with a length of `width` bytes from the front.
fn vector<'a>(bytes: &mut &'a [u8], width: usize) -> &'a [u8] {
    let length = take(bytes, width).iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    take(bytes, length)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

/// The content of the DER element at the start of `bytes`, and the element's total length.
fn element(bytes: &[u8]) -> (&[u8], usize) {
    let (start, length) = match bytes[1] {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let octets = usize::from(long & 0x7F);
            let digits = &bytes[2..2 + octets];
            (2 + octets, digits.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
        }
    };
    (&bytes[start..start + length], start + length)
}

/// The encoded TBSCertificate of a certificate.
fn tbs_of(certificate: &[u8]) -> &[u8] {
    let (content, _) = element(certificate);
    &content[..element(content).1]
}

/// The fields of a TBSCertificate before its extensions, and the list of extensions.
fn parts(tbs: &[u8]) -> (&[u8], &[u8]) {
    let (mut rest, _) = element(tbs);
    let fields = rest;
    while rest[0] != 0xA3 {
        rest = &rest[element(rest).1..];
    }
    let extensions = element(element(rest).0).0;
    (&fields[..fields.len() - rest.len()], extensions)
}

/// The SCTs in a final certificate, and the extension that contains them.
fn scts_of(tbs: &[u8]) -> Option<(Vec<&[u8]>, &[u8])> {
    let mut extensions = parts(tbs).1;
    while !extensions.is_empty() {
        let length = element(extensions).1;
        let extension = take(&mut extensions, length);
        if contains(extension, SCT_LIST_OID) {
            let at = SCT_LIST_OID.len();
            let mut list = element(element(&element(extension).0[at..]).0).0;
            let mut list = vector(&mut list, 2);
            let mut scts = Vec::new();
            while !list.is_empty() {
                scts.push(vector(&mut list, 2));
            }
            return Some((scts, extension));
        }
    }
    None
}

#[actix_web::test]
async fn every_chain_verifies_and_final_certificates_are_good_for_their_names() {
    let (log, entries) = some_entries(300).await;
    let mut verified = 0;
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::X509) {
        let leaf = X509::from_der(&entry.certificate).unwrap();
        let issuer = X509::from_der(&entry.chain[0]).unwrap();
        let root = X509::from_der(&entry.chain[1]).unwrap();
        let mut wanted = X509VerifyParam::new().unwrap();
        wanted.set_flags(X509VerifyFlags::X509_STRICT).unwrap();
        wanted.set_purpose(X509PurposeId::SSL_SERVER).unwrap();
        if let Some(name) = entry.first_dns_name.as_deref() {
            wanted.set_host(&name.replace('*', "any")).unwrap();
        }
        let mut store = X509StoreBuilder::new().unwrap();
        store.add_cert(root).unwrap();
        store.set_param(&wanted).unwrap();
        let mut untrusted = Stack::new().unwrap();
        untrusted.push(issuer).unwrap();
        let mut context = X509StoreContext::new().unwrap();
        let (good, error) = context
            .init(&store.build(), &leaf, &untrusted, |context| Ok((context.verify_cert()?, context.error())))
            .unwrap();
        assert!(good, "{error}: {:?}", entry.first_dns_name);
        verified += 1;
    }
    assert!(verified > 50);
    log.stop().await;
}

#[actix_web::test]
async fn precerts_are_signed_by_the_head_of_their_chain_and_poisoned() {
    let (log, entries) = some_entries(200).await;
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::Precert) {
        let precert = X509::from_der(&entry.certificate).unwrap();
        let issuer = X509::from_der(&entry.chain[0]).unwrap();
        assert!(precert.verify(&issuer.public_key().unwrap()).unwrap());
        assert!(contains(&entry.certificate, POISON_EXTENSION));
        assert!(!contains(&entry.certificate, SCT_LIST_OID));
    }
    log.stop().await;
}

#[actix_web::test]
async fn precerts_are_what_the_log_signed_and_nothing_else_is() {
    let (log, entries) = some_entries(300).await;
    let decode =
        |leaf: Vec<u8>, entry: &PublishedEntry| decode(&leaf, &entry.extra_data, Issuer::unshared).unwrap();
    for entry in &entries {
        assert_eq!(decode(entry.leaf_input.to_vec(), entry).fault, None);
    }
    let precert = entries.iter().find(|entry| entry.kind == EntryKind::Precert).unwrap();
    // The bytes after the head of the MerkleTreeLeaf, without the length of the TBSCertificate and the
    // CtExtensions.
    let signed = (12..44).chain(47..precert.leaf_input.len() - 2);
    for bit in signed.flat_map(|byte| 8 * byte..8 * byte + 8) {
        let mut leaf = precert.leaf_input.to_vec();
        leaf[bit / 8] ^= 1 << (bit % 8);
        let decoded = decode(leaf, precert);
        assert!(matches!(decoded.fault, Some(FramingFault::Precert(_))), "bit {bit}: {:?}", decoded.fault);
        assert_eq!(decoded.certificate, precert.certificate, "delivered all the same");
    }
    log.stop().await;
}

#[actix_web::test]
async fn what_is_served_are_the_structs_of_the_rfc() {
    let (log, entries) = some_entries(120).await;
    let served = decoded(&get(&log, "get-entries?start=0&end=119").await);
    for (entry, (leaf, extra)) in entries.iter().zip(&served) {
        assert_eq!((entry.leaf_input.as_ref(), entry.extra_data.as_ref()), (&leaf[..], &extra[..]));
        let (mut leaf, mut extra) = (&leaf[..], &extra[..]);
        assert_eq!(take(&mut leaf, 2), [0, 0], "version and leaf type");
        assert_eq!(take(&mut leaf, 8), entry.timestamp_ms.to_be_bytes());
        if entry.kind == EntryKind::X509 {
            assert_eq!(take(&mut leaf, 2), [0, 0]);
            assert_eq!(vector(&mut leaf, 3), entry.certificate);
        } else {
            assert_eq!(take(&mut leaf, 2), [0, 1]);
            // The chain ends with the root. Before it is the authority, and before that a precert signer, if
            // there is one.
            let authority = entry.chain.len() - 2;
            let issuer = X509::from_der(&entry.chain[authority]).unwrap();
            let spki = issuer.public_key().unwrap().public_key_to_der().unwrap();
            assert_eq!(take(&mut leaf, 32), sha256(&spki), "issuer_key_hash");
            assert_eq!(vector(&mut extra, 3), entry.certificate);
            // The leaf's TBSCertificate is exactly the precert's without the poison.
            let (fields, extensions) = parts(vector(&mut leaf, 3));
            let (precert_fields, precert_extensions) = parts(tbs_of(&entry.certificate));
            if authority == 0 {
                assert_eq!(fields, precert_fields);
                assert_eq!([extensions, POISON_EXTENSION].concat(), precert_extensions);
            } else {
                assert_ne!(fields, precert_fields, "another issuer");
            }
        }
        assert_eq!(leaf, [0, 0], "no extensions, and nothing after them");
        let mut chain = vector(&mut extra, 3);
        assert!(extra.is_empty());
        for certificate in &entry.chain {
            assert_eq!(vector(&mut chain, 3), certificate);
        }
        assert!(chain.is_empty());
    }
    log.stop().await;
}

#[actix_web::test]
async fn a_final_certificate_differs_from_its_precert_in_the_scts_alone() {
    let (log, entries) = some_entries(300).await;
    let tbs_of_precerts: HashSet<Vec<u8>> = entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::Precert)
        .map(|entry| {
            let mut rest = &entry.leaf_input[44..];
            let (fields, extensions) = parts(vector(&mut rest, 3));
            [fields, extensions].concat()
        })
        .collect();
    let mut followed = 0;
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::X509) {
        let tbs = tbs_of(&entry.certificate);
        let (fields, extensions) = parts(tbs);
        let (scts, sct_extension) = scts_of(tbs).unwrap();
        assert_eq!(scts.len(), 2);
        let without = extensions.strip_suffix(sct_extension).expect("the SCT list comes last");
        followed += u32::from(tbs_of_precerts.contains(&[fields, without].concat()));
    }
    assert!(followed > 50, "only {followed} final certificates follow a precert");
    log.stop().await;
}

#[actix_web::test]
async fn scts_have_the_structure_of_the_rfc() {
    let (log, entries) = some_entries(100).await;
    let mut log_ids: HashSet<Hash> = HashSet::new();
    let mut with_extensions = 0;
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::X509) {
        for mut sct in scts_of(tbs_of(&entry.certificate)).unwrap().0 {
            assert_eq!(take(&mut sct, 1), [0], "version v1");
            log_ids.insert(take(&mut sct, 32).try_into().unwrap());
            let timestamp_ms = u64::from_be_bytes(take(&mut sct, 8).try_into().unwrap());
            assert!(timestamp_ms.abs_diff(entry.timestamp_ms) < 60_000);
            let extensions = vector(&mut sct, 2);
            assert!(extensions.is_empty() || extensions[..3] == [0, 0, 5] && extensions.len() == 8);
            with_extensions += usize::from(!extensions.is_empty());
            assert_eq!(take(&mut sct, 2), [4, 3], "SHA-256 with ECDSA");
            openssl::ecdsa::EcdsaSig::from_der(vector(&mut sct, 2)).unwrap();
            assert!(sct.is_empty());
        }
    }
    assert_eq!(log_ids.len(), 2);
    assert!(with_extensions > 0);
    log.stop().await;
}

#[actix_web::test]
async fn all_sorts_of_certificates_are_issued() {
    let (log, entries) = some_entries(1_500).await;
    let certificates: Vec<X509> =
        entries.iter().map(|entry| X509::from_der(&entry.certificate).unwrap()).collect();
    let share = |wanted: &dyn Fn(&X509) -> bool| {
        certificates.iter().filter(|certificate| wanted(certificate)).count()
    };
    let subject_has =
        |nid| move |certificate: &X509| certificate.subject_name().entries_by_nid(nid).count() > 0;
    let key_is = |id| move |certificate: &X509| certificate.public_key().unwrap().id() == id;
    let days = |certificate: &X509| certificate.not_before().diff(certificate.not_after()).unwrap().days;
    let sans = |certificate: &X509| certificate.subject_alt_names().unwrap();

    let common_names = share(&subject_has(Nid::COMMONNAME));
    assert!((300..1_300).contains(&common_names), "{common_names} with a common name");
    assert!(share(&|certificate| certificate.subject_name().entries().count() == 0) > 300);
    assert!(share(&subject_has(Nid::ORGANIZATIONNAME)) > 100);
    assert!(share(&subject_has(Nid::BUSINESSCATEGORY)) > 30);
    assert!(share(&key_is(Id::RSA)) > 100 && share(&key_is(Id::EC)) > 500);
    assert!(share(&|certificate| days(certificate) == 89) > 500);
    assert!(share(&|certificate| days(certificate) == 397) > 100);
    let algorithm = |certificate: &X509| certificate.signature_algorithm().object().nid();
    assert!(share(&|certificate| algorithm(certificate) == Nid::SHA256WITHRSAENCRYPTION) > 100);
    assert!(share(&|certificate| algorithm(certificate) == Nid::ECDSA_WITH_SHA256) > 500);
    assert!(share(&|certificate| sans(certificate).len() == 100) > 0);
    assert!(share(&|certificate| sans(certificate).iter().any(|n| n.ipaddress().is_some())) > 5);
    let starting = |start: &'static str| {
        move |entry: &&PublishedEntry| {
            entry.first_dns_name.as_deref().is_some_and(|name| name.starts_with(start))
        }
    };
    assert!(entries.iter().filter(starting("*.")).count() > 50);
    assert!(entries.iter().filter(starting("xn--")).count() > 10);
    let precerts = entries.iter().filter(|entry| entry.kind == EntryKind::Precert).count();
    assert!((700..1_100).contains(&precerts), "{precerts} precerts");
    let serials: HashSet<Vec<u8>> = certificates
        .iter()
        .map(|certificate| certificate.serial_number().to_bn().unwrap().to_vec())
        .collect();
    assert!(serials.len() > 900 && serials.iter().any(|serial| serial[0] >= 0x80));
    log.stop().await;
}

#[actix_web::test]
async fn the_key_of_the_log_is_the_one_that_signs() {
    let (log, _) = some_entries(1).await;
    let head = head(&log).await;
    let key = public_key(&log);
    let input = crate::ct::sth::signature_input(head.timestamp_ms, head.tree_size, &head.root_hash);
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
    assert!(verifier.verify_oneshot(&head.tree_head_signature[4..], &input).unwrap());
    log.stop().await;
}
