//! The engine: `nats-server` with JetStream, one node or a cluster of them.

use crate::ports::free_port;
use crate::process::Process;
use crate::{ENGINE_VARIABLE, api, wait_until};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The name of the stream.
pub const STREAM: &str = "certstream";

/// How the engine is set up.
#[derive(Clone, Default)]
pub struct EngineOptions {
    /// Number of nodes. 0 means one, too.
    pub nodes: usize,
    /// How many bytes of streams a node may keep on disk. If not set, most of the disk.
    pub max_file_store: Option<u64>,
    /// Where a single node keeps its streams. If not set, in a folder of its own.
    pub store: Option<PathBuf>,
    /// Whether it soon cuts off clients that do not read.
    pub is_impatient: bool,
    /// Who may connect: a user and a password. If not set, anyone.
    pub user: Option<(&'static str, &'static str)>,
    /// The folder of an authority (`ca.pem`) and of a certificate for 127.0.0.1 that it has issued (`cert.pem`, `key.pem`).
    /// Clients have to present one of that authority, too.
    pub tls: Option<PathBuf>,
}

pub struct Engine {
    pub nodes: Vec<EngineNode>,
    options: EngineOptions,
    _dir: TempDir,
}

pub struct EngineNode {
    pub process: Process,
    pub ports: Ports,
    store: PathBuf,
}

/// The ports of a node.
#[derive(Clone, Copy)]
pub struct Ports {
    pub clients: u16,
    monitoring: u16,
    routes: u16,
}

impl Engine {
    /// Starts all nodes and waits until they are healthy. `None` if there is no `nats-server`, after saying so.
    pub async fn start(options: EngineOptions) -> Option<Engine> {
        let program = program()?;
        let dir = tempfile::tempdir().expect("a folder");
        let ports: Vec<Ports> = (0..options.nodes.max(1)).map(|_| Ports::choose()).collect();
        let create = |(i, own): (usize, &Ports)| {
            let name = format!("engine-{i}");
            let folder = dir.path().join(&name);
            std::fs::create_dir(&folder).expect("a folder");
            let store = options.store.clone().unwrap_or_else(|| folder.join("store"));
            let file = folder.join("nats.conf");
            std::fs::write(&file, configuration(&name, own, &ports, &store, &options)).expect("a file");
            let arguments = vec!["-c".into(), file.display().to_string()];
            let process = Process::new(name, program.clone(), arguments, folder.join("log"));
            EngineNode { process, ports: *own, store }
        };
        let nodes = ports.iter().enumerate().map(create).collect();
        let mut engine = Engine { nodes, options, _dir: dir };
        for node in &mut engine.nodes {
            node.process.start();
        }
        engine.wait_until_healthy().await;
        Some(engine)
    }

    /// Waits until all nodes are healthy.
    pub async fn wait_until_healthy(&self) {
        for node in &self.nodes {
            node.wait_until_healthy().await;
        }
    }

    /// Kills the only node, calls `change` with the folder of its streams, and starts it again.
    pub async fn restart_with(&mut self, change: impl FnOnce(&Path)) {
        let [node] = &mut self.nodes[..] else { panic!("one node") };
        node.process.kill();
        change(&node.store);
        node.process.start();
        node.wait_until_healthy().await;
    }

    /// How many clients the only node has cut off because they did not read.
    pub async fn slow_clients(&self) -> u64 {
        // It may not answer at once.
        let state = self.nodes[0].monitoring("varz").await;
        state.map_or(0, |state| state["slow_consumers"].as_u64().expect("a number"))
    }

    /// The URLs for the nodes of the cluster, with the user if there is one.
    pub fn urls(&self) -> Vec<String> {
        let user = self.options.user.map_or(String::new(), |(user, password)| format!("{user}:{password}@"));
        self.urls_for(&user)
    }

    /// The URLs with another `user`: empty, or `NAME:PASSWORD@`.
    pub fn urls_for(&self, user: &str) -> Vec<String> {
        let scheme = if self.options.tls.is_some() { "tls" } else { "nats" };
        self.nodes.iter().map(|node| format!("{scheme}://{user}127.0.0.1:{}", node.ports.clients)).collect()
    }

    /// The node that leads the stream, if a node says so.
    pub async fn leader(&self) -> Option<usize> {
        self.leader_of(STREAM).await
    }

