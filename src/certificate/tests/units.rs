//! Unit tests of the basic types.

use super::super::der::{Reader, tag};
use super::super::json::{JsonText, split_plain};
use super::super::{hex, integer, objects, text, time};
use super::{oid, seq, tlv};

fn write(writer: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    writer(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn lengths_are_read_in_every_form() {
    let forms: [&[u8]; 5] = [
        &[0x30, 0x02, 0x05, 0x00],
        &[0x30, 0x81, 0x02, 0x05, 0x00],
        &[0x30, 0x82, 0x00, 0x02, 0x05, 0x00],
        &[0x30, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x05, 0x00],
        &[0x30, 0x80, 0x05, 0x00, 0x00, 0x00],
    ];
    for form in forms {
        let mut reader = Reader::new(form, 7);
        let element = reader.element().unwrap();
        assert_eq!(element.content, [0x05, 0x00], "{form:02X?}");
        assert_eq!(element.at, 7);
        assert_eq!(element.content_at - 7, form.iter().position(|byte| *byte == 0x05).unwrap());
        assert!(reader.is_empty());
        assert_eq!(reader.at(), 7 + form.len());
    }
}

#[test]
fn lengths_that_lie_are_errors_with_their_offset() {
    for form in [&[0x30, 0x03, 0, 0][..], &[0x30], &[0x04, 0x80, 0, 0], &[0x30, 0x84, 1], &[0x3F, 0x81]] {
        let mut reader = Reader::new(form, 40);
        assert_eq!(reader.element().unwrap_err().at, 40, "{form:02X?}");
        assert_eq!(reader.at(), 40);
    }
    let (cut, is_cut) = Reader::new(&[0x30, 0x09, 1, 2], 0).element_or_cut().unwrap();
    assert_eq!((cut.content, is_cut), (&[1u8, 2][..], true));
}

#[test]
fn identifiers_are_dotted_whatever_their_size() {
    let dotted = ["0.9.2342", "1.2.840.113549", "2.5.4.3", "2.999.1", "1.2.4294967296.5"];
    for dotted in dotted {
        let encoded = objects::encode(dotted).unwrap();
        assert_eq!(write(|out| objects::write_dotted(&encoded, out)), dotted);
    }
    // 2^65, and a first arc of 2^70 + 80 - 80
    let big = [0x2A, 0x84, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x05];
    assert_eq!(write(|out| objects::write_dotted(&big, out)), "1.2.36893488147419103232.5");
    let first = [0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x50];
    assert_eq!(write(|out| objects::write_dotted(&first, out)), "2.1180591620717411303424");
    let endless = [vec![0x2A], vec![0x81; 100], vec![0x01]].concat();
    assert_eq!(write(|out| objects::write_dotted(&endless, out)), "<INVALID>");
}

#[test]
fn identifiers_that_are_not_minimal_or_not_whole_are_refused() {
    for content in [&[][..], &[0x80, 0x01], &[0x55, 0x84], &[0x55, 0x80, 0x01]] {
        assert!(Reader::new(&tlv(tag::OID, content), 0).oid().is_err(), "{content:02X?}");
    }
}

#[test]
fn known_identifiers_have_the_names_of_openssl() {
    let names = [
        ("2.5.4.3", "CN", "commonName"),
        ("2.5.4.97", "organizationIdentifier", "organizationIdentifier"),
        ("2.5.29.37.0", "anyExtendedKeyUsage", "Any Extended Key Usage"),
        ("2.5.29.32.0", "anyPolicy", "X509v3 Any Policy"),
        ("1.3.6.1.5.5.7.48.2", "caIssuers", "CA Issuers"),
        ("1.3.6.1.4.1.311.20.2.2", "msSmartcardLogin", "Microsoft Smartcard Login"),
    ];
    for (dotted, short, long) in names {
        let object = objects::find(&objects::encode(dotted).unwrap()).unwrap();
        assert_eq!((object.short_name, object.long_name), (short, long));
    }
    assert!(objects::find(&objects::encode("2.999.1").unwrap()).is_none());
}

#[test]
fn every_line_of_the_list_is_read_and_needs_no_escaping() {
    let list = include_str!("../objects.tsv");
    for line in list.lines() {
        let mut columns = line.split('\t');
        let (dotted, short) = (columns.next().unwrap(), columns.next().unwrap());
        let long = columns.next().unwrap_or(short);
        let object = objects::find(&objects::encode(dotted).expect(line)).expect(line);
        assert_eq!((object.short_name, object.long_name), (short, long), "{line}");
        assert!(split_plain(short.as_bytes()).1.is_empty(), "{line}");
        assert!(split_plain(long.as_bytes()).1.is_empty(), "{line}");
    }
}

#[test]
fn integers_are_decimal_up_to_127_bits_and_hex_above() {
    let show = |content: &[u8]| {
        let encoded = tlv(tag::INTEGER, content);
        let element = Reader::new(&encoded, 0).element().unwrap();
        write(|out| integer::write(&element, out).unwrap())
    };
    assert_eq!(show(&[0]), "0");
    assert_eq!(show(&[0xFE, 0xD4]), "-300");
    assert_eq!(show(&[0x00, 0x80]), "128");
    let mut largest = vec![0xFF; 16];
    largest[0] = 0x7F;
    assert_eq!(show(&largest), i128::MAX.to_string());
    largest.insert(0, 0x04);
    assert_eq!(show(&largest), "0x047FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF");
    assert_eq!(show(&[&[0x80][..], &[0; 16]].concat()), format!("-0x80{:032}", 0));
}

#[test]
fn plain_text_is_split_from_what_needs_care() {
    for special in [0u8, 0x1F, b'"', b'\\', 0x7F, 0x80, 0xFF] {
        for place in 0..20 {
            let mut bytes = b"plain ASCII text !#[]~".to_vec();
            bytes[place] = special;
            assert_eq!(split_plain(&bytes).0.len(), place, "{special:#X}");
        }
    }
    assert_eq!(split_plain(b"plain ASCII text !#[]~").1, b"");
}

#[test]
fn json_strings_read_back_as_they_were() {
    let all: String = (0..0x2FFu32).filter_map(char::from_u32).chain("\u{2028}😀".chars()).collect();
    let json = write(|out| {
        out.push(b'"');
        out.text(&all);
        out.push(b'"');
    });
    assert_eq!(serde_json::from_str::<String>(&json).unwrap(), all);
    assert_eq!(write(|out| out.decimal(i64::MIN)), i64::MIN.to_string());
    assert_eq!(write(|out| out.decimal(0)), "0");
}

#[test]
fn hex_blocks_have_sixteen_bytes_a_line() {
    let bytes: Vec<u8> = (0..17).collect();
    let line = "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F";
    assert_eq!(write(|out| hex::block(&bytes[..16], out)), line);
    assert_eq!(write(|out| hex::block(&bytes, out)), format!("{line}:\\n{}10", " ".repeat(16)));
    assert_eq!(write(|out| hex::block(&[], out)), "");
}

#[test]
fn text_that_cannot_be_shown_is_shown_in_points() {
    assert_eq!(write(|out| text::write_line("é".as_bytes(), out)), "é");
    assert_eq!(write(|out| text::write_line(b"a\0b\xFF", out)), "a.b.");
}

fn read_time(tag: u8, text: &str) -> (Option<i64>, bool) {
    let encoded = tlv(tag, text);
    let instant = time::read(&Reader::new(&encoded, 0).element().unwrap());
    (instant.unix_seconds, instant.fault.is_none())
}

#[test]
fn times_are_read_to_the_second() {
    assert_eq!(read_time(tag::UTC_TIME, "700101000000Z"), (Some(0), true));
    assert_eq!(read_time(tag::UTC_TIME, "491231235959Z"), (Some(2_524_607_999), true));
    assert_eq!(read_time(tag::UTC_TIME, "500101000000Z"), (Some(-631_152_000), true));
    assert_eq!(read_time(tag::GENERALIZED_TIME, "99991231235959Z"), (Some(253_402_300_799), true));
    assert_eq!(read_time(tag::GENERALIZED_TIME, "16000101000000Z"), (Some(-11_676_096_000), true));
    assert_eq!(read_time(tag::GENERALIZED_TIME, "20240229000000Z"), (Some(1_709_164_800), true));
}

#[test]
fn times_that_the_profile_forbids_are_read_and_named() {
    assert_eq!(read_time(tag::UTC_TIME, "2401020304Z"), (Some(1_704_164_640), false));
    assert_eq!(read_time(tag::UTC_TIME, "240102030405+0530"), (Some(1_704_144_845), false));
    assert_eq!(read_time(tag::GENERALIZED_TIME, "20240102030405.5Z"), (Some(1_704_164_645), false));
    assert_eq!(read_time(tag::GENERALIZED_TIME, "20240102030405"), (Some(1_704_164_645), false));
    assert_eq!(read_time(tag::GENERALIZED_TIME, "20161231235960Z"), (Some(1_483_228_800), false));
    assert_eq!(read_time(tag::GENERALIZED_TIME, "00000101000000Z"), (Some(-62_167_219_200), false));
}

#[test]
fn times_that_cannot_be_are_none() {
    let impossible = [
        "",
        "Z",
        "240102",
        "241301000000Z",
        "240230000000Z",
        "240102240000Z",
        "240102030461Z",
        "240102030405",
    ];
    for text in impossible {
        assert_eq!(read_time(tag::UTC_TIME, text), (None, false), "{text}");
    }
    assert_eq!(read_time(tag::GENERALIZED_TIME, "20230229000000Z"), (None, false));
    assert_eq!(read_time(tag::INTEGER, "1"), (None, false));
}

#[test]
fn printed_times_pad_the_day_with_a_space() {
    assert_eq!(write(|out| time::write_milliseconds(1_704_164_645_007, out)), "Jan  2 03:04:05.007 2024 GMT");
    assert_eq!(write(|out| time::write_milliseconds(0, out)), "Jan  1 00:00:00.000 1970 GMT");
    assert_eq!(write(|out| time::write_milliseconds(u64::MAX, out)), "");
}

/// Compares the calendar with another implementation for all days of eight centuries.
#[test]
fn the_calendar_agrees_with_chrono() {
    let mut day = chrono::NaiveDate::from_ymd_opt(1583, 1, 1).unwrap();
    while day < chrono::NaiveDate::from_ymd_opt(2401, 1, 1).unwrap() {
        let text = day.format("%Y%m%d123456Z").to_string();
        let expected = day.and_hms_opt(12, 34, 56).unwrap().and_utc();
        assert_eq!(read_time(tag::GENERALIZED_TIME, &text).0, Some(expected.timestamp()));
        if let Ok(seconds) = u64::try_from(expected.timestamp()) {
            let printed = expected.format("%b %e 12:34:56.000 %Y GMT").to_string();
            assert_eq!(write(|out| time::write_milliseconds(seconds * 1000, out)), printed);
        }
        day = day.succ_opt().unwrap();
    }
}

#[test]
fn an_algorithm_is_a_sequence_with_an_identifier() {
    let encoded = seq(&[oid("1.2.3")]);
    let mut reader = Reader::new(&encoded, 0).sequence().unwrap();
    assert!(reader.oid().is_ok());
    assert!(reader.finish().is_ok());
}
