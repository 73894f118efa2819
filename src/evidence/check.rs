//! Verifies evidence.

use super::{Base64, Evidence, LogIdentity, Misbehaviour, OldTree, Proof, VERSION};
use crate::certificate::Issuer;
use crate::ct::checkpoint::Checkpoint;
use crate::ct::consistency;
use crate::ct::entry::{FramingFault, MerkleTreeLeaf};
use crate::ct::merkle::{CompactTree, Hash};
use crate::ct::source::Protocol;
use crate::ct::sth::SignedTreeHead;
use openssl::pkey::{PKey, Public};
use openssl::sha::sha256;

/// Why evidence proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unconfirmed {
    /// The evidence has an unknown version.
    #[error("it has version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// The log's key is missing. Without it, anyone could have made up the heads.
    #[error("the log's key is unknown, so no signature can be checked")]
    NoKey,
    /// The key is invalid.
    #[error("the log's key is invalid")]
    BadKey,
    /// A part that the log should have signed has no valid signature of the log.
    #[error("a head is not signed by the log: {0}")]
    NotTheLogs(String),
    /// A part is missing, or there is an unexpected one.
    #[error("{0} makes no sense")]
    Malformed(&'static str),
    /// The evidence shows no misbehaviour.
    #[error("nothing is wrong: {0}")]
    Innocent(&'static str),
}

impl Evidence {
    /// Verifies everything again.
    ///
    /// # Errors
    /// Why the evidence proves nothing.
    pub fn check(&self) -> Result<(), Unconfirmed> {
        if self.version != VERSION {
            return Err(Unconfirmed::Version(self.version));
        }
        let log = &self.log;
        match &self.misbehaviour {
            Misbehaviour::BadSignature { head } => match log.head(head) {
                Err(Unconfirmed::NotTheLogs(_)) => Ok(()),
                Err(other) => Err(other),
                Ok(_) => Err(Unconfirmed::Innocent("the signature is right")),
            },
            Misbehaviour::Rollback { smaller, larger } => rollback(&log.head(smaller)?, &log.head(larger)?),
            Misbehaviour::Fork { first, second } => fork(&log.head(first)?, &log.head(second)?),
            Misbehaviour::Inconsistent { beginning, proof, head } => {
                log.inconsistent(beginning, proof, &log.head(head)?)
            }
            Misbehaviour::WrongEntry { index, leaf_input, precertificate, chain } => {
                wrong_entry(log.protocol, *index, leaf_input, precertificate.as_ref(), chain)
            }
        }
    }
}

impl LogIdentity {
    /// Parses the head in `bytes` and verifies the log's signature.
    fn head(&self, bytes: &Base64) -> Result<SignedTreeHead, Unconfirmed> {
        let der = &self.key.as_ref().ok_or(Unconfirmed::NoKey)?.0;
        let key = PKey::public_key_from_der(der).map_err(|_| Unconfirmed::BadKey)?;
        match self.protocol {
            Protocol::Rfc6962 => sth(&bytes.0, &key),
            Protocol::StaticCt => self.checkpoint(&bytes.0, &key, &sha256(der)),
        }
        .map_err(Unconfirmed::NotTheLogs)
    }

    fn checkpoint(&self, note: &[u8], key: &PKey<Public>, log_id: &Hash) -> Result<SignedTreeHead, String> {
        let checkpoint = Checkpoint::parse(note).map_err(|error| error.to_string())?;
        let origin = self.origin.as_deref().unwrap_or_default();
        checkpoint.verify(origin, log_id, key).map_err(|error| error.to_string())
    }
}

fn sth(body: &[u8], key: &PKey<Public>) -> Result<SignedTreeHead, String> {
    let head = SignedTreeHead::from_json(body).map_err(|error| error.to_string())?;
    head.verify(key).map_err(|error| error.to_string())?;
    Ok(head)
}

fn rollback(smaller: &SignedTreeHead, larger: &SignedTreeHead) -> Result<(), Unconfirmed> {
    if smaller.tree_size >= larger.tree_size {
        Err(Unconfirmed::Innocent("the first tree is not smaller"))
    } else if smaller.timestamp_ms < larger.timestamp_ms {
        Err(Unconfirmed::Innocent("the smaller tree was signed earlier"))
    } else {
        Ok(())
    }
}

fn fork(first: &SignedTreeHead, second: &SignedTreeHead) -> Result<(), Unconfirmed> {
    if first.tree_size != second.tree_size {
        Err(Unconfirmed::Innocent("the trees are of different sizes"))
    } else if first.root_hash == second.root_hash {
        Err(Unconfirmed::Innocent("it is the same tree"))
    } else {
        Ok(())
    }
}

impl LogIdentity {
    fn inconsistent(
        &self,
        beginning: &OldTree,
        proof: &Proof,
        head: &SignedTreeHead,
    ) -> Result<(), Unconfirmed> {
        let (size, root) = (head.tree_size, &head.root_hash);
        let consistent = match (beginning, proof) {
            (OldTree::Head { head: old }, Proof::Consistency(proof)) => {
                let old = self.head(old)?;
                consistency::verify(old.tree_size, &old.root_hash, size, root, &hashes(proof)?).is_ok()
            }
            (OldTree::Root { size: first, root: first_root }, Proof::Consistency(proof)) => {
                let first_root = first_root.as_ref().map(hash).transpose()?;
                consistency::frontier(*first, size, root, &hashes(proof)?, first_root.as_ref()).is_ok()
            }
            (OldTree::Head { .. } | OldTree::Root { .. }, Proof::Subtrees(_)) => {
                return Err(Unconfirmed::Malformed("its proof"));
            }
            (OldTree::Entries { size: first, frontier, leaf_hashes }, proof) => {
                let tree = CompactTree::from_frontier(*first, hashes(frontier)?);
                let mut tree = tree.ok_or(Unconfirmed::Malformed("its frontier"))?;
                hashes(leaf_hashes)?.into_iter().for_each(|leaf| tree.push(leaf));
                match proof {
                    Proof::Consistency(proof) => {
                        consistency::verify(tree.size(), &tree.root(), size, root, &hashes(proof)?).is_ok()
                    }
                    Proof::Subtrees(roots) => extend(tree, size, &hashes(roots)?)?.root() == *root,
                }
            }
        };
        if consistent { Err(Unconfirmed::Innocent("the trees are consistent")) } else { Ok(()) }
    }
}

/// Compares the entry with its index and with the precertificate that was served with it. It was proven to be
/// in the log's tree before it was reported.
fn wrong_entry(
    protocol: Protocol,
    index: u64,
    leaf_input: &Base64,
    precertificate: Option<&Base64>,
    chain: &[Base64],
) -> Result<(), Unconfirmed> {
    let words = MerkleTreeLeaf::parse(&leaf_input.0).ok_or(Unconfirmed::Malformed("its leaf"))?;
    if protocol == Protocol::StaticCt && words.leaf_index != Some(index) {
        return Ok(());
    }
    let chain: Vec<_> = chain.iter().map(|der| Issuer::unshared(&der.0)).collect();
    let fault =
        words.pre_cert.zip(precertificate).and_then(|(signed, shown)| signed.compare(&shown.0, &chain).1);
    match fault.filter(FramingFault::is_misbehaviour) {
        Some(_) => Ok(()),
        None => Err(Unconfirmed::Innocent("the precertificate matches the leaf")),
    }
}

fn extend(mut tree: CompactTree, size: u64, roots: &[Hash]) -> Result<CompactTree, Unconfirmed> {
    let malformed = Unconfirmed::Malformed("its proof");
    let nodes: Vec<_> = consistency::complete_subtrees(tree.size()..size).collect();
    if nodes.len() != roots.len() {
        return Err(malformed);
    }
    for (node, root) in nodes.iter().zip(roots) {
        tree.push_subtree(node.height, *root).ok_or(malformed.clone())?;
    }
    Ok(tree)
}

fn hashes(all: &[Base64]) -> Result<Vec<Hash>, Unconfirmed> {
    all.iter().map(hash).collect()
}

fn hash(bytes: &Base64) -> Result<Hash, Unconfirmed> {
    bytes.0.as_slice().try_into().map_err(|_| Unconfirmed::Malformed("a hash"))
}
