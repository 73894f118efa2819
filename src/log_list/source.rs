//! The sources of log lists.

use crate::ct::log_list::{BrokenLog, SignatureError};
use crate::ct::log_list::{CHROME_KEY_PEM, LogListError, ParsedList, parse, verify_signature};
use crate::http_client::is_internal_url;
use std::borrow::Cow;

/// A log list on the web.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSource {
    /// A short, unique name, used in log lines and for the file in which the list is saved.
    pub name: Cow<'static, str>,
    /// URL of the list.
    pub url: Cow<'static, str>,
    /// The list's signature. `None` if only TLS protects the list.
    pub signed: Option<Signed>,
}

/// A detached signature: RSA, PKCS #1 v1.5, SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// URL of the signature.
    pub url: Cow<'static, str>,
    /// The public key, in PEM.
    pub key_pem: Cow<'static, str>,
}

impl ListSource {
    /// The logs that Chrome trusts or trusted recently.
    pub const CHROME: ListSource = ListSource {
        name: Cow::Borrowed("chrome"),
        url: Cow::Borrowed("https://www.gstatic.com/ct/log_list/v3/log_list.json"),
        signed: Some(Signed {
            url: Cow::Borrowed("https://www.gstatic.com/ct/log_list/v3/log_list.sig"),
            key_pem: Cow::Borrowed(CHROME_KEY_PEM),
        }),
    };
    /// All logs that Chrome knows, including those that were never trusted, are not yet trusted, or are no
    /// longer trusted.
    pub const CHROME_ALL: ListSource = ListSource {
        name: Cow::Borrowed("chrome-all"),
        url: Cow::Borrowed("https://www.gstatic.com/ct/log_list/v3/all_logs_list.json"),
        signed: Some(Signed {
            url: Cow::Borrowed("https://www.gstatic.com/ct/log_list/v3/all_logs_list.sig"),
            key_pem: Cow::Borrowed(CHROME_KEY_PEM),
        }),
    };
    /// Apple's logs in all states. Apple does not sign its list.
    pub const APPLE: ListSource = ListSource {
        name: Cow::Borrowed("apple"),
        url: Cow::Borrowed("https://valid.apple.com/ct/log_list/current_log_list.json"),
        signed: None,
    };

    /// Whether the list is trusted to name logs at any address: it is signed, or it comes from this machine
    /// or its network.
    fn vouches(&self) -> bool {
        self.signed.is_some() || is_internal_url(&self.url)
    }

    /// Verifies the signature and parses the list in `json`.
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

/// Why the bytes of a list are not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unbelievable {
    #[error("it has no signature")]
    NoSignature,
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    List(#[from] LogListError),
}

/// Maximum number of log lines about the logs of one list that could not be parsed. A list that is completely
/// broken is one mistake, not a thousand.
pub(crate) const MAX_BROKEN_LINES: usize = 10;

/// Logs one line for each log of a list that could not be parsed.
pub(super) fn warn_of(broken: &[BrokenLog], source: &ListSource) {
    for log in broken.iter().take(MAX_BROKEN_LINES) {
        log::warn!("log list {}: skipped {log}", source.name);
    }
    if let Some(more @ 1..) = broken.len().checked_sub(MAX_BROKEN_LINES) {
        log::warn!("log list {}: skipped {more} more logs", source.name);
    }
}
