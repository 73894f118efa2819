//! The command `follow`.

use crate::follow::{
    BadTarget, CursorFile, CursorFileError, FollowError, FollowSettings, Format, OnFailure, Target,
    filter_parameters,
};
use crate::http_client::{BadProxy, Proxies, TlsClient};
use crate::message::Stream;
use clap::{Args, ValueEnum};
use openssl::error::ErrorStack;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

/// The streams as values of an option.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum StreamName {
    /// Everything, with the certificates themselves
    Full,
    /// Without the chain and the certificates themselves
    Lite,
    /// Only names
    Domains,
}

const EXAMPLES: &str = "\
Examples:
  certstream-server follow wss://ct.example/                        a table of all certificates
  certstream-server follow ws://localhost:8080 --domain example.com --format names
  certstream-server follow ws://localhost:8080 --lookalike paypal.com --cursor-file paypal.cursor --exec ./alert
  certstream-server follow ws://localhost:8080 --stream lite --since 1h --filter 'contains=bank&type=precert'

Exit status: 0 after a signal, the end of the stream, --count certificates, or when the output was closed;
1 if certificates cannot be handed on; 2 if the request or the cursor file is refused.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct FollowArgs {
    /// A server (ws://, wss://, http:// or https://), or one of its streams such as wss://ct.example/lite-stream
    url: String,
    /// The stream, if the URL does not name one
    #[arg(long)]
    stream: Option<StreamName>,
    /// Only certificates for this domain or below it (may be repeated; a ! before the value excludes)
    #[arg(long, value_name = "DOMAIN")]
    domain: Vec<String>,
    /// Only certificates with these characters in a name (likewise)
    #[arg(long, value_name = "TEXT")]
    contains: Vec<String>,
    /// Only certificates with a name that matches this regular expression (likewise)
    #[arg(long, value_name = "REGEX")]
    regex: Vec<String>,
    /// Only certificates with a name made to look like this domain (likewise)
    #[arg(long, value_name = "DOMAIN")]
    lookalike: Vec<String>,
    /// Further parameters, as in a query string: 'type=precert&unique=issuance'; or the name of a filter of the server
    #[arg(long, value_name = "QUERY")]
    filter: Vec<String>,
    /// Begin at this time: a duration before now (1h), a date (2026-11-28T12:00:00Z), or seconds since 1970; ignored if the
    /// cursor file has a cursor
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Keep the number of the newest certificate that was handed on in this file, and resume there
    #[arg(long, value_name = "FILE")]
    cursor_file: Option<PathBuf>,
    /// What is printed [default: table on a terminal, otherwise json; with --exec nothing]
    #[arg(long)]
    format: Option<Format>,
    /// Run this command with sh for each certificate, with the message on standard input
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// What to do when the command fails
    #[arg(long, value_name = "ACTION", default_value = "continue", requires = "exec")]
    exec_fails: OnFailure,
    /// End after this many certificates
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// The token of this client, if the server demands one. On the command line, other users of this machine can see it
    #[arg(long, value_name = "TOKEN", env = "CERTSTREAM_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Connect again when nothing has come for this time, not even a heartbeat
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = idle_timeout)]
    idle_timeout: Duration,
}

/// Why nothing is followed, or no longer.
#[derive(Debug, thiserror::Error)]
pub(super) enum FollowFailure {
    #[error(transparent)]
    Target(#[from] BadTarget),
    #[error(transparent)]
    CursorFile(#[from] CursorFileError),
    #[error(transparent)]
    Proxy(#[from] BadProxy),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] ErrorStack),
    #[error(transparent)]
    Follow(#[from] FollowError),
}

impl FollowFailure {
    /// The exit status.
    pub(super) fn status(&self) -> u8 {
        match self {
            FollowFailure::Follow(error) => error.status(),
            FollowFailure::Target(_) | FollowFailure::CursorFile(_) | FollowFailure::Proxy(_) => 2,
            FollowFailure::Tls(_) => 1,
        }
    }
}

/// Follows a stream until it ends or `stop` completes.
pub(super) async fn follow(args: &FollowArgs, stop: impl Future<Output = ()>) -> Result<(), FollowFailure> {
    let target = target(args)?;
    let cursor_file = args.cursor_file.as_ref().map(|path| CursorFile::open(path, &target)).transpose()?;
    let is_terminal = io::stdout().is_terminal();
    let format = match args.format {
        None if args.exec.is_some() => None,
        None => Some(if is_terminal { Format::Table } else { Format::Json }),
        format => format,
    };
    let settings = FollowSettings {
        target,
        token: args.token.clone().filter(|token| !token.is_empty()),
        tls: TlsClient::new()?,
        proxies: Proxies::from_environment(&std::env::vars().collect())?,
        idle_timeout: args.idle_timeout,
        format,
        is_terminal,
        command: args.exec.clone(),
        on_failure: args.exec_fails,
        count: args.count,
        cursor_file,
    };
    Ok(crate::follow::follow(settings, stop).await?)
}

fn target(args: &FollowArgs) -> Result<Target, BadTarget> {
    let stream = args.stream.map(|name| match name {
        StreamName::Full => Stream::Full,
        StreamName::Lite => Stream::Lite,
        StreamName::Domains => Stream::Domains,
    });
    let of_names = [
        ("domain", &args.domain),
        ("contains", &args.contains),
        ("regex", &args.regex),
        ("lookalike", &args.lookalike),
    ];
    let of_names =
        of_names.into_iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let since = args.since.iter().map(|value| ("since", value));
    let parameters = of_names.chain(since).map(|(name, value)| (name.to_string(), value.clone()));
    let further = args.filter.iter().flat_map(|text| filter_parameters(text));
    Target::new(&args.url, stream, parameters.chain(further))
}

/// The least time is long enough for a server that is busy.
fn idle_timeout(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time < Duration::from_secs(1) { Err("must be at least 1s".into()) } else { Ok(time) }
}
