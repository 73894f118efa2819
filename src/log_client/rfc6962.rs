//! The client of an RFC 6962 log (section 4): tree heads and pages of entries. It uses [tiles](Tiles) instead
//! of pages if the log offers them.

use super::http::Http;
use super::issuers::Issuers;
use super::tiles::{LeafIndex, Tiles};
use super::{DecodeFailure, EntryTexts, FetchError, FetchSettings, FetchedEntry, Range};
use crate::ct::entry::{self, Content, FramingFault, LogEntry};
use crate::ct::get_entries::{self, NotBase64, PageEntry};
use crate::ct::head::Head;
use crate::ct::merkle::{Hash, leaf_hash};
use crate::ct::proof_json;
use crate::ct::sth::SignedTreeHead;
use openssl::pkey::{PKey, Public};
use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Maximum size of a get-sth response, in bytes. A tree head is about 300 bytes of JSON; the rest allows
/// additional members.
pub(crate) const MAX_STH_BYTES: usize = 4 * 1024;
/// Maximum size of a get-sth-consistency response, in bytes. A proof has at most 64 hashes, about 3 KB.
pub(crate) const MAX_CONSISTENCY_BYTES: usize = 64 * 1024;
/// Maximum size of a page of several entries, in bytes. A page of 1,000 entries has about 6 MB. If a page is
/// larger, half as many entries are requested, down to one.
pub(crate) const MAX_PAGE_BYTES: usize = 16 * 1024 * 1024;
/// Maximum size of a page of one entry, in bytes. RFC 6962 allows even more, 16 MiB each for a certificate
/// and its chain, but no log accepts a hundredth of that.
pub(crate) const MAX_ENTRY_PAGE_BYTES: usize = 32 * 1024 * 1024;

/// The client of one log.
pub(crate) struct Rfc6962Client {
    http: Rc<Http>,
    base: String,
    /// The log's key. Without a key, heads are accepted without verifying their signature.
    key: Option<PKey<Public>>,
    issuers: Arc<Issuers>,
    tiles: Tiles,
    offer: Cell<Offer>,
    /// Held while the first tile is requested, so that only one request finds out whether there are tiles.
    asking: Mutex<()>,
}

/// Whether a log also serves its entries as data tiles, as some RFC 6962 logs do. Caches can serve tiles, so
/// such a log prefers clients that read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offer {
    /// No tile has been requested yet.
    Unknown,
    Tiles,
    PagesAlone,
}

impl Rfc6962Client {
    /// Creates the client of the log at `url` (scheme and prefix, without `/ct/v1`). `key` is the log's key,
    /// if it is known. `issuers` are shared with other clients.
    pub(crate) fn new(
        url: &str,
        key: Option<PKey<Public>>,
        issuers: Arc<Issuers>,
        settings: &FetchSettings,
    ) -> Self {
        let http = Rc::new(Http::new(settings));
        Rfc6962Client {
            base: format!("{}/ct/v1", url.trim_end_matches('/')),
            key,
            tiles: Tiles::new(http.clone(), settings, url, LeafIndex::Optional, issuers.clone()),
            issuers,
            http,
            offer: Cell::new(Offer::Unknown),
            asking: Mutex::new(()),
        }
    }

    /// Whether the log is known to offer tiles.
    pub(crate) fn offers_tiles(&self) -> bool {
        self.offer.get() == Offer::Tiles
    }

    /// Whether the log offers tiles or might offer them.
    pub(crate) fn may_offer_tiles(&self) -> bool {
        self.offer.get() != Offer::PagesAlone
    }

    /// Requests get-sth, RFC 6962 section 4.3. Verifies the signature if the log's key is known.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn head(&self) -> Result<Head, FetchError> {
        let body = self.http.body(&format!("{}/get-sth", self.base), MAX_STH_BYTES).await?;
        let head = SignedTreeHead::from_json(&body)?;
        if let Some(key) = &self.key
            && let Err(error) = head.verify(key)
        {
            return Err(FetchError::NotSigned { reason: error.to_string(), bytes: body });
        }
        let SignedTreeHead { tree_size, timestamp_ms, root_hash, .. } = head;
        Ok(Head { tree_size, timestamp_ms, root_hash, signed: self.key.is_some(), bytes: body })
    }

    /// Requests get-sth-consistency, RFC 6962 section 4.4.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn consistency(&self, first: u64, second: u64) -> Result<Vec<Hash>, FetchError> {
        let url = format!("{}/get-sth-consistency?first={first}&second={second}", self.base);
        Ok(proof_json::parse(&self.http.body(&url, MAX_CONSISTENCY_BYTES).await?)?)
    }

    /// Fetches entries from `range.start` on: at least one, and none beyond the end of the range. A log may
    /// return fewer than requested.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn entries(&self, range: Range) -> Result<Vec<FetchedEntry>, FetchError> {
        if range.is_tile()
            && self.may_offer_tiles()
            && let Some(result) = self.by_tile(range).await
        {
            return result;
        }
        self.by_page(range).await
    }

    /// Fetches `range` as a whole tile. `None` if get-entries must be used instead, which is also the
    /// fallback for any problem with tiles.
    async fn by_tile(&self, range: Range) -> Option<Result<Vec<FetchedEntry>, FetchError>> {
        let _asking = match self.offer.get() {
            Offer::Unknown => Some(self.asking.lock().await),
            _ => None,
        };
        if !self.may_offer_tiles() {
            return None;
        }
        match self.tiles.entries(range).await {
            Ok(entries) => {
                self.offer.set(Offer::Tiles);
                Some(Ok(entries))
            }
            // After status 429, a request in another form must not follow at once.
            Err(error @ FetchError::Status { status: 429, .. }) => Some(Err(error)),
            Err(error) => {
                if self.offer.get() == Offer::Unknown && error.is_final() {
                    self.offer.set(Offer::PagesAlone);
                }
                log::debug!("{}: no tile for entry {}: {error}; using get-entries", self.base, range.start);
                None
            }
        }
    }

    /// Requests get-entries, RFC 6962 section 4.6.
    async fn by_page(&self, range: Range) -> Result<Vec<FetchedEntry>, FetchError> {
        let last = range.end_exclusive.saturating_sub(1);
        let url = format!("{}/get-entries?start={}&end={last}", self.base, range.start);
        let limit = if range.count() == 1 { MAX_ENTRY_PAGE_BYTES } else { MAX_PAGE_BYTES };
        let body = self.http.body(&url, limit).await?;
        let most = usize::try_from(range.count()).unwrap_or(usize::MAX);
        let page = get_entries::parse(&body, most, |raw| fetched(raw, range.confirming, &self.issuers))?;
        if page.is_empty() {
            return Err(FetchError::EmptyPage);
        }
        Ok(page)
    }
}

