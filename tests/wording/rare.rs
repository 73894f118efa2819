//! Well-formed values of every supported extension, including rare ones.

use crate::der::*;
use std::sync::LazyLock;

pub const SUBJECT_ALT_NAME: &str = "2.5.29.17";

/// The extensions whose value is only a list of names.
const LISTS_OF_NAMES: [&str; 3] = [SUBJECT_ALT_NAME, "2.5.29.18", "2.5.29.29"];
const POINTS: [&str; 2] = ["2.5.29.31", "2.5.29.46"];
const ACCESS: [&str; 2] = ["1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.11"];
const NETSCAPE_STRINGS: [u8; 7] = [2, 3, 4, 7, 8, 12, 13];

/// The values of [`extensions`], created once.
pub fn all() -> &'static [(String, Vec<u8>)] {
    static ALL: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(extensions);
    &ALL
}

/// The values, each with the dotted identifier of its extension.
pub fn extensions() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut add = |dotted: &str, value: Vec<u8>| all.push((dotted.to_string(), value));
    for (dotted, values) in
        [keys(), usage(), names(), policies(), crl(), scts(), ocsp(), resources(), others(), admission()]
            .into_iter()
            .flatten()
    {
        values.into_iter().for_each(|value| add(&dotted, value));
    }
    all
}

type Values = Vec<(String, Vec<Vec<u8>>)>;

fn keys() -> Values {
    let key_id = tlv(0x80, [1, 2, 0xFE]);
    let serial = |bytes: &[u8]| tlv(0x82, bytes);
    let aki = vec![
        seq(&[]),
        seq(std::slice::from_ref(&key_id)),
        seq(&[key_id.clone(), tlv(0xA1, directory()), serial(&[0x12, 0x34])]),
        seq(&[tlv(0xA1, [uri(), directory(), tlv(0x82, "a.example")].concat()), serial(&[0x80])]),
        seq(&[key_id, serial(&[0])]),
        seq(&[serial(&[0x00, 0xFF])]),
        seq(&[tlv(0x80, [])]),
        seq(&[tlv(0x84, [])]),
    ];
    let period =
        |parts: &[(u8, &str)]| seq(&parts.iter().map(|(tag, time)| tlv(*tag, time)).collect::<Vec<_>>());
    let periods = vec![
        seq(&[]),
        period(&[(0x80, "20240101000000Z"), (0x81, "20241231235959.5Z")]),
        period(&[(0x80, "20240229120000Z")]),
        period(&[(0x81, "20241231235959Z")]),
        period(&[(0x81, "20241331235959Z")]),
    ];
    let key_ids = vec![octets([0, 1, 0xAB]), octets([]), octets([7; 20]), int(&[1])];
    [("2.5.29.14", key_ids), ("2.5.29.35", aki), ("2.5.29.16", periods)].map(owned).into()
}

fn usage() -> Values {
    let bit_strings: Vec<_> = (0..10u16)
        .map(|bit| bits(6, &(0x8000u16 >> bit).to_be_bytes()))
        .chain([bits(0, &[]), bits(7, &[0xFF, 0x80]), bits(7, &[0x7F]), bits(0, &[0xFF; 3]), octets([1])])
        .collect();
    let purposes = (1..32).map(|purpose| oid(&format!("1.3.6.1.5.5.7.3.{purpose}")));
    let purposes: Vec<_> = purposes
        .chain(["2.5.29.37.0", "1.3.6.1.4.1.311.20.2.2", "1.3.6.1.5.5.7.1.4", "2.999"].map(oid))
        .collect();
    let mut eku: Vec<_> = purposes.iter().map(|purpose| seq(std::slice::from_ref(purpose))).collect();
    eku.extend([seq(&[]), seq(&purposes), seq(&[int(&[1])])]);
    let constraints = vec![
        seq(&[]),
        seq(&[tlv(0x01, [0xFF])]),
        seq(&[tlv(0x01, [0x01])]),
        seq(&[tlv(0x01, [0xFF]), int(&[3])]),
        seq(&[int(&[0xFE, 0xD4])]),
        seq(&[tlv(0x01, [0xFF]), int(&[0x7F; 15])]),
        seq(&[tlv(0x01, [0xFF]), int(&[0x7F; 17])]),
        seq(&[int(&[1]), int(&[1])]),
    ];
    vec![
        owned(("2.5.29.15", bit_strings.clone())),
        owned(("2.16.840.1.113730.1.1", bit_strings)),
        owned(("2.5.29.37", eku.clone())),
        owned(("1.3.6.1.5.5.7.48.1.4", eku)),
        owned(("2.5.29.19", constraints)),
    ]
}

