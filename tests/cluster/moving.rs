//! A server by itself becomes a cluster, and a cluster a server by itself: the positions in the logs move with it.

use crate::cluster::{Cluster, Options};
use crate::nodes::{Node, Role};
use crate::received::Message;

/// The sorted indexes of the entries of all logs in `messages`.
fn indexes(messages: &[String]) -> Vec<u64> {
    let index = |message: &String| match Message::parse(message) {
        Some(Message::Entry { index, .. }) => Some(index),
        _ => None,
    };
    let mut indexes: Vec<u64> = messages.iter().filter_map(index).collect();
    indexes.sort_unstable();
    indexes
}

/// The same indexes of two logs.
fn of_two_logs(range: std::ops::Range<u64>) -> Vec<u64> {
    range.flat_map(|index| [index, index]).collect()
}

fn run(node: &Node, command: &str) {
    let output = node.run(&["cluster", command]);
    assert!(output.status.success(), "{command}: {output:?}");
}

#[actix_web::test]
async fn positions_move_into_a_cluster_and_out_of_it() {
    let Some(mut cluster) = Cluster::prepare(Options::default()).await else { return };
    let watched = cluster.logs.configuration();
    let mut server = Node::new(Role::All, 0, &cluster.engine.urls(), &watched);
    server.start().await;
    cluster.logs.publish(50);
    assert_eq!(indexes(&server.search_for(100, "&since=1h").await), of_two_logs(0..50));
    server.process.terminate();
    assert!(server.process.wait_for_end().await.success());

    run(&server, "import");
    cluster.logs.publish(30);
    cluster.ingesters[0].start().await;
    cluster.edges[0].start().await;
    let messages = cluster.edges[0].search_for(60, "&since=1h").await;
    assert_eq!(indexes(&messages), of_two_logs(50..80), "goes on where the server ended");
    cluster.ingesters[0].process.terminate();
    assert!(cluster.ingesters[0].process.wait_for_end().await.success());

    cluster.logs.publish(20);
    let mut server = Node::new(Role::All, 1, &cluster.engine.urls(), &watched);
    std::fs::create_dir_all(server.state()).expect("a folder");
    run(&server, "export");
    server.start().await;
    let messages = server.search_for(40, "&since=1h").await;
    assert_eq!(indexes(&messages), of_two_logs(80..100), "goes on where the cluster ended");
    cluster.logs.stop().await;
}
