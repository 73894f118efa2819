//! Resolves the outputs.

mod kafka;
mod nats;
mod webhook;

use super::checks::{at_least_one, positive};
use super::filters::is_name;
use super::{ConfigError, Sources};
use crate::choice::Choice;
use crate::config::filters::FilterConfig;
use crate::config::outputs::{
    BatchLimits, FileConfig, OutputConfig, OutputType, TargetConfig, WrittenOutput,
};
use crate::config::values::{PlainSecret, Size, Span};
use crate::filter::Limits;
use crate::system::read_file;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest batch of messages, in bytes, unless a single message is larger.
const BATCH_BYTES: usize = 4 << 20;
/// Largest `batch_messages`.
const MAX_BATCH: usize = 100_000;
/// Largest `batch_wait`: a longer one would look like an output that has failed.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Smallest `rotate_bytes`.
const LEAST_FILE: usize = 1 << 20;
/// Largest file with a secret, in bytes.
const MAX_SECRET_BYTES: usize = 16 * 1024;

pub(super) fn outputs(sources: &Sources, filters: &[FilterConfig]) -> Result<Vec<OutputConfig>, ConfigError> {
    let written = &sources.written.outputs;
    let outputs = written.iter().enumerate().map(|(i, output)| {
        let resolver = Resolver { sources, i, written: output };
        if written.iter().take(i).any(|other| other.name == output.name) {
            return Err(
                resolver.error("name", format!("{:?} is also the name of another output", output.name))
            );
        }
        resolver.resolve(filters)
    });
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    let is_stdout = |output: &OutputConfig| output.target.kind() == OutputType::Stdout;
    if let Some(second) = outputs.iter().enumerate().filter(|(_, output)| is_stdout(output)).nth(1) {
        let problem = "another output has the standard output already";
        return Err(sources.error(&format!("outputs[{}].type", second.0), problem));
    }
    Ok(outputs)
}

struct Resolver<'s> {
    sources: &'s Sources,
    i: usize,
    written: &'s WrittenOutput,
}