/// Every kind of GeneralName, with its special cases.
pub fn general_names() -> Vec<Vec<u8>> {
    let other = |dotted: &str, value: Vec<u8>| tlv(0xA0, [oid(dotted), tlv(0xA0, value)].concat());
    vec![
        other("1.3.6.1.4.1.311.20.2.3", utf8("user@a.example")),
        other("1.2.3.4", octets([1])),
        other("1.2.3.4", utf8("text")),
        tlv(0x81, "a@a.example"),
        tlv(0x82, "a.example"),
        tlv(0x82, "b\u{fc}cher.example"),
        tlv(0x82, ""),
        tlv(0x82, "quote\"back\\slash, DNS:tab\tline\n"),
        tlv(0xA3, seq(&[])),
        directory(),
        tlv(0xA4, odd_name()),
        tlv(0xA4, seq(&[])),
        tlv(0xA5, tlv(0xA1, utf8("party"))),
        uri(),
        tlv(0x87, [192, 0, 2, 1]),
        tlv(0x87, [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0A, 0xBC]),
        tlv(0x87, [1, 2, 3, 4, 5]),
        tlv(0x88, oid_content("1.2.3.4")),
        tlv(0x88, oid_content("2.5.4.3")),
    ]
}

fn uri() -> Vec<u8> {
    tlv(0x86, "http://a.example/?q=\"1\"&r=%20")
}

fn directory() -> Vec<u8> {
    tlv(0xA4, name(&[attribute("2.5.4.6", tlv(0x13, "US")), attribute("2.5.4.3", utf8("x"))]))
}

/// All string types, several values in one RDN, characters that need escaping, and attributes without a name.
pub fn odd_name() -> Vec<u8> {
    let common_names = [
        utf8("K\u{e4}se, \"x\" + #<y>; "),
        tlv(0x1E, [0, b'Z', 0x20, 0xAC]),
        tlv(0x1C, [0, 1, 0xF6, 0]),
        tlv(0x14, b"Caf\xE9"),
        ia5("tab\tnul\0end"),
        tlv(0x12, "12 34"),
        utf8("#"),
        utf8(" lead"),
        utf8("/CN=fake"),
        utf8(""),
    ];
    let mut rdns: Vec<_> =
        common_names.into_iter().map(|text| tlv(0x31, attribute("2.5.4.3", text))).collect();
    rdns.push(tlv(0x31, attribute("1.2.3.4", utf8("no name"))));
    rdns.push(tlv(0x31, attribute("2.5.4.97", utf8("VATDE-1"))));
    rdns.push(set(&[attribute("2.5.4.10", utf8("one")), attribute("2.5.4.11", utf8("another"))]));
    seq(&rdns)
}

fn names() -> Values {
    let names = general_names();
    // A name that is so long that OpenSSL truncates it is compared separately.
    let mut lists: Vec<_> = names.iter().map(|name| seq(std::slice::from_ref(name))).collect();
    lists.extend([seq(&[]), seq(&[names[3].clone(), names[4].clone(), directory(), uri()]), int(&[1])]);
    lists.push(seq(&[tlv(0x82, b"latin\xE91")]));
    lists.push(seq(&[tlv(0x82, "before\0behind")]));
    let long = attribute("2.5.4.10", utf8(&"long ".repeat(20)));
    lists.push(seq(&[tlv(0xA4, name(&vec![long; 4]))]));
    let access: Vec<_> = names
        .iter()
        .map(|name| seq(&[seq(&[oid("1.3.6.1.5.5.7.48.2"), name.clone()])]))
        .chain([
            seq(&[]),
            seq(&(1..8).map(|m| seq(&[oid(&format!("1.3.6.1.5.5.7.48.{m}")), uri()])).collect::<Vec<_>>()),
        ])
        .collect();
    let subtree = |base: &Vec<u8>| seq(std::slice::from_ref(base));
    let subtrees: Vec<_> = names.iter().map(subtree).collect();
    let ranges = [seq(&[tlv(0x87, [10, 0, 0, 0, 255, 0, 0, 0])]), seq(&[tlv(0x87, [0xFF; 32])])];
    let constraints: Vec<_> = subtrees
        .iter()
        .chain(&ranges)
        .map(|subtree| seq(&[tlv(0xA0, subtree)]))
        .chain([
            seq(&[]),
            seq(&[tlv(0xA0, ranges.concat()), tlv(0xA1, subtrees[3..6].concat())]),
            seq(&[tlv(0xA1, seq(&[names[4].clone(), tlv(0x80, [1]), tlv(0x81, [2])]))]),
            seq(&[tlv(0xA0, [])]),
        ])
        .collect();
    let mut all = vec![owned(("2.5.29.30", constraints))];
    all.extend(LISTS_OF_NAMES.map(|dotted| owned((dotted, lists.clone()))));
    all.extend(ACCESS.map(|dotted| owned((dotted, access.clone()))));
    all
}

