//! The command line: selects the command and loads the configuration.

#[cfg(feature = "cluster")]
mod cluster;
#[cfg(feature = "demo")]
mod demo;
mod follow;
mod generate;
mod import;
pub(crate) mod logging;
mod logs;
mod pem;
mod pretty;
mod show;
mod signals;
mod skip;
mod token;
mod verify_evidence;

use crate::config::{self, Config, ConfigError, Log, MAX_PROBLEM_CHARS, OutputConfig, Overrides};
#[cfg(feature = "demo")]
use crate::http_client::Proxies;
use crate::message::Stream;
use crate::printable::{MAX_CHARS, escaped};
use crate::reload::Reloader;
use crate::startup::{Application, StartError, check_output};
use crate::system::{raise_limit, service_manager, tune_allocator};
use crate::transport::Tls;
use awc::Connector;
use clap::{Args, Parser, Subcommand};
#[cfg(feature = "cluster")]
use cluster::{ClusterCommand, ClusterFailure};
#[cfg(feature = "demo")]
use demo::DemoArgs;
use follow::{FollowArgs, FollowFailure};
use generate::CompletionsArgs;
use import::{ImportArgs, ImportError};
use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use show::{CertArgs, EntryArgs, ShowError};
use signals::{Hangups, stop_signal};
use skip::{SkipArgs, SkipError};
use std::borrow::Cow;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use token::{TokenArgs, TokenError};
use verify_evidence::{EvidenceError, VerifyEvidenceArgs};

/// The exit status if the server was not started.
const NOTHING_STARTED: u8 = 2;
/// The exit status of `cert` for a file that contains something else than a certificate.
const WRONG_INPUT: u8 = 2;

/// The variable that a command sets that names a role.
const ROLE_VARIABLE: &str = "CERTSTREAM_CLUSTER_ROLE";

const EXAMPLES: &str = "\
Examples:
  certstream-server demo                                   try it: a CT log of its own, no internet needed
  certstream-server --config config/certstream.toml        watch the logs of that file
  certstream-server                                        watch all logs that Chrome trusts
  certstream-server logs                                   list them
  certstream-server follow wss://certstream.example/       follow a server's stream
  certstream-server token --name research >>my.toml        make a token for a client
  certstream-server check-config --config my.toml          say what is wrong with a file
  certstream-server entry https://ct.example.com/2026 1234 show one entry of a log
  certstream-server cert leaf.pem                          show a certificate as clients would receive it
  certstream-server --stdout | jq .data.leaf_cert.subject  print what is streamed
  PORT=9000 certstream-server --config my.toml             another port

Environment: every key of the configuration as CERTSTREAM_SECTION_KEY; PORT; STATS_URL; RUST_LOG.";

/// Streams every certificate of the Certificate Transparency logs over WebSocket, the moment it is logged.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    /// Configuration file (.toml, .yaml or .json)
    #[arg(long, global = true, env = "CERTSTREAM_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print a stream (full, lite or domains) on the standard output as well, a message a line; the server stops when nobody
    /// reads it any more
    #[arg(long, global = true, value_name = "STREAM", num_args = 0..=1, require_equals = true,
          default_missing_value = "lite", value_parser = parse_stream)]
    stdout: Option<Stream>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch the configured logs and serve clients (this is what happens without a command)
    Run,
    /// Watch logs for a cluster (cluster.role = "ingest")
    Ingest,
    /// Serve clients of a cluster (cluster.role = "edge")
    Edge,
    /// Look at a cluster, or move positions into it or out of it
    #[cfg(feature = "cluster")]
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Watch two CT logs of our own, one of each protocol, with made-up certificates and without internet
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// Follow a stream of this or another certstream server: print certificates, or run a command for each
    Follow(Box<FollowArgs>),
    /// Print a configuration file with every key, its explanation and its default
    Config,
    /// Check the configuration and say what it means, without starting anything
    CheckConfig,
    /// Print the logs that would be watched, with their present sizes
    Logs,
    /// Fetch one entry of a log and print its message
    Entry(EntryArgs),
    /// Print what a message would say of the certificate in a file
    Cert(CertArgs),
    /// Take over how far another certstream server has come; this one must not be running
    Import(ImportArgs),
    /// Skip entries of one log that cannot be had, or acknowledge that; this server must not be running
    Skip(SkipArgs),
    /// Check evidence that logs misbehaved; exit status 0 if all of it holds
    VerifyEvidence(VerifyEvidenceArgs),
    /// Make a token: its section of the configuration on standard output, the token itself on standard error
    Token(TokenArgs),
    /// Print the manual page
    Man,
    /// Print what a shell needs to complete the command line
    Completions(CompletionsArgs),
    /// Ask a running server whether it answers; exit status 0 if it does
    Health(HealthArgs),
}

