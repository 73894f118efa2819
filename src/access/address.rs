//! The client address of a request that proxies have forwarded.

use super::{Networks, Refusal};
use core::net::{IpAddr, SocketAddr};

/// Largest number of chained proxies that are trusted.
const MOST: usize = 32;

/// The client address behind `peer`, which is a trusted proxy. Each proxy appends the address that it received the
/// request from to X-Forwarded-For. Read from the end, the first address that is not a trusted proxy is the client's;
/// everything before it may be forged.
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

/// Parses an address. Some proxies append the port.
fn parse(step: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(step).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}
