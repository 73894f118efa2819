//! Any bytes as what a client says: a byte whose lowest bit offers compression and whose others say how the rest is cut.

#![no_main]

use certstream_server_fuzz::message::{ClientFrames, Violation};
use certstream_server_fuzz::meter;
use libfuzzer_sys::fuzz_target;

type Passed = (Vec<u8>, Result<(), Violation>);

fuzz_target!(|data: &[u8]| {
    let Some((how, bytes)) = data.split_first() else { return };
    let (deflate, cut) = (how & 1 != 0, usize::from(how >> 1) + 1);
    // Headers of two bytes and no mask become ones of six; the buffer doubles when it is full.
    meter::limited(16 * data.len() + 4096, || {
        let whole = passed(deflate, bytes, bytes.len().max(1));
        assert_eq!(passed(deflate, bytes, cut), whole, "it matters where the bytes are cut");
        assert!(whole.0.len() <= bytes.len(), "more is passed on than was said");
        // What is passed on are proper frames, and pass again as they are.
        assert_eq!(passed(deflate, &whole.0, cut), (whole.0.clone(), Ok(())));
    });
});

fn passed(deflate: bool, bytes: &[u8], cut: usize) -> Passed {
    let (mut frames, mut control) = (ClientFrames::new(deflate), Vec::new());
    let result = bytes.chunks(cut).try_for_each(|part| frames.push(part, &mut control).map(drop));
    (control, result)
}
