//! Outputs to Kafka and NATS while the server is killed and they are down: everything is delivered, in order, and repeated are
//! at most the batches that were being delivered.
//!
//! The long form:
//!
//! ```text
//! KILLS=10 RATE=1000 DOWN=600 cargo test --release --features cluster,kafka --test kills brokers -- --nocapture
//! ```
//!
//! Kafka's brokers are librdkafka's own for tests, in this process. That of NATS is the program that `NATS_SERVER` names, or
//! `nats-server` in `PATH`.

use super::outputs::{log, peak_memory, position};
use super::{End, PATIENCE, number, run, start, terminate, write_configuration};
use crate::ports::free_port;
use actix_web::rt::time::sleep;
use async_nats::jetstream::{self, stream};
use certstream_server::demo::{DemoLog, DemoProtocol};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// `batch_messages` of both outputs.
const BATCH: u64 = 200;
const TOPIC: &str = "certificates";

/// The index of the entry of a message.
fn index_of(message: &[u8]) -> u64 {
    let message: Value = serde_json::from_slice(message).expect("JSON");
    message["data"]["cert_index"].as_u64().unwrap_or_else(|| panic!("{message}"))
}

/// The brokers keep only the newest 5 MB, so the output compresses. Their answers take so long that who reads can follow, also
/// when it has to connect first.
const ROUND_TRIP: Duration = Duration::from_millis(60);

fn consumer_from(brokers: &str, offset: i64) -> BaseConsumer {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", brokers).set("group.id", "reader").set("enable.auto.commit", "false");
    settings.set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg);
    let consumer: BaseConsumer = settings.create().expect("a consumer");
    let mut partition = TopicPartitionList::new();
    partition.add_partition_offset(TOPIC, 0, Offset::Offset(offset)).expect("a partition");
    consumer.assign(&partition).expect("a partition");
    consumer
}

/// Somebody who reads the topic from its beginning on, on a thread of their own, until they are told to end.
struct TopicReader {
    indexes: Arc<Mutex<Vec<u64>>>,
    ends: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl TopicReader {
    fn last(&self) -> Option<u64> {
        assert!(!self.thread.is_finished(), "the topic is not read any more");
        self.indexes.lock().expect("no panic").last().copied()
    }

    /// The index of each message, in order.
    fn end(self) -> Vec<u64> {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic");
        self.indexes.lock().expect("no panic").clone()
    }
}

fn read_topic(brokers: String) -> TopicReader {
    let (indexes, ends) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let (read, stop) = (indexes.clone(), ends.clone());
    let thread = std::thread::spawn(move || {
        let (mut next, mut consumer, mut heard) = (0, consumer_from(&brokers, 0), Instant::now());
        while !stop.load(Ordering::Relaxed) {
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                assert_eq!(message.offset(), next, "the brokers have forgotten messages");
                read.lock().expect("no panic").push(index_of(message.payload().expect("a message")));
                (next, heard) = (message.offset() + 1, Instant::now());
            } else if heard.elapsed() > Duration::from_secs(2) {
                // After an outage, the old one would take its time.
                (consumer, heard) = (consumer_from(&brokers, next), Instant::now());
            }
        }
    });
    TopicReader { indexes, ends, thread }
}

/// A server of NATS.
struct Nats {
    program: PathBuf,
    configuration: PathBuf,
    url: String,
    child: Option<Child>,
}

impl Nats {
    /// Starts it with its files in `dir`. `None` if there is no program, after saying so.
    async fn start(dir: &Path) -> Option<Nats> {
        let named = std::env::var_os("NATS_SERVER").map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut in_path = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
        let Some(program) = named.or_else(|| in_path.find(|file| file.is_file())) else {
            eprintln!("SKIPPED: no nats-server");
            return None;
        };
        let address = format!("127.0.0.1:{}", free_port());
        let configuration = dir.join("nats.conf");
        let text = format!("listen: '{address}'\njetstream {{ store_dir: {:?} }}\n", dir.join("nats"));
        fs::write(&configuration, text).expect("a file");
        let mut nats = Nats { program, configuration, url: format!("nats://{address}"), child: None };
        nats.up();
        let stream = json!({ "name": "CERTIFICATES", "subjects": ["certstream.>"], "allow_atomic": true });
        let context = nats.context().await;
        let made: Value = context.request("STREAM.CREATE.CERTIFICATES", &stream).await.expect("an answer");
        assert!(made["error"].is_null(), "{made}");
        Some(nats)
    }

