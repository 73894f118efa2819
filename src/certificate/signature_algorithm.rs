//! `signature_algorithm`: `sha256, rsa`, `ed25519` and so on, with the names that existing certstream servers
//! use.

use super::der::{Element, Reader, Result, tag};
use super::faults::Faults;
use super::json::JsonText;
use super::objects;

const PSS: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A];

/// AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters ANY OPTIONAL }
///
/// Writes the name of the algorithm, or its dotted identifier if it has no name. Writes nothing if it cannot
/// be parsed.
pub(super) fn write(algorithm: Option<Element<'_>>, faults: &mut Faults, out: &mut Vec<u8>) {
    let Some(algorithm) = algorithm else { return };
    let mut reader = algorithm.reader();
    let Some(oid) = faults.keep("signatureAlgorithm", reader.oid()) else { return };
    if oid == PSS {
        out.raw(pss_hash(reader).unwrap_or("sha1"));
        return out.raw(", rsa-pss");
    }
    match name(oid) {
        Some(name) => out.raw(name),
        None => objects::write_dotted(oid, out),
    }
}

fn name(oid: &[u8]) -> Option<&'static str> {
    Some(match oid {
        // 1.2.840.113549.1.1, PKCS #1
        [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, algorithm] => match algorithm {
            2 => "md2, rsa",
            3 => "md4, rsa",
            4 => "md5, rsa",
            5 => "sha1, rsa",
            11 => "sha256, rsa",
            12 => "sha384, rsa",
            13 => "sha512, rsa",
            14 => "sha224, rsa",
            15 => "sha512-224, rsa",
            16 => "sha512-256, rsa",
            _ => return None,
        },
        // 1.2.840.10045.4, ANSI X9.62
        [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 1] => "sha1, ecdsa",
        [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 3, hash @ 1..=4] => match hash {
            1 => "sha224, ecdsa",
            2 => "sha256, ecdsa",
            3 => "sha384, ecdsa",
            _ => "sha512, ecdsa",
        },
        // 1.2.840.10040.4.3 and 2.16.840.1.101.3.4.3, DSA, ECDSA and RSA with newer hashes
        [0x2A, 0x86, 0x48, 0xCE, 0x38, 0x04, 3] => "sha1, dsa",
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, algorithm] => match algorithm {
            1 => "sha224, dsa",
            2 => "sha256, dsa",
            3 => "sha384, dsa",
            4 => "sha512, dsa",
            9 => "sha3-224, ecdsa",
            10 => "sha3-256, ecdsa",
            11 => "sha3-384, ecdsa",
            12 => "sha3-512, ecdsa",
            13 => "sha3-224, rsa",
            14 => "sha3-256, rsa",
            15 => "sha3-384, rsa",
            16 => "sha3-512, rsa",
            _ => return None,
        },
        // 1.3.14.3.2, OIW, used by early certificates
        [0x2B, 0x0E, 0x03, 0x02, 29] => "sha1, rsa",
        [0x2B, 0x0E, 0x03, 0x02, 13 | 27] => "sha1, dsa",
        [0x2B, 0x0E, 0x03, 0x02, 3] => "md5, rsa",
        // RFC 8410, section 3
        [0x2B, 0x65, 112] => "ed25519",
        [0x2B, 0x65, 113] => "ed448",
        _ => return None,
    })
}

/// RSASSA-PSS-params (RFC 4055 section 3.1): hashAlgorithm [0] EXPLICIT, by default SHA-1.
fn pss_hash(mut algorithm: Reader<'_>) -> Result<&'static str> {
    let mut parameters = algorithm.sequence()?;
    let Some(hash) = parameters.optional(tag::constructed(0))? else { return Ok("sha1") };
    let oid = hash.reader().sequence()?.oid()?;
    Ok(match oid {
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, hash @ 1..=10] => match hash {
            1 => "sha256",
            2 => "sha384",
            3 => "sha512",
            4 => "sha224",
            5 => "sha512-224",
            6 => "sha512-256",
            7 => "sha3-224",
            8 => "sha3-256",
            9 => "sha3-384",
            _ => "sha3-512",
        },
        [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x05] => "md5",
        _ => "sha1",
    })
}
