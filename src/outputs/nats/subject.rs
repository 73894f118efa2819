//! The subjects that a message is published to. Pure.

use crate::filter::registrable;
use crate::message::{Stream, log_url_of, names_of};
use std::collections::BTreeSet;

/// What stands for a log or a domain that a message does not have.
const NONE: &str = "_";
const LOG: &str = "{log}";
const DOMAIN: &str = "{domain}";

/// A subject with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SubjectTemplate {
    text: String,
    has_log: bool,
    has_domain: bool,
}

impl SubjectTemplate {
    /// The template `text` for messages of `stream`.
    pub(super) fn new(text: &str, stream: Stream) -> Self {
        let text = text.replace("{stream}", &stream.to_string());
        SubjectTemplate { has_log: text.contains(LOG), has_domain: text.contains(DOMAIN), text }
    }

    /// The subjects of `message`: one, or with `{domain}` one for each registered domain in it.
    pub(super) fn of(&self, message: &[u8]) -> Vec<String> {
        let text = if self.has_log { self.text.replace(LOG, &log_token(message)) } else { self.text.clone() };
        if !self.has_domain {
            return vec![text];
        }
        let domains: BTreeSet<String> = names_of(message).filter_map(domain_tokens).collect();
        if domains.is_empty() {
            return vec![text.replace(DOMAIN, NONE)];
        }
        domains.iter().map(|domain| text.replace(DOMAIN, domain)).collect()
    }
}

/// The URL of the log as one word: `ct.example.com/2026h2` becomes `ct_example_com_2026h2`.
fn log_token(message: &[u8]) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let word = |byte: &u8| char::from(if is_plain(*byte) { *byte } else { b'_' });
    log_url_of(message).map_or(NONE.into(), |url| url.iter().map(word).collect())
}

/// The registered domain of `name` with its words in reverse order: `www.example.co.uk` becomes `uk.co.example`, so that
/// `uk.co.>` has all of them.
fn domain_tokens(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    let name = name.strip_prefix("*.").unwrap_or(&name);
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if !name.split('.').all(is_word) || name.parse::<std::net::Ipv4Addr>().is_ok() {
        return None;
    }
    Some(registrable(name)?.rsplit('.').collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subjects(template: &str, message: &str) -> Vec<String> {
        SubjectTemplate::new(template, Stream::Lite).of(message.as_bytes())
    }

    #[test]
    fn a_message_is_published_by_its_log_and_once_for_each_registered_domain() {
        let message = r#"{"data":{"leaf_cert":{"all_domains":["*.B.example.co.uk","www.example.co.uk","a.test","10.0.0.1","com",
            "x\u0000.org","a b.org"]},"source":{"log_id":null,"name":"\"url\":\"x","url":"ct.example.com:8080/2026h2/"}},"seq":1}"#
            .replace(",\n            ", ",");
        assert_eq!(subjects("ct.{stream}.{log}", &message), ["ct.lite.ct_example_com_8080_2026h2_"]);
        assert_eq!(subjects("d.{domain}", &message), ["d.test.a", "d.uk.co.example"]);
        let both = subjects("{log}.{domain}.x", &message);
        assert_eq!(both.first().map(String::as_str), Some("ct_example_com_8080_2026h2_.test.a.x"));
    }

    #[test]
    fn what_a_message_does_not_have_is_a_word_of_its_own() {
        let gap = crate::message::gap(1, 2);
        assert_eq!(subjects("ct.{log}.{domain}", &gap), ["ct._._"]);
        let names = r#"{"message_type":"dns_entries","data":["localhost","b.a.test"],"seq":1}"#;
        assert_eq!(subjects("ct.{domain}", names), ["ct.test.a"]);
        assert_eq!(subjects("ct.{domain}", r#"{"data":["com"]}"#), ["ct._"]);
    }
}