    fn up(&mut self) {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.configuration).stderr(std::process::Stdio::null());
        self.child = Some(command.spawn().expect("it starts"));
    }

    fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("a status");
        }
    }

    async fn context(&self) -> jetstream::Context {
        let begin = Instant::now();
        loop {
            match async_nats::connect(&self.url).await {
                Ok(client) => return jetstream::new(client),
                Err(error) => assert!(begin.elapsed() < PATIENCE, "{error}"),
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Adds what the stream has behind the first messages, whose `indexes` are known.
    async fn read(&self, stream: &mut stream::Stream, indexes: &mut Vec<u64>) {
        let last = stream.info().await.expect("its state").state.last_sequence;
        while (indexes.len() as u64) < last {
            let message = stream.get_raw_message(indexes.len() as u64 + 1).await.expect("a message");
            indexes.push(index_of(&message.payload));
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.down();
    }
}

fn configure(dir: &Path, log: &DemoLog, brokers: &str, nats: &str) {
    let port = free_port();
    write_configuration(dir, log, DemoProtocol::Rfc6962, port);
    let mut file = fs::File::options().append(true).open(dir.join("certstream.toml")).expect("a file");
    write!(
        file,
        "[[outputs]]\nname = 'kafka'\ntype = 'kafka'\nbrokers = {:?}\ntopic = '{TOPIC}'\nbatch_messages = {BATCH}\n\
         compression = 'zstd'\n\
         [[outputs]]\nname = 'nats'\ntype = 'nats'\nservers = ['{nats}']\njetstream = 'CERTIFICATES'\nbatch_messages = {BATCH}\n\
         [[outputs]]\nname = 'archive'\ntype = 'file'\ndir = {:?}\n",
        brokers.split(',').collect::<Vec<_>>(),
        dir.join("archive")
    )
    .expect("it is written");
}

#[actix_web::test]
async fn brokers_get_everything_however_the_server_ends_and_while_they_are_down() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some(mut nats) = Nats::start(dir.path()).await else { return };
    let brokers = MockCluster::new(3).expect("brokers");
    brokers.create_topic(TOPIC, 1, 3).expect("a topic");
    brokers.broker_round_trip_time(-1, ROUND_TRIP).expect("slower answers");
    let topic = read_topic(brokers.bootstrap_servers());
    let log = log().await;
    configure(dir.path(), &log, &brokers.bootstrap_servers(), &nats.url);
    log.set_rate(number("RATE", 300) as f64);
    let mut random = StdRng::seed_from_u64(number("SEED", 7));
    let kills = number("KILLS", 4);

    // Both have begun, and go down. Half of the kills come meanwhile.
    run(dir.path(), End::Kill, Duration::from_secs(2)).await;
    brokers.broker_down(-1).expect("down");
    nats.down();
    let down_until = Instant::now() + Duration::from_secs(number("DOWN", 5));
    for _ in 0..kills / 2 {
        run(dir.path(), End::Kill, Duration::from_millis(2000 + random.random_range(0..1000))).await;
    }
    let mut server = start(dir.path());
    sleep(down_until.saturating_duration_since(Instant::now()).max(Duration::from_secs(3))).await;
    let [archive, kafka, of_nats] = ["archive", "kafka", "nats"].map(|name| position(dir.path(), name));
    assert!(archive > kafka && archive > of_nats, "the file does not wait for them");
    let memory = peak_memory(server.id());
    server.kill().expect("it can be killed");
    server.wait().expect("a status");
    brokers.broker_up(-1).expect("up");
    nats.up();
    for _ in 0..kills - kills / 2 {
        run(dir.path(), End::Kill, Duration::from_millis(1500 + random.random_range(0..1500))).await;
    }
    log.set_rate(0.0);
    let mut server = start(dir.path());
    let last = log.publish(0) - 1;
    let mut stream = nats.context().await.get_stream("CERTIFICATES").await.expect("the stream");
    let (mut in_stream, begin) = (Vec::new(), Instant::now());
    let patience = PATIENCE + 2 * Duration::from_secs(number("DOWN", 5));
    while begin.elapsed() < patience {
        nats.read(&mut stream, &mut in_stream).await;
        if in_stream.last() == Some(&last) && topic.last() == Some(last) {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    terminate(&server);
    server.wait().expect("a status");

    let runs = kills + 3;
    let of_kafka = judge(&topic.end(), last, runs);
    let of_nats = judge(&in_stream, last, runs);
    println!(
        "{} entries; again in {runs} runs: {of_kafka} in Kafka, {of_nats} in NATS; {memory} MB",
        last + 1
    );
    log.stop().await;
}

/// Checks that everything is there in order, and that after each of `runs` at most a batch came again. Returns the number of
/// messages that did.
fn judge(indexes: &[u64], last: u64, runs: u64) -> u64 {
    let (mut next, mut steps_back) = (0, 0);
    for pair in [&[0], indexes].concat().windows(2) {
        let index = pair[1];
        assert!(index <= next, "the entries {next} to {index} are missing or come later");
        assert!(next - index <= BATCH, "no more than a batch again");
        steps_back += u64::from(index <= pair[0] && index != 0);
        next = next.max(index + 1);
    }
    assert_eq!(next, last + 1, "everything was delivered");
    assert!(steps_back <= runs, "{steps_back} batches again after {runs} runs");
    indexes.len() as u64 - next
}
