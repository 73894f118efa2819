//! Signed certificate timestamps (RFC 6962 sections 3.2 and 3.3) from fictitious logs, which consist only of
//! a key.

use super::keys::KeyPair;
use crate::ct::merkle::Hash;
use crate::ct::sth::{SthError, sign_digitally};
use openssl::error::ErrorStack;
use openssl::sha::sha256;

/// A fictitious log whose SCTs are in the demo's certificates. The SCTs have valid signatures, but the log's
/// entries cannot be read.
pub(super) struct SctLog {
    key: KeyPair,
    log_id: Hash,
    /// Whether its SCTs contain a leaf_index extension, like those of static-ct logs.
    tiled: bool,
}

/// The content that an SCT covers: the PreCert struct of RFC 6962 section 3.2.
pub(super) struct PreCert<'a> {
    pub issuer_key_hash: &'a Hash,
    pub tbs_certificate: &'a [u8],
}

impl SctLog {
    pub(super) fn new(tiled: bool) -> Result<Self, ErrorStack> {
        let key = KeyPair::ecdsa()?;
        Ok(Self { log_id: sha256(&key.spki), key, tiled })
    }

    /// The SignedCertificateTimestamp struct for a precert that was accepted at `timestamp_ms`.
    ///
    /// `leaf_index` is the index of the entry in a tiled log.
    fn timestamp(&self, precert: &PreCert, timestamp_ms: u64, leaf_index: u32) -> Result<Vec<u8>, SthError> {
        let extensions = if self.tiled { leaf_index_extension(leaf_index.into()) } else { Vec::new() };
        let mut signed = vec![
            0, // sct_version = v1
            0, // signature_type = certificate_timestamp
        ];
        signed.extend(timestamp_ms.to_be_bytes());
        signed.extend([0, 1]); // entry_type = precert_entry
        signed.extend(precert.issuer_key_hash);
        push_vector(&mut signed, 3, precert.tbs_certificate);
        push_vector(&mut signed, 2, &extensions);

        let mut sct = vec![0]; // sct_version = v1
        sct.extend(self.log_id);
        sct.extend(timestamp_ms.to_be_bytes());
        push_vector(&mut sct, 2, &extensions);
        sct.extend(sign_digitally(&signed, self.key.private())?);
        Ok(sct)
    }
}

/// The SignedCertificateTimestampList of one SCT from each log.
pub(super) fn sct_list(
    logs: &[SctLog],
    precert: &PreCert,
    timestamp_ms: u64,
    leaf_index: u32,
) -> Result<Vec<u8>, SthError> {
    let mut scts = Vec::new();
    for log in logs {
        push_vector(&mut scts, 2, &log.timestamp(precert, timestamp_ms, leaf_index)?);
    }
    let mut list = Vec::new();
    push_vector(&mut list, 2, &scts);
    Ok(list)
}

/// The only CtExtension of static-ct-api: the entry's index in the log, as a number of 40 bits.
pub(super) fn leaf_index_extension(leaf_index: u64) -> Vec<u8> {
    let mut extension = vec![0]; // extension_type = leaf_index
    let uint40 = leaf_index.to_be_bytes();
    push_vector(&mut extension, 2, &uint40[3..]);
    extension
}

/// Appends a TLS vector (RFC 5246 section 4.3): its length in `width` bytes, then the content.
pub(super) fn push_vector(out: &mut Vec<u8>, width: usize, content: &[u8]) {
    let length = (content.len() as u64).to_be_bytes();
    out.extend_from_slice(&length[length.len() - width..]);
    out.extend_from_slice(content);
}
