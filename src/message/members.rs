//! Members of a message in its text, without parsing it: what keys and subjects of outputs are made of.

#![cfg_attr(
    not(all(feature = "kafka", feature = "nats")),
    allow(dead_code, reason = "each kind of output needs some of them")
)]

use memchr::memmem::{find, rfind};
use memchr::{memchr, memchr2};

// Quotes inside of texts are escaped, so none of these can be in the text of a certificate.
const LOG_ID: &[u8] = br#""log_id":""#;
const URL: &[u8] = br#""url":""#;
const TBS_SHA256: &[u8] = br#""tbs_sha256":""#;
const ALL_DOMAINS: &[u8] = br#""all_domains":["#;
const DATA: &[u8] = br#""data":["#;

/// The id of the entry's log in base64, of a message of the full or lite stream. `None` if it is not known.
pub(crate) fn log_id_of(text: &[u8]) -> Option<&[u8]> {
    value_at(text, rfind(text, LOG_ID)? + LOG_ID.len())
}

/// The URL of the entry's log, without its scheme, of a message of the full or lite stream.
pub(crate) fn log_url_of(text: &[u8]) -> Option<&[u8]> {
    value_at(text, rfind(text, URL)? + URL.len())
}

/// The hash of what the log has signed, of a message of the full or lite stream. `None` if it is not known.
pub(crate) fn tbs_sha256_of(text: &[u8]) -> Option<&[u8]> {
    value_at(text, find(text, TBS_SHA256)? + TBS_SHA256.len())
}

/// The names in a message of any stream, but those whose text in JSON has an escape: no name of a host has.
pub(crate) fn names_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let array = [ALL_DOMAINS, DATA].into_iter().find_map(|member| Some(find(text, member)? + member.len()));
    let mut rest = array.and_then(|start| text.get(start..)).unwrap_or_default();
    std::iter::from_fn(move || {
        let mut name = rest.strip_prefix(b"\"")?;
        let begin = name;
        loop {
            let end = memchr2(b'"', b'\\', name)?;
            let (_, behind) = name.split_at(end);
            // Of an escape, the character behind it is no end.
            name = behind.get(if behind.first() == Some(&b'\\') { 2 } else { 1 }..)?;
            if behind.first() == Some(&b'"') {
                break;
            }
        }
        rest = name.strip_prefix(b",").unwrap_or_default();
        begin.get(..begin.len() - name.len() - 1)
    })
    .filter(|name| memchr(b'\\', name).is_none())
}

/// The text in quotes that begins at `start`, behind its first quote. It has no escapes.
fn value_at(text: &[u8], start: usize) -> Option<&[u8]> {
    let value = text.get(start..)?;
    value.get(..memchr(b'"', value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_in_the_text() {
        let text = br#"{"data":{"leaf_cert":{"subject":{"CN":"\"url\":\"x"},"all_domains":["a.test","b\"],[\\","c"],"tbs_sha256":"AA:BB"},
            "source":{"log_id":"aWQ=","name":"\"log_id\":\"","url":"ct.example/2026"}},"seq":1}"#;
        assert_eq!([log_id_of(text), log_url_of(text)], [Some(&b"aWQ="[..]), Some(&b"ct.example/2026"[..])]);
        assert_eq!(tbs_sha256_of(text), Some(&b"AA:BB"[..]));
        assert_eq!(names_of(text).collect::<Vec<_>>(), [&b"a.test"[..], b"c"]);
        let names = br#"{"message_type":"dns_entries","data":["a","b"],"seq":1}"#;
        assert_eq!(names_of(names).collect::<Vec<_>>(), [b"a", b"b"]);
        let unknown =
            br#"{"data":{"leaf_cert":{"all_domains":[],"tbs_sha256":null},"source":{"log_id":null}}}"#;
        assert_eq!([log_id_of(unknown), log_url_of(unknown), tbs_sha256_of(unknown)], [None; 3]);
        assert_eq!(names_of(unknown).count() + names_of(br#"{"all_domains":["a"#).count(), 0);
    }
}
