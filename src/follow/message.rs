//! The messages of a stream, parsed as far as they are shown. Pure.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use std::borrow::Cow;
use std::fmt;

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Received {
    /// A certificate, or its names.
    Found(Box<Found>),
    /// Everything up to this number has been sent.
    Heartbeat { seq: Option<u64> },
    /// What the server understood; `seq` is its newest number.
    Subscribed { seq: Option<u64> },
    /// These numbers are missing, both inclusive.
    Gap { from_seq: u64, to_seq: u64 },
    /// A log misbehaved.
    Alert { log: String, problem: String },
    /// A message of another type.
    Other(String),
}

/// A certificate of the stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Found {
    /// The message as it came.
    pub(super) text: String,
    /// Its number. Other certstream servers have none.
    pub(super) seq: Option<u64>,
    pub(super) names: Vec<String>,
    pub(super) update_type: Option<String>,
    /// The log's name.
    pub(super) log: Option<String>,
    /// The issuer's O, else its CN.
    pub(super) issuer: Option<String>,
    /// When the server decoded it, unix seconds.
    pub(super) seen: Option<f64>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    message_type: Cow<'a, str>,
    #[serde(default)]
    data: Data,
    seq: Option<Number>,
    from_seq: Option<Number>,
    to_seq: Option<Number>,
}

/// A number of the journal. Anything else is none: other servers may have a member of this name too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Seq(u64),
    Other(IgnoredAny),
}

/// The member `data` of the different messages.
#[derive(Default)]
enum Data {
    Names(Vec<String>),
    Update(Box<Update>),
    #[default]
    None,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Update {
    update_type: Option<String>,
    leaf_cert: Option<Leaf>,
    source: Option<Source>,
    seen: Option<f64>,
    log: Option<String>,
    problem: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Leaf {
    all_domains: Option<Vec<String>>,
    issuer: Option<Issuer>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "UPPERCASE")]
struct Issuer {
    o: Option<String>,
    cn: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source {
    name: Option<String>,
}

impl Received {
    /// Parses the message `text`.
    ///
    /// # Errors
    /// If it is not a message of a certstream server.
    pub(super) fn parse(text: String) -> Result<Self, serde_json::Error> {
        let envelope: Envelope<'_> = serde_json::from_str(&text)?;
        let seq = seq(envelope.seq);
        Ok(match (&*envelope.message_type, envelope.data) {
            ("certificate_update", Data::Update(update)) => {
                Received::Found(Box::new(Found::from_update(*update, seq, text)))
            }
            ("dns_entries", Data::Names(names)) => {
                Received::Found(Box::new(Found { seq, names, text, ..Found::default() }))
            }
            ("heartbeat", _) => Received::Heartbeat { seq },
            ("subscribed", _) => Received::Subscribed { seq },
            ("gap", _) => Received::Gap {
                from_seq: self::seq(envelope.from_seq).unwrap_or_default(),
                to_seq: self::seq(envelope.to_seq).unwrap_or_default(),
            },
            ("log_alert", Data::Update(alert)) => Received::Alert {
                log: alert.log.unwrap_or_default(),
                problem: alert.problem.unwrap_or_default(),
            },
            (other, _) => Received::Other(other.into()),
        })
    }
}

impl Found {
    fn from_update(update: Update, seq: Option<u64>, text: String) -> Self {
        let leaf = update.leaf_cert.unwrap_or_default();
        let issuer = leaf.issuer.unwrap_or_default();
        Found {
            text,
            seq,
            names: leaf.all_domains.unwrap_or_default(),
            update_type: update.update_type,
            log: update.source.and_then(|source| source.name),
            issuer: issuer.o.filter(|o| !o.is_empty()).or(issuer.cn),
            seen: update.seen,
        }
    }
}

fn seq(number: Option<Number>) -> Option<u64> {
    match number {
        Some(Number::Seq(seq)) => Some(seq),
        Some(Number::Other(_)) | None => None,
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DataVisitor;
        impl<'de> Visitor<'de> for DataVisitor {
            type Value = Data;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names or a certificate")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Data, A::Error> {
                let mut all = Vec::new();
                while let Some(name) = names.next_element()? {
                    all.push(name);
                }
                Ok(Data::Names(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Data, A::Error> {
                Update::deserialize(MapAccessDeserializer::new(map))
                    .map(|update| Data::Update(Box::new(update)))
            }

            fn visit_unit<E>(self) -> Result<Data, E> {
                Ok(Data::None)
            }
        }
        deserializer.deserialize_any(DataVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Found {
        match Received::parse(text.into()) {
            Ok(Received::Found(found)) => *found,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_certificate_is_understood_as_far_as_it_is_shown() {
        let text = r#"{"message_type":"certificate_update","data":{"update_type":"PrecertLogEntry","leaf_cert":
            {"subject":{"CN":"x"},"issuer":{"O":"","CN":"R3"},"all_domains":["a.example","\u0062.example"]},
            "chain":[{"as_der":"AAAA"}],"seen":1795460507.5,"source":{"name":"Log \"A\"","url":"x"}},"seq":7}"#;
        let expected = Found {
            text: text.into(),
            seq: Some(7),
            names: vec!["a.example".into(), "b.example".into()],
            update_type: Some("PrecertLogEntry".into()),
            log: Some("Log \"A\"".into()),
            issuer: Some("R3".into()),
            seen: Some(1_795_460_507.5),
        };
        assert_eq!(found(text), expected);
    }

    #[test]
    fn other_servers_have_no_numbers_and_some_members_are_null() {
        let found = found(
            r#"{"data":{"leaf_cert":{"all_domains":null,"issuer":{"O":null,"CN":null}},"source":{}},"seq":"no","message_type":"certificate_update"}"#,
        );
        assert_eq!((found.seq, found.names.len(), found.log, found.issuer), (None, 0, None, None));
    }

    #[test]
    fn names_and_notices_are_understood() {
        assert_eq!(found(r#"{"message_type":"dns_entries","data":["a","b"],"seq":9}"#).names, ["a", "b"]);
        for (text, expected) in [
            (r#"{"message_type":"heartbeat","timestamp":1.5,"seq":3}"#, Received::Heartbeat { seq: Some(3) }),
            (r#"{"message_type":"heartbeat","timestamp":1.5}"#, Received::Heartbeat { seq: None }),
            (
                r#"{"message_type":"subscribed","stream":"lite","filter":{},"seq":5,"oldest":1}"#,
                Received::Subscribed { seq: Some(5) },
            ),
            (
                r#"{"message_type":"gap","dropped":3,"from_seq":7,"to_seq":9}"#,
                Received::Gap { from_seq: 7, to_seq: 9 },
            ),
            (
                r#"{"message_type":"log_alert","data":{"kind":"fork","log":"l","problem":"p","index":null}}"#,
                Received::Alert { log: "l".into(), problem: "p".into() },
            ),
            (r#"{"message_type":"new","data":null}"#, Received::Other("new".into())),
        ] {
            assert_eq!(Received::parse(text.into()).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "[]",
            "{}",
            "null",
            r#"{"message_type":7}"#,
            r#"{"message_type":"dns_entries","data":[1]}"#,
            &deep,
        ] {
            assert!(Received::parse(text.into()).is_err(), "{text:.80}");
        }
    }
}
