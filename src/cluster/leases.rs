//! Which ingester fetches which logs: one document in the bucket, which each of them reads and changes in turn. Pure.
//!
//! Logs of one operator are a group, which one ingester fetches: so the operator's logs are asked once, and at its rate. An
//! ingester that does not renew its entry for ten seconds, by the clock of the one who sees it, has lost its groups. A
//! lease is politeness; that nothing is published twice is up to [`appender`](super::appender).

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// An ingester that has not renewed its entry for so long has lost its groups.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// The groups that an ingester can fetch, with the number of logs of each.
pub(super) type Groups = BTreeMap<String, u64>;

/// The document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Leases {
    /// The ingesters, by name.
    pub(super) nodes: BTreeMap<String, Ingester>,
    /// The ingester of each group that has one.
    pub(super) owners: BTreeMap<String, String>,
}

/// An ingester.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Ingester {
    /// Another one with each renewal, and after each start of the ingester.
    pub(super) beat: u64,
    /// The groups that it can fetch.
    pub(super) groups: Groups,
}

/// What one ingester has seen of the others.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The newest beat of each, and since when it has been the newest.
    beats: BTreeMap<String, (u64, Instant)>,
    looked: Option<Instant>,
}

impl Seen {
    /// The ingesters of `leases` that have not been renewed for [`LEASE`].
    fn note(&mut self, leases: &Leases, now: Instant) -> BTreeSet<String> {
        self.beats.retain(|node, _| leases.nodes.contains_key(node));
        // The document could not be read, or this process did not run. The same may be true of the others.
        if self.looked.replace(now).is_some_and(|looked| now.duration_since(looked) >= LEASE / 2) {
            self.beats.clear();
        }
        let mut dead = BTreeSet::new();
        for (node, ingester) in &leases.nodes {
            let seen = self.beats.entry(node.clone()).or_insert((ingester.beat, now));
            if seen.0 != ingester.beat {
                *seen = (ingester.beat, now);
            }
            if now.duration_since(seen.1) >= LEASE {
                dead.insert(node.clone());
            }
        }
        dead
    }
}

/// What an ingester does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The document that it writes.
    pub(super) leases: Leases,
    /// The groups that it must have stopped fetching before it writes.
    pub(super) releases: BTreeSet<String>,
}

/// What `node` makes of the document `leases`, in which its entry becomes `own`.
///
/// It renews its entry, forgets ingesters that are gone, takes groups without an ingester if it has the least to do, and
/// gives one away if another ingester has much less to do.
pub(super) fn step(leases: &Leases, node: &str, own: Ingester, seen: &mut Seen, now: Instant) -> Step {
    let mut next = leases.clone();
    for dead in seen.note(leases, now) {
        if dead != node {
            next.nodes.remove(&dead);
        }
    }
    let groups = own.groups.clone();
    next.nodes.insert(node.into(), own);
    let known: BTreeSet<_> = next.nodes.keys().cloned().collect();
    next.owners.retain(|_, owner| known.contains(owner));
    // What it cannot fetch any more.
    let mut releases: BTreeSet<String> =
        next.groups_of(node).filter(|group| !groups.contains_key(*group)).cloned().collect();
    releases.iter().for_each(|group| drop(next.owners.remove(group)));
    next.take_free(node, &groups);
    if let Some((group, to)) = next.surplus(node) {
        next.owners.insert(group.clone(), to);
        releases.insert(group);
    }
    releases.retain(|group| leases.owners.get(group).is_some_and(|owner| owner == node));
    Step { leases: next, releases }
}

impl Leases {
    /// The groups of `node`.
    pub(super) fn groups_of<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a String> {
        self.owners.iter().filter(move |(_, owner)| *owner == node).map(|(group, _)| group)
    }

    /// The number of logs that `node` fetches.
    fn load(&self, node: &str) -> u64 {
        self.groups_of(node).map(|group| self.weight(node, group)).sum()
    }

    /// The number of logs of `group`, as `node` knows them.
    fn weight(&self, node: &str, group: &str) -> u64 {
        self.nodes.get(node).and_then(|node| node.groups.get(group)).copied().unwrap_or_default()
    }

    /// Gives `node` the groups without an ingester that it can fetch, as long as no other one that can has less to do. The
    /// others take theirs when it is their turn.
    fn take_free(&mut self, node: &str, groups: &Groups) {
        let mut free: Vec<_> = groups.iter().filter(|(group, _)| !self.owners.contains_key(*group)).collect();
        free.sort_by_key(|(group, logs)| (std::cmp::Reverse(**logs), (*group).clone()));
        // As all of them would share them.
        let mut loads: BTreeMap<_, _> =
            self.nodes.keys().map(|node| (node.clone(), self.load(node))).collect();
        for (group, logs) in free {
            let can = |other: &&String| {
                self.nodes.get(*other).is_some_and(|other| other.groups.contains_key(group))
            };
            let least = loads.keys().filter(can).min_by_key(|other| (loads.get(*other), *other)).cloned();
            let Some(least) = least else { continue };
            if least == node {
                self.owners.insert(group.clone(), node.into());
            }
            *loads.entry(least).or_default() += logs;
        }
    }

