//! Follows one list.

use super::download::{Download, ListResponse, Redirects, Validators};
use super::fallback::built_in;
use super::saved::{self, Kept};
use super::source::Signed;
use super::source::warn_of;
use super::{HttpSettings, InForce, ListError, ListSource, Origin};
use crate::ct::log_list::{BrokenLog, LogList, MAX_LIST_BYTES, MAX_SIGNATURE_BYTES, ParsedList};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::path::{Path, PathBuf};

/// Follows one list. Something is always in force: see [`in_force`](Self::in_force).
pub struct LogListClient {
    source: ListSource,
    dir: PathBuf,
    download: Download,
    in_force: InForce,
    /// What is in force as its publisher sent it; none for the built-in snapshot. Only a list of this source is
    /// one that the next list of this source must follow on from.
    sent: Option<Sent>,
}

struct Sent {
    json: Bytes,
    validators: Validators,
}

/// What a refresh brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// A new list is in force.
    Changed {
        /// What of the new list could not be read; it stands in the log already.
        broken: Vec<BrokenLog>,
    },
    /// The list in force is still the newest.
    Unchanged,
}

impl LogListClient {
    /// A client of `source`, with the [`fallback`](super::fallback) in force. `dir` is where lists are kept; it
    /// is made when it is first needed.
    pub fn new(source: ListSource, dir: &Path, settings: &HttpSettings) -> Self {
        let (in_force, sent) = match saved::load_or_warn(&source, dir) {
            Some(Kept { list, json, validators, origin }) => {
                (InForce { list, origin }, Some(Sent { json: json.into(), validators }))
            }
            None => (built_in(), None),
        };
        LogListClient { source, dir: dir.into(), download: Download::new(settings), in_force, sent }
    }

    /// Whom it asks.
    pub fn source(&self) -> &ListSource {
        &self.source
    }

    /// The newest list that there is, and where it is from.
    pub fn in_force(&self) -> &InForce {
        &self.in_force
    }

    /// Asks for a newer list and puts it in force, and on disk.
    ///
    /// A new list must be signed where the source signs, must not be older than the one in force, and must have
    /// at least half of its logs that are not over ([`LogList::may_follow`]); both hold only between lists of
    /// this source, not for what follows on the built-in snapshot. A list that cannot be written to disk is in
    /// force all the same; the log says so. Writing waits for the disk.
    ///
    /// # Errors
    /// See [`ListError`]. Nothing has changed then.
    pub async fn refresh(&mut self) -> Result<Refreshed, ListError> {
        let known = self.sent.as_ref().map(|sent| sent.validators.clone()).unwrap_or_default();
        let answer = self.download.get(&self.source.url, self.redirects(), &known, MAX_LIST_BYTES).await?;
        let now = Utc::now();
        let ListResponse::Body(json, validators) = answer else {
            self.in_force.origin = Origin::Fetched { at: now };
            return Ok(Refreshed::Unchanged);
        };
        if let Some(sent) = self.sent.as_mut().filter(|sent| sent.json == json) {
            sent.validators = validators;
            self.in_force.origin = Origin::Fetched { at: now };
            return Ok(Refreshed::Unchanged);
        }
        let signature = match &self.source.signed {
            Some(signed) => Some(self.signature(signed).await?),
            None => None,
        };
        let ParsedList { list, broken } = self
            .source
            .believe(&json, signature.as_deref())
            .map_err(|error| ListError::Unbelievable { url: self.source.url.clone().into_owned(), error })?;
        self.check_follows(&list, now)?;
        if let Err(error) =
            saved::save(&self.source, &self.dir, &json, signature.as_deref(), &validators, now)
        {
            let path = saved::path(&self.source, &self.dir);
            log::warn!("log list {}: failed to save it in {}: {error}", self.source.name, path.display());
        }
        warn_of(&broken, &self.source);
        self.in_force = InForce { list, origin: Origin::Fetched { at: now } };
        self.sent = Some(Sent { json, validators });
        Ok(Refreshed::Changed { broken })
    }

    /// Whoever serves an unsigned list must not choose where else this server asks.
    fn redirects(&self) -> Redirects {
        if self.source.signed.is_some() { Redirects::Followed } else { Redirects::SameHost }
    }

    async fn signature(&self, signed: &Signed) -> Result<Bytes, ListError> {
        let none = Validators::default();
        match self.download.get(&signed.url, self.redirects(), &none, MAX_SIGNATURE_BYTES).await? {
            ListResponse::Body(signature, _) => Ok(signature),
            ListResponse::NotModified => {
                Err(ListError::Status { url: signed.url.clone().into_owned(), status: 304 })
            }
        }
    }

    fn check_follows(&self, list: &LogList, now: DateTime<Utc>) -> Result<(), ListError> {
        if self.sent.is_none() {
            return Ok(());
        }
        let previous = &self.in_force.list;
        let url = self.source.url.clone().into_owned();
        if let (Some(made), Some(in_force)) = (list.timestamp, previous.timestamp)
            && made < in_force
        {
            return Err(ListError::Older { url, made, in_force });
        }
        list.may_follow(previous, now.timestamp()).map_err(|error| {
            let saved = saved::path(&self.source, &self.dir).display().to_string();
            ListError::MostAreGone { url, saved, error }
        })
    }
}
