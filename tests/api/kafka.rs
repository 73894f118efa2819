//! Tests of outputs to Kafka: the brokers are librdkafka's own for tests, in this process, which fail as real ones do.

mod tls;

use crate::helpers::{TestApp, build, from_the_start, quiet_log, spawn_app, spawn_app_in, with_its_key};
use certstream_server::ct::source::Protocol;
use certstream_server::demo::DemoLog;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::time::sleep;

const TOPIC: &str = "certificates";
const PARTITIONS: i32 = 4;
const PATIENCE: Duration = Duration::from_secs(40);

type Brokers = MockCluster<'static, DefaultProducerContext>;

fn brokers() -> Brokers {
    let brokers = MockCluster::new(3).expect("brokers");
    brokers.create_topic(TOPIC, PARTITIONS, 3).expect("a topic");
    brokers
}

/// Starts a server that watches `log`, with an output that has these further `keys`.
async fn server(brokers: &Brokers, log: &DemoLog, keys: &str) -> TestApp {
    spawn_app(&configuration(brokers, keys), vec![from_the_start(log)]).await
}

fn configuration(brokers: &Brokers, keys: &str) -> String {
    let brokers = brokers.bootstrap_servers();
    let brokers: Vec<_> = brokers.split(',').collect();
    format!(
        "[admin]\nallow = ['127.0.0.1']\n[[outputs]]\nname = 'kafka'\ntype = 'kafka'\ntopic = '{TOPIC}'\nbegin = 'oldest'\n\
         brokers = {brokers:?}\nbatch_wait = '20ms'\n{keys}\n"
    )
}

/// A message as a consumer gets it.
struct Record {
    key: Option<String>,
    headers: Vec<(String, String)>,
    text: Value,
}

impl Record {
    fn index(&self) -> Option<u64> {
        self.text["data"]["cert_index"].as_u64()
    }
}

/// Reads the topic until it has `count` messages, and then what else there is. By partition, in order.
fn read(brokers: &Brokers, count: usize) -> BTreeMap<i32, Vec<Record>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers.bootstrap_servers())
        .set("group.id", "reader")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(TOPIC, partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&all).expect("partitions");
    let mut records: BTreeMap<i32, Vec<Record>> = BTreeMap::new();
    let (mut found, begin, mut last) = (0, Instant::now(), Instant::now());
    while found < count || last.elapsed() < Duration::from_secs(1) {
        assert!(begin.elapsed() < PATIENCE, "{found} of {count} messages");
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        let record = Record {
            key: message.key().map(text),
            headers: headers
                .map(|header| (header.key.into(), text(header.value.expect("a value"))))
                .collect(),
            text: serde_json::from_slice(message.payload().expect("a message")).expect("JSON"),
        };
        records.entry(message.partition()).or_default().push(record);
        (found, last) = (found + 1, Instant::now());
    }
    records
}

async fn until_delivered(app: &TestApp, count: u64) {
    app.wait_for(|stats| stats["outputs"][0]["messages_delivered"] == count).await;
}

/// Checks that the partition of the only log has its entries, each once and in order.
fn judge(records: &BTreeMap<i32, Vec<Record>>, count: u64) {
    assert_eq!(records.len(), 1, "one partition for the only log");
    let indexes: Vec<_> =
        records.values().flatten().map(|record| record.index().expect("an entry")).collect();
    assert!(indexes.iter().copied().eq(0..count), "each once and in order: {indexes:?}");
}

#[actix_web::test]
async fn messages_have_the_log_as_their_key_and_their_number_as_a_header() {
    for compression in ["none", "lz4", "snappy", "zstd"] {
        let (log, brokers) = (quiet_log().await, brokers());
        let keys = format!("compression = '{compression}'\nheaders = {{ from = 'tests' }}");
        let log_with_id = with_its_key(&log, Protocol::Rfc6962);
        let app = spawn_app(&configuration(&brokers, &keys), vec![log_with_id]).await;
        log.publish(50);
        until_delivered(&app, 50).await;
        let records = read(&brokers, 50);
        judge(&records, 50);
        for record in records.values().flatten() {
            let id = record.text["data"]["source"]["log_id"].as_str().expect("a log with an id");
            assert_eq!(record.key.as_deref(), Some(id));
            let seq = record.text["seq"].to_string();
            assert_eq!(record.headers, [("seq".into(), seq), ("from".into(), "tests".into())]);
        }
        app.stop().await;
    }
}

