//! Tests of outputs to receivers that do what receivers do. `tests/kills` has outages and crashes.

use crate::helpers::{PATIENCE, TestApp, from_the_start, quiet_log, spawn_app};
use actix_web::http::header::HeaderMap;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::net::ToSocketAddrs;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// A request that a receiver has got, and the time.
struct Received {
    at: Instant,
    headers: HeaderMap,
    body: web::Bytes,
    is_accepted: bool,
}

impl Received {
    fn messages(&self) -> Vec<Value> {
        let body: Value = serde_json::from_slice(&self.body).expect("JSON");
        body["messages"].as_array().expect("messages").clone()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).expect("the header").to_str().expect("text")
    }

    fn indexes(&self) -> Vec<u64> {
        self.messages()
            .iter()
            .map(|message| message["data"]["cert_index"].as_u64().expect("an index"))
            .collect()
    }
}

/// What the receiver answers to a request, given the requests before it.
type Answer = fn(&[Received], &[u64]) -> HttpResponse;

struct Receiver {
    answer: Answer,
    received: Mutex<Vec<Received>>,
}

impl Receiver {
    /// Serves a receiver that answers so. Returns it with its URL.
    fn serve(answer: Answer) -> (web::Data<Receiver>, String) {
        let receiver = web::Data::new(Receiver { answer, received: Mutex::default() });
        let shared = receiver.clone();
        let app = move || {
            let limit = web::PayloadConfig::new(64 << 20);
            App::new().app_data(shared.clone()).app_data(limit).default_service(web::to(Self::receive))
        };
        let server =
            HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).expect("a port");
        let url = format!("http://{}/hook", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        (receiver, url)
    }

    async fn receive(receiver: web::Data<Receiver>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
        let headers = request.headers().clone();
        let mut received = receiver.received.lock().expect("no panic");
        let mut new = Received { at: Instant::now(), headers, body, is_accepted: false };
        let answer = (receiver.answer)(&received, &new.indexes());
        new.is_accepted = answer.status().is_success();
        received.push(new);
        answer
    }

    /// The indexes of all messages that were accepted, in order.
    fn accepted(&self) -> Vec<u64> {
        let received = self.received.lock().expect("no panic");
        received.iter().filter(|request| request.is_accepted).flat_map(Received::indexes).collect()
    }

