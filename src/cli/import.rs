//! `import`: continues at the positions of another certstream server.

use crate::config::Config;
use crate::ct::source::{LogIdentifier, bare_url};
use crate::printable::{MAX_CHARS, escaped};
use crate::state::{
    NotForeign, Position, Positions, PositionsError, StateLock, StateLockError, foreign_positions,
};
use crate::system::read_file;
use clap::Args;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// A ct_index.json or a certstream_state.json
    file: PathBuf,
    /// Also where a log has a position already
    #[arg(long)]
    replace: bool,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImportError {
    #[error("{}: cannot be read: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Form { path: PathBuf, error: NotForeign },
    #[error(transparent)]
    Lock(#[from] StateLockError),
    #[error(transparent)]
    Positions(#[from] PositionsError),
    #[error("{}: cannot be written: {error}", dir.display())]
    Write { dir: PathBuf, error: io::Error },
}

/// Maximum size of the file, in bytes. A log takes about 100.
const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;

/// Writes the positions of the file into the state folder of `config`.
pub(super) fn import(config: &Config, args: &ImportArgs) -> Result<(), ImportError> {
    let path = &args.file;
    let text =
        read_file(path, MAX_FILE_BYTES).map_err(|error| ImportError::Read { path: path.clone(), error })?;
    let foreign =
        foreign_positions(&text).map_err(|error| ImportError::Form { path: path.clone(), error })?;
    let dir = &config.state_dir;
    let _lock = StateLock::take(dir)?;
    let positions = Positions::load(dir)?;
    // The files do not contain the scheme, so it is taken from the configured logs. All logs on lists have
    // the same scheme.
    let configured: BTreeMap<&str, &str> =
        config.logs.iter().map(|log| (bare_url(log.source.url()), log.source.url())).collect();
    let mut imported = 0;
    for (bare, next) in &foreign {
        let url =
            configured.get(bare.as_str()).map_or_else(|| format!("https://{bare}"), |url| url.to_string());
        let known = positions.at_url(&url);
        if let Some(known) = known.as_ref().and_then(|log| positions.get(log)).filter(|_| !args.replace) {
            let (shown, stays) = (escaped(&url, MAX_CHARS), known.ledger.next);
            println!("{shown}: keeps index {stays}; use --replace to set it to {next}");
            continue;
        }
        println!("{}: from index {next}", escaped(&url, MAX_CHARS));
        let log = known.unwrap_or_else(|| LogIdentifier::Url(url.clone()));
        positions.set(&log, Position::at(&url, *next));
        imported += 1;
    }
    positions.save().map_err(|error| ImportError::Write { dir: dir.clone(), error })?;
    println!("{imported} of {} positions imported into {}", foreign.len(), dir.display());
    Ok(())
}
