//! The engine loses the newest messages that it has acknowledged, as after a power failure without `sync_interval: always`.
//! Their entries come again, and none is missing.

use crate::clients::Clients;
use crate::cluster::{Cluster, Options, Target};
use crate::nodes::is_entry;
use crate::received::{Message, Received, judge_with_repeats};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::sleep;

/// Entries of each log in each step.
const STEP: u64 = 30;
/// Entries that are lost.
const LOST: usize = 8 * STEP as usize;
/// Each node knows the newest number after this time.
const KNOWN_TO_ALL: Duration = Duration::from_secs(2);

/// Lets both logs grow, so that the stream has another message of each.
async fn grow(cluster: &Cluster, clients: &Clients) {
    cluster.logs.publish(STEP);
    clients.wait_for_more_entries(2 * STEP).await;
}

/// A copy of what the engine has on its disk.
async fn saved(cluster: &mut Cluster) -> TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    cluster.engine.restart_with(|store| copy_all(store, copy.path())).await;
    copy
}

/// Gives the engine its old disk again. The logs grow meanwhile.
async fn restore(cluster: &mut Cluster, copy: &TempDir) {
    let before = cluster.engine.stream_state().await;
    let logs = &cluster.logs;
    let restored = |store: &Path| {
        logs.publish(STEP);
        std::fs::remove_dir_all(store).expect("it can be removed");
        std::fs::create_dir(store).expect("a folder");
        copy_all(copy.path(), store);
    };
    cluster.engine.restart_with(restored).await;
    let after = cluster.engine.stream_state().await;
    cluster
        .story
        .tell(format!("the engine is set back from {} to {}", before["last_seq"], after["last_seq"]));
    assert!(before["last_seq"].as_u64() > after["last_seq"].as_u64(), "{before} {after}");
}

fn copy_all(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status();
    assert!(status.expect("cp(1)").success());
}

/// Lets the engine keep what it was given in some steps, and lose what it was given in four more, some time after the last.
/// Returns the cluster and the clients when they have everything, and the messages that an edge had before.
async fn lose_messages(kept: u64, known_for: Duration) -> Option<(Cluster, Clients, Vec<String>)> {
    let options = Options { ingesters: vec!["", ""], ..Options::default() };
    let mut cluster = Cluster::start(options).await?;
    let clients = cluster.clients(3, 14);
    for _ in 0..kept {
        grow(&cluster, &clients).await;
    }
    let copy = saved(&mut cluster).await;
    for _ in 0..4 {
        grow(&cluster, &clients).await;
    }
    let before = cluster.edges[0].search_for((kept + 4) as usize * 2 * STEP as usize, "&since=1h").await;
    sleep(known_for).await;
    restore(&mut cluster, &copy).await;
    cluster.catch_up(&clients).await;
    Some((cluster, clients, before))
}

#[actix_web::test]
async fn entries_that_the_engine_has_lost_come_again_with_other_numbers() {
    let Some((mut cluster, clients, before)) = lose_messages(1, KNOWN_TO_ALL).await else { return };
    // Others come back only now, with the number of an entry that was lost, to an edge that has nothing in memory.
    cluster.kill(Target::Edge(0));
    cluster.edges[0].start().await;
    for received in [3 * STEP as usize, 7 * STEP as usize] {
        let mut client = Received::default();
        let entries = before.iter().filter(|message| is_entry(message));
        entries.take(received).for_each(|message| client.take(message));
        let cursor = client.cursor.expect("a number");
        let missing = 12 * STEP as usize - received;
        let after = cluster.edges[0].search_for(missing, &format!("&cursor={cursor}")).await;
        after.iter().for_each(|message| client.take(message));
        judge_with_repeats(std::slice::from_ref(&client), &cluster.logs.sizes());
        assert!(client.missing.is_empty(), "{:?}", client.missing);
        let is_gap = |message: &String| matches!(Message::parse(message), Some(Message::Gap { .. }));
        assert!(after.iter().any(is_gap), "it is told that messages are gone");
    }
    for received in cluster.finish_with_repeats(clients).await {
        assert_eq!(received.repeats.len(), LOST, "all that was lost has come again");
    }
}

/// Nothing but the ingest nodes knows that the logs were ever watched.
#[actix_web::test]
async fn if_nothing_is_left_of_a_log_it_goes_on_and_late_clients_are_told_what_is_missing() {
    let Some((mut cluster, clients, before)) = lose_messages(0, KNOWN_TO_ALL).await else { return };
    cluster.kill(Target::Edge(0));
    cluster.edges[0].start().await;
    let mut late = Received::default();
    before
        .iter()
        .filter(|message| is_entry(message))
        .take(STEP as usize)
        .for_each(|message| late.take(message));
    let cursor = late.cursor.expect("a number");
    let after = cluster.edges[0].search_for(2 * STEP as usize, &format!("&cursor={cursor}")).await;
    after.iter().for_each(|message| late.take(message));
    judge_with_repeats(std::slice::from_ref(&late), &cluster.logs.sizes());
    cluster.finish_with_repeats(clients).await;
}

/// An ingest node does not know yet what the other one has appended, and gives its numbers to other messages.
#[actix_web::test]
async fn clients_are_told_of_numbers_that_were_given_twice() {
    let Some((cluster, clients, _)) = lose_messages(1, Duration::ZERO).await else { return };
    for received in cluster.finish_with_repeats(clients).await {
        let (repeats, gaps) = (received.repeats.len(), &received.gaps);
        println!("{repeats} of {LOST} entries have come again, with {gaps:?}");
        assert!(repeats <= LOST && (repeats == LOST || !gaps.is_empty()), "it is told");
    }
}