fn policies() -> Values {
    let policy = |qualifiers: &[Vec<u8>]| seq(&[oid("1.2.3.4"), seq(qualifiers)]);
    let cps = seq(&[oid("1.3.6.1.5.5.7.2.1"), ia5("http://cps.example/")]);
    let notice = |parts: &[Vec<u8>]| seq(&[oid("1.3.6.1.5.5.7.2.2"), seq(parts)]);
    let reference = |numbers: &[Vec<u8>]| seq(&[utf8("Org \u{e4}"), seq(numbers)]);
    let unknown = seq(&[oid("2.5.4.3"), tlv(0x05, [])]);
    let values = vec![
        seq(&[]),
        seq(&[seq(&[oid("2.5.29.32.0")]), seq(&[oid("2.23.140.1.2.1")])]),
        seq(&[policy(&[cps.clone(), notice(&[utf8("visible")]), unknown])]),
        seq(&[policy(&[notice(&[reference(&[int(&[1])]), tlv(0x1E, [0, b'x'])])])]),
        seq(&[policy(&[notice(&[reference(&[int(&[1]), int(&[0xFF]), int(&[0x7F; 17])])])])]),
        seq(&[policy(&[notice(&[reference(&[])]), notice(&[])]), policy(&[cps])]),
        seq(&[policy(&[])]),
        seq(&[policy(&[]), policy(&[])]),
    ];
    let mapping = |subject: &str| seq(&[oid("1.2.3"), oid(subject)]);
    let mappings = vec![seq(&[]), seq(&[mapping("2.5.29.32.0")]), seq(&[mapping("1.2.4"), mapping("1.2.5")])];
    let constraints = vec![
        seq(&[]),
        seq(&[tlv(0x80, [0])]),
        seq(&[tlv(0x81, [0x7F; 17])]),
        seq(&[tlv(0x80, [1]), tlv(0x81, [0xFF])]),
    ];
    [("2.5.29.32", values), ("2.5.29.33", mappings), ("2.5.29.36", constraints)].map(owned).into()
}

fn crl() -> Values {
    let full_name = |name: &Vec<u8>| tlv(0xA0, tlv(0xA0, name));
    let relative = tlv(
        0xA0,
        tlv(0xA1, [attribute("2.5.4.3", tlv(0x13, "rel")), attribute("2.5.4.11", utf8("u"))].concat()),
    );
    let reasons = |tag: u8| tlv(tag, [7, 0xFF, 0x80]);
    let issuer = tlv(0xA2, directory());
    let mut points: Vec<_> = general_names().iter().map(|name| seq(&[seq(&[full_name(name)])])).collect();
    let several = full_name(&[uri(), directory(), tlv(0x82, "a.example")].concat());
    points.extend([
        seq(&[]),
        seq(&[seq(&[])]),
        seq(&[seq(&[relative.clone(), reasons(0x81), issuer.clone()])]),
        seq(&[seq(&[several, tlv(0x81, [0])]), seq(&[issuer])]),
    ]);
    let issuing = vec![
        seq(&[]),
        seq(&[full_name(&uri()), tlv(0x81, [0xFF]), tlv(0x82, [0xFF]), reasons(0x83), tlv(0x84, [0xFF])]),
        seq(&[relative, tlv(0x85, [0xFF])]),
        seq(&[tlv(0x81, [0])]),
    ];
    let codes: Vec<_> =
        (0..12).map(|code| tlv(0x0A, [code])).chain([tlv(0x0A, [1, 0]), tlv(0x0A, [0xFF])]).collect();
    let numbers =
        vec![int(&[0]), int(&[0x80]), int(&[0x7F; 16]), int(&[0x7F; 17]), int(&[0x80; 18]), int(&[])];
    let mut all = vec![owned(("2.5.29.28", issuing)), owned(("2.5.29.21", codes))];
    all.extend(["2.5.29.20", "2.5.29.27", "2.5.29.54"].map(|dotted| owned((dotted, numbers.clone()))));
    all.extend(POINTS.map(|dotted| owned((dotted, points.clone()))));
    all
}

