//! What a demo log counts.

/// What a log counted since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemoStats {
    /// Size of the newest signed tree head.
    pub tree_size: u64,
    /// Index of the oldest entry that can still be fetched.
    pub oldest_kept: u64,
    /// Requests for get-sth or the checkpoint, whatever the answer.
    pub head_requests: u64,
    /// Requests for the checkpoint that were answered with status 304; among the `head_requests`.
    pub not_modified: u64,
    /// Requests for get-entries or data tiles, whatever the answer.
    pub entries_requests: u64,
    /// Requests for issuers' certificates, whatever the answer.
    pub issuer_requests: u64,
    /// Requests for names tiles, whatever the answer.
    pub names_requests: u64,
    /// Requests for get-sth-consistency or tiles of hashes, whatever the answer.
    pub proof_requests: u64,
    /// Requests for anything else: roots, addresses that mean nothing.
    pub other_requests: u64,
    /// Entries in answers to get-entries and in data tiles. Answers that a fault damaged or
    /// replaced are left out, so a reader that fetches nothing twice gets exactly as many as it
    /// read.
    pub entries_served: u64,
    /// How often the most often served entry was served, counted likewise: 1 if nothing was
    /// fetched twice.
    pub most_served: u64,
    /// Requests for entries that wait for their answer now.
    pub entries_in_flight: u64,
    /// The most requests for entries that ever waited at the same time. An answer takes no time
    /// that others could arrive in, so this shows a reader's parallelism only together with
    /// [`Fault::Delay`](super::Fault::Delay) or [`Fault::Hang`](super::Fault::Hang).
    pub most_entries_in_flight: u64,
    /// Answers that showed a fault.
    pub faults_shown: u64,
}
