//! The tree head of static-ct-api: a checkpoint, which is a signed note.

use crate::ct::merkle::Hash;
use crate::ct::sth::SignedTreeHead;
use base64_simd::STANDARD;
use openssl::sha::sha256;

/// The signature type of RFC6962NoteSignature (static-ct-api, "Checkpoints").
const RFC6962_NOTE_SIGNATURE: u8 = 0x05;

/// The checkpoint of the log `origin` with the content of `head`.
pub(super) fn checkpoint(origin: &str, log_id: &Hash, head: &SignedTreeHead) -> String {
    let mut signature = key_id(origin, log_id).to_vec();
    signature.extend(head.timestamp_ms.to_be_bytes());
    signature.extend(&head.tree_head_signature);
    let (root, signature) = (STANDARD.encode_to_string(head.root_hash), STANDARD.encode_to_string(signature));
    format!("{origin}\n{}\n{root}\n\n\u{2014} {origin} {signature}\n", head.tree_size)
}

/// The key id, which distinguishes the keys of a note's signers (c2sp.org/signed-note). The log id represents
/// the key.
fn key_id(origin: &str, log_id: &Hash) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256(&[origin.as_bytes(), b"\n", &[RFC6962_NOTE_SIGNATURE], log_id].concat());
    [a, b, c, d]
}