    /// A group that `node` should give to another ingester, because then the busier one of the two has less to do than now.
    fn surplus(&self, node: &str) -> Option<(String, String)> {
        let own = self.load(node);
        let other = self
            .nodes
            .keys()
            .filter(|other| *other != node)
            .min_by_key(|other| (self.load(other), *other))?;
        let least = self.load(other);
        let can = |group: &&String| self.weight(other, group) > 0;
        let moved = |group: &String| (own - self.weight(node, group)).max(least + self.weight(other, group));
        let best = self.groups_of(node).filter(can).min_by_key(|group| (moved(group), *group))?;
        (moved(best) < own).then(|| (best.clone(), other.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TICK: Duration = Duration::from_secs(2);

    fn groups(logs: &[(&str, u64)]) -> Groups {
        logs.iter().map(|(group, logs)| (group.to_string(), *logs)).collect()
    }

    struct Node {
        name: String,
        groups: Groups,
        beat: u64,
        seen: Seen,
        is_alive: bool,
    }

    fn node(name: &str, groups: &Groups) -> Node {
        Node { name: name.into(), groups: groups.clone(), beat: 0, seen: Seen::default(), is_alive: true }
    }

    /// Lets each living node take its turn. Returns the releases.
    fn turn(leases: &mut Leases, nodes: &mut [Node], now: Instant) -> usize {
        let mut releases = 0;
        for node in nodes.iter_mut().filter(|node| node.is_alive) {
            node.beat += 1;
            let own = Ingester { beat: node.beat, groups: node.groups.clone() };
            let step = step(leases, &node.name, own, &mut node.seen, now);
            releases += step.releases.len();
            for group in &step.releases {
                assert_eq!(leases.owners.get(group), Some(&node.name), "it gives away what it has");
            }
            let taken = |group: &String| {
                let before = leases.owners.get(group);
                before.is_some_and(|owner| owner != &node.name && step.leases.nodes.contains_key(owner))
            };
            assert!(!step.leases.groups_of(&node.name).any(taken), "it takes nothing from the living");
            *leases = step.leases;
        }
        releases
    }

    #[test]
    fn groups_are_shared_and_taken_over_from_the_dead_only() {
        let all = groups(&[("Google", 12), ("DigiCert", 6), ("Sectigo", 5), ("Let's Encrypt", 4)]);
        let (mut leases, mut now) = (Leases::default(), Instant::now());
        let mut nodes = [node("a", &all), node("b", &all)];
        turn(&mut leases, &mut nodes[..1], now);
        assert_eq!(leases.load("a"), 27, "alone, it has all");
        for _ in 0..5 {
            now += TICK;
            turn(&mut leases, &mut nodes, now);
        }
        assert_eq!(leases.load("a") + leases.load("b"), 27);
        assert!(leases.load("a").abs_diff(leases.load("b")) <= 4, "{leases:?}");
        nodes[0].is_alive = false;
        let died = now;
        while leases.load("b") < 27 {
            now += TICK;
            turn(&mut leases, &mut nodes, now);
            assert!(now - died <= LEASE + TICK, "{leases:?}");
        }
        assert!(now - died >= LEASE, "it may only have been slow");
    }

    #[test]
    fn after_a_time_in_which_nobody_could_renew_nobody_is_taken_for_dead() {
        let all = groups(&[("x", 9), ("y", 9)]);
        let (mut leases, mut now) = (Leases::default(), Instant::now());
        let mut nodes = [node("a", &all), node("b", &all)];
        for _ in 0..5 {
            turn(&mut leases, &mut nodes, now);
            now += TICK;
        }
        let before = leases.owners.clone();
        now += 3 * LEASE;
        assert_eq!(turn(&mut leases, &mut nodes, now), 0);
        assert_eq!(leases.owners, before);
    }

    #[test]
    fn a_group_goes_to_those_who_know_its_logs() {
        let (mut leases, mut now) = (Leases::default(), Instant::now());
        let mut nodes = [node("a", &groups(&[("x", 9), ("y", 9)])), node("b", &groups(&[("y", 9)]))];
        for _ in 0..5 {
            turn(&mut leases, &mut nodes, now);
            now += TICK;
        }
        assert_eq!(leases.owners, [("x", "a"), ("y", "b")].map(|(g, n)| (g.into(), n.into())).into());
        nodes[0].groups = groups(&[("y", 9)]);
        assert_eq!(turn(&mut leases, &mut nodes, now), 1, "its logs have left the list");
        assert!(!leases.owners.contains_key("x"));
    }

    proptest! {
        /// However ingesters come and go, in the end each group has one of those that live, the load is even, and no
        /// group moves any more.
        #[test]
        fn everything_comes_to_rest(
            logs in proptest::collection::vec(1..20_u64, 1..12),
            changes in proptest::collection::vec((0..4_usize, any::<bool>()), 0..12),
        ) {
            let all: Groups = logs.iter().enumerate().map(|(i, logs)| (format!("g{i}"), *logs)).collect();
            let (mut leases, mut now) = (Leases::default(), Instant::now());
            let mut nodes: Vec<_> = (0..4).map(|i| node(&format!("n{i}"), &all)).collect();
            for (i, is_alive) in changes {
                nodes[i].is_alive = is_alive || nodes.iter().filter(|node| node.is_alive).count() == 1;
                turn(&mut leases, &mut nodes, now);
                now += TICK;
            }
            for _ in 0..40 {
                turn(&mut leases, &mut nodes, now);
                now += TICK;
            }
            let alive: Vec<_> = nodes.iter().filter(|node| node.is_alive).map(|node| node.name.clone()).collect();
            for group in all.keys() {
                prop_assert!(leases.owners.get(group).is_some_and(|owner| alive.contains(owner)), "{group}: {leases:?}");
            }
            let loads: Vec<_> = alive.iter().map(|node| leases.load(node)).collect();
            let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
            prop_assert!(most - least <= *logs.iter().max().unwrap(), "{loads:?}");
            let before = leases.owners.clone();
            prop_assert_eq!(turn(&mut leases, &mut nodes, now), 0);
            prop_assert_eq!(leases.owners, before);
        }
    }
}
