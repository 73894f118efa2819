//! The CT logs that the cluster watches.

use certstream_server::demo::{DemoLog, DemoLogOptions, DemoProtocol};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::sleep;

/// The number of entries of each log, by its name.
pub type Sizes = BTreeMap<String, u64>;

/// Demo logs, each with an operator of its own.
pub struct Logs {
    pub logs: Vec<DemoLog>,
    protocols: Vec<DemoProtocol>,
}

impl Logs {
    pub async fn start(protocols: &[DemoProtocol]) -> Self {
        let mut logs = Vec::new();
        for protocol in protocols {
            let options = DemoLogOptions {
                protocol: *protocol,
                rate: 0.0,
                max_page: 1000,
                retain: 50_000,
                ..DemoLogOptions::default()
            };
            logs.push(DemoLog::start(options).await.expect("the log starts"));
        }
        Logs { logs, protocols: protocols.to_vec() }
    }

    /// Sets how many entries per second all logs together get.
    pub fn grow(&self, rate: f64) {
        self.logs.iter().for_each(|log| log.set_rate(rate / self.logs.len() as f64));
    }

    /// Publishes `count` entries in each log.
    pub fn publish(&self, count: u64) {
        for log in &self.logs {
            log.publish(count);
        }
    }

    /// Stops the growth. Returns how large the logs are then.
    pub async fn end_growth(&self) -> Sizes {
        self.grow(0.0);
        // Entries that are being issued now still come.
        sleep(Duration::from_millis(500)).await;
        self.sizes()
    }

    /// The sizes, of all entries that were issued.
    pub fn sizes(&self) -> Sizes {
        self.logs.iter().enumerate().map(|(i, log)| (name(i), log.publish(0))).collect()
    }

    /// The section of the configuration for each log.
    pub fn configuration(&self) -> String {
        let section = |(i, log): (usize, &DemoLog)| {
            let kind = if self.protocols[i] == DemoProtocol::StaticCt { "static-ct" } else { "rfc6962" };
            let key = base64_simd::STANDARD.encode_to_string(log.public_key());
            format!(
                "[[logs]]\nurl = '{}'\ntype = '{kind}'\ndescription = '{}'\noperator = 'Operator {i}'\n\
                 key = '{key}'\norigin = '{}'\nstart = 0\n",
                log.url(),
                name(i),
                log.origin()
            )
        };
        self.logs.iter().enumerate().map(section).collect()
    }

    pub async fn stop(&self) {
        for log in &self.logs {
            log.stop().await;
        }
    }
}

/// The name of the log `i` in messages.
pub fn name(i: usize) -> String {
    format!("log {i}")
}

/// Two logs, one of each protocol.
pub const ONE_OF_EACH: [DemoProtocol; 2] = [DemoProtocol::Rfc6962, DemoProtocol::StaticCt];

/// Two logs of each protocol.
pub const TWO_OF_EACH: [DemoProtocol; 4] =
    [DemoProtocol::Rfc6962, DemoProtocol::StaticCt, DemoProtocol::Rfc6962, DemoProtocol::StaticCt];
