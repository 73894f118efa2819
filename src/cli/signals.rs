//! The signals that stop the server, and that let it read its configuration again.

use crate::system::service_manager;

/// Completes at the first SIGTERM or SIGINT. A second one terminates the program immediately.
pub(super) async fn stop_signal() {
    let name = next_signal().await;
    log::info!("{name}: stopping");
    service_manager::stopping();
    actix::spawn(async {
        next_signal().await;
        std::process::exit(130);
    });
}

/// Receives SIGHUP signals.
#[cfg(unix)]
pub(super) struct Hangups(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Hangups {
    pub(super) fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let hangups = signal(SignalKind::hangup()).inspect_err(|error| {
            log::error!("cannot receive SIGHUP: {error}; to apply a new configuration, restart the server");
        });
        Hangups(hangups.ok())
    }

    pub(super) async fn next(&mut self) {
        let hangup = match &mut self.0 {
            Some(hangups) => hangups.recv().await,
            None => None,
        };
        if hangup.is_none() {
            std::future::pending().await
        }
    }
}

/// This platform has no SIGHUP.
#[cfg(not(unix))]
pub(super) struct Hangups;

#[cfg(not(unix))]
impl Hangups {
    pub(super) fn new() -> Self {
        Hangups
    }

    pub(super) async fn next(&mut self) {
        std::future::pending().await
    }
}

#[cfg(unix)]
async fn next_signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        log::error!("cannot receive signals; stop the server with SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[cfg(not(unix))]
async fn next_signal() -> &'static str {
    match tokio::signal::ctrl_c().await {
        Ok(()) => "Ctrl-C",
        Err(_) => std::future::pending().await,
    }
}
