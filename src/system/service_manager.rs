//! Notifications to a service manager such as systemd, by the sd_notify protocol. Without `NOTIFY_SOCKET` in the
//! environment, nothing is sent.

use std::time::Duration;

/// Number of watchdog notifications per timeout of the service manager.
const BEATS: u32 = 3;

/// Reports that the server is ready, or that reloading the configuration has ended, successfully or not.
pub(crate) fn ready() {
    tell(Phase::Ready);
}

/// Reports that the server starts to reload its configuration. [`ready`] must follow.
pub(crate) fn reloading() {
    tell(Phase::Reloading);
}

/// Reports that the server starts to stop.
pub(crate) fn stopping() {
    tell(Phase::Stopping);
}

/// Asks this process to stop, as a service manager does.
pub(crate) fn terminate() {
    let own = rustix::process::getpid();
    if let Err(error) = rustix::process::kill_process(own, rustix::process::Signal::TERM) {
        log::error!("the program cannot stop itself: {error}");
    }
}

/// Sends watchdog notifications while `is_alive` returns `true`, at the interval that the service manager requests
/// (`WATCHDOG_USEC`). Never returns.
pub(crate) async fn keep_alive(is_alive: impl AsyncFn() -> bool) {
    let Some(patience) = watchdog() else { return std::future::pending().await };
    let mut beat = tokio::time::interval((patience / BEATS).max(Duration::from_millis(1)));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        if is_alive().await {
            tell(Phase::Alive);
        } else {
            log::error!("the server is stuck; not notifying the service manager");
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Ready,
    Reloading,
    Stopping,
    Alive,
}

#[cfg(unix)]
fn tell(phase: Phase) {
    use sd_notify::{NotifyState, notify};
    let told = match phase {
        Phase::Ready => notify(&[NotifyState::Ready]),
        // The time lets the service manager distinguish this reload from the previous one.
        Phase::Reloading => {
            NotifyState::monotonic_usec_now().and_then(|now| notify(&[NotifyState::Reloading, now]))
        }
        Phase::Stopping => notify(&[NotifyState::Stopping]),
        Phase::Alive => notify(&[NotifyState::Watchdog]),
    };
    if let Err(error) = told {
        log::warn!("failed to notify the service manager ({phase:?}): {error}");
    }
}

#[cfg(unix)]
fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// This platform has no such service manager.
#[cfg(not(unix))]
fn tell(_: Phase) {}

#[cfg(not(unix))]
fn watchdog() -> Option<Duration> {
    None
}
