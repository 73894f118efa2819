//! A domain that others are made to look like, and the definition of what looks like it.

use super::edits::{self, MIN_CHARS, is_one_edit};
use super::labels::{Labels, Part, PartKind};
use super::letters::{decoded, push_letters, shape};
use super::words;
use crate::filter::names::is_within;

/// A label with fewer characters is only looked for at the ends of another one.
const MIN_MIDDLE: usize = 6;

/// How a name is like a domain. From the most to the least similar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Likeness {
    /// Its label under another public suffix: `paypal.net`.
    OtherTld,
    /// Its label below another domain: `paypal.com.evil.example`.
    Subdomain,
    /// Characters that look like those of its label: `paypa1.com`.
    Confusable,
    /// Its label with something before or behind it: `paypal-login.com`, `securepaypal.com`.
    Affix,
    /// One character more, less or different, or two swapped: `paypall.com`, `pay.pal.com`.
    Edit,
}

/// A domain that others are made to look like.
#[derive(Debug)]
pub(in crate::filter) struct Target {
    /// The registrable domain. It and what lies below it is no look-alike.
    domain: String,
    /// Its first label, in U-labels.
    written: String,
    letters: String,
    shape: String,
    chars: Box<[char]>,
    /// With its top-level domain behind it, if not everything may be there.
    with_suffix: Option<String>,
    /// Whether the label is a word that names have for other reasons too.
    is_everyday: bool,
}

impl Target {
    /// The registrable domain of `domain`, which is in A-labels. `None` if it is a public suffix, or has only one
    /// label.
    pub(in crate::filter) fn new(domain: &str) -> Option<Self> {
        let domain = registrable(domain)?;
        let (label, suffix) = domain.split_once('.')?;
        let written = decoded(label).unwrap_or_else(|| label.into());
        let mut letters = String::new();
        push_letters(&written, &mut letters);
        let chars: Box<[char]> = edits::chars(&letters)?.as_slice().into();
        let is_everyday = words::is_everyday(&written);
        let mut with_suffix = letters.clone();
        push_letters(suffix.split('.').next_back()?, &mut with_suffix);
        Some(Target {
            shape: shape(&letters),
            with_suffix: (is_everyday || chars.len() < MIN_CHARS).then_some(with_suffix),
            is_everyday,
            domain: domain.into(),
            written,
            letters,
            chars,
        })
    }

    /// How a name is like the domain, in the most similar of its parts. `None` if it is not, or is the domain's own.
    pub(in crate::filter) fn likeness(&self, labels: &Labels<'_>) -> Option<Likeness> {
        if is_within(labels.name(), &self.domain) {
            return None;
        }
        let of_part = labels.parts().filter_map(|part| self.likeness_of_part(part)).min();
        let is_joined = || labels.joined().is_some_and(|letters| letters == self.letters);
        of_part.or_else(|| is_joined().then_some(Likeness::Edit))
    }

    fn likeness_of_part(&self, part: Part<'_>) -> Option<Likeness> {
        if part.written == self.written {
            return Some(match part.kind {
                PartKind::Registrable => Likeness::OtherTld,
                PartKind::Label => Likeness::Subdomain,
                PartKind::Token => Likeness::Affix,
            });
        }
        if part.letters == self.letters || self.is_long() && shape(part.letters) == self.shape {
            return Some(Likeness::Confusable);
        }
        if self.has_affix(part.letters) {
            return Some(Likeness::Affix);
        }
        let is_edit = self.is_long()
            && edits::chars(part.letters).is_some_and(|chars| is_one_edit(&chars, &self.chars));
        // Nobody takes finance.example.com for binance.com. But goggle.com is made for those who mistype google.com.
        let is_taken_for_it = part.kind == PartKind::Registrable || !words::is_everyday(part.written);
        (is_edit && is_taken_for_it).then_some(Likeness::Edit)
    }

    /// Whether a part has something before or behind the label.
    fn has_affix(&self, letters: &str) -> bool {
        if self.with_suffix.as_deref() == Some(letters) {
            return true;
        }
        if !self.is_long() {
            return words::without_added(letters).any(|label| label == self.letters);
        }
        // The last place, in case that two overlap.
        let last = letters.rfind(&self.letters);
        let places = letters.match_indices(&self.letters).map(|(start, _)| start).chain(last);
        let mut texts = places.filter_map(|start| {
            let (before, rest) = letters.split_at_checked(start)?;
            Some((before, rest.strip_prefix(&self.letters)?))
        });
        texts.any(|(before, behind)| {
            if self.is_everyday {
                words::are_added(before) && words::are_added(behind)
            } else {
                self.chars.len() >= MIN_MIDDLE || before.is_empty() || behind.is_empty()
            }
        })
    }

    pub(super) fn is_long(&self) -> bool {
        self.chars.len() >= MIN_CHARS
    }

    pub(super) fn letters(&self) -> &str {
        &self.letters
    }

    pub(super) fn chars(&self) -> &[char] {
        &self.chars
    }

    pub(super) fn shape(&self) -> &str {
        &self.shape
    }

    /// Further letters of whole parts that are like it.
    pub(super) fn with_suffix(&self) -> Option<&str> {
        self.with_suffix.as_deref()
    }

    /// Memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let texts = [&self.domain, &self.written, &self.letters, &self.shape];
        let texts = texts.into_iter().chain(&self.with_suffix).map(String::capacity);
        size_of::<Target>() + size_of_val(&*self.chars) + texts.sum::<usize>()
    }
}

/// The registrable domain: the public suffix and one label. Of a public suffix that somebody has registered, itself,
/// such as `github.io`.
pub(crate) fn registrable(domain: &str) -> Option<&str> {
    let suffix = psl::suffix(domain.as_bytes())?;
    let is_private = suffix.typ() == Some(psl::Type::Private);
    let length = suffix.as_bytes().len();
    if length == domain.len() {
        return (is_private && domain.contains('.')).then_some(domain);
    }
    let own = domain.get(..domain.len().checked_sub(length + 1)?)?;
    domain.get(own.rfind('.').map_or(0, |dot| dot + 1)..)
}
