//! Resolves outputs to NATS.

use super::Resolver;
use crate::config::ConfigError;
use crate::config::outputs::NatsOutputConfig;
use crate::config::resolve::nats::{WrittenServers, is_name, servers};
use crate::message::Stream;

/// What messages are published to, if nothing else is said.
const SUBJECT: &str = "certstream.{stream}.{log}";
const SUBJECT_OF_NAMES: &str = "certstream.{stream}";
/// The longest subject, before the placeholders are replaced.
const MAX_SUBJECT: usize = 200;

impl Resolver<'_> {
    pub(super) fn nats(&self) -> Result<NatsOutputConfig, ConfigError> {
        if !cfg!(feature = "nats") {
            let problem = "this program was built without NATS; build it with --features nats";
            return Err(self.error("type", problem));
        }
        let w = self.written;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let server = servers(
            self.sources,
            &|key| self.key(key),
            &WrittenServers {
                url: w.servers.as_deref().unwrap_or_default(),
                url_key: "servers",
                user: self.user()?,
                credentials: &text(&w.credentials),
                tls_ca: &text(&w.tls_ca),
                tls_certificate: &text(&w.tls_certificate),
                tls_key: &text(&w.tls_key),
            },
        )?;
        let jetstream = text(&w.jetstream);
        if !is_name(&jetstream) {
            let problem =
                "expected the name of a stream of JetStream: 1 to 64 letters, digits, \"-\" and \"_\"";
            return Err(self.error("jetstream", problem));
        }
        Ok(NatsOutputConfig {
            server,
            jetstream,
            subject: self.subject()?,
            dead_letters: self.dead_letters(),
        })
    }

    fn subject(&self) -> Result<String, ConfigError> {
        let names_only = self.written.stream == Stream::Domains;
        let default = if names_only { SUBJECT_OF_NAMES } else { SUBJECT };
        let subject = self.written.subject.clone().unwrap_or_else(|| default.into());
        if names_only && subject.contains("{log}") {
            let problem = "messages of the domains stream have no log; leave {log} out";
            return Err(self.error("subject", problem));
        }
        let filled = ["{stream}", "{log}", "{domain}"]
            .iter()
            .fold(subject.clone(), |text, name| text.replace(name, "x"));
        let is_allowed = |byte: u8| byte.is_ascii_graphic() && !b"*>{}$".contains(&byte);
        let is_subject =
            |text: &str| text.split('.').all(|token| !token.is_empty() && token.bytes().all(is_allowed));
        if subject.len() > MAX_SUBJECT || !is_subject(&filled) {
            let problem =
                "expected words with dots between them, which may contain {stream}, {log} and {domain}";
            return Err(self.error("subject", problem));
        }
        Ok(subject)
    }
}
