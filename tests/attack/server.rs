//! The server that is attacked.

use crate::{ATTACKER, OTHERS, PATIENCE};
use openssl::ssl::{Ssl, SslContext, SslMethod};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_openssl::SslStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// A byte stream, with or without TLS.
pub trait Stream: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin> Stream for T {}

/// The program as a separate process.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// Whether clients connect with TLS.
    pub has_tls: bool,
    /// The TLS settings of clients, which verify nothing. Made once: a client that reads the system's
    /// certificates for each connection costs more than the server that it measures.
    client_tls: SslContext,
    log: PathBuf,
}

impl Server {
    /// Starts the program with `rules` as its configuration, and with a limit on open files if one is given.
    pub async fn start(
        dir: &Path,
        rules: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
        open_files: Option<u32>,
    ) -> Self {
        let (file, log) = (dir.join("certstream.toml"), dir.join("log"));
        std::fs::write(&file, format!("[server]\nlisten = '127.0.0.1:0'\n{rules}")).expect("a file");
        let program = env!("CARGO_BIN_EXE_certstream-server");
        let limit = open_files.map_or(String::new(), |limit| format!("ulimit -n {limit} && "));
        // `exec` replaces the shell's process with the program's.
        let child = Command::new("sh")
            .args(["-c", &format!("{limit}exec \"$0\" \"$@\""), program])
            .args(arguments)
            .arg("--config")
            .arg(&file)
            .env("CERTSTREAM_STATE_DIR", dir.join("state"))
            .envs(variables.iter().copied())
            .stderr(std::fs::File::create(&log).expect("a file"))
            .spawn()
            .expect("the program starts");
        let client_tls = SslContext::builder(SslMethod::tls_client()).expect("a context").build();
        let has_tls = rules.contains("[tls]");
        let mut server = Server { child, address: (OTHERS, 0).into(), has_tls, client_tls, log };
        let begin = Instant::now();
        loop {
            // Does not try to connect: a connection to a local port without a listener can be connected to
            // itself.
            if let Some(address) =
                server.log().split("listening on ").nth(1).and_then(|rest| rest.split_once(';'))
            {
                server.address = address.0.parse().expect("an address");
                return server;
            }
            assert!(begin.elapsed() < PATIENCE, "it never listened: {}", server.log());
            sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn connect(&self, from: Ipv4Addr) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        socket.connect(self.address).await
    }

    /// Sends `request` from the attacker's address, and reads the response until the server closes the
    /// connection.
    pub async fn attack(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect(ATTACKER).await.expect("a connection");
        // Writing may fail, because the server may refuse the connection.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(
            ended.is_ok(),
            "no end after {:?}",
            String::from_utf8_lossy(&request[..request.len().min(300)])
        );
        answer
    }

    /// Opens a connection for HTTP, with TLS if the server uses it.
    pub async fn open(&self, socket: TcpSocket, from: Ipv4Addr) -> std::io::Result<Box<dyn Stream>> {
        socket.bind((from, 0).into())?;
        let tcp = socket.connect(self.address).await?;
        if !self.has_tls {
            return Ok(Box::new(tcp));
        }
        let mut stream = SslStream::new(Ssl::new(&self.client_tls)?, tcp)?;
        Pin::new(&mut stream).connect().await.map_err(std::io::Error::other)?;
        Ok(Box::new(stream))
    }

    pub async fn subscribe(
        &self,
        from: Ipv4Addr,
        path: &str,
    ) -> Result<WebSocketStream<Box<dyn Stream>>, String> {
        let socket = TcpSocket::new_v4().expect("a socket");
        let stream = self.open(socket, from).await.expect("a connection");
        let request = format!("ws://localhost{path}").into_client_request().expect("a request");
        let connected = tokio_tungstenite::client_async(request, stream).await;
        connected.map(|(socket, _)| socket).map_err(|error| error.to_string())
    }

    pub async fn stats(&self, from: Ipv4Addr, header: &str) -> Value {
        let mut stream = self.connect(from).await.expect("a connection");
        let request = format!("GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// The server's memory in bytes.
    #[cfg(target_os = "linux")]
    pub fn memory(&self) -> usize {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let kib = status.split("VmRSS:").nth(1).and_then(|rest| rest.split_whitespace().next());
        kib.expect("its memory").parse::<usize>().expect("a number") << 10
    }

    #[cfg(target_os = "linux")]
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("the descriptors").count()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the log file")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
