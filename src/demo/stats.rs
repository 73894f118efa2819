//! The counters of a demo log.

/// The counters of a log since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemoStats {
    /// Tree size of the newest signed tree head.
    pub tree_size: u64,
    /// Index of the oldest entry that can be fetched.
    pub oldest_kept: u64,
    /// Requests for get-sth or the checkpoint, including failed ones.
    pub head_requests: u64,
    /// Requests for the checkpoint with a 304 response. Included in `head_requests`.
    pub not_modified: u64,
    /// Requests for get-entries or data tiles, including failed ones.
    pub entries_requests: u64,
    /// Requests for issuers' certificates, including failed ones.
    pub issuer_requests: u64,
    /// Requests for names tiles, including failed ones.
    pub names_requests: u64,
    /// Requests for get-sth-consistency or hash tiles, including failed ones.
    pub proof_requests: u64,
    /// Requests refused because of [`max_per_second`](super::Defects::max_per_second). Also included in the other counters.
    pub rate_limited: u64,
    /// Other requests: roots, unknown paths.
    pub other_requests: u64,
    /// Entries in get-entries responses and in data tiles. Responses that a fault damaged or replaced do not
    /// count, so for a client that fetches nothing twice, this is exactly the number of entries that it read.
    pub entries_served: u64,
    /// How often the most frequently served entry was served, counted in the same way. 1 if nothing was
    /// fetched twice.
    pub most_served: u64,
    /// Requests for entries that are in progress.
    pub entries_in_flight: u64,
    /// Maximum number of requests for entries that were in progress at the same time. A normal response is
    /// too fast for requests to overlap, so this shows a client's parallelism only together with
    /// [`Fault::Delay`](super::Fault::Delay) or [`Fault::Hang`](super::Fault::Hang).
    pub most_entries_in_flight: u64,
    /// Responses with a fault.
    pub faults_shown: u64,
}