impl Resolver<'_> {
    fn error(&self, key: &str, problem: impl ToString) -> ConfigError {
        self.sources.error(&self.key(key), problem)
    }

    fn key(&self, key: &str) -> String {
        format!("outputs[{}].{key}", self.i)
    }

    fn resolve(&self, filters: &[FilterConfig]) -> Result<OutputConfig, ConfigError> {
        let written = self.written;
        if !is_name(&written.name) {
            return Err(self.error("name", "expected 1 to 64 letters, digits, \"-\", \"_\" and \".\""));
        }
        self.check_keys()?;
        Ok(OutputConfig {
            name: written.name.clone(),
            stream: written.stream,
            choice: self.choice(filters)?,
            filter: written.filter.clone(),
            begin: written.begin,
            is_transient: written.is_transient,
            batch: self.batch()?,
            target: match written.kind {
                OutputType::File => TargetConfig::File(self.file()?),
                OutputType::Webhook => TargetConfig::Webhook(self.webhook()?),
                OutputType::Kafka => TargetConfig::Kafka(self.kafka()?),
                OutputType::Nats => TargetConfig::Nats(self.nats()?),
                OutputType::Stdout => TargetConfig::Stdout,
            },
        })
    }

    /// Checks that no key is set that another kind of output has.
    fn check_keys(&self) -> Result<(), ConfigError> {
        let w = self.written;
        use OutputType::{File, Kafka, Nats, Webhook};
        let keys: &[(&[OutputType], &str, bool)] = &[
            (&[File], "dir", w.dir.is_some()),
            (&[File], "compress", w.compress.is_some()),
            (&[File], "rotate_bytes", w.rotate_bytes.is_some()),
            (&[File], "rotate_after", w.rotate_after.is_some()),
            (&[File], "keep_for", w.keep_for.is_some()),
            (&[File], "keep_bytes", w.keep_bytes.is_some()),
            (&[Webhook], "url", w.url.is_some()),
            (&[Webhook], "url_file", w.url_file.is_some()),
            (&[Webhook], "secret", w.secret.is_some()),
            (&[Webhook], "secret_file", w.secret_file.is_some()),
            (&[Webhook, Kafka], "headers", w.headers.is_some()),
            (&[Webhook], "template", w.template.is_some()),
            (&[Webhook], "client_errors", w.client_errors.is_some()),
            (&[Webhook], "allow_internal", w.allow_internal.is_some()),
            (&[Webhook], "timeout", w.timeout.is_some()),
            (&[Kafka], "brokers", w.brokers.is_some()),
            (&[Kafka], "topic", w.topic.is_some()),
            (&[Kafka], "key", w.key.is_some()),
            (&[Kafka], "partitioner", w.partitioner.is_some()),
            (&[Kafka], "compression", w.compression.is_some()),
            (&[Kafka], "tls", w.tls.is_some()),
            (&[Kafka], "sasl", w.sasl.is_some()),
            (&[Kafka], "properties", w.properties.is_some()),
            (&[Nats], "servers", w.servers.is_some()),
            (&[Nats], "jetstream", w.jetstream.is_some()),
            (&[Nats], "subject", w.subject.is_some()),
            (&[Nats], "credentials", w.credentials.is_some()),
            (&[Kafka, Nats], "username", w.username.is_some()),
            (&[Kafka, Nats], "password", w.password.is_some()),
            (&[Kafka, Nats], "password_file", w.password_file.is_some()),
            (&[Kafka, Nats], "tls_ca", w.tls_ca.is_some()),
            (&[Kafka, Nats], "tls_certificate", w.tls_certificate.is_some()),
            (&[Kafka, Nats], "tls_key", w.tls_key.is_some()),
        ];
        let other = keys.iter().find(|(kinds, _, is_set)| *is_set && !kinds.contains(&w.kind));
        other.map_or(Ok(()), |(kinds, key, _)| {
            let others: Vec<_> = kinds.iter().map(|kind| format!("\"{}\"", kind.name())).collect();
            let (own, has) = (w.kind.name(), if others.len() > 1 { "have" } else { "has" });
            let problem =
                format!("an output of type \"{own}\" has no such key; {} {has} it", others.join(" and "));
            Err(self.error(key, problem))
        })
    }

    fn choice(&self, filters: &[FilterConfig]) -> Result<Choice, ConfigError> {
        let text = self.written.filter.trim_start_matches('?');
        let pairs = form_urlencoded::parse(text.as_bytes());
        let choice = Choice::parse(pairs, Limits::LARGEST).map_err(|error| self.error("filter", error))?;
        let named = choice.named.as_ref().map(|name| {
            let named = filters.iter().find(|filter| filter.name == *name);
            let missing =
                || self.error("filter", format!("there is no filter named {name:?}; add one as [[filters]]"));
            named.ok_or_else(missing).map(|named| vec![named.filter.clone()])
        });
        let named = named.transpose()?.unwrap_or_default();
        choice.kind_with(&named).map_err(|error| self.error("filter", error))?;
        Ok(choice)
    }

    fn batch(&self) -> Result<BatchLimits, ConfigError> {
        let (messages, wait) = match self.written.kind {
            OutputType::File => (10_000, Duration::from_secs(1)),
            OutputType::Webhook => (100, Duration::from_secs(1)),
            OutputType::Kafka => (10_000, Duration::from_millis(250)),
            OutputType::Nats => (1000, Duration::from_millis(250)),
            OutputType::Stdout => (10_000, Duration::from_millis(100)),
        };
        let messages = self.written.batch_messages.unwrap_or(messages);
        let messages = at_least_one(self.sources, &self.key("batch_messages"), messages)?;
        if messages > MAX_BATCH {
            return Err(self.error("batch_messages", format!("expected at most {MAX_BATCH}")));
        }
        let wait = self.written.batch_wait.map_or(wait, |wait| wait.0);
        if wait > LONGEST_WAIT {
            return Err(self.error("batch_wait", "expected at most 1m"));
        }
        Ok(BatchLimits { messages, bytes: BATCH_BYTES, wait })
    }

    fn file(&self) -> Result<FileConfig, ConfigError> {
        let w = self.written;
        let dir = w.dir.as_deref().filter(|dir| !dir.is_empty());
        let dir = dir.ok_or_else(|| self.error("dir", "expected the folder for the files"))?;
        let rotate_bytes = w.rotate_bytes.unwrap_or(Size(256 << 20)).0;
        if rotate_bytes < LEAST_FILE {
            return Err(self.error("rotate_bytes", "expected at least 1 MiB"));
        }
        let rotate_after = w.rotate_after.unwrap_or(Span::seconds(3600));
        let keep_bytes = w.keep_bytes.filter(|size| size.0 > 0);
        if keep_bytes.is_some_and(|size| size.0 < rotate_bytes) {
            return Err(self.error("keep_bytes", "expected at least rotate_bytes, or 0 for no limit"));
        }
        Ok(FileConfig {
            dir: PathBuf::from(dir),
            compress: w.compress.unwrap_or(true),
            rotate_bytes: rotate_bytes as u64,
            rotate_after: positive(self.sources, &self.key("rotate_after"), rotate_after)?,
            keep_for: w.keep_for.map(|span| span.0).filter(|span| !span.is_zero()),
            keep_bytes: keep_bytes.map(|size| size.0 as u64),
        })
    }

    /// The file for what the target refuses.
    fn dead_letters(&self) -> PathBuf {
        let folder = PathBuf::from(&self.sources.written.state.dir).join("outputs");
        folder.join(format!("{}.dead.ndjson", self.written.name))
    }

    /// The name of the user and the password, if both are given.
    fn user(&self) -> Result<Option<(String, PlainSecret)>, ConfigError> {
        let w = self.written;
        let password = self.secret("password", w.password.as_ref(), w.password_file.as_deref())?;
        match (w.username.clone().filter(|name| !name.is_empty()), password) {
            (Some(name), Some(password)) => Ok(Some((name, password))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(self.error("password", "expected the password of username")),
            (None, Some(_)) => {
                Err(self.error("username", "expected the name of the user, because there is a password"))
            }
        }
    }

    /// A secret from the configuration, or from a file.
    fn secret(
        &self,
        key: &str,
        value: Option<&PlainSecret>,
        file: Option<&str>,
    ) -> Result<Option<PlainSecret>, ConfigError> {
        let file_key = format!("{key}_file");
        match (value, file) {
            (Some(_), Some(_)) => {
                Err(self.error(&file_key, format!("{key} is set as well; use one of them")))
            }
            (Some(value), None) if value.reveal().is_empty() => {
                Err(self.error(key, "expected a text that is not empty"))
            }
            (None, Some(file)) => self.read_secret(&file_key, &self.sources.folder().join(file)).map(Some),
            (value, None) => Ok(value.cloned()),
        }
    }

    fn read_secret(&self, key: &str, path: &Path) -> Result<PlainSecret, ConfigError> {
        let unreadable = |error: &dyn std::fmt::Display| {
            self.error(key, format!("{} cannot be read: {error}", path.display()))
        };
        let bytes =
            zeroize::Zeroizing::new(read_file(path, MAX_SECRET_BYTES).map_err(|error| unreadable(&error))?);
        let text = std::str::from_utf8(&bytes).map_err(|error| unreadable(&error))?.trim();
        if text.is_empty() {
            Err(self.error(key, format!("{} is empty", path.display())))
        } else {
            Ok(text.into())
        }
    }
}
