//! Where tiles are: static-ct-api "Merkle Tree" and c2sp.org/tlog-tiles.

/// Entries of a full tile.
pub const TILE_WIDTH: u64 = 256;

/// The path of data tile `index` with `width` entries, without a leading slash: `tile/data/x001/234`, or for a
/// partial one `tile/data/x001/234.p/17`.
pub fn data_tile(index: u64, width: u64) -> String {
    tile("data", index, width)
}

/// The path of the names tile that goes with a data tile.
pub fn names_tile(index: u64, width: u64) -> String {
    tile("names", index, width)
}

fn tile(kind: &str, index: u64, width: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path.insert_str(0, &format!("x{:03}/", rest % 1000));
        rest /= 1000;
    }
    let partial = if width < TILE_WIDTH { format!(".p/{width}") } else { String::new() };
    format!("tile/{kind}/{path}{partial}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_cut_in_groups_of_three_digits() {
        for (index, width, path) in [
            (0, 256, "tile/data/000"),
            (273, 256, "tile/data/273"),
            (1234, 256, "tile/data/x001/234"),
            (1_234_067, 256, "tile/data/x001/x234/067"),
            (1000, 17, "tile/data/x001/000.p/17"),
            (u64::MAX, 1, "tile/data/x018/x446/x744/x073/x709/x551/615.p/1"),
        ] {
            assert_eq!(data_tile(index, width), path);
        }
    }
}