fn fetched(raw: PageEntry<'_>, confirming: bool, issuers: &Issuers) -> FetchedEntry {
    let leaf_input = match &raw {
        Ok(raw) => Some(Cow::Borrowed(raw.leaf_input)),
        Err(broken) => broken.salvage_leaf_input().map(Cow::Owned),
    };
    let leaf_hash = leaf_input.as_deref().map(leaf_hash);
    let content = decode(raw, confirming, issuers);
    let misbehaves = matches!(&content, Ok(Content::Entry(entry)) if entry.misbehaviour().is_some());
    let evidence = leaf_input.filter(|_| misbehaves).map(|leaf| leaf.into_owned().into());
    FetchedEntry { leaf_hash, content, evidence }
}

/// Decodes one entry. An undecodable entry may have been damaged in transit, so it is decoded leniently only
/// if it is undecodable a second time (`confirming`).
fn decode(raw: PageEntry<'_>, confirming: bool, issuers: &Issuers) -> Result<Content, DecodeFailure> {
    let decoded = match &raw {
        Ok(raw) => entry::decode(raw.leaf_input, raw.extra_data, |der| issuers.interned(der))
            .map_err(|error| error.to_string()),
        Err(broken) if confirming => salvage(broken, issuers),
        Err(broken) => Err(broken.to_string()),
    };
    decoded.map(Content::Entry).map_err(|reason| {
        let texts = if confirming { EntryTexts::of(&raw) } else { None };
        DecodeFailure { reason, texts }
    })
}

/// Decodes an entry with invalid base64 leniently.
fn salvage(broken: &NotBase64<'_>, issuers: &Issuers) -> Result<LogEntry, String> {
    let (leaf_input, extra_data) = broken.salvage().ok_or_else(|| broken.to_string())?;
    let mut entry =
        entry::decode(&leaf_input, &extra_data, |der| issuers.interned(der)).map_err(|e| e.to_string())?;
    entry.fault = Some(FramingFault::Base64 { member: broken.member });
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ct::get_entries::RawEntry;
    use crate::log_client::MAX_UNDECODABLE_TEXT;

    fn texts(raw: PageEntry<'_>, confirming: bool) -> Option<EntryTexts> {
        let failure = decode(raw, confirming, &Issuers::in_memory()).unwrap_err();
        assert_ne!(failure.reason, "");
        failure.texts
    }

    #[test]
    fn an_undecodable_entry_is_kept_when_it_is_so_a_second_time() {
        let undecodable = RawEntry { leaf_input: b"no leaf", extra_data: &[0] };
        let not_base64 = NotBase64 { member: "leaf_input", leaf_input: "!", extra_data: "AA==" };
        for (raw, leaf_input) in [(Ok(undecodable), "bm8gbGVhZg=="), (Err(not_base64), "!")] {
            assert_eq!(texts(raw, false), None);
            let kept = EntryTexts { leaf_input: leaf_input.into(), extra_data: "AA==".into() };
            assert_eq!(texts(raw, true), Some(kept));
        }
    }

    #[test]
    fn an_undecodable_entry_that_is_too_large_to_be_stored_is_not_kept() {
        let (bytes, text) = (vec![0; MAX_UNDECODABLE_TEXT / 4 * 3 + 1], "!".repeat(MAX_UNDECODABLE_TEXT + 1));
        let fitting = RawEntry { leaf_input: bytes.get(1..).unwrap(), extra_data: &[] };
        let too_large = RawEntry { leaf_input: &bytes, extra_data: &[] };
        let not_base64 = |extra_data| NotBase64 { member: "extra_data", leaf_input: "", extra_data };
        assert_eq!(texts(Ok(fitting), true).unwrap().bytes(), MAX_UNDECODABLE_TEXT);
        assert_eq!(texts(Ok(too_large), true), None);
        assert!(texts(Err(not_base64(&text[1..])), true).is_some());
        assert_eq!(texts(Err(not_base64(&text)), true), None);
    }
}
