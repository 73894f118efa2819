//! What makes two entries the same.

use crate::certificate::{Certificate, LeafKind};
use crate::ct::entry::{Content, LogEntry, LogEntryType};
use crate::filter::{Filter, Parameter};
use crate::message::CertEntry;
use openssl::sha::Sha256;
use std::cell::OnceCell;
use std::fmt;

/// The values of the parameter `unique`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Unique {
    /// Entries of one issuance (`tbs_sha256`): the precertificate and the certificate, in whatever logs.
    Issuance,
    /// Entries with the same bytes (`sha256`), in whatever logs.
    Certificate,
}

impl Unique {
    /// The value with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Unique::Issuance, Unique::Certificate].into_iter().find(|unique| unique.name() == name)
    }

    /// Its name in query strings.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unique::Issuance => "issuance",
            Unique::Certificate => "certificate",
        }
    }
}

/// What makes two entries the same for a subscriber. Entries that its filter tells apart are not the same: otherwise one that
/// it does not want would hide one that it wants.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    unique: Unique,
    /// Only entries of this type count.
    entry_type: Option<LogEntryType>,
    /// Of an issuance: the issuer's name has to be the same too. That of a precertificate may be the name of its own signing
    /// certificate (RFC 6962 section 3.1).
    same_issuer: bool,
}

/// The filter asks for something in which the entries of one issuance or certificate differ: this parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Differs(pub(crate) Parameter);

impl Kind {
    /// What `unique` means together with `filters`, which all have to hold.
    ///
    /// # Errors
    /// If one of them looks at the log: it is the first entry of all logs that is sent.
    pub(crate) fn of<'f>(
        unique: Unique,
        filters: impl Iterator<Item = &'f Filter> + Clone,
    ) -> Result<Self, Differs> {
        let mut of_log = [Parameter::Log, Parameter::Operator].into_iter();
        if let Some(parameter) =
            of_log.find(|parameter| filters.clone().any(|filter| filter.looks_at(*parameter)))
        {
            return Err(Differs(parameter));
        }
        let is_issuance = unique == Unique::Issuance;
        let admits = |entry_type| filters.clone().all(|filter| filter.wants_type(entry_type));
        let entry_type = match (admits(LogEntryType::Precert), admits(LogEntryType::X509)) {
            (true, false) => Some(LogEntryType::Precert),
            (false, true) => Some(LogEntryType::X509),
            _ => None,
        };
        Ok(Kind {
            unique,
            entry_type,
            same_issuer: is_issuance && filters.clone().any(|filter| filter.looks_at(Parameter::Issuer)),
        })
    }

    /// The name of what has to be the same.
    pub(crate) fn unique(self) -> Unique {
        self.unique
    }

    /// As one byte, in files. Each kind has its own.
    pub(super) fn code(self) -> u8 {
        let unique = match self.unique {
            Unique::Issuance => 0,
            Unique::Certificate => 1,
        };
        let entry_type = match self.entry_type {
            None => 0,
            Some(LogEntryType::X509) => 1,
            Some(LogEntryType::Precert) => 2,
        };
        unique | entry_type << 1 | u8::from(self.same_issuer) << 3
    }

    /// The kind with this [`code`](Self::code).
    pub(super) fn from_code(code: u8) -> Option<Self> {
        Kind::all().find(|kind| kind.code() == code)
    }

    fn all() -> impl Iterator<Item = Kind> {
        let types = [None, Some(LogEntryType::X509), Some(LogEntryType::Precert)];
        types.into_iter().flat_map(|entry_type| {
            [(Unique::Issuance, false), (Unique::Issuance, true), (Unique::Certificate, false)]
                .map(|(unique, same_issuer)| Kind { unique, entry_type, same_issuer })
        })
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.unique.name())?;
        self.entry_type.map_or(Ok(()), |entry_type| write!(f, " of type {entry_type:?}"))?;
        if self.same_issuer { write!(f, " by one issuer") } else { Ok(()) }
    }
}

/// What is compared of one entry. Each hash is computed when it is first needed.
pub(super) struct Identity<'e> {
    entry: Option<&'e LogEntry>,
    /// Whether the log has sent something that is not what it claims to be.
    has_fault: bool,
    parsed: OnceCell<Certificate<'e>>,
    tbs_sha256: OnceCell<Option<[u8; 32]>>,
}

