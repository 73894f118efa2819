//! A log that misbehaves: all edges are told of it, and an ingest node knows what another one has verified.

use crate::PATIENCE;
use crate::cluster::{Cluster, Options, Target};
use certstream_server::demo::{Fault, FaultOn};
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The messages of a client of an edge.
type Messages = Box<dyn Stream<Item = Result<Message, Error>> + Unpin>;

/// Connects a client to each edge. Each has received its first message.
async fn connect(cluster: &Cluster) -> Vec<Messages> {
    let mut clients = Vec::new();
    for edge in &cluster.edges {
        let url = edge.url("/domains-only?notices=1").replace("http:", "ws:");
        let mut client: Messages = Box::new(connect_async(url).await.expect("a connection").0);
        assert_eq!(message(&mut client).await["message_type"], "subscribed");
        clients.push(client);
    }
    clients
}

async fn message(client: &mut Messages) -> Value {
    loop {
        let frame = client.next().await.expect("a message").expect("a frame");
        if let Message::Text(text) = frame {
            return serde_json::from_str(&text).expect("JSON");
        }
    }
}

/// The kind of the next alert, and the log that it is about.
async fn alert(client: &mut Messages) -> (String, String) {
    let alert = async {
        loop {
            let message = message(client).await;
            if message["message_type"] == "log_alert" {
                let text = |name: &str| message["data"][name].as_str().expect("a text").to_string();
                return (text("kind"), text("name"));
            }
        }
    };
    timeout(PATIENCE, alert).await.expect("an alert in time")
}

#[actix_web::test]
async fn all_edges_are_told_of_a_log_that_misbehaves() {
    let Some(cluster) = Cluster::start(Options { edges: 2, ..Options::default() }).await else { return };
    cluster.logs.publish(20);
    cluster.edges[1].search_for(40, "&since=1h").await;
    let mut clients = connect(&cluster).await;
    cluster.logs.logs[1].set_fault(Fault::BadSignature, FaultOn::Heads, None);
    cluster.logs.publish(1);
    for client in &mut clients {
        assert_eq!(alert(client).await, ("bad_signature".into(), "log 1".into()));
    }
    cluster.logs.stop().await;
}

/// The position that another node has left contains the tree that it has verified.
#[actix_web::test]
async fn a_log_that_forks_while_another_ingester_takes_over_is_caught() {
    let options = Options { ingesters: vec!["", ""], ..Options::default() };
    let Some(mut cluster) = Cluster::prepare(options).await else { return };
    cluster.ingesters[0].start().await;
    cluster.edges[0].start().await;
    let clients = cluster.clients(1, 41);
    cluster.logs.publish(300);
    clients.wait_for_entries(600).await;
    cluster.kill(Target::Ingester(0));
    for log in &cluster.logs.logs {
        log.set_fault(Fault::WrongRoot, FaultOn::Heads, None);
    }
    cluster.logs.publish(30);
    let mut told = connect(&cluster).await;
    cluster.ingesters[1].start().await;
    let mut forked = BTreeSet::new();
    while forked.len() < cluster.logs.logs.len() {
        let (kind, log) = alert(&mut told[0]).await;
        assert!(["fork", "inconsistent"].contains(&kind.as_str()), "{log}: {kind}");
        forked.insert(log);
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(clients.received().map(|received| received.entries).max(), Some(600), "nothing of it is sent");
    for log in &cluster.logs.logs {
        log.clear_faults();
    }
    cluster.finish(clients).await;
}
