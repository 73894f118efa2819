//! Follows one log list.

use super::built_in::built_in;
use super::download::{Download, ListResponse, Redirects};
use super::saved::{self, Kept};
use super::source::Signed;
use super::source::warn_of;
use super::{InForce, ListError, ListSource, Origin};
use crate::ct::log_list::{BrokenLog, LogList, MAX_LIST_BYTES, MAX_SIGNATURE_BYTES, ParsedList};
use crate::http_client::{HttpSettings, Validators};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::path::{Path, PathBuf};

/// Follows one log list. A list is always in force; see [`in_force`](Self::in_force).
pub(crate) struct LogListClient {
    source: ListSource,
    dir: PathBuf,
    download: Download,
    in_force: InForce,
    /// The list in force as its publisher sent it. `None` for the built-in snapshot. The next list is
    /// compared only with a list from the same source.
    sent: Option<Sent>,
}

struct Sent {
    json: Bytes,
    validators: Validators,
}

/// The result of a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refreshed {
    /// A new list is in force.
    Changed {
        /// The logs of the new list that could not be parsed. They have been logged already.
        broken: Vec<BrokenLog>,
    },
    /// The list in force is still the newest.
    Unchanged,
}

impl LogListClient {
    /// Creates a client of `source` with the [`fallback`](super::fallback) in force. Lists are saved in
    /// `dir`, which is created when it is first needed.
    pub(crate) fn new(source: ListSource, dir: &Path, settings: &HttpSettings) -> Self {
        let (in_force, sent) = match saved::load_or_warn(&source, dir) {
            Some(Kept { list, json, validators, origin }) => {
                (InForce { list, origin }, Some(Sent { json: json.into(), validators }))
            }
            None => (built_in(), None),
        };
        LogListClient { source, dir: dir.into(), download: Download::new(settings), in_force, sent }
    }

    /// The source of the list.
    pub(crate) fn source(&self) -> &ListSource {
        &self.source
    }

    /// The newest available list and its origin.
    pub(crate) fn in_force(&self) -> &InForce {
        &self.in_force
    }

    /// Requests a newer list, puts it in force and saves it to disk.
    ///
    /// A new list must have a valid signature if the source signs its lists. It must not be older than the
    /// list in force, and must contain at least half of that list's logs that are not over
    /// ([`LogList::may_follow`]). The last two conditions apply only between lists of this source, not after
    /// the built-in snapshot. If the list cannot be saved to disk, it is in force nevertheless and the error
    /// is logged. Writing blocks on the disk.
    ///
    /// # Errors
    /// See [`ListError`]. The previous list then stays in force.
    pub(crate) async fn refresh(&mut self) -> Result<Refreshed, ListError> {
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

    /// The server of an unsigned list must not be able to redirect this server to other addresses.
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
