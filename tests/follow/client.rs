//! The program under test.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Timeout for each step.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` holds. `what` is reported if it does not in time.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// The command `follow` with `args`.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certstream-server"));
    command.arg("follow").args(args).env("NO_PROXY", "*").env_remove("CERTSTREAM_TOKEN");
    command
}

/// A running `follow`, whose output is read by threads.
pub struct Client {
    child: Child,
    stdout: Arc<Mutex<Vec<String>>>,
    stderr: Arc<Mutex<String>>,
    readers: [JoinHandle<()>; 2],
}

impl Client {
    pub fn start(args: &[&str]) -> Self {
        Self::spawn(command(args))
    }

    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let (stdout, stderr) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<String>>::default());
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let kept = stdout.clone();
        let lines = std::thread::spawn(move || {
            lines.lines().map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line))
        });
        let (mut errors, kept) = (child.stderr.take().expect("a pipe"), stderr.clone());
        let errors = std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(read @ 1..) = errors.read(&mut part) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&part[..read]));
            }
        });
        Client { child, stdout, stderr, readers: [lines, errors] }
    }

    /// The lines printed so far.
    pub fn lines(&self) -> Vec<String> {
        self.stdout.lock().unwrap().clone()
    }

    /// What it has said on standard error so far.
    pub fn said(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    pub async fn until_lines(&self, count: usize) {
        until(&format!("{count} lines"), || self.lines().len() >= count).await;
    }

    pub async fn until_said(&self, text: &str) {
        until(&format!("{text:?} in {:?}", self.said()), || self.said().contains(text)).await;
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is running");
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_none()
    }

    /// Its exit status, once it has ended by itself.
    pub async fn status(&mut self) -> i32 {
        let mut status = None;
        until("it ends", || {
            status = self.child.try_wait().expect("a status");
            status.is_some()
        })
        .await;
        until("the rest of its output", || self.readers.iter().all(JoinHandle::is_finished)).await;
        status.and_then(|status| status.code()).unwrap_or(-1)
    }
}

/// No test leaves it running.
impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The `seq` in a cursor file.
pub fn cursor(file: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    serde_json::from_str::<serde_json::Value>(&text).expect("a cursor file is always complete")["seq"]
        .as_u64()
}

/// A number in a message.
pub fn number(line: &str, pointer: &str) -> u64 {
    let message: serde_json::Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    message
        .pointer(pointer)
        .and_then(serde_json::Value::as_u64)
        .unwrap_or_else(|| panic!("{pointer} in {line}"))
}
