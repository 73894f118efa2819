//! The body of a get-entries answer (RFC 6962 section 4.6).
//!
//! An entry's base64 may be broken while the rest of the page is sound, so each entry is judged by itself.

use bytes::Bytes;
use serde::Deserialize;
use std::borrow::Cow;

/// `leaf_input` and `extra_data` of one entry, decoded from base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEntry {
    /// A MerkleTreeLeaf.
    pub leaf_input: Bytes,
    /// What the leaf does not hold: the chain, for a precert also the precertificate.
    pub extra_data: Bytes,
}

/// A member of an entry that is no base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{member} is no base64 ({length} characters)")]
pub struct NotBase64 {
    /// `leaf_input` or `extra_data`.
    pub member: &'static str,
    /// Length of the text.
    pub length: usize,
}

/// The body is no get-entries answer at all.
#[derive(Debug, thiserror::Error)]
#[error("no get-entries answer: {0}")]
pub struct NotAPage(#[from] serde_json::Error);

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    entries: Vec<Texts<'a>>,
}

#[derive(Deserialize)]
struct Texts<'a> {
    #[serde(borrow)]
    leaf_input: Cow<'a, str>,
    #[serde(borrow)]
    extra_data: Cow<'a, str>,
}

/// Reads a page; entries come in the log's order, those that are no base64 as an error in their place.
pub fn parse(body: &[u8]) -> Result<Vec<Result<RawEntry, NotBase64>>, NotAPage> {
    let page: Page<'_> = serde_json::from_slice(body)?;
    Ok(page.entries.iter().map(raw_entry).collect())
}

/// Both members in one allocation, which lives exactly as long as the entry.
fn raw_entry(texts: &Texts<'_>) -> Result<RawEntry, NotBase64> {
    let (leaf, extra) = (texts.leaf_input.as_bytes(), texts.extra_data.as_bytes());
    let mut decoded = Vec::with_capacity((leaf.len() + extra.len()) / 4 * 3 + 6);
    append(leaf, "leaf_input", &mut decoded)?;
    let split = decoded.len();
    append(extra, "extra_data", &mut decoded)?;
    let mut leaf_input = Bytes::from(decoded);
    let extra_data = leaf_input.split_off(split);
    Ok(RawEntry { leaf_input, extra_data })
}

fn append(text: &[u8], member: &'static str, out: &mut Vec<u8>) -> Result<(), NotBase64> {
    base64_simd::STANDARD
        .decode_append(text, out)
        .map_err(|_| NotBase64 { member, length: text.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_yields_its_entries_in_order() {
        let page = parse(br#"{"entries":[{"leaf_input":"AAE=","extra_data":""},{"extra_data":"\/w==","leaf_input":"Ag=="}]}"#);
        let page: Vec<_> = page.unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(page[0], RawEntry { leaf_input: vec![0, 1].into(), extra_data: vec![].into() });
        assert_eq!(page[1], RawEntry { leaf_input: vec![2].into(), extra_data: vec![255].into() });
    }

    #[test]
    fn one_broken_entry_costs_only_itself() {
        let page = parse(br#"{"entries":[{"leaf_input":"!!!!","extra_data":""},{"leaf_input":"Ag==","extra_data":"A"}, {"leaf_input":"Ag==","extra_data":""}]}"#).unwrap();
        assert_eq!(page[0], Err(NotBase64 { member: "leaf_input", length: 4 }));
        assert_eq!(page[1], Err(NotBase64 { member: "extra_data", length: 1 }));
        assert!(page[2].is_ok());
    }

    #[test]
    fn anything_else_is_no_page() {
        for body in [
            "",
            "{}",
            "[]",
            "<html>",
            r#"{"entries":[{"leaf_input":"AA=="}]}"#,
            r#"{"entries":[{"le"#,
        ] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
        assert_eq!(parse(br#"{"entries":[]}"#).unwrap().len(), 0);
    }
}