#[derive(Debug, Args)]
struct HealthArgs {
    /// The server's address and port [default: this machine, at the configured port]
    #[arg(long)]
    address: Option<String>,
}

fn parse_stream(text: &str) -> Result<Stream, String> {
    let stream = Stream::ALL.into_iter().find(|stream| stream.to_string() == text);
    stream.ok_or_else(|| "expected full, lite or domains".into())
}

/// Why the program ends with an error.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[cfg(feature = "demo")]
    #[error("the demo log cannot start: {0}")]
    Demo(io::Error),
    #[error("the server failed: {0}")]
    Run(io::Error),
    #[error("the output cannot be written: {0}")]
    Print(io::Error),
    #[error(transparent)]
    Show(#[from] ShowError),
    #[error(transparent)]
    Follow(#[from] FollowFailure),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Skip(#[from] SkipError),
    #[cfg(feature = "cluster")]
    #[error(transparent)]
    Cluster(#[from] ClusterFailure),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("no response from {0}: {1}")]
    Unhealthy(String, String),
}

impl Failure {
    /// The exit status of the failure.
    fn status(&self) -> u8 {
        match self {
            Failure::Config(_) | Failure::Start(_) | Failure::Import(_) | Failure::Skip(_) => NOTHING_STARTED,
            Failure::Follow(failure) => failure.status(),
            Failure::Show(show::ShowError::NoCertificate { .. }) => WRONG_INPUT,
            #[cfg(feature = "demo")]
            Failure::Demo(_) => NOTHING_STARTED,
            #[cfg(feature = "cluster")]
            Failure::Cluster(_) => 1,
            Failure::Run(_)
            | Failure::Print(_)
            | Failure::Show(_)
            | Failure::Evidence(_)
            | Failure::Token(_)
            | Failure::Unhealthy(..) => 1,
        }
    }
}

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    // If the allocator cannot be tuned, the program only uses more memory.
    let _ = tune_allocator();
    let cli = Cli::parse();
    let system = actix::System::new();
    let result = system.block_on(async {
        match &cli.command {
            None | Some(Command::Run) => run(&cli, None).await,
            Some(Command::Ingest) => run(&cli, Some("ingest")).await,
            Some(Command::Edge) => run(&cli, Some("edge")).await,
            #[cfg(feature = "cluster")]
            Some(Command::Cluster(command)) => run_cluster(&cli, command),
            #[cfg(feature = "demo")]
            Some(Command::Demo(args)) => demo(&cli, args).await,
            Some(Command::Follow(args)) => Ok(follow::follow(args, stop_signal()).await?),
            Some(Command::Config) => print_config(),
            Some(Command::CheckConfig) => check_config(&cli),
            Some(Command::Logs) => list_logs(&cli).await,
            Some(Command::Entry(args)) => Ok(show::entry(args).await?),
            Some(Command::Cert(args)) => Ok(show::cert(args)?),
            Some(Command::Import(args)) => import(&cli, args),
            Some(Command::Skip(args)) => skip_entries(&cli, args),
            Some(Command::VerifyEvidence(args)) => Ok(verify_evidence::verify(args)?),
            Some(Command::Token(args)) => Ok(token::token(args)?),
            Some(Command::Man) => generate::man(command()).map_err(Failure::Print),
            Some(Command::Completions(args)) => {
                generate::completions(command(), args).map_err(Failure::Print)
            }
            Some(Command::Health(args)) => health(&cli, args).await,
        }
    });
    logging::finish();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("certstream-server: {}", escaped(&failure.to_string(), MAX_PROBLEM_CHARS));
            ExitCode::from(failure.status())
        }
    }
}

