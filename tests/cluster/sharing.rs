//! What the nodes of a cluster share: the logs, the filters of clients, and what is known of each other.

use crate::cluster::{Cluster, Options};
use crate::logs::name;
use crate::nodes::{Node, Role, is_entry};
use crate::received::Message;
use crate::wait_until;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error as SocketError;

#[actix_web::test]
async fn a_filter_put_at_one_edge_is_used_at_the_others() {
    let Some(mut cluster) = Cluster::start(Options { edges: 2, ..Options::default() }).await else { return };
    cluster.logs.publish(40);
    cluster.edges[1].search_for(80, "&since=1h").await;
    let body = json!({ "log": [name(1)] });
    let mut response = awc::Client::default()
        .post(cluster.edges[0].url("/filters"))
        .send_json(&body)
        .await
        .expect("a response");
    assert_eq!(response.status(), 200);
    let answer: Value = serde_json::from_slice(&response.body().await.expect("a body")).expect("JSON");
    let query = format!("&since=1h&filter={}", answer["filter"].as_str().expect("a name"));
    // One that comes later knows it, too.
    cluster.edges.push(Node::new(Role::Edge, 2, &cluster.engine.urls(), ""));
    cluster.edges[2].start().await;
    for edge in &cluster.edges {
        let what = format!("{} knows the filter", edge.process.name);
        let path = format!("/ndjson?stream=lite&follow=0{query}");
        wait_until(&what, async || edge.get(&path).await.is_some_and(|(status, _)| status == 200)).await;
        let messages = edge.search_for(40, &query).await;
        let is_of_log =
            |m: &String| matches!(Message::parse(m), Some(Message::Entry { log, .. }) if log == name(1));
        let entries: Vec<&String> = messages.iter().filter(|message| is_entry(message)).collect();
        assert!(entries.len() == 40 && entries.into_iter().all(is_of_log), "{}", edge.process.name);
    }
    cluster.logs.stop().await;
}

/// Requests that all logs together have received: for heads, entries and proofs.
fn requests(cluster: &Cluster) -> u64 {
    let stats = cluster.logs.logs.iter().map(|log| log.stats());
    stats.map(|log| log.head_requests + log.entries_requests + log.proof_requests).sum()
}

#[actix_web::test]
async fn the_logs_are_asked_once_however_many_ingesters_there_are() {
    const MEASURED: Duration = Duration::from_secs(8);
    let options = Options { ingesters: vec!["", "", ""], ..Options::default() };
    let Some(mut cluster) = Cluster::prepare(options).await else { return };
    cluster.edges[0].start().await;
    cluster.ingesters[0].start().await;
    let clients = cluster.clients(1, 31);
    cluster.logs.grow(60.0);
    clients.wait_for_entries(60).await;
    let mut counts = Vec::new();
    for more in [vec![], vec![1, 2]] {
        for i in &more {
            cluster.ingesters[*i].start().await;
        }
        // Groups of logs are given to those that come.
        sleep(Duration::from_secs(5)).await;
        let before = requests(&cluster);
        sleep(MEASURED).await;
        counts.push(requests(&cluster) - before);
    }
    let [one, three] = counts[..] else { unreachable!() };
    println!("requests in {MEASURED:?}: {one} of one ingester, {three} of three");
    assert!(one > 10, "{one}");
    assert!(three * 2 < one * 3, "three ask much more than one: {three}, {one}");
    cluster.finish(clients).await;
}

#[actix_web::test]
async fn an_ingester_sends_clients_to_an_edge_and_the_status_names_all_nodes() {
    let options = Options { ingesters: vec!["", ""], edges: 2, ..Options::default() };
    let Some(cluster) = Cluster::start(options).await else { return };
    cluster.logs.publish(20);
    cluster.edges[1].search_for(40, "&since=1h").await;
    let ingester = &cluster.ingesters[0];
    for path in ["/sse?stream=lite", "/ndjson?stream=full"] {
        let (status, body) = ingester.get(path).await.expect("a response");
        assert_eq!(status, 503, "{path}: {body}");
        assert!(body.contains("edge"), "{path}: {body}");
    }
    let refused = connect_async(ingester.url("/lite-stream").replace("http:", "ws:")).await;
    let Err(SocketError::Http(response)) = refused else { panic!("{refused:?}") };
    assert_eq!(response.status(), 503);
    for path in ["/health", "/stats", "/metrics"] {
        let (status, body) = ingester.get(path).await.expect("a response");
        assert_eq!(status, 200, "{path}: {body}");
    }
    for edge in &cluster.edges {
        let what = format!("{} is ready", edge.process.name);
        wait_until(&what, async || edge.get("/health/ready").await.is_some_and(|(status, _)| status == 200))
            .await;
    }
    let nodes = ["ingest-0", "ingest-1", "edge-0", "edge-1"];
    let status = |arguments: &[&str]| {
        let output = cluster.edges[0].run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    wait_until("the status names all nodes", async || {
        let text = status(&["cluster", "status", "--json"]);
        serde_json::from_str::<Value>(&text).expect("JSON");
        nodes.iter().all(|node| text.contains(node))
    })
    .await;
    let text = status(&["cluster", "status"]);
    assert!(nodes.iter().all(|node| text.contains(node)), "{text}");
    cluster.logs.stop().await;
}
