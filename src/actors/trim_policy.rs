//! Decides when to return the memory of departed clients to the system. The system's allocator would keep it for future
//! clients, which may never connect.

/// Number of departed clients from which trimming is worthwhile: about one megabyte.
const WORTHWHILE: usize = 200;

/// The client counts so far. Pure.
#[derive(Debug, Default)]
pub(super) struct TrimPolicy {
    most: usize,
    last: usize,
}

impl TrimPolicy {
    /// Records the current number of clients. Returns whether many have left and the number is stable.
    pub(super) fn is_over(&mut self, clients: usize) -> bool {
        let calm = clients == self.last;
        self.last = clients;
        self.most = self.most.max(clients);
        let over = calm && self.most - clients >= WORTHWHILE;
        if over {
            self.most = clients;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_once_when_many_have_gone_and_no_more_are_going() {
        let mut trim_policy = TrimPolicy::default();
        let over: Vec<_> =
            [10_000, 10_000, 6000, 3000, 2900, 2900, 2900, 2800, 2800].map(|n| trim_policy.is_over(n)).into();
        assert_eq!(over, [false, false, false, false, false, true, false, false, false]);
        assert!(!trim_policy.is_over(2650) && trim_policy.is_over(2650), "few and few are many");
    }
}
