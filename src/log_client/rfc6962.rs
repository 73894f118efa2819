//! The client of an RFC 6962 log (section 4), on awc.

use super::http::Http;
use super::{FetchError, FetchSettings, Fetched, Head, Range, Undecodable};
use crate::ct::entry::{self, FramingFault, LogEntry};
use crate::ct::get_entries::{self, NotBase64, RawEntry};
use crate::ct::sth::SignedTreeHead;

/// A tree head is some 300 bytes of JSON; the rest is room for what logs add.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// A page of 1,000 entries has about 6 MB; ten times as much is still an honest, if odd, log.
const MAX_PAGE_BYTES: usize = 64 * 1024 * 1024;

/// Asks one log.
pub struct Rfc6962Client {
    http: Http,
    base: String,
}

impl Rfc6962Client {
    /// A client of the log at `url` (scheme and prefix, without `/ct/v1`).
    pub fn new(url: &str, settings: &FetchSettings) -> Self {
        Rfc6962Client { http: Http::new(settings), base: format!("{}/ct/v1", url.trim_end_matches('/')) }
    }

    /// get-sth, RFC 6962 section 4.3.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn head(&self) -> Result<Head, FetchError> {
        let body = self.http.body(&format!("{}/get-sth", self.base), MAX_HEAD_BYTES).await?;
        let SignedTreeHead { tree_size, timestamp_ms, .. } = SignedTreeHead::from_json(&body)?;
        Ok(Head { tree_size, timestamp_ms })
    }

    /// get-entries, RFC 6962 section 4.6: the entries from `range.start` on, at least one and at most up to its
    /// end; a log may return fewer than asked for.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn entries(&self, range: Range) -> Result<Vec<Fetched>, FetchError> {
        let last = range.end_exclusive.saturating_sub(1);
        let url = format!("{}/get-entries?start={}&end={last}", self.base, range.start);
        let body = self.http.body(&url, MAX_PAGE_BYTES).await?;
        let mut page = get_entries::parse(&body)?;
        page.truncate(usize::try_from(range.count()).unwrap_or(usize::MAX));
        if page.is_empty() {
            return Err(FetchError::EmptyPage);
        }
        Ok(page.into_iter().map(|raw| decode(raw, range.confirming)).collect())
    }
}

/// An entry that cannot be decoded may have been damaged on its way: only one that is so again (`confirming`)
/// is read leniently.
fn decode(raw: Result<RawEntry, NotBase64>, confirming: bool) -> Fetched {
    let base64 = |bytes| base64_simd::STANDARD.encode_to_string(bytes);
    match raw {
        Ok(raw) => entry::decode(&raw.leaf_input, &raw.extra_data).map_err(|error| Undecodable {
            reason: error.to_string(),
            leaf_input: base64(&raw.leaf_input),
            extra_data: base64(&raw.extra_data),
        }),
        Err(broken) => {
            let salvaged = if confirming { salvage(&broken) } else { Err(broken.to_string()) };
            let NotBase64 { leaf_input, extra_data, .. } = broken;
            salvaged.map_err(|reason| Undecodable { reason, leaf_input, extra_data })
        }
    }
}

/// What a lenient reader makes of an entry that is no proper base64.
fn salvage(broken: &NotBase64) -> Result<LogEntry, String> {
    let raw = broken.salvage().ok_or_else(|| broken.to_string())?;
    let mut entry = entry::decode(&raw.leaf_input, &raw.extra_data).map_err(|e| e.to_string())?;
    entry.fault = Some(FramingFault::Base64 { member: broken.member });
    Ok(entry)
}
