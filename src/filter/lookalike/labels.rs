//! The parts of a name that are compared with targets.

use super::letters::{decoded, push_letters};
use std::ops::Range;

/// More labels than this are not compared, counted from the public suffix. Names of the DNS have at most 127.
const MAX_LABELS: usize = 127;

/// The labels of a name that are not those of its public suffix, and the parts of them between hyphens.
pub(in crate::filter) struct Labels<'n> {
    name: &'n str,
    text: String,
    letters: String,
    /// From the registrable domain's own label to the left; the parts of a label follow it.
    parts: Vec<PartRanges>,
}

struct PartRanges {
    kind: PartKind,
    written: Range<usize>,
    letters: Range<usize>,
}

/// What a part of a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartKind {
    /// The label of the registrable domain.
    Registrable,
    /// Another label.
    Label,
    /// A part of a label between hyphens.
    Token,
}

/// A label or a part of one.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub kind: PartKind,
    /// In U-labels.
    pub written: &'a str,
    pub letters: &'a str,
}

impl<'n> Labels<'n> {
    /// The parts of a name in its normal form.
    pub(in crate::filter) fn new(name: &'n str) -> Self {
        let mut labels = Labels { name, text: String::new(), letters: String::new(), parts: Vec::new() };
        let suffix = psl::suffix(name.as_bytes()).map_or(0, |suffix| suffix.as_bytes().len());
        // A public suffix is somebody's domain too: github.io. But a top-level domain has no other label.
        let dot = name.find('.').filter(|_| suffix == name.len());
        let suffix = dot.map_or(suffix, |dot| suffix - dot - 1);
        let own = name.len().checked_sub(suffix + 1).and_then(|end| name.get(..end));
        let own = own.into_iter().flat_map(|own| own.rsplit('.')).filter(|label| !label.is_empty());
        for (index, label) in own.take(MAX_LABELS).enumerate() {
            labels.push(label, if index == 0 { PartKind::Registrable } else { PartKind::Label });
        }
        labels
    }

    fn push(&mut self, label: &str, kind: PartKind) {
        let decoded = decoded(label);
        let label = decoded.as_deref().unwrap_or(label);
        self.push_part(label, kind);
        if label.contains('-') {
            let tokens = label.split('-').filter(|token| !token.is_empty());
            tokens.for_each(|token| self.push_part(token, PartKind::Token));
        }
    }

    fn push_part(&mut self, part: &str, kind: PartKind) {
        let (written, letters) = (self.text.len(), self.letters.len());
        self.text.push_str(part);
        push_letters(part, &mut self.letters);
        let (written, letters) = (written..self.text.len(), letters..self.letters.len());
        self.parts.push(PartRanges { kind, written, letters });
    }

    pub(super) fn name(&self) -> &'n str {
        self.name
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.parts.iter().map(|part| Part {
            kind: part.kind,
            written: self.text.get(part.written.clone()).unwrap_or_default(),
            letters: self.letters.get(part.letters.clone()).unwrap_or_default(),
        })
    }

    /// The letters of the registrable domain's own label behind those of the label before it: `paypal` of
    /// `pay.pal.com`.
    pub(super) fn joined(&self) -> Option<String> {
        let mut labels = self.parts().filter(|part| part.kind != PartKind::Token);
        let (own, before) = (labels.next()?, labels.next()?);
        Some([before.letters, own.letters].concat())
    }
}