/// Runs the server, in the role `role` if one is given.
async fn run(cli: &Cli, role: Option<&str>) -> Result<(), Failure> {
    let role = role.map(|role| (ROLE_VARIABLE.to_string(), role.to_string()));
    let load = || {
        let overrides = Overrides { logs: None, stdout: cli.stdout };
        config::load_with(cli.config.as_deref(), std::env::vars().chain(role.clone()), overrides)
    };
    let config = load()?;
    logging::init(&config);
    if !config.names_contact && config.watches_logs() {
        log::warn!(
            "fetch.contact is empty: log operators cannot contact you; many allow higher rates to clients that name a contact"
        );
    }
    serve(&config, load).await
}

#[cfg(feature = "cluster")]
fn run_cluster(cli: &Cli, command: &ClusterCommand) -> Result<(), Failure> {
    let config = config::load(cli.config.as_deref(), std::env::vars())?;
    logging::init(&config);
    Ok(cluster::run(&config, command)?)
}

/// Maximum size of the demo's journal, in bytes: some 50,000 entries.
#[cfg(feature = "demo")]
const DEMO_JOURNAL: u64 = 64 * 1024 * 1024;

#[cfg(feature = "demo")]
async fn demo(cli: &Cli, args: &DemoArgs) -> Result<(), Failure> {
    // An invalid configuration must not start anything, including the demo's logs. Their URLs are known only
    // after they have started, so this check uses a placeholder.
    let config = load_watching(cli, vec![Log::rfc6962("http://127.0.0.1")])?;
    logging::init(&config);
    let logs = demo::start(args).await.map_err(Failure::Demo)?;
    let load = || {
        let mut config = load_watching(cli, logs.iter().map(|(_, log)| log.clone()).collect())?;
        // The demo's logs are on this machine, so no proxy is used.
        config.proxies = Proxies::none();
        // The logs are new at each start, so positions are not saved, and the journal is in memory.
        config.keeps_positions = false;
        config.journal.max_bytes = config.journal.max_bytes.min(DEMO_JOURNAL);
        Ok(config)
    };
    let result = serve(&load()?, load).await;
    for (log, _) in logs {
        log.stop().await;
    }
    result
}

fn load_watching(cli: &Cli, logs: Vec<Log>) -> Result<Config, ConfigError> {
    let overrides = Overrides { logs: Some(logs), stdout: cli.stdout };
    config::load_with(cli.config.as_deref(), std::env::vars(), overrides)
}

/// Serves until the first signal to stop. `load` returns the current configuration.
async fn serve(config: &Config, load: impl Fn() -> Result<Config, ConfigError>) -> Result<(), Failure> {
    raise_limit();
    warn(config);
    // Registered first: a signal that arrives earlier would terminate the program.
    let hangups = Hangups::new();
    let application = Application::build(config)?;
    let (port, tls) = (application.address().port(), if config.tls.is_some() { "s" } else { "" });
    log::info!(
        "listening on {}; open http{tls}://localhost:{port}/ or connect to ws{tls}://localhost:{port}/",
        application.address()
    );
    if let Some(address) = application.admin_address() {
        log::info!("statistics and metrics on http://{address}/");
    }
    service_manager::ready();
    let alive = application.liveness();
    let alive = service_manager::keep_alive(async || alive.holds().await);
    let telling = logging::keep_telling();
    let reloading = keep_reloading(hangups, application.reloader(), load);
    tokio::select! {
        ended = application.run_until_stopped(stop_signal()) => ended.map_err(Failure::Run),
        () = reloading => Ok(()),
        () = alive => Ok(()),
        () = telling => Ok(()),
    }
}

/// Reloads the configuration at each SIGHUP.
async fn keep_reloading(
    mut hangups: Hangups,
    mut reloader: Reloader,
    load: impl Fn() -> Result<Config, ConfigError>,
) {
    loop {
        hangups.next().await;
        log::info!("SIGHUP: reloading the configuration");
        service_manager::reloading();
        reload(&mut reloader, load());
        service_manager::ready();
    }
}

/// Puts `config` in force, or logs why nothing changes.
fn reload(reloader: &mut Reloader, config: Result<Config, ConfigError>) {
    let result = config.map_err(|error| error.to_string()).and_then(|config| {
        let changed = reloader.reload(&config).map_err(|error| error.to_string())?;
        logging::change(&config);
        warn(&config);
        Ok(changed)
    });
    match result {
        Ok(changed) if changed.is_empty() => log::info!("configuration: no changes"),
        Ok(changed) => log::info!("configuration: changed {}", changed.join(", ")),
        Err(why) => {
            log::error!("configuration: not applied: {}", escaped(&why, MAX_PROBLEM_CHARS));
        }
    }
}

