//! PEM (RFC 7468) in files of any content, and what a file contains instead of a certificate.
//!
//! OpenSSL's decoder is not used for certificates, because it rejects malformed ones, which `cert` should show.

use openssl::pkey::PKey;
use openssl::x509::{X509Crl, X509Req};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// Maximum length of a label. The longest ones in use have about 30 characters.
const MAX_LABEL: usize = 64;

/// One block of a PEM file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    label: String,
    /// The decoded content; empty unless it is a certificate.
    pub(super) der: Vec<u8>,
}

impl Block {
    /// Whether it is a certificate.
    pub(super) fn is_certificate(&self) -> bool {
        matches!(self.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE")
    }

    /// What it is, with an article.
    pub(super) fn kind(&self) -> String {
        match self.label.as_str() {
            label if label.ends_with("PRIVATE KEY") => "a private key".into(),
            label if label.ends_with("PUBLIC KEY") => "a public key".into(),
            label if label.ends_with("CERTIFICATE REQUEST") => "a certificate request".into(),
            label if label.ends_with("CRL") => "a certificate revocation list".into(),
            label => format!("a PEM block \"{label}\""),
        }
    }
}

/// The blocks in `content`, which may have any bytes between them.
///
/// # Errors
/// If a certificate's block has no end, or is not base64.
pub(super) fn blocks(content: &[u8]) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut rest = content;
    while let Some(label_at) = find(rest, BEGIN).map(|at| at + BEGIN.len()) {
        rest = &rest[label_at..];
        let Some(label) = label(rest) else { continue };
        rest = &rest[label.len() + DASHES.len()..];
        let mut block = Block { label: label.into(), der: Vec::new() };
        if block.is_certificate() {
            let end = find(rest, END).ok_or_else(|| format!("the block \"{}\" has no end", block.label))?;
            block.der = base64_simd::forgiving_decode_to_vec(&rest[..end])
                .map_err(|_| format!("the block \"{}\" is not valid base64", block.label))?;
            rest = &rest[end..];
        }
        blocks.push(block);
    }
    Ok(blocks)
}

/// The label at the beginning of `text`, if there is one that ends with dashes.
fn label(text: &[u8]) -> Option<&str> {
    let end = find(&text[..text.len().min(MAX_LABEL + DASHES.len())], DASHES)?;
    let label = std::str::from_utf8(&text[..end]).ok()?;
    let is_label = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ';
    (!label.is_empty() && label.chars().all(is_label)).then_some(label)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// What a DER file contains, if it is well-formed and no certificate.
pub(super) fn kind_of_der(der: &[u8]) -> Option<&'static str> {
    if PKey::private_key_from_der(der).is_ok() {
        return Some("a private key");
    }
    if PKey::public_key_from_der(der).is_ok() {
        return Some("a public key");
    }
    if X509Req::from_der(der).is_ok() {
        return Some("a certificate request");
    }
    X509Crl::from_der(der).is_ok().then_some("a certificate revocation list")
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::rsa::Rsa;
    use openssl::x509::X509ReqBuilder;

    fn ders(content: &[u8]) -> Vec<Vec<u8>> {
        blocks(content).unwrap().into_iter().map(|block| block.der).collect()
    }

    #[test]
    fn blocks_are_found_in_any_bytes() {
        let block = b"-----BEGIN CERTIFICATE-----\r\nAAEC\r\n-----END CERTIFICATE-----\n";
        let content = [b"\xFCber \x00-----BEGIN ".as_slice(), block, b"Autorit\xE9 2\n", block].concat();
        assert_eq!(ders(&content), [vec![0, 1, 2], vec![0, 1, 2]]);
        assert_eq!(ders(b"0\x82\x01"), [] as [Vec<u8>; 0]);
        let others = b"-----BEGIN X509 CERTIFICATE-----\nAAEC\n-----END X509 CERTIFICATE-----";
        assert_eq!(ders(others), [vec![0, 1, 2]]);
    }

    #[test]
    fn a_certificate_without_end_or_base64_is_an_error_that_says_so() {
        for (content, problem) in [
            ("-----BEGIN CERTIFICATE-----\nAAEC\n", "has no end"),
            ("-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n", "is not valid base64"),
        ] {
            assert!(blocks(content.as_bytes()).unwrap_err().contains(problem));
        }
    }

    #[test]
    fn what_is_no_certificate_has_a_name() {
        let kind = |label: &str| blocks(format!("-----BEGIN {label}-----").as_bytes()).unwrap()[0].kind();
        assert_eq!(kind("RSA PRIVATE KEY"), "a private key");
        assert_eq!(kind("PUBLIC KEY"), "a public key");
        assert_eq!(kind("NEW CERTIFICATE REQUEST"), "a certificate request");
        assert_eq!(kind("X509 CRL"), "a certificate revocation list");
        assert_eq!(kind("PKCS7"), "a PEM block \"PKCS7\"");

        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut request = X509ReqBuilder::new().unwrap();
        request.set_pubkey(&key).unwrap();
        request.sign(&key, openssl::hash::MessageDigest::sha256()).unwrap();
        let request = request.build().to_der().unwrap();
        assert_eq!(kind_of_der(&key.private_key_to_der().unwrap()), Some("a private key"));
        assert_eq!(kind_of_der(&key.public_key_to_der().unwrap()), Some("a public key"));
        assert_eq!(kind_of_der(&request), Some("a certificate request"));
        assert_eq!(kind_of_der(b"0\x03\x02\x01\x00"), None);
    }
}