#[actix_web::test]
async fn the_precert_and_the_certificate_of_an_issuance_are_in_one_partition() {
    let (log, brokers) = (quiet_log().await, brokers());
    let app = server(&brokers, &log, "key = 'tbs_sha256'").await;
    log.publish(200);
    until_delivered(&app, 200).await;
    let records = read(&brokers, 200);
    let mut partitions: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for (partition, records) in &records {
        assert!(records.windows(2).all(|pair| pair[0].index() < pair[1].index()), "in order");
        for record in records {
            assert_eq!(record.key.as_deref(), record.text["data"]["leaf_cert"]["tbs_sha256"].as_str());
            let key = record.key.clone().expect("a key");
            partitions.entry(key).or_default().insert(*partition);
            found.extend(record.index());
        }
    }
    assert!(found.into_iter().eq(0..200));
    assert!(partitions.values().all(|partitions| partitions.len() == 1));
    assert!(partitions.len() < 200, "some issuances have two entries");
    assert!(records.len() > 1, "several partitions are used");
    app.stop().await;
}

/// The server keeps all that is logged meanwhile, says what is wrong, and then delivers it.
#[actix_web::test]
async fn while_the_brokers_are_down_it_waits_and_then_each_message_comes_once_and_in_order() {
    let (log, brokers) = (quiet_log().await, brokers());
    let app = server(&brokers, &log, "").await;
    log.publish(20);
    until_delivered(&app, 20).await;
    brokers.broker_down(-1).expect("down");
    log.publish(100);
    let stats = app.wait_for(|stats| stats["outputs"][0]["error"].is_string()).await;
    let error = stats["outputs"][0]["error"].as_str().expect("an error");
    assert!(
        error.contains("no broker can be reached")
            || error.contains("Connect")
            || error.contains("Disconnected"),
        "{error}"
    );
    assert_eq!(app.get("/health/ready").await["outputs"][0]["failing"], json!(true));
    brokers.broker_up(-1).expect("up");
    until_delivered(&app, 120).await;
    assert!(app.wait_for(|stats| stats["outputs"][0]["behind"] == 0).await["outputs"][0]["error"].is_null());
    let records = read(&brokers, 120);
    judge(&records, 120);
    for record in records.values().flatten() {
        let url = record.text["data"]["source"]["url"].as_str();
        assert_eq!(record.key.as_deref(), url, "of a log without an id, the key is the URL");
    }
    app.stop().await;
}

#[actix_web::test]
async fn errors_of_brokers_and_new_leaders_neither_lose_nor_repeat_nor_reorder() {
    use RDKafkaRespErr::*;
    let (log, brokers) = (quiet_log().await, brokers());
    let app = server(&brokers, &log, "batch_messages = 10").await;
    let errors = [
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
    ];
    let mut published = 0;
    for round in 0..12 {
        brokers.request_errors(RDKafkaApiKey::Produce, &errors[round % 3..=round % 6]);
        for partition in 0..PARTITIONS {
            brokers.partition_leader(TOPIC, partition, Some(1 + round as i32 % 3)).expect("a leader");
        }
        published = log.publish(30);
        sleep(Duration::from_millis(100)).await;
    }
    until_delivered(&app, published).await;
    judge(&read(&brokers, published as usize), published);
    app.stop().await;
}

#[actix_web::test]
async fn a_topic_that_cannot_be_written_is_told_and_then_gets_everything() {
    let (log, brokers) = (quiet_log().await, brokers());
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    brokers.request_errors(RDKafkaApiKey::Produce, &[refused; 3]);
    let app = server(&brokers, &log, "").await;
    log.publish(40);
    let stats = app.wait_for(|stats| stats["outputs"][0]["error"].is_string()).await;
    let error = stats["outputs"][0]["error"].as_str().expect("an error");
    assert_eq!(error, format!("the output may not write to topic {TOPIC}; allow it to (operation Write)"));
    until_delivered(&app, 40).await;
    judge(&read(&brokers, 40), 40);
    app.stop().await;
}

#[actix_web::test]
async fn a_message_that_is_too_large_goes_to_the_dead_letters_and_the_others_arrive() {
    let (log, brokers) = (quiet_log().await, brokers());
    let large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    // The broker refuses the first messages together, then the first alone.
    brokers.request_errors(RDKafkaApiKey::Produce, &[large, large]);
    let app = server(&brokers, &log, "batch_messages = 5").await;
    log.publish(20);
    until_delivered(&app, 20).await;
    let records = read(&brokers, 19);
    let mut indexes: Vec<_> = records.values().flatten().filter_map(Record::index).collect();
    indexes.sort_unstable();
    assert!(indexes.into_iter().eq(1..20), "all but the refused one");
    let dead = std::fs::read_to_string(app.state().join("outputs/kafka.dead.ndjson")).expect("dead letters");
    let dead: Value = serde_json::from_str(&dead).expect("one line of JSON");
    assert_eq!(dead["message"]["data"]["cert_index"], 0);
    assert!(dead["why"].as_str().is_some_and(|why| why.contains("larger than message.max.bytes")), "{dead}");
    app.stop().await;

    let (log, brokers) = (quiet_log().await, self::brokers());
    let app = server(&brokers, &log, "properties = { 'message.max.bytes' = '1000' }").await;
    log.publish(5);
    until_delivered(&app, 5).await;
    let dead = std::fs::read_to_string(app.state().join("outputs/kafka.dead.ndjson")).expect("dead letters");
    assert_eq!(dead.lines().count(), 5, "librdkafka does not send them at all");
    app.stop().await;
}

