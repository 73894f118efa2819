//! The digests of a certificate.

use super::hex::colons;
use super::json::JsonText;

/// Writes the members `fingerprint`, `sha1` and `sha256`. Each hash is computed only once.
pub(super) fn write_digests(der: &[u8], out: &mut Vec<u8>) {
    let sha1 = {
        let mut hasher = openssl::sha::Sha1::new();
        hasher.update(der);
        hasher.finish()
    };
    let sha256 = {
        let mut hasher = openssl::sha::Sha256::new();
        hasher.update(der);
        hasher.finish()
    };
    out.raw("\"fingerprint\":\"");
    colons(&sha1, out);
    out.raw("\",\"sha1\":\"");
    colons(&sha1, out);
    out.raw("\",\"sha256\":\"");
    colons(&sha256, out);
    out.raw("\",");
}
