//! Sets of addresses as ranges, so that two lists of networks can be compared by the addresses that they contain.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ipnet::IpNet;
use std::fmt;

/// A set of IPv4 and IPv6 addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AddressSet {
    v4: Ranges,
    v6: Ranges,
}

/// Ranges with both ends included, in ascending order, that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ranges(Vec<(u128, u128)>);

impl AddressSet {
    /// Every address of both families.
    pub(super) fn all() -> Self {
        AddressSet {
            v4: Ranges(vec![(0, Ipv4Addr::BROADCAST.to_bits().into())]),
            v6: Ranges(vec![(0, u128::MAX)]),
        }
    }

    pub(super) fn of(networks: &[IpNet]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match network {
                IpNet::V4(n) => v4.push((n.network().to_bits().into(), n.broadcast().to_bits().into())),
                IpNet::V6(n) => v6.push((n.network().to_bits(), n.broadcast().to_bits())),
            }
        }
        AddressSet { v4: Ranges::merged(v4), v6: Ranges::merged(v6) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.v4.0.is_empty() && self.v6.0.is_empty()
    }

    /// The addresses in this set that are not in `other`.
    pub(super) fn without(&self, other: &Self) -> Self {
        AddressSet { v4: self.v4.without(&other.v4), v6: self.v6.without(&other.v6) }
    }

    /// The addresses in both sets.
    pub(super) fn and(&self, other: &Self) -> Self {
        self.without(&self.without(other))
    }

    /// Number of IPv4 addresses.
    pub(super) fn v4_count(&self) -> u128 {
        self.v4.count()
    }

    /// Number of IPv6 addresses; one too few for the set of all of them.
    pub(super) fn v6_count(&self) -> u128 {
        self.v6.count()
    }
}

impl Ranges {
    fn merged(mut ranges: Vec<(u128, u128)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (start, end) in ranges {
            match merged.last_mut() {
                Some((_, last)) if start <= last.saturating_add(1) => *last = end.max(*last),
                _ => merged.push((start, end)),
            }
        }
        Ranges(merged)
    }

    fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for &(start, end) in &self.0 {
            // The first address of this range that is not processed yet; `None` after the last possible address.
            let mut next = Some(start);
            for &(gone, gone_end) in &other.0 {
                let Some(from) = next.filter(|from| *from <= end) else { break };
                if gone_end < from {
                    continue;
                }
                if gone > end {
                    break;
                }
                if gone > from {
                    left.push((from, gone - 1));
                }
                next = gone_end.checked_add(1);
            }
            if let Some(from) = next.filter(|from| *from <= end) {
                left.push((from, end));
            }
        }
        Ranges(left)
    }

    fn count(&self) -> u128 {
        self.0.iter().fold(0, |sum: u128, (start, end)| sum.saturating_add((end - start).saturating_add(1)))
    }
}

/// Displays the first range and the number of further ones.
impl fmt::Display for AddressSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v4 = |n: u128| IpAddr::from(Ipv4Addr::from_bits(n as u32));
        let v6 = |n: u128| IpAddr::from(Ipv6Addr::from_bits(n));
        let v4 = self.v4.0.iter().map(|(start, end)| (v4(*start), v4(*end)));
        let v6 = self.v6.0.iter().map(|(start, end)| (v6(*start), v6(*end)));
        let mut ranges = v4.chain(v6);
        match ranges.next() {
            None => f.write_str("no address")?,
            Some((start, end)) if start == end => write!(f, "{start}")?,
            Some((start, end)) => write!(f, "{start} to {end}")?,
        }
        match ranges.count() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(texts: &[&str]) -> AddressSet {
        AddressSet::of(&texts.iter().map(|text| text.parse().expect("a network")).collect::<Vec<_>>())
    }

    #[test]
    fn lists_that_hold_the_same_addresses_are_the_same_set() {
        for (one, other) in [
            (&["192.0.2.0/24"][..], &["192.0.2.128/25", "192.0.2.0/25"][..]),
            (&["10.0.0.0/8"], &["10.0.0.0/8", "10.1.2.0/24"]),
            (&["0.0.0.0/0"], &["128.0.0.0/1", "0.0.0.0/1"]),
            (&["::/0"], &["8000::/1", "::/1"]),
            (&["255.255.255.254/31"], &["255.255.255.255/32", "255.255.255.254/32"]),
        ] {
            assert_eq!(set(one), set(other));
        }
        assert_eq!(set(&["0.0.0.0/0", "::/0"]), AddressSet::all());
        assert_ne!(set(&["255.255.255.254/32"]), set(&["255.255.255.254/31"]));
        assert_ne!(set(&["::/0"]), AddressSet::all(), "IPv4 is not part of IPv6");
    }

    #[test]
    fn what_is_left_of_a_set_is_named() {
        for (from, taken, left) in [
            (&["10.0.0.0/8"][..], &["10.0.0.0/9"][..], "10.128.0.0 to 10.255.255.255"),
            (&["10.0.0.0/30"], &["10.0.0.1/32"], "10.0.0.0 and 1 more"),
            (&["0.0.0.0/0"], &["0.0.0.0/1", "128.0.0.0/1"], "no address"),
            (
                &["255.255.255.255/32", "::/0"],
                &["255.255.255.255/32"],
                ":: to ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            ),
            (&["::1/128"], &["0.0.0.0/0"], "::1"),
            (
                &["192.0.2.0/24"],
                &["10.0.0.0/8", "192.0.2.0/25", "198.51.100.0/24"],
                "192.0.2.128 to 192.0.2.255",
            ),
        ] {
            assert_eq!(set(from).without(&set(taken)).to_string(), left);
        }
    }

    fn networks() -> impl Strategy<Value = Vec<IpNet>> {
        let network = (any::<u32>(), 24_u8..=32).prop_map(|(bits, prefix)| {
            let address = Ipv4Addr::from_bits(0xffff_ff00 | (bits & 0xff));
            IpNet::new(address.into(), prefix).expect("a prefix").trunc()
        });
        proptest::collection::vec(network, 0..6)
    }

    proptest! {
        /// Compared with the same operations on each of the last 256 addresses.
        #[test]
        fn differences_and_intersections_are_those_of_the_addresses((a, b) in (networks(), networks())) {
            let holds = |networks: &[IpNet], n: u32| {
                let address = IpAddr::from(Ipv4Addr::from_bits(n));
                networks.iter().any(|network| network.contains(&address))
            };
            let (one, other) = (AddressSet::of(&a), AddressSet::of(&b));
            let (difference, both) = (one.without(&other), one.and(&other));
            for n in 0xffff_ff00..=u32::MAX {
                let among = |set: &AddressSet| set.v4.0.iter().any(|(s, e)| (*s..=*e).contains(&n.into()));
                prop_assert_eq!(among(&one), holds(&a, n));
                prop_assert_eq!(among(&difference), holds(&a, n) && !holds(&b, n));
                prop_assert_eq!(among(&both), holds(&a, n) && holds(&b, n));
            }
            prop_assert_eq!(one.v4_count(), (0xffff_ff00..=u32::MAX).filter(|n| holds(&a, *n)).count() as u128);
        }
    }
}
