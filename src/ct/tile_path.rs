//! Paths of tiles: static-ct-api "Merkle Tree" and c2sp.org/tlog-tiles.

/// Number of entries in a full data tile, and of hashes in a full hash tile.
pub const TILE_WIDTH: u64 = 256;

/// The path of data tile `index` with `width` entries, without a leading slash: `tile/data/x001/234`, or for
/// a partial tile `tile/data/x001/234.p/17`.
pub fn data_tile(index: u64, width: u64) -> String {
    format!("tile/data/{}", place(index, width))
}

/// The path of the names tile that belongs to a data tile.
pub fn names_tile(index: u64, width: u64) -> String {
    format!("tile/names/{}", place(index, width))
}

/// The path of hash tile `index` at `level` with `width` hashes, without a leading slash:
/// `tile/1/x001/234.p/17`.
pub fn hash_tile(level: u8, index: u64, width: u64) -> String {
    format!("tile/{level}/{}", place(index, width))
}

/// `x001/234.p/17`: `<N>[.p/<W>]` of tlog-tiles.
fn place(index: u64, width: u64) -> String {
    let mut place = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        place.insert_str(0, &format!("x{:03}/", rest % 1000));
        rest /= 1000;
    }
    if width < TILE_WIDTH {
        place.push_str(&format!(".p/{width}"));
    }
    place
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

    #[test]
    fn tiles_of_hashes_are_named_by_their_level() {
        assert_eq!(hash_tile(0, 0, 256), "tile/0/000");
        assert_eq!(hash_tile(1, 1_234_067, 256), "tile/1/x001/x234/067");
        assert_eq!(hash_tile(5, 1_000, 17), "tile/5/x001/000.p/17");
    }
}
