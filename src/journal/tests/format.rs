use super::super::record::*;
use super::*;

const SALT: Salt = Salt(0x0123_4567_89ab_cdef);
const BLOCK: RecordHeader =
    RecordHeader { kind: Kind::Block, len: 5, first_seq: 7, count: 3, time_us: NOW, payload_crc: 1 };

#[test]
fn headers_are_decoded_as_they_were_encoded_and_every_flipped_bit_is_noticed() {
    let file = FileHeader { first_seq: NOW, salt: SALT };
    let encoded: [u8; FILE_HEADER] = file.encode().try_into().unwrap();
    assert_eq!(FileHeader::decode(&encoded), Ok(file));
    for bit in 0..FILE_HEADER * 8 {
        let mut damaged = encoded;
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(FileHeader::decode(&damaged), Err(HeaderError::Damaged), "{bit}");
    }
    for record in [BLOCK, RecordHeader { kind: Kind::End, len: 0, ..BLOCK }] {
        let encoded = record.encode(SALT);
        assert_eq!(encoded.len(), RECORD_HEADER);
        assert_eq!(RecordHeader::decode(&encoded, SALT), Some(record));
        assert_eq!(RecordHeader::decode(&encoded[..RECORD_HEADER - 1], SALT), None);
        assert_eq!(RecordHeader::decode(&encoded, Salt(SALT.0 ^ (1 << 40))), None);
        for bit in 0..RECORD_HEADER * 8 {
            let mut damaged = encoded.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::decode(&damaged, SALT), None, "{bit}");
        }
    }
}

#[test]
fn impossible_lengths_and_numbers_are_refused_even_with_a_valid_checksum() {
    for record in [
        RecordHeader { len: MAX_PAYLOAD as u32 + 1, ..BLOCK },
        RecordHeader { len: u32::MAX, ..BLOCK },
        RecordHeader { first_seq: u64::MAX, ..BLOCK },
    ] {
        assert_eq!(RecordHeader::decode(&record.encode(SALT), SALT), None);
    }
}

#[test]
fn a_payload_cannot_pretend_to_be_a_record() {
    let fake = RecordHeader { len: 0, first_seq: u64::MAX - 9, ..BLOCK }.encode(Salt(0));
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    store.append(1, NOW, &[b"first"]).unwrap();
    store.append(1, NOW, &[&fake.repeat(100)]).unwrap();
    drop(store);
    let file = &files(dir.path())[0];
    let content = fs::read(file).unwrap();
    fs::write(file, &content[..content.len() - 1]).unwrap();
    let opened = open_at(dir.path(), NOW + 100);
    assert_eq!(opened.store.next_seq(), NOW + 100);
    assert_eq!(seqs(&opened.store), [NOW]);
}
