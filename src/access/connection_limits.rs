//! How many connections there are, and whose.

use super::TokenDigest;
use core::net::{IpAddr, Ipv6Addr};
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;

/// Of an IPv6 address, what one subscriber is commonly given (RFC 6177): a /64.
const SUBSCRIBER: u128 = !0 << 64;

/// Who takes up connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitKey {
    /// All together.
    Everyone,
    /// Those who came to the admins' own listener.
    Admins,
    /// Those who are just being told that they may not.
    Refused,
    /// An address, or of IPv6 a /64.
    Address(IpAddr),
    /// Who shows this token.
    Token(TokenDigest),
}

impl LimitKey {
    /// Whoever is at `address`.
    pub fn at(address: IpAddr) -> Self {
        LimitKey::Address(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & SUBSCRIBER).into(),
            address => address,
        })
    }
}

/// The connections that are taken.
#[derive(Debug, Default)]
pub struct ConnectionLimits(Mutex<HashMap<LimitKey, usize>>);

/// One connection of somebody; given back when it is dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    slots: Arc<ConnectionLimits>,
    holder: LimitKey,
}

impl ConnectionLimits {
    /// One more for `holder`, unless it has `most` already.
    pub fn take(self: &Arc<Self>, holder: LimitKey, most: usize) -> Option<ConnectionPermit> {
        let mut taken = self.lock();
        // One who is refused is not to be remembered.
        if taken.get(&holder).copied().unwrap_or(0) >= most {
            return None;
        }
        *taken.entry(holder).or_insert(0) += 1;
        Some(ConnectionPermit { slots: self.clone(), holder })
    }

    /// How many `holder` has.
    pub fn taken(&self, holder: LimitKey) -> usize {
        self.lock().get(&holder).copied().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LimitKey, usize>> {
        self.0.lock()
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        if let Some(of_holder) = taken.get_mut(&self.holder) {
            *of_holder -= 1;
            if *of_holder == 0 {
                taken.remove(&self.holder);
            }
        }
    }
}
