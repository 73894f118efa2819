//! Sets of IP addresses.

use super::address_set::AddressSet;
use core::net::{IpAddr, Ipv6Addr};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The networks whose addresses never leave a machine.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];
/// `::ffff:0:0/96`: IPv4 addresses written as IPv6 ones (RFC 4291 section 2.5.5.2).
const MAPPED: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0);
/// Its prefix length.
const MAPPED_PREFIX: u8 = 96;

/// Addresses and networks in CIDR notation (RFC 4632).
///
/// IPv4 and IPv6 are two worlds: `::/0` is all of IPv6 and holds no IPv4 address, in whatever way that one is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Parses each of `texts`: `192.0.2.0/24`, `2001:db8::/32`, or a single address. A network of IPv4-mapped addresses
    /// (`::ffff:192.0.2.0/120`) is taken as the IPv4 network that it stands for.
    ///
    /// # Errors
    /// The first text that is neither, has bits set beyond its prefix, or holds the IPv4-mapped addresses and others.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        texts.into_iter().map(parse).collect::<Result<_, _>>().map(Networks)
    }

    /// This machine's own addresses.
    pub fn loopback() -> Self {
        Networks(LOOPBACK.into_iter().filter_map(|text| text.parse().ok()).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `address` is in one of them. An IPv4 address is one also where it is written as an IPv6 one.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// All their addresses.
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
    // All of IPv6 means what it says. Of other networks nobody can tell whether IPv4 is meant too.
    if v6.prefix_len() > 0 && v6.contains(&MAPPED) {
        return Err(format!(
            "{text:?} holds all IPv4-mapped addresses (::ffff:0:0/96) and others; expected the IPv4 networks that are \
             meant, such as \"0.0.0.0/0\", and IPv6 networks without ::ffff:0:0/96"
        ));
    }
    Ok(network)
}

/// The IPv4 network that a network of IPv4-mapped addresses stands for.
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
