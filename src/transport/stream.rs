//! A client's connection: TCP, with or without TLS, and the resources that it holds.

use super::connections::{Record, Registration};
use super::tcp::Tcp;
use crate::access::ConnectionPermit;
use crate::actors::reader::Chunk;
use crate::actors::socket::Socket;
use crate::message::Wire;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_openssl::SslStream;

/// A client's connection. Its resources are released when it is dropped.
pub(crate) struct Transport {
    io: Io,
    /// The client has received everything.
    is_delivered: bool,
    _claim: Claim,
}

/// The resources that a connection holds from the moment it is accepted.
pub(crate) struct Claim {
    pub(crate) _slots: Vec<ConnectionPermit>,
    pub(crate) _registration: Registration,
}

pub(crate) enum Io {
    Clear(Tcp),
    Tls(Box<SslStream<Tcp>>),
}

impl Transport {
    pub(crate) fn new(io: Io, claim: Claim) -> Self {
        Transport { io, is_delivered: false, _claim: claim }
    }

    fn tcp(&self) -> &Tcp {
        match &self.io {
            Io::Clear(tcp) => tcp,
            Io::Tls(tls) => tls.get_ref(),
        }
    }

    /// The state of the connection.
    pub(crate) fn record(&self) -> &Arc<Record> {
        self.tcp().record()
    }
}

/// The kernel would go on sending what is unsent, for minutes, in memory that nobody counts. Under TLS a client can end
/// a connection at any time with a record that cannot be decrypted.
impl Drop for Transport {
    fn drop(&mut self) {
        if !self.is_delivered {
            self.tcp().forget_unsent();
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Clear(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Clear(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Clear(tcp) => Pin::new(tcp).poll_flush(cx),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Clear(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}

impl Socket for Transport {
    fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &Chunk) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Clear(tcp) => tcp.poll_send(cx, chunk),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, chunk.bytes()),
        }
    }

    fn bound_unsent(&self, wire: Wire) {
        self.tcp().bound_unsent(wire);
    }

    fn enlarge_send_buffer(&self) {
        self.tcp().enlarge_send_buffer();
    }

    fn hold_rest(&self, hold: bool) {
        self.tcp().hold_rest(hold);
    }

    fn forget_unsent(&self) {
        self.tcp().forget_unsent();
    }

    fn unsent(&self) -> usize {
        self.tcp().unsent()
    }

    fn set_delivered(&mut self) {
        self.is_delivered = true;
    }

    fn set_paused(&self, paused: bool) {
        self.tcp().set_paused(paused);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::transport::Connections;
    use std::net::IpAddr;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    async fn connected() -> (TcpStream, Transport) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let client = TcpStream::connect(listener.local_addr().expect("an address"));
        let (client, accepted) = tokio::join!(client, listener.accept());
        let stream = Arc::new(accepted.expect("a connection").0);
        let connections = Arc::new(Connections::default());
        let (registration, record) = connections.register(&stream, IpAddr::from([192, 0, 2, 1]));
        let claim = Claim { _slots: Vec::new(), _registration: registration };
        (client.expect("a client"), Transport::new(Io::Clear(Tcp::new(stream, record)), claim))
    }

    #[actix_web::test]
    async fn nothing_stays_in_the_kernel_of_a_connection_that_was_not_ended_properly() {
        for is_delivered in [false, true] {
            let (mut client, mut transport) = connected().await;
            let mut sent = 0;
            while let Ok(written) = timeout(Duration::from_millis(100), transport.write(&[7; 65_536])).await {
                sent += written.expect("a connection");
            }
            if is_delivered {
                transport.set_delivered();
            }
            drop(transport);
            let mut received = Vec::new();
            let ended = client.read_to_end(&mut received).await;
            assert_eq!((ended.is_ok(), received.len() == sent), (is_delivered, is_delivered), "{ended:?}");
        }
    }

    #[actix_web::test]
    async fn a_client_under_tls_is_read_more_slowly() {
        const SENT: usize = 1_000_000;
        for (is_tls, is_read) in [(false, true), (true, false)] {
            let (client, transport) = connected().await;
            let Io::Clear(tcp) = &transport.io else { panic!("no TLS") };
            let mut tcp = Tcp::new(tcp.stream().clone(), tcp.record().clone());
            if is_tls {
                tcp.begin_handshake();
                tcp.end_handshake();
            }
            let (_unread, mut writer) = client.into_split();
            actix_web::rt::spawn(async move { writer.write_all(&vec![0; SENT]).await });
            let all = async {
                let (mut part, mut received) = ([0; 4096], 0);
                while received < SENT {
                    received += tcp.read(&mut part).await.expect("a connection");
                }
            };
            let read = timeout(Duration::from_secs(2), all).await;
            assert_eq!(read.is_ok(), is_read, "TLS: {is_tls}");
        }
    }
}
