//! Certificates for TLS with certificates on both sides.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use std::path::Path;

/// The keys of a configuration: it trusts the authority in `authority`, and has the certificate in `client`.
pub fn tls_keys(authority: &Path, client: Option<&Path>) -> String {
    let mut text = format!("tls_ca = '{}'\n", authority.join("ca.pem").display());
    if let Some(client) = client {
        let path = |name: &str| client.join(name).display().to_string();
        text += &format!("tls_certificate = '{}'\ntls_key = '{}'\n", path("cert.pem"), path("key.pem"));
    }
    text
}

/// Writes an authority (`ca.pem`) and a certificate for 127.0.0.1 that it has issued (`cert.pem`, `key.pem`).
pub fn write_certificates(dir: &Path) {
    let (authority_key, key) = (new_key(), new_key());
    let mut authority = certificate("Authority", "Authority", &authority_key, 1);
    authority
        .append_extension(BasicConstraints::new().critical().ca().build().expect("an extension"))
        .expect("space");
    authority.sign(&authority_key, MessageDigest::sha256()).expect("a signature");
    let authority = authority.build();
    let mut leaf = certificate("127.0.0.1", "Authority", &key, 2);
    let names =
        SubjectAlternativeName::new().ip("127.0.0.1").build(&leaf.x509v3_context(Some(&authority), None));
    leaf.append_extension(names.expect("an extension")).expect("space");
    leaf.sign(&authority_key, MessageDigest::sha256()).expect("a signature");
    let write = |name: &str, pem: Vec<u8>| std::fs::write(dir.join(name), pem).expect("a file");
    write("ca.pem", authority.to_pem().expect("PEM"));
    write("cert.pem", leaf.build().to_pem().expect("PEM"));
    write("key.pem", key.private_key_to_pem_pkcs8().expect("PEM"));
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

fn certificate(subject: &str, issuer: &str, key: &PKey<Private>, serial: u32) -> X509Builder {
    let name = |text: &str| {
        let mut name = X509NameBuilder::new().expect("a name");
        name.append_entry_by_text("CN", text).expect("a name");
        name.build()
    };
    let serial = BigNum::from_u32(serial).and_then(|number| number.to_asn1_integer()).expect("a number");
    let mut certificate = X509::builder().expect("a certificate");
    certificate.set_version(2 /* v3 */).expect("a version");
    certificate.set_serial_number(&serial).expect("a number");
    certificate.set_subject_name(&name(subject)).expect("a subject");
    certificate.set_issuer_name(&name(issuer)).expect("an issuer");
    certificate.set_pubkey(key).expect("a key");
    certificate.set_not_before(&Asn1Time::days_from_now(0).expect("a time")).expect("a time");
    certificate.set_not_after(&Asn1Time::days_from_now(1).expect("a time")).expect("a time");
    certificate
}
