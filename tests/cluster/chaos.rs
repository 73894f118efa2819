//! Everything is killed, stopped and restarted at random while the logs grow.

use crate::clients::Clients;
use crate::cluster::{Cluster, Options, Target};
use crate::engine::EngineOptions;
use crate::logs::TWO_OF_EACH;
use crate::{PATIENCE, number, wait_until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::{Duration, Instant};
use tokio::time::sleep;

const TICK: Duration = Duration::from_millis(50);
/// What a node logs once it has started.
const LISTENING: &str = "listening on";

/// What is done to a process.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Kill,
    Pause,
    Restart,
}

/// A process that was harmed, and when it is to run again.
struct Harmed {
    target: Target,
    harm: Harm,
    /// Whether it had started completely. Only then it ends in order when it is told to.
    was_listening: bool,
    at: Instant,
    until: Instant,
}

#[actix_web::test]
async fn chaos_loses_and_repeats_nothing() {
    let options = Options {
        engine: EngineOptions { nodes: 3, ..EngineOptions::default() },
        // The second one cuts blocks elsewhere.
        ingesters: vec!["", "page_size = 100"],
        first_ingester_url: None,
        edge_url: None,
        edges: 2,
        logs: TWO_OF_EACH.into(),
        keys: "replicas = 3\n".into(),
    };
    let Some(cluster) = Cluster::start(options).await else { return };
    let seed = number("SEED", 7);
    println!("SEED={seed}");
    let clients = cluster.clients(number("READERS", 6) as usize, seed);
    let (rate, seconds) = (number("RATE", 200), number("DURATION", 40));
    cluster.logs.grow(rate as f64);
    clients.wait_for_entries(1).await;
    clients.measure_pauses();
    let mut chaos = Chaos {
        cluster,
        random: StdRng::seed_from_u64(seed),
        harmed: Vec::new(),
        every: Duration::from_secs(number("EVERY", 5)),
        max_stop: Duration::from_secs(number("MAX_STOP", 5)),
    };
    let harms = chaos.run(Duration::from_secs(seconds), &clients).await;
    println!("{harms} harms; the longest pause of a log at a client: {:?}", clients.longest_pause());
    let entries: u64 = chaos.cluster.logs.sizes().values().sum();
    assert!(entries >= rate * seconds / 2, "the logs have grown by {entries} entries only");
    chaos.cluster.finish(clients).await;
}

struct Chaos {
    cluster: Cluster,
    random: StdRng,
    harmed: Vec<Harmed>,
    every: Duration,
    max_stop: Duration,
}

impl Chaos {
    /// Harms something every few seconds, then repairs everything. Returns how often.
    async fn run(&mut self, length: Duration, clients: &Clients) -> u32 {
        let begin = Instant::now();
        let mut harms = 0;
        while begin.elapsed() < length {
            if begin.elapsed() >= self.every * harms {
                harms += 1;
                self.harm_something(clients).await;
            }
            self.repair(false);
            self.supervise();
            sleep(TICK).await;
        }
        wait_until("everything runs again", async || {
            self.repair(true);
            self.supervise();
            self.harmed.is_empty() && self.all_listen()
        })
        .await;
        harms
    }

    /// The ingest nodes and the edges.
    fn nodes(&self) -> Vec<Target> {
        let ingesters = (0..self.cluster.ingesters.len()).map(Target::Ingester);
        ingesters.chain((0..self.cluster.edges.len()).map(Target::Edge)).collect()
    }

    fn all_listen(&mut self) -> bool {
        self.nodes().into_iter().all(|target| self.cluster.process(target).has_logged(LISTENING))
    }

    /// Starts nodes that have ended by themselves again, as a service manager does.
    fn supervise(&mut self) {
        for target in self.nodes() {
            let process = self.cluster.process(target);
            if !self.harmed.iter().any(|harmed| harmed.target == target)
                && let Some(status) = process.ended()
            {
                assert!(!process.has_logged(LISTENING), "{} has ended with {status}", process.name);
                let log = process.log();
                let why = log.lines().last().unwrap_or_default();
                let text = format!("{}: runs again; it could not start ({status}): {why}", process.name);
                process.start();
                println!("{text}");
                self.cluster.story.tell(text);
            }
        }
    }

    async fn harm_something(&mut self, clients: &Clients) {
        let count = |nodes: usize, random: &mut StdRng| random.random_range(0..nodes);
        let target = match self.random.random_range(0..5) {
            0 => Target::Ingester(count(self.cluster.ingesters.len(), &mut self.random)),
            1 => Target::Engine(count(self.cluster.engine.nodes.len(), &mut self.random)),
            2 => Target::Engine(self.cluster.engine.leader().await.unwrap_or_default()),
            3 => Target::Edge(count(self.cluster.edges.len(), &mut self.random)),
            _ => return clients.interrupt(count(clients.len(), &mut self.random)),
        };
        if self.harmed.iter().any(|harmed| harmed.target == target) {
            return self.cluster.story.tell(format!("{target:?} is harmed already"));
        }
        let (harm, longest) = match self.random.random_range(0..3) {
            0 => (Harm::Kill, Duration::from_secs(2)),
            1 => (Harm::Pause, self.max_stop),
            _ => (Harm::Restart, Duration::from_millis(500)),
        };
        let shortest = longest.min(Duration::from_secs(1)) / 2;
        let length = self.random.random_range(shortest..=longest);
        let process = self.cluster.process(target);
        let was_listening = process.has_logged(LISTENING);
        match harm {
            Harm::Kill => process.kill(),
            Harm::Pause => process.pause(),
            Harm::Restart => process.terminate(),
        }
        let text = format!("{}: {harm:?} for {length:?}", process.name);
        self.cluster.story.tell(text);
        let at = Instant::now();
        self.harmed.push(Harmed { target, harm, was_listening, at, until: at + length });
    }

    /// Lets what has been harmed for long enough run again, or with `all`, everything.
    fn repair(&mut self, all: bool) {
        let cluster = &mut self.cluster;
        self.harmed.retain(|harmed| {
            let due = all || Instant::now() >= harmed.until;
            !due || !repaired(cluster, harmed)
        });
    }
}

/// Lets a process run again. False as long as it has not ended yet.
fn repaired(cluster: &mut Cluster, harmed: &Harmed) -> bool {
    let process = cluster.process(harmed.target);
    match harmed.harm {
        Harm::Pause => process.resume(),
        Harm::Kill => process.start(),
        Harm::Restart => {
            let Some(status) = process.ended() else {
                assert!(harmed.at.elapsed() < PATIENCE, "{} does not end", process.name);
                return false;
            };
            assert!(status.success() || !harmed.was_listening, "{} ends with {status}", process.name);
            process.start();
        }
    }
    let text = format!("{}: runs again", process.name);
    cluster.story.tell(text);
    true
}
