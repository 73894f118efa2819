//! The client: follows a stream of this or another certstream server, and hands every certificate on.
//!
//! ```text
//! server ─► handshake ─► Connection (frames) ─► Receiver (messages, reconnects after the newest number received)
//!        ─► bounded queue ─► OutputThread: Printer, command ─► CursorFile (the newest number handed on)
//! ```
//!
//! A certificate is behind the cursor only after it was written, and its command has ended. So it is handed on at least
//! once, however this program, the server or the connection ends. While the output is slow, the queue is full and nothing
//! is read: the server keeps the rest in its journal.
//!
//! - `target` is the stream's URL, `handshake` and `connection` are WebSocket, `message` is what comes;
//! - `position` is a number in the stream, `cursor_file` keeps it;
//! - `format` and `table` print, `command` runs programs, `output` does both in a thread;
//! - `notes` writes to standard error.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod command;
mod connection;
mod cursor_file;
mod error;
mod format;
mod handshake;
mod message;
mod notes;
mod output;
mod position;
mod receiver;
mod table;
mod target;

pub(crate) use cursor_file::{CursorFile, CursorFileError};
pub(crate) use error::FollowError;
pub(crate) use format::Format;
pub(crate) use output::OnFailure;
pub(crate) use target::{BadTarget, Target, filter_parameters};

use crate::http_client::{Proxies, TlsClient};
use format::Printer;
use handshake::Access;
use notes::note;
use output::{Item, Output, OutputError, OutputThread};
use receiver::{MAX_WAITING, Receiver};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Maximum number of messages that are handed on together.
const MAX_BATCH: usize = 256;
/// How often it is checked whether the cursor file is due, and whether the output is still open.
const TICK: Duration = Duration::from_millis(250);
/// How long to wait for a blocked output after a signal to stop.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(1);

/// What to follow, and what to do with it.
pub(crate) struct FollowSettings {
    pub(crate) target: Target,
    pub(crate) token: Option<String>,
    pub(crate) tls: TlsClient,
    pub(crate) proxies: Proxies,
    /// A connection on which nothing comes for this time is given up.
    pub(crate) idle_timeout: Duration,
    /// How certificates are printed, if they are.
    pub(crate) format: Option<Format>,
    /// Whether the output is a terminal.
    pub(crate) is_terminal: bool,
    /// The command that is run for each certificate.
    pub(crate) command: Option<String>,
    pub(crate) on_failure: OnFailure,
    /// It ends after this many certificates.
    pub(crate) count: Option<u64>,
    pub(crate) cursor_file: Option<CursorFile>,
}

/// Follows a stream until it ends, nobody reads the output any more, or `stop` completes.
///
/// # Errors
/// If the server refuses the request for good, or the certificates cannot be handed on.
pub(crate) async fn follow(
    settings: FollowSettings,
    stop: impl Future<Output = ()>,
) -> Result<(), FollowError> {
    let resume = settings.cursor_file.as_ref().and_then(CursorFile::seq);
    let access = Access { tls: settings.tls, proxies: settings.proxies, token: settings.token };
    let must_resume = settings.cursor_file.is_some();
    let receiver = Receiver::new(settings.target, access, settings.idle_timeout, must_resume, resume);
    let has_command = settings.command.is_some();
    let output = Output {
        printer: settings.format.map(|format| Printer::new(format, settings.is_terminal)),
        command: settings.command,
        on_failure: settings.on_failure,
        cursor_file: settings.cursor_file,
    };
    let mut output = OutputThread::start(output).map_err(FollowError::NoOutput)?;
    // A command may take long, and each moves the cursor.
    let max_batch = if has_command { 1 } else { MAX_BATCH };
    let ended = tokio::select! {
        biased;
        () = stop => None,
        ended = transfer(receiver, &mut output, settings.count, max_batch) => Some(ended),
    };
    match ended {
        Some(Err(FollowError::Output(OutputError::Closed))) => closed(output.finish().await),
        Some(ended) => {
            let finished = closed(output.finish().await);
            ended.and(finished)
        }
        // The command that runs now may end, by itself or by the same signal. A blocked output may never be read again.
        None if has_command => match output.finish().await {
            Err(stopped @ OutputError::Command(_)) => {
                note(&stopped.to_string());
                Ok(())
            }
            finished => closed(finished),
        },
        None => timeout(OUTPUT_PATIENCE, output.finish()).await.map_or(Ok(()), closed),
    }
}

/// A reader that closes the output has what it wants.
fn closed(result: Result<(), OutputError>) -> Result<(), FollowError> {
    match result {
        Ok(()) | Err(OutputError::Closed) => Ok(()),
        Err(error) => Err(FollowError::Output(error)),
    }
}

/// Hands on what the receiver receives.
async fn transfer(
    receiver: Receiver,
    output: &mut OutputThread,
    count: Option<u64>,
    max_batch: usize,
) -> Result<(), FollowError> {
    let (sender, queue) = mpsc::channel(MAX_WAITING);
    let receiving = std::pin::pin!(receiver.run(sender));
    let mut delivering = std::pin::pin!(deliver(queue, output, count, max_batch));
    tokio::select! {
        delivered = &mut delivering => delivered.map_err(FollowError::Output),
        received = receiving => {
            // What was received is still handed on.
            delivering.await.map_err(FollowError::Output)?;
            received
        }
    }
}

/// Hands on what is in the queue, until it is closed or `count` certificates were handed on.
async fn deliver(
    mut queue: mpsc::Receiver<Item>,
    output: &mut OutputThread,
    count: Option<u64>,
    max_batch: usize,
) -> Result<(), OutputError> {
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0 {
        let Ok(first) = timeout(TICK, queue.recv()).await else {
            output.tick().await?;
            continue;
        };
        let Some(first) = first else { break };
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(item) = next {
            left -= u64::from(item.found.is_some());
            batch.push(item);
            next = if left > 0 && batch.len() < max_batch { queue.try_recv().ok() } else { None };
        }
        output.deliver(batch).await?;
    }
    Ok(())
}
