//! Parses any bytes as frames from a client. The lowest bit of the first byte offers compression; its other
//! bits determine how the rest is split.

#![no_main]

use certstream_server_fuzz::message::{ClientFrames, Violation};
use certstream_server_fuzz::meter;
use libfuzzer_sys::fuzz_target;

type Passed = (Vec<u8>, Result<(), Violation>);

fuzz_target!(|data: &[u8]| {
    let Some((how, bytes)) = data.split_first() else { return };
    let (deflate, cut) = (how & 1 != 0, usize::from(how >> 1) + 1);
    // An empty unmasked frame takes two bytes, its masked copy six. The buffer doubles when it is full.
    meter::limited(16 * data.len() + 4096, || {
        let whole = passed(deflate, bytes, bytes.len().max(1));
        assert_eq!(passed(deflate, bytes, cut), whole, "it matters where the bytes are cut");
        assert!(whole.0.len() <= bytes.len(), "more is passed on than was said");
        // The returned control frames are valid, and parsing them again returns the same frames.
        assert_eq!(passed(deflate, &whole.0, cut), (whole.0.clone(), Ok(())));
    });
});

fn passed(deflate: bool, bytes: &[u8], cut: usize) -> Passed {
    let (mut frames, mut control) = (ClientFrames::new(deflate), Vec::new());
    let result = bytes.chunks(cut).try_for_each(|part| frames.push(part, &mut control).map(drop));
    (control, result)
}
