//! Kernel memory used by connections.

use actix_web::rt::net::TcpStream;

/// The server may use 1/SHARE of the TCP memory that the system allows before it comes under pressure.
#[cfg(target_os = "linux")]
const SHARE: usize = 2;

/// Kernel memory of one connection, in bytes, including bookkeeping.
#[derive(Debug, Default)]
struct KernelMemory {
    /// Received data that is not read yet.
    received: usize,
    /// Data that is unsent or unacknowledged.
    unsent: usize,
}

/// Bytes of kernel memory for `stream`: unsent, unacknowledged and unread data, including bookkeeping.
pub(crate) fn of(stream: &TcpStream) -> usize {
    let KernelMemory { received, unsent } = held(stream);
    received + unsent
}

/// Bytes of kernel memory for data that is unsent or unacknowledged.
pub(crate) fn unsent(stream: &TcpStream) -> usize {
    held(stream).unsent
}

#[cfg(target_os = "linux")]
fn held(stream: &TcpStream) -> KernelMemory {
    use std::os::fd::AsRawFd;

    /// Number of values to read. `SK_MEMINFO_RMEM_ALLOC` has index 0 and `SK_MEMINFO_WMEM_QUEUED` index 5
    /// (linux/sock_diag.h).
    const VALUES: usize = 9;
    let mut values = [0u32; VALUES];
    let mut length = size_of_val(&values) as libc::socklen_t;
    // SAFETY: the descriptor is open while `stream` is borrowed, and the kernel writes at most `length` bytes.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            values.as_mut_ptr().cast(),
            &mut length,
        )
    };
    // A socket that was just closed holds nothing.
    if result != 0 {
        return KernelMemory::default();
    }
    KernelMemory { received: values[0] as usize, unsent: values[5] as usize }
}

/// Other platforms: an estimate of the maximum, which is a stream's send buffer.
#[cfg(not(target_os = "linux"))]
fn held(_: &TcpStream) -> KernelMemory {
    KernelMemory { received: 0, unsent: 1024 * 1024 }
}

/// Bytes that the connections may use together before the system's TCP memory comes under pressure. Under pressure the
/// kernel drops received data, of all programs.
#[cfg(target_os = "linux")]
pub(crate) fn room() -> usize {
    // Three numbers of pages: low, pressure, high (tcp(7)).
    let pages = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_mem").ok();
    let pressure = pages.and_then(|pages| pages.split_whitespace().nth(1)?.parse::<usize>().ok());
    pressure.map_or(usize::MAX, |pages| pages.saturating_mul(rustix::param::page_size()) / SHARE)
}

/// This platform has no such limit.
#[cfg(not(target_os = "linux"))]
pub(crate) fn room() -> usize {
    usize::MAX
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[actix_web::test]
    async fn what_is_not_taken_is_counted_until_it_is() {
        const SENT: usize = 100_000;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let client = TcpStream::connect(listener.local_addr().expect("an address"));
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (mut client, server) = (client.expect("a client"), accepted.expect("its connection").0);
        let (before, before_client) = (of(&server), of(&client));
        let sent = server.try_write(&vec![0; SENT]).expect("room");
        // Over loopback, the receiving socket holds the unread data.
        assert!(of(&server) + of(&client) >= before + before_client + sent, "{sent} bytes are somewhere");
        let mut received = vec![0; sent];
        client.read_exact(&mut received).await.expect("what was sent");
        assert_eq!((of(&server), of(&client)), (before, before_client));
    }
}
