//! `demo`: the CT logs that it watches.

use crate::config::Log;
use crate::ct::source::Protocol;
use crate::demo::{DemoLog, DemoLogOptions, DemoProtocol};
use actix_web::rt;
use clap::Args;
use std::io;

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Certificates per second
    #[arg(long, default_value_t = 20.0, value_parser = parse_rate)]
    rate: f64,
    /// Let the logs misbehave in every way, over and over, to try out clients with notices
    #[arg(long)]
    faults: bool,
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "expected a number".to_string())?;
    if (0.0..=5_000.0).contains(&rate) { Ok(rate) } else { Err("expected 0 to 5000".into()) }
}

/// Starts a log of each protocol. Returns them with what the configuration says of each.
pub(super) async fn start(args: &DemoArgs) -> io::Result<Vec<(DemoLog, Log)>> {
    let mut logs = Vec::new();
    for (protocol, name) in
        [(DemoProtocol::Rfc6962, "Demo RFC 6962 log"), (DemoProtocol::StaticCt, "Demo static log")]
    {
        let options = DemoLogOptions { rate: args.rate / 2.0, protocol, ..DemoLogOptions::default() };
        let log = DemoLog::start(options).await?;
        let watched = watched(&log, protocol, name);
        if args.faults {
            let log = log.clone();
            // It ends with the program.
            rt::spawn(async move { log.misbehave().await });
        }
        logs.push((log, watched));
    }
    Ok(logs)
}

fn watched(log: &DemoLog, protocol: DemoProtocol, name: &str) -> Log {
    Log {
        protocol: if protocol == DemoProtocol::StaticCt { Protocol::StaticCt } else { Protocol::Rfc6962 },
        description: Some(name.into()),
        operator: "certstream-server".into(),
        key: Some(base64_simd::STANDARD.encode_to_string(log.public_key())),
        origin: Some(log.origin()),
        ..Log::rfc6962(&log.url())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_makes_no_sense_is_refused() {
        assert!(parse_rate("0.5").is_ok());
        for text in ["-1", "NaN", "fast", "1e9"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
