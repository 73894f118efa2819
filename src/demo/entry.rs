//! The input of the log: a certificate or a precert with its chain, and the structs of RFC 6962 and
//! static-ct-api that contain them.

use super::sct::{leaf_index_extension, push_vector};
use crate::ct::merkle::Hash;
use bytes::Bytes;
use openssl::sha::sha256;
use std::sync::Arc;

/// An issued certificate or precert with its chain.
pub(super) struct Submission {
    pub content: Content,
    pub chain: Arc<Chain>,
    pub first_dns_name: Option<String>,
}

/// The two LogEntryTypes of RFC 6962 section 3.1.
pub(super) enum Content {
    X509 {
        certificate: Vec<u8>,
    },
    Precert {
        issuer_key_hash: Hash,
        /// The TBSCertificate without the poison.
        tbs_certificate: Vec<u8>,
        /// The precertificate as submitted, with the poison.
        precertificate: Vec<u8>,
    },
}

/// The issuers of a certificate, shared by all certificates with the same issuers.
pub(super) struct Chain {
    /// DER, the issuer first, the root last.
    pub certificates: Vec<Bytes>,
    /// The encoded `ASN.1Cert certificate_chain<0..2^24-1>` of RFC 6962 section 4.6.
    pub encoded: Vec<u8>,
    /// The encoded `Fingerprint certificate_chain<0..2^16-1>` of static-ct-api: the SHA-256 of each
    /// certificate.
    pub fingerprints: Vec<u8>,
}

impl Chain {
    pub(super) fn new<const N: usize>(certificates: [Vec<u8>; N]) -> Self {
        let mut list = Vec::new();
        for certificate in &certificates {
            push_vector(&mut list, 3, certificate);
        }
        let mut encoded = Vec::new();
        push_vector(&mut encoded, 3, &list);
        let mut fingerprints = Vec::new();
        push_vector(&mut fingerprints, 2, certificates.each_ref().map(|der| sha256(der)).as_flattened());
        Self { certificates: certificates.into_iter().map(Bytes::from).collect(), encoded, fingerprints }
    }
}

/// Offset of the certificate in the MerkleTreeLeaf of an X.509 entry: after version, leaf type, timestamp,
/// entry type and the certificate's length.
pub(super) const CERTIFICATE_OFFSET: usize = 1 + 1 + 8 + 2 + 3;

/// Offset of the TimestampedEntry in a MerkleTreeLeaf: after version and leaf type.
pub(super) const TIMESTAMPED_ENTRY_OFFSET: usize = 1 + 1;

/// Changes the timestamp at the start of a TimestampedEntry by a millisecond. Raw entries may be too short to
/// have one.
pub(super) fn change_timestamp(timestamped_entry: &mut [u8]) {
    if let Some(last) = timestamped_entry.get_mut(7) {
        *last ^= 1;
    }
}

/// The MerkleTreeLeaf of RFC 6962 section 3.4, as in the leaf_input of get-entries.
///
/// `leaf_index`: the entry's index in the log, for logs with the leaf_index extension.
pub(super) fn merkle_tree_leaf(content: &Content, timestamp_ms: u64, leaf_index: Option<u64>) -> Vec<u8> {
    let mut leaf = vec![
        0, // version = v1
        0, // leaf_type = timestamped_entry
    ];
    leaf.extend(timestamp_ms.to_be_bytes());
    match content {
        Content::X509 { certificate } => {
            leaf.extend([0, 0]); // entry_type = x509_entry
            push_vector(&mut leaf, 3, certificate);
        }
        Content::Precert { issuer_key_hash, tbs_certificate, .. } => {
            leaf.extend([0, 1]); // entry_type = precert_entry
            leaf.extend(issuer_key_hash);
            push_vector(&mut leaf, 3, tbs_certificate);
        }
    }
    push_vector(&mut leaf, 2, &leaf_index.map(leaf_index_extension).unwrap_or_default()); // extensions
    leaf
}
