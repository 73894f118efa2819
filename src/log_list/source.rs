//! Which lists there are.

use crate::ct::log_list::{BrokenLog, SignatureError};
use crate::ct::log_list::{CHROME_KEY_PEM, LogListError, ParsedList, parse, verify_signature};
use crate::log_client::is_internal_url;
use std::borrow::Cow;

/// A log list on the web.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSource {
    /// Short, and different for each list: log lines and the file that the list is kept in are called so.
    pub name: Cow<'static, str>,
    /// Where the list is.
    pub url: Cow<'static, str>,
    /// How it is signed; none where only TLS vouches for it.
    pub signed: Option<Signed>,
}

/// A detached signature: RSA, PKCS #1 v1.5, SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Where the signature is.
    pub url: Cow<'static, str>,
    /// The public key, in PEM.
    pub key_pem: Cow<'static, str>,
}

impl ListSource {
    /// The logs that Chrome trusts, or trusted lately.
    pub const CHROME: ListSource = ListSource {
        name: Cow::Borrowed("chrome"),
        url: Cow::Borrowed("https://www.gstatic.com/ct/log_list/v3/log_list.json"),
        signed: Some(Signed {
            url: Cow::Borrowed("https://www.gstatic.com/ct/log_list/v3/log_list.sig"),
            key_pem: Cow::Borrowed(CHROME_KEY_PEM),
        }),
    };
    /// All logs that Chrome knows of: also those that never were, are not yet, or are no longer trusted.
    pub const CHROME_ALL: ListSource = ListSource {
        name: Cow::Borrowed("chrome-all"),
        url: Cow::Borrowed("https://www.gstatic.com/ct/log_list/v3/all_logs_list.json"),
        signed: Some(Signed {
            url: Cow::Borrowed("https://www.gstatic.com/ct/log_list/v3/all_logs_list.sig"),
            key_pem: Cow::Borrowed(CHROME_KEY_PEM),
        }),
    };
    /// Apple's logs, of all states. Apple does not sign its list.
    pub const APPLE: ListSource = ListSource {
        name: Cow::Borrowed("apple"),
        url: Cow::Borrowed("https://valid.apple.com/ct/log_list/current_log_list.json"),
        signed: None,
    };

    /// Whether what the list says may be believed so far that its logs are fetched wherever they are: it is signed, or
    /// it comes from this machine or its network itself.
    fn vouches(&self) -> bool {
        self.signed.is_some() || is_internal_url(&self.url)
    }

    /// The list in `json`, once its signature holds.
    pub(super) fn believe(&self, json: &[u8], signature: Option<&[u8]>) -> Result<ParsedList, Unbelievable> {
        if let Some(signed) = &self.signed {
            let signature = signature.ok_or(Unbelievable::NoSignature)?;
            verify_signature(json, signature, &signed.key_pem)?;
        }
        let mut parsed = parse(json)?;
        let vouched_for = self.vouches();
        parsed.list.logs.iter_mut().for_each(|log| log.vouched_for = vouched_for);
        Ok(parsed)
    }
}

/// Why the bytes of a list are of no use.
#[derive(Debug, thiserror::Error)]
pub enum Unbelievable {
    #[error("there is no signature with it")]
    NoSignature,
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    List(#[from] LogListError),
}

/// Most lines in the log file about the logs of one list that could not be read: a list that is broken throughout is one
/// mistake, not a thousand.
pub(crate) const MAX_BROKEN_LINES: usize = 10;

/// One line for each log that a list has and that could not be read.
pub(super) fn warn_of(broken: &[BrokenLog], source: &ListSource) {
    for log in broken.iter().take(MAX_BROKEN_LINES) {
        log::warn!("log list {}: left out {log}", source.name);
    }
    if let Some(more @ 1..) = broken.len().checked_sub(MAX_BROKEN_LINES) {
        log::warn!("log list {}: left out {more} more logs", source.name);
    }
}
