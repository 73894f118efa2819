//! Parses any bytes as frames from a client. The lowest bit of the first byte offers compression; its other
//! bits determine how the rest is split.

#![no_main]

use certstream_server_fuzz::message::{ClientEnd, ClientFrames, Heard};
use certstream_server_fuzz::meter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((how, bytes)) = data.split_first() else { return };
    let (deflate, cut) = (how & 1 != 0, usize::from(how >> 1) + 1);
    // Only the reason of a close frame is allocated.
    meter::limited(4096, || {
        let whole = heard(deflate, bytes, bytes.len().max(1));
        assert_eq!(heard(deflate, bytes, cut), whole, "it matters where the bytes are cut");
        let reason = match &whole.end {
            Some(ClientEnd::Close(Some(reason))) => 2 + reason.text.len(),
            _ => 0,
        };
        let control = whole.ping.as_ref().map_or(0, |ping| ping.len()) + reason;
        assert!(control <= bytes.len(), "more is heard than was said");
        assert!(whole.count.control <= whole.count.all && whole.count.all <= bytes.len() as u64 / 6);
    });
});

fn heard(deflate: bool, bytes: &[u8], cut: usize) -> Heard {
    let (mut frames, mut whole) = (ClientFrames::new(deflate), Heard::default());
    for part in bytes.chunks(cut) {
        let Heard { count, ping, end } = frames.push(part);
        whole.count.all += count.all;
        whole.count.control += count.control;
        whole.ping = ping.or(whole.ping);
        whole.end = end.or(whole.end);
    }
    whole
}
