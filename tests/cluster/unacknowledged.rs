//! An ingest node that is killed between publishing a block and hearing that it was: not by luck, but because the answers of
//! the engine are held back.

use crate::cluster::{Cluster, Options, Target};
use crate::engine::STREAM;
use crate::wire::Wire;
use base64_simd::STANDARD;
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// Number of blocks behind the message `after` that the node `name` has published.
async fn published(cluster: &Cluster, after: u64, name: &str) -> usize {
    let mut count = 0;
    for sequence in after + 1..=last_sequence(cluster).await {
        let message =
            cluster.engine.command(&format!("STREAM.MSG.GET.{STREAM}"), json!({ "seq": sequence })).await;
        let headers = message["message"]["hdrs"].as_str().expect("headers");
        let headers = STANDARD.decode_to_vec(headers).expect("base64");
        let node = format!("Ct-Node: {name}\r\n");
        count += usize::from(String::from_utf8(headers).expect("text").contains(&node));
    }
    count
}

async fn last_sequence(cluster: &Cluster) -> u64 {
    let info = cluster.engine.command(&format!("STREAM.INFO.{STREAM}"), json!({})).await;
    info["state"]["last_seq"].as_u64().expect("a sequence")
}

#[actix_web::test]
async fn a_block_that_was_published_and_not_acknowledged_is_there_once() {
    let wire = Wire::listen().await;
    let first_ingester_url = Some(wire.url());
    let options = Options { ingesters: vec!["", ""], first_ingester_url, ..Options::default() };
    let Some(mut cluster) = Cluster::prepare(options).await else { return };
    wire.lead_to(cluster.engine.nodes[0].ports.clients);
    cluster.start_nodes().await;
    let clients = cluster.clients(3, 8);
    cluster.logs.grow(80.0);
    clients.wait_for_entries(100).await;
    // Let them share the logs.
    sleep(Duration::from_secs(5)).await;

    let before = last_sequence(&cluster).await;
    wire.lose_answers(true);
    let what = "a block of ingest-0 is in the stream, and it has not heard so";
    crate::wait_until(what, async || published(&cluster, before, "ingest-0").await > 0).await;
    cluster.kill(Target::Ingester(0));
    wire.lose_answers(false);
    cluster.catch_up(&clients).await;
    cluster.ingesters[0].start().await;
    clients.wait_for_more_entries(50).await;
    cluster.finish(clients).await;
}

/// The node lives, and the answer is lost: it finds out by itself what became of its block.
#[actix_web::test]
async fn an_acknowledgement_that_is_lost_changes_nothing() {
    let wire = Wire::listen().await;
    let first_ingester_url = Some(wire.url());
    let Some(mut cluster) = Cluster::prepare(Options { first_ingester_url, ..Options::default() }).await
    else {
        return;
    };
    wire.lead_to(cluster.engine.nodes[0].ports.clients);
    cluster.start_nodes().await;
    let clients = cluster.clients(2, 9);
    cluster.logs.grow(80.0);
    clients.wait_for_entries(100).await;
    for _ in 0..3 {
        let before = last_sequence(&cluster).await;
        wire.lose_answers(true);
        let what = "a block is in the stream, and its node has not heard so";
        crate::wait_until(what, async || published(&cluster, before, "ingest-0").await > 0).await;
        wire.lose_answers(false);
        // It has connected again by then.
        clients.wait_for_more_entries(300).await;
    }
    cluster.finish(clients).await;
}
