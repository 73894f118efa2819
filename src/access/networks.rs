//! Sets of IP addresses.

use super::address_set::AddressSet;
use core::net::{IpAddr, Ipv6Addr};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The loopback networks.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];
/// `::ffff:0:0/96`: IPv4 addresses written as IPv6 ones (RFC 4291 section 2.5.5.2).
const MAPPED: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0);
/// The prefix length of [`MAPPED`].
const MAPPED_PREFIX: u8 = 96;

/// Addresses and networks in CIDR notation (RFC 4632).
///
/// IPv4 and IPv6 are separate: `::/0` is all of IPv6 and contains no IPv4 address in either notation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Parses each of `texts`: `192.0.2.0/24`, `2001:db8::/32`, or a single address. A network of IPv4-mapped addresses
    /// (`::ffff:192.0.2.0/120`) is converted to the IPv4 network.
    ///
    /// # Errors
    /// For the first text that is neither, has bits set beyond its prefix, or contains both IPv4-mapped and other
    /// addresses.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        texts.into_iter().map(parse).collect::<Result<_, _>>().map(Networks)
    }

    /// The loopback addresses.
    pub fn loopback() -> Self {
        Networks(LOOPBACK.into_iter().filter_map(|text| text.parse().ok()).collect())
    }

    /// Whether there are no networks.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the networks contains `address`. IPv4-mapped IPv6 addresses count as IPv4.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The set of all addresses in the networks.
    pub(super) fn addresses(&self) -> AddressSet {
        AddressSet::of(&self.0)
    }
}

fn parse(text: &str) -> Result<IpNet, String> {
    let Ok(network) = text.parse::<IpNet>() else {
        let address = text.parse().map(|address: IpAddr| IpNet::from(address.to_canonical()));
        return address.map_err(|_| {
            format!("expected a network such as \"192.0.2.0/24\" or \"2001:db8::/32\", found {text:?}")
        });
    };
    if network.trunc() != network {
        return Err(format!(
            "{text:?} has bits set beyond its prefix; expected \"{}\" for the network, or \"{}\" for the one address",
            network.trunc(),
            network.addr()
        ));
    }
    let IpNet::V6(v6) = network else { return Ok(network) };
    if let Some(v4) = as_ipv4(v6) {
        return Ok(v4.into());
    }
    // `::/0` clearly means all of IPv6. For other networks it is unclear whether IPv4 is meant too.
    if v6.prefix_len() > 0 && v6.contains(&MAPPED) {
        return Err(format!(
            "{text:?} holds all IPv4-mapped addresses (::ffff:0:0/96) and others; expected the IPv4 networks that are \
             meant, such as \"0.0.0.0/0\", and IPv6 networks without ::ffff:0:0/96"
        ));
    }
    Ok(network)
}

/// The IPv4 network that corresponds to a network of IPv4-mapped addresses.
fn as_ipv4(network: Ipv6Net) -> Option<Ipv4Net> {
    let prefix = network.prefix_len().checked_sub(MAPPED_PREFIX)?;
    Ipv4Net::new(network.addr().to_ipv4_mapped()?, prefix).ok()
}

impl Serialize for Networks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(IpNet::to_string))
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        Networks::parse(texts.iter().map(String::as_str)).map_err(de::Error::custom)
    }
}
