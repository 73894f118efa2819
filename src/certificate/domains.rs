//! `all_domains`: the first common name and the dNSNames, in order and without duplicates.

use std::borrow::Cow;
use std::collections::HashSet;

use super::der::{Reader, tag};
use super::general_name;
use super::json::JsonText;

/// Up to this many names are compared one by one, which is cheaper than hashing them.
const FEW: usize = 16;

/// The names of a certificate in order. They may contain duplicates.
pub(super) struct Domains<'a, V> {
    common_name: Option<Cow<'a, str>>,
    alt_names: Reader<'a>,
    further_alt_names: V,
}

impl<'a, V: Iterator<Item = &'a [u8]>> Domains<'a, V> {
    /// Collects the names of a subject's `common_name` and the values of its subjectAltName extensions. For a malformed
    /// subjectAltName, these are the names before the error.
    pub(super) fn new(common_name: Option<Cow<'a, str>>, alt_names: V) -> Self {
        let common_name = common_name.filter(|name| !name.is_empty());
        Domains { common_name, alt_names: Reader::new(&[], 0), further_alt_names: alt_names }
    }
}

impl<'a, V: Iterator<Item = &'a [u8]>> Iterator for Domains<'a, V> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(common_name) = self.common_name.take() {
            return Some(common_name);
        }
        loop {
            match self.alt_names.element() {
                Ok(element) => {
                    if let Some(name) = general_name::dns_name(&element) {
                        return Some(name);
                    }
                }
                Err(_) => {
                    let next = self.further_alt_names.next()?;
                    self.alt_names = general_names(next).unwrap_or_else(|| Reader::new(&[], 0));
                }
            }
        }
    }
}

/// Writes the array of names without duplicates.
pub(super) fn write<'a>(
    common_name: Option<Cow<'a, str>>,
    alt_names: impl Iterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
) {
    let mut written = Written::default();
    out.push(b'[');
    Domains::new(common_name, alt_names).for_each(|name| written.write_once(name, out));
    out.push(b']');
}

fn general_names(value: &[u8]) -> Option<Reader<'_>> {
    let (names, _cut) = Reader::new(value, 0).element_or_cut().ok()?;
    (names.tag == tag::SEQUENCE).then(|| names.reader())
}

#[derive(Default)]
struct Written<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Written<'a> {
    fn write_once(&mut self, name: Cow<'a, str>, out: &mut Vec<u8>) {
        if self.contains(&name) {
            return;
        }
        out.raw(if self.few.is_empty() { "\"" } else { ",\"" });
        out.text(&name);
        out.raw("\"");
        if self.few.len() < FEW {
            self.few.push(name);
            return;
        }
        self.many.insert(name);
    }

    fn contains(&self, name: &str) -> bool {
        self.few.iter().any(|written| written == name) || (!self.many.is_empty() && self.many.contains(name))
    }
}
