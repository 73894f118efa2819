//! Tests of clients that come back: by cursor, by time, after a restart.

use crate::helpers::{
    Subscriber, TestApp, body, from_the_start, log_with, quiet_log, spawn_app, spawn_app_in, with_its_key,
};
use certstream_server::ct::source::Protocol;
use certstream_server::demo::{DemoLogOptions, DemoProtocol};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::fs;

/// The next `count` messages about entries.
async fn messages(client: &mut Subscriber, count: usize) -> Vec<Value> {
    let mut messages = Vec::with_capacity(count);
    while messages.len() < count {
        messages.push(client.message().await);
    }
    messages
}

fn seqs(messages: &[Value]) -> Vec<u64> {
    messages.iter().map(|message| message["seq"].as_u64().expect("a number")).collect()
}

/// Where what comes is compared as a whole.
const NO_HEARTBEAT: &str = "[heartbeat]\ninterval = '1h'\n";

async fn wait_for_position(app: &TestApp, url: &str, position: u64) {
    app.wait_for(|stats| stats["logs"][url]["position"] == position).await;
}

#[actix_web::test]
async fn a_client_with_a_cursor_gets_what_it_would_have_got_on_every_stream_and_wire() {
    for (demo, protocol) in
        [(DemoProtocol::Rfc6962, Protocol::Rfc6962), (DemoProtocol::StaticCt, Protocol::StaticCt)]
    {
        let log = log_with(DemoLogOptions { protocol: demo, ..DemoLogOptions::default() }).await;
        let app = spawn_app(
            &format!("{NO_HEARTBEAT}[fetch]\npartial_tile_wait = '0s'\n"),
            vec![with_its_key(&log, protocol)],
        )
        .await;
        let mut live = Vec::new();
        for path in ["/full-stream", "/lite-stream", "/domains-only"] {
            live.push((path, app.connect(path).await));
        }
        app.wait_for_clients(3).await;
        for _ in 0..50 {
            log.publish(10);
            tokio::task::yield_now().await;
        }
        wait_for_position(&app, &log.url(), 500).await;
        for (path, client) in &mut live {
            let with_names =
                (0..500).filter(|index| log.entry(*index).is_some_and(|e| e.first_dns_name.is_some()));
            let count = if *path == "/domains-only" { with_names.count() } else { 500 };
            let expected = messages(client, count).await;
            let numbers = seqs(&expected);
            assert!(numbers.is_sorted_by(|a, b| a < b), "{path}");
            let cursor = numbers[count / 2];
            let mut again = app.connect(&format!("{path}?cursor={cursor}")).await;
            assert_eq!(
                messages(&mut again, count - count / 2 - 1).await,
                expected[count / 2 + 1..],
                "{path}"
            );

            let stream = path.trim_matches('/').split('-').next().expect("a name");
            let (status, lines) = body(&app, &format!("/ndjson?stream={stream}&follow=0"), None).await;
            let lines: Vec<Value> =
                lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            assert_eq!((status, &lines), (200, &expected), "{path}");
            let (_, events) = body(&app, &format!("/sse?stream={stream}&follow=0"), Some(cursor)).await;
            let events: Vec<&str> = events.split_terminator("\n\n").collect();
            assert_eq!(events.len(), count - count / 2 - 1, "{path}");
            for (event, message) in events.iter().zip(&expected[count / 2 + 1..]) {
                let (id, data) = event.split_once("\ndata: ").expect("an event");
                assert_eq!(id, format!("id: {}", message["seq"]));
                assert_eq!(&serde_json::from_str::<Value>(data).expect("JSON"), message);
            }
        }
        app.stop().await;
    }
}

