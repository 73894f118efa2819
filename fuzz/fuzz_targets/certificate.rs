//! Parses any bytes as the DER of a certificate: as a leaf of both kinds, as an issuer, and for its names
//! only.

#![no_main]

use certstream_server_fuzz::certificate::{Certificate, Leaf, LeafKind, visit_domains};
use certstream_server_fuzz::{check_json, make_tables, max_memory, max_text, meter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: make_tables(), |der: &[u8]| {
    let max_len = max_text(der.len(), 1);
    let word = |write: &dyn Fn(&mut Vec<u8>)| {
        meter::limited(max_memory(der.len(), 1), || {
            let mut out = Vec::new();
            write(&mut out);
            out
        })
    };
    let domains = word(&|out| Certificate::parse(der).write_all_domains(out));
    check_json(&domains, max_len);
    let mut names = Vec::new();
    meter::limited(max_memory(der.len(), 1), || {
        visit_domains(der, |name| {
            names.push(name.to_string());
            true
        });
    });
    assert!(Certificate::parse(der).domains().eq(names), "the names, found alone and parsed");
    for kind in [LeafKind::X509, LeafKind::Precert] {
        let lite = word(&|out| {
            Certificate::parse(der).write_leaf(Leaf { kind, tbs_sha256: None, with_der: false }, out);
        });
        let (mut full, marks) = meter::limited(max_memory(der.len(), 1), || {
            let mut out = Vec::new();
            let marks = Certificate::parse(der).write_leaf(Leaf { kind, tbs_sha256: None, with_der: true }, &mut out);
            (out, marks)
        });
        check_json(&full, max_len);
        assert_eq!(full[marks.all_domains], domains, "all_domains, with and without the leaf");
        full.drain(marks.as_der);
        assert_eq!(full, lite, "the lite form, cut and made");
    }
    check_json(&word(&|out| Certificate::parse(der).write_issuer(out)), max_len);
});
