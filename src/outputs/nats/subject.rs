//! The subjects that a message is published to. Pure.

use crate::filter::registrable;
use crate::message::{Stream, log_url_of, names_of};
use async_nats::Subject;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// What stands for a log or a domain that a message does not have.
const NONE: &str = "_";
const LOG: &str = "{log}";
const DOMAIN: &str = "{domain}";

/// Most logs whose subjects are remembered.
const MAX_REMEMBERED: usize = 4096;

/// A subject with placeholders.
#[derive(Debug)]
pub(super) struct SubjectTemplate {
    text: String,
    has_log: bool,
    has_domain: bool,
    /// The subjects of logs, by their URLs, if only the log decides.
    of_logs: FxHashMap<Vec<u8>, Subject>,
}

impl SubjectTemplate {
    /// The template `text` for messages of `stream`.
    pub(super) fn new(text: &str, stream: Stream) -> Self {
        let text = text.replace("{stream}", &stream.to_string());
        let (has_log, has_domain) = (text.contains(LOG), text.contains(DOMAIN));
        SubjectTemplate { text, has_log, has_domain, of_logs: FxHashMap::default() }
    }

    /// Calls `publish` with the subjects of `message`: one, or with `{domain}` one for each registered domain in it.
    pub(super) fn each(&mut self, message: &[u8], mut publish: impl FnMut(Subject)) {
        let log = log_url_of(message).filter(|_| self.has_log).unwrap_or_default();
        if !self.has_domain {
            return publish(self.of_log(log));
        }
        let text = self.text.replace(LOG, &log_token(log));
        let domains: BTreeSet<String> = names_of(message).filter_map(domain_tokens).collect();
        if domains.is_empty() {
            return publish(text.replace(DOMAIN, NONE).into());
        }
        domains.iter().for_each(|domain| publish(text.replace(DOMAIN, domain).into()));
    }

    /// The subject of messages of the log at `url`.
    fn of_log(&mut self, url: &[u8]) -> Subject {
        if let Some(subject) = self.of_logs.get(url) {
            return subject.clone();
        }
        let subject = Subject::from(self.text.replace(LOG, &log_token(url)));
        if self.of_logs.len() < MAX_REMEMBERED {
            self.of_logs.insert(url.into(), subject.clone());
        }
        subject
    }
}

/// The URL of a log as one word: `ct.example.com/2026h2` becomes `ct_example_com_2026h2`.
fn log_token(url: &[u8]) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let word = |byte: &u8| char::from(if is_plain(*byte) { *byte } else { b'_' });
    if url.is_empty() { NONE.into() } else { url.iter().map(word).collect() }
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
        let (mut template, mut subjects) = (SubjectTemplate::new(template, Stream::Lite), Vec::new());
        for _ in 0..2 {
            subjects.clear();
            template.each(message.as_bytes(), |subject| subjects.push(subject.to_string()));
        }
        subjects
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
