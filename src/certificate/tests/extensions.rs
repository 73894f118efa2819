//! Tests of the text of each kind of extension.

use super::{Certificate, SAN, attribute, dns, oid, seq, tlv};

/// The text of the extension, and the value of `parse_error`.
fn print(dotted: &str, value: Vec<u8>) -> (String, Option<String>) {
    let leaf = Certificate::with_extension(dotted, value).worded();
    let extensions = leaf["extensions"].as_object().unwrap();
    assert_eq!(extensions.len(), 1, "{leaf}");
    let text = extensions.values().next().unwrap().as_str().unwrap().to_string();
    (text, leaf.get("parse_error").map(|error| error.as_str().unwrap().to_string()))
}

/// The text of a valid value.
fn text(dotted: &str, value: Vec<u8>) -> String {
    let (text, parse_error) = print(dotted, value);
    assert_eq!(parse_error, None);
    text
}

fn int(content: &[u8]) -> Vec<u8> {
    tlv(0x02, content)
}

fn uri(uri: &str) -> Vec<u8> {
    tlv(0x86, uri)
}

fn directory(rdns: &[Vec<u8>]) -> Vec<u8> {
    tlv(0xA4, seq(rdns))
}

fn us_and_x() -> Vec<u8> {
    directory(&[attribute("2.5.4.6", 0x13, "US"), attribute("2.5.4.3", 0x0C, "x")])
}

#[test]
fn key_usage_names_its_bits() {
    assert_eq!(text("2.5.29.15", tlv(0x03, [5, 0xA0])), "Digital Signature, Key Encipherment");
    assert_eq!(text("2.5.29.15", tlv(0x03, [7, 0x06, 0x80])), "Certificate Sign, CRL Sign, Decipher Only");
    assert_eq!(text("2.5.29.15", tlv(0x03, [0])), "NULL");
    assert_eq!(text("2.5.29.15", tlv(0x03, [7, 0x7F])), "NULL");
}

#[test]
fn purposes_have_long_names_or_are_dotted() {
    let purposes = [oid("1.3.6.1.5.5.7.3.1"), oid("2.5.29.37.0"), oid("1.3.6.1.5.5.7.3.28"), oid("2.999.3")];
    assert_eq!(
        text("2.5.29.37", seq(&purposes)),
        "TLS Web Server Authentication, Any Extended Key Usage, CMC Registration Authority, 2.999.3"
    );
    assert_eq!(text("2.5.29.37", seq(&[])), "NULL");
}

#[test]
fn basic_constraints_show_any_path_length() {
    assert_eq!(text("2.5.29.19", seq(&[])), "CA:FALSE");
    assert_eq!(text("2.5.29.19", seq(&[tlv(0x01, [1]), int(&[0])])), "CA:TRUE, pathlen:0");
    assert_eq!(text("2.5.29.19", seq(&[int(&[0xFE, 0xD4])])), "CA:FALSE, pathlen:-300");
}

#[test]
fn key_identifiers_are_hex() {
    assert_eq!(text("2.5.29.14", tlv(0x04, [0xAB, 0xCD])), "AB:CD");
    let identifier = seq(&[tlv(0x80, [1, 2]), tlv(0xA1, us_and_x()), tlv(0x82, [0x00, 0xFF])]);
    assert_eq!(text("2.5.29.35", identifier), "keyid:01:02\nDirName:/C=US/CN=x\nserial:FF\n");
    assert_eq!(text("2.5.29.35", seq(&[tlv(0x82, [0x80])])), "serial:80\n");
    assert_eq!(text("2.5.29.35", seq(&[])), "NULL");
}