#[actix_web::test]
async fn a_client_goes_on_after_a_restart_as_if_there_had_been_none() {
    let log = quiet_log().await;
    let mut app = spawn_app("", vec![with_its_key(&log, Protocol::Rfc6962)]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    let mut received = Vec::new();
    for _ in 0..3 {
        log.publish(120);
        received.extend(messages(&mut client, 120).await);
        let (dir, _) = tokio::join!(app.stop(), client.until_closed());
        log.publish(30);
        app = spawn_app_in(dir, &[], "", vec![with_its_key(&log, Protocol::Rfc6962)]).await;
        let cursor = received.last().expect("a message")["seq"].clone();
        client = app.connect(&format!("/lite-stream?cursor={cursor}")).await;
        received.extend(messages(&mut client, 30).await);
    }
    let indexes: Vec<_> = received.iter().map(|message| message["data"]["cert_index"].as_u64()).collect();
    assert_eq!(indexes, (0..450).map(Some).collect::<Vec<_>>());
    assert!(
        seqs(&received).is_sorted_by(|a, b| a + 1 == *b),
        "an orderly stop leaves no hole in the numbers"
    );
    let newest = app.get("/latest.json").await["messages"][24].clone();
    assert_eq!(newest["seq"], received.last().expect("a message")["seq"]);
    app.stop().await;
}

#[actix_web::test]
async fn a_client_without_a_cursor_begins_where_the_last_run_ended() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    log.publish(10);
    wait_for_position(&app, &log.url(), 10).await;
    let dir = app.stop().await;
    log.publish(500);
    let app = spawn_app_in(dir, &[], "", vec![from_the_start(&log)]).await;
    wait_for_position(&app, &log.url(), 510).await;
    let mut client = app.connect("/lite-stream").await;
    assert_eq!(client.indexes(500).await, (10..510).collect::<Vec<_>>(), "although they were sent already");
    let dir = app.stop().await;
    log.publish(5);
    let without = "[clients]\nrestart_grace = '0s'";
    let app = spawn_app_in(dir, &[], without, vec![from_the_start(&log)]).await;
    wait_for_position(&app, &log.url(), 515).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    log.publish(1);
    assert_eq!(client.indexes(1).await, [515]);
    app.stop().await;
}

#[actix_web::test]
async fn moments_and_ends_are_understood() {
    let log = quiet_log().await;
    let app = spawn_app(NO_HEARTBEAT, vec![from_the_start(&log)]).await;
    log.publish(200);
    wait_for_position(&app, &log.url(), 200).await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let between = chrono::Utc::now();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    log.publish(100);
    wait_for_position(&app, &log.url(), 300).await;
    let indexes = async |query: String| {
        let (status, lines) = body(&app, &format!("/ndjson?stream=lite&{query}"), None).await;
        assert_eq!(status, 200, "{query}: {lines}");
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.map(|line| line["data"]["cert_index"].as_u64().expect("an index")).collect::<Vec<_>>()
    };
    let moment = between.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    assert_eq!(indexes("since=1h&follow=0".into()).await, (0..300).collect::<Vec<_>>());
    assert_eq!(indexes(format!("since={moment}&follow=0")).await, (200..300).collect::<Vec<_>>());
    assert_eq!(indexes(format!("since=1h&until={moment}")).await, (0..200).collect::<Vec<_>>());
    assert_eq!(indexes(format!("until={moment}")).await, (0..200).collect::<Vec<_>>());
    let mut client = app.connect("/lite-stream?since=1h&follow=0").await;
    let (all, close) = client.until_closed().await;
    assert_eq!((all.len(), close.map(|frame| u16::from(frame.code))), (300, Some(1000)));
    app.stop().await;
}

/// The `cert_index` of each line that a request returns.
async fn indexes_of(app: &TestApp, query: &str) -> Vec<u64> {
    let (status, lines) = body(app, &format!("/ndjson?stream=lite&{query}"), None).await;
    assert_eq!(status, 200, "{query}: {lines}");
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.map(|line| line["data"]["cert_index"].as_u64().expect("an index")).collect()
}