/// Logs warnings about settings that are allowed but probably not intended.
fn warn(config: &Config) {
    for warning in config.warnings() {
        log::warn!("configuration: {warning}");
    }
}

fn print_config() -> Result<(), Failure> {
    io::stdout().write_all(config::EXPLAINED.as_bytes()).map_err(Failure::Print)
}

fn check_config(cli: &Cli) -> Result<(), Failure> {
    let config = config::load(cli.config.as_deref(), std::env::vars())?;
    let workers = config.workers;
    let tls = if config.tls.is_some() { ", with TLS," } else { "" };
    let threads = if workers == 1 { "1 thread".into() } else { format!("{workers} threads") };
    println!("ok: would listen on {}{tls} with {threads}", config.listen);
    if let Some(files) = config.tls.clone() {
        Tls::new(files).map_err(StartError::ServerTls)?;
    }
    for token in &config.access.tokens {
        let streams: Vec<_> = token.streams.iter().map(Stream::to_string).collect();
        let only = token.filter.as_ref().map(|filter| format!(", for what filter {} wants", shown(filter)));
        let (name, only) = (shown(&token.name), only.unwrap_or_default());
        println!("and admit clients with the token of {name} ({}{only})", streams.join(", "));
    }
    for filter in &config.filters {
        println!("and offer the filter {} ({} values)", shown(&filter.name), filter.filter.values());
    }
    for output in &config.outputs {
        check_output(output)?;
        let OutputConfig { stream, target, .. } = output;
        println!(
            "and deliver the {stream} stream by the output {} ({})",
            shown(&output.name),
            target.kind().name()
        );
    }
    for source in config.lists.iter().flat_map(|lists| &lists.sources) {
        println!("and watch the logs of list {} ({})", shown(&source.name), shown(&source.url));
    }
    for log in &config.logs {
        let (name, url) = (shown(log.source.name()), shown(log.source.url()));
        println!("and watch {name} ({url}), starting at {}", log.watch.start);
    }
    for warning in config.warnings() {
        println!("warning: {warning}");
    }
    Ok(())
}

/// Makes the text of a configuration safe to print on a terminal.
fn shown(text: &str) -> Cow<'_, str> {
    escaped(text, MAX_CHARS)
}

fn import(cli: &Cli, args: &ImportArgs) -> Result<(), Failure> {
    let config = config::load(cli.config.as_deref(), std::env::vars())?;
    Ok(import::import(&config, args)?)
}

fn skip_entries(cli: &Cli, args: &SkipArgs) -> Result<(), Failure> {
    let config = config::load(cli.config.as_deref(), std::env::vars())?;
    Ok(skip::skip(&config.state_dir, args)?)
}

async fn list_logs(cli: &Cli) -> Result<(), Failure> {
    let config = config::load(cli.config.as_deref(), std::env::vars())?;
    Ok(logs::print(&config).await.map_err(StartError::Tls)?)
}

async fn health(cli: &Cli, args: &HealthArgs) -> Result<(), Failure> {
    let config = load_watching(cli, vec![Log::rfc6962("http://127.0.0.1")])?;
    let address = match &args.address {
        Some(address) => address.clone(),
        None => local_address(config.listen).to_string(),
    };
    let unhealthy = |why: String| Failure::Unhealthy(address.clone(), why);
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let connector = Connector::new().openssl(believing_all().map_err(StartError::Tls)?);
    let client = awc::Client::builder().connector(connector).timeout(Duration::from_secs(3)).finish();
    let request = client.get(format!("{scheme}://{address}/health"));
    let response = request.send().await.map_err(|e| unhealthy(e.to_string()))?;
    if response.status().is_success() { Ok(()) } else { Err(unhealthy(response.status().to_string())) }
}

/// Accepts any certificate, for a request to this machine's own server. Its certificate contains the server's
/// public name, not the local address.
fn believing_all() -> Result<SslConnector, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_verify(SslVerifyMode::NONE);
    Ok(builder.build())
}

/// The local address for reaching a server that listens on `address`.
fn local_address(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if !ip.is_unspecified() => {}
        IpAddr::V4(_) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        // The server listens on both families, or on IPv4 only if there is no IPv6.
        IpAddr::V6(_) => address = (Ipv4Addr::LOCALHOST, address.port()).into(),
    }
    address
}

/// The definition of the command line, for generating documentation.
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
