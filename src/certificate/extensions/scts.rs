//! Signed certificate timestamps embedded in a certificate (RFC 6962 sections 3.2 and 3.3).

use super::super::der::{Malformed, Reader, Result, tag};
use super::super::json::JsonText;
use super::super::{hex, time};
use super::printed::Printed;

const V1: u8 = 0;

/// ```text
/// opaque SerializedSCT<1..2^16-1>;
/// struct { SerializedSCT sct_list <1..2^16-1>; } SignedCertificateTimestampList;
/// ```
/// in an OCTET STRING of its own.
pub(super) fn list(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let at = value.at();
    let octets = value.string(tag::OCTET_STRING)?;
    let broken = Malformed { what: "broken list of timestamps", at };
    let (list, rest) = split_vector(&octets).ok_or(broken)?;
    if !rest.is_empty() {
        return Err(broken);
    }
    let mut rest = list;
    while !rest.is_empty() {
        let (sct, after) = split_vector(rest).filter(|(sct, _)| !sct.is_empty()).ok_or(broken)?;
        if rest.len() < list.len() {
            out.line_end();
        }
        write_sct(sct, out).ok_or(broken)?;
        rest = after;
    }
    Ok(Printed::Text)
}

fn write_sct(sct: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.raw("Signed Certificate Timestamp:\\n    Version   : ");
    if sct.first() == Some(&V1) {
        return write_v1(&Sct::read(sct)?, out);
    }
    out.raw("unknown\\n                ");
    hex::block(sct, out);
    Some(())
}

/// ```text
/// struct {
///     Version sct_version;  /* v1(0) */
///     LogID id;  /* opaque key_id[32] */
///     uint64 timestamp;  /* milliseconds */
///     CtExtensions extensions;  /* opaque <0..2^16-1> */
///     digitally-signed struct { ... };  /* hash, signature algorithm, opaque <0..2^16-1> */
/// } SignedCertificateTimestamp;
/// ```
struct Sct<'a> {
    log_id: &'a [u8; 32],
    timestamp_ms: u64,
    extensions: &'a [u8],
    algorithm: &'static str,
    signature: &'a [u8],
}

impl<'a> Sct<'a> {
    fn read(sct: &'a [u8]) -> Option<Sct<'a>> {
        let (_version, rest) = sct.split_first()?;
        let (log_id, rest) = rest.split_first_chunk()?;
        let (timestamp, rest) = rest.split_first_chunk()?;
        let (extensions, signed) = split_vector(rest)?;
        // OpenSSL treats four bytes or less as an empty signature. No algorithm has such a short one.
        if signed.len() <= 4 {
            return None;
        }
        let (algorithms, signature) = signed.split_first_chunk()?;
        let algorithm = match algorithms {
            [4 /* sha256 */, 3 /* ecdsa */] => "ecdsa-with-SHA256",
            [4 /* sha256 */, 1 /* rsa */] => "sha256WithRSAEncryption",
            _ => return None,
        };
        let (signature, _) = split_vector(signature)?;
        Some(Sct { log_id, timestamp_ms: u64::from_be_bytes(*timestamp), extensions, algorithm, signature })
    }
}

fn write_v1(sct: &Sct<'_>, out: &mut Vec<u8>) -> Option<()> {
    out.raw("v1 (0x0)\\n    Log ID    : ");
    hex::block(sct.log_id, out);
    out.raw("\\n    Timestamp : ");
    time::write_milliseconds(sct.timestamp_ms, out);
    out.raw("\\n    Extensions: ");
    if sct.extensions.is_empty() {
        out.raw("none");
    } else {
        hex::block(sct.extensions, out);
    }
    out.raw("\\n    Signature : ");
    out.raw(sct.algorithm);
    out.raw("\\n                ");
    hex::block(sct.signature, out);
    Some(())
}

/// Splits off a vector with a length of two bytes (RFC 8446 section 3.4). Returns it and the bytes that
/// follow.
fn split_vector(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
