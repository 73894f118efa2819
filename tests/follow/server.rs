//! A server of ours, which can be ended and started again, and the log that it watches.

use crate::client::{PATIENCE, until};
use crate::ports::free_port;
use certstream_server::demo::{DemoLog, DemoLogOptions, DemoProtocol};
use rustix::process::{Pid, Signal, kill_process};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub struct Server {
    pub logs: Vec<DemoLog>,
    pub dir: tempfile::TempDir,
    pub port: u16,
    child: Option<Child>,
}

impl Server {
    /// Starts a server that watches one log.
    pub async fn start() -> Self {
        Self::with("", &[DemoProtocol::Rfc6962]).await
    }

    /// Starts a server with a part of a configuration, and one log for each of `protocols`.
    pub async fn with(toml: &str, protocols: &[DemoProtocol]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let mut text = format!(
            "[server]\nlisten = '127.0.0.1:{port}'\n[state]\ndir = {:?}\n[log_list]\nenabled = false\n\
             [fetch]\noperator_requests_per_second = 10000\npartial_tile_wait = '1s'\n{toml}\n",
            dir.path().join("state")
        );
        let mut logs = Vec::new();
        for (i, protocol) in protocols.iter().enumerate() {
            let options = DemoLogOptions {
                protocol: *protocol,
                rate: 0.0,
                initial: 0,
                head_interval: Duration::from_millis(100),
                retain: 1_000_000,
                ..DemoLogOptions::default()
            };
            let log = DemoLog::start(options).await.expect("the log starts");
            let kind = if *protocol == DemoProtocol::StaticCt { "static-ct" } else { "rfc6962" };
            let key = base64_simd::STANDARD.encode_to_string(log.public_key());
            text.push_str(&format!(
                "[[logs]]\nurl = '{}'\ndescription = 'Log {i}'\ntype = '{kind}'\nkey = '{key}'\norigin = '{}'\nstart = 0\n",
                log.url(),
                log.origin()
            ));
            logs.push(log);
        }
        std::fs::write(dir.path().join("certstream.toml"), text).expect("a file");
        let mut server = Server { logs, dir, port, child: None };
        server.run().await;
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("ws://127.0.0.1:{}{path}", self.port)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn log(&self) -> &DemoLog {
        &self.logs[0]
    }

    /// Starts it, and returns when it listens.
    pub async fn run(&mut self) {
        let log_file = std::fs::File::options().create(true).append(true).open(self.file("log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_certstream-server"));
        command
            .arg("--config")
            .arg(self.file("certstream.toml"))
            .env("RUST_LOG", "info")
            .env("NO_PROXY", "*");
        self.child = Some(command.stderr(log_file.expect("a file")).spawn().expect("a server"));
        let port = self.port;
        until("the server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    }

    /// Ends it by `signal`.
    pub async fn end(&mut self, signal: Signal) {
        let mut child = self.child.take().expect("it runs");
        kill_process(Pid::from_child(&child), signal).expect("it runs");
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().expect("a status").is_none() {
            assert!(Instant::now() < deadline, "the server ends");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// No test leaves it running.
impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
