//! Any bytes as the DER of a certificate: as a leaf of both kinds, as an issuer, and for its names alone.

#![no_main]

use certstream_server_fuzz::certificate::{LeafKind, write_all_domains, write_chain_certificate, write_leaf};
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
    let domains = word(&|out| write_all_domains(der, out));
    check_json(&domains, max_len);
    for kind in [LeafKind::X509, LeafKind::Precert] {
        let lite = word(&|out| {
            write_leaf(der, kind, out, false);
        });
        let (mut full, marks) = meter::limited(max_memory(der.len(), 1), || {
            let mut out = Vec::new();
            let marks = write_leaf(der, kind, &mut out, true);
            (out, marks)
        });
        check_json(&full, max_len);
        assert_eq!(full[marks.all_domains], domains, "all_domains, with and without the leaf");
        full.drain(marks.as_der);
        assert_eq!(full, lite, "the lite form, cut and made");
    }
    check_json(&word(&|out| write_chain_certificate(der, out)), max_len);
});
