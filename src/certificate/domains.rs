//! `all_domains`: the first common name and the dNSNames, each once, in order.

use std::borrow::Cow;
use std::collections::HashSet;

use super::der::{Reader, tag};
use super::general_name;
use super::json::JsonText;

/// Up to so many names are compared one by one, which is cheaper than hashing them.
const FEW: usize = 16;

/// Writes the array. From a subjectAltName that is broken it takes the names before the break.
pub(super) fn write(common_name: Option<Cow<'_, str>>, alt_names: Option<&[u8]>, out: &mut Vec<u8>) {
    let mut written = Written::default();
    out.push(b'[');
    if let Some(common_name) = common_name.filter(|name| !name.is_empty()) {
        written.write_once(common_name, out);
    }
    let mut names = alt_names.and_then(general_names).unwrap_or_else(|| Reader::new(&[], 0));
    while let Ok(name) = names.element() {
        if let Some(dns_name) = general_name::dns_name(&name) {
            written.write_once(dns_name, out);
        }
    }
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
