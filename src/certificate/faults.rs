//! Collects the faults of a certificate and writes them as the text of `parse_error`.

use super::der::Malformed;
use super::json::JsonText;

/// Maximum number of faults. More would only repeat that the certificate is broken.
const MAX_FAULTS: usize = 8;

#[derive(Clone, Default)]
pub(super) struct Faults {
    list: Vec<(&'static str, Malformed)>,
    more: bool,
}

impl Faults {
    pub(super) fn add(&mut self, part: &'static str, fault: Malformed) {
        if self.list.len() < MAX_FAULTS {
            self.list.push((part, fault));
        } else {
            self.more = true;
        }
    }

    pub(super) fn note(&mut self, part: &'static str, what: &'static str, at: usize) {
        self.add(part, Malformed { what, at });
    }

    /// Returns the value of an `Ok`. Records the fault of an `Err`.
    pub(super) fn keep<T>(&mut self, part: &'static str, result: Result<T, Malformed>) -> Option<T> {
        result.map_err(|fault| self.add(part, fault)).ok()
    }

    /// Appends the last member, `,"parse_error":"..."`, if there are faults.
    pub(super) fn write_member(&self, out: &mut Vec<u8>) {
        if self.list.is_empty() {
            return;
        }
        out.raw(",\"parse_error\":\"");
        for (place, (part, fault)) in self.list.iter().enumerate() {
            if place > 0 {
                out.raw("; ");
            }
            out.text(part);
            out.raw(": ");
            out.text(fault.what);
            out.raw(" (byte ");
            out.decimal(i64::try_from(fault.at).unwrap_or(i64::MAX));
            out.raw(")");
        }
        if self.more {
            out.raw("; and more");
        }
        out.raw("\"");
    }
}
