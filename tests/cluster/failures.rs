//! Processes that fail, one kind at a time.

use crate::cluster::{Cluster, Options, Target};
use crate::engine::EngineOptions;
use crate::wait_until;
use crate::wire::Wire;
use std::time::Duration;
use tokio::time::sleep;

const RATE: f64 = 80.0;
/// More than an edge asks for at once, in bytes.
const ENOUGH: u64 = 10 << 20;
/// Longest pause of a log while another ingest node takes it over, or another node of the engine leads. Leases last 10 s, and
/// a group is taken over 15 s after its node has died at the latest; the rest is for a busy machine.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

#[actix_web::test]
async fn an_ingester_is_killed_and_the_other_takes_over() {
    // They ask for different numbers of entries, and so cut blocks in different places.
    let ingesters = vec!["", "page_size = 7"];
    let Some(mut cluster) = Cluster::start(Options { ingesters, ..Options::default() }).await else { return };
    let clients = cluster.clients(3, 1);
    cluster.logs.grow(RATE);
    clients.wait_for_entries(200).await;
    for (dying, other) in [(0, 1), (1, 0)] {
        clients.measure_pauses();
        cluster.kill(Target::Ingester(dying));
        cluster.catch_up(&clients).await;
        let pause = clients.longest_pause();
        println!("ingest-{dying} was killed: a log pauses for {pause:?}, then ingest-{other} has it");
        assert!(pause < LONGEST_PAUSE, "{pause:?}");
        cluster.ingesters[dying].start().await;
        // The one that has come back gets its share before the other one dies.
        sleep(Duration::from_secs(3)).await;
    }
    cluster.finish(clients).await;
}

#[actix_web::test]
async fn an_ingester_that_stops_in_order_hands_its_logs_over() {
    let options = Options { ingesters: vec!["", ""], ..Options::default() };
    let Some(mut cluster) = Cluster::start(options).await else { return };
    let clients = cluster.clients(2, 2);
    cluster.logs.grow(RATE);
    clients.wait_for_entries(100).await;
    for i in 0..2 {
        clients.measure_pauses();
        cluster.story.tell(format!("ingest-{i}: told to stop"));
        cluster.ingesters[i].process.terminate();
        let status = cluster.ingesters[i].process.wait_for_end().await;
        assert!(status.success(), "{status}");
        cluster.catch_up(&clients).await;
        println!("ingest-{i} has stopped in order: a log pauses for {:?}", clients.longest_pause());
        cluster.ingesters[i].start().await;
        sleep(Duration::from_secs(3)).await;
    }
    cluster.finish(clients).await;
}

/// It still believes that it has its leases when it goes on, with blocks that were not published yet.
#[actix_web::test]
async fn an_ingester_that_wakes_up_after_its_leases_repeats_nothing() {
    let ingesters = vec!["", "page_size = 7"];
    let Some(cluster) = Cluster::start(Options { ingesters, ..Options::default() }).await else { return };
    let clients = cluster.clients(2, 3);
    cluster.logs.grow(RATE);
    clients.wait_for_entries(100).await;
    // Let them share the logs.
    sleep(Duration::from_secs(3)).await;
    let node = &cluster.ingesters[0].process;
    cluster.story.tell(format!("{}: paused", node.name));
    node.pause();
    sleep(Duration::from_secs(12)).await;
    cluster.catch_up(&clients).await;
    cluster.story.tell(format!("{}: resumed", node.name));
    node.resume();
    sleep(Duration::from_secs(3)).await;
    cluster.finish(clients).await;
}

#[actix_web::test]
async fn the_leader_of_the_engine_is_killed() {
    let Some(mut cluster) = Cluster::start(Options::replicated()).await else { return };
    let clients = cluster.clients(3, 4);
    cluster.logs.grow(RATE);
    clients.wait_for_entries(100).await;
    let leader = cluster.engine.wait_for_leader().await;
    clients.measure_pauses();
    cluster.kill(Target::Engine(leader));
    cluster.catch_up(&clients).await;
    let pause = clients.longest_pause();
    println!("the leader of the engine was killed: a log pauses for {pause:?}");
    assert!(pause < LONGEST_PAUSE, "{pause:?}");
    assert_ne!(cluster.engine.wait_for_leader().await, leader);
    cluster.engine.nodes[leader].process.start();
    clients.wait_for_more_entries(50).await;
    cluster.finish(clients).await;
}

#[actix_web::test]
async fn the_engine_loses_its_quorum_for_30_seconds() {
    let Some(mut cluster) = Cluster::start(Options::replicated()).await else { return };
    let clients = cluster.clients(3, 5);
    cluster.logs.grow(RATE);
    clients.wait_for_entries(100).await;
    clients.measure_pauses();
    for i in 0..2 {
        cluster.kill(Target::Engine(i));
    }
    sleep(Duration::from_secs(30)).await;
    for i in 0..2 {
        cluster.engine.nodes[i].process.start();
    }
    cluster.catch_up(&clients).await;
    println!("the engine had no quorum for 30 s: a log pauses for {:?}", clients.longest_pause());
    cluster.finish(clients).await;
}

/// The engine does not wait for an edge that does not read, and ends its connection.
#[actix_web::test]
async fn an_edge_that_is_cut_off_for_being_slow_goes_on() {
    let wire = Wire::listen().await;
    let engine = EngineOptions { is_impatient: true, ..EngineOptions::default() };
    let options = Options { engine, edge_url: Some(wire.url()), ..Options::default() };
    let Some(mut cluster) = Cluster::prepare(options).await else { return };
    wire.lead_to(cluster.engine.nodes[0].ports.clients);
    cluster.start_nodes().await;
    let clients = cluster.clients(3, 7);
    cluster.logs.grow(RATE);
    clients.wait_for_entries(100).await;
    // So that there is more to send than the system takes for the connection.
    cluster.edges[0].process.pause();
    wait_until("the stream has enough", async || {
        cluster.logs.publish(1000);
        sleep(Duration::from_millis(500)).await;
        cluster.engine.stream_state().await["bytes"].as_u64() > Some(ENOUGH)
    })
    .await;
    wire.block(true);
    cluster.edges[0].process.resume();
    wait_until("the edge is cut off", async || cluster.engine.slow_clients().await > 0).await;
    wire.block(false);
    clients.wait_for_more_entries(1000).await;
    cluster.finish(clients).await;
}

/// Its clients go to the other edge. When it goes on, it is behind: it must not tell a client that its cursor is wrong.
#[actix_web::test]
async fn an_edge_is_paused_and_knows_less_than_the_clients() {
    let Some(cluster) = Cluster::start(Options { edges: 2, ..Options::default() }).await else { return };
    let clients = cluster.clients(6, 6);
    cluster.logs.grow(RATE);
    clients.wait_for_entries(100).await;
    for edge in &cluster.edges {
        edge.process.pause();
        cluster.story.tell(format!("{}: paused", edge.process.name));
        sleep(Duration::from_secs(3)).await;
        cluster.catch_up(&clients).await;
        cluster.story.tell(format!("{}: resumed", edge.process.name));
        // While they wait for their answer, it is still behind.
        (0..clients.len()).for_each(|client| clients.interrupt(client));
        edge.process.resume();
        (0..clients.len()).for_each(|client| clients.interrupt(client));
        cluster.catch_up(&clients).await;
    }
    cluster.finish(clients).await;
}
