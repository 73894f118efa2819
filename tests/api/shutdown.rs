//! Tests of stopping: queued messages are sent, clients are notified, and the process ends in time.

use crate::helpers::{from_the_start, quiet_log, spawn_app};
use crate::ports::free_port;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

#[actix_web::test]
async fn clients_get_what_is_queued_for_them_and_then_1001() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let mut client = app.connect("/full-stream").await;
    app.wait_for_clients(1).await;
    log.publish(100);
    app.wait_for(|s| s["logs"][log.url()]["position"] == 100).await;
    let (stopped, (messages, close)) = tokio::join!(app.stop(), client.until_closed());
    drop(stopped);
    let indexes: Vec<_> = messages.iter().filter_map(|m| m["data"]["cert_index"].as_u64()).collect();
    assert_eq!(indexes, (0..100).collect::<Vec<_>>());
    assert_eq!(close.expect("a close frame").code, CloseCode::Away);
}

/// The program with the command `demo`. It is killed when the test ends.
struct Program {
    child: Child,
    port: u16,
}

impl Program {
    fn demo(rate: &str) -> Program {
        let port = free_port();
        let child = Command::new(env!("CARGO_BIN_EXE_certstream-server"))
            .args(["demo", "--rate", rate])
            .env("CERTSTREAM_SERVER_LISTEN", format!("127.0.0.1:{port}"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut program = Program { child, port };
        let log = program.child.stderr.take().expect("its log");
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        assert!(lines.any(|l| l.contains("listening on")), "it never listened");
        std::thread::spawn(move || lines.count());
        program
    }

    fn connect(&self) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        let head = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        write!(stream, "GET / HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n").expect("a request");
        stream
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_program_ends_with_0_within_10_s_also_with_stalled_clients() {
    for signal in ["-TERM", "-INT"] {
        let mut program = Program::demo("2000");
        let stalled: Vec<_> = (0..3).map(|_| program.connect()).collect();
        std::thread::sleep(Duration::from_secs(2));
        let begin = Instant::now();
        program.signal(signal);
        let status = loop {
            if let Some(status) = program.child.try_wait().expect("its status") {
                break status;
            }
            assert!(begin.elapsed() < Duration::from_secs(10), "{signal}: still running");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status.code(), Some(0), "{signal}");
        drop(stalled);
    }
}
