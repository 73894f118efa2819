//! Each client takes a file descriptor, and what a shell allows is soon used up.

/// Connections that admins may have where they have a listener of their own. Clients cannot take these up.
pub(crate) const MAX_ADMINS: usize = 16;
/// Descriptors that are for other things than clients: logs, files, threads. Where there are few, half of them.
pub(crate) const OTHERS: u64 = 1024;
/// Of these, for connections that are just being told that there is no room. Where there are few, an eighth of all.
pub(crate) const REFUSED: u64 = 128;
/// Fewer clients than this are worth a warning.
const FEW: u64 = 10_000;

/// How the descriptors are divided that a process may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Division {
    clients: u64,
    refused: u64,
}

/// Divides `limit` descriptors. Every connection takes one.
fn divide(limit: u64) -> Division {
    let others = OTHERS.min(limit / 2);
    Division { clients: (limit - others).max(1), refused: REFUSED.min(limit / 8).max(1) }
}

#[cfg(unix)]
fn division() -> Division {
    use rustix::process::{Resource, getrlimit};

    divide(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

/// There is no such limit here.
#[cfg(not(unix))]
fn division() -> Division {
    divide(u64::MAX)
}

/// How many connections the limit on open descriptors leaves room for.
pub fn room() -> usize {
    usize::try_from(division().clients).unwrap_or(usize::MAX)
}

/// How many connections may be told at the same time that there is no room for them. Others are closed without a word.
pub(crate) fn most_refused() -> usize {
    usize::try_from(division().refused).unwrap_or(usize::MAX)
}

/// How many connections may be accepted at the same time, whatever becomes of them.
pub(crate) fn most_accepted() -> usize {
    room().saturating_add(most_refused()).saturating_add(MAX_ADMINS)
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
    if let Some(clients) = limit.map(|limit| divide(limit).clients).filter(|clients| *clients < FEW) {
        log::warn!(
            "the limit on open files leaves room for {clients} clients; raise it with ulimit -Hn or LimitNOFILE"
        );
    }
}

/// There is no such limit here.
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
