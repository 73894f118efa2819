//! What a service manager such as systemd hears of the server, by the protocol of sd_notify. Where `NOTIFY_SOCKET` is
//! not set nobody wants to hear, and nothing is said.

use std::time::Duration;

/// How often the service manager hears that the server is alive, within the time after which it would end it.
const BEATS: u32 = 3;

/// The server listens and watches; or it has read its configuration again, whether or not that was of use.
pub fn ready() {
    tell(Phase::Ready);
}

/// The server begins to read its configuration again. [`ready`] must follow.
pub fn reloading() {
    tell(Phase::Reloading);
}

/// The server begins to stop.
pub fn stopping() {
    tell(Phase::Stopping);
}

/// Says that the server is alive whenever `is_alive` finds it so, as often as the service manager wants to hear it
/// (`WATCHDOG_USEC`). Never ends.
pub async fn keep_alive(is_alive: impl AsyncFn() -> bool) {
    let Some(patience) = watchdog() else { return std::future::pending().await };
    let mut beat = tokio::time::interval((patience / BEATS).max(Duration::from_millis(1)));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        if is_alive().await {
            tell(Phase::Alive);
        } else {
            log::error!("the server is stuck; the service manager is not told that it is alive");
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
        // With the time the service manager tells this reload from the one before.
        Phase::Reloading => {
            NotifyState::monotonic_usec_now().and_then(|now| notify(&[NotifyState::Reloading, now]))
        }
        Phase::Stopping => notify(&[NotifyState::Stopping]),
        Phase::Alive => notify(&[NotifyState::Watchdog]),
    };
    if let Err(error) = told {
        log::warn!("the service manager cannot be told ({phase:?}): {error}");
    }
}

#[cfg(unix)]
fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// There is no such service manager here.
#[cfg(not(unix))]
fn tell(_: Phase) {}

#[cfg(not(unix))]
fn watchdog() -> Option<Duration> {
    None
}
