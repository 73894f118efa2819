use super::*;
use crate::actors::client::ClientOrigin;
use crate::actors::liveness::Liveness;
use crate::actors::send_queue::SendQueue;
use crate::config::QueueLimits;

#[actix::test]
async fn the_depths_of_queues_are_computed_once_in_a_while() {
    let limits = crate::config::load(None, []).expect("the defaults").clients;
    let broker = Broker::new(Arc::default(), Arc::default(), 1, limits).start();
    let origin = ClientOrigin { address: [127, 0, 0, 1].into(), identity: None, slots: Vec::new() };
    let send_queue = SendQueue::new(QueueLimits::NONE, Wire::WebSocket, false);
    let client = Arc::new(Client::new(origin, Some(Stream::Lite), send_queue));
    broker.send(Subscribe(client)).await.expect("a Broker");
    let longest = async || broker.send(QueueDepths).await.expect("a Broker").longest_bytes;
    assert_eq!(longest().await, 0);
    broker.send(Tick).await.expect("a Broker");
    assert_eq!(longest().await, 0, "computed a moment ago");
    tokio::time::sleep(DEPTHS_INTERVAL).await;
    assert!(longest().await > 0);
}

#[actix::test]
async fn the_server_is_alive_while_the_broker_answers() {
    let limits = crate::config::load(None, []).expect("the defaults").clients;
    let arbiter = Arbiter::new();
    let broker = Broker::start_in_arbiter(&arbiter.handle(), move |_| {
        Broker::new(Arc::default(), Arc::default(), 1, limits)
    });
    let liveness = Liveness::of(broker);
    assert!(liveness.holds().await);
    arbiter.stop();
    assert!(arbiter.join().is_ok());
    assert!(!liveness.holds().await);
}
