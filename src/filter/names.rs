//! The form in which names are compared: A-labels in lower case, without a dot at the end.

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use std::borrow::Cow;

pub(super) const PUNYCODE: &str = "xn--";

/// Returns the form of a name of an entry. U-labels are converted according to UTS 46. What it does not allow keeps its
/// characters, in lower case.
pub(super) fn canonical(name: &str) -> Cow<'_, str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if !name.is_ascii() {
        return to_a_labels(name).unwrap_or_else(|| Cow::Owned(name.to_lowercase()));
    }
    lower_case(name)
}

/// The name in A-labels. `None` if UTS 46 does not allow it. Labels that have them already are not checked: logs have
/// certificates for malformed ones.
pub(super) fn to_a_labels(name: &str) -> Option<Cow<'_, str>> {
    if name.is_ascii() {
        return Some(lower_case(name));
    }
    Uts46::new().to_ascii(name.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore).ok()
}

/// The name or a part of one in U-labels and lower case. A label that cannot be decoded stays as it is. Borrowed if
/// nothing changes.
pub(super) fn to_u_labels(name: &str) -> Cow<'_, str> {
    if name.is_ascii() && !has_punycode(name) {
        return lower_case(name);
    }
    Uts46::new().to_unicode(name.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow).0
}

/// Whether a label may be an A-label.
pub(super) fn has_punycode(name: &str) -> bool {
    name.contains(PUNYCODE)
}

/// Returns the text in lower case. Borrowed if nothing changes.
pub(super) fn lower_case(text: &str) -> Cow<'_, str> {
    // Without a branch for each byte, so that many are looked at together.
    let is_changed = |byte: u8| !byte.is_ascii() | byte.is_ascii_uppercase();
    if !text.bytes().fold(false, |changed, byte| changed | is_changed(byte)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase() })
}

/// Whether `name` is `domain` or lies below it.
pub(super) fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// The name and the domains that it lies below, the longest first. Only those of at most `max_bytes`: a hostile name
/// has thousands of labels.
pub(super) fn with_parents(name: &str, max_bytes: usize) -> impl Iterator<Item = &str> {
    let floor = name.len().saturating_sub(max_bytes);
    let starts = name.bytes().enumerate().filter(|(_, byte)| *byte == b'.').map(|(dot, _)| dot + 1);
    let starts = std::iter::once(0).chain(starts);
    starts.filter(move |start| *start >= floor).filter_map(|start| name.get(start..))
}