    async fn until_accepted(&self, index: u64) {
        let begin = Instant::now();
        while !self.accepted().contains(&index) {
            assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", self.accepted());
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn output(url: &str, keys: &str) -> String {
    format!(
        "[admin]\nallow = ['127.0.0.1']\n[[outputs]]\nname = 'hook'\ntype = 'webhook'\nurl = '{url}'\nallow_internal = true\n\
         begin = 'oldest'\nbatch_wait = '50ms'\n{keys}\n"
    )
}

/// What `/stats` says of the only output.
async fn stats(app: &TestApp) -> Value {
    app.get("/stats").await["outputs"][0].clone()
}

#[actix_web::test]
async fn a_message_that_is_refused_goes_to_the_dead_letters_and_the_others_arrive() {
    let log = quiet_log().await;
    let refuses_13 = |_: &[Received], indexes: &[u64]| match indexes.contains(&13) {
        true => HttpResponse::UnprocessableEntity().body("13 is unlucky"),
        false => HttpResponse::Ok().finish(),
    };
    let (receiver, url) = Receiver::serve(refuses_13);
    let app = spawn_app(&output(&url, ""), vec![from_the_start(&log)]).await;
    log.publish(40);
    receiver.until_accepted(39).await;
    let accepted = receiver.accepted();
    assert!(accepted.iter().copied().eq((0..40).filter(|index| *index != 13)), "in order: {accepted:?}");
    let dead = std::fs::read_to_string(app.state().join("outputs/hook.dead.ndjson")).expect("dead letters");
    let dead: Vec<Value> = dead.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((dead.len(), &dead[0]["message"]["data"]["cert_index"]), (1, &json!(13)));
    assert!(dead[0]["why"].as_str().is_some_and(|why| why.contains("422") && why.contains("unlucky")));
    let stats = app.wait_for(|stats| stats["outputs"][0]["messages_delivered"] == 40).await;
    assert_eq!(stats["outputs"][0]["dead_letters"], 1);
    assert!(
        app.metrics()
            .await
            .contains("certstream_output_dead_letters_total{output=\"hook\",type=\"webhook\"} 1")
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_receiver_that_is_away_is_named_without_the_secrets_of_its_url() {
    let log = quiet_log().await;
    let url = "http://user:s3cret@127.0.0.1:1/s3cret";
    let app = spawn_app(&output(url, ""), vec![from_the_start(&log)]).await;
    log.publish(5);
    let stats = app.wait_for(|stats| stats["outputs"][0]["error"].is_string()).await;
    let error = stats["outputs"][0]["error"].as_str().expect("an error");
    assert!(error.starts_with("127.0.0.1:1: Connection refused") && !error.contains("s3cret"), "{error}");
    app.stop().await;
}

#[actix_web::test]
async fn that_an_output_fails_is_for_everybody_and_why_is_not() {
    let (_receiver, url) = Receiver::serve(|_, _| HttpResponse::InternalServerError().finish());
    let without_admins = output(&url, "").replace("[admin]\nallow = ['127.0.0.1']\n", "");
    let log = quiet_log().await;
    let app = spawn_app(&without_admins, vec![from_the_start(&log)]).await;
    log.publish(5);
    app.wait_for(|stats| stats["logs"][log.url()]["delivered"] == 5).await;
    let failing = async {
        loop {
            let output = app.get("/health/ready").await["outputs"][0].take();
            if output["failing"] == true {
                return output;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let output = timeout(PATIENCE, failing).await.expect("it fails");
    assert_eq!((&output["name"], &output["error"]), (&json!("hook"), &Value::Null));
    app.stop().await;
}

#[actix_web::test]
async fn a_receiver_that_asks_for_patience_gets_it_and_then_everything_in_order() {
    let log = quiet_log().await;
    let is_busy = |before: &[Received], _: &[u64]| match before.len() {
        0 => HttpResponse::TooManyRequests().insert_header(("Retry-After", "2")).finish(),
        1 => HttpResponse::InternalServerError().finish(),
        _ => HttpResponse::Accepted().finish(),
    };
    let (receiver, url) = Receiver::serve(is_busy);
    let app = spawn_app(&output(&url, "batch_messages = 7"), vec![from_the_start(&log)]).await;
    log.publish(20);
    let failing = app.wait_for(|stats| stats["outputs"][0]["error"].is_string()).await;
    let error = failing["outputs"][0]["error"].as_str().expect("an error");
    assert!(error.contains("status 429"), "{error}");
    let ready = app.get("/health/ready").await;
    assert_eq!((&ready["ready"], &ready["outputs"][0]["failing"]), (&json!(true), &json!(true)), "{ready}");
    assert_eq!(ready["outputs"][0]["error"], error);
    receiver.until_accepted(19).await;
    assert!(receiver.accepted().into_iter().eq(0..20));
    {
        let received = receiver.received.lock().expect("no panic");
        assert!(received[1].at - received[0].at >= Duration::from_millis(1900), "Retry-After");
        assert!(received.iter().all(|request| request.messages().len() <= 7));
    }
    let stats = app.wait_for(|stats| stats["outputs"][0]["error"].is_null()).await;
    assert_eq!(stats["outputs"][0]["failures"], 2);
    app.stop().await;
}

#[actix_web::test]
async fn what_was_accepted_before_a_failure_is_not_sent_again() {
    let log = quiet_log().await;
    let answer = |before: &[Received], indexes: &[u64]| {
        let failures =
            before.iter().filter(|request| !request.is_accepted && request.indexes().contains(&30)).count();
        match indexes.contains(&13) || indexes.contains(&14) {
            true => HttpResponse::BadRequest().finish(),
            // Fails often enough for a batch to be tried several times.
            false if indexes.contains(&30) && failures < 3 => HttpResponse::ServiceUnavailable().finish(),
            false => HttpResponse::Ok().finish(),
        }
    };
    let (receiver, url) = Receiver::serve(answer);
    log.publish(40);
    let app = spawn_app(
        &output(&url, "batch_wait = '1s'").replace("batch_wait = '50ms'\n", ""),
        vec![from_the_start(&log)],
    )
    .await;
    receiver.until_accepted(39).await;
    let accepted = receiver.accepted();
    assert!(accepted.iter().copied().eq((0..40).filter(|index| ![13, 14].contains(index))), "{accepted:?}");
    let dead = std::fs::read_to_string(app.state().join("outputs/hook.dead.ndjson")).expect("dead letters");
    assert_eq!(dead.lines().count(), 2, "each once");
    app.stop().await;
}

#[actix_web::test]
async fn without_room_for_dead_letters_it_waits_at_the_first_one() {
    let log = quiet_log().await;
    let refuses_from_13 = |_: &[Received], indexes: &[u64]| match indexes.iter().any(|index| *index >= 13) {
        true => HttpResponse::BadRequest().finish(),
        false => HttpResponse::Ok().finish(),
    };
    let (receiver, url) = Receiver::serve(refuses_from_13);
    let app = spawn_app(&output(&url, ""), vec![from_the_start(&log)]).await;
    let in_the_way = app.state().join("outputs/hook.dead.ndjson");
    std::fs::create_dir_all(&in_the_way).expect("a folder");
    log.publish(20);
    app.wait_for(|stats| stats["outputs"][0]["failures"].as_u64() >= Some(2)).await;
    let accepted = receiver.accepted();
    assert!(accepted.iter().copied().eq(0..13), "each once: {accepted:?}");
    std::fs::remove_dir(&in_the_way).expect("it can be removed");
    app.wait_for(|stats| stats["outputs"][0]["dead_letters"] == 7).await;
    app.stop().await;
}

#[actix_web::test]
async fn an_answer_that_does_not_end_is_an_answer() {
    let log = quiet_log().await;
    let endless = |_: &[Received], _: &[u64]| {
        let body = futures_util::stream::pending::<Result<web::Bytes, std::io::Error>>();
        HttpResponse::Ok().streaming(body)
    };
    let (receiver, url) = Receiver::serve(endless);
    let app = spawn_app(&output(&url, "timeout = '5s'"), vec![from_the_start(&log)]).await;
    log.publish(3);
    app.wait_for(|stats| stats["outputs"][0]["messages_delivered"] == 3).await;
    assert!(receiver.accepted().into_iter().eq(0..3));
    app.stop().await;
}

/// As with a full disk that has the state and not the files.
#[actix_web::test]
async fn nothing_is_lost_and_nothing_is_twice_in_the_files_while_the_position_cannot_be_saved() {
    let log = quiet_log().await;
    let dir = tempfile::tempdir().expect("a folder");
    let toml = format!(
        "[admin]\nallow = ['127.0.0.1']\n[[outputs]]\nname = 'files'\ntype = 'file'\ndir = {:?}\nbegin = 'oldest'\n\
         compress = false\nbatch_wait = '50ms'\n",
        dir.path()
    );
    let app = spawn_app(&toml, vec![from_the_start(&log)]).await;
    log.publish(10);
    let is_saved =
        |stats: &Value| stats["outputs"][0]["messages_delivered"] == 10 && stats["outputs"][0]["behind"] == 0;
    app.wait_for(is_saved).await;
    let in_the_way = app.state().join("outputs/files.json.new");
    std::fs::create_dir(&in_the_way).expect("a folder");
    log.publish(10);
    let stats = app.wait_for(|stats| stats["outputs"][0]["error"].is_string()).await;
    let error = stats["outputs"][0]["error"].as_str().expect("an error");
    assert!(error.starts_with("its position cannot be saved: "), "{error}");
    log.publish(10);
    std::fs::remove_dir(&in_the_way).expect("it can be removed");
    app.wait_for(|stats| stats["outputs"][0]["messages_delivered"] == 30).await;
    app.wait_for(|stats| stats["outputs"][0]["error"].is_null()).await;
    app.stop().await;
    let files = std::fs::read_dir(dir.path()).expect("a folder").map(|file| file.expect("a file").path());
    let lines: String = files.map(|file| std::fs::read_to_string(file).expect("text")).collect();
    let indexes = lines.lines().map(|line| {
        let message: Value = serde_json::from_str(line).expect("JSON");
        message["data"]["cert_index"].as_u64().expect("an index")
    });
    assert!(indexes.eq(0..30), "each once and in order");
}

/// The journal is read in small pieces. If each were waited for as what is logged is, there would be few in a batch.
#[actix_web::test]
async fn what_an_outage_has_left_comes_in_whole_batches() {
    static IS_UP: AtomicBool = AtomicBool::new(false);
    const ENTRIES: u64 = 6001;
    const BATCH: usize = 700;
    let log = quiet_log().await;
    let (receiver, url) = Receiver::serve(|_, _| match IS_UP.load(Ordering::Relaxed) {
        true => HttpResponse::Ok().finish(),
        false => HttpResponse::ServiceUnavailable().finish(),
    });
    let toml = output(&url, &format!("batch_messages = {BATCH}")).replace("'50ms'", "'1s'");
    let toml = format!("{toml}[clients]\nring_bytes = '64 KiB'\n");
    let app = spawn_app(&toml, vec![from_the_start(&log)]).await;
    log.publish(1);
    app.wait_for(|stats| stats["outputs"][0]["error"].is_string()).await;
    log.publish(ENTRIES - 1);
    app.wait_for(|stats| stats["logs"][log.url()]["position"] == ENTRIES).await;
    IS_UP.store(true, Ordering::Relaxed);
    app.wait_for(|stats| stats["outputs"][0]["messages_delivered"] == ENTRIES).await;
    assert!(receiver.accepted().into_iter().eq(0..ENTRIES));
    let sizes: Vec<_> = {
        let received = receiver.received.lock().expect("no panic");
        received
            .iter()
            .filter(|request| request.is_accepted)
            .map(|request| request.messages().len())
            .collect()
    };
    assert!(sizes.iter().filter(|size| **size == BATCH).count() > sizes.len() / 2, "{sizes:?}");
    app.stop().await;
}

#[actix_web::test]
async fn requests_are_signed_and_say_what_they_have() {
    let log = quiet_log().await;
    let (receiver, url) = Receiver::serve(|_, _| HttpResponse::Ok().finish());
    let keys =
        "secret = 'key of the receiver'\nheaders = { Authorization = 'Bearer abc' }\nfilter = 'type=precert'";
    let app = spawn_app(&output(&url, keys), vec![from_the_start(&log)]).await;
    log.publish(30);
    app.wait_for(|stats| {
        stats["outputs"][0]["behind"] == 0 && stats["outputs"][0]["messages_delivered"] != 0
    })
    .await;
    let key = PKey::hmac(b"key of the receiver").expect("a key");
    for request in &*receiver.received.lock().expect("no panic") {
        let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("a signer");
        let signature = signer.sign_oneshot_to_vec(&request.body).expect("a signature");
        let signature = signature.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let messages = request.messages();
        let (first, last) = (&messages[0]["seq"], &messages[messages.len() - 1]["seq"]);
        assert_eq!(request.header("x-certstream-signature"), format!("sha256={signature}"));
        assert_eq!(request.header("x-certstream-delivery"), format!("{first}-{last}"));
        assert_eq!(request.header("authorization"), "Bearer abc");
        assert_eq!(request.header("x-certstream-output"), "hook");
        assert!(messages.iter().all(|message| message["data"]["update_type"] == "PrecertLogEntry"));
    }
    assert!(stats(&app).await["messages_delivered"].as_u64().is_some_and(|count| count > 5 && count < 30));
    app.stop().await;
}

#[actix_web::test]
async fn an_address_of_the_own_network_is_not_reached_unless_that_is_allowed() {
    let log = quiet_log().await;
    let (receiver, url) = Receiver::serve(|_, _| HttpResponse::Ok().finish());
    // Names of the configuration are refused at the start if they are obviously internal; others when they are resolved.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_string();
    let addresses: Vec<_> = (name.as_str(), 443).to_socket_addrs().into_iter().flatten().collect();
    if addresses.is_empty() || name == "localhost" {
        eprintln!("SKIPPED: this machine's name {name:?} has no address");
        return;
    }
    let inside = url.replace("http://127.0.0.1", &format!("https://{name}"));
    let toml = output(&inside, "").replace("allow_internal = true\n", "");
    let app = spawn_app(&toml, vec![from_the_start(&log)]).await;
    log.publish(5);
    let stats = app.wait_for(|stats| stats["outputs"][0]["error"].is_string()).await;
    let error = stats["outputs"][0]["error"].as_str().expect("an error");
    let expected =
        format!("{name} is not a public address; to allow it, set allow_internal = true for this output");
    assert_eq!(error, expected);
    assert!(receiver.received.lock().expect("no panic").is_empty());
    app.stop().await;
}

#[actix_web::test]
async fn an_output_follows_its_named_filter_and_is_no_client() {
    let log = quiet_log().await;
    let (receiver, url) = Receiver::serve(|_, _| HttpResponse::Ok().finish());
    let toml = |domain: &str| {
        let filter = format!("[[filters]]\nname = 'mine'\ndomain = ['{domain}']\n");
        // An output to which nothing is delivered moves with heartbeats.
        format!("[heartbeat]\ninterval = '1s'\n{}{filter}", output(&url, "filter = 'filter=mine'"))
    };
    let mut app = spawn_app(&toml("nothing.invalid"), vec![from_the_start(&log)]).await;
    log.publish(200);
    app.wait_for(|stats| stats["outputs"][0]["behind"] == 0 && stats["logs"][log.url()]["delivered"] == 200)
        .await;
    assert!(receiver.received.lock().expect("no panic").is_empty());
    assert_eq!(app.reload(&toml("test"), vec![from_the_start(&log)]), Ok(vec!["filters".into()]));
    log.publish(300);
    let stats = app.wait_for(|stats| stats["outputs"][0]["messages_delivered"] != 0).await;
    assert_eq!(stats["connected_client_count"], 0, "{stats}");
    for request in &*receiver.received.lock().expect("no panic") {
        for message in request.messages() {
            let names = message["data"]["leaf_cert"]["all_domains"].to_string();
            assert!(names.contains(".test\""), "{names}");
        }
    }
    app.stop().await;
}

/// Its journal ends with it, so the next one goes on with nothing.
#[test]
fn a_demo_leaves_whole_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = dir.path().join("c.toml");
    let archive = dir.path().join("archive");
    let output = format!("[[outputs]]\nname = 'all'\ntype = 'file'\ndir = {archive:?}\n");
    std::fs::write(&config, output).expect("a file");
    let run = || {
        let mut server = Command::new(env!("CARGO_BIN_EXE_certstream-server"))
            .args(["demo", "--rate", "200", "--config"])
            .arg(&config)
            .env("CERTSTREAM_SERVER_LISTEN", "127.0.0.1:0")
            .env("CERTSTREAM_STATE_DIR", dir.path().join("state"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("a server");
        let is_partial = |file: &std::fs::DirEntry| file.file_name().to_string_lossy().ends_with(".partial");
        let files = || std::fs::read_dir(&archive).into_iter().flatten().filter_map(Result::ok);
        let is_written =
            || files().any(|file| is_partial(&file) && file.metadata().is_ok_and(|file| file.len() > 0));
        let begin = Instant::now();
        while !is_written() {
            assert!(begin.elapsed() < PATIENCE, "nothing is written");
            std::thread::sleep(Duration::from_millis(50));
        }
        kill_process(Pid::from_child(&server), Signal::TERM).expect("it runs");
        assert!(server.wait().expect("a status").success());
        let mut log = String::new();
        server.stderr.take().expect("a pipe").read_to_string(&mut log).expect("text");
        assert!(!log.contains("was not whole"), "{log}");
        assert!(!files().any(|file| is_partial(&file)), "{log}");
        files().filter(|file| file.file_name().to_string_lossy().ends_with(".ndjson.zst")).count()
    };
    assert_eq!([run(), run()], [1, 2]);
}

/// As in `certstream-server demo --stdout | head -3`.
#[test]
fn the_standard_output_has_the_stream_and_the_server_stops_when_nobody_reads_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Command::new(env!("CARGO_BIN_EXE_certstream-server"))
        .args(["demo", "--stdout=domains", "--rate", "200"])
        .env("CERTSTREAM_SERVER_LISTEN", "127.0.0.1:0")
        .env("CERTSTREAM_STATE_DIR", dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a server");
    let mut lines = BufReader::new(server.stdout.take().expect("a pipe")).lines();
    for _ in 0..3 {
        let line = lines.next().expect("a line").expect("text");
        let message: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(message["message_type"], "dns_entries");
    }
    drop(lines);
    let begin = Instant::now();
    while server.try_wait().expect("a status").is_none() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = server.wait_with_output().expect("its output");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && log.contains("the standard output cannot be written"), "{log}");
}
