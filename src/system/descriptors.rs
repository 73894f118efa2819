//! File descriptor limits. Each client uses one descriptor, and a shell's default limit is low.

/// Connections reserved for admins at their own listener. Clients cannot use them.
pub(crate) const MAX_ADMINS: usize = 16;
/// Descriptors reserved for logs, files and threads. If the limit is low, half of it.
pub(crate) const OTHERS: u64 = 1024;
/// The part of these for connections that are being refused. If the limit is low, an eighth of it.
pub(crate) const REFUSED: u64 = 128;
/// Number of clients below which a warning is logged.
const FEW: u64 = 10_000;

/// The division of the process's descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Division {
    clients: u64,
    refused: u64,
}

/// Divides `limit` descriptors. Every connection uses one.
fn divide(limit: u64) -> Division {
    let others = OTHERS.min(limit / 2);
    Division { clients: (limit - others).max(1), refused: REFUSED.min(limit / 8).max(1) }
}

#[cfg(unix)]
fn division() -> Division {
    use rustix::process::{Resource, getrlimit};

    divide(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

/// This platform has no such limit.
#[cfg(not(unix))]
fn division() -> Division {
    divide(u64::MAX)
}

/// Number of client connections that the descriptor limit allows.
pub(crate) fn room() -> usize {
    usize::try_from(division().clients).unwrap_or(usize::MAX)
}

/// Number of connections that may be refused with an answer at the same time. Others are closed without one.
pub(crate) fn most_refused() -> usize {
    usize::try_from(division().refused).unwrap_or(usize::MAX)
}

/// Number of connections that may be accepted at the same time.
pub(crate) fn most_accepted() -> usize {
    room().saturating_add(most_refused()).saturating_add(MAX_ADMINS)
}

/// Raises the soft limit on open descriptors to the hard limit, and warns if it is still low.
#[cfg(unix)]
pub(crate) fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` means no limit.
    let Some(before) = current else { return };
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { Some(before) };
    if let Some(clients) = limit.map(|limit| divide(limit).clients).filter(|clients| *clients < FEW) {
        log::warn!(
            "the limit on open files leaves room for {clients} clients; raise it with ulimit -Hn or LimitNOFILE"
        );
    }
}

/// This platform has no such limit.
#[cfg(not(unix))]
pub fn raise_limit() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_left_for_everybody() {
        for (limit, clients, refused) in [
            (0, 1, 1),
            (64, 32, 8),
            (256, 128, 32),
            (1024, 512, 128),
            (2048, 1024, 128),
            (20_000, 18_976, 128),
        ] {
            assert_eq!(divide(limit), Division { clients, refused }, "{limit}");
        }
        assert!(room() > 1 && most_accepted() > room() + MAX_ADMINS);
    }
}
