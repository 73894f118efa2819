//! What is printed, and how it ends.

use crate::client::{Client, command, cursor, number, until};
use crate::fake::{Act, Fake, names, subscribed};
use crate::server::Server;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;

#[actix_web::test]
async fn certificates_are_printed_as_json_names_or_a_table() {
    let server = Server::start().await;
    server.log().publish(20);
    let url = server.url("/?since=1h");
    let mut json = Client::start(&[&url, "--count", "20"]);
    assert_eq!(json.status().await, 0, "{}", json.said());
    let messages: Vec<serde_json::Value> =
        json.lines().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let indexes: Vec<_> =
        messages.iter().map(|message| message["data"]["cert_index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, (0..20).collect::<Vec<_>>());
    assert!(messages.iter().all(|message| message["data"]["leaf_cert"]["as_der"].is_string()), "as it came");

    let all: Vec<_> =
        messages.iter().flat_map(|m| m["data"]["leaf_cert"]["all_domains"].as_array().unwrap()).collect();
    for args in [&["--format", "names"][..], &["--format", "names", "--stream", "domains"]] {
        let mut client = Client::start(&[&[&*url, "--filter", "follow=0"], args].concat());
        assert_eq!(client.status().await, 0, "the stream has an end: {}", client.said());
        assert_eq!(client.lines(), all.iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>());
    }

    let mut table = Client::start(&[&url, "--count", "20", "--format", "table"]);
    assert_eq!(table.status().await, 0);
    let lines = table.lines();
    assert_eq!(lines.len(), 21);
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["TIME", "TYPE", "LOG", "ISSUER", "NAMES"]);
    // Some certificates have no name. A long name is cut to its column.
    let names = messages
        .iter()
        .zip(&lines[1..])
        .filter_map(|(message, line)| Some((message["data"]["leaf_cert"]["all_domains"][0].as_str()?, line)));
    for (name, line) in names {
        let shown: String = name.chars().take(40).collect();
        assert!(line.contains("Log 0") && line.contains(&shown), "{line}");
    }
    assert!(lines.iter().all(|line| line.chars().count() <= 120));
}

#[actix_web::test]
async fn options_select_what_the_server_sends() {
    let server = Server::start().await;
    // So many that a precert has "shop" in its name: one in eight has.
    server.log().publish(300);
    let url = server.url("/");
    let mut all = Client::start(&[&url, "--since", "1h", "--count", "300"]);
    assert_eq!(all.status().await, 0, "the server has them all");
    let args = [
        &url,
        "--stream",
        "lite",
        "--since",
        "1h",
        "--filter",
        "type=precert&follow=0",
        "--contains",
        "shop",
    ];
    let mut client = Client::start(&args.map(|arg: &str| arg));
    assert_eq!(client.status().await, 0, "{}", client.said());
    assert!(!client.lines().is_empty());
    for line in client.lines() {
        let message: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(message["data"]["update_type"], "PrecertLogEntry");
        assert!(message["data"]["leaf_cert"]["all_domains"].to_string().contains("shop"), "{line}");
        assert!(message["data"]["leaf_cert"].get("as_der").is_none(), "{line}");
    }
}

#[actix_web::test]
async fn a_reader_that_leaves_ends_it_quietly_and_the_cursor_is_right() {
    let server = Server::start().await;
    let (url, file) = (server.url("/"), server.file("cursor"));
    let args = [&*url, "--cursor-file", file.to_str().unwrap(), "--format", "json"];
    let mut child = command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    until("it is connected", || cursor(&file).is_some()).await;
    server.log().publish(1);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    let seq = number(&line, "/seq");
    drop(output);
    // It notices without having anything to print.
    until("it ends", || child.try_wait().unwrap().is_some()).await;
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
    assert_eq!(cursor(&file), Some(seq));

    server.log().publish(5);
    let mut client = Client::start(&[&args[..], &["--count", "5"]].concat());
    assert_eq!(client.status().await, 0);
    let indexes: Vec<_> = client.lines().iter().map(|line| number(line, "/data/cert_index")).collect();
    assert_eq!(indexes, [1, 2, 3, 4, 5]);
    assert_eq!(cursor(&file), Some(number(client.lines().last().unwrap(), "/seq")));
}

#[actix_web::test]
async fn an_output_that_nobody_reads_stops_the_server_and_not_a_signal() {
    let name = "x".repeat(100_000);
    let Message::Text(text) = names(&name, None) else { unreachable!() };
    let fake = Fake::start(vec![Act::Flood(Message::Text(text))]).await;
    let mut child =
        command(&[&fake.url("/")]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    until("it reads", || fake.sent() > 0).await;
    sleep(Duration::from_secs(2)).await;
    let sent = fake.sent();
    assert!(sent * name.len() < 40_000_000, "{sent} messages were read into memory");
    sleep(Duration::from_millis(500)).await;
    assert_eq!(fake.sent(), sent, "nothing more is read");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    until("it ends", || child.try_wait().unwrap().is_some()).await;
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[actix_web::test]
async fn after_a_signal_the_cursor_is_that_of_the_last_line() {
    let messages =
        |from| std::iter::once(subscribed(0)).chain((from..from + 1_000).map(|seq| names("a", Some(seq))));
    let fake = Fake::start((1..=4).map(|run| Act::Trickle(messages(run * 10_000).collect())).collect()).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cursor");
    // The file is written less often than messages come.
    for _ in 0..4 {
        let mut client = Client::start(&[&fake.url("/"), "--cursor-file", file.to_str().unwrap()]);
        client.until_lines(40).await;
        client.signal(Signal::TERM);
        assert_eq!(client.status().await, 0);
        assert_eq!(cursor(&file), Some(number(client.lines().last().unwrap(), "/seq")));
    }
}
