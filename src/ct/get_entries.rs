//! The body of a get-entries response (RFC 6962 section 4.6).
//!
//! One entry can have invalid base64 while the rest of the page is valid, so each entry has its own result.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// `leaf_input` and `extra_data` of one entry, decoded from base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawEntry<'a> {
    /// A MerkleTreeLeaf.
    pub leaf_input: &'a [u8],
    /// The data that is not part of the leaf: the chain, and for a precert also the precertificate.
    pub extra_data: &'a [u8],
}

/// An entry in which a member is not valid base64, with the texts of both members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{member} is no base64")]
pub struct NotBase64<'a> {
    /// `leaf_input` or `extra_data`.
    pub member: &'static str,
    /// The text of `leaf_input`.
    pub leaf_input: &'a str,
    /// The text of `extra_data`.
    pub extra_data: &'a str,
}

impl NotBase64<'_> {
    /// Decodes the entry leniently: skips characters outside the alphabet, and accepts missing or excess
    /// padding. Returns `leaf_input` and `extra_data`; `None` if even this does not yield whole bytes.
    pub fn salvage(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        Some((self.salvage_leaf_input()?, lenient(self.extra_data)?))
    }

    /// The same for `leaf_input` alone. Only `leaf_input` is hashed into the tree.
    pub fn salvage_leaf_input(&self) -> Option<Vec<u8>> {
        lenient(self.leaf_input)
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
pub type PageEntry<'a> = Result<RawEntry<'a>, NotBase64<'a>>;

/// Parses a page of at most `most` entries, the number that was requested. Calls `each` with every entry in the order of
/// the log, and returns the results. An entry that is not valid base64 becomes an error in its place.
///
/// Bytes and texts are only valid during the call, because the next entry is decoded into the same memory. A page
/// whose entries are decoded one after the other stays in the processor's cache.
///
/// # Errors
/// If the body is not a page, or if the page has more than `most` entries. Parsing stops at the first excess
/// entry, because an entry takes some hundred bytes of memory but can take only two or three bytes of the
/// page.
pub fn parse<T>(body: &[u8], most: usize, each: impl FnMut(PageEntry<'_>) -> T) -> Result<Vec<T>, NotAPage> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let page = PageSeed { most, each }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(page)
}

/// `{"entries": [...]}`. Other members are allowed and ignored.
struct PageSeed<F> {
    most: usize,
    each: F,
}

impl<'de, T, F: FnMut(PageEntry<'_>) -> T> DeserializeSeed<'de> for PageSeed<F> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T, F: FnMut(PageEntry<'_>) -> T> Visitor<'de> for PageSeed<F> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with \"entries\"")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut entries = None;
        while let Some(name) = members.next_key::<Name<'de>>()? {
            if name.0 != "entries" {
                members.next_value::<IgnoredAny>()?;
            } else if entries.is_some() {
                return Err(Error::duplicate_field("entries"));
            } else {
                entries =
                    Some(members.next_value_seed(EntriesSeed { most: self.most, each: &mut self.each })?);
            }
        }
        entries.ok_or_else(|| Error::missing_field("entries"))
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct EntriesSeed<'f, F> {
    most: usize,
    each: &'f mut F,
}

impl<'de, T, F: FnMut(PageEntry<'_>) -> T> DeserializeSeed<'de> for EntriesSeed<'_, F> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T, F: FnMut(PageEntry<'_>) -> T> Visitor<'de> for EntriesSeed<'_, F> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of at most {} entries", self.most)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Self::Value, A::Error> {
        let (mut entries, mut decoded) = (Vec::new(), Vec::new());
        while let Some(entry) = texts.next_element::<Texts<'de>>()? {
            if entries.len() == self.most {
                return Err(Error::custom(format_args!(
                    "more than the {} entries that were asked for",
                    self.most
                )));
            }
            entries.push((self.each)(raw_entry(&entry, &mut decoded)));
        }
        Ok(entries)
    }
}

/// Decodes both members into `decoded`.
fn raw_entry<'a>(texts: &'a Texts<'_>, decoded: &'a mut Vec<u8>) -> PageEntry<'a> {
    let (leaf, extra) = (texts.leaf_input.as_bytes(), texts.extra_data.as_bytes());
    let not_base64 =
        |member| NotBase64 { member, leaf_input: &texts.leaf_input, extra_data: &texts.extra_data };
    decoded.clear();
    let base64 = base64_simd::STANDARD;
    base64.decode_append(leaf, &mut *decoded).map_err(|_| not_base64("leaf_input"))?;
    let split = decoded.len();
    base64.decode_append(extra, &mut *decoded).map_err(|_| not_base64("extra_data"))?;
    let (leaf_input, extra_data) = decoded.split_at(split);
    Ok(RawEntry { leaf_input, extra_data })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parsed = Result<(Vec<u8>, Vec<u8>), String>;

    fn parse(body: &[u8], most: usize) -> Result<Vec<Parsed>, NotAPage> {
        let parsed = |raw: PageEntry<'_>| {
            raw.map(|raw| (raw.leaf_input.into(), raw.extra_data.into())).map_err(|error| error.to_string())
        };
        super::parse(body, most, parsed)
    }

    #[test]
    fn a_page_yields_its_entries_in_order() {
        let page = parse(br#"{"entries":[{"leaf_input":"AAE=","extra_data":""},{"extra_data":"\/w==","leaf_input":"Ag=="}]}"#, 2);
        let page: Vec<_> = page.unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(page, [(vec![0, 1], vec![]), (vec![2], vec![255])]);
    }

    #[test]
    fn one_broken_entry_costs_only_itself() {
        let page = parse(br#"{"entries":[{"leaf_input":"!!!!","extra_data":""},{"leaf_input":"Ag==","extra_data":"A"}, {"leaf_input":"Ag==","extra_data":""}]}"#, 1000).unwrap();
        assert_eq!(page[0].as_ref().unwrap_err(), "leaf_input is no base64");
        assert_eq!(page[1].as_ref().unwrap_err(), "extra_data is no base64");
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
            let salvaged = NotBase64 { member: "leaf_input", leaf_input: text, extra_data: "" }.salvage();
            assert_eq!(salvaged.map(|(leaf_input, _)| leaf_input), bytes, "{text:?}");
        }
    }
}
