//! What filters look at in one entry. Each fact is found out when a filter first asks for it.

use super::names::{canonical, lower_case};
use super::value::{log_key, type_name};
use crate::certificate::{Certificate, visit_domains};
use crate::ct::entry::Content;
use crate::ct::source::Source;
use std::borrow::Cow;
use std::cell::OnceCell;

/// Longer names are left out: those of the DNS have at most 253 bytes. It bounds the work for a hostile certificate.
const MAX_NAME_BYTES: usize = 1024;

/// What filters compare of a log. It is made once for all entries of a batch.
#[derive(Debug, Clone)]
pub struct SourceFacts {
    /// The log's id in base64 if it is known, its URL, and its name.
    pub(super) log: Vec<String>,
    pub(super) operator: String,
}

impl SourceFacts {
    /// What filters compare of `source`.
    pub fn new(source: &Source) -> Self {
        let id = source.log_id().map(|id| base64_simd::STANDARD.encode_to_string(id));
        let texts = [source.url(), source.name()].map(|text| log_key(text).into_owned());
        SourceFacts {
            log: id.into_iter().chain(texts).collect(),
            operator: lower_case(source.operator()).into_owned(),
        }
    }
}

/// What filters look at in one entry.
///
/// An entry of which only the names were read has no type and no issuer. A filter that wants some does not match it,
/// and one that excludes some does: it is not known to have what is excluded.
pub struct Facts<'a> {
    source: &'a SourceFacts,
    content: Option<&'a Content>,
    certificate: OnceCell<Option<Certificate<'a>>>,
    names: OnceCell<Names>,
    issuer: OnceCell<Vec<String>>,
    entry_type: Option<&'static str>,
}

impl<'a> Facts<'a> {
    /// The facts of an entry with this content, of the log `source`.
    pub fn new(source: &'a SourceFacts, content: &'a Content) -> Self {
        let entry_type = match content {
            Content::Entry(entry) => Some(type_name(entry.entry_type)),
            Content::Names(_) => None,
        };
        Facts {
            source,
            content: Some(content),
            certificate: OnceCell::new(),
            names: OnceCell::new(),
            issuer: OnceCell::new(),
            entry_type,
        }
    }

    fn certificate(&self) -> Option<&Certificate<'a>> {
        let parse = || match self.content? {
            Content::Entry(entry) => Some(Certificate::parse(&entry.certificate)),
            Content::Names(_) => None,
        };
        self.certificate.get_or_init(parse).as_ref()
    }

    /// Visits the names as messages show them, until `visit` returns false.
    fn visit_written(&self, mut visit: impl FnMut(&str) -> bool) {
        match self.content {
            Some(Content::Names(entry)) => drop(entry.names.iter().all(|name| visit(name))),
            Some(Content::Entry(entry)) => visit_domains(&entry.certificate, visit),
            None => {}
        }
    }

    /// The names in the form in which they are compared, in order.
    pub(super) fn names(&self) -> &Names {
        self.names.get_or_init(|| {
            let mut names = Names::usual();
            self.visit_written(|name| {
                names.push(name);
                true
            });
            names
        })
    }

    /// The name at `index` of [`names`](Self::names) as messages show it.
    pub(super) fn written_name(&self, index: usize) -> Option<String> {
        let position = self.names().ranges.get(index)?.position;
        let (mut at, mut written) = (0, None);
        self.visit_written(|name| {
            let found = at == position;
            if found {
                written = Some(name.to_string());
            }
            at += 1;
            !found
        });
        written.or_else(|| self.names().get(index).map(String::from))
    }

    /// The issuer's O and CN, in lower case.
    pub(super) fn issuer(&self) -> &[String] {
        self.issuer.get_or_init(|| {
            let Some(certificate) = self.certificate() else { return Vec::new() };
            let names = [certificate.issuer_organization(), certificate.issuer_common_name()];
            names.into_iter().flatten().map(|text| lower_case(&text).into_owned()).collect()
        })
    }

    /// The forms in which the log can be given.
    pub(super) fn log(&self) -> &[String] {
        &self.source.log
    }

    pub(super) fn operator(&self) -> &str {
        &self.source.operator
    }

    pub(super) fn entry_type(&self) -> Option<&'static str> {
        self.entry_type
    }

    /// Facts that were found out already.
    #[cfg(test)]
    pub(crate) fn given(
        source: &'a SourceFacts,
        names: &[impl AsRef<str>],
        issuer: &[&str],
        entry_type: Option<&'static str>,
    ) -> Self {
        let mut all = Names::default();
        names.iter().for_each(|name| all.push(name.as_ref()));
        let issuer = issuer.iter().map(|text| text.to_lowercase()).collect::<Vec<_>>();
        Facts {
            source,
            content: None,
            certificate: OnceCell::new(),
            names: OnceCell::from(all),
            issuer: OnceCell::from(issuer),
            entry_type,
        }
    }
}

/// The names of an entry, in one piece of memory.
#[derive(Debug, Default)]
pub(super) struct Names {
    text: String,
    ranges: Vec<NameRange>,
    pushed: usize,
}

/// Where a name is.
#[derive(Debug, Clone, Copy)]
struct NameRange {
    start: usize,
    end: usize,
    /// Its place among all names of the entry.
    position: usize,
}

impl Names {
    /// No names, with room for those of nearly every certificate.
    fn usual() -> Self {
        Names { text: String::with_capacity(128), ranges: Vec::with_capacity(4), pushed: 0 }
    }

    /// Adds a name, unless it repeats the first one: nearly every common name is among the dNSNames.
    fn push(&mut self, name: &str) {
        let position = self.pushed;
        self.pushed += 1;
        if name.len() > MAX_NAME_BYTES {
            return;
        }
        let name: Cow<'_, str> = canonical(name);
        if self.get(0) == Some(&*name) {
            return;
        }
        let start = self.text.len();
        self.text.push_str(&name);
        self.ranges.push(NameRange { start, end: self.text.len(), position });
    }

    pub(super) fn get(&self, index: usize) -> Option<&str> {
        let range = self.ranges.get(index)?;
        self.text.get(range.start..range.end)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.ranges.iter().filter_map(|range| self.text.get(range.start..range.end))
    }
}