    async fn leader_of(&self, name: &str) -> Option<usize> {
        for node in &self.nodes {
            let Some(state) = node.monitoring("jsz?accounts=true&streams=true").await else { continue };
            let streams = state["account_details"].as_array().into_iter().flatten();
            let mut streams = streams.flat_map(|account| account["stream_detail"].as_array()).flatten();
            let stream = streams.find(|stream| stream["name"] == name);
            if let Some(leader) = stream.and_then(|stream| stream["cluster"]["leader"].as_str()) {
                return self.nodes.iter().position(|node| node.process.name == leader);
            }
        }
        None
    }

    /// The leader, once there is one.
    pub async fn wait_for_leader(&self) -> usize {
        self.wait_for_leader_of(STREAM).await
    }

    /// The same for the stream `name`.
    pub async fn wait_for_leader_of(&self, name: &str) -> usize {
        let mut leader = None;
        wait_until("the stream has a leader", async || {
            leader = self.leader_of(name).await;
            leader.is_some()
        })
        .await;
        leader.expect("a leader")
    }

    /// The response of the JetStream API.
    pub async fn request(&self, subject: &str, body: Value) -> Value {
        let response = api::request(self.nodes[0].ports.clients, self.options.user, subject, &body).await;
        response.unwrap_or_else(|error| panic!("{subject}: {error}"))
    }

    /// The same for a request that must succeed.
    pub async fn command(&self, subject: &str, body: Value) -> Value {
        let response = self.request(subject, body).await;
        assert!(response.get("error").is_none(), "{subject}: {response}");
        response
    }

    /// The state of the stream: `first_seq`, `last_seq`, `messages`.
    pub async fn stream_state(&self) -> Value {
        self.command(&format!("STREAM.INFO.{STREAM}"), json!({})).await["state"].clone()
    }
}

impl EngineNode {
    async fn wait_until_healthy(&self) {
        let what = format!("{} is healthy", self.process.name);
        wait_until(&what, async || self.monitoring("healthz").await.is_some()).await;
    }

    /// The response to a monitoring request, if it is answered with 200 in time.
    async fn monitoring(&self, path: &str) -> Option<Value> {
        let client = awc::Client::builder().timeout(Duration::from_secs(1)).finish();
        let url = format!("http://127.0.0.1:{}/{path}", self.ports.monitoring);
        let mut response = client.get(url).send().await.ok().filter(|response| response.status() == 200)?;
        serde_json::from_slice(&response.body().limit(10 << 20).await.ok()?).ok()
    }
}

impl Ports {
    fn choose() -> Self {
        Ports { clients: free_port(), monitoring: free_port(), routes: free_port() }
    }
}

fn program() -> Option<PathBuf> {
    let named = std::env::var_os(ENGINE_VARIABLE).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut in_path = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    let found = named.or_else(|| in_path.find(|file| file.is_file()));
    if found.is_none() {
        eprintln!("SKIPPED: no nats-server");
    }
    found
}

fn configuration(name: &str, own: &Ports, all: &[Ports], store: &Path, options: &EngineOptions) -> String {
    let Ports { clients, monitoring, routes } = own;
    let limits = match options.is_impatient {
        false => "max_payload: 8MB",
        true => "max_payload: 256KB\nmax_pending: 256KB",
    };
    let mut text = format!(
        "listen: '127.0.0.1:{clients}'\nhttp: '127.0.0.1:{monitoring}'\nserver_name: {name}\n{limits}\n\
         jetstream {{ store_dir: '{}', sync_interval: always",
        store.display()
    );
    if let Some(bytes) = options.max_file_store {
        let _ = write!(text, ", max_file_store: {bytes}");
    }
    text += " }\n";
    if all.len() > 1 {
        let urls: Vec<_> = all.iter().map(|node| format!("'nats://127.0.0.1:{}'", node.routes)).collect();
        let urls = urls.join(", ");
        let _ = writeln!(text, "cluster {{ name: ct, listen: '127.0.0.1:{routes}', routes: [{urls}] }}");
    }
    if let Some((user, password)) = options.user {
        let _ = writeln!(text, "authorization {{ user: {user}, password: {password} }}");
    }
    if let Some(folder) = &options.tls {
        let path = |name: &str| folder.join(name).display().to_string();
        let [certificate, key, authority] = [path("cert.pem"), path("key.pem"), path("ca.pem")];
        let _ = writeln!(
            text,
            "tls {{ cert_file: '{certificate}', key_file: '{key}', ca_file: '{authority}', verify: true }}"
        );
    }
    text
}
