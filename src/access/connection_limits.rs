//! The number of connections, in total and per client.

use super::TokenDigest;
use core::net::{IpAddr, Ipv6Addr};
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;

/// The part of an IPv6 address that identifies a subscriber (RFC 6177): its /64.
const SUBSCRIBER: u128 = !0 << 64;

/// The holder that a connection counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LimitKey {
    /// All connections together.
    Everyone,
    /// Connections to the admins' own listener.
    Admins,
    /// Connections that are being refused.
    Refused,
    /// An address, or an IPv6 /64.
    Address(IpAddr),
    /// The holder of a token.
    Token(TokenDigest),
}

impl LimitKey {
    /// The key for a client at `address`.
    pub(crate) fn at(address: IpAddr) -> Self {
        LimitKey::Address(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & SUBSCRIBER).into(),
            address => address,
        })
    }
}

/// The number of open connections per key.
#[derive(Debug, Default)]
pub(crate) struct ConnectionLimits(Mutex<HashMap<LimitKey, usize>>);

/// A permit for one connection; released when it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    slots: Arc<ConnectionLimits>,
    holder: LimitKey,
}

impl ConnectionLimits {
    /// Takes a permit for `holder`, unless it holds `most` already.
    pub(crate) fn take(self: &Arc<Self>, holder: LimitKey, most: usize) -> Option<ConnectionPermit> {
        let mut taken = self.lock();
        // Checked before the insertion, so that refused holders are not stored.
        if taken.get(&holder).copied().unwrap_or(0) >= most {
            return None;
        }
        *taken.entry(holder).or_insert(0) += 1;
        Some(ConnectionPermit { slots: self.clone(), holder })
    }

    /// Number of connections of `holder`.
    pub(crate) fn taken(&self, holder: LimitKey) -> usize {
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
