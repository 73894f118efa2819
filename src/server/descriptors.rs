//! Each client takes a file descriptor, and what a shell allows is soon used up.

/// Descriptors that are for other things than clients: logs, files, threads.
const OTHERS: u64 = 512;
/// Fewer clients than this are worth a word.
const FEW: u64 = 10_000;

/// How many connections the limit on open descriptors leaves room for.
#[cfg(unix)]
pub fn room() -> usize {
    use rustix::process::{Resource, getrlimit};

    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // A session over HTTP has a second descriptor of its connection, and so has every other one while it shakes hands.
    usize::try_from(limit.saturating_sub(OTHERS)).unwrap_or(usize::MAX).max(1)
}

/// There is no such limit here.
#[cfg(not(unix))]
pub fn room() -> usize {
    usize::MAX
}

/// Raises the limit on open descriptors as far as the system lets us, and says so if it is low even then.
#[cfg(unix)]
pub fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None is no limit at all.
    let Some(before) = current else { return };
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { Some(before) };
    if let Some(clients) = limit.map(|limit| limit.saturating_sub(OTHERS)).filter(|clients| *clients < FEW) {
        log::warn!(
            "the limit on open files leaves room for {clients} clients; raise it with ulimit -Hn or LimitNOFILE"
        );
    }
}

/// There is no such limit here.
#[cfg(not(unix))]
pub fn raise_limit() {}