#[actix_web::test]
async fn the_last_entries_come_before_the_live_stream_or_before_a_number() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    assert_eq!(indexes_of(&app, "last=5&follow=0").await, [0; 0], "nothing is there yet");
    log.publish(100);
    wait_for_position(&app, &log.url(), 100).await;
    let mut client = app.connect("/lite-stream?last=7").await;
    assert_eq!(client.indexes(7).await, (93..100).collect::<Vec<_>>());
    log.publish(2);
    assert_eq!(client.indexes(2).await, [100, 101]);

    // An unclean stop, after which the numbers jump.
    let dir = app.stop().await;
    let journal = dir.path().join("state/journal");
    let segment =
        fs::read_dir(&journal).expect("a journal").next().expect("a segment").expect("a name").path();
    let content = fs::read(&segment).expect("its content");
    fs::write(&segment, &content[..content.len() - 36]).expect("a segment without its end marker");
    log.publish(10);
    let app = spawn_app_in(dir, &[], "", vec![from_the_start(&log)]).await;
    wait_for_position(&app, &log.url(), 112).await;
    let (_, lines) = body(&app, "/ndjson?stream=lite&last=15&follow=0", None).await;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let numbers = seqs(&lines);
    assert!(numbers[14] - numbers[0] > 1000, "the numbers did not jump: {numbers:?}");
    assert_eq!(lines[0]["data"]["cert_index"], 97);
    for (query, expected) in [
        (format!("last=3&before={}", numbers[5]), 99..102),
        (format!("last=3&before={}", numbers[5] - 1000), 99..102),
        (format!("last=3&before={}", numbers[14]), 108..111),
        (format!("last=3&before={}", numbers[14] + 1_000_000), 109..112),
        (format!("last=10000&before={}", numbers[5]), 0..102),
        (format!("before={}", numbers[5]), 0..102),
        (format!("cursor={}&before={}", numbers[3], numbers[5]), 101..102),
        (format!("cursor={}&before={}", numbers[5], numbers[3]), 0..0),
        ("last=5&before=1".into(), 0..0),
    ] {
        assert_eq!(indexes_of(&app, &query).await, expected.collect::<Vec<_>>(), "{query}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn what_is_wrong_in_a_query_is_said_before_anything_is_sent() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    log.publish(3);
    wait_for_position(&app, &log.url(), 3).await;
    for (query, parameter) in [
        ("cursor=9000000000000000", "cursor"),
        ("cursor=x", "cursor"),
        ("since=tomorrow", "since"),
        ("follow=perhaps", "follow"),
        ("until=", "until"),
        ("last=0", "last"),
        ("cursor=1&last=5", "last"),
        ("before=x", "before"),
    ] {
        for path in ["/sse", "/ndjson"] {
            let (status, text) = body(&app, &format!("{path}?{query}"), None).await;
            let refused: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!((status, &refused["error"]), (400, &json!("invalid_parameter")), "{query}");
            assert_eq!(refused["parameter"], parameter, "{query}: {text}");
        }
    }
    assert_eq!(app.get("/stats").await["connected_client_count"], 0);
    app.stop().await;
}

#[actix_web::test]
async fn a_client_whose_cursor_is_older_than_the_journal_is_told_what_is_missing() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    log.publish(100);
    let sent = seqs(&messages(&mut client, 100).await);
    let dir = app.stop().await;
    fs::remove_dir_all(dir.path().join("state/journal")).expect("a journal");
    let app = spawn_app_in(dir, &[], "", vec![from_the_start(&log)]).await;
    log.publish(20);
    wait_for_position(&app, &log.url(), 120).await;
    let mut client = app.connect(&format!("/lite-stream?cursor={}", sent[49])).await;
    let gap = client.message().await;
    assert_eq!((&gap["message_type"], &gap["from_seq"]), (&json!("gap"), &json!(sent[50])), "{gap}");
    let after = messages(&mut client, 20).await;
    assert_eq!(after[0]["data"]["cert_index"], 100);
    assert!(gap["to_seq"].as_u64() < after[0]["seq"].as_u64() && gap["to_seq"].as_u64() >= Some(sent[99]));
    app.stop().await;
}