impl<'e> Identity<'e> {
    pub(super) fn of(entry: &'e CertEntry) -> Self {
        let has_fault = entry.fault().is_some();
        let entry = match &entry.content {
            Content::Entry(entry) => Some(entry),
            Content::Names(_) => None,
        };
        Identity { entry, has_fault, parsed: OnceCell::new(), tbs_sha256: OnceCell::new() }
    }

    /// The key of the entry, which entries that are the same for `kind` share. `None` if there are none: it has only names,
    /// another type, or cannot be parsed. Nobody who does not know `salt` can make two entries with the same key.
    ///
    /// A log can send a precertificate that is not the one of the issuance that it names. It has a fault then, and is not
    /// compared: it would hide the issuance from those who do not want its names.
    pub(super) fn key(&self, kind: Kind, salt: &[u8; 16]) -> Option<u64> {
        let entry = self.entry?;
        if kind.entry_type.is_some_and(|wanted| wanted != entry.entry_type) {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update(salt);
        hash.update(&[kind.code()]);
        match kind.unique {
            Unique::Certificate => hash.update(&entry.certificate),
            Unique::Issuance if self.has_fault => return None,
            Unique::Issuance => hash.update(&self.tbs_sha256(entry)?),
        }
        if kind.same_issuer {
            let certificate = self.certificate(entry);
            for name in [certificate.issuer_organization(), certificate.issuer_common_name()] {
                let name = name.unwrap_or_default();
                hash.update(&(name.len() as u64).to_be_bytes());
                hash.update(name.as_bytes());
            }
        }
        hash.finish().first_chunk().map(|first| u64::from_be_bytes(*first))
    }

    fn tbs_sha256(&self, entry: &'e LogEntry) -> Option<[u8; 32]> {
        *self.tbs_sha256.get_or_init(|| {
            let kind = match entry.entry_type {
                LogEntryType::X509 => LeafKind::X509,
                LogEntryType::Precert => LeafKind::Precert,
            };
            entry.signed_tbs.sha256(self.certificate(entry), kind)
        })
    }

    fn certificate(&self, entry: &'e LogEntry) -> &Certificate<'e> {
        self.parsed.get_or_init(|| Certificate::parse(&entry.certificate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Limits;
    use std::collections::HashSet;

    fn kind(unique: Unique, query: &str) -> Result<Kind, Differs> {
        let filter = Filter::parse(form_urlencoded::parse(query.as_bytes()), Limits::default()).unwrap();
        Kind::of(unique, std::iter::once(&filter))
    }

    #[test]
    fn a_filter_decides_what_is_the_same() {
        let plain = kind(Unique::Issuance, "").unwrap();
        let of = |query| kind(Unique::Issuance, query).unwrap();
        assert_eq!(of("domain=a.example&contains=b&regex=c&lookalike=paypal.com"), plain);
        assert_eq!(of("type=x509&type=precert"), plain);
        assert_eq!(of("type=x509"), of("type=!precert"));
        assert_eq!(of("type=precert"), of("type=!x509&domain=a.example"));
        let kinds = ["", "type=x509", "type=precert", "issuer=a", "issuer=!a&type=x509"].map(of);
        assert_eq!(kinds.into_iter().collect::<HashSet<_>>().len(), kinds.len());
        let certificate = kind(Unique::Certificate, "").unwrap();
        assert_eq!(kind(Unique::Certificate, "issuer=a").unwrap(), certificate);
        assert_ne!(kind(Unique::Certificate, "type=x509&issuer=a").unwrap(), certificate);
        assert_ne!(certificate, plain);
    }

    #[test]
    fn nothing_is_the_same_in_two_logs_if_the_log_is_asked_for() {
        for (query, parameter) in [
            ("log=a", Parameter::Log),
            ("log=!a", Parameter::Log),
            ("operator=a&domain=b.example", Parameter::Operator),
        ] {
            for unique in [Unique::Issuance, Unique::Certificate] {
                assert_eq!(kind(unique, query), Err(Differs(parameter)));
            }
        }
    }

    #[test]
    fn each_kind_has_its_own_code() {
        assert!(Kind::all().all(|kind| Kind::from_code(kind.code()) == Some(kind)));
        assert_eq!((0..=u8::MAX).filter_map(Kind::from_code).count(), Kind::all().count());
    }
}
