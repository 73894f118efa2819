//! The stream loses messages: to its limits, by the hand of an administrator, or all of them. Clients are told what is
//! missing, or miss nothing.

use crate::cluster::{Cluster, Options, Target};
use crate::engine::STREAM;
use crate::nodes::is_entry;
use crate::received::{Message, Received, judge_with_gaps};
use crate::wait_until;
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// Numbers of entries in one message of the stream.
const PER_MESSAGE: u64 = 1024;

/// Lets the logs grow in steps, so that the stream has several messages of each. Returns what the first edge has then.
async fn several_messages(cluster: &Cluster) -> Vec<String> {
    let mut messages = Vec::new();
    for step in 1..=5 {
        cluster.logs.publish(30);
        messages = cluster.edges[0].search_for(step * 60, "&since=1h").await;
    }
    messages.retain(|message| is_entry(message));
    messages
}

fn number(message: &str) -> u64 {
    let Some(Message::Entry { seq, .. }) = Message::parse(message) else { panic!("{message}") };
    seq
}

/// A client that had received `before`, and then `after` of those that it has asked for with its cursor.
fn client(before: &[String], after: &[String]) -> Received {
    let mut received = Received::default();
    before.iter().chain(after).for_each(|message| received.take(message));
    received
}

/// Starts the first edge anew, so that it has nothing of the stream in memory.
async fn restart_edge(cluster: &mut Cluster) {
    cluster.kill(Target::Edge(0));
    cluster.edges[0].start().await;
}

#[actix_web::test]
async fn a_cursor_older_than_the_stream_is_told_what_is_missing() {
    let Some(mut cluster) = Cluster::start(Options::default()).await else { return };
    let all = several_messages(&cluster).await;
    let first_kept = number(&all[200]) / PER_MESSAGE;
    cluster.engine.command(&format!("STREAM.PURGE.{STREAM}"), json!({ "seq": first_kept })).await;
    restart_edge(&mut cluster).await;

    let kept: Vec<&String> = all.iter().filter(|m| number(m) / PER_MESSAGE >= first_kept).collect();
    let (before, missing) = (&all[..50], &all[50..all.len() - kept.len()]);
    assert!(kept.len() > 50 && missing.len() > 50, "{} of {}", kept.len(), all.len());
    let cursor = number(&all[49]);
    let after = cluster.edges[0].search_for(kept.len(), &format!("&cursor={cursor}")).await;
    let client = client(before, &after);
    judge_with_gaps(std::slice::from_ref(&client), &cluster.logs.sizes());
    let entries: Vec<&String> = after.iter().filter(|message| is_entry(message)).collect();
    let numbers = |messages: &[&String]| messages.iter().map(|m| number(m)).collect::<Vec<_>>();
    assert_eq!(numbers(&entries), numbers(&kept), "those that are left have their old numbers");
    let [gap] = client.gaps[..] else { panic!("{:?}", client.gaps) };
    assert!(gap.from_seq > cursor && gap.from_seq <= number(&missing[0]), "{gap:?} after {cursor}");
    assert!(gap.to_seq >= number(&missing[missing.len() - 1]) && gap.to_seq < number(kept[0]), "{gap:?}");
    cluster.logs.stop().await;
}

#[actix_web::test]
async fn a_message_that_was_removed_is_filled_or_announced() {
    let Some(mut cluster) = Cluster::start(Options::default()).await else { return };
    let all = several_messages(&cluster).await;
    let removed = number(&all[150]) / PER_MESSAGE;
    remove(&cluster, removed).await;
    restart_edge(&mut cluster).await;
    let of_removed = all.iter().filter(|message| number(message) / PER_MESSAGE == removed).count();
    let cursor = number(&all[9]);
    let after = cluster.edges[0].search_for(all.len() - 10 - of_removed, &format!("&cursor={cursor}")).await;
    let client = client(&all[..10], &after);
    judge_with_gaps(std::slice::from_ref(&client), &cluster.logs.sizes());
    println!("of {of_removed} entries that were removed, {} are missing", all.len() as u64 - client.entries);
    cluster.logs.stop().await;
}

/// The edge has to notice it in the messages that follow.
#[actix_web::test]
async fn a_message_that_was_removed_ahead_of_an_edge_is_filled_or_announced() {
    let Some(cluster) = Cluster::start(Options { edges: 2, ..Options::default() }).await else { return };
    let clients = cluster.clients(3, 11);
    cluster.logs.publish(50);
    clients.wait_for_entries(100).await;
    cluster.edges[0].process.pause();
    let last = cluster.engine.stream_state().await["last_seq"].as_u64().expect("a number");
    for step in 1..=4 {
        cluster.logs.publish(20);
        cluster.edges[1].search_for(100 + step * 40, "&since=1h").await;
    }
    remove(&cluster, last + 3).await;
    cluster.edges[0].process.resume();
    cluster.logs.grow(40.0);
    sleep(Duration::from_secs(2)).await;
    cluster.finish_with_gaps(clients).await;
}

