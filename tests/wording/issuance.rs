//! Compares the hash that the precert and the certificate of one issuance share with a hash computed by
//! OpenSSL.

#![allow(unsafe_code)]

use crate::sources;
use certstream_server::certificate::{Certificate, Issuer, LeafKind};
use certstream_server::ct::entry::{LogEntry, LogEntryType, decode};
use foreign_types::ForeignType;
use openssl::sha::sha256;
use openssl::x509::X509;
use openssl_sys::{X509_EXTENSION_free, X509_delete_ext, X509_get_ext_by_NID};
use std::collections::HashMap;
use std::ptr::null_mut;

/// The identifier of 1.3.6.1.4.1.11129.2.4.2. OpenSSL's name for it mentions precerts, although it occurs in
/// final certificates.
const NID_CT_PRECERT_SCTS: i32 = 951;

unsafe extern "C" {
    /// Encodes the TBSCertificate again. Part of OpenSSL since 1.1.0.
    fn i2d_re_X509_tbs(x: *mut openssl_sys::X509, out: *mut *mut u8) -> i32;
}

/// SHA-256 of the TBSCertificate without its SCT list, as OpenSSL encodes it.
fn by_openssl(der: &[u8]) -> [u8; 32] {
    let certificate = X509::from_der(der).expect("a certificate");
    let x509 = certificate.as_ptr();
    // SAFETY: the certificate lives until the end, and no other code changes it. Everything that OpenSSL
    // allocates is freed.
    let tbs = unsafe {
        let place = X509_get_ext_by_NID(x509, NID_CT_PRECERT_SCTS, -1);
        if place >= 0 {
            X509_EXTENSION_free(X509_delete_ext(x509, place));
        }
        let length = i2d_re_X509_tbs(x509, null_mut());
        let mut tbs = vec![0; usize::try_from(length).expect("a length")];
        let mut end = tbs.as_mut_ptr();
        assert_eq!(i2d_re_X509_tbs(x509, &mut end), length);
        tbs
    };
    sha256(&tbs)
}

fn serial(entry: &LogEntry) -> Vec<u8> {
    let certificate = X509::from_der(&entry.certificate).expect("a certificate");
    certificate.serial_number().to_bn().expect("a number").to_vec()
}

/// Checks all entries. Returns the number of certificates whose precert is among them, and the number of
/// these whose precert was signed by another key.
fn check(entries: &[LogEntry]) -> (usize, usize) {
    let precerts = entries.iter().filter(|entry| entry.entry_type == LogEntryType::Precert);
    let precerts: HashMap<_, _> = precerts.map(|entry| (serial(entry), entry)).collect();
    let (mut pairs, mut by_another) = (0, 0);
    for entry in entries.iter().filter(|entry| entry.entry_type == LogEntryType::X509) {
        let hash = Certificate::parse(&entry.certificate).tbs_sha256(LeafKind::X509).expect("a hash");
        assert_eq!(hash, by_openssl(&entry.certificate));
        if let Some(precert) = precerts.get(&serial(entry)) {
            let certificate = Certificate::parse(&precert.certificate);
            assert_eq!(precert.signed_tbs.sha256(&certificate, LeafKind::Precert), Some(hash));
            pairs += 1;
            by_another += usize::from(precert.chain.len() > entry.chain.len());
        }
    }
    (pairs, by_another)
}

#[test]
fn the_precert_and_the_certificate_of_one_issuance_have_the_same_hash() {
    let entries: Vec<_> = sources::demo(2000)
        .iter()
        .map(|entry| {
            let (leaf_input, extra_data) = entry.bytes().expect("base64");
            let entry = decode(&leaf_input, &extra_data, Issuer::unshared).expect("an entry");
            assert_eq!(entry.fault, None);
            entry
        })
        .collect();
    let (pairs, by_another) = check(&entries);
    println!("{pairs} pairs, {by_another} with a Precertificate Signing Certificate");
    assert!(pairs > 200 && by_another > 20, "{pairs}, {by_another}");
}

#[test]
fn so_have_those_of_real_logs() {
    let Some(entries) = sources::conformance("live") else { return };
    let entries = entries.iter().map(|entry| entry.bytes().expect("base64"));
    let entries: Vec<_> =
        entries.map(|(leaf, extra)| decode(&leaf, &extra, Issuer::unshared).expect("an entry")).collect();
    let (pairs, _) = check(&entries);
    println!("{pairs} pairs of {} entries", entries.len());
}
