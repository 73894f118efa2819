//! SHA-256 for this crate's hot path, and the digests in the JSON of a certificate.

use super::hex::colons;
use super::json::JsonText;

/// SHA-256 of `bytes`. `openssl::sha::sha256` gives the same, but looks the algorithm up on every call, which costs as
/// much as hashing a public key.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hasher = openssl::sha::Sha256::new();
    hasher.update(bytes);
    hasher.finish()
}

/// Writes the members `fingerprint`, `sha1` and `sha256`. Each hash is computed only once.
pub(super) fn write_digests(der: &[u8], out: &mut Vec<u8>) {
    let sha1 = {
        let mut hasher = openssl::sha::Sha1::new();
        hasher.update(der);
        hasher.finish()
    };
    let sha256 = sha256(der);
    out.raw("\"fingerprint\":\"");
    colons(&sha1, out);
    out.raw("\",\"sha1\":\"");
    colons(&sha1, out);
    out.raw("\",\"sha256\":\"");
    colons(&sha256, out);
    out.raw("\",");
}
