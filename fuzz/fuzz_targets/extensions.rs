//! Parses any bytes as the value of an extension. The first byte selects one of the supported extensions.

#![no_main]

use certstream_server_fuzz::certificate::{Certificate, Leaf, LeafKind};
use certstream_server_fuzz::{check_json, make_tables, max_memory, max_text, meter};
use libfuzzer_sys::fuzz_target;

/// The contents of the OBJECT IDENTIFIERs. The last ones have a name but no printer, or neither. The
/// generator of seeds contains the same list in the same order: `tests/wording/seeds.rs`.
const EXTENSIONS: [&[u8]; 46] = [
    // id-ce, 2.5.29
    &[0x55, 0x1D, 14], // subjectKeyIdentifier
    &[0x55, 0x1D, 15], // keyUsage
    &[0x55, 0x1D, 16], // privateKeyUsagePeriod
    &[0x55, 0x1D, 17], // subjectAltName
    &[0x55, 0x1D, 18], // issuerAltName
    &[0x55, 0x1D, 19], // basicConstraints
    &[0x55, 0x1D, 20], // crlNumber
    &[0x55, 0x1D, 21], // CRLReason
    &[0x55, 0x1D, 27], // deltaCRL
    &[0x55, 0x1D, 28], // issuingDistributionPoint
    &[0x55, 0x1D, 29], // certificateIssuer
    &[0x55, 0x1D, 30], // nameConstraints
    &[0x55, 0x1D, 31], // crlDistributionPoints
    &[0x55, 0x1D, 32], // certificatePolicies
    &[0x55, 0x1D, 33], // policyMappings
    &[0x55, 0x1D, 35], // authorityKeyIdentifier
    &[0x55, 0x1D, 36], // policyConstraints
    &[0x55, 0x1D, 37], // extendedKeyUsage
    &[0x55, 0x1D, 46], // freshestCRL
    &[0x55, 0x1D, 54], // inhibitAnyPolicy
    // id-pe, 1.3.6.1.5.5.7.1
    &[0x2B, 6, 1, 5, 5, 7, 1, 1],  // authorityInfoAccess
    &[0x2B, 6, 1, 5, 5, 7, 1, 7],  // sbgp-ipAddrBlock
    &[0x2B, 6, 1, 5, 5, 7, 1, 8],  // sbgp-autonomousSysNum
    &[0x2B, 6, 1, 5, 5, 7, 1, 11], // subjectInfoAccess
    &[0x2B, 6, 1, 5, 5, 7, 1, 14], // proxyCertInfo
    &[0x2B, 6, 1, 5, 5, 7, 1, 24], // tlsfeature
    // id-pkix-ocsp, 1.3.6.1.5.5.7.48.1
    &[0x2B, 6, 1, 5, 5, 7, 48, 1, 3], // CrlID
    &[0x2B, 6, 1, 5, 5, 7, 48, 1, 4], // acceptableResponses
    &[0x2B, 6, 1, 5, 5, 7, 48, 1, 5], // noCheck
    &[0x2B, 6, 1, 5, 5, 7, 48, 1, 7], // serviceLocator
    // 1.3.6.1.4.1.11129.2.4
    &[0x2B, 6, 1, 4, 1, 0xD6, 0x79, 2, 4, 2], // ct_precert_scts
    &[0x2B, 6, 1, 4, 1, 0xD6, 0x79, 2, 4, 3], // ct_precert_poison
    &[0x2B, 6, 1, 4, 1, 0xD6, 0x79, 2, 4, 5], // ct_cert_scts
    // Netscape, 2.16.840.1.113730.1
    &[0x60, 0x86, 0x48, 1, 0x86, 0xF8, 0x42, 1, 1], // nsCertType
    &[0x60, 0x86, 0x48, 1, 0x86, 0xF8, 0x42, 1, 2], // nsBaseUrl
    &[0x60, 0x86, 0x48, 1, 0x86, 0xF8, 0x42, 1, 3], // nsRevocationUrl
    &[0x60, 0x86, 0x48, 1, 0x86, 0xF8, 0x42, 1, 4], // nsCaRevocationUrl
    &[0x60, 0x86, 0x48, 1, 0x86, 0xF8, 0x42, 1, 7], // nsRenewalUrl
    &[0x60, 0x86, 0x48, 1, 0x86, 0xF8, 0x42, 1, 8], // nsCaPolicyUrl
    &[0x60, 0x86, 0x48, 1, 0x86, 0xF8, 0x42, 1, 12], // nsSslServerName
    &[0x60, 0x86, 0x48, 1, 0x86, 0xF8, 0x42, 1, 13], // nsComment
    &[0x2B, 0x65, 1, 4, 1],                         // SXNetID
    &[0x2B, 0x24, 8, 3, 3],                         // x509ExtAdmission
    &[0x55, 0x1D, 24],                              // invalidityDate
    &[0x2B, 6, 1, 5, 5, 7, 1, 3],                   // qcStatements
    &[0x2A, 3, 4],                                  // unknown
];
/// Number of extensions at the end of the list that have a name but no printer, or neither.
const WITHOUT_WORDS: usize = 3;

fuzz_target!(init: make_tables(), |data: &[u8]| {
    let Some((choice, value)) = data.split_first() else { return };
    let place = usize::from(*choice) % EXTENSIONS.len();
    let certificate = certificate(EXTENSIONS[place], value);
    let out = meter::limited(max_memory(certificate.len(), 1), || {
        let mut out = Vec::new();
        Certificate::parse(&certificate).write_leaf(Leaf { kind: LeafKind::Precert, tbs_sha256: None, with_der: false }, &mut out);
        out
    });
    check_json(&out, max_text(certificate.len(), 1));
    let has_words = place < EXTENSIONS.len() - WITHOUT_WORDS;
    let is_there = !out.windows(15).any(|text| text == b"\"extensions\":{}");
    assert!(is_there || !has_words, "an extension with words was left out");
});

/// A certificate with this extension and the minimum of other content.
fn certificate(extension: &[u8], value: &[u8]) -> Vec<u8> {
    let algorithm = tlv(0x30, &[&tlv(0x06, &[&[0x2A, 3, 4]])]);
    let time = tlv(0x17, &[b"240101000000Z"]);
    let name = tlv(0x30, &[]);
    let bits = tlv(0x03, &[&[0]]);
    let extension = tlv(0x30, &[&tlv(0x06, &[extension]), &tlv(0x04, &[value])]);
    let tbs = tlv(
        0x30,
        &[
            &tlv(0xA0, &[&tlv(0x02, &[&[2 /* v3 */]])]),
            &tlv(0x02, &[&[1]]),
            &algorithm,
            &name,
            &tlv(0x30, &[&time, &time]),
            &name,
            &tlv(0x30, &[&algorithm, &bits]),
            &tlv(0xA3, &[&tlv(0x30, &[&extension])]),
        ],
    );
    tlv(0x30, &[&tbs, &algorithm, &bits])
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 5);
    match length {
        0..=0x7F => out.extend([tag, length as u8]),
        0x80..=0xFFFF => out.extend([tag, 0x82, (length >> 8) as u8, length as u8]),
        _ => out.extend([tag, 0x83, (length >> 16) as u8, (length >> 8) as u8, length as u8]),
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}
