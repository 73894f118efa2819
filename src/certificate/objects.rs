//! Object identifiers: OpenSSL's short and long names of those that it knows, dotted text for the
//! others.

use std::sync::LazyLock;

use super::json::JsonText;

/// One line each: dotted identifier, short name, long name (where it is another), as OpenSSL 1.1.1
/// has them.
static LIST: &str = include_str!("objects.tsv");
static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(LIST));

/// Longer arcs are no identifiers that anybody assigned; OpenSSL 3 gives up at the same size.
const MAX_ARC_BYTES: usize = 84;

pub(super) struct Object {
    oid: Vec<u8>,
    pub short_name: &'static str,
    pub long_name: &'static str,
}

pub(super) fn find(oid: &[u8]) -> Option<&'static Object> {
    TABLE.find(oid)
}

/// The short name, else the dotted identifier.
pub(super) fn write_short(oid: &[u8], out: &mut Vec<u8>) {
    match find(oid) {
        Some(object) => out.raw(object.short_name),
        None => write_dotted(oid, out),
    }
}

/// The long name, else the dotted identifier.
pub(super) fn write_long(oid: &[u8], out: &mut Vec<u8>) {
    match find(oid) {
        Some(object) => out.raw(object.long_name),
        None => write_dotted(oid, out),
    }
}

/// X.690 section 8.19: arcs in base 128, the first two folded into one.
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

/// An arc that no machine integer holds: base 128 to base 10^9 by long multiplication.
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

/// Open addressing over the list, so that a look-up costs one short hash and mostly one comparison.
struct Table {
    objects: Vec<Object>,
    slots: Vec<Option<u16>>,
}

impl Table {
    const SLOTS: usize = 4096;

    fn new(list: &'static str) -> Table {
        let mut table = Table { objects: Vec::new(), slots: vec![None; Self::SLOTS] };
        for object in list.lines().filter_map(parse_line) {
            let free = Self::places(&object.oid).find(|place| matches!(table.slots.get(*place), Some(None)));
            let slot = free.and_then(|place| table.slots.get_mut(place));
            if let (Some(slot), Ok(index)) = (slot, u16::try_from(table.objects.len())) {
                *slot = Some(index);
                table.objects.push(object);
            }
        }
        table
    }

    fn find(&self, oid: &[u8]) -> Option<&Object> {
        for place in Self::places(oid) {
            let index = (*self.slots.get(place)?)?;
            let object = self.objects.get(usize::from(index))?;
            if object.oid == oid {
                return Some(object);
            }
        }
        None
    }

    /// The slots to look at, in order. No known identifier is longer than what the hash reads.
    fn places(oid: &[u8]) -> impl Iterator<Item = usize> {
        let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        let hash = oid.iter().take(20).fold(0x811C_9DC5, mix);
        let first = (hash ^ hash >> 15) as usize;
        (0..Self::SLOTS).map(move |step| first.wrapping_add(step) % Self::SLOTS)
    }
}

fn parse_line(line: &'static str) -> Option<Object> {
    let mut columns = line.split('\t');
    let dotted = columns.next()?;
    let short_name = columns.next()?;
    let long_name = columns.next().unwrap_or(short_name);
    Some(Object { oid: encode(dotted)?, short_name, long_name })
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
