//! Checkpoints of static-ct-api logs. They are signed notes (c2sp.org/signed-note) that contain a tree head
//! (c2sp.org/tlog-checkpoint), with the log's RFC 6962 signature in the form of a note signature.

use super::merkle::Hash;
use super::sth::{SignedTreeHead, SthError};
use openssl::pkey::{HasPublic, PKeyRef};
use openssl::sha::Sha256;

/// The prefix of each signature line: an em dash and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";
/// The signature type of RFC6962NoteSignature, static-ct-api "Checkpoints".
const RFC6962_NOTE_SIGNATURE: u8 = 0x05;

/// A parsed checkpoint. It becomes a tree head only through [`Checkpoint::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name: its submission prefix without the scheme.
    pub origin: String,
    /// Number of entries.
    pub tree_size: u64,
    /// Root hash of the tree.
    pub root_hash: Hash,
    signatures: Vec<NoteSignature>,
}

/// One signature line of a note: the signer's name, a key id of four bytes, and data that depends on the
/// signature type.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NoteSignature {
    name: String,
    bytes: Vec<u8>,
}

/// Why a text is not a checkpoint, or not one that the log signed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The text is not UTF-8.
    #[error("checkpoint is no UTF-8 text")]
    NotText,
    /// A part of the note is missing or malformed.
    #[error("checkpoint has no proper {0}")]
    Malformed(&'static str),
    /// The checkpoint belongs to another log.
    #[error("checkpoint is of origin {found:?}, not {expected:?}")]
    Origin {
        /// The origin in the checkpoint.
        found: String,
        /// The log's own origin.
        expected: String,
    },
    /// None of the signatures is from this log.
    #[error("checkpoint has no signature of the log's key among its {count} signatures")]
    NotSigned {
        /// Number of signatures of any kind.
        count: usize,
    },
    /// The log's signature does not match.
    #[error(transparent)]
    Signature(#[from] SthError),
}

impl Checkpoint {
    /// Parses a note: one line each for `origin`, size and root hash, optional further lines, an empty line,
    /// and the signatures.
    pub fn parse(note: &[u8]) -> Result<Self, CheckpointError> {
        let note = std::str::from_utf8(note).map_err(|_| CheckpointError::NotText)?;
        let malformed = CheckpointError::Malformed;
        let (text, signatures) = note.split_once("\n\n").ok_or(malformed("end of its text"))?;
        let mut lines = text.lines();
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or(malformed("origin"))?;
        let tree_size = lines.next().and_then(decimal).ok_or(malformed("tree size"))?;
        let root = lines.next().ok_or(malformed("root hash"))?;
        let root = base64_simd::STANDARD.decode_to_vec(root).ok();
        let root_hash = root.and_then(|r| r.try_into().ok()).ok_or(malformed("root hash"))?;
        let signatures: Option<Vec<_>> = signatures.lines().map(NoteSignature::parse).collect();
        let signatures = signatures.filter(|s| !s.is_empty()).ok_or(malformed("signatures"))?;
        Ok(Checkpoint { origin: origin.into(), tree_size, root_hash, signatures })
    }

    /// Returns the tree head if the log `origin` has signed it with `key`. The log id is the SHA-256 of
    /// `key`. Signatures of other signers are ignored.
    pub fn verify<T: HasPublic>(
        &self,
        origin: &str,
        log_id: &[u8; 32],
        key: &PKeyRef<T>,
    ) -> Result<SignedTreeHead, CheckpointError> {
        self.check_origin(origin)?;
        let key_id = key_id(origin, log_id);
        let own = |s: &&NoteSignature| s.name == origin && s.bytes.starts_with(&key_id);
        let not_signed = CheckpointError::NotSigned { count: self.signatures.len() };
        let signature = self.signatures.iter().find(own).ok_or(not_signed)?;
        let (timestamp, signature) = signature
            .bytes
            .get(key_id.len()..)
            .and_then(<[u8]>::split_first_chunk)
            .ok_or(CheckpointError::Malformed("timestamp in the log's signature"))?;
        let head = SignedTreeHead {
            tree_size: self.tree_size,
            timestamp_ms: u64::from_be_bytes(*timestamp),
            root_hash: self.root_hash,
            tree_head_signature: signature.into(),
        };
        head.verify(key)?;
        Ok(head)
    }

    /// Checks that the checkpoint belongs to the log `origin`. For a log whose key is unknown, nothing else
    /// can be checked.
    pub fn check_origin(&self, origin: &str) -> Result<(), CheckpointError> {
        if self.origin == origin {
            Ok(())
        } else {
            Err(CheckpointError::Origin { found: self.origin.clone(), expected: origin.into() })
        }
    }
}

impl NoteSignature {
    fn parse(line: &str) -> Option<Self> {
        let (name, base64) = line.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
        let bytes = base64_simd::STANDARD.decode_to_vec(base64).ok()?;
        Some(NoteSignature { name: name.into(), bytes })
    }
}

/// Parses a number without sign and leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

/// The first bytes of SHA-256(name || 0x0A || type || key), c2sp.org/signed-note "Signatures". For this
/// signature type, the key is the log id.
fn key_id(origin: &str, log_id: &[u8; 32]) -> [u8; 4] {
    let mut hasher = Sha256::new();
    hasher.update(origin.as_bytes());
    hasher.update(b"\n");
    hasher.update(&[RFC6962_NOTE_SIGNATURE]);
    hasher.update(log_id);
    let [a, b, c, d, ..] = hasher.finish();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ct::merkle::leaf_hash;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};
    use openssl::sha::sha256;

    const ORIGIN: &str = "ct.example/2026";

    fn key() -> (PKey<Private>, [u8; 32]) {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let log_id = sha256(&key.public_key_to_der().unwrap());
        (key, log_id)
    }

    fn note(key: &PKey<Private>, log_id: &[u8; 32], size: u64) -> String {
        let root = leaf_hash(b"x");
        let head = SignedTreeHead::sign(1_700_000_000_123, size, root, key).unwrap();
        let mut signature = key_id(ORIGIN, log_id).to_vec();
        signature.extend(head.timestamp_ms.to_be_bytes());
        signature.extend(head.tree_head_signature);
        let base64 = |bytes: &[u8]| base64_simd::STANDARD.encode_to_string(bytes);
        let (root, signature) = (base64(&root), base64(&signature));
        format!("{ORIGIN}\n{size}\n{root}\n\n\u{2014} {ORIGIN} {signature}\n")
    }

    #[test]
    fn a_checkpoint_that_the_log_signed_is_a_tree_head() {
        let (key, log_id) = key();
        let mut text = note(&key, &log_id, 12_345);
        text.push_str("\u{2014} witness.example/w AAAAAAAAAAAA\n");
        let checkpoint = Checkpoint::parse(text.as_bytes()).unwrap();
        let head = checkpoint.verify(ORIGIN, &log_id, &key).unwrap();
        assert_eq!((head.tree_size, head.timestamp_ms), (12_345, 1_700_000_000_123));
        assert_eq!(head.root_hash, leaf_hash(b"x"));
    }

    #[test]
    fn a_checkpoint_of_another_size_log_or_key_is_refused() {
        let (key, log_id) = key();
        let text = note(&key, &log_id, 5);
        let altered = Checkpoint::parse(text.replace("\n5\n", "\n6\n").as_bytes()).unwrap();
        assert!(matches!(altered.verify(ORIGIN, &log_id, &key), Err(CheckpointError::Signature(_))));
        let sound = Checkpoint::parse(text.as_bytes()).unwrap();
        assert!(matches!(sound.verify("other", &log_id, &key), Err(CheckpointError::Origin { .. })));
        let (other, other_id) = self::key();
        assert!(matches!(
            sound.verify(ORIGIN, &other_id, &other),
            Err(CheckpointError::NotSigned { count: 1 })
        ));
        assert!(matches!(sound.verify(ORIGIN, &log_id, &other), Err(CheckpointError::Signature(_))));
        let stripped = text.replace(&format!("\u{2014} {ORIGIN}"), "\u{2014} witness.example");
        let stripped = Checkpoint::parse(stripped.as_bytes()).unwrap();
        assert!(matches!(
            stripped.verify(ORIGIN, &log_id, &key),
            Err(CheckpointError::NotSigned { count: 1 })
        ));
    }

    #[test]
    fn what_is_no_checkpoint_is_an_error_that_names_the_part() {
        let (key, log_id) = key();
        let good = note(&key, &log_id, 5);
        let root = good.lines().nth(2).unwrap();
        for (text, part) in [
            (String::new(), "end of its text"),
            (good.replace("\n\n", "\n"), "end of its text"),
            (good.replace(&format!("{ORIGIN}\n5"), "\n5"), "origin"),
            (good.replace("\n5\n", "\n05\n"), "tree size"),
            (good.replace("\n5\n", "\n-5\n"), "tree size"),
            (good.replace("\n5\n", "\n99999999999999999999\n"), "tree size"),
            (good.replace(root, "AAAA"), "root hash"),
            (good.replace(root, "!"), "root hash"),
            (good.replace("\u{2014}", "-"), "signatures"),
            (good.split_once("\u{2014}").unwrap().0.to_string(), "signatures"),
        ] {
            let error = Checkpoint::parse(text.as_bytes()).unwrap_err().to_string();
            assert_eq!(error, format!("checkpoint has no proper {part}"), "{text:?}");
        }
        assert!(matches!(Checkpoint::parse(b"\xff"), Err(CheckpointError::NotText)));
    }
}
