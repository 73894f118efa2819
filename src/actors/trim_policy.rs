//! When to give back the memory of clients that have gone. The system's allocator would keep it for the next ones, who
//! may never come.

/// Clients who must have gone before it is worth a look: some megabyte.
const WORTHWHILE: usize = 200;

/// How many clients there were. Pure.
#[derive(Debug, Default)]
pub(super) struct TrimPolicy {
    most: usize,
    last: usize,
}

impl TrimPolicy {
    /// There are so many now. Whether many have gone, and no more are going.
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
