//! Decides what is issued next: an endless stream of certificates and precerts in proportions like those of
//! the web. It is independent of the log that stores them.

use super::authority::Authority;
use super::certificate::Draft;
use super::entry::{Chain, Content, Submission};
use super::keys::KeyPair;
use super::names;
use super::sct::{PreCert, SctLog, sct_list};
use crate::ct::sth::SthError;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{RngExt, make_rng};
use std::collections::VecDeque;
use std::sync::Arc;

/// Number of the sites' keys. A few keys are reused, because generating a key takes longer than issuing a
/// certificate.
const SUBJECT_RSA_KEYS: usize = 1;
const SUBJECT_ECDSA_KEYS: usize = 3;

/// Maximum number of precerts that wait for their final certificate.
const MAX_PENDING: usize = 32;

pub(super) struct Generator {
    authorities: Vec<Authority>,
    subject_keys: Vec<KeyPair>,
    sct_logs: Vec<SctLog>,
    /// Precerts whose final certificates have not been issued yet, oldest first.
    pending: VecDeque<Pending>,
    rng: StdRng,
}

/// An issued precert, and the data for its final certificate.
struct Pending {
    /// Index of its authority.
    authority: usize,
    draft: Draft,
    first_dns_name: Option<String>,
    /// When the fictitious logs accepted the precert.
    timestamp_ms: u64,
}

/// Why a certificate could not be issued.
#[derive(Debug, thiserror::Error)]
pub(super) enum IssueError {
    #[error("failed to make or use a key: {0}")]
    OpenSsl(#[from] openssl::error::ErrorStack),
    #[error("failed to sign an SCT: {0}")]
    Sct(#[from] SthError),
}

impl Generator {
    /// Generates all keys and authorities. The first call in a process takes half a second, nearly all of it
    /// for RSA keys.
    pub(super) fn new(now: DateTime<Utc>) -> Result<Self, IssueError> {
        let mut rng: StdRng = make_rng();
        let mut rsa_keys = KeyPair::rsa_pool(SUBJECT_RSA_KEYS + Authority::rsa_keys_needed())?;
        let authority_keys = rsa_keys.split_off(SUBJECT_RSA_KEYS);
        let authorities = Authority::establish(now, authority_keys, &mut rng)?;
        let mut subject_keys = rsa_keys;
        for _ in 0..SUBJECT_ECDSA_KEYS {
            subject_keys.push(KeyPair::ecdsa()?);
        }
        let sct_logs = vec![SctLog::new(false)?, SctLog::new(true)?];
        Ok(Self { authorities, subject_keys, sct_logs, pending: VecDeque::new(), rng })
    }

    /// The roots' certificates (DER), without duplicates.
    pub(super) fn roots(&self) -> Vec<Bytes> {
        let chains = self.authorities.iter().map(|authority| &authority.chain);
        let mut roots: Vec<Bytes> = chains.filter_map(|chain| chain.certificates.last().cloned()).collect();
        roots.sort();
        roots.dedup();
        roots
    }

    /// The certificates (DER) in all chains, including roots. Certificates that chains share are repeated.
    pub(super) fn chain_certificates(&self) -> impl Iterator<Item = &Bytes> {
        let chains = self.authorities.iter().map(Authority::precert_chain);
        chains.flat_map(|chain| &chain.certificates)
    }

    /// The next submission. About six in ten are precerts. Most of these are followed by their final
    /// certificate a little later.
    pub(super) fn issue(&mut self, now: DateTime<Utc>) -> Result<Submission, IssueError> {
        let finish = self.pending.len() >= MAX_PENDING || self.rng.random_bool(0.33);
        if finish && let Some(pending) = self.pending.pop_front() {
            return self.final_certificate(&pending);
        }
        let pending = self.draft(now);
        if self.rng.random_bool(0.08) {
            // A certificate is logged without its precert, as happens when someone submits certificates found
            // on the web.
            return self.final_certificate(&pending);
        }
        let submission = self.precert(&pending)?;
        if self.rng.random_bool(0.6) {
            self.pending.push_back(pending);
        }
        Ok(submission)
    }

    fn draft(&mut self, now: DateTime<Utc>) -> Pending {
        let authority = self.choose_authority();
        let names = names::draw(&mut self.rng);
        let key = &self.subject_keys[self.rng.random_range(0..self.subject_keys.len())];
        let draft = self.authorities[authority].draft(&names, key, now, &mut self.rng);
        Pending {
            authority,
            draft,
            first_dns_name: names.dns.into_iter().next(),
            timestamp_ms: now.timestamp_millis().unsigned_abs(),
        }
    }

    /// Chooses the index of an authority, with a probability according to its share.
    fn choose_authority(&mut self) -> usize {
        let total = self.authorities.iter().map(|authority| authority.profile.share).sum();
        let mut ticket: u32 = self.rng.random_range(0..total);
        for (index, authority) in self.authorities.iter().enumerate() {
            match ticket.checked_sub(authority.profile.share) {
                Some(rest) => ticket = rest,
                None => return index,
            }
        }
        0
    }

    fn precert(&self, pending: &Pending) -> Result<Submission, IssueError> {
        let authority = &self.authorities[pending.authority];
        let content = Content::Precert {
            issuer_key_hash: authority.issuer_key_hash,
            tbs_certificate: pending.draft.tbs_certificate(),
            precertificate: authority.sign_precert(&pending.draft.tbs_precertificate())?,
        };
        Ok(submission(pending, content, authority.precert_chain()))
    }

    fn final_certificate(&mut self, pending: &Pending) -> Result<Submission, IssueError> {
        let leaf_index = self.rng.random();
        let authority = &self.authorities[pending.authority];
        let tbs_certificate = pending.draft.tbs_certificate();
        let precert =
            PreCert { issuer_key_hash: &authority.issuer_key_hash, tbs_certificate: &tbs_certificate };
        let list = sct_list(&self.sct_logs, &precert, pending.timestamp_ms, leaf_index)?;
        let certificate = authority.sign(&pending.draft.tbs_final_certificate(&list))?;
        Ok(submission(pending, Content::X509 { certificate }, &authority.chain))
    }
}

fn submission(pending: &Pending, content: Content, chain: &Arc<Chain>) -> Submission {
    Submission { content, chain: chain.clone(), first_dns_name: pending.first_dns_name.clone() }
}
