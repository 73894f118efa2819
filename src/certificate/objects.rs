//! Object identifiers: OpenSSL's short and long names of those that it knows, and dotted text for the others.

use super::json::JsonText;
use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// One object per line: dotted identifier, short name, and the long name if it differs, as in OpenSSL 1.1.1.
static LIST: &str = include_str!("objects.tsv");
/// The objects by encoded identifier.
static TABLE: LazyLock<FxHashMap<Vec<u8>, Object>> =
    LazyLock::new(|| LIST.lines().filter_map(parse_line).collect());

/// Maximum length of an arc, in bytes. No assigned identifier has longer arcs. OpenSSL 3 has the same limit.
const MAX_ARC_BYTES: usize = 84;

pub(super) struct Object {
    pub short_name: &'static str,
    pub long_name: &'static str,
}

pub(super) fn find(oid: &[u8]) -> Option<&'static Object> {
    TABLE.get(oid)
}

/// Writes the short name, or the dotted identifier if there is none.
pub(super) fn write_short(oid: &[u8], out: &mut Vec<u8>) {
    match find(oid) {
        Some(object) => out.raw(object.short_name),
        None => write_dotted(oid, out),
    }
}

/// Writes the long name, or the dotted identifier if there is none.
pub(super) fn write_long(oid: &[u8], out: &mut Vec<u8>) {
    match find(oid) {
        Some(object) => out.raw(object.long_name),
        None => write_dotted(oid, out),
    }
}

/// Writes the dotted identifier. X.690 section 8.19: arcs are in base 128, and the first two are combined
/// into one.
pub(super) fn write_dotted(oid: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    for (place, arc) in oid.split_inclusive(|byte| byte & 0x80 == 0).enumerate() {
        if arc.len() > MAX_ARC_BYTES || arc.last().is_some_and(|byte| byte & 0x80 != 0) {
            out.truncate(start);
            return out.raw("<INVALID>");
        }
        if place > 0 {
            out.push(b'.');
        }
        if arc.len() > 9 {
            write_big_arc(arc, place == 0, out);
            continue;
        }
        let value = arc.iter().fold(0i64, |value, byte| value << 7 | i64::from(byte & 0x7F));
        let (root, value) = match (place, value) {
            (0, 0..=39) => ("0.", value),
            (0, 40..=79) => ("1.", value - 40),
            (0, _) => ("2.", value - 80),
            _ => ("", value),
        };
        out.raw(root);
        out.decimal(value);
    }
}

/// Writes an arc that does not fit in a machine integer: converts base 128 to base 10^9 by long
/// multiplication.
fn write_big_arc(arc: &[u8], is_first: bool, out: &mut Vec<u8>) {
    const BASE: u64 = 1_000_000_000;
    let mut limbs: Vec<u64> = Vec::new();
    for byte in arc {
        let mut carry = u64::from(byte & 0x7F);
        for limb in &mut limbs {
            let value = *limb * 128 + carry;
            *limb = value % BASE;
            carry = value / BASE;
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    if is_first {
        out.raw("2.");
        let mut borrow = 80;
        for limb in &mut limbs {
            let value = *limb + BASE - borrow;
            *limb = value % BASE;
            borrow = 1 - value / BASE;
        }
    }
    for (place, limb) in limbs.iter().rev().skip_while(|limb| **limb == 0).enumerate() {
        out.raw(&if place == 0 { format!("{limb}") } else { format!("{limb:09}") });
    }
}

fn parse_line(line: &'static str) -> Option<(Vec<u8>, Object)> {
    let mut columns = line.split('\t');
    let dotted = columns.next()?;
    let short_name = columns.next()?;
    let long_name = columns.next().unwrap_or(short_name);
    Some((encode(dotted)?, Object { short_name, long_name }))
}

pub(super) fn encode(dotted: &str) -> Option<Vec<u8>> {
    let mut arcs = dotted.split('.').map(|arc| arc.parse::<u64>().ok());
    let root = arcs.next()??;
    let second = arcs.next()??;
    let mut oid = Vec::new();
    push_arc(root * 40 + second, &mut oid);
    for arc in arcs {
        push_arc(arc?, &mut oid);
    }
    Some(oid)
}

fn push_arc(arc: u64, oid: &mut Vec<u8>) {
    for shift in (1..10).rev().filter(|shift| arc >> (shift * 7) != 0) {
        oid.push(0x80 | (arc >> (shift * 7) & 0x7F) as u8);
    }
    oid.push((arc & 0x7F) as u8);
}
