//! The connection between a node and the engine, in the hands of a test.

use crate::ports::free_port;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::sleep;

/// Bytes of the engine's answers that the system keeps before they are read.
const RECEIVE_BUFFER: u32 = 16 << 10;

/// Passes connections on to the engine, and its answers back unless they are to be lost or to wait.
pub struct Wire {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    engine: AtomicU16,
    loses_answers: AtomicBool,
    is_blocked: AtomicBool,
}

impl Wire {
    pub async fn listen() -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        let shared = Arc::new(Shared::default());
        let passing = shared.clone();
        actix_web::rt::spawn(async move {
            while let Ok((node, _)) = listener.accept().await {
                let Some(engine) = passing.connect().await else { continue };
                actix_web::rt::spawn(pass_on(node, engine, passing.clone()));
            }
        });
        Wire { port, shared }
    }

    /// Where nodes find the engine.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port of the engine.
    pub fn lead_to(&self, engine: u16) {
        self.shared.engine.store(engine, Ordering::Relaxed);
    }

    /// Whether answers of the engine are read and thrown away.
    pub fn lose_answers(&self, are_lost: bool) {
        self.shared.loses_answers.store(are_lost, Ordering::Relaxed);
    }

    /// Whether answers of the engine are not read.
    pub fn block(&self, is_blocked: bool) {
        self.shared.is_blocked.store(is_blocked, Ordering::Relaxed);
    }
}

impl Shared {
    async fn connect(&self) -> Option<TcpStream> {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(RECEIVE_BUFFER).expect("a buffer");
        let engine = SocketAddr::from((Ipv4Addr::LOCALHOST, self.engine.load(Ordering::Relaxed)));
        socket.connect(engine).await.ok()
    }
}

/// Passes bytes on in both directions, until one side closes.
async fn pass_on(mut node: TcpStream, mut engine: TcpStream, shared: Arc<Shared>) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let is_blocked = shared.is_blocked.load(Ordering::Relaxed);
        let passed = tokio::select! {
            read = node.read(&mut asked) => match read {
                Ok(length @ 1..) => engine.write_all(&asked[..length]).await,
                _ => return,
            },
            read = engine.read(&mut answered), if !is_blocked => match read {
                Ok(1..) if shared.loses_answers.load(Ordering::Relaxed) => Ok(()),
                Ok(length @ 1..) => node.write_all(&answered[..length]).await,
                _ => return,
            },
            () = sleep(Duration::from_millis(50)), if is_blocked => Ok(()),
        };
        if passed.is_err() {
            return;
        }
    }
}
