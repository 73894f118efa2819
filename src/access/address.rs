//! Where a request comes from that proxies have passed on.

use super::{Networks, Refusal};
use core::net::{IpAddr, SocketAddr};

/// Proxies one behind the other that are believed in.
const MOST: usize = 32;

/// The address behind `peer`, which is a trusted proxy: each proxy adds the address that it was asked from at the end,
/// so from there on the first that is no proxy of ours. What stands before it may be made up.
pub(super) fn behind<'a>(
    peer: IpAddr,
    forwarded: impl Iterator<Item = &'a [u8]>,
    trusted: &Networks,
) -> Result<IpAddr, Refusal> {
    let values: Vec<_> = forwarded.collect();
    let steps = values.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    let mut address = peer;
    for step in steps.take(MOST) {
        address = parse(step).ok_or(Refusal::Forwarding)?;
        if !trusted.contain(address) {
            break;
        }
    }
    Ok(address)
}

/// Some proxies add the port.
fn parse(step: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(step).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}
