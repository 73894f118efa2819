//! Servers that are not ours, and servers that misbehave.

use crate::client::{Client, cursor, until};
use crate::fake::{Act, Fake, names, subscribed};
use rustix::process::Signal;
use std::time::Duration;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

#[actix_web::test]
async fn a_server_without_numbers_is_followed_and_what_that_costs_is_said_once() {
    let first = vec![names("a.example", None), names("b.example", None)];
    let fake = Fake::start(vec![Act::SendAndBreak(first), Act::Send(vec![names("c.example", None)])]).await;
    let mut client = Client::start(&[&fake.url("/"), "--format", "names"]);
    client.until_lines(3).await;
    assert_eq!(client.lines(), ["a.example", "b.example", "c.example"]);
    let said = client.said();
    assert_eq!(said.matches("gives its messages no numbers").count(), 1, "{said}");
    assert!(said.contains("connected again; what was logged meanwhile is missed"), "{said}");
    client.signal(Signal::TERM);
    assert_eq!(client.status().await, 0);
}

#[actix_web::test]
async fn a_server_without_numbers_cannot_be_resumed() {
    let fake = Fake::start(vec![Act::Send(vec![names("a.example", None)])]).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cursor");
    let mut client = Client::start(&[&fake.url("/"), "--cursor-file", file.to_str().unwrap()]);
    assert_eq!(client.status().await, 2);
    assert!(client.said().contains("--cursor-file cannot resume"), "{}", client.said());
    assert!(client.lines().is_empty());
}

#[actix_web::test]
async fn a_server_that_ignores_a_filter_is_not_taken_for_one_that_filters() {
    let fake = Fake::start(vec![Act::Send(vec![names("a.example", Some(1))])]).await;
    let mut client = Client::start(&[&fake.url("/"), "--domain", "b.example"]);
    assert_eq!(client.status().await, 2);
    assert!(client.said().contains("does not understand filters"), "{}", client.said());
    assert!(client.lines().is_empty());
}

