//! The body of a get-entries response (RFC 6962 section 4.6).
//!
//! One entry can have invalid base64 while the rest of the page is valid, so each entry has its own result.

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// `leaf_input` and `extra_data` of one entry, decoded from base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEntry {
    /// A MerkleTreeLeaf.
    pub leaf_input: Bytes,
    /// The data that is not part of the leaf: the chain, and for a precert also the precertificate.
    pub extra_data: Bytes,
}

/// An entry in which a member is not valid base64, with the texts of both members.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{member} is no base64")]
pub struct NotBase64 {
    /// `leaf_input` or `extra_data`.
    pub member: &'static str,
    /// The text of `leaf_input`.
    pub leaf_input: String,
    /// The text of `extra_data`.
    pub extra_data: String,
}

impl NotBase64 {
    /// Decodes the entry leniently: skips characters outside the alphabet, and accepts missing or excess
    /// padding. `None` if even this does not yield whole bytes.
    pub fn salvage(&self) -> Option<RawEntry> {
        let extra_data = lenient(&self.extra_data)?.into();
        Some(RawEntry { leaf_input: self.salvage_leaf_input()?, extra_data })
    }

    /// The same for `leaf_input` alone. Only `leaf_input` is hashed into the tree.
    pub fn salvage_leaf_input(&self) -> Option<Bytes> {
        lenient(&self.leaf_input).map(Bytes::from)
    }
}

fn lenient(text: &str) -> Option<Vec<u8>> {
    let of_alphabet = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let characters: Vec<u8> = text.bytes().filter(of_alphabet).collect();
    base64_simd::forgiving_decode_to_vec(&characters).ok()
}

/// The body is not a get-entries response.
#[derive(Debug, thiserror::Error)]
#[error("no get-entries answer: {0}")]
pub struct NotAPage(#[from] serde_json::Error);

/// An entry as it is in the page. It is borrowed if nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Texts<'a> {
    #[serde(borrow)]
    leaf_input: Cow<'a, str>,
    #[serde(borrow)]
    extra_data: Cow<'a, str>,
}

/// The result for one entry of a page.
pub type PageEntry = Result<RawEntry, NotBase64>;

/// Parses a page of at most `most` entries, the number that was requested. The entries are in the order of
/// the log. An entry that is not valid base64 becomes an error in its place.
///
/// # Errors
/// If the body is not a page, or if the page has more than `most` entries. Parsing stops at the first excess
/// entry, because an entry takes some hundred bytes of memory but can take only two or three bytes of the
/// page.
pub fn parse(body: &[u8], most: usize) -> Result<Vec<PageEntry>, NotAPage> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let page = PageSeed { most }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(page)
}

/// `{"entries": [...]}`. Other members are allowed and ignored.
struct PageSeed {
    most: usize,
}

impl<'de> DeserializeSeed<'de> for PageSeed {
    type Value = Vec<PageEntry>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PageSeed {
    type Value = Vec<PageEntry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with \"entries\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut entries = None;
        while let Some(name) = members.next_key::<Name<'de>>()? {
            if name.0 != "entries" {
                members.next_value::<IgnoredAny>()?;
            } else if entries.is_some() {
                return Err(Error::duplicate_field("entries"));
            } else {
                entries = Some(members.next_value_seed(EntriesSeed { most: self.most })?);
            }
        }
        entries.ok_or_else(|| Error::missing_field("entries"))
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct EntriesSeed {
    most: usize,
}

impl<'de> DeserializeSeed<'de> for EntriesSeed {
    type Value = Vec<PageEntry>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for EntriesSeed {
    type Value = Vec<PageEntry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of at most {} entries", self.most)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = texts.next_element::<Texts<'de>>()? {
            if entries.len() == self.most {
                return Err(Error::custom(format_args!(
                    "more than the {} entries that were asked for",
                    self.most
                )));
            }
            entries.push(raw_entry(&entry));
        }
        Ok(entries)
    }
}

/// Decodes both members into one allocation, which is freed together with the entry.
fn raw_entry(texts: &Texts<'_>) -> Result<RawEntry, NotBase64> {
    let (leaf, extra) = (texts.leaf_input.as_bytes(), texts.extra_data.as_bytes());
    let not_base64 = |member| NotBase64 {
        member,
        leaf_input: texts.leaf_input.to_string(),
        extra_data: texts.extra_data.to_string(),
    };
    let mut decoded = Vec::with_capacity((leaf.len() + extra.len()) / 4 * 3 + 6);
    let base64 = base64_simd::STANDARD;
    base64.decode_append(leaf, &mut decoded).map_err(|_| not_base64("leaf_input"))?;
    let split = decoded.len();
    base64.decode_append(extra, &mut decoded).map_err(|_| not_base64("extra_data"))?;
    let mut leaf_input = Bytes::from(decoded);
    let extra_data = leaf_input.split_off(split);
    Ok(RawEntry { leaf_input, extra_data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_yields_its_entries_in_order() {
        let page = parse(br#"{"entries":[{"leaf_input":"AAE=","extra_data":""},{"extra_data":"\/w==","leaf_input":"Ag=="}]}"#, 2);
        let page: Vec<_> = page.unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(page[0], RawEntry { leaf_input: vec![0, 1].into(), extra_data: vec![].into() });
        assert_eq!(page[1], RawEntry { leaf_input: vec![2].into(), extra_data: vec![255].into() });
    }

    #[test]
    fn one_broken_entry_costs_only_itself() {
        let page = parse(br#"{"entries":[{"leaf_input":"!!!!","extra_data":""},{"leaf_input":"Ag==","extra_data":"A"}, {"leaf_input":"Ag==","extra_data":""}]}"#, 1000).unwrap();
        assert_eq!(page[0].as_ref().unwrap_err().to_string(), "leaf_input is no base64");
        assert_eq!(page[1].as_ref().unwrap_err().to_string(), "extra_data is no base64");
        assert!(page[2].is_ok());
    }

    /// Data after the excess entry is not parsed, even if it is invalid.
    #[test]
    fn a_page_of_more_entries_than_asked_for_is_not_read_on() {
        let entries = r#"{"leaf_input":"","extra_data":""},"#.repeat(4);
        let page = format!(r#"{{"entries":[{entries}!!!"#);
        let error = parse(page.as_bytes(), 3).unwrap_err().to_string();
        assert!(error.contains("more than the 3 entries"), "{error}");
        assert!(!parse(page.as_bytes(), 4).unwrap_err().to_string().contains("more than"));
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
            r#"{"entries":[]} {}"#,
            r#"{"entries":[],"entries":[]}"#,
            r#"{"entries":{}}"#,
        ] {
            assert!(parse(body.as_bytes(), 10).is_err(), "{body}");
        }
        assert_eq!(parse(br#"{"entries":[]}"#, 10).unwrap().len(), 0);
        assert_eq!(parse(br#"{"a":[{}],"entries":[],"b":1}"#, 10).unwrap().len(), 0);
    }

    #[test]
    fn sloppy_base64_can_be_salvaged() {
        for (text, bytes) in [
            ("AA\nEC\r\n", Some(vec![0, 1, 2])),
            ("AA-EC", Some(vec![0, 1, 2])),
            ("AAE=====", Some(vec![0, 1])),
            ("AAE", Some(vec![0, 1])),
            ("A", None),
        ] {
            let (leaf_input, extra_data) = (text.to_string(), String::new());
            let salvaged = NotBase64 { member: "leaf_input", leaf_input, extra_data }.salvage();
            assert_eq!(salvaged.map(|raw| raw.leaf_input.to_vec()), bytes, "{text:?}");
        }
    }
}
