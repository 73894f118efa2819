//! `entry` and `cert`: print one certificate as a client would receive it.

use super::pem;
use super::pretty::pretty;
use crate::certificate::{Certificate, Leaf, LeafKind};
use crate::clock;
use crate::ct::entry::{Content, LogEntry};
use crate::ct::source::{Source, bare_url};
use crate::http_client::{BadProxy, HttpSettings, Proxies, Reach, TlsClient};
use crate::log_client::{FetchError, FetchSettings, OperatorLimits, requests_beside, single_entry};
use crate::message::{CertEntry, Stream};
use clap::Args;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Timeout for fetching an entry interactively.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum size of the file, in bytes. Certificates and reasonable bundles of them are smaller.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;
/// The first byte of a certificate in DER.
const SEQUENCE: u8 = 0x30;

#[derive(Debug, Args)]
pub(super) struct EntryArgs {
    /// The log's URL: without /ct/v1, or for static-ct-api the monitoring prefix
    log_url: String,
    /// The entry's index in the log
    index: u64,
}

#[derive(Debug, Args)]
pub(super) struct CertArgs {
    /// A PEM or DER file; - for standard input. Further certificates of a PEM file are taken for its chain
    file: PathBuf,
}

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShowError {
    #[error("{0:?} is not the URL of a log; expected one such as https://ct.example.com/2026")]
    Url(String),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] openssl::error::ErrorStack),
    #[error("{file}: contains {kind}, not a certificate")]
    NoCertificate { file: String, kind: String },
    #[error(transparent)]
    Proxy(#[from] BadProxy),
    #[error("failed to get entry {index} of {url}: {error}")]
    Fetch { url: String, index: u64, error: FetchError },
    #[error("entry {index} of {url} cannot be decoded: {reason}")]
    Undecodable { url: String, index: u64, reason: String },
    #[error("{file}: {problem}")]
    File { file: String, problem: String },
    #[error("cannot be written: {0}")]
    Output(io::Error),
}

/// Fetches one entry and prints its full message.
pub(super) async fn entry(args: &EntryArgs) -> Result<(), ShowError> {
    let EntryArgs { log_url: url, index } = args;
    let (url, index) = (url.trim_end_matches('/').to_string(), *index);
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(ShowError::Url(url));
    }
    let user_agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_string();
    let limits = Arc::new(OperatorLimits::new(1, 10, requests_beside()));
    let tls = TlsClient::new()?;
    let proxies = Proxies::from_environment(&std::env::vars().collect())?;
    let settings = FetchSettings {
        http: HttpSettings { tls, proxies, reach: Reach::Anywhere, timeout: TIMEOUT, user_agent },
        limits,
        traffic: Default::default(),
        memory: Default::default(),
        issuer_wait: TIMEOUT,
        sends_chains: Arc::new(|| true),
        names_tiles: false,
    };
    let fetched = single_entry(&url, index, &settings).await;
    let (protocol, entry) = fetched.map_err(|error| ShowError::Fetch { url: url.clone(), index, error })?;
    let undecodable = |reason: String| ShowError::Undecodable { url: url.clone(), index, reason };
    let content = entry.content.map_err(|broken| undecodable(broken.reason))?;
    if let Content::Entry(LogEntry { fault: Some(fault), .. }) = &content {
        eprintln!("note: the entry is malformed: {fault}");
    }
    let source = Arc::new(Source::new(&url, bare_url(&url), "", None, protocol));
    let message = CertEntry::new(source, index, clock::unix_us(), content).json(Stream::Full);
    print(&message.ok_or_else(|| undecodable("the log serves only its names".into()))?)
}

/// Prints the part of a message that depends only on a certificate.
pub(super) fn cert(args: &CertArgs) -> Result<(), ShowError> {
    let certificates = read(&args.file)?;
    let problem = || file_error(&args.file, "contains no certificate; expected PEM or DER");
    let (leaf, chain) = certificates.split_first().ok_or_else(problem)?;
    let mut json = br#"{"leaf_cert":"#.to_vec();
    let leaf = Certificate::parse(leaf);
    let kind = leaf.kind();
    // For a precertificate, the signed TBSCertificate depends on its issuers, so its hash is unknown here.
    let tbs_sha256 = leaf.tbs_sha256(kind).filter(|_| kind == LeafKind::X509);
    leaf.write_leaf(Leaf { kind, tbs_sha256, with_der: true }, &mut json);
    json.extend(br#","chain":["#);
    for (i, der) in chain.iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        Certificate::parse(der).write_issuer(&mut json);
    }
    json.extend(b"]}");
    print(&json)
}

fn file_error(file: &Path, problem: impl ToString) -> ShowError {
    ShowError::File { file: file.display().to_string(), problem: problem.to_string() }
}

fn no_certificate(file: &Path, kind: String) -> ShowError {
    ShowError::NoCertificate { file: file.display().to_string(), kind }
}

fn read(file: &Path) -> Result<Vec<Vec<u8>>, ShowError> {
    let mut content = Vec::new();
    let result = if file == Path::new("-") {
        io::stdin().take(MAX_FILE_BYTES + 1).read_to_end(&mut content)
    } else {
        std::fs::File::open(file).and_then(|f| f.take(MAX_FILE_BYTES + 1).read_to_end(&mut content))
    };
    result.map_err(|error| file_error(file, format!("cannot be read: {error}")))?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(file_error(file, format!("is larger than {MAX_FILE_BYTES} bytes")));
    }
    if content.is_empty() {
        return Ok(Vec::new());
    }
    let blocks = pem::blocks(&content).map_err(|problem| file_error(file, problem))?;
    if blocks.is_empty() {
        return match pem::kind_of_der(&content) {
            Some(kind) => Err(no_certificate(file, kind.into())),
            // However malformed, a certificate begins as a SEQUENCE.
            None if content.first() != Some(&SEQUENCE) => {
                Err(no_certificate(file, "something that is neither PEM nor DER".into()))
            }
            None => Ok(vec![content]),
        };
    }
    let first = blocks.first().map(|block| block.kind());
    let certificates: Vec<_> =
        blocks.into_iter().filter(|block| block.is_certificate()).map(|block| block.der).collect();
    match first {
        Some(kind) if certificates.is_empty() => Err(no_certificate(file, kind)),
        _ => Ok(certificates),
    }
}

fn print(json: &[u8]) -> Result<(), ShowError> {
    let text = pretty(&String::from_utf8_lossy(json), io::stdout().is_terminal());
    match io::stdout().write_all(text.as_bytes()) {
        // The reader closed the pipe, which is not an error.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(ShowError::Output),
    }
}
