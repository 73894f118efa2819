//! Internet number resources (RFC 3779): sbgp-ipAddrBlock and sbgp-autonomousSysNum.

use super::super::der::{Bits, Reader, Result, tag};
use super::super::json::JsonText;
use super::super::{general_name, hex, integer};
use super::printed::Printed;

const IPV4: u16 = 1;
const IPV6: u16 = 2;

/// IPAddressFamily ::= SEQUENCE { addressFamily OCTET STRING, ipAddressChoice }
pub(super) fn ip_address_blocks(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let mut families = value.sequence()?;
    while !families.is_empty() {
        let mut family = families.sequence()?;
        let identifier = family.string(tag::OCTET_STRING)?;
        // OpenSSL treats an identifier that is too short as family 0, and ignores everything after the third
        // byte.
        let family_number = match identifier.as_ref() {
            [high, low, ..] => u16::from_be_bytes([*high, *low]),
            _ => 0,
        };
        match family_number {
            IPV4 => out.raw("IPv4"),
            IPV6 => out.raw("IPv6"),
            other => {
                out.raw("Unknown AFI ");
                out.decimal(i64::from(other));
            }
        }
        if let Some(subsequent) = identifier.get(2) {
            write_subsequent_family(*subsequent, out);
        }
        let choice = family.element()?;
        match choice.tag {
            tag::NULL => out.raw(": inherit\\n"),
            tag::SEQUENCE => {
                out.raw(":\\n");
                write_addresses(choice.reader(), family_number, out)?;
            }
            _ => return Err(choice.malformed("unknown kind of IPAddressChoice")),
        }
        family.finish()?;
    }
    Ok(Printed::Text)
}

fn write_subsequent_family(number: u8, out: &mut Vec<u8>) {
    match number {
        1 => out.raw(" (Unicast)"),
        2 => out.raw(" (Multicast)"),
        3 => out.raw(" (Unicast/Multicast)"),
        4 => out.raw(" (MPLS)"),
        64 => out.raw(" (Tunnel)"),
        65 => out.raw(" (VPLS)"),
        66 => out.raw(" (BGP MDT)"),
        128 => out.raw(" (MPLS-labeled VPN)"),
        other => {
            out.raw(" (Unknown SAFI ");
            out.decimal(i64::from(other));
            out.raw(")");
        }
    }
}

/// IPAddressOrRange ::= CHOICE { addressPrefix BIT STRING, addressRange SEQUENCE { min, max } }
fn write_addresses(mut addresses: Reader<'_>, family: u16, out: &mut Vec<u8>) -> Result<()> {
    while !addresses.is_empty() {
        out.raw("  ");
        let address = addresses.element()?;
        match address.tag {
            tag::BIT_STRING => {
                let prefix = address.bits()?;
                write_address(prefix, family, 0x00, out).ok_or(address.malformed("address too long"))?;
                out.raw("/");
                let length = (prefix.bytes.len() * 8).saturating_sub(usize::from(prefix.unused));
                out.decimal(i64::try_from(length).unwrap_or_default());
            }
            tag::SEQUENCE => {
                let mut range = address.reader();
                let (min, max) = (range.expect(tag::BIT_STRING)?, range.expect(tag::BIT_STRING)?);
                range.finish()?;
                write_address(min.bits()?, family, 0x00, out).ok_or(min.malformed("address too long"))?;
                out.raw("-");
                write_address(max.bits()?, family, 0xFF, out).ok_or(max.malformed("address too long"))?;
            }
            _ => return Err(address.malformed("unknown kind of IPAddressOrRange")),
        }
        out.line_end();
    }
    Ok(())
}

/// Writes the address that begins with `bits`, padded with zeros or ones to the length of an address of the
/// family. `None` if there are too many bits.
fn write_address(bits: Bits<'_>, family: u16, fill: u8, out: &mut Vec<u8>) -> Option<()> {
    let length = match family {
        IPV4 => Some(4),
        IPV6 => Some(16),
        _ => None,
    };
    let fill = if length.is_some() { fill } else { 0 };
    let mut filled = bits.bytes.to_vec();
    let mask = !(0xFFu8 << bits.unused);
    if let Some(last) = filled.last_mut() {
        *last = *last & !mask | fill & mask;
    }
    let Some(length) = length else {
        write_unknown_address(&filled, bits.unused, out);
        return Some(());
    };
    if filled.len() > length {
        return None;
    }
    filled.resize(length, fill);
    if family == IPV4 {
        general_name::write_ipv4(&filled, out);
    } else {
        write_short_ipv6(&filled, out);
    }
    Some(())
}

/// Writes lower-case hex. A colon replaces zero groups at the end.
fn write_short_ipv6(address: &[u8], out: &mut Vec<u8>) {
    let groups =
        address.chunks(2).map(|group| group.iter().fold(0u16, |group, byte| group << 8 | u16::from(*byte)));
    let groups: Vec<u16> = groups.collect();
    let count = groups.iter().rposition(|group| *group != 0).map_or(0, |last| last + 1);
    for (place, group) in groups.iter().take(count).enumerate() {
        out.raw(&format!("{group:x}"));
        if place < 7 {
            out.push(b':');
        }
    }
    if count < 8 {
        out.push(b':');
    }
    if count == 0 {
        out.push(b':');
    }
}

/// Writes an address of an unknown family: its bytes in lower-case hex, and the number of unused bits in
/// brackets.
fn write_unknown_address(address: &[u8], unused: u8, out: &mut Vec<u8>) {
    let start = out.len();
    hex::colons(address, out);
    if let Some(digits) = out.get_mut(start..) {
        digits.make_ascii_lowercase();
    }
    out.raw("[");
    out.decimal(i64::from(unused));
    out.raw("]");
}

/// ASIdentifiers ::= SEQUENCE { asnum [0] EXPLICIT OPTIONAL, rdi [1] EXPLICIT OPTIONAL }
pub(super) fn autonomous_system_numbers(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let mut identifiers = value.sequence()?;
    for (number, title) in [(0, "Autonomous System Numbers:\\n"), (1, "Routing Domain Identifiers:\\n")] {
        if let Some(choice) = identifiers.optional(tag::constructed(number))? {
            out.raw(title);
            write_numbers(choice.reader(), out)?;
        }
    }
    identifiers.finish()?;
    Ok(Printed::Text)
}

/// ASIdentifierChoice ::= CHOICE { inherit NULL, asIdsOrRanges SEQUENCE OF CHOICE { id, range } }
fn write_numbers(mut choice: Reader<'_>, out: &mut Vec<u8>) -> Result<()> {
    if choice.optional(tag::NULL)?.is_some() {
        out.raw("  inherit\\n");
        return choice.finish();
    }
    let mut numbers = choice.sequence()?;
    while !numbers.is_empty() {
        out.raw("  ");
        let number = numbers.element()?;
        match number.tag {
            tag::INTEGER => integer::write(&number, out)?,
            tag::SEQUENCE => {
                let mut range = number.reader();
                integer::write(&range.expect(tag::INTEGER)?, out)?;
                out.raw("-");
                integer::write(&range.expect(tag::INTEGER)?, out)?;
                range.finish()?;
            }
            _ => return Err(number.malformed("unknown kind of ASIdOrRange")),
        }
        out.line_end();
    }
    choice.finish()
}