/// An SCT with variable version, timestamp, algorithms, extensions and signature.
fn sct(version: u8, timestamp_ms: u64, algorithms: [u8; 2], extensions: &[u8], signature: &[u8]) -> Vec<u8> {
    let vector = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let log_id: Vec<u8> = (0..32).map(|byte| byte * 7).collect();
    let sct = [
        &[version][..],
        &log_id,
        &timestamp_ms.to_be_bytes(),
        &vector(extensions),
        &algorithms,
        &vector(signature),
    ];
    vector(&sct.concat())
}

fn scts() -> Values {
    let list = |scts: &[Vec<u8>]| {
        let scts = scts.concat();
        octets([&(scts.len() as u16).to_be_bytes(), scts.as_slice()].concat())
    };
    let ecdsa = sct(0, 1_700_000_000_123, [4, 3], &[], &[0x30; 70]);
    let values = vec![
        list(&[]),
        list(std::slice::from_ref(&ecdsa)),
        list(&[ecdsa.clone(), sct(0, 0, [4, 1], &[1; 20], &[9; 16]), ecdsa.clone()]),
        list(&[sct(1, 5, [9, 9], &[], &[1]), ecdsa]),
        list(&[sct(0, 5, [6, 3], &[], &[1])]),
        list(&[sct(0, 253_402_300_799_999, [4, 3], &[], &[1])]),
        list(&[sct(0, 253_402_300_800_000, [4, 3], &[], &[1])]),
        octets([0, 5, 0]),
    ];
    let dotted = ["1.3.6.1.4.1.11129.2.4.2", "1.3.6.1.4.1.11129.2.4.5", "1.3.6.1.4.1.11129.2.4.3"];
    dotted.map(|dotted| owned((dotted, values.clone()))).into()
}

fn ocsp() -> Values {
    let null = tlv(0x05, []);
    let id = |url: &str, time: &str| {
        seq(&[tlv(0xA0, ia5(url)), tlv(0xA1, int(&[0x02, 0x01])), tlv(0xA2, tlv(0x18, time))])
    };
    let ids = vec![
        seq(&[]),
        id("http://a.example/crl", "20240102030405Z"),
        id("tab\t", "20241302030405Z"),
        seq(&[tlv(0xA1, int(&[0x7F; 80]))]),
        seq(&[tlv(0xA1, int(&[0])), tlv(0xA2, tlv(0x18, "20240102030405.25Z"))]),
    ];
    let access: Vec<_> =
        general_names().into_iter().map(|name| seq(&[oid("1.3.6.1.5.5.7.48.1"), name])).collect();
    let locators = vec![seq(&[odd_name()]), seq(&[odd_name(), seq(&access)]), seq(&[seq(&[])]), seq(&[])];
    let nonce = vec![octets([1, 2]), octets([])];
    vec![
        owned(("1.3.6.1.5.5.7.48.1.5", vec![null, seq(&[]), tlv(0x05, [1])])),
        owned(("1.3.6.1.5.5.7.48.1.3", ids)),
        owned(("1.3.6.1.5.5.7.48.1.7", locators)),
        owned(("1.3.6.1.5.5.7.48.1.2", nonce)),
        owned(("1.3.6.1.5.5.7.48.1.6", vec![tlv(0x18, "20240102030405Z")])),
    ]
}

fn resources() -> Values {
    let family = |afi: &[u8], choice: Vec<u8>| seq(&[octets(afi), choice]);
    let range = |min: &[u8], max: &[u8]| seq(&[bits(0, min), bits(0, max)]);
    let v4 = [bits(0, &[10]), bits(4, &[10, 0x10]), range(&[10, 0], &[10, 3]), bits(0, &[])];
    let v6 =
        [bits(0, &[0x20, 1, 0x0D, 0xB8]), bits(0, &[0; 16]), range(&[], &[0xFF; 16]), bits(0, &[0xFE; 16])];
    let addresses = vec![
        seq(&[]),
        seq(&[family(&[0, 1], seq(&v4)), family(&[0, 2], seq(&v6))]),
        seq(&(0..130).step_by(13).map(|safi| family(&[0, 1, safi], tlv(0x05, []))).collect::<Vec<_>>()),
        seq(&[family(&[0, 9], seq(&[bits(3, &[1, 0xF8]), range(&[1], &[2])]))]),
        seq(&[family(&[0, 1], seq(&[bits(0, &[1, 2, 3, 4, 5])]))]),
        seq(&[family(&[1], tlv(0x05, []))]),
    ];
    let numbers = vec![
        seq(&[]),
        seq(&[tlv(0xA0, tlv(0x05, [])), tlv(0xA1, seq(&[int(&[5]), seq(&[int(&[7]), int(&[0, 0xFF])])]))]),
        seq(&[tlv(0xA1, tlv(0x05, []))]),
        seq(&[tlv(0xA0, seq(&[]))]),
    ];
    [("1.3.6.1.5.5.7.1.7", addresses), ("1.3.6.1.5.5.7.1.8", numbers)].map(owned).into()
}

