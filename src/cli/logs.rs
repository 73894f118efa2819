//! `logs`: prints the logs that would be watched, and their current sizes.

use crate::config::{Config, LogConfig, Verification};
use crate::ct::log_list::{Endpoint, ListedLog, LogList, NotSelected, TemporalInterval};
use crate::ct::source::Protocol;
use crate::http_client::{HttpSettings, Reach, TlsClient};
use crate::log_client::{FetchSettings, Issuers, LogClient, OperatorLimits, requests_beside};
use crate::log_list::LogListClient;
use crate::printable::{MAX_CHARS, escaped};
use crate::startup;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use openssl::error::ErrorStack;
use std::sync::Arc;
use std::time::Duration;

/// Timeout for requesting one log's size.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of characters in a cell of the table.
const MAX_CELL_CHARS: usize = 200;
/// Number of logs that are requested at the same time.
const AT_ONCE: usize = 16;

/// One line of the table.
type Row = [String; 6];

/// Prints a table of the logs that `config` selects. If a value is not available, its cell contains the
/// reason.
pub(super) async fn print(config: &Config) -> Result<(), ErrorStack> {
    let http = HttpSettings {
        tls: TlsClient::new()?,
        proxies: config.proxies.clone(),
        reach: Reach::Anywhere,
        timeout: TIMEOUT,
        user_agent: config.user_agent.clone(),
    };
    let (mut logs, mut left_out) = (config.logs.clone(), Vec::new());
    if let Some(lists) = &config.lists {
        let (list, now) = (listed(config, &http).await, Utc::now().timestamp());
        logs.extend(lists.select(&list, now));
        left_out.extend(lists.left_out(&list, now).into_iter().map(|(log, why)| row_of_left_out(log, why)));
    }
    let limits = Arc::new(OperatorLimits::new(AT_ONCE, AT_ONCE as u32, requests_beside()));
    let fetch = FetchSettings {
        http,
        limits,
        traffic: Default::default(),
        memory: Default::default(),
        issuer_wait: TIMEOUT,
        sends_chains: Arc::new(|| true),
        names_tiles: false,
    };
    let issuers = Arc::new(Issuers::new(config.state_dir.join("issuers")));
    let rows: Vec<Row> = futures_util::stream::iter(&logs)
        .map(|log| {
            let http = HttpSettings { reach: log.reach, ..fetch.http.clone() };
            let fetch = FetchSettings { http, ..fetch.clone() };
            row(log, startup::log_client(log, issuers.clone(), &fetch))
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let header =
        ["log", "operator", "protocol", "state", "certificates that end in", "entries"].map(String::from);
    print_table(&[&[header], rows.as_slice(), left_out.as_slice()].concat());
    Ok(())
}

/// The current lists. If a list cannot be fetched, the last one.
async fn listed(config: &Config, http: &HttpSettings) -> LogList {
    let dir = config.state_dir.join("log_lists");
    let mut lists = Vec::new();
    for source in config.lists.iter().flat_map(|lists| &lists.sources) {
        let mut client = LogListClient::new(source.clone(), &dir, http);
        if let Err(error) = client.refresh().await {
            eprintln!("log list {}: {}", source.name, escaped(&error.to_string(), MAX_CHARS));
        }
        eprintln!("log list {}: {}", source.name, client.in_force().origin);
        lists.push(client.in_force().list.clone());
    }
    LogList::merge(lists)
}

async fn row(log: &LogConfig, client: LogClient) -> Row {
    let entries = match client.head().await {
        Ok(Some(head)) if log.verification() == Verification::Off => {
            format!("{}, not verified", head.tree_size)
        }
        Ok(Some(head)) => head.tree_size.to_string(),
        Ok(None) => String::new(),
        Err(error) => error.to_string(),
    };
    let listed = log.listed.as_ref();
    [
        log.source.name().to_string(),
        log.operator.clone(),
        log.source.protocol().as_str().into(),
        listed.map_or("configured".into(), |l| l.state.to_string()),
        listed.and_then(|l| l.temporal_interval).map_or(String::new(), days),
        entries,
    ]
    .map(|cell| escaped(&cell, MAX_CELL_CHARS).into_owned())
}

/// A log of the lists that is not watched.
fn row_of_left_out(log: &ListedLog, why: NotSelected) -> Row {
    let protocol = match log.endpoint {
        Endpoint::Rfc6962 { .. } => Protocol::Rfc6962,
        Endpoint::StaticCt { .. } => Protocol::StaticCt,
    };
    [
        log.description.clone(),
        log.operator.clone(),
        protocol.as_str().into(),
        log.state.to_string(),
        log.temporal_interval.map_or(String::new(), days),
        format!("not watched: {why}"),
    ]
    .map(|cell| escaped(&cell, MAX_CELL_CHARS).into_owned())
}

/// The days of an interval.
fn days(interval: TemporalInterval) -> String {
    let day =
        |unix_s| DateTime::from_timestamp(unix_s, 0).map_or(String::new(), |t| t.format("%F").to_string());
    format!("{} to {}", day(interval.start_unix_s), day(interval.end_unix_s))
}

fn print_table(rows: &[Row]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}
