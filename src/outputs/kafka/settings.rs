//! The settings of librdkafka's producer.

use crate::config::KafkaConfig;
use rdkafka::ClientConfig;

/// Time for which messages are collected to be sent together. A batch comes at once, so a longer one would only delay it.
const LINGER_MS: &str = "5";
/// Most messages that are sent together, and that wait: a batch has at most as many.
const MAX_QUEUED: &str = "200000";
/// Most memory that waits, in KiB: more than a batch.
const MAX_QUEUED_KIB: &str = "65536";
/// Longest message that is copied into a request, in bytes. The others are sent from where they are: copied, they would be in
/// memory twice, and each request would need new memory of megabytes.
const MAX_COPIED: &str = "64";

/// The settings of the producer for `config`.
///
/// Messages do not time out: then neither their order nor their number depends on how long an outage lasts.
pub(super) fn of(config: &KafkaConfig) -> ClientConfig {
    let mut settings = ClientConfig::new();
    let security = match (config.tls, &config.sasl) {
        (false, None) => "plaintext",
        (true, None) => "ssl",
        (false, Some(_)) => "sasl_plaintext",
        (true, Some(_)) => "sasl_ssl",
    };
    let own = [
        ("client.id", env!("CARGO_PKG_NAME")),
        ("bootstrap.servers", &config.brokers.join(",")),
        ("security.protocol", security),
        ("partitioner", &config.partitioner),
        ("compression.type", config.compression.name()),
        ("linger.ms", LINGER_MS),
        ("batch.num.messages", "10000"),
        ("message.copy.max.bytes", MAX_COPIED),
        ("reconnect.backoff.max.ms", "5000"),
    ];
    for (name, value) in own {
        settings.set(name, value);
    }
    if config.tls {
        set_tls(config, &mut settings);
    }
    if let Some((mechanism, user, password)) = &config.sasl {
        settings.set("sasl.mechanism", mechanism.name());
        settings.set("sasl.username", user).set("sasl.password", password.reveal());
    }
    for (name, value) in &config.properties {
        settings.set(name, value.reveal());
    }
    let promises = [
        ("enable.idempotence", "true"),
        ("acks", "all"),
        ("message.timeout.ms", "0"),
        ("delivery.report.only.error", "true"),
        ("queue.buffering.max.messages", MAX_QUEUED),
        ("queue.buffering.max.kbytes", MAX_QUEUED_KIB),
    ];
    for (name, value) in promises {
        settings.set(name, value);
    }
    settings
}

fn set_tls(config: &KafkaConfig, settings: &mut ClientConfig) {
    // Without certificates of its own, it looks where systems have them.
    let ca = config.tls_ca.as_ref().map_or("probe".into(), |path| path.display().to_string());
    settings.set("ssl.ca.location", ca);
    if let Some((certificate, key)) = &config.tls_identity {
        settings.set("ssl.certificate.location", certificate.display().to_string());
        settings.set("ssl.key.location", key.display().to_string());
    }
}