fn others() -> Values {
    let policy = |parts: &[Vec<u8>]| seq(parts);
    let language = oid("1.3.6.1.5.5.7.21.1");
    let proxies = vec![
        seq(&[policy(std::slice::from_ref(&language))]),
        seq(&[int(&[1]), policy(&[language.clone(), octets("policy text")])]),
        seq(&[int(&[0x7F; 80]), policy(&[oid("1.2.3"), octets("nul\0")])]),
        seq(&[int(&[0]), policy(&[language])]),
    ];
    let features = vec![
        seq(&[]),
        seq(&[int(&[5]), int(&[17]), int(&[1]), int(&[0, 0xFF]), int(&[0xFF])]),
        seq(&[int(&[0x7F; 17])]),
    ];
    let extranet = |version: &[u8]| {
        seq(&[
            int(version),
            seq(&[seq(&[int(&[5]), octets("user")]), seq(&[int(&[0x7F; 17]), octets("\u{e4}\n")])]),
        ])
    };
    let strings = vec![ia5("a comment"), ia5(""), ia5("nul\0nul"), tlv(0x16, b"\xE9"), utf8("x")];
    let mut all = vec![
        owned(("1.3.6.1.5.5.7.1.14", proxies)),
        owned(("1.3.6.1.5.5.7.1.24", features)),
        owned(("1.3.101.1.4.1", vec![extranet(&[0]), extranet(&[4]), extranet(&[0x80])])),
        // Extensions with a name but no printer, at least in 1.1.
        owned(("2.5.29.24", vec![tlv(0x18, "20240102030405Z")])),
        owned(("2.5.29.23", vec![oid("1.2.840.10040.2.1")])),
        owned(("2.5.29.9", vec![seq(&[])])),
        owned(("2.5.29.55", vec![seq(&[])])),
        owned(("2.5.29.56", vec![tlv(0x05, [])])),
        owned(("1.3.6.1.5.5.7.1.3", vec![seq(&[])])),
        owned(("1.2.643.100.112", vec![seq(&[utf8("a"), utf8("b"), utf8("c"), utf8("d")])])),
        owned(("1.2.643.100.111", vec![utf8("a tool")])),
        owned(("2.5.4.3", vec![utf8("x")])),
        owned(("1.2.3.4", vec![utf8("x")])),
    ];
    all.extend(NETSCAPE_STRINGS.map(|kind| (format!("2.16.840.1.113730.1.{kind}"), strings.clone())));
    all
}

fn admission() -> Values {
    let authority = seq(&[oid("1.3.36.8.3.3"), ia5("http://a.example/"), utf8("An authority")]);
    let profession = seq(&[
        tlv(0xA0, &authority),
        seq(&[utf8("Doctor"), utf8("Nurse")]),
        seq(&[oid("1.2.276.0.76.4.30"), oid("2.5.4.3")]),
        tlv(0x13, "42"),
        octets([1]),
    ]);
    let plain = seq(&[seq(&[utf8("Doctor")])]);
    let entry = seq(&[tlv(0xA0, directory()), tlv(0xA1, &authority), seq(&[profession, plain.clone()])]);
    let values = vec![
        seq(&[directory(), seq(&[entry, seq(&[seq(&[plain])])])]),
        seq(&[seq(&[])]),
        seq(&[tlv(0x82, "a.example"), seq(&[])]),
        seq(&[seq(&[seq(&[tlv(0xA1, seq(&[])), seq(&[])])])]),
        seq(&[]),
    ];
    vec![owned(("1.3.36.8.3.3", values))]
}

fn owned((dotted, values): (&str, Vec<Vec<u8>>)) -> (String, Vec<Vec<u8>>) {
    (dotted.to_string(), values)
}
