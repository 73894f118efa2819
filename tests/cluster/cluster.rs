//! A whole cluster with its logs.

use crate::clients::Clients;
use crate::engine::{Engine, EngineOptions};
use crate::logs::{Logs, ONE_OF_EACH};
use crate::nodes::{Node, Role};
use crate::received::{Received, judge, judge_with_gaps, judge_with_repeats};
use crate::story::Story;
use crate::wait_until;
use certstream_server::demo::DemoProtocol;
use std::time::Duration;
use tokio::time::sleep;

/// How a cluster is set up.
pub struct Options {
    pub engine: EngineOptions,
    /// Keys of `[fetch]`, for each ingest node.
    pub ingesters: Vec<&'static str>,
    /// Where the first of them finds the engine, if not where the others do.
    pub first_ingester_url: Option<String>,
    pub edges: usize,
    /// The same for the edges.
    pub edge_url: Option<String>,
    pub logs: Vec<DemoProtocol>,
    /// Further keys of `[cluster]`, and then further sections.
    pub keys: String,
}

impl Default for Options {
    /// One of each, and two logs.
    fn default() -> Self {
        Options {
            engine: EngineOptions::default(),
            ingesters: vec![""],
            first_ingester_url: None,
            edges: 1,
            edge_url: None,
            logs: ONE_OF_EACH.into(),
            keys: String::new(),
        }
    }
}

impl Options {
    /// Three nodes of the engine that all have the stream.
    pub fn replicated() -> Self {
        Options {
            engine: EngineOptions { nodes: 3, ..EngineOptions::default() },
            keys: "replicas = 3\n".into(),
            ..Options::default()
        }
    }
}

/// Dropped in this order: what is printed when a test fails ends with the nodes.
pub struct Cluster {
    pub story: Story,
    pub engine: Engine,
    pub ingesters: Vec<Node>,
    pub edges: Vec<Node>,
    pub logs: Logs,
}

impl Cluster {
    /// Starts everything. `None` if there is no engine.
    pub async fn start(options: Options) -> Option<Cluster> {
        let mut cluster = Cluster::prepare(options).await?;
        cluster.start_nodes().await;
        Some(cluster)
    }

    /// Starts the nodes that were prepared.
    pub async fn start_nodes(&mut self) {
        for node in self.ingesters.iter_mut().chain(&mut self.edges) {
            node.start().await;
            self.story.tell(format!("{} listens on port {}", node.process.name, node.port));
        }
    }

    /// The same, but the nodes do not run yet.
    pub async fn prepare(options: Options) -> Option<Cluster> {
        let engine = Engine::start(options.engine).await?;
        let logs = Logs::start(&options.logs).await;
        let (urls, watched) = (engine.urls(), logs.configuration());
        let create = |(i, fetch): (usize, &&str)| {
            let sections = format!(
                "{}\n[fetch]\noperator_requests_per_second = 10000\npartial_tile_wait = '1s'\n{fetch}\n{watched}",
                options.keys
            );
            let other = options.first_ingester_url.clone().filter(|_| i == 0);
            let urls = other.map_or_else(|| urls.clone(), |url| vec![url]);
            Node::new(Role::Ingest, i, &urls, &sections)
        };
        let ingesters = options.ingesters.iter().enumerate().map(create).collect();
        let edge_urls = options.edge_url.map_or_else(|| urls.clone(), |url| vec![url]);
        let edges = (0..options.edges).map(|i| Node::new(Role::Edge, i, &edge_urls, &options.keys)).collect();
        Some(Cluster { story: Story::begin(), engine, ingesters, edges, logs })
    }

    pub fn clients(&self, count: usize, seed: u64) -> Clients {
        let ports: Vec<u16> = self.edges.iter().map(|edge| edge.port).collect();
        Clients::start(count, &ports, &self.story, seed)
    }

    /// Waits until each client has all entries that the logs have a second from now.
    pub async fn catch_up(&self, clients: &Clients) {
        sleep(Duration::from_secs(1)).await;
        let sizes = self.logs.sizes();
        let what = format!("each client has {sizes:?}");
        wait_until(&what, async || clients.received().all(|received| received.reaches(&sizes))).await;
    }

    /// Kills an ingest node, a node of the engine or an edge.
    pub fn kill(&mut self, what: Target) {
        let process = self.process(what);
        process.kill();
        let name = process.name.clone();
        self.story.tell(format!("{name}: killed"));
    }

    /// Ends the growth of the logs, and checks that each client receives everything, once and in order.
    pub async fn finish(self, clients: Clients) {
        let received = self.end(clients).await;
        judge(&received, &self.logs.sizes());
        self.stop(&received).await;
    }

    /// The same, but entries may be missing where a client was told of it.
    pub async fn finish_with_gaps(self, clients: Clients) {
        let received = self.end(clients).await;
        judge_with_gaps(&received, &self.logs.sizes());
        self.stop(&received).await;
    }

    /// The same, but entries may have come more than once, and none is missing. Returns what each client has received.
    pub async fn finish_with_repeats(self, clients: Clients) -> Vec<Received> {
        let received = self.end(clients).await;
        judge_with_repeats(&received, &self.logs.sizes());
        assert!(received.iter().all(|client| client.missing.is_empty()), "nothing is missing");
        self.stop(&received).await;
        received
    }

    async fn end(&self, clients: Clients) -> Vec<Received> {
        let sizes = self.logs.end_growth().await;
        self.story.tell(format!("the logs do not grow any more: {sizes:?}"));
        clients.finish(&sizes).await
    }

    async fn stop(&self, received: &[Received]) {
        let missing = received.iter().flat_map(|client| &client.missing).count();
        let entries: u64 = self.logs.sizes().values().sum();
        println!("{entries} entries, received in order by {} clients, {missing} gaps", received.len());
        self.logs.stop().await;
    }

    pub fn process(&mut self, target: Target) -> &mut crate::process::Process {
        match target {
            Target::Ingester(i) => &mut self.ingesters[i].process,
            Target::Engine(i) => &mut self.engine.nodes[i].process,
            Target::Edge(i) => &mut self.edges[i].process,
        }
    }
}

/// A process of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Ingester(usize),
    Engine(usize),
    Edge(usize),
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() || std::env::var_os("STORY").is_some() {
            self.story.print();
        }
    }
}
