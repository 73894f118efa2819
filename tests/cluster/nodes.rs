//! Ingest nodes and edges of the server, each with a folder of its own.

use crate::ports::free_port;
use crate::process::Process;
use crate::received::Message;
use crate::{ENGINE_VARIABLE, wait_until};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_certstream-server");

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// No cluster: a server by itself.
    All,
    Ingest,
    Edge,
}

pub struct Node {
    pub process: Process,
    pub port: u16,
    dir: TempDir,
}

impl Node {
    /// A node that does not run yet. `sections` are the sections of its configuration that follow `[cluster]`, preceded by
    /// further keys of `[cluster]` itself.
    pub fn new(role: Role, i: usize, urls: &[String], sections: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (port, state) = (free_port(), dir.path().join("state"));
        // The role is given in each of the two ways.
        let (name, role, command) = match role {
            Role::All => (format!("server-{i}"), "role = 'all'\n", None),
            Role::Ingest => (format!("ingest-{i}"), "", Some("ingest".to_string())),
            Role::Edge => (format!("edge-{i}"), "role = 'edge'\n", None),
        };
        let text = format!(
            "[server]\nlisten = '127.0.0.1:{port}'\nworkers = 1\n[state]\ndir = {state:?}\n\
             [log_list]\nenabled = false\n[heartbeat]\ninterval = '1s'\n\
             [access]\nnew_connections_per_address = 0\n\
             [cluster]\nurl = {urls:?}\nnode = '{name}'\nmax_bytes = '256 MiB'\n{role}{sections}"
        );
        let file = dir.path().join("certstream.toml");
        std::fs::write(&file, text).expect("a file");
        let mut arguments: Vec<String> = command.into_iter().collect();
        arguments.extend(["--config".into(), file.display().to_string()]);
        let process = Process::new(name, PathBuf::from(PROGRAM), arguments, dir.path().join("log"));
        Node { process, port, dir }
    }

    /// Starts it and waits until it answers.
    pub async fn start(&mut self) {
        self.process.start();
        self.wait_until_listening().await;
    }

    async fn wait_until_listening(&mut self) {
        wait_until(&format!("{} listens", self.process.name), async || {
            assert!(self.process.ended().is_none(), "{} has ended", self.process.name);
            self.get("/health").await.is_some_and(|(status, _)| status == 200)
        })
        .await;
    }

    /// The folder of its state.
    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The status and the body of the response, if there is one in time.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let client = awc::Client::builder().timeout(Duration::from_secs(5)).finish();
        let mut response = client.get(self.url(path)).send().await.ok()?;
        let body = response.body().limit(50 << 20).await.ok()?;
        Some((response.status().as_u16(), String::from_utf8(body.to_vec()).expect("text")))
    }

    /// The messages of what is kept, once there are at least `count` entries: `query` follows `stream=lite&follow=0`.
    pub async fn search_for(&self, count: usize, query: &str) -> Vec<String> {
        let path = format!("/ndjson?stream=lite&notices=1&follow=0{query}");
        let mut messages: Vec<String> = Vec::new();
        wait_until(&format!("{} has {count} entries for {query}", self.process.name), async || {
            let (status, body) = self.get(&path).await.expect("a response");
            // 503 means that it has to be asked again.
            assert!([200, 503].contains(&status), "{path}: {status}: {body}");
            messages = body.lines().map(str::to_string).collect();
            messages.iter().filter(|message| is_entry(message)).count() >= count
        })
        .await;
        messages
    }

    /// Runs a command of the program with this node's configuration, until it has ended.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).arg("--config").arg(self.dir.path().join("certstream.toml"));
        command.env_remove(ENGINE_VARIABLE);
        command.output().expect("the program runs")
    }
}

/// Whether a message is about an entry.
pub fn is_entry(message: &str) -> bool {
    matches!(Message::parse(message), Some(Message::Entry { .. }))
}
