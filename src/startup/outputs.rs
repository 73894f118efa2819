//! Starts and stops the outputs, each on a thread of its own.

use super::backbone::Backbone;
use super::error::StartError;
use crate::actors::broker::Broker;
use crate::actors::output::Output;
use crate::actors::subscriptions::Subscriptions;
use crate::config::{Config, OutputConfig};
use crate::http_client::TlsClient;
use crate::named_filters::NamedFilters;
use crate::outputs::{self, OutputStatus, WebhookSettings};
use crate::state::{OutputPositionFile, OutputPositions};
use actix::prelude::*;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

/// The running outputs.
pub(super) struct Outputs {
    stop: watch::Sender<bool>,
    running: Vec<(Arbiter, oneshot::Receiver<()>)>,
}

/// What outputs need.
pub(super) struct OutputServices<'a> {
    pub(super) subscriptions: &'a Subscriptions,
    pub(super) broker: &'a Addr<Broker>,
    pub(super) filters: &'a NamedFilters,
    pub(super) tls: &'a TlsClient,
}

/// An output that has not started, and how far it has come.
pub(super) struct OpenOutput {
    config: OutputConfig,
    position: OutputPositions,
}

/// Checks the settings of `output` as far as that is possible without its target.
///
/// # Errors
/// If they cannot be used.
pub(crate) fn check(output: &OutputConfig) -> Result<(), StartError> {
    outputs::check(output).map_err(|problem| StartError::Target { name: output.name.clone(), problem })
}

/// Reads how far the outputs have come.
///
/// # Errors
/// If that cannot be read, or one cannot be set up.
pub(super) fn open(config: &Config, backbone: &Backbone) -> Result<Vec<OpenOutput>, StartError> {
    let dir = config.keeps_positions.then_some(config.state_dir.as_path());
    let outputs = config.outputs.iter().map(|config| {
        check(config)?;
        let shared = if config.is_transient { None } else { backbone.output(&config.name) };
        let position = match shared {
            Some(place) => OutputPositions::Shared { place, saved: None },
            None => {
                let dir = dir.filter(|_| !config.is_transient);
                OutputPositions::Own(OutputPositionFile::open(dir, &config.name)?)
            }
        };
        Ok(OpenOutput { config: config.clone(), position })
    });
    outputs.collect()
}

impl OpenOutput {
    /// What is told of it.
    pub(super) fn status(&self, subscriptions: &Subscriptions) -> Arc<OutputStatus> {
        let (next_seq, place) = match &self.position {
            OutputPositions::Own(_) => (Output::first_seq(&self.config, &self.position, subscriptions), None),
            OutputPositions::Shared { place, .. } => (subscriptions.journal.next_seq(), Some(place.clone())),
        };
        Arc::new(OutputStatus::new(&self.config, next_seq, place))
    }
}

impl Outputs {
    /// Starts `outputs`, whose states are `statuses`.
    pub(super) fn start(
        outputs: Vec<OpenOutput>,
        statuses: &[Arc<OutputStatus>],
        config: &Config,
        services: &OutputServices<'_>,
    ) -> Self {
        let (stop, stopping) = watch::channel(false);
        let webhooks = WebhookSettings {
            tls: services.tls.clone(),
            proxies: config.proxies.clone(),
            user_agent: config.user_agent.clone(),
        };
        let start = |(output, status): (OpenOutput, &Arc<OutputStatus>)| {
            let OpenOutput { config, position } = output;
            let named = config.choice.named.as_deref().and_then(|name| services.filters.configured.get(name));
            let output = Output {
                config,
                named,
                subscriptions: services.subscriptions.clone(),
                broker: services.broker.clone(),
                position,
                status: status.clone(),
                webhooks: webhooks.clone(),
                stopping: stopping.clone(),
                next_seq: status.next_seq(),
                owed: None,
            };
            let (done, ended) = oneshot::channel();
            let arbiter = Arbiter::new();
            // Its future stays on that thread.
            arbiter.spawn_fn(move || drop(actix::spawn(output.run(done))));
            (arbiter, ended)
        };
        Outputs { stop, running: outputs.into_iter().zip(statuses).map(start).collect() }
    }

    /// Lets the outputs deliver what they have, at most for `limit`, and stops them.
    pub(super) async fn finish(self, limit: Duration) {
        self.stop.send_replace(true);
        let (arbiters, ended): (Vec<_>, Vec<_>) = self.running.into_iter().unzip();
        if timeout(limit, join_all(ended)).await.is_err() {
            log::warn!("outputs did not deliver in time what they had; they go on after the next start");
        }
        // A thread that its target blocks ends with the program.
        for arbiter in &arbiters {
            arbiter.stop();
        }
    }
}
