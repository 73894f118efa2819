//! Outputs of a cluster: each runs on one edge at a time, and goes on at another one where the last one was.

use crate::cluster::{Cluster, Options, Target};
use crate::logs::Sizes;
use crate::wait_until;
use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// `batch_messages` of the output.
const BATCH: usize = 50;

/// What a webhook has got: the messages of each request.
#[derive(Default)]
struct Receiver {
    is_down: AtomicBool,
    requests: Mutex<Vec<Vec<(String, u64)>>>,
}

impl Receiver {
    /// Serves it. Returns its URL.
    fn serve() -> (web::Data<Receiver>, String) {
        let receiver = web::Data::new(Receiver::default());
        let shared = receiver.clone();
        let app = move || {
            let limit = web::PayloadConfig::new(64 << 20);
            App::new().app_data(shared.clone()).app_data(limit).default_service(web::to(Self::receive))
        };
        let server =
            HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).expect("a port");
        let url = format!("http://{}/", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        (receiver, url)
    }

    async fn receive(receiver: web::Data<Receiver>, body: web::Bytes) -> HttpResponse {
        if receiver.is_down.load(Ordering::Relaxed) {
            return HttpResponse::ServiceUnavailable().finish();
        }
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let messages = body["messages"].as_array().expect("messages").iter().map(|message| {
            let log = message["data"]["source"]["name"].as_str().expect("a log");
            (log.to_string(), message["data"]["cert_index"].as_u64().expect("an index"))
        });
        receiver.requests.lock().expect("no panic").push(messages.collect());
        HttpResponse::NoContent().finish()
    }

    fn len(&self) -> usize {
        self.requests.lock().expect("no panic").len()
    }

    fn has_all(&self, sizes: &Sizes) -> bool {
        let requests = self.requests.lock().expect("no panic");
        sizes
            .iter()
            .all(|(log, size)| requests.iter().flatten().any(|(of, index)| of == log && index + 1 == *size))
    }

    /// Checks that the entries of each log are in order, and that at most `breaks` requests came again.
    fn judge(&self, sizes: &Sizes, breaks: usize) {
        let requests = self.requests.lock().expect("no panic");
        let mut next: BTreeMap<&str, u64> = BTreeMap::new();
        let (mut repeated, mut count) = (0, 0);
        for (log, index) in requests.iter().flatten() {
            let next = next.entry(log).or_default();
            assert!(index <= next, "{log}: the entries {next} to {index} are missing or come later");
            repeated += usize::from(index < next);
            *next = (*next).max(index + 1);
            count += 1;
        }
        assert!(sizes.iter().all(|(log, size)| next.get(log.as_str()) == Some(size)), "{sizes:?}: {next:?}");
        assert!(repeated <= breaks * BATCH, "{repeated} messages again after {breaks} breaks");
        println!("{count} messages, {repeated} again after {breaks} breaks");
    }
}

async fn cluster(url: &str) -> Option<Cluster> {
    let keys = format!(
        "[admin]\nallow = ['127.0.0.1']\n[[outputs]]\nname = 'hook'\ntype = 'webhook'\nurl = '{url}'\nallow_internal = true\n\
         begin = 'oldest'\nbatch_wait = '100ms'\nbatch_messages = {BATCH}\n"
    );
    Cluster::start(Options { edges: 2, keys, ..Options::default() }).await
}

/// What the edge `i` says of the output.
async fn output(cluster: &Cluster, i: usize) -> Value {
    let (status, body) = cluster.edges[i].get("/stats").await.expect("a response");
    assert_eq!(status, 200);
    serde_json::from_str::<Value>(&body).expect("JSON")["outputs"][0].clone()
}

/// The edge that runs the output, once one does.
async fn running(cluster: &Cluster, among: &[usize]) -> usize {
    let mut found = None;
    wait_until("an edge runs the output", async || {
        for i in among {
            if output(cluster, *i).await["runs_here"] == true {
                found = Some(*i);
            }
        }
        found.is_some()
    })
    .await;
    found.expect("an edge")
}

async fn until_more(receiver: &Receiver) {
    let before = receiver.len();
    wait_until("more requests", async || receiver.len() > before + 3).await;
}

#[actix_web::test]
async fn an_output_runs_on_one_edge_and_goes_on_at_another_however_the_first_ends() {
    let (receiver, url) = Receiver::serve();
    let Some(mut cluster) = cluster(&url).await else { return };
    cluster.logs.grow(300.0);
    until_more(&receiver).await;
    let first = running(&cluster, &[0, 1]).await;
    let other = 1 - first;
    let elsewhere = output(&cluster, other).await;
    assert_eq!((&elsewhere["runs_here"], &elsewhere["messages_delivered"]), (&false.into(), &0.into()));
    assert_eq!(elsewhere["node"], cluster.edges[first].process.name);
    let (_, ready) = cluster.edges[other].get("/health/ready").await.expect("a response");
    assert!(ready.contains("\"outputs\":[]"), "{ready}");

    // A kill: the other one takes over when the entry has not changed for ten seconds.
    cluster.kill(Target::Edge(first));
    assert_eq!(running(&cluster, &[other]).await, other);
    until_more(&receiver).await;
    // An orderly end: at once.
    cluster.edges[first].start().await;
    sleep(Duration::from_secs(1)).await;
    cluster.edges[other].process.terminate();
    cluster.edges[other].process.wait_for_end().await;
    let begin = std::time::Instant::now();
    running(&cluster, &[first]).await;
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    until_more(&receiver).await;

    let sizes = cluster.logs.end_growth().await;
    wait_until("everything is delivered", async || receiver.has_all(&sizes)).await;
    receiver.judge(&sizes, 2);
}

/// The one that was stopped does not know of it, and must not go on where it was.
#[actix_web::test]
async fn an_edge_that_was_stopped_for_long_has_lost_its_output() {
    let (receiver, url) = Receiver::serve();
    let Some(mut cluster) = cluster(&url).await else { return };
    cluster.logs.grow(300.0);
    until_more(&receiver).await;
    let first = running(&cluster, &[0, 1]).await;
    let other = 1 - first;
    cluster.edges[first].process.pause();
    assert_eq!(running(&cluster, &[other]).await, other);
    until_more(&receiver).await;
    cluster.edges[first].process.resume();
    sleep(Duration::from_secs(3)).await;
    assert_eq!(output(&cluster, first).await["runs_here"], false);
    until_more(&receiver).await;
    // While the engine is away, it does not run anywhere, and goes on afterwards.
    cluster.engine.restart_with(|_| std::thread::sleep(Duration::from_secs(3))).await;
    receiver.is_down.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(4)).await;
    receiver.is_down.store(false, Ordering::Relaxed);
    until_more(&receiver).await;
    let sizes = cluster.logs.end_growth().await;
    wait_until("everything is delivered", async || receiver.has_all(&sizes)).await;
    receiver.judge(&sizes, 2);
}
