//! Ports for programs that tests start, and start again.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A free port that no connection takes by chance while its program does not run: those of connections begin at 32768.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + (std::process::id() % 100) as u16 * 200;
    let mut ports = std::iter::repeat_with(|| first + TAKEN.fetch_add(1, Ordering::Relaxed));
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(is_free).expect("a free port")
}
