//! A program that a test starts, kills, stops and starts again.

use crate::{ENGINE_VARIABLE, PATIENCE, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};

/// Number of lines of its log that are printed when a test fails.
const PRINTED_LINES: usize = 25;

/// A program, running or not. Killed when dropped; then its last words are printed if the test has failed.
pub struct Process {
    pub name: String,
    program: PathBuf,
    arguments: Vec<String>,
    /// Receives the program's standard error, of each run behind that of the last one.
    log_file: PathBuf,
    /// How many bytes it had logged before it was started last.
    logged_before: usize,
    child: Option<Child>,
}

impl Process {
    pub fn new(name: String, program: PathBuf, arguments: Vec<String>, log_file: PathBuf) -> Self {
        Process { name, program, arguments, log_file, logged_before: 0, child: None }
    }

    pub fn start(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        self.logged_before = self.log().len();
        let log_file = File::options().create(true).append(true).open(&self.log_file).expect("a file");
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env("RUST_LOG", "info").env_remove(ENGINE_VARIABLE).stderr(log_file);
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.program)));
    }

    /// Kills it with SIGKILL, and waits until it has ended.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it can be killed");
        child.wait().expect("a status");
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Stops its threads, without a word to anyone who is connected to it.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().expect("it runs").id();
        let id = Pid::from_raw(i32::try_from(id).expect("an id")).expect("an id");
        kill_process(id, signal).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().expect("a status")?;
        self.child = None;
        Some(status)
    }

    /// Waits until it has ended by itself or because it was asked to.
    pub async fn wait_for_end(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until(&format!("{} ends", self.name), async || {
            status = self.ended();
            status.is_some()
        })
        .await;
        status.unwrap_or_else(|| panic!("{} still runs after {PATIENCE:?}", self.name))
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log_file).unwrap_or_default()).into_owned()
    }

    /// Whether it has logged `text` since it was started last.
    pub fn has_logged(&self, text: &str) -> bool {
        self.log().get(self.logged_before..).is_some_and(|log| log.contains(text))
    }

    /// Waits until it has logged one of `texts`, in any case.
    pub async fn wait_for_log(&self, texts: &[&str]) {
        let what = format!("{} logs one of {texts:?}", self.name);
        wait_until(&what, async || {
            let log = self.log().to_lowercase();
            texts.iter().any(|text| log.contains(text))
        })
        .await;
    }

    fn print_end_of_log(&self) {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        eprintln!("--- {} ({}):", self.name, if self.child.is_some() { "runs" } else { "does not run" });
        for line in &lines[lines.len().saturating_sub(PRINTED_LINES)..] {
            eprintln!("    {line}");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.ended();
            self.print_end_of_log();
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