async fn remove(cluster: &Cluster, seq: u64) {
    cluster.engine.command(&format!("STREAM.MSG.DELETE.{STREAM}"), json!({ "seq": seq })).await;
    cluster.story.tell(format!("message {seq} of the stream removed"));
}

#[actix_web::test]
async fn a_stream_that_is_deleted_is_made_anew_and_goes_on() {
    let options = Options { ingesters: vec!["", ""], edges: 2, ..Options::default() };
    let Some(cluster) = Cluster::start(options).await else { return };
    let clients = cluster.clients(3, 12);
    cluster.logs.grow(80.0);
    clients.wait_for_entries(100).await;
    // Until each of them has its logs.
    sleep(Duration::from_secs(4)).await;
    for _ in 0..2 {
        clients.measure_pauses();
        delete_stream(&cluster).await;
        cluster.catch_up(&clients).await;
        println!("the stream was deleted: a log pauses for {:?}", clients.longest_pause());
    }
    cluster.finish_with_gaps(clients).await;
}

/// Another ingest node gets a log whose position only the stream had.
#[actix_web::test]
async fn a_stream_that_is_deleted_while_logs_change_hands_repeats_nothing() {
    let options = Options { ingesters: vec!["", ""], ..Options::default() };
    let Some(mut cluster) = Cluster::prepare(options).await else { return };
    cluster.ingesters[0].start().await;
    cluster.edges[0].start().await;
    let clients = cluster.clients(3, 13);
    cluster.logs.publish(60);
    clients.wait_for_entries(120).await;
    cluster.ingesters[1].start().await;
    delete_stream(&cluster).await;
    cluster.logs.grow(80.0);
    cluster.catch_up(&clients).await;
    cluster.finish_with_gaps(clients).await;
}

/// Deletes the stream, and waits until there is another one, whose numbers go on.
async fn delete_stream(cluster: &Cluster) {
    let before = cluster.engine.stream_state().await;
    cluster.engine.command(&format!("STREAM.DELETE.{STREAM}"), json!({})).await;
    cluster.story.tell(format!("the stream deleted: {before}"));
    cluster.logs.publish(1);
    let info = format!("STREAM.INFO.{STREAM}");
    let mut after = json!(null);
    wait_until("there is a stream again", async || {
        after = cluster.engine.request(&info, json!({})).await["state"].clone();
        after.is_object()
    })
    .await;
    let [last, first] = [&before["last_seq"], &after["first_seq"]].map(|seq| seq.as_u64().expect("a number"));
    assert!(first > last, "the numbers go on: {before} {after}");
}

/// Its clients get a gap, like those of an edge that has just started.
#[actix_web::test]
async fn an_edge_that_was_stopped_longer_than_blocks_are_kept_says_what_is_missing() {
    let options = Options { keys: "max_age = '3s'\n".into(), ..Options::default() };
    let Some(cluster) = Cluster::start(options).await else { return };
    let clients = cluster.clients(2, 10);
    cluster.logs.grow(80.0);
    clients.wait_for_entries(100).await;
    cluster.edges[0].process.pause();
    sleep(Duration::from_secs(8)).await;
    cluster.edges[0].process.resume();
    clients.wait_for_more_entries(100).await;
    assert!(clients.received().all(|received| !received.gaps.is_empty()), "each is told");
    cluster.finish_with_gaps(clients).await;
}

/// The position of a log is kept, also if none of its blocks is.
#[actix_web::test]
async fn a_log_whose_blocks_have_all_aged_goes_on_where_it_was() {
    let options = Options { keys: "max_age = '2s'\n".into(), ..Options::default() };
    let Some(mut cluster) = Cluster::start(options).await else { return };
    let clients = cluster.clients(2, 11);
    for step in 1..=3 {
        cluster.logs.publish(30);
        clients.wait_for_entries(60 * step).await;
        let what = "no block is kept";
        wait_until(what, async || {
            let info = cluster.engine.command(&format!("STREAM.INFO.{STREAM}"), json!({})).await;
            info["state"]["messages"] == 0
        })
        .await;
        // It goes on by itself, and after a restart.
        if step == 2 {
            cluster.ingesters[0].process.terminate();
            cluster.ingesters[0].process.wait_for_end().await;
            cluster.ingesters[0].start().await;
        }
    }
    cluster.finish(clients).await;
}