#[test]
fn alternative_names_are_shown_whole() {
    let names = [
        dns("a.example"),
        tlv(0x81, "é@x"),
        uri("ldap://x/a, b"),
        tlv(0x87, [192, 0, 2, 1]),
        tlv(0x87, [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        tlv(0x87, [1, 2, 3]),
        tlv(0x88, [0x2A, 3, 4]),
        us_and_x(),
        tlv(0xA0, [oid("1.2.3"), tlv(0xA0, tlv(0x0C, "upn"))].concat()),
        tlv(0xA3, []),
        tlv(0xA5, tlv(0xA1, tlv(0x13, "p"))),
    ];
    assert_eq!(
        text(SAN, seq(&names)),
        "DNS:a.example, email:é@x, URI:ldap://x/a, b, IP Address:192.0.2.1, \
         IP Address:2001:DB8:0:0:0:0:0:1, IP Address:<invalid>, Registered ID:1.2.3.4, \
         DirName:C = US, CN = x, othername:<unsupported>, X400Name:<unsupported>, EdiPartyName:<unsupported>"
    );
    assert_eq!(text(SAN, seq(&[])), "");
}

#[test]
fn alternative_names_that_are_no_text_are_null_and_broken_ones_empty() {
    assert_eq!(print(SAN, seq(&[dns([0xFF])])).0, "NULL");
    assert_eq!(print(SAN, tlv(0x04, "x")).0, "");
    assert_eq!(print(SAN, seq(&[tlv(0xA0, [oid("1.2.3"), tlv(0x0C, "")].concat())])).0, "");
    assert_eq!(print(SAN, vec![]).0, "");
}

#[test]
fn directory_names_are_quoted_as_rfc_2253_wants() {
    let both = [seq(&[oid("2.5.4.11"), tlv(0x0C, "a")]), seq(&[oid("2.5.4.3"), tlv(0x1E, [0, 0xE9])])];
    let name = directory(&[
        attribute("2.5.4.10", 0x0C, "Org, \"Inc\""),
        tlv(0x31, both.concat()),
        attribute("2.5.4.11", 0x13, "#x"),
        attribute("2.5.4.11", 0x13, "#"),
        attribute("2.5.4.11", 0x13, "x "),
        attribute("2.5.4.11", 0x13, "a\\b\u{1}"),
        attribute("2.5.4.45", 0x03, [0, 0xAB]),
        attribute("1.2.3", 0x0C, ""),
    ]);
    assert_eq!(
        text(SAN, seq(&[name])),
        "DirName:O = \"Org, \\\"Inc\\\"\", OU = a + CN = \\C3\\A9, OU = \"#x\", OU = #, OU = \"x \", \
         OU = a\\\\b\\01, x500UniqueIdentifier = #030200AB, 1.2.3 = "
    );
}

#[test]
fn the_issuers_names_are_values() {
    let names = [us_and_x(), tlv(0x87, [0; 16]), tlv(0x81, "e@x\0hidden")];
    assert_eq!(text("2.5.29.18", seq(&names)), "DirName:/C=US/CN=x, IP Address:0:0:0:0:0:0:0:0, email:e@x");
    assert_eq!(text("2.5.29.18", seq(&[])), "<EMPTY>\n");
}

#[test]
fn access_descriptions_have_a_line_each() {
    let descriptions = [
        seq(&[oid("1.3.6.1.5.5.7.48.1"), uri("http://o")]),
        seq(&[oid("1.3.6.1.5.5.7.48.2"), us_and_x()]),
        seq(&[oid("1.3.6.1.5.5.7.48.3"), dns("t")]),
        seq(&[oid("1.2.3.4"), uri("")]),
    ];
    let expected =
        "OCSP - URI:http://o\nCA Issuers - DirName:/C=US/CN=x\nAD Time Stamping - DNS:t\n1.2.3.4 - URI:\n";
    assert_eq!(text("1.3.6.1.5.5.7.1.1", seq(&descriptions)), expected);
    assert_eq!(text("1.3.6.1.5.5.7.1.11", seq(&[])), "<EMPTY>\n");
    let latin1 = seq(&[seq(&[oid("1.3.6.1.5.5.7.48.1"), tlv(0x86, [0xE9])])]);
    assert_eq!(print("1.3.6.1.5.5.7.1.1", latin1).0, "NULL");
}

#[test]
fn policies_show_their_qualifiers() {
    let reference = seq(&[tlv(0x0C, "Org"), seq(&[int(&[1]), int(&[2])])]);
    let qualifiers = seq(&[
        seq(&[oid("1.3.6.1.5.5.7.2.1"), tlv(0x16, "http://cps")]),
        seq(&[oid("1.3.6.1.5.5.7.2.2"), seq(&[reference, tlv(0x1A, "text")])]),
        seq(&[oid("1.3.6.1.5.5.7.2.2"), seq(&[tlv(0x1E, [0, b'x'])])]),
        seq(&[oid("1.2.3"), tlv(0x05, [])]),
    ]);
    let policies = seq(&[seq(&[oid("2.23.140.1.2.1"), qualifiers]), seq(&[oid("2.5.29.32.0")])]);
    assert_eq!(
        text("2.5.29.32", policies),
        "Policy: 2.23.140.1.2.1\n  CPS: http://cps\n  User Notice:\n    Organization: Org\n    \
         Numbers: 1, 2\n    Explicit Text: text\n  User Notice:\n    Explicit Text: \n    \
         Unknown Qualifier: 1.2.3\nPolicy: X509v3 Any Policy\n"
    );
    assert_eq!(text("2.5.29.32", seq(&[])), "");
}

#[test]
fn policy_rules_are_lists() {
    assert_eq!(
        text("2.5.29.33", seq(&[seq(&[oid("1.2.3"), oid("2.5.29.32.0")])])),
        "1.2.3:X509v3 Any Policy"
    );
    let constraints = seq(&[tlv(0x80, [0]), tlv(0x81, [1])]);
    assert_eq!(text("2.5.29.36", constraints), "Require Explicit Policy:0, Inhibit Policy Mapping:1");
    assert_eq!(text("2.5.29.36", seq(&[])), "NULL");
    assert_eq!(text("2.5.29.54", int(&[0xFD])), "-3");
}

#[test]
fn distribution_points_begin_with_a_line_end() {
    let full = tlv(0xA0, tlv(0xA0, [uri("http://a"), uri("ldap://b")].concat()));
    let relative = tlv(0xA0, tlv(0xA1, seq(&[oid("2.5.4.3"), tlv(0x0C, "rel")])));
    let points =
        seq(&[seq(&[full, tlv(0x81, [5, 0x60]), tlv(0xA2, us_and_x())]), seq(&[relative, tlv(0x81, [0])])]);
    assert_eq!(
        text("2.5.29.31", points),
        "\nFull Name:\n  URI:http://a\n  URI:ldap://b\nReasons:\n  Key Compromise, CA Compromise\n\
         CRL Issuer:\n  DirName:C = US, CN = x\n\nRelative Name:\n  CN = rel\nReasons:\n  <EMPTY>\n"
    );
    assert_eq!(text("2.5.29.46", seq(&[])), "");
}

#[test]
fn name_constraints_show_addresses_with_their_masks() {
    let permitted = [seq(&[dns("a")]), seq(&[tlv(0x87, [10, 0, 0, 0, 255, 0, 0, 0])]), seq(&[us_and_x()])];
    let excluded = [seq(&[tlv(0x81, "x"), tlv(0x80, [0])]), seq(&[tlv(0x87, [1, 2])])];
    let constraints = seq(&[tlv(0xA0, permitted.concat()), tlv(0xA1, excluded.concat())]);
    assert_eq!(
        text("2.5.29.30", constraints),
        "Permitted:\n  DNS:a\n  IP:10.0.0.0/255.0.0.0\n  DirName:C = US, CN = x\nExcluded:\n  email:x\n  \
         IP:IP Address:<invalid>\n"
    );
}

fn sct_list(scts: &[Vec<u8>]) -> Vec<u8> {
    let vector = |content: &[u8]| [&(content.len() as u16).to_be_bytes()[..], content].concat();
    let list: Vec<u8> = scts.iter().flat_map(|sct| vector(sct)).collect();
    tlv(0x04, vector(&list))
}

fn sct(algorithms: [u8; 2]) -> Vec<u8> {
    let timestamp = 1_779_302_892_743u64.to_be_bytes();
    [&[0][..], &[0xD7; 32], &timestamp, &[0, 0], &algorithms, &[0, 2, 0x30, 0x45]].concat()
}

#[test]
fn timestamps_are_laid_out_in_lines() {
    let id = ["D7"; 16].join(":");
    let expected = format!(
        "Signed Certificate Timestamp:\n    Version   : v1 (0x0)\n    Log ID    : {id}:\n                {id}\n    \
         Timestamp : May 20 18:48:12.743 2026 GMT\n    Extensions: none\n    Signature : \
         ecdsa-with-SHA256\n                30:45"
    );
    let name = "1.3.6.1.4.1.11129.2.4.2";
    assert_eq!(text(name, sct_list(&[sct([4, 3]), sct([4, 3])])), format!("{expected}\n{expected}"));
    assert_eq!(
        text(name, sct_list(&[sct([4, 1])])),
        expected.replace("ecdsa-with-SHA256", "sha256WithRSAEncryption")
    );
    assert_eq!(
        text(name, sct_list(&[vec![1, 0xAB]])),
        "Signed Certificate Timestamp:\n    Version   : unknown\n                01:AB"
    );
    assert_eq!(text(name, sct_list(&[])), "");
    assert_eq!(print(name, sct_list(&[sct([4, 3]), sct([6, 3])])).0, "NULL");
    assert_eq!(print(name, sct_list(&[vec![]])).0, "NULL");
}

#[test]
fn rare_extensions_have_their_words_too() {
    assert_eq!(text("2.16.840.1.113730.1.1", tlv(0x03, [0, 0x41])), "SSL Server, Object Signing CA");
    assert_eq!(text("2.16.840.1.113730.1.13", tlv(0x16, "Comment é\0x")), "Comment é");
    assert_eq!(text("2.16.840.1.113730.1.13", tlv(0x16, "")), "NULL");
    assert_eq!(
        text("1.3.6.1.5.5.7.1.24", seq(&[int(&[5]), int(&[17]), int(&[16])])),
        "status_request, status_request_v2, 16"
    );
    assert_eq!(text("1.3.6.1.5.5.7.48.1.5", tlv(0x05, [])), "");
    let period = seq(&[tlv(0x80, "20240101000000Z"), tlv(0x81, "20241231235959.5Z")]);
    assert_eq!(
        text("2.5.29.16", period),
        "Not Before: Jan  1 00:00:00 2024 GMT, Not After: Dec 31 23:59:59.5 2024 GMT"
    );
    assert_eq!(text("2.5.29.16", seq(&[tlv(0x80, "never")])), "Not Before: Bad time value");
    let policy = seq(&[oid("1.3.6.1.5.5.7.21.1")]);
    assert_eq!(
        text("1.3.6.1.5.5.7.1.14", seq(&[policy])),
        "Path Length Constraint: infinite\nPolicy Language: Inherit all\n"
    );
    assert_eq!(text("2.5.29.28", seq(&[])), "<EMPTY>\n");
    assert_eq!(
        text("2.5.29.28", seq(&[tlv(0x82, [0xFF]), tlv(0x84, [1])])),
        "Only CA Certificates\nIndirect CRL\n"
    );
    assert_eq!(text("2.5.29.21", tlv(0x0A, [1])), "Key Compromise");
    assert_eq!(text("2.5.29.27", int(&[5])), "5");
}

#[test]
fn number_resources_are_prefixes_and_ranges() {
    let bits = |bytes: &[u8]| tlv(0x03, bytes);
    let v4 = seq(&[tlv(0x04, [0, 1]), seq(&[bits(&[0, 10]), seq(&[bits(&[0, 10, 1]), bits(&[0, 10, 2])])])]);
    let v6 = seq(&[tlv(0x04, [0, 2, 1]), seq(&[bits(&[0, 0x20, 1, 0x0D, 0xB8]), bits(&[0])])]);
    let inherit = seq(&[tlv(0x04, [0, 3]), tlv(0x05, [])]);
    // The length of an address of an unknown family is unknown, so nothing is padded.
    let unknown = seq(&[tlv(0x04, [0, 9]), seq(&[seq(&[bits(&[0, 1]), bits(&[1, 0x1F])])])]);
    assert_eq!(
        text("1.3.6.1.5.5.7.1.7", seq(&[v4, v6, inherit, unknown])),
        "IPv4:\n  10.0.0.0/8\n  10.1.0.0-10.2.255.255\nIPv6 (Unicast):\n  2001:db8::/32\n  ::/0\n\
         Unknown AFI 3: inherit\nUnknown AFI 9:\n  01[0]-1e[1]\n"
    );
    let numbers =
        seq(&[tlv(0xA0, seq(&[int(&[1]), seq(&[int(&[2]), int(&[9])])])), tlv(0xA1, tlv(0x05, []))]);
    assert_eq!(
        text("1.3.6.1.5.5.7.1.8", numbers),
        "Autonomous System Numbers:\n  1\n  2-9\nRouting Domain Identifiers:\n  inherit\n"
    );
}

#[test]
fn what_openssl_cannot_word_is_null_and_what_it_cannot_name_is_left_out() {
    assert_eq!(text("1.3.6.1.5.5.7.1.3", seq(&[])), "NULL");
    assert_eq!(text("2.5.29.24", tlv(0x18, "20240101000000Z")), "NULL");
    assert_eq!(text("2.5.4.3", tlv(0x0C, "x")), "NULL");
    let unknown = Certificate::with_extension("1.3.6.1.4.1.311.21.7", seq(&[])).worded();
    assert_eq!(unknown["extensions"], serde_json::json!({}));
}

#[test]
fn an_address_family_too_short_to_be_one_is_family_zero() {
    let family = |identifier: &[u8]| seq(&[seq(&[tlv(0x04, identifier), tlv(0x05, [])])]);
    assert_eq!(text("1.3.6.1.5.5.7.1.7", family(&[1])), "Unknown AFI 0: inherit\n");
    assert_eq!(text("1.3.6.1.5.5.7.1.7", family(&[0, 1, 1, 9])), "IPv4 (Unicast): inherit\n");
}

#[test]
fn a_service_locator_without_an_issuer_has_no_text() {
    assert_eq!(text("1.3.6.1.5.5.7.48.1.7", seq(&[seq(&[])])), "NULL");
}

#[test]
fn an_explicit_tag_around_more_than_one_element_is_a_fault() {
    let crl_id = |content: &[Vec<u8>]| seq(&[tlv(0xA1, content.concat())]);
    assert_eq!(text("1.3.6.1.5.5.7.48.1.3", crl_id(&[int(&[5])])), "crlNum: 05\n");
    let (null, parse_error) = print("1.3.6.1.5.5.7.48.1.3", crl_id(&[int(&[5]), int(&[6])]));
    assert_eq!(null, "NULL");
    assert!(parse_error.is_some());
}

#[test]
fn an_authority_that_is_named_by_no_name_is_empty() {
    assert_eq!(text("2.5.29.35", seq(&[tlv(0xA1, [])])), "<EMPTY>\n");
    assert_eq!(text("2.5.29.35", seq(&[])), "NULL");
}

#[test]
fn a_profession_is_a_text() {
    let admission = |item: Vec<u8>| seq(&[seq(&[seq(&[seq(&[seq(&[seq(&[item])])])])])]);
    let (text, parse_error) = print("1.3.36.8.3.3", admission(tlv(0x0C, "Nurse")));
    assert_eq!(text, "Entry 1:\n  Profession Info Entry 1:\n    Info Entries:\n      Nurse\n");
    assert_eq!(parse_error, None);
    assert_eq!(print("1.3.36.8.3.3", admission(tlv(0x18, "Nurse"))).0, "NULL");
}