/// A byte of the disk has changed. Everything else can be read, and what cannot is named.
#[actix_web::test]
async fn a_damaged_block_is_announced_as_a_gap_between_those_around_it() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    let mut sent = Vec::new();
    for _ in 0..5 {
        log.publish(20);
        sent.extend(seqs(&messages(&mut client, 20).await));
    }
    let dir = app.stop().await;
    let journal = dir.path().join("state/journal");
    let segment =
        fs::read_dir(&journal).expect("a journal").next().expect("a segment").expect("a file").path();
    let mut bytes = fs::read(&segment).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&segment, bytes).expect("it is writable");

    let app = spawn_app_in(dir, &[], "", vec![from_the_start(&log)]).await;
    for query in [format!("cursor={}", sent[0] - 1), "since=1h&follow=0".into(), "follow=0".into()] {
        let mut client = app.connect(&format!("/lite-stream?{query}")).await;
        let (mut received, mut gaps) = (Vec::new(), Vec::new());
        while received.len() + gaps.len() < sent.len() {
            let message = client.message().await;
            let number = |member: &str| message[member].as_u64().expect("a number");
            match message["message_type"].as_str() {
                Some("gap") => gaps.extend(number("from_seq")..=number("to_seq")),
                _ => received.push(number("seq")),
            }
        }
        assert!((1..=20).contains(&gaps.len()), "{query}: {gaps:?}");
        assert!(received[0] < gaps[0] && gaps.last() < received.last(), "it is in the middle");
        let mut all = [received, gaps].concat();
        all.sort_unstable();
        assert_eq!(all, sent, "{query}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn heartbeats_say_up_to_where_everything_was_sent() {
    let log = quiet_log().await;
    let app = spawn_app("[heartbeat]\ninterval = '300ms'", vec![from_the_start(&log)]).await;
    let mut client = app.connect("/domains-only").await;
    app.wait_for_clients(1).await;
    let mut newest = 0;
    for _ in 0..5 {
        log.publish(10);
        let heartbeat = loop {
            let message = client.any_message().await;
            let seq = message["seq"].as_u64().expect("a number");
            assert!(seq >= newest, "{message} after {newest}");
            newest = seq;
            if message["message_type"] == "heartbeat" {
                break seq;
            }
        };
        assert_eq!(heartbeat, newest);
    }
    app.stop().await;
}

/// A ping is a frame of WebSocket, and nothing that lines or events could contain.
#[actix_web::test]
async fn clients_of_lines_and_events_are_not_pinged() {
    let log = quiet_log().await;
    let settings =
        "[clients]\nping_interval = '200ms'\npong_timeout = '500ms'\n[heartbeat]\ninterval = '100ms'";
    let app = spawn_app(settings, vec![from_the_start(&log)]).await;
    for path in ["/ndjson?stream=lite", "/sse?stream=lite"] {
        let mut response = awc::Client::default().get(app.http(path)).send().await.expect("an answer");
        let (begin, mut text) = (std::time::Instant::now(), Vec::new());
        while begin.elapsed().as_millis() < 1500 {
            text.extend(response.next().await.expect("it is not closed").expect("a chunk"));
        }
        let text = String::from_utf8(text).expect("text alone");
        assert!(text.lines().all(|line| !line.starts_with('\0') && line.is_ascii()), "{path}");
        assert!(text.matches("heartbeat").count() > 5, "{path}: {text}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn without_a_folder_for_the_journal_the_stream_goes_on() {
    let log = quiet_log().await;
    for dir in ["", "state/positions.json"] {
        let settings = format!("[journal]\ndir = '{dir}'\n[clients]\nring_bytes = '1 KiB'\n");
        let place = tempfile::tempdir().expect("a folder");
        let file = place.path().join("file");
        fs::write(&file, "").expect("a file");
        let settings = settings.replace("state/positions.json", file.to_str().expect("a path"));
        let app = spawn_app(&settings, vec![from_the_start(&log)]).await;
        let before = log.stats().tree_size;
        log.publish(300);
        wait_for_position(&app, &log.url(), before + 300).await;
        let mut client = app.connect("/lite-stream?since=1h").await;
        assert_eq!(client.indexes(300).await.len(), 300, "it is kept in memory");
        app.stop().await;
    }
}
