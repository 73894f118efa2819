//! A certificate for a server under test.

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::{X509, X509NameBuilder};
use std::path::Path;

/// Writes a certificate for the name `name`, and its key.
pub fn write_certificate(dir: &Path, name: &str) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    let key = PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key");
    let mut subject = X509NameBuilder::new().expect("a name");
    subject.append_entry_by_text("CN", name).expect("a name");
    let subject = subject.build();
    let mut certificate = X509::builder().expect("a certificate");
    certificate.set_version(2).expect("a version");
    certificate.set_subject_name(&subject).expect("a subject");
    certificate.set_issuer_name(&subject).expect("an issuer");
    certificate.set_pubkey(&key).expect("a key");
    certificate.set_not_before(&Asn1Time::days_from_now(0).expect("a time")).expect("a time");
    certificate.set_not_after(&Asn1Time::days_from_now(1).expect("a time")).expect("a time");
    certificate.sign(&key, MessageDigest::sha256()).expect("a signature");
    std::fs::write(dir.join("cert.pem"), certificate.build().to_pem().expect("PEM")).expect("a file");
    std::fs::write(dir.join("key.pem"), key.private_key_to_pem_pkcs8().expect("PEM")).expect("a file");
}

/// The section of a configuration with these files.
pub fn tls(dir: &Path) -> String {
    let path = |name: &str| dir.join(name).display().to_string();
    format!("[tls]\ncertificate = '{}'\nkey = '{}'\n", path("cert.pem"), path("key.pem"))
}
