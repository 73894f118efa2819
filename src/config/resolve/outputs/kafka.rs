//! Resolves outputs to Kafka.

use super::Resolver;
use crate::config::ConfigError;
use crate::config::outputs::{KafkaConfig, RecordKey, SaslMechanism};
use crate::config::resolve::checks::identity;
use crate::config::values::PlainSecret;
use crate::message::Stream;
use std::path::PathBuf;

/// What librdkafka has to choose a partition.
const PARTITIONERS: [&str; 6] =
    [PARTITIONER, "murmur2", "consistent_random", "consistent", "fnv1a_random", "fnv1a"];
/// That of Kafka's own clients.
const PARTITIONER: &str = "murmur2_random";
/// The longest name of a topic.
const MAX_TOPIC: usize = 249;
/// Properties that the output sets itself, because its promises depend on them.
const OWN_PROPERTIES: [&str; 21] = [
    "acks",
    "request.required.acks",
    "bootstrap.servers",
    "metadata.broker.list",
    "brokers.addresses",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "message.timeout.ms",
    "enable.idempotence",
    "enable.gapless.guarantee",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.send.max.retries",
    "retries",
    "plugin.library.paths",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "sasl.password",
    "sasl.username",
    "statistics.interval.ms",
    "transactional.id",
];

impl Resolver<'_> {
    pub(super) fn kafka(&self) -> Result<KafkaConfig, ConfigError> {
        if !cfg!(feature = "kafka") {
            let problem = "this program was built without Kafka; build it with --features kafka";
            return Err(self.error("type", problem));
        }
        let w = self.written;
        let brokers = w.brokers.clone().unwrap_or_default();
        if brokers.is_empty() || !brokers.iter().all(|broker| is_broker(broker)) {
            return Err(self.error("brokers", "expected at least one HOST:PORT such as \"127.0.0.1:9092\""));
        }
        let topic = w.topic.clone().unwrap_or_else(|| format!("certstream-{}", w.stream));
        if !is_topic(&topic) {
            let problem =
                "expected 1 to 249 letters, digits, \".\", \"_\" and \"-\", and not \".\" or \"..\"";
            return Err(self.error("topic", problem));
        }
        let partitioner = w.partitioner.as_deref().unwrap_or(PARTITIONER);
        if !PARTITIONERS.contains(&partitioner) {
            return Err(self.error("partitioner", format!("expected one of {}", PARTITIONERS.join(", "))));
        }
        let (certificate, private) = (w.tls_certificate.as_deref(), w.tls_key.as_deref());
        let tls_identity = identity(
            self.sources,
            &|key| self.key(key),
            certificate.unwrap_or_default(),
            private.unwrap_or_default(),
        )?;
        let tls = w.tls.unwrap_or(false);
        if !tls && (w.tls_ca.is_some() || tls_identity.is_some()) {
            return Err(self.error("tls", "expected true, because certificates are given"));
        }
        Ok(KafkaConfig {
            brokers,
            topic,
            key: self.record_key()?,
            partitioner: partitioner.into(),
            compression: w.compression.unwrap_or_default(),
            headers: w.headers.clone().unwrap_or_default().into_iter().collect(),
            tls,
            tls_ca: w.tls_ca.clone().map(PathBuf::from),
            tls_identity,
            sasl: self.sasl(tls)?,
            properties: self.properties()?,
            dead_letters: self.dead_letters(),
        })
    }

    fn record_key(&self) -> Result<RecordKey, ConfigError> {
        match (self.written.key, self.written.stream) {
            (None | Some(RecordKey::None), Stream::Domains) => Ok(RecordKey::None),
            (Some(_), Stream::Domains) => {
                Err(self.error("key", "expected \"none\": messages of the domains stream have names only"))
            }
            (key, _) => Ok(key.unwrap_or(RecordKey::Log)),
        }
    }

    fn sasl(&self, tls: bool) -> Result<Option<(SaslMechanism, String, PlainSecret)>, ConfigError> {
        match (self.written.sasl, self.user()?) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(self.error("sasl", "expected a mechanism, because username is set")),
            (Some(_), None) => {
                Err(self.error("username", "expected the name of the user, because sasl is set"))
            }
            (Some(SaslMechanism::Plain), Some(_)) if !tls => Err(self.error(
                "sasl",
                "expected tls = true, because PLAIN sends the password as it is; or use SCRAM",
            )),
            (Some(mechanism), Some((name, password))) => Ok(Some((mechanism, name, password))),
        }
    }

    fn properties(&self) -> Result<Vec<(String, PlainSecret)>, ConfigError> {
        let properties = self.written.properties.clone().unwrap_or_default();
        match properties.keys().find(|name| OWN_PROPERTIES.contains(&name.as_str())) {
            Some(own) => Err(self.error("properties", format!("the output sets {own} itself"))),
            None => Ok(properties.into_iter().collect()),
        }
    }
}

fn is_broker(broker: &str) -> bool {
    let host = broker.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
    host.is_some_and(|(host, _)| !host.is_empty() && !host.contains([',', '/', ' ']))
}

fn is_topic(topic: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_TOPIC).contains(&topic.len()) && topic.bytes().all(is_allowed) && topic != "." && topic != ".."
}