#[actix_web::test]
async fn without_room_for_dead_letters_it_waits_and_sends_nothing_again() {
    let (log, brokers) = (quiet_log().await, brokers());
    let large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    brokers.request_errors(RDKafkaApiKey::Produce, &[large, large]);
    log.publish(20);
    let dir = tempfile::tempdir().expect("a folder");
    let in_the_way = dir.path().join("state/outputs/kafka.dead.ndjson");
    std::fs::create_dir_all(&in_the_way).expect("a folder");
    let app =
        spawn_app_in(dir, &[], &configuration(&brokers, "batch_messages = 5"), vec![from_the_start(&log)])
            .await;
    let stats = app.wait_for(|stats| stats["outputs"][0]["failures"].as_u64() >= Some(3)).await;
    let error = stats["outputs"][0]["error"].as_str().expect("an error");
    assert!(error.contains("kafka.dead.ndjson"), "{error}");
    std::fs::remove_dir(&in_the_way).expect("it can be removed");
    until_delivered(&app, 20).await;
    let records = read(&brokers, 19);
    let mut indexes: Vec<_> = records.values().flatten().filter_map(Record::index).collect();
    indexes.sort_unstable();
    assert!(indexes.iter().copied().eq(1..20), "each once: {indexes:?}");
    assert_eq!(app.get("/stats").await["outputs"][0]["dead_letters"], 1);
    app.stop().await;
}

/// Whoever reads only one partition has to know of it.
#[actix_web::test]
async fn a_gap_is_told_in_each_partition() {
    let (log, brokers) = (quiet_log().await, brokers());
    let app = server(&brokers, &log, "").await;
    log.publish(10);
    until_delivered(&app, 10).await;
    brokers.broker_down(-1).expect("down");
    log.publish(30);
    app.wait_for(|stats| stats["outputs"][0]["behind"] == 30).await;
    let dir = app.stop().await;
    std::fs::remove_dir_all(dir.path().join("state/journal")).expect("a journal");
    brokers.broker_up(-1).expect("up");
    let app = spawn_app_in(dir, &[], &configuration(&brokers, ""), vec![from_the_start(&log)]).await;
    log.publish(5);
    until_delivered(&app, 6).await;
    let records = read(&brokers, 10 + 5 + PARTITIONS as usize);
    assert_eq!(records.len(), PARTITIONS as usize);
    for records in records.values() {
        let gaps: Vec<_> = records.iter().filter(|record| record.text["message_type"] == "gap").collect();
        assert!(gaps.len() == 1 && gaps[0].text["dropped"].as_u64() >= Some(30), "{:?}", gaps[0].text);
    }
    let indexes: Vec<_> = records.values().flatten().filter_map(Record::index).collect();
    assert!(indexes.iter().copied().eq((0..10).chain(40..45)), "{indexes:?}");
    app.stop().await;
}

#[actix_web::test]
async fn settings_that_librdkafka_does_not_know_stop_the_start() {
    let log = quiet_log().await;
    let refused = |keys: &str, expected: &str| {
        let dir = tempfile::tempdir().expect("a folder");
        let output = format!("[[outputs]]\nname = 'a'\ntype = 'kafka'\nbrokers = ['127.0.0.1:9']\n{keys}\n");
        let error =
            build(&dir, &[], &output, vec![from_the_start(&log)]).err().expect("an error").to_string();
        assert!(error.starts_with("output a: ") && error.contains(expected), "{error}");
        assert!(!error.contains("hidden"), "{error}");
    };
    refused("properties = { 'no.such' = '1' }", "no.such");
    refused("properties = { 'linger.ms' = 'soon' }", "linger.ms");
    refused("properties = { 'ssl.key.password' = 'hidden', 'linger.ms' = 'x' }", "linger.ms");
    refused("tls = true\ntls_ca = '/no/such.pem'", "/no/such.pem");
}