#[actix_web::test]
async fn it_comes_back_with_the_newest_number_also_that_of_a_heartbeat() {
    let heartbeat =
        |seq| Message::text(format!(r#"{{"message_type":"heartbeat","timestamp":1.5,"seq":{seq}}}"#));
    let fake = Fake::start(vec![
        Act::SendAndBreak(vec![subscribed(4)]),
        Act::SendAndBreak(vec![subscribed(9), names("a", Some(5)), names("b", Some(7))]),
        Act::SendAndBreak(vec![subscribed(9), heartbeat(20)]),
        Act::Send(vec![subscribed(30), names("c", Some(25))]),
    ])
    .await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cursor");
    let path = file.to_str().unwrap();
    let client =
        Client::start(&[&fake.url("/domains-only?domain=a"), "--format", "names", "--cursor-file", path]);
    client.until_lines(3).await;
    let lines: Vec<_> =
        fake.requests().iter().map(|(head, _)| head.lines().next().unwrap().to_string()).collect();
    assert_eq!(
        lines,
        [
            "GET /domains-only?domain=a&notices=1 HTTP/1.1",
            "GET /domains-only?domain=a&cursor=4&notices=1 HTTP/1.1",
            "GET /domains-only?domain=a&cursor=7&notices=1 HTTP/1.1",
            "GET /domains-only?domain=a&cursor=20&notices=1 HTTP/1.1",
        ]
    );
    until("the file is written", || cursor(&file) == Some(25)).await;
}

#[actix_web::test]
async fn a_gap_is_told_and_the_stream_goes_on() {
    let gap = Message::text(r#"{"message_type":"gap","dropped":3,"from_seq":7,"to_seq":9}"#);
    let alert = Message::text(
        r#"{"message_type":"log_alert","data":{"kind":"fork","log":"ct.example","problem":"\u001b[2J two heads"}}"#,
    );
    let fake = Fake::start(vec![Act::Send(vec![subscribed(9), gap, alert, names("a", Some(10))])]).await;
    let mut client = Client::start(&[&fake.url("/"), "--count", "1", "--format", "names"]);
    assert_eq!(client.status().await, 0);
    assert_eq!(client.lines(), ["a"]);
    let said = client.said();
    assert!(said.contains("missed: the server no longer has the entries 7 to 9 (at most 3)"), "{said}");
    assert!(said.contains(r"log ct.example: \u{1b}[2J two heads"), "{said}");
}

#[actix_web::test]
async fn an_overloaded_server_is_left_alone_for_as_long_as_it_says() {
    let busy = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nContent-Length: 8\r\n\r\ntoo many";
    let away = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\naway";
    let fake =
        Fake::start(vec![Act::Answer(busy), Act::Answer(away), Act::Send(vec![names("a", None)])]).await;
    let mut client = Client::start(&[&fake.url("/"), "--count", "1"]);
    assert_eq!(client.status().await, 0);
    let times: Vec<_> = fake.requests().iter().map(|(_, time)| *time).collect();
    assert!(times[1] - times[0] >= Duration::from_secs(2), "{times:?}");
    assert!(times[2] - times[1] >= Duration::from_millis(500), "the delay grows: {times:?}");
    let said = client.said();
    assert!(said.contains("429: too many") && said.contains("503: away"), "{said}");
}

#[actix_web::test]
async fn a_silent_server_is_left_and_one_that_answers_pings_is_not() {
    let fake =
        Fake::start(vec![Act::SendAndFreeze(vec![subscribed(1)]), Act::Send(vec![names("a", Some(2))])])
            .await;
    let client = Client::start(&[&fake.url("/"), "--idle-timeout", "3s"]);
    client.until_said("nothing has come for 3s").await;
    client.until_lines(1).await;
    sleep(Duration::from_secs(8)).await;
    assert_eq!(fake.requests().len(), 2, "{}", client.said());
}

#[actix_web::test]
async fn pings_are_answered_and_messages_may_be_large_or_in_parts() {
    let part = |data, opcode, is_last| Message::Frame(Frame::message(data, OpCode::Data(opcode), is_last));
    let large = "x".repeat(3_000_000);
    let fake = Fake::start(vec![Act::Send(vec![
        Message::Ping("hello".into()),
        names(&large, None),
        part(r#"{"message_type":"dns_entries","#, Data::Text, false),
        Message::Ping("again".into()),
        part(r#""data":["#, Data::Continue, false),
        part(r#""parts"]}"#, Data::Continue, true),
        Message::text("no message"),
        Message::binary(vec![0xff]),
        names("last", None),
    ])])
    .await;
    let client = Client::start(&[&fake.url("/"), "--format", "names"]);
    client.until_lines(3).await;
    assert_eq!(client.lines()[1..], ["parts", "last"]);
    assert_eq!(client.lines()[0].len(), large.len());
    assert_eq!(client.said().matches("an invalid message is ignored").count(), 2, "{}", client.said());
    let pongs = [Message::Pong("hello".into()), Message::Pong("again".into())];
    until("pongs", || fake.received() == pongs).await;
}

#[actix_web::test]
async fn a_message_that_is_too_large_ends_the_connection_not_the_program() {
    let huge = Message::text("x".repeat(17 * 1024 * 1024));
    let fake = Fake::start(vec![Act::SendAndFreeze(vec![huge]), Act::Send(vec![names("a", None)])]).await;
    let mut client = Client::start(&[&fake.url("/"), "--count", "1", "--format", "names"]);
    assert_eq!(client.status().await, 0);
    assert!(client.said().contains("connecting again in"), "{}", client.said());
}

#[actix_web::test]
async fn a_token_is_sent_and_never_shown() {
    let fake = Fake::start(vec![Act::SendAndBreak(vec![]), Act::Send(vec![subscribed(1)])]).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cursor");
    let mut command =
        crate::client::command(&[&fake.url("/?token=query-secret"), "--cursor-file", file.to_str().unwrap()]);
    command.env("CERTSTREAM_TOKEN", "header-secret");
    let client = Client::spawn(command);
    until("the file is written", || cursor(&file) == Some(1)).await;
    let head = &fake.requests()[0].0;
    assert!(
        head.contains("authorization: Bearer header-secret\r\n") && head.contains("token=query-secret"),
        "{head}"
    );
    let text = std::fs::read_to_string(&file).unwrap() + &client.said();
    assert!(text.contains("connecting again") && !text.contains("secret"), "{text}");
}
